#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual for authors: relais-api(3) has every public name with its text, the pages are well-formed, and whatever function
or type a page names is there. TAP."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import public
import reference

MAN = os.path.join(public.SOURCE, "man")
PAGES = ["relais-module.7", "relais-module-tutorial.7", "relais-inspect.1"]


def plain(text):
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def names():
    for path in public.headers(harness=True):
        yield from (name for name, _ in public.functions(path))
        yield from (name for name, _ in public.structs(path))
        yield from public.enumerators(path)


def lint(name, text):
    if not shutil.which("groff"):
        return None
    done = subprocess.run(["groff", "-t", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True, text=True)
    return [name + ": " + line for line in done.stderr.splitlines()]


def main():
    n, bad = 0, 0

    def ok(name, wrong):
        nonlocal n
        n += 1
        print("%sok %d - %s" % ("not " if wrong else "", n, name))
        for line in wrong:
            print("# " + line)
    api = reference.page(public.headers(harness=True))
    words = set(re.findall(r"\w+", plain(api)))
    known = set(names())
    ok("relais-api(3) has all %d public names" % len(known), sorted(known - words) or ([] if len(known) > 400 else ["too few are found"]))
    dumb = [name for path in public.headers(harness=True) for name, text in groups_without_text(path)]
    ok("and says what each header is for", dumb)
    for page in PAGES:
        with open(os.path.join(MAN, page), encoding="utf-8") as file:
            text = file.read()
        wrong = lint(page, text)
        if wrong is None:
            n += 1
            print("ok %d - %s is well-formed # SKIP groff is not installed" % (n, page))
        else:
            ok("%s is well-formed" % page, wrong)
        named = set(re.findall(r"\b(relais_[a-z0-9_]+) \(\)", plain(text))) | set(re.findall(r"\b(RELAIS_[A-Z]+_[A-Z_]+)\b", plain(text)))
        macros = {"RELAIS_MODULE_DEFINE", "RELAIS_API_MAJOR", "RELAIS_API_MINOR", "RELAIS_MODULE_CFLAGS", "RELAIS_MODULE_LDFLAGS", "RELAIS_MODULE_MAGIC"}
        ok("%s names nothing that is not there" % page, sorted(named - known - macros))
    wrong = lint("relais-api.3", api)
    if wrong is not None:
        ok("relais-api(3) is well-formed", wrong)
    print("1..%d" % n)


def groups_without_text(path):
    """Headers without an opening comment that says what they are."""
    with open(path, encoding="utf-8") as file:
        opening, _ = reference.groups(file.read())
    if len(" ".join(opening)) < 80:
        yield os.path.basename(path), ""


main()
