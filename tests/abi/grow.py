#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the public headers as a release 1.N of the test build has them: tests/abi/grow.py HEADERS DIR MINOR. Structs grow at
their end, one member a minor, as design and relais-module(7) promise for 1.x."""
import os
import re
import sys

GROWTH = {  # minor: struct, member
    1: [("RelaisModuleOps", "void (*since_1) (RelaisModule *module);"), ("RelaisOption", "const gchar *since_1;")],
    2: [("RelaisModuleDescriptor", "const gchar *since_2;"), ("RelaisCommand", "const gchar *since_2;")],
    3: [("RelaisModuleDescriptor", "const gchar *since_3;"), ("RelaisModuleOps", "void (*since_3) (RelaisModule *module);")]}


def grow(text, minor):
    for since in range(1, minor + 1):
        for struct, member in GROWTH.get(since, []):
            text = re.sub(r"^\} %s;" % struct, "    %s\n} %s;" % (member, struct), text, flags=re.M)
    return text


def main(headers, directory, minor):
    target = os.path.join(directory, "relais")
    os.makedirs(target, exist_ok=True)
    for name in sorted(os.listdir(headers)):
        with open(os.path.join(headers, name)) as file:
            text = file.read()
        if name == "version.h":
            text = re.sub(r"(#define RELAIS_API_MAJOR) \d+", r"\1 1", text)
            text = re.sub(r"(#define RELAIS_API_MINOR) \d+", r"\1 %d" % minor, text)
        text = grow(text, minor).replace("relais_module_0", "relais_module_1")
        with open(os.path.join(target, name), "w") as file:
            file.write(text)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
