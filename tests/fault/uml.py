# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose power can be cut: User-mode Linux, a plain process, whose root is a directory of this one's, read only,
with a disk in a file and a network of its own to here. What was not written to its disk is gone when its processes are
killed, as with a real one; its own kernel and file system recover at the next boot.

Needs root (for the network's device), and the package user-mode-linux.
"""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

KERNEL = "linux.uml"
SIZE = 768 << 20
MAKE = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}


class Trouble(Exception):
    pass


def missing():
    """Why no such machine can run here, or None."""
    if os.geteuid() != 0:
        return "only root can make a network device"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    for name in (KERNEL, "ip", "losetup"):
        if shutil.which(name) is None:
            return "%s is not installed" % name
    return None


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble("%s: %s%s" % (" ".join(argv), done.stdout, done.stderr))
    return done.stdout


class Network:
    """A device and two addresses: here and there. The number is this process's until it ends."""

    def __init__(self):
        for number in range(1, 60):
            self.lock = open(os.path.join(tempfile.gettempdir(), "relais-uml-%d.lock" % number), "w")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.make(number)
                return
            except (OSError, Trouble) as trouble:  # another's, or that of a machine which outlived its test
                self.lock.close()
                last = trouble
        raise Trouble("no network can be made: %s" % last)

    def make(self, number):
        self.device, self.here, self.there = "relais%d" % number, "10.177.%d.1" % number, "10.177.%d.2" % number
        self.mac = "02:00:00:00:77:%02x" % number
        self.remove()  # what a killed test left
        run("ip", "tuntap", "add", "dev", self.device, "mode", "tap")
        run("ip", "addr", "add", self.here + "/30", "dev", self.device)
        run("ip", "link", "set", self.device, "gso_max_segs", "1", "up")

    def remove(self):
        subprocess.run(["ip", "tuntap", "del", "dev", self.device, "mode", "tap"], capture_output=True)


class Machine:
    """In `directory`: disk.img, the script it starts with, and what it said (console). `environment` is for its shims."""

    def __init__(self, directory, shim, fs="ext4", root="/", memory=256):
        self.directory, self.shim, self.fs, self.root, self.memory = directory, shim, fs, root, memory
        self.image, self.console = os.path.join(directory, "disk.img"), os.path.join(directory, "console")
        self.network, self.process, self.environment = Network(), None, {}

    def new_disk(self, fill=None):
        """An empty file system; `fill` is called with where it is mounted meanwhile."""
        if os.path.exists(self.image):
            os.unlink(self.image)
        with open(self.image, "wb") as file:
            file.truncate(SIZE)
        run(*MAKE[self.fs], self.image)
        if fill is not None:
            with self.mounted() as where:
                fill(where)

    def mounted(self):
        return Mounted(self)

    def boot(self, lines):
        """Starts it; `lines` are a shell script that is run once its disk and its network can be used."""
        name = "relais-uml-init"
        script = os.path.join(self.directory if self.root == "/" else self.root, name)
        with open(script, "w") as file:
            file.write("#!/bin/sh\nmount -t proc proc /proc\n(sleep 900; echo o >/proc/sysrq-trigger) &\n"
                       "mount -t sysfs sysfs /sys\nip link set lo up\n"
                       "ip addr add %s/30 dev vec0\nip link set vec0 up\n%s\n" % (self.network.there, lines))
        os.chmod(script, 0o755)
        argv = [KERNEL, "mem=%dM" % self.memory, "root=/dev/root", "rootfstype=hostfs", "rootflags=" + self.root, "ro", "quiet",
                "ubd0=" + self.image, "init=" + (script if self.root == "/" else "/" + name), "con=null", "con0=null,fd:1",
                "vec0:transport=tap,ifname=%s,mac=%s,depth=128" % (self.network.device, self.network.mac),
                "uml_dir=" + self.directory, "umid=machine"]
        with open(self.console, "wb") as said:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                                            env=dict(os.environ, LD_PRELOAD=self.shim, TMPDIR=self.directory, **self.environment))

    def cut(self):
        """The power fails."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.await_end()
            self.process = None

    def await_end(self, patience=20):
        """Until no process of it has the disk open any more."""
        until = time.time() + patience
        while time.time() < until:
            if not self.signal(0):
                return
            time.sleep(0.005)
        raise Trouble("the machine does not end")

    def signal(self, number):
        """To all its processes; whether there are any."""
        try:
            os.killpg(self.process.pid, number)
            return True
        except ProcessLookupError:
            return False

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def said(self):
        with open(self.console, errors="replace") as file:
            return file.read()

    def await_word(self, word, patience=60):
        until = time.time() + patience
        while word not in self.said():
            if time.time() > until or not self.is_alive():
                raise Trouble("the machine did not say %r:\n%s" % (word, self.said()[-3000:]))
            time.sleep(0.01)

    def await_greeting(self, port, patience=120):
        """Until an SMTP server greets at that port of the machine."""
        until = time.time() + patience
        while time.time() < until and self.is_alive():
            try:
                with socket.create_connection((self.network.there, port), 0.5) as connection:
                    connection.settimeout(5)
                    if connection.recv(4).startswith(b"220"):
                        return
            except OSError:
                time.sleep(0.02)
        raise Trouble("nobody greets:\n%s" % self.said()[-3000:])

    def remove(self):
        self.cut()
        self.network.remove()


class Mounted:
    """The disk of a machine without power, mounted here, for `with`: its file system recovers as at a boot."""

    def __init__(self, machine, options="loop"):
        self.machine, self.where, self.options = machine, None, options

    def __enter__(self):
        self.where = tempfile.mkdtemp(prefix="relais-disk-")
        until = time.time() + 20
        while True:
            try:
                run("mount", "-o", self.options, "-t", self.machine.fs, self.machine.image, self.where)
                return self.where
            except Trouble:  # another process took the device that was free
                if time.time() > until:
                    raise
                time.sleep(0.3)

    def __exit__(self, *_):
        run("umount", self.where)
        os.rmdir(self.where)
