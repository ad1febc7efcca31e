#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module compiles and links with what is installed (tests/abi/installed.py), and nothing else of the tree: its
sources are built from a copy. TAP."""
import glob
import os
import shlex
import shutil
import sys
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(SOURCE, "tests/abi"), os.path.join(SOURCE, "tests/tree")]
sys.dont_write_bytecode = True
import installed
import shared
from installed import CC, run

LIBRARIES = {  # what a module needs besides relais
    "click-redirector": ["libidn2", "gio-2.0"], "open-tracker": ["gio-2.0"], "dkim": ["libcrypto", "opendkim"], "store-gdbm": ["libxxhash"],
    "bounce": ["json-glib-1.0", "libpcre2-8"], "throttle": ["json-glib-1.0", "libpcre2-8"], "milter": ["gio-2.0"], "unsubscribe": ["gio-2.0"]}
BARE = {"store-gdbm": ["-lgdbm"]}  # the same, of what has no .pc file
SHARED = {"calls", "replies", "skeleton", "tracking"}  # no module: what several of them compile in, and what new ones are written from


def build(module, copy):
    """None, or what the compiler said."""
    home = os.path.join(copy.top, "src-" + module)
    shutil.copytree(os.path.join(SOURCE, "modules", module), home)
    for path in shared.files(SOURCE, module):
        shutil.copy(path, home)
    flags = run(["pkg-config", "--cflags", "--libs", "relais"] + LIBRARIES.get(module, []), env=copy.env)
    if flags.returncode != 0:
        return flags.stderr
    sources = sorted(os.path.basename(p) for p in glob.glob(home + "/*.c"))
    argv = CC + ["-std=gnu11", "-Wall", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,defs", "-o", module + ".so"]
    done = run(argv + sources + shlex.split(flags.stdout) + BARE.get(module, []), cwd=home)
    if done.returncode != 0:
        return done.stderr
    symbols = run(["nm", "-D", "--defined-only", os.path.join(home, module + ".so")]).stdout.split()
    return None if "relais_module_0" in symbols else "no descriptor is exported"


def main():
    found = {os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(SOURCE, "modules/*/local.mk"))}
    modules = sorted(found - SHARED)
    if installed.sanitized():
        print("1..0 # SKIP a sanitized library needs its own flags")
        return
    top = tempfile.mkdtemp(prefix="relais-alone-")
    try:
        copy = installed.Installed(os.path.join(top, "prefix"))
        for i, module in enumerate(modules):
            trouble = build(module, copy)
            print("%sok %d - %s builds alone" % ("not " if trouble else "", i + 1, module))
            if trouble:
                print("# " + trouble.replace("\n", "\n# "))
    finally:
        shutil.rmtree(top)
    print("1..%d" % len(modules))


main()
