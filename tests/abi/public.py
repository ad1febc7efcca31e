# SPDX-License-Identifier: GPL-3.0-or-later
"""What the public headers declare, as the checks of the ABI want it: functions, structs with their members, enumerators."""
import glob
import os
import re
import sys

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "man"))
sys.dont_write_bytecode = True
import reference


def headers(harness=False):
    """Paths; the harness is no part of the ABI."""
    found = sorted(glob.glob(os.path.join(SOURCE, "include/relais/*.h")))
    return [path for path in found if harness or os.path.basename(path) != "test.h"]


def declarations(path):
    with open(path, encoding="utf-8") as file:
        for kind, text in reference.items(file.read()):
            if kind == "code":
                yield re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", " ", text, flags=re.S)).strip()


def functions(path):
    """(name, prototype without mark, attribute and semicolon)"""
    for text in declarations(path):
        if text.startswith("RELAIS_API "):
            text = re.sub(r" G_GNUC_\w+( \([^)]*\))?", "", text[len("RELAIS_API "):].rstrip("; "))
            yield re.search(r"\b(relais_\w+) \(", text).group(1), text


def structs(path):
    """(name, members)"""
    for text in declarations(path):
        match = re.match(r"typedef struct \{(.*)\} (\w+);$", text)
        if match:
            members = []
            for member in match.group(1).split(";"):
                if member.strip():
                    function = re.search(r"\(\*(\w+)\) \(", member)
                    members += [function.group(1)] if function else [re.search(r"(\w+)(\[\w+\])?$", part.strip()).group(1) for part in member.split(",")]
            yield match.group(2), members


def enumerators(path):
    for text in declarations(path):
        match = re.match(r"enum \{(.*)\};$", text)
        if match:
            yield from re.findall(r"\b(RELAIS_\w+) =", match.group(1))
