# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that the benchmark compares: Relais in a laboratory, others by tests/lab/peer. Each passes
all mail on to one sink port, has a control group of its own, and lives on the same file system."""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import measure

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests", "lab"))
import lab

# As shipped; the lab's own settings make small segments, for tests.
SHIPPED = ["--set", "spool.segment_size=64M"]


def run_in(group, argv):
    done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=group.enter)
    if done.returncode != 0:
        raise measure.Failed("%s: %s%s" % (" ".join(argv), done.stdout, done.stderr))
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


class Server:
    share, takes, title = 1, [], None

    def __init__(self, build, sink_port):
        self.build, self.sink_port = build, sink_port
        self.group = measure.Group(self.name)

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def ends(self):
        """Where load goes in and comes out."""
        return ["--connect", "127.0.0.1:%d" % self.port, "--listen", "127.0.0.1:%d" % self.sink_port]

    def measure(self, *arguments):
        """One run: what relais-load says, and processor time and syncs of it."""
        syncs, elsewhere, cpu = self.syncs(), measure.Elsewhere(self.group), self.group.seconds()
        figures = measure.load(self.build, *self.ends(), *arguments)
        figures["cpu_us"] = (self.group.seconds() - cpu) * 1e6 / figures["accepted"]
        figures["elsewhere"] = elsewhere.share()
        if syncs is not None:
            figures["syncs"] = (self.syncs() - syncs) / figures["accepted"]
        return figures

    def syncs(self):
        return None


class Relais(Server):
    name = "Relais"

    def __init__(self, build, sink_port, *options):
        super().__init__(build, sink_port)
        self.options = options
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=build)

    def up(self):
        facts = run_in(self.group, [os.path.join(SOURCE, "tests/lab/up"), self.directory, "--build", self.build,
                                    "--next-hop", "127.0.0.1:%d" % self.sink_port, *SHIPPED, *self.options])
        self.port, self.pid, self.control = int(facts["smtp_port"]), int(facts["pid"]), facts["relaisctl"]
        self.group.pid = self.pid
        self.http_port = int(facts.get("http_port", 0))

    def down(self):
        subprocess.run([os.path.join(SOURCE, "tests/lab/down"), self.directory], stdout=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.group.remove()

    def stop(self):
        """Ends the daemon alone, as a restart does."""
        os.kill(self.pid, signal.SIGTERM)
        while os.path.exists("/proc/%d" % self.pid) and lab.start_time(self.pid):
            time.sleep(0.01)

    def ctl(self, *arguments, text=None):
        done = subprocess.run([self.control, *arguments], capture_output=True, text=True, input=text)
        if done.returncode != 0:
            raise measure.Failed("relaisctl %s: %s%s" % (" ".join(arguments), done.stdout, done.stderr))
        return done.stdout

    def status(self):
        rows = map(json.loads, self.ctl("--json", "status").splitlines())
        return {row["figure"]: row["value"] for row in rows if "figure" in row}

    def syncs(self):
        return int(self.status()["spool.syncs"])


class Peer(Server):
    def __init__(self, build, sink_port, milter=None):
        self.name = type(self).peer.capitalize()
        super().__init__(build, sink_port)
        self.milter = milter
        self.homes = ["--directory", os.path.join(build, "lab-peers")]

    def command(self, verb):
        return [os.path.join(SOURCE, "tests/lab/peer"), verb, type(self).peer, *self.homes]

    def up(self):
        more = ["--milter", self.milter] if self.milter else []
        facts = run_in(self.group, self.command("up") + ["--next-hop", "127.0.0.1:%d" % self.sink_port] + more)
        self.port, self.version = int(facts["smtp_port"]), facts["version"]
        self.group.pid = int(facts["pid"])

    def down(self):
        subprocess.run(self.command("down"))
        self.group.remove()


class Postfix(Peer):
    peer = "postfix"


class Exim(Peer):
    peer = "exim"
    # As shipped it refuses the 21st connection, and leaves the 11th message of one to the next queue run.
    share, takes, title = 0.1, ["--connections", 20, "--per-connection", 10], "Exim, at its limit of 20 connections,"


class Opensmtpd(Peer):
    peer = "opensmtpd"
    share = 0.2  # of the messages that another peer gets: it holds its own deliveries back


def others(build):
    """Peers whose roots somebody has made: tests/lab/peer make NAME."""
    return [kind for kind in (Exim, Opensmtpd) if os.path.exists(os.path.join(build, "lab-peers", kind.peer, ".made"))]


class OpenDkim:
    """The milter that signs for Postfix, in Postfix' group: their processor time is one sum."""

    def __init__(self, build, group, directory):
        self.port = lab.free_port()
        key = os.path.join(directory, "opendkim.key")
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", key, "2048"], check=True, capture_output=True)
        conf = os.path.join(directory, "opendkim.conf")
        with open(conf, "w") as file:
            file.write("Mode s\nSyslog no\nDomain sender.test\nSelector s1\nKeyFile %s\nInternalHosts 127.0.0.1\n"
                       "Canonicalization relaxed/relaxed\nSocket inet:%d@127.0.0.1\nRequireSafeKeys no\n" % (key, self.port))
        paths = ":".join(glob.glob(os.path.join(build, "lab-tools/usr/lib/*-linux-gnu*")))
        self.process = subprocess.Popen(["timeout", "-k", "5", str(lab.SECONDS), lab.tool(build, "opendkim"), "-f", "-x", conf],
                                        env=dict(os.environ, LD_LIBRARY_PATH=paths), preexec_fn=group.enter)

        lab.wait_for("opendkim", self.listens, self.process)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self):
        self.process.terminate()
        self.process.wait()


class SigningPostfix(Postfix):
    def up(self):
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=self.build)
        self.signer = OpenDkim(self.build, self.group, self.directory)
        self.milter = "127.0.0.1:%d" % self.signer.port
        super().up()

    def down(self):
        if getattr(self, "signer", None):
            self.signer.end()
        super().down()
        shutil.rmtree(self.directory, ignore_errors=True)
