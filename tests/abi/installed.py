# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of what an author of modules installs, in a directory: headers, library, relais.pc, relais.m4, the templates and
the programs, from a build tree. What is built against it sees nothing else of ours."""
import os
import shlex
import shutil
import subprocess

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
CC = shlex.split(os.environ.get("CC") or "cc")
FLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
MODULE_FLAGS = ["-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,defs"]
PARTS = ["install-relaisincludeHEADERS", "install-dist_aclocalDATA", "install-pkgconfigDATA", "install-skeleton"]


def run(argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, **options)


def must(argv, **options):
    done = run(argv, **options)
    if done.returncode != 0:
        raise RuntimeError("%s: %d\n%s%s" % (" ".join(argv), done.returncode, done.stdout[-3000:], done.stderr[-3000:]))
    return done.stdout


def sanitized():
    with open(os.path.join(BUILD, "config.h")) as file:
        return "#define RELAIS_SANITIZED 1" in file.read()


class Installed:
    def __init__(self, top, parts=PARTS):
        self.top, self.bin, self.lib = top, os.path.join(top, "bin"), os.path.join(top, "lib")
        self.modules = os.path.join(self.lib, "relais", "0")
        for path in (self.bin, self.modules):
            os.makedirs(path)
        must(["make", "-s", "-C", BUILD, *parts, "prefix=" + top])
        shutil.copy(os.path.join(BUILD, ".libs/librelais.so.0"), os.path.join(self.lib, "librelais.so.0"))
        os.symlink("librelais.so.0", os.path.join(self.lib, "librelais.so"))
        for program in ("relaisctl", "relais-inspect"):
            shutil.copy(os.path.join(BUILD, ".libs", program), self.bin)
        self._place(os.path.join(self.lib, "pkgconfig", "relais.pc"))
        self.env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(self.lib, "pkgconfig"), LD_LIBRARY_PATH=self.lib,
                        ACLOCAL_PATH=os.path.join(top, "share/aclocal"), PATH=self.bin + ":" + os.environ["PATH"])

    def _place(self, path):
        """relais.pc names the prefix that was configured; the copy has another."""
        share = os.path.join(self.top, "share")
        places = {"prefix": self.top, "exec_prefix": self.top, "bindir": self.bin, "libdir": self.lib, "datarootdir": share, "datadir": share,
                  "includedir": os.path.join(self.top, "include"), "sysconfdir": os.path.join(self.top, "etc")}
        with open(path) as file:
            lines = file.read().splitlines()
        with open(path, "w") as file:
            for line in lines:
                key = line.split("=")[0]
                file.write(("%s=%s" % (key, places[key]) if key in places else line) + "\n")

    def flags(self, *packages):
        return shlex.split(must(["pkg-config", "--cflags", "--libs", "relais", *packages], env=self.env))

    def build_module(self, home, name, sources, extra=()):
        """NAME.so from sources in `home`, placed with the installed modules."""
        target = os.path.join(self.modules, name + ".so")
        must([*CC, *FLAGS, *MODULE_FLAGS, *extra, "-o", target, *sources, *self.flags()], cwd=home)
        os.chmod(target, 0o755)
        return target

    def run_test(self, home, name, source, extra=()):
        """Compiles a test program of a module and runs it; what it said. Raises if it failed."""
        program = os.path.join(home, name)
        must([*CC, *FLAGS, *extra, "-DMODULE_DIR=\"%s\"" % self.modules, "-o", program, source, *self.flags()], cwd=home)
        return must([program], cwd=home, env=self.env)
