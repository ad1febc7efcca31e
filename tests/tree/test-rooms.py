#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the rooms: a room includes only rooms above it, a module only the public headers, its
own files and libraries. The fixture below tests/tree holds one breach of each rule and must fail."""
import glob
import os
import re
import sys

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ["loop", "conf", "tls", "event", "message", "spool", "dns", "store", "suppress", "module", "http", "control", "smtp", "queue"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import shared


def breaches(top):
    out = []
    for path in sorted(glob.glob(os.path.join(top, "core", "*", "*.[ch]"))):
        room = os.path.basename(os.path.dirname(path))
        where = os.path.relpath(path, top)
        if room not in ROOMS:
            out.append("%s: '%s' is no room of the house" % (where, room))
            continue
        for bracket, name in INCLUDE.findall(open(path).read()):
            other = name.split("/")[0]
            if bracket == '"' and "/" not in name and name != "config.h":
                out.append("%s: \"%s\" names no room" % (where, name))
            elif bracket == '"' and "/" in name:
                if other not in ROOMS:
                    out.append("%s: %s is no room" % (where, name))
                elif ROOMS.index(other) > ROOMS.index(room):
                    out.append("%s: includes %s, a room below it" % (where, name))
            elif bracket == "<" and other == "relais" and not os.path.exists(os.path.join(SOURCE, "include", name)):
                out.append("%s: <%s> is no public header" % (where, name))
    for path in sorted(glob.glob(os.path.join(top, "modules", "*", "*.[ch]"))):
        where, here = os.path.relpath(path, top), os.path.dirname(path)
        others = [os.path.basename(file) for file in shared.files(SOURCE, os.path.basename(here))]
        for bracket, name in INCLUDE.findall(open(path).read()):
            if bracket == '"' and name not in others and not os.path.exists(os.path.join(here, name)):
                out.append("%s: \"%s\" is not the module's own file" % (where, name))
            elif "-private" in name and bracket == "<":
                out.append("%s: <%s> is private" % (where, name))
    for path in sorted(glob.glob(os.path.join(top, "include", "relais", "*.h"))):
        where = os.path.relpath(path, top)
        for bracket, name in INCLUDE.findall(open(path).read()):
            if bracket == '"' or not name.startswith(("relais/", "glib", "gio/")):
                out.append("%s: a public header includes %s" % (where, name))
    return out


def main():
    found = breaches(SOURCE)
    print("%sok 1 - rooms include rooms above them, modules public headers only" % ("not " if found else ""))
    for line in found:
        print("# " + line)
    fixture = breaches(os.path.join(SOURCE, "tests", "tree", "fixture"))
    wanted = {
        "core/spool/upward.c: includes queue/queue-private.h, a room below it",
        "core/attic/stray.c: 'attic' is no room of the house",
        "modules/guest/guest.c: \"spool/spool-private.h\" is not the module's own file",
        "include/relais/leak.h: a public header includes openssl/evp.h",
    }
    good = set(fixture) == wanted
    print("%sok 2 - the fixture fails, once for each rule" % ("" if good else "not "))
    if not good:
        print("# %s" % sorted(set(fixture) ^ wanted))
    print("1..2")
    sys.exit(bool(found) or not good)


main()
