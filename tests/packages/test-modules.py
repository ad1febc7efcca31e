#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relaisctl module list, enable, disable: one small file and no other, checked before it is written, with and without
a daemon, and where the configuration is broken already. TAP."""
import json
import os
import shutil
import subprocess
import tempfile

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
OWN = "# Written by `relaisctl module enable %s`; `relaisctl module disable %s` removes it.\n[module %s]\nenable = yes\n"
count = 0


def ok(good, name, detail=""):
    global count
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    for line in [] if good else str(detail).splitlines()[:30]:
        print("# " + line)


class Place:
    """Vendor and administrator's conf.d, and a module directory."""

    def __init__(self, top):
        self.vendor, self.admin, self.modules = (os.path.join(top, name) for name in ("vendor", "admin", "modules"))
        for path in (self.vendor, self.modules):
            os.makedirs(path)
        for name in ("dkim", "dmarc"):
            self.install(name)

    def install(self, name):
        shutil.copy(os.path.join(BUILD, "modules", name, ".libs", name + ".so"), self.modules)

    def write(self, name, text):
        os.makedirs(self.admin, exist_ok=True)
        with open(os.path.join(self.admin, name), "w") as file:
            file.write(text)

    def files(self):
        return {name: open(os.path.join(self.admin, name)).read() for name in sorted(os.listdir(self.admin))} \
            if os.path.isdir(self.admin) else {}

    def ctl(self, *words):
        argv = [os.path.join(BUILD, "relaisctl"), "--conf=" + self.vendor, "--conf=" + self.admin, "--module-dir=" + self.modules,
                "--socket=" + os.path.join(self.admin, "nobody")]
        return subprocess.run(argv + list(words), capture_output=True, text=True, timeout=120, umask=0o077,
                              env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))

    def rows(self):
        done = self.ctl("--json", "module", "list")
        return {row["name"]: row for row in map(json.loads, done.stdout.splitlines()) if "name" in row}


def enable_and_disable(place):
    rows = place.rows()
    ok(sorted(rows) == ["dkim", "dmarc"] and all(row["state"] == "off" and row["enabled_by"] is None and row["version"] and row["summary"]
                                                  for row in rows.values()), "list shows what is installed, off", rows)
    done = place.ctl("module", "enable", "dkim")
    path = os.path.join(place.admin, "module-dkim.conf")
    ok(done.returncode == 0 and place.files() == {"module-dkim.conf": OWN % (("dkim",) * 3)} and "restart" in done.stdout,
       "enable writes one file and names the restart", done)
    ok(os.stat(path).st_mode & 0o777 == 0o644, "the daemon's user can read it, whatever the umask is")
    row = place.rows()["dkim"]
    ok(row["state"] == "enabled" and row["enabled_by"] == path + ":3", "list says which line switches it on", row)
    done = place.ctl("module", "enable", "dkim")
    ok(done.returncode == 0 and path in done.stdout and len(place.files()) == 1, "a second enable changes nothing and says so", done)
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 0 and not place.files(), "disable removes the file", done)
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 0 and "already" in done.stdout, "a second disable says that it is off", done)


def others(place):
    place.write("site.conf", "[module dkim]\nenable = yes\n")
    kept = place.files()
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 1 and "site.conf:2" in done.stderr and place.files() == kept, "disable names the line of another file and leaves it", done)
    place.write("module-dkim.conf", OWN % (("dkim",) * 3))
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 1 and "site.conf:2" in done.stderr, "so where both switch it on", done)
    place.write("site.conf", "[module dkim]\nenable = no\n")
    done = place.ctl("module", "enable", "dkim")
    ok(done.returncode == 1 and "site.conf:2" in done.stderr and "module-dkim.conf" not in place.files(),
       "enable refuses what a later file would override", done)
    place.write("site.conf", "[relais]\n")
    edited = "[module dkim]\nenable = yes\n"
    place.write("module-dkim.conf", edited)
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 1 and place.files()["module-dkim.conf"] == edited, "a file of that name that was edited is left", done)
    place.write("module-dkim.conf", "[module dkim]\nenable = no\n")
    done = place.ctl("module", "enable", "dkim")
    ok(done.returncode == 1 and place.files()["module-dkim.conf"] == "[module dkim]\nenable = no\n", "and not written over", done)
    os.unlink(os.path.join(place.admin, "module-dkim.conf"))


def refusals(place):
    place.write("site.conf", "[dkim]\nno_such_key = 1\n")
    done = place.ctl("module", "enable", "dkim")
    ok(done.returncode == 1 and "no_such_key" in done.stdout + done.stderr and "module-dkim.conf" not in place.files(),
       "enable refuses, with the reason, what the configuration does not bear", done)
    place.write("site.conf", "[relais]\n")
    done = place.ctl("module", "enable", "absent")
    ok(done.returncode == 1 and "absent.so" in done.stdout and "install it" in done.stdout, "a module that is not installed", done)
    with open(os.path.join(place.modules, "broken.so"), "w") as file:
        file.write("no shared object\n")
    done = place.ctl("module", "enable", "broken")
    ok(done.returncode == 1 and "broken.so" in done.stdout, "one that cannot be loaded", done)
    row = place.rows()["broken"]
    ok(row["state"] == "failed" and "broken.so" in row["problem"], "list says that it failed, and why", row)
    os.unlink(os.path.join(place.modules, "broken.so"))
    for words in ((), ("a", "b"), ("../dkim",), ("",)):
        done = place.ctl("module", "enable", *words)
        ok(done.returncode == 2, "enable %r is no use of it" % (words,), done)


def gone(place):
    """A package was removed with its module on: the start would fail, and disable still works."""
    place.ctl("module", "enable", "dkim")
    os.unlink(os.path.join(place.modules, "dkim.so"))
    row = place.rows()["dkim"]
    ok(row["state"] == "not installed" and row["enabled_by"], "list shows what is wanted and not installed", row)
    done = place.ctl("conf", "check")
    ok(done.returncode == 1, "which the check refuses", done)
    done = place.ctl("module", "disable", "dkim")
    ok(done.returncode == 0 and "module-dkim.conf" not in place.files() and place.ctl("conf", "check").returncode == 0,
       "disable mends it", done)


for part in (enable_and_disable, others, refusals, gone):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        part(Place(folder))
print("1..%d" % count)
