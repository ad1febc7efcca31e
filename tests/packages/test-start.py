#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon as a service manager starts it: what it tells, which sockets it takes, when it binds, and which rights it
keeps. TAP."""
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
PATIENCE = 60
# Gives descriptors the numbers 3 and up, and the environment the process's own number.
LAUNCH = """import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",") if fd]
for n, fd in enumerate(fds):
    os.dup2(fd, 3 + n)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
count = 0


def ok(good, name, detail=""):
    global count
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    for line in [] if good else str(detail).splitlines()[:30]:
        print("# " + line)


class Instance:
    def __init__(self, top, listener="[listener mx]\nport = 0\n", more=""):
        self.top, self.conf = top, os.path.join(top, "conf")
        os.chmod(top, 0o755)
        os.makedirs(self.conf)
        user = "user = nobody\ngroup = nogroup\n" if os.geteuid() == 0 else ""
        with open(os.path.join(self.conf, "relais.conf"), "w") as file:
            file.write("[relais]\n%s%s%s" % (user, "".join("%s_dir = %s\n" % (name, os.path.join(top, name))
                                                            for name in ("spool", "log", "run", "state")), more + listener))
        self.name = "\0relais-test-%d-%s" % (os.getpid(), os.path.basename(top))
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(self.name)
        self.heard = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        """As fast as it comes, as a manager does."""
        while True:
            text = self.manager.recv(4096).decode()
            if text == "end":
                return
            self.heard.put(text)

    def argv(self):
        return [os.path.join(BUILD, "relaisd"), "--conf", self.conf, "--module-dir", self.conf]

    def start(self, sockets=(), names=None, extra=()):
        environment = dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C", NOTIFY_SOCKET="@" + self.name[1:], **dict(extra))
        if sockets:
            environment.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names)
        fds = [s.fileno() for s in sockets]
        self.process = subprocess.Popen([sys.executable, "-c", LAUNCH, ",".join(map(str, fds))] + self.argv(), pass_fds=fds,
                                        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def hear(self, wanted):
        while True:
            text = self.heard.get(timeout=PATIENCE)
            if text.startswith(wanted):
                return text

    def ctl(self, *words):
        return subprocess.run([os.path.join(BUILD, "relaisctl"), "--conf", self.conf, "--module-dir", self.conf, *words],
                              capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        said = self.hear("STOPPING=1")
        self.out = self.process.communicate(timeout=PATIENCE)[0]
        return said

    def close(self):
        if getattr(self, "process", None) is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.name)


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(8)
    return s


def banner(port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.settimeout(PATIENCE)
        return s.recv(256).decode()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in open("/proc/%d/status" % pid).read().splitlines() if ":\t" in line)


def told(top):
    """READY, RELOADING, STOPPING, the watchdog, and what is left of root."""
    daemon = Instance(top).start(extra={"WATCHDOG_USEC": "200000"})
    try:
        said = daemon.hear("READY=1")
        ok("STATUS=takes mail" in said, "ready is told, with a line for people", said)
        daemon.hear("WATCHDOG=1")
        daemon.hear("WATCHDOG=1")
        ok(True, "the loop answers the watchdog")
        status = status_of(daemon.process.pid)
        rights = {name: status[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
        ok(set(rights.values()) == {"0" * 16}, "no capability is left", rights)
        ok(status["NoNewPrivs"] == "1" and "0" not in status["Uid"].split() + status["Gid"].split() or os.geteuid() != 0,
           "no root either, for good", status["Uid"] + status["Gid"])
        done = daemon.ctl("reload")
        said = daemon.hear("RELOADING=1")
        ok(done.returncode == 0 and re.search(r"(?m)^MONOTONIC_USEC=[1-9][0-9]+$", said) is not None, "a reload is told with its moment", done)
        ok("STATUS=takes mail" in daemon.hear("READY=1"), "and that it is over")
        ok("STATUS=" in daemon.end() and daemon.process.returncode == 0, "the stop is told", daemon.out)
    finally:
        daemon.close()


def inherited(top):
    """Sockets by name, with clients that came before the daemon did."""
    first, second = listen(), listen()
    early = socket.create_connection(first.getsockname(), PATIENCE)
    early.settimeout(PATIENCE)
    daemon = Instance(top, "[listener mx]\nport = 1\n[http t]\nport = 1\n").start((first, second), "mx:t")
    try:
        daemon.hear("READY=1")
        ok(early.recv(256).startswith(b"220 "), "a client that came before the start is greeted")
        ok(banner(first.getsockname()[1]).startswith("220 "), "and those that come later")
        with socket.create_connection(second.getsockname(), PATIENCE) as s:
            s.settimeout(PATIENCE)
            s.sendall(b"GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n")
            ok(s.recv(64).startswith(b"HTTP/1.1 404"), "an HTTP listener takes its own, too")
        daemon.end()
        ok(daemon.process.returncode == 0, "it ends well", daemon.out)
    finally:
        early.close()
        daemon.close()


def stranger(top):
    daemon = Instance(top).start((listen(),), "smtp")
    try:
        out = daemon.process.communicate(timeout=PATIENCE)[0]
        ok(daemon.process.returncode == 1 and "'smtp'" in out and "[listener smtp]" in out,
           "a socket that fits no listener stops the start, and is told what to do", out)
    finally:
        daemon.close()


def bound_first(top):
    """A spool that cannot be used and a port that is taken: it is the port that is found first."""
    taken = listen()
    daemon = Instance(top, "[listener mx]\nport = %d\n" % taken.getsockname()[1])
    os.makedirs(os.path.join(top, "spool"))
    with open(os.path.join(top, "spool", "format"), "w") as file:
        file.write("no format of ours\n")
    try:
        out = daemon.start().process.communicate(timeout=PATIENCE)[0]
        ok(daemon.process.returncode == 1 and "port %d" % taken.getsockname()[1] in out and "spool" not in out,
           "ports are bound before the spool is looked at", out)
    finally:
        daemon.close()


def activated(top):
    """systemd's own starter: the daemon comes with the first client."""
    daemon = Instance(top)
    probe = listen()
    port = probe.getsockname()[1]
    probe.close()
    process = subprocess.Popen(["systemd-socket-activate", "--listen=127.0.0.1:%d" % port, "--fdname=mx",
                                "--setenv=NOTIFY_SOCKET=@" + daemon.name[1:], "--setenv=LD_LIBRARY_PATH"] + daemon.argv(),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    daemon.process = process
    try:
        deadline, said = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline and not said:
            try:
                said = banner(port)
            except ConnectionRefusedError:
                time.sleep(0.05)
        ok(said.startswith("220 "), "started by systemd-socket-activate it serves the client that woke it", said)
        daemon.end()
        ok(process.returncode == 0, "it ends well", daemon.out)
    finally:
        daemon.close()


parts = [told, inherited, stranger, bound_first]
if shutil.which("systemd-socket-activate"):
    parts.append(activated)
for part in parts:
    with tempfile.TemporaryDirectory() as folder:
        part(folder)
print("1..%d" % count)
