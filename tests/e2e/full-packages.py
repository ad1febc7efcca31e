#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages as an administrator has them: built twice from this tree, the second time as an upgrade with a changed
vendor file; installed by apt in a clean Debian root; the daemon started there, modules enabled, mail sent; upgraded with
mail in the queue; a module removed while the daemon runs, installed again, purged. The module that `relaisctl module new`
writes becomes a package in another clean system, by the packages alone, and is installed beside ours.

Two parts. This process builds and installs, which takes the network. What runs has network, process and mount namespaces
of its own (the same file, called with `inside`), so that neither the host's ports nor its mail-transport-agent are
touched. TAP."""
import concurrent.futures
import fcntl
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import time

import harness
import lab
import roots

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "packages"))
import elf  # noqa: E402

NUMBER = dict(re.findall(r"(?m)^#define RELAIS_API_(MAJOR|MINOR) (\d+)$", open(os.path.join(harness.SOURCE, "include/relais/version.h")).read()))
ABI = "relais-module-abi-%(MAJOR)s.%(MINOR)s" % NUMBER
MODULES = ("bounce", "click-redirector", "dkim", "dmarc", "dnsbl-monitor", "milter", "open-tracker", "spf-check", "store-gdbm",
           "throttle", "unsubscribe")
ON = ("store-gdbm", "throttle", "bounce", "spf-check", "dkim", "dmarc")
OWN = "greeter"  # the module of an outsider
TOOLS = ("build-essential", "autoconf", "automake", "libtool", "pkg-config", "debhelper", "libglib2.0-dev")
NEXT = "+next"
MARK = "# This line came with the upgrade.\n"
PATIENCE = 60
tap = harness.Tap()
SITE = """[relais]
hostname = relais.test
postmaster = postmaster@sender.test
[listener mx]
address = 127.0.0.1
port = 25
trusted_nets = 127.0.0.1
tenant = sender
[tenant sender]
domains = sender.test
[domain sender.test]
[route sink]
host = 127.0.0.1
port = 2525
tls = none
domains = *
[class transactional]
retry = 10m
[dns]
server = 127.0.0.1@53
"""
KEY = """[dkim-key s1]
domain = sender.test
selector = s1
file = /etc/relais/dkim/sender.test.s1.key
tenant = sender
"""


# --- Outside: building ---------------------------------------------------------------------------

def copy_tree(folder):
    source = os.path.join(folder, "relais")
    shutil.copytree(harness.SOURCE, source, symlinks=True, ignore=lambda at, names: [
        name for name in names if name in (".git", "autom4te.cache", "__pycache__") or (at == harness.SOURCE and name.startswith("build")
                                                                                        and name != "build-aux")])
    return source


def build(source, *options):
    """The changes file of what was built."""
    environment = dict(os.environ, LC_ALL="C.UTF-8", DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=%d" % (os.cpu_count() or 1))
    done = subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b", *options], cwd=source, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    return sorted((path for path in os.scandir(os.path.dirname(source)) if path.name.endswith(".changes")), key=lambda p: p.stat().st_mtime)[-1].path


def make_next(source):
    """The next version: one more entry in the changelog, one more line in a vendor file."""
    path = os.path.join(source, "debian/changelog")
    text = open(path).read()
    version = re.match(r"relais \((\S+)\)", text).group(1) + NEXT
    open(path, "w").write("relais (%s) UNRELEASED; urgency=medium\n\n  * Upgrade.\n\n -- The Relais authors <relais@relais.invalid>  "
                          "Tue, 24 Nov 2026 00:00:00 +0000\n\n%s" % (version, text))
    with open(os.path.join(source, "conf.d/dkim.conf"), "a") as file:
        file.write(MARK)
    return version


def packages_of(changes):
    names = re.findall(r"(?m)^ [0-9a-f]{32} \d+ \S+ \S+ (\S+\.deb)$", open(changes).read())
    return [os.path.join(os.path.dirname(changes), name) for name in names]


def check_files(changes):
    lintian = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", changes], capture_output=True,
                             text=True)
    tap.ok(lintian.returncode == 0, "lintian has no errors", lintian.stdout + lintian.stderr)
    for line in sorted(set(re.findall(r"(?m)^W: (\S+: \S+)", lintian.stdout)))[:30]:
        tap.note("lintian warns: " + line)
    names = {os.path.basename(path).split("_")[0] for path in packages_of(changes)}
    tap.equal(names, {"relais", "librelais0", "librelais-dev"} | {"relais-module-" + name for name in MODULES}, "one package a module, and three")
    for path in packages_of(changes):
        name = os.path.basename(path).split("_")[0]
        depends = subprocess.run(["dpkg-deb", "-f", path, "Depends"], check=True, capture_output=True, text=True).stdout
        files = subprocess.run(["dpkg-deb", "-c", path], check=True, capture_output=True, text=True).stdout
        wrong = [line for line in files.splitlines() if re.match(r"\S*s", line.split()[0]) or " ./etc/relais/" in line and line.endswith(".conf")]
        tap.ok(not wrong, name + ": no setuid file, and no configuration file in /etc", "\n".join(wrong))
        if name.startswith("relais-module-"):
            tap.ok(ABI in depends and re.search(r"\blibrelais0 \(>= [^)]*\)", depends) and not re.search(r"librelais0 \(= ", depends),
                   name + ": depends on the module API, not on one version", depends)
        elif name == "relais":
            tap.ok("librelais0 (= " in depends, "relais, which uses private symbols: just its own version of the library", depends)


# --- Outside: the root ---------------------------------------------------------------------------

def make_system(base):
    """A fresh root, with the archives that apt fetched for earlier ones."""
    root = tempfile.mkdtemp(prefix="system-", dir=os.path.dirname(base))
    os.chmod(root, 0o755)
    subprocess.run(["cp", "-a", "--reflink=auto", base + "/.", root], check=True)
    with open(os.path.join(root, "etc/apt/sources.list"), "w") as file:
        file.writelines("deb %s %s main\n" % archive for archive in roots.apt_sources())
    shutil.copy("/etc/resolv.conf", os.path.join(root, "etc/resolv.conf"))
    policy = os.path.join(root, "usr/sbin/policy-rc.d")
    with open(policy, "w") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    return root


ENVIRONMENT = dict(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", DEBIAN_FRONTEND="readline", HOME="/root")


def run_in(root, *argv):
    """With /proc, which some scripts want, and with nobody at the terminal: a question would be an error."""
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc=" + os.path.join(root, "proc"), "chroot", root, *argv],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT)


def apt(root, *words):
    return run_in(root, "apt-get", "-y", "-q", "--no-install-recommends", "-o", "APT::Keep-Downloaded-Packages=true", *words)


def put_packages(root, name, packages):
    folder = os.path.join(root, "srv", name)
    os.makedirs(folder)
    for path in packages:
        shutil.copy(path, folder)


def in_root(root, name, *, without=()):
    """What put_packages () put there, but for some, as apt takes them."""
    return ["/srv/%s/%s" % (name, file) for file in sorted(os.listdir(os.path.join(root, "srv", name))) if file.split("_")[0] not in without]


def install(base, root, packages):
    done = apt(root, "update")
    if done.returncode == 0:
        done = apt(root, "install", *packages)
        subprocess.run(["cp", "-au", os.path.join(root, "var/cache/apt/archives") + "/.", os.path.join(base, "var/cache/apt/archives")],
                       check=True)
    return tap.ok(done.returncode == 0, "apt installs them in a clean system", (done.stdout + done.stderr)[-3000:])


def build_own(base, first):
    """An outsider with the -dev package alone: writes a module, tests it, packages it. The package."""
    root = make_system(base)
    try:
        put_packages(root, "first", packages_of(first))
        if not install(base, root, [path for path in in_root(root, "first") if not os.path.basename(path).startswith("relais-module-")]):
            return []
        done = run_in(root, "sh", "-c", "cd /srv && relaisctl module new %s && cd %s && dpkg-buildpackage -us -uc -b" % (OWN, OWN))
        tap.ok(done.returncode == 0 and re.search(r"(?m)^# PASS:  [1-9]", done.stdout) is not None,
               "the module that relaisctl module new writes is tested, and becomes a package", done.stdout[-2000:] + done.stderr[-2000:])
        found = [entry.path for entry in os.scandir(os.path.join(root, "srv")) if re.match(r"relais-module-%s_.*\.deb$" % OWN, entry.name)]
        return [shutil.copy(path, os.path.dirname(first)) for path in found]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def check_installed(root):
    """What lies there: hardened, and nothing that asks at an upgrade."""
    listed = roots.inside(root, "sh", "-c", "dpkg-query -W -f '${Package} ${Conffiles}\\n' 'relais*' 'librelais*'")
    tap.ok("/etc/" not in listed, "no package has a conffile, so no upgrade asks", listed)
    found = roots.inside(root, "sh", "-c", "ls /usr/sbin/relaisd /usr/bin/relais* /usr/lib/*/librelais.so.0 /usr/lib/*/relais/*/*").split()
    tap.ok(len(found) >= len(MODULES) + 5, "programs, library and modules are found", found)
    for path in found:
        said = elf.faults(root + path if not os.path.islink(root + path) else os.path.realpath(root + path), installed=True)
        missing = subprocess.run(["chroot", root, "ldd", "-r", path], capture_output=True, text=True, env=ENVIRONMENT)
        said += re.findall(r"undefined symbol: .*|.*not found", missing.stdout + missing.stderr)
        tap.ok(not said, path + " is hardened, and finds its symbols", "\n".join(said))
    user = [line for line in open(os.path.join(root, "etc/passwd")) if line.startswith("relais:")]
    tap.ok(len(user) == 1 and user[0].rstrip().endswith(":/usr/sbin/nologin"), "the user relais is there and cannot log in", user)


# --- Inside: namespaces of our own, the root mounted ----------------------------------------------

def loopback_up():
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


class System:
    def __init__(self, root, work):
        self.root, self.work = root, work
        self.sink_dir, self.script = os.path.join(work, "sink"), os.path.join(work, "sink.script")
        os.makedirs(self.sink_dir, exist_ok=True)
        self.refuse(False)
        self.log = os.path.join(work, "relaisd.log")
        self.daemon = None
        self.sink = lab.spawn([lab.PYTHON, os.path.join(harness.SOURCE, "tests/lab/sink.py"), "2525", self.sink_dir, self.script],
                              os.path.join(work, "sink.log"))
        subprocess.run(["mount", "-t", "proc", "proc", os.path.join(root, "proc")], check=True)

    def refuse(self, refuse):
        with open(self.script + ".new", "w") as file:
            file.write("rcpt * 451 4.3.0 come again\n" if refuse else "\n")
        os.rename(self.script + ".new", self.script)

    def use_key(self, use):
        """What the administrator says of dkim, which goes when the module goes: nobody else would know the section."""
        path = os.path.join(self.root, "etc/relais/conf.d/dkim-key.conf")
        if use:
            with open(path, "w") as file:
                file.write(KEY)
        else:
            os.unlink(path)

    def run(self, *argv):
        return subprocess.run(["chroot", self.root, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT)

    def ctl(self, *words):
        return self.run("relaisctl", *words)

    def rows(self, *words):
        done = self.ctl("--json", *words)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def start(self):
        with open(self.log, "a") as log:
            self.daemon = subprocess.Popen(["chroot", self.root, "/usr/sbin/relaisd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=ENVIRONMENT)
        return self.until(lambda: self.daemon.poll() is None and self.ctl("status").returncode == 0 or self.daemon.poll() is not None) \
            and self.daemon.poll() is None

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(PATIENCE) == 0

    @staticmethod
    def until(condition):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return False

    def send(self, subject):
        with smtplib.SMTP("127.0.0.1", 25, timeout=PATIENCE) as smtp:
            smtp.sendmail("ann@sender.test", ["bob@rcpt.test"], "From: ann@sender.test\r\nTo: bob@rcpt.test\r\nSubject: %s\r\n\r\nText.\r\n"
                          % subject)

    def arrived(self, subject):
        def look():
            return [name for name in sorted(os.listdir(self.sink_dir)) if name.endswith(".json") and
                    ("Subject: %s\r\n" % subject).encode() in open(os.path.join(self.sink_dir, name[:-5] + ".eml"), "rb").read()]
        return self.until(lambda: len(look()) > 0) and len(look()) == 1

    def modules(self):
        return {row["name"]: row for row in self.rows("module", "list") if "name" in row}

    def switched(self):
        """Files in the administrator's conf.d that are about modules."""
        return sorted(name for name in os.listdir(os.path.join(self.root, "etc/relais/conf.d")) if name.startswith("module-"))

    def said(self):
        return open(self.log).read()[-3000:]


def first_start(system):
    with open(os.path.join(system.root, "etc/relais/conf.d/site.conf"), "w") as file:
        file.write(SITE)
    done = system.run("relaisd", "--check")
    tap.ok(done.returncode == 0, "relaisd --check finds the configuration good", done.stdout + done.stderr)
    tap.equal({name: row["state"] for name, row in system.modules().items()}, dict.fromkeys(MODULES, "off"), "every module is there, and off")
    for name in ON:
        done = system.ctl("module", "enable", name)
        tap.ok(done.returncode == 0, "relaisctl module enable " + name, done.stdout + done.stderr)
    done = system.ctl("dkim", "keygen", "sender.test", "--selector=s1")
    tap.ok(done.returncode == 0, "relaisctl dkim keygen", done.stdout + done.stderr)
    system.use_key(True)
    if not tap.ok(system.start(), "the daemon starts, by hand", system.said()):
        return False
    rows = system.modules()
    tap.equal({name for name, row in rows.items() if row["state"] == "loaded"}, set(ON), "those that were enabled are loaded")
    status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % system.daemon.pid).read().splitlines() if ":\t" in line)
    tap.ok("0" not in status["Uid"].split() + status["Gid"].split() and int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1",
           "on port 25, and no root any more", status)
    done = system.ctl("reload")
    tap.ok(done.returncode == 0, "relaisctl reload", done.stdout + done.stderr)
    system.send("first")
    return tap.ok(system.arrived("first"), "mail goes through it", system.ctl("queue", "list").stdout + system.said())


def upgrade(system, version):
    system.refuse(True)
    system.send("waiting")
    tap.ok(system.until(lambda: len(system.rows("queue", "list")) == 1), "mail waits in the queue", system.ctl("queue", "list").stdout)
    site = os.path.join(system.root, "etc/relais/conf.d/site.conf")
    with open(site, "a") as file:
        file.write("# The administrator's own words.\n")
    before, kept = system.switched(), open(site).read()
    done = apt(system.root, "install", *in_root(system.root, "next", without=["librelais-dev"]))
    tap.ok(done.returncode == 0 and "onfiguration file" not in done.stdout + done.stderr, "the upgrade asks nothing",
           (done.stdout + done.stderr)[-3000:])
    found = system.run("dpkg-query", "-W", "-f", "${Version} ${Status}\\n", "relais*", "librelais0").stdout.splitlines()
    found = {line.split()[0] for line in found if line.endswith("ok installed")}
    tap.equal(found, {version}, "all packages are the new ones")
    tap.ok(MARK in open(os.path.join(system.root, "usr/share/relais/conf.d/dkim.conf")).read(), "with the changed vendor file")
    tap.ok(open(site).read() == kept and system.switched() == before, "the administrator's files are as they were", system.switched())
    tap.ok(system.daemon.poll() is None and system.ctl("status").returncode == 0, "the daemon ran on meanwhile", system.said())
    tap.ok(system.stop() and system.start(), "it is started again, as the new one", system.said())
    rows = system.rows("queue", "list")
    tap.ok(len(rows) == 1, "with the mail that waited", rows)
    system.refuse(False)
    system.ctl("queue", "retry", "--all")
    tap.ok(system.arrived("waiting") and system.until(lambda: not system.rows("queue", "list")), "which is delivered, once",
           system.ctl("queue", "list").stdout + system.said())


def remove_and_return(system):
    package = next(path for path in in_root(system.root, "next") if "/relais-module-dkim_" in path)
    pid = system.daemon.pid
    system.use_key(False)
    done = apt(system.root, "remove", "relais-module-dkim")
    tap.ok(done.returncode == 0, "a module's package is removed", done.stdout + done.stderr)
    tap.ok("module-dkim.conf" not in system.switched() and system.run("relaisd", "--check").returncode == 0,
           "it is off, and the configuration good without it", system.run("relaisd", "--check").stderr)
    system.send("without")
    tap.ok(system.arrived("without") and system.daemon.poll() is None and system.daemon.pid == pid, "the daemon runs on, and delivers", system.said())
    done = apt(system.root, "install", package)
    tap.ok(done.returncode == 0 and system.modules().get("dkim", {}).get("enabled_by") is not None, "installed again it is on again",
           done.stdout + done.stderr + str(system.switched()))
    system.use_key(True)
    tap.ok(system.stop() and system.start() and system.modules()["dkim"]["state"] == "loaded", "a restart has it", system.said())
    with open(os.path.join(system.root, "etc/relais/conf.d/own.conf"), "w") as file:
        file.write("[module dmarc]\nenable = yes\n")
    done = apt(system.root, "remove", "relais-module-dmarc")
    tap.ok(done.returncode == 0 and "own.conf:2" in done.stdout + done.stderr, "a line of the administrator's that wants it is named",
           done.stdout + done.stderr)
    os.unlink(os.path.join(system.root, "etc/relais/conf.d/own.conf"))
    system.use_key(False)
    done = apt(system.root, "purge", "relais-module-dkim")
    tap.ok(done.returncode == 0 and not [name for name in system.switched() if "dkim" in name], "a purge forgets it", system.switched())
    done = apt(system.root, "install", package)
    tap.ok(done.returncode == 0 and system.modules()["dkim"]["enabled_by"] is None, "so that it is off when it comes again",
           done.stdout + done.stderr)
    tap.ok(system.stop() and system.start(), "the daemon starts without it", system.said())
    system.send("last")
    tap.ok(system.arrived("last"), "and delivers", system.said())


def outsider(system):
    done = apt(system.root, "install", *in_root(system.root, "own"))
    tap.ok(done.returncode == 0, "the outsider's package is installed", done.stdout + done.stderr)
    done = system.ctl("module", "enable", OWN)
    tap.ok(done.returncode == 0 and system.stop() and system.start() and system.modules()[OWN]["state"] == "loaded",
           "enabled by one command it is loaded at the next start", done.stdout + done.stderr + system.said())
    system.send("greeted")
    tap.ok(system.arrived("greeted"), "mail goes through it", system.said())
    done = apt(system.root, "remove", "relais-module-" + OWN)
    tap.ok(done.returncode == 0 and "module-%s.conf" % OWN not in system.switched(), "dh_relais has it go off when it is removed",
           done.stdout + done.stderr)


def purge_all(system):
    tap.ok(system.stop(), "it ends well", system.said())
    done = apt(system.root, "purge", "relais*", "librelais*")
    left = [path for path in system.run("find", "/etc/relais", "/usr/share/relais", "/usr/lib/systemd", "/lib/systemd", "-name", "*relais*",
                                        "-o", "-path", "*/relais/*").stdout.split() if not path.endswith("/site.conf")
            and path not in ("/etc/relais", "/etc/relais/conf.d") and not path.startswith("/etc/relais/dkim")]
    tap.ok(done.returncode == 0 and not left, "a purge of all leaves the administrator's own file and keys, and nothing of ours",
           "\n".join(left) + done.stdout + done.stderr)
    tap.ok(os.path.isdir(os.path.join(system.root, "var/spool/relais")), "and the spool, which may hold mail")


def inside(root, work, version, counted):
    tap.n = int(counted)
    loopback_up()
    system = System(root, work)
    try:
        if first_start(system):
            for part in (lambda: upgrade(system, version), lambda: remove_and_return(system), lambda: outsider(system), lambda: purge_all(system)):
                tap.case(part)
    finally:
        if system.daemon is not None and system.daemon.poll() is None:
            system.daemon.kill()
        system.sink.kill()
    tap.end()


def outside():
    if os.geteuid() != 0:
        print("1..0 # SKIP only root can make a Debian system in a directory")
        return
    home = os.path.join(harness.SOURCE, "build", "lab-peers")
    base, tools = os.path.join(home, "debian"), os.path.join(home, "debian-tools")
    os.makedirs(home, exist_ok=True)
    root = None
    with tempfile.TemporaryDirectory(prefix="relais-packages-") as folder, concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            made = pool.submit(lambda: (roots.make_root(base, []), roots.make_root(tools, TOOLS)))
            source = copy_tree(folder)
            first = build(source)
            tap.ok(True, "the packages are built, without tests")
            check_files(first)
            made.result()
            own = build_own(tools, first)
            version = make_next(source)
            second = build(source, "-nc")
            tap.ok(first != second, "and once more, as the next version")
            root = make_system(base)
            for name, packages in (("first", packages_of(first)), ("next", packages_of(second)), ("own", own)):
                put_packages(root, name, packages)
            if install(base, root, in_root(root, "first", without=["librelais-dev"])):
                check_installed(root)
                done = subprocess.run(["unshare", "--net", "--pid", "--mount", "--ipc", "--fork", "--kill-child", "--mount-proc", sys.executable,
                                       os.path.abspath(__file__), "inside", root, folder, version, str(tap.n)])
                sys.exit(1 if done.returncode != 0 or tap.bad else 0)
        except Exception as trouble:
            tap.ok(False, "packages", str(trouble))
        finally:
            if root is not None:
                shutil.rmtree(root, ignore_errors=True)
    tap.end()


if __name__ == "__main__":
    inside(*sys.argv[2:]) if sys.argv[1:2] == ["inside"] else outside()
