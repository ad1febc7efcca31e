#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module in C++: every public header is good C++, and what RELAIS_MODULE_DEFINE makes of guest.cc is a module that comes up. TAP."""
import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import public

CXX = shlex.split(os.environ.get("CXX") or "c++")
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())


def compile_(*arguments):
    glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True, check=True).stdout
    return subprocess.run([*CXX, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wno-missing-field-initializers", "-Werror", "-I" + os.path.join(public.SOURCE, "include"),
                           *shlex.split(glib), *arguments], capture_output=True, text=True)


def tell(n, good, name, detail):
    print("%sok %d - %s" % ("" if good else "not ", n, name))
    for line in [] if good else detail.splitlines()[:60]:
        print("# " + line)


def main():
    with tempfile.TemporaryDirectory() as top:
        source, module = os.path.join(top, "all.cc"), os.path.join(top, "guest.so")
        with open(source, "w") as file:
            file.writelines("#include <relais/%s>\n" % os.path.basename(path) for path in public.headers(harness=True))
        done = compile_("-fsyntax-only", source)
        tell(1, done.returncode == 0, "the public headers are good C++", done.stderr)
        done = compile_("-fPIC", "-shared", "-o", module, os.path.join(HERE, "guest.cc"))
        tell(2, done.returncode == 0, "a module in C++ compiles", done.stderr)
        done = subprocess.run([os.path.join(BUILD, "relais-inspect"), module], capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, LC_ALL="C"))
        good = done.returncode == 0 and "guest 1.0: written in C++" in done.stdout and "rcpt: guest.refuse" in done.stdout
        tell(3, good, "and comes up with its hook", done.stdout + done.stderr)
    print("1..3")


main()
