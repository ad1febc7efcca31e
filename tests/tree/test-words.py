#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the house that a text search can hold: calls that are banned, notes to oneself, SPDX lines
and opening comments, length of files."""
import glob
import os
import re
import sys

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|mktemp|alloca|atoi|atol|scanf|sscanf|rand|srand) ?\(")
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
LONGEST = 800


def files(*patterns):
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(SOURCE, pattern), recursive=True)):
            if "/tree/fixture/" not in path:
                yield os.path.relpath(path, SOURCE), open(path, errors="replace").read()


def banned():
    for path, text in files("core/**/*.[ch]", "modules/**/*.[ch]"):
        for n, line in enumerate(text.splitlines(), 1):
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
            if BANNED.search(code) and not code.lstrip().startswith(("*", "/*")):
                yield "%s:%d: %s" % (path, n, line.strip())


def notes():
    for path, text in files("core/**/*.[ch]", "modules/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]", "conf.d/*.conf"):
        for n, line in enumerate(text.splitlines(), 1):
            if NOTES.search(line):
                yield "%s:%d: %s" % (path, n, line.strip())


def openings():
    for path, text in files("core/**/*.[ch]", "modules/**/*.[ch]", "include/**/*.h"):
        head = text[:400]
        licence = "MIT" if path.startswith(("include/", "modules/skeleton/")) else "GPL-3.0-or-later"
        if not head.startswith("/* SPDX-License-Identifier: %s\n *\n * " % licence):
            yield "%s: does not open with its licence and what it owns" % path


def lengths():
    for path, text in files("core/**/*.[ch]", "modules/**/*.[ch]", "include/**/*.h"):
        n = text.count("\n")
        if n > LONGEST:
            yield "%s: %d lines" % (path, n)


bad = 0
for number, (name, rule) in enumerate((("no banned call", banned), ("no notes to oneself", notes),
                                       ("files open with licence and purpose", openings),
                                       ("no file over %d lines" % LONGEST, lengths)), 1):
    found = list(rule())
    bad += bool(found)
    print("%sok %d - %s" % ("not " if found else "", number, name))
    for line in found[:50]:
        print("# " + line)
print("1..4")
sys.exit(bad > 0)
