# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail servers whose power power.py cuts, each on the disk of a machine of uml.py: how it is set up, how it starts,
and what is known of it afterwards. All take mail from this side's address and pass it on to one next hop there."""
import glob
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
import case
import harness
import lab as lab_tools
from roots import inside, make_root


def load_peers():
    """tests/lab/peer is a command; its servers are used here."""
    loader = importlib.machinery.SourceFileLoader("peers", os.path.join(HERE, "..", "lab", "peer"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("peers", loader))
    loader.exec_module(module)
    return module


peers = load_peers()

PORT = 2525
STARTING = "relais-uml: starting"
OPEN = 20  # connections to the next hop


class Relais:
    """The build of the tree, or that of a mutant, in `build`. Its spool, its state and its log are on the disk."""

    root, segment_size = "/", "16M"

    def __init__(self, directory, build):
        self.directory, self.disk, self.run = directory, os.path.join(directory, "disk"), os.path.join(directory, "run")
        self.state = {"build": build, "module_dir": os.path.join(directory, "modules"), "modules": [], "smtp_port": PORT}
        for folder in (self.disk, self.run, os.path.join(directory, "conf.d"), self.state["module_dir"]):
            os.makedirs(folder, exist_ok=True)
        lab_tools.make_certificate(directory)

    def configure(self, network, sink_port):
        on_disk = ["relais.%s_dir=%s/%s" % (name, self.disk, name) for name in ("spool", "log", "state")]
        self.state.update(sink_port=sink_port, dns_port=53, next_hop="%s:%d" % (network.here, sink_port),
                          set=on_disk + ["listener.lab.address=" + network.there, "listener.lab.trusted_nets=" + network.here,
                                         "dns.server=%s@%d" % (network.here, 53), "dns.allow=%s/32" % network.here,
                                         "route.next-hop.connections=%d" % OPEN, "spool.segment_size=%s" % self.segment_size,
                                         *case.RETRY])
        lab_tools.write_configuration(self.state, self.directory, None)

    def fill(self, where):
        pass

    def script(self, fs):
        argv = lab_tools.program(self.state, "relaisd") + ["--conf", os.path.join(self.directory, "conf.d"),
                                                           "--module-dir", self.state["module_dir"]]
        return ("mount -t %s /dev/ubda %s && mount -t tmpfs tmpfs %s || exit 1\necho '%s'\nexport LD_LIBRARY_PATH=%s TMPDIR=%s\n"
                "%s\necho relaisd ended with $?\nsleep 600\n"
                % (fs, self.disk, self.run, STARTING, os.path.join(self.state["build"], ".libs"), self.run, " ".join(argv)))

    def look(self, where, outcome, source, sink):
        """What its disk, mounted at `where`, says of the outcome: findings that only it can have."""
        spool = os.path.join(where, "spool")
        ctl = lab_tools.command(self.state, self.directory) + ["spool", "verify", spool]
        done = subprocess.run(ctl, capture_output=True, text=True, env=lab_tools.environment(self.state))
        aside = [n for n in glob.glob(os.path.join(spool, "quarantine", "*"))]
        reader = Log(os.path.join(where, "log"), outcome)
        reader.read_events(source)
        if not source.pairs() - set(sink.gave):
            outcome.leftovers = [n for n in glob.glob(os.path.join(spool, "bodies", "*"))]
        return [case.books.Finding(done.returncode == 0, "spool verify finds nothing wrong", done.stdout + done.stderr),
                case.books.Finding(not aside, "nothing was put aside as damaged", aside)]

    def version(self):
        return "Relais, this tree"


class Log(case.Lab):
    """Reads a log as the laboratory's does, without one."""

    def __init__(self, log, outcome):
        self.facts, self.outcome = {"events": os.path.join(log, "events-*.jsonl")}, outcome


class Peer:
    """Another mail server, as Debian ships it, in a root of its own; only its spool is on the disk."""

    name = spool = setting = None

    def __init__(self, directory, home):
        self.directory, self.peer = directory, peers.PEERS[self.name]
        self.root = os.path.join(home, self.name)
        make_root(self.root, self.peer.packages + ("iproute2",))
        if not os.path.exists(os.path.join(self.root, "bin/ip")):
            inside(self.root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "iproute2")

    def fill(self, where):
        """The empty spool, with its owners."""
        subprocess.run(["cp", "-a", os.path.join(self.root, self.spool) + "/.", where], check=True)

    def script(self, fs):
        return ("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nmount -t %s /dev/ubda /%s || exit 1\n%s\necho '%s'\n%s\n"
                "echo ended with $?\nsleep 600\n" % (fs, self.spool, self.ready, STARTING, " ".join(self.peer.command)))

    def look(self, where, outcome, source, sink):
        return []

    def version(self):
        return "%s %s" % (self.name, self.peer.version(self.root))


class Postfix(Peer):
    name, spool = "postfix", "var/spool/postfix"
    ready = ("mkdir -p /var/spool/postfix/log; mount --bind /var/spool/postfix/log /var/log\n"
             "mount -t tmpfs tmpfs /var/lib/postfix && chown postfix /var/lib/postfix\nmount -t tmpfs tmpfs /run")

    def configure(self, network, sink_port):
        self.peer.configure(self.root, PORT, network.here, sink_port, None)
        path = os.path.join(self.root, "etc/postfix/master.cf")
        text = open(path).read().replace("127.0.0.1:%d inet" % PORT, "%d inet" % PORT)
        with open(path, "w") as file:
            file.write(text)
        inside(self.root, "postconf", "-e", "inet_interfaces=all", "mynetworks=%s/32" % network.here, "smtp_host_lookup=native",
               "minimal_backoff_time=1s", "maximal_backoff_time=1s", "queue_run_delay=1s", "disable_dns_lookups=yes")


class Exim(Peer):
    name, spool = "exim", "var/spool/exim4"
    ready = ("mkdir -p /run; mount -t tmpfs tmpfs /run && mkdir /run/exim4 && chown Debian-exim /run/exim4\n"
             "mkdir -p /var/spool/exim4/log && chown Debian-exim /var/spool/exim4/log\n"
             "mount --bind /var/spool/exim4/log /var/log/exim4")

    def __init__(self, directory, home):
        super().__init__(directory, home)
        # A restart finds its queue with a run; as shipped that comes each half hour.
        self.peer.command = tuple("-q1m" if word == "-q30m" else word for word in self.peer.command)

    def configure(self, network, sink_port):
        self.peer.configure(self.root, PORT, network.here, sink_port, None)
        path = os.path.join(self.root, "etc/exim4/update-exim4.conf.conf")
        text = open(path).read().replace("'127.0.0.1.%d'" % PORT, "'%s.%d'" % (network.there, PORT))
        text = text.replace("dc_relay_nets='127.0.0.1'", "dc_relay_nets='%s'" % network.here)
        with open(path, "w") as file:
            file.write(text)
        inside(self.root, "update-exim4.conf")


PROGRAMS = {"relais": Relais, "postfix": Postfix, "exim": Exim}


def make(name, directory, build, home):
    return Relais(directory, build) if name == "relais" else PROGRAMS[name](directory, home)
