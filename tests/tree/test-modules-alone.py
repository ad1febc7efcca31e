#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module compiles and links with what is installed, and nothing else of the tree: headers, library and
relais.pc go to a temporary directory, and the module's sources are built from a copy. TAP."""
import glob
import os
import shlex
import shutil
import subprocess
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
CC = shlex.split(os.environ.get("CC") or "cc")
LIBRARIES = {  # what a module needs besides relais
    "click-redirector": ["libidn2", "gio-2.0"], "open-tracker": ["gio-2.0"], "dkim": ["libcrypto", "opendkim"], "store-gdbm": ["libxxhash"],
    "bounce": ["json-glib-1.0", "libpcre2-8"], "throttle": ["json-glib-1.0", "libpcre2-8"], "unsubscribe": ["gio-2.0"]}
BARE = {"store-gdbm": ["-lgdbm"]}  # the same, of what has no .pc file
SHARED = {"replies", "tracking"}  # no module: what several of them compile in
SHARES = {"bounce": "replies", "click-redirector": "tracking", "open-tracker": "tracking", "throttle": "replies"}


def run(argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, **options)


def install(top):
    """As `make install` lays it out, for what a module's author gets."""
    include, lib, pc = (os.path.join(top, p) for p in ("include/relais", "lib", "lib/pkgconfig"))
    for path in (include, pc):
        os.makedirs(path)
    listed = run(["make", "-s", "-C", BUILD, "install-relaisincludeHEADERS", "relaisincludedir=" + include])
    if listed.returncode != 0:
        raise RuntimeError(listed.stderr)
    shutil.copy(os.path.join(BUILD, ".libs/librelais.so.0"), os.path.join(lib, "librelais.so.0"))
    os.symlink("librelais.so.0", os.path.join(lib, "librelais.so"))
    with open(os.path.join(BUILD, "core/relais.pc")) as file:
        lines = file.read().splitlines()
    paths = {"prefix=": top, "exec_prefix=": top, "libdir=": lib, "includedir=": os.path.join(top, "include")}
    with open(os.path.join(pc, "relais.pc"), "w") as file:
        for line in lines:
            key = line.split("=")[0] + "="
            file.write((key + paths[key] if key in paths else line) + "\n")
    return pc


def build(module, top, pc):
    """None, or what the compiler said."""
    home = os.path.join(top, "src-" + module)
    shutil.copytree(os.path.join(SOURCE, "modules", module), home)
    for path in glob.glob(os.path.join(SOURCE, "modules", SHARES.get(module, "-"), "*.[ch]")):
        shutil.copy(path, home)
    env = dict(os.environ, PKG_CONFIG_PATH=pc)
    flags = run(["pkg-config", "--cflags", "--libs", "relais"] + LIBRARIES.get(module, []), env=env)
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
    sanitized = "#define RELAIS_SANITIZED 1" in open(os.path.join(BUILD, "config.h")).read()
    if sanitized:
        print("1..0 # SKIP a sanitized library needs its own flags")
        return
    top = tempfile.mkdtemp(prefix="relais-alone-")
    try:
        pc = install(top)
        for i, module in enumerate(modules):
            trouble = build(module, top, pc)
            print("%sok %d - %s builds alone" % ("not " if trouble else "", i + 1, module))
            if trouble:
                print("# " + trouble.replace("\n", "\n# "))
    finally:
        shutil.rmtree(top)
    print("1..%d" % len(modules))


main()
