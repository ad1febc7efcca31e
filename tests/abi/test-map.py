#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the headers mark RELAIS_API, what core/librelais.map lists, and what the library exports are the
same, node by node. TAP."""
import glob
import os
import re
import subprocess

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())


def from_headers(paths):
    names = set()
    for path in paths:
        text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        for statement in re.findall(r"RELAIS_API\b[^;]*;", text):
            names.add(re.search(r"\b(relais_\w+)\s*\(", statement).group(1))
    return names


def from_map(path):
    nodes = {}
    text = re.sub(r"#.*", "", open(path).read())
    for node, body in re.findall(r"(\S+)\s*\{(.*?)\}", text, flags=re.S):
        nodes[node] = set(re.findall(r"\b(relais_\w+);", body))
    return nodes


def from_library(path):
    nodes = {}
    done = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", path], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        address, kind, name = line.split()
        name, _, node = name.replace("@@", "@").partition("@")
        if kind == "A":
            continue
        nodes.setdefault(node, set()).add(name)
    return nodes


def main():
    headers = [p for p in glob.glob(os.path.join(SOURCE, "include/relais/*.h")) if not p.endswith("/test.h")]
    wanted = {
        "RELAIS_0.1": from_headers(headers),
        "RELAIS_PRIVATE": from_headers([os.path.join(SOURCE, "core/mains-private.h")]),
        "RELAIS_TEST": from_headers([os.path.join(SOURCE, "include/relais/test.h")]),
    }
    listed = from_map(os.path.join(SOURCE, "core/librelais.map"))
    library = os.path.join(BUILD, ".libs/librelais.so.0")
    exported = from_library(library)
    n = 0
    for what, found in (("map", listed), ("library", exported)):
        for node in sorted(set(wanted) | set(found)):
            n += 1
            difference = sorted(wanted.get(node, set()) ^ found.get(node, set()))
            print("%sok %d - %s: %s has what the headers say" % ("not " if difference else "", n, what, node))
            for name in difference:
                print("# %s %s" % ("missing:" if name in wanted.get(node, set()) else "too much:", name))
    n += 1
    dynamic = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
    print("%sok %d - the soname is librelais.so.0" % ("" if "[librelais.so.0]" in dynamic else "not ", n))
    print("1..%d" % n)


main()
