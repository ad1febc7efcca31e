#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of HTML's named character references (core/message/html-entities-private.h) says what Python's says.
With --write the table is made anew. TAP."""
import ast
import html.entities
import os
import re
import sys

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(SOURCE, "core/message/html-entities-private.h")
COLUMNS = 100

HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The named character references of HTML (WHATWG 13.5), for html-value.c. Constant; any thread.
 * Made by tests/message/test-html-entities.py --write: do not edit.
 *
 * One text of names, each with a NUL, its value in UTF-8 and another NUL behind it; and where each
 * name begins, in the order of their octets.
 */
#pragma once

#include <glib.h>

/* clang-format off */
static const char html_entities[] =
"""


def octal(text):
    return "".join("\\%03o" % octet for octet in text.encode())


def packed(pieces, before, between, behind):
    """Lines of as many pieces as fit; each line stands between `before` and `behind`."""
    lines, line = [], ""
    for piece in pieces:
        if line and len(before) + len(line) + len(between) + len(piece) + len(behind) > COLUMNS:
            lines.append(before + line + behind)
            line = ""
        line += (between if line else "") + piece
    return lines + [before + line + behind]


def table():
    names = sorted(html.entities.html5)
    starts, at = [], 0
    for name in names:
        starts.append(str(at))
        at += len(name) + len(html.entities.html5[name].encode()) + 2
    text = packed(["%s\\0%s\\0" % (name, octal(html.entities.html5[name])) for name in names], '    "', "", '"')
    where = packed(starts, "    ", ",", ",")
    return (HEAD + "\n".join(text) + ";\n\nstatic const guint16 html_entity_starts[] = {\n" + "\n".join(where)
            + "\n};\n/* clang-format on */\n")


def entries(text):
    """What a C compiler makes of the table: names and values in its order."""
    literals, numbers = text.split("static const char html_entities[] =")[1].split("static const guint16")
    octets = b"".join(ast.literal_eval("b" + literal) for literal in re.findall(r'"(?:\\.|[^"\\])*"', literals))
    for start in re.findall(r"\d+", numbers.split("{")[1].split("}")[0]):
        name, value = octets[int(start):].split(b"\0", 2)[:2]
        yield name.decode(), value.decode()


def main():
    if sys.argv[1:] == ["--write"]:
        with open(TABLE, "w", encoding="ascii") as file:
            file.write(table())
        return 0
    with open(TABLE, encoding="ascii") as file:
        text = file.read()
    found = list(entries(text))
    checks = [("the table says what Python's says", dict(found) == html.entities.html5 and len(found) == len(html.entities.html5)),
              ("its names are in order", [name for name, _ in found] == sorted(name for name, _ in found)),
              ("it is as --write makes it", text == table())]
    for number, (what, good) in enumerate(checks, 1):
        print("%sok %d - %s" % ("" if good else "not ", number, what))
    print("1..%d" % len(checks))
    return 0 if all(good for _, good in checks) else 1


sys.exit(main())
