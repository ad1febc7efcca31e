#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what a closing note quotes: how many symbols librelais exports by node, and which gates its files and the modules'
pass (tests/packages/elf.py). symbols.py [BUILD]; ends with 1 if one does not."""
import collections
import glob
import os
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests/packages"))
import elf

KINDS = {"RELAIS_PRIVATE": "private", "RELAIS_TEST": "test"}
GATES = "PIE or shared, RELRO, NOW, no executable stack, no text relocations, canary, FORTIFY, CET"


def symbols(library):
    nodes = collections.Counter()
    done = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        _, kind, name = line.split()
        if kind != "A":
            nodes[name.replace("@@", "@").partition("@")[2]] += 1
    return nodes


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RELAIS_BUILDDIR", os.path.join(SOURCE, "build"))
    library = os.path.join(build, ".libs/librelais.so.0")
    for node, n in sorted(symbols(library).items()):
        print("%d symbols in %s (%s)" % (n, node, KINDS.get(node, "public")))
    files = [os.path.join(build, ".libs", name) for name in ("relaisd", "relaisctl", "relais-inspect")]
    files += [os.path.realpath(library)] + sorted(glob.glob(os.path.join(build, "modules/*/.libs/*.so")))
    bad = 0
    for path in files:
        faults = elf.faults(path)
        bad += 1 if faults else 0
        print("%s: %s" % (os.path.basename(path), "; ".join(faults) if faults else "all"))
    print("gates: " + GATES)
    return 1 if bad else 0


sys.exit(main())
