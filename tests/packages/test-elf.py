#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs, the library and every module of this build are hardened, and need no symbol that their libraries have
not. A file without any of it must fail. TAP."""
import glob
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import elf  # noqa: E402

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
CONFIG = open(os.path.join(BUILD, "config.log")).read()
PROGRAMS = ("relaisd", "relaisctl", "relais-inspect")
count = 0


def ok(good, name, detail=""):
    global count
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    for line in [] if good else str(detail).splitlines():
        print("# " + line)


def naked():
    """The gate sees a program that has nothing of it."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "naked.c"), os.path.join(folder, "naked")
        with open(source, "w") as file:
            file.write("#include <stdio.h>\nint main (int argc, char **argv) { char text[64]; snprintf (text, 64, \"%%s\", argv[0]); puts (text);\n"
                       "%s return 0; }\n" % ("puts (argv[1]);" * 1000))
        subprocess.run(["gcc", "-O1", "-no-pie", "-fno-stack-protector", "-fcf-protection=none", "-U_FORTIFY_SOURCE", "-Wl,-z,lazy",
                        "-Wl,-z,norelro", "-Wl,-z,execstack", "-Wl,-rpath,/nowhere", "-o", program, source], check=True)
        said = elf.faults(program, installed=True)
        wanted = ("position independent", "RELRO", "lazily", "executable stack", "run path", "stack protector", "fortified", "shadow stacks")
        missed = [word for word in wanted if not any(word in line for line in said)]
        ok(not missed, "a naked program is told so", "not seen: %s in %s" % (missed, said))


def main():
    sanitized = "--enable-sanitizers" in CONFIG.split("## Platform. ##")[0] or "--enable-tsan" in CONFIG.split("## Platform. ##")[0]
    if sanitized:
        print("1..0 # SKIP a sanitized build has other flags")
        return
    files = [os.path.join(BUILD, ".libs", name) for name in PROGRAMS]
    files += sorted(glob.glob(os.path.join(BUILD, ".libs", "librelais.so.[0-9]")))
    modules = sorted(glob.glob(os.path.join(BUILD, "modules", "*", ".libs", "*.so")))
    ok(len(files) == len(PROGRAMS) + 1 and len(modules) >= 9, "programs, library and modules are found", "%s %s" % (files, modules))
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": os.path.join(BUILD, ".libs")}
    for path in files + modules:
        said = elf.faults(path) + elf.unresolved(path, environment)
        ok(not said, os.path.basename(path) + " is hardened, and its symbols are found", "\n".join(said))
    naked()
    print("1..%d" % count)


main()
