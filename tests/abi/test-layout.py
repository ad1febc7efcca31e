#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of the public structs and the values of the public enumerators stand still: tests/abi/layout.c asserts each of them
when it is compiled, and this test that it leaves none out. After a change that is meant (before 1.0; later only what is
added): RELAIS_REGENERATE=1 tests/abi/test-layout.py. TAP."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import public

CC = shlex.split(os.environ.get("CC") or "cc")
FILE = os.path.join(public.SOURCE, "tests/abi/layout.c")
PRIVATE = {"RELAIS_N_HOOKS"}  # as its comment says
HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where everything stands in the structs of the public headers, and what their enumerators are: on machines with
 * 64 bits, which share this layout. Written by tests/abi/test-layout.py, which also compiles it.
 */
"""


def includes():
    return "".join("#include <relais/%s>\n" % os.path.basename(path) for path in public.headers())


def facts():
    """C expressions that must keep their values."""
    out = []
    for path in public.headers():
        for name, members in public.structs(path):
            out.append("sizeof (%s)" % name)
            out += ["%s (%s, %s)" % (what, name, member) for member in members for what in ("G_STRUCT_OFFSET", "SIZE_OF")]
        out += [name for name in public.enumerators(path) if name not in PRIVATE]
    return out


SIZE_OF = "#define SIZE_OF(type, member) sizeof (((type *)NULL)->member)\n"


def flags():
    found = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True, check=True).stdout
    return ["-std=gnu11", "-I" + os.path.join(public.SOURCE, "include")] + shlex.split(found)


def measure():
    with tempfile.TemporaryDirectory() as top:
        source, program = os.path.join(top, "measure.c"), os.path.join(top, "measure")
        with open(source, "w") as file:
            file.write(includes() + "#include <stdio.h>\n" + SIZE_OF + "int\nmain (void)\n{\n")
            file.writelines('    printf ("%%lld\\n", (long long)(%s));\n' % fact for fact in facts())
            file.write("}\n")
        subprocess.run([*CC, *flags(), "-o", program, source], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()


def write():
    with open(FILE, "w") as file:
        file.write(HEAD + includes() + "\n#if GLIB_SIZEOF_VOID_P == 8\n" + SIZE_OF)
        for fact, value in zip(facts(), measure()):
            file.write("G_STATIC_ASSERT (%s == %s);\n" % (fact, value))
        file.write("#endif\n")


def main():
    if os.environ.get("RELAIS_REGENERATE"):
        write()
    with open(FILE) as file:
        asserted = re.findall(r"^G_STATIC_ASSERT \((.*) == -?\d+\);$", file.read(), flags=re.M)
    missing, gone = sorted(set(facts()) - set(asserted)), sorted(set(asserted) - set(facts()))
    print("%sok 1 - layout.c has all %d facts" % ("not " if missing or gone or len(asserted) < 300 else "", len(asserted)))
    for fact in missing:
        print("# not asserted: " + fact)
    for fact in gone:
        print("# no longer there: " + fact)
    done = subprocess.run([*CC, *flags(), "-fsyntax-only", FILE], capture_output=True, text=True)
    print("%sok 2 - and they hold" % ("" if done.returncode == 0 else "not "))
    for line in done.stderr.splitlines()[:60]:
        print("# " + line)
    if missing or gone or done.returncode != 0:
        print("# If this is meant: RELAIS_REGENERATE=1 tests/abi/test-layout.py, and a line in relais-module(7), What may change")
    print("1..2")


main()
