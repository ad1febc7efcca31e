#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as their authors build them: header-policy, recipient-callout and what `relaisctl module new` writes, each by autoreconf,
configure, make and make check against an installed copy, then installed. What relais.m4 says when something is missing or too
old. As a Debian package the last is built where the packages of Relais are installed: full-packages.py."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests/abi"))
os.environ["RELAIS_BUILDDIR"] = harness.BUILD
import installed

tap = harness.Tap()


def step(copy, home, what, *argv, **options):
    done = installed.run(list(argv), cwd=home, env=dict(copy.env, **options))
    return tap.ok(done.returncode == 0, "%s: %s" % (os.path.basename(home), what), done.stdout[-2000:] + done.stderr[-3000:])


def by_autotools(copy, home, name):
    root = os.path.join(copy.top, "root-" + name)
    good = (step(copy, home, "autoreconf", "autoreconf", "-i") and step(copy, home, "configure", "./configure", "-q", "CFLAGS=-O1 -Werror") and
            step(copy, home, "make", "make", "-s") and step(copy, home, "make check", "make", "-s", "check") and
            step(copy, home, "make install", "make", "-s", "install", "DESTDIR=" + root) and
            step(copy, home, "make distcheck", "make", "-s", "distcheck", "DISTCHECK_CONFIGURE_FLAGS=--with-relais-moduledir=\\$${libdir}/relais "
                 "--with-relais-confdir=\\$${datadir}/relais"))
    if not good:
        return
    module = os.path.join(root + copy.modules, name + ".so")
    symbols = installed.must(["nm", "-D", "--defined-only", module]).split()[2::3]
    tap.equal(symbols, ["relais_module_0"], "%s: one symbol is exported" % name)
    dynamic = installed.must(["readelf", "-d", module])
    tap.ok("[librelais.so.0]" in dynamic, "%s: it needs the library" % name, dynamic)
    tap.ok(os.path.exists(os.path.join(root + copy.top, "share/relais/conf.d", name + ".conf")), "%s: its configuration is where the vendor's is" % name)
    shutil.copy(module, copy.modules)
    done = installed.run([os.path.join(copy.bin, "relais-inspect"), "--module-dir", copy.modules, name], env=copy.env)
    tap.ok(done.returncode == 0, "%s: relais-inspect takes it" % name, done.stderr)


def test_projects(copy):
    for name in ("header-policy", "recipient-callout"):
        home = os.path.join(copy.top, name)
        shutil.copytree(os.path.join(harness.SOURCE, "tests/abi", name), home)
        by_autotools(copy, home, name)


def new(copy, name, *more):
    installed.must([os.path.join(copy.bin, "relaisctl"), "module", "new", name, "--templates=" + os.path.join(copy.top, "share/relais/skeleton"), *more],
                   env=copy.env, cwd=copy.top)
    return os.path.join(copy.top, name)


def test_skeleton(copy):
    by_autotools(copy, new(copy, "first-one"), "first-one")


def configure(home, argument, env):
    path = os.path.join(home, "configure.ac")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("RELAIS_MODULE([0.1])", "RELAIS_MODULE([%s])" % argument))
    done = installed.run(["autoreconf", "-i"], cwd=home, env=env)
    if done.returncode == 0:
        done = installed.run(["./configure", "-q"], cwd=home, env=env)
    with open(path, "w") as file:
        file.write(text)
    return done


def test_messages(copy):
    home = new(copy, "messages")
    lost = dict(copy.env, PKG_CONFIG_PATH="/nowhere", PKG_CONFIG_LIBDIR="/nowhere")
    for argument, env, wanted in (("0.9", copy.env, "Upgrade Relais"), ("1.0", copy.env, "Majors do not mix"), ("0.0", copy.env, "before 1.0 every minor"),
                                  ("one", copy.env, "expected an API version as 0.1"), ("", copy.env, "say which API"), ("0.1", lost, "Install librelais-dev")):
        done = configure(home, argument, env)
        tap.ok(wanted in done.stdout + done.stderr and (done.returncode != 0) == (argument != "0.0"), "RELAIS_MODULE([%s]): %s" % (argument, wanted),
               done.stdout[-1500:] + done.stderr[-1500:])


if installed.sanitized():
    print("1..0 # SKIP a sanitized library needs its own flags")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="relais-abi-") as top:
    copy = installed.Installed(os.path.join(top, "prefix"))
    for case in (test_projects, test_skeleton, test_messages):
        tap.case(case, copy)
tap.end()
