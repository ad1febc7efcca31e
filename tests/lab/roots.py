# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian systems in a directory, made by debootstrap with the suite and the mirror that apt uses here: what is installed
in them never touches the host. Needs root, for chroot."""
import os
import shutil
import subprocess
import sys

import lab

MADE = ".made"


def apt_sources():
    """Each archive of Debian that apt knows here: (URI, code name)."""
    found = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)", "Created-By: Packages",
                            "Component: main"], capture_output=True, text=True)
    rows = [line.split() for line in found.stdout.splitlines()]
    return list(dict.fromkeys((row[0], row[1]) for row in rows if len(row) == 3 and row[2] == "Debian"))


def find_mirror():
    """Where apt gets Debian itself from, and the code name of what runs here."""
    release = dict(line.rstrip("\n").split("=", 1) for line in open("/etc/os-release") if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    found = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                            "Codename: " + suite, "Component: main"], capture_output=True, text=True)
    mirrors = found.stdout.split()
    if not mirrors:
        raise lab.Trouble("apt knows no mirror of %s; run apt-get update" % suite)
    return suite, mirrors[0]


def make_root(root, packages):
    """Makes it once; `packages` are in it beside the essential ones and apt."""
    if os.path.exists(os.path.join(root, MADE)):
        return
    if shutil.which("debootstrap") is None:
        raise lab.Trouble("debootstrap is not there; run tests/lab/install")
    suite, mirror = find_mirror()
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    print("debootstrap of %s in %s, once" % (", ".join(packages) or suite, root), file=sys.stderr)
    done = subprocess.run(["debootstrap", "--variant=minbase"] + ["--include=" + ",".join(packages)] * bool(packages) +
                          [suite, root, mirror], capture_output=True, text=True)
    if done.returncode != 0:
        raise lab.Trouble("debootstrap failed: %s" % (done.stdout + done.stderr)[-2000:])
    with open(os.path.join(root, MADE), "w") as file:
        file.write("\n".join(packages) + "\n")


def inside(root, *argv, env=None):
    done = subprocess.run(["chroot", root, *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)
    if done.returncode != 0:
        raise lab.Trouble("%s: %s" % (" ".join(argv), done.stdout + done.stderr))
    return done.stdout
