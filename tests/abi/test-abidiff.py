#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types and functions of the public headers against the baseline, by abidiff (abigail-tools): any difference that the ledger
does not accept fails. What is compared is a library of empty functions made from the headers, so the baseline says what
they say and no more, whatever the compiler's options; test-map.py sees to it that librelais exports just these.

    RELAIS_REGENERATE=1 tests/abi/test-abidiff.py       writes tests/abi/baseline.xml anew: before 1.0 after each change that
                                                        is meant; from 1.0 on with each minor, after additions alone

tests/abi/ledger is a suppression file of libabigail; each section of it has a "# Reason:". TAP."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import public

CC = shlex.split(os.environ.get("CC") or "cc")
HERE = os.path.join(public.SOURCE, "tests/abi")
BASELINE, LEDGER = os.path.join(HERE, "baseline.xml"), os.path.join(HERE, "ledger")


def glib():
    return shlex.split(subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True, check=True).stdout)


def build(top, change=None):
    """The library of the headers; `change` spoils a copy of them."""
    include = os.path.join(top, "include")
    shutil.copytree(os.path.join(public.SOURCE, "include"), include)
    if change:
        path = os.path.join(include, "relais", change[0])
        with open(path) as file:
            text = file.read()
        if change[1] not in text:
            raise RuntimeError("%s has no %r" % change[:2])
        with open(path, "w") as file:
            file.write(text.replace(change[1], change[2], 1))
    library = os.path.join(top, "librelais.so")
    with open(os.path.join(top, "shape.c"), "w") as file:
        for path in public.headers():
            file.write("#include <relais/%s>\n" % os.path.basename(path))
        for path in public.headers():
            for _, prototype in public.functions(os.path.join(include, "relais", os.path.basename(path))):
                file.write("%s { __builtin_trap (); }\n" % prototype)
    subprocess.run([*CC, "-std=gnu11", "-g", "-O0", "-w", "-fPIC", "-shared", "-fvisibility=hidden", "-DRELAIS_COMPILATION", "-I" + include, *glib(),
                    "-fdebug-prefix-map=%s=." % top, "-Wl,-soname,librelais.so.0", "-o", library, "shape.c"], check=True, cwd=top)
    return library


def write(library, path):
    subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-architecture", "--no-parameter-names", "--exported-interfaces-only",
                    "--out-file", path, library], check=True)


def compare(library, ledger=LEDGER):
    done = subprocess.run(["abidiff", "--no-show-locs", "--no-architecture", "--suppressions", ledger, BASELINE, library], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def reasons():
    """Sections of the ledger without one."""
    with open(LEDGER) as file:
        blocks = re.split(r"\n\s*\n", file.read())
    return [block for block in blocks if re.search(r"^\[", block, re.M) and not re.search(r"^# Reason: \S", block, re.M)]


SPOILT = [("hook.h", "    RelaisHookFunc func;\n", "    RelaisHookFunc func;\n    gpointer more;\n", "a member in the middle of a struct"),
          ("module.h", "    guint16 minor_built; ", "    guint32 minor_built; ", "a wider member of the descriptor"),
          ("timer.h", "relais_module_now_us (const RelaisModule *module)", "relais_module_now_us (const RelaisModule *module, gint64 more)", "one more argument"),
          ("fetch.h", "    guint32 status;  ", "    guint64 status;  ", "a struct that only callbacks see"),
          ("log.h", "RELAIS_API void relais_log_text", "RELAIS_API void relais_log_line", "another name")]


def main():
    if not shutil.which("abidiff"):
        print("1..0 # SKIP abidiff is not installed (abigail-tools)")
        return
    n = 0
    with tempfile.TemporaryDirectory() as top:
        os.makedirs(os.path.join(top, "now"))
        library = build(os.path.join(top, "now"))
        if os.environ.get("RELAIS_REGENERATE"):
            write(library, BASELINE)
        status, text = compare(library)
        n += 1
        print("%sok %d - the headers are as the baseline says" % ("" if status == 0 else "not ", n))
        if status != 0:
            for line in text.splitlines()[:100]:
                print("# " + line)
            print("# If this is meant: before 1.0 RELAIS_REGENERATE=1 tests/abi/test-abidiff.py; later see the ledger")
        bare = reasons()
        n += 1
        print("%sok %d - what the ledger accepts has its reason" % ("not " if bare else "", n))
        for file, old, new, what in SPOILT:
            place = os.path.join(top, str(n))
            os.makedirs(place)
            status, _ = compare(build(place, (file, old, new)))
            n += 1
            print("%sok %d - it would see %s" % ("" if status != 0 else "not ", n, what))
    print("1..%d" % n)


main()
