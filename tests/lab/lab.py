# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: a Relais in a directory, with its own DNS server (nsd), sink and configuration, all
on loopback and on free ports. Used by the commands up and down, and by the end-to-end tests.

State lives in DIR/lab.json (ports, options) and DIR/pids (one "NAME PID START" a line; START is the
process's start time, so that a reused pid is never killed). Every process ends by itself after
RELAIS_LAB_SECONDS (3600).
"""
import glob
import ipaddress
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import virtual

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SECONDS = int(os.environ.get("RELAIS_LAB_SECONDS", "3600"))
PYTHON = "/usr/bin/python3"


class Trouble(Exception):
    pass


# --- Processes -----------------------------------------------------------------------------------

def start_time(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def await_end(pid, patience=60):
    """A killed process holds its ports and locks until its last thread has gone, which may be long after its first."""
    until = time.time() + patience
    while threads(pid) > 1 and start_time(pid) is None:
        if time.time() > until:
            raise Trouble("process %d does not end" % pid)
        time.sleep(0.02)


def kill(pid, patience=60):
    """SIGKILL, and its end awaited: asked too early, it would seem to run still."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        if not select.select([descriptor], [], [], patience)[0]:
            raise Trouble("process %d does not end" % pid)
    finally:
        os.close(descriptor)


def threads(pid):
    try:
        return len(os.listdir("/proc/%d/task" % pid))
    except OSError:
        return 0


class Pids:
    def __init__(self, directory):
        self.path = os.path.join(directory, "pids")
        self.known = {}
        if os.path.exists(self.path):
            for line in open(self.path):
                name, pid, start = line.split()
                self.known[name] = (int(pid), start)

    def alive(self, name):
        pid, start = self.known.get(name, (0, None))
        return pid if pid and start_time(pid) == start else None

    def note(self, name, pid):
        self.known[name] = (pid, start_time(pid))
        with open(self.path + ".tmp", "w") as file:
            for key, (number, start) in self.known.items():
                file.write("%s %d %s\n" % (key, number, start))
        os.rename(self.path + ".tmp", self.path)

    def end(self, name, patience=15):
        pid = self.alive(name)
        if not pid:
            return
        os.kill(pid, signal.SIGTERM)
        until = time.time() + patience
        while self.alive(name) and time.time() < until:
            time.sleep(0.02)
        if self.alive(name):
            os.kill(pid, signal.SIGKILL)


def spawn(argv, log, environment=None):
    """Starts a process of its own session; it dies with its deadline, whoever forgets it."""
    def bounded():
        os.setsid()

    with open(log, "ab") as file:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                preexec_fn=bounded, env=environment)


def free_port(kind=socket.SOCK_STREAM):
    """Below those that the system gives to connections: another test's may take one of these before it is listened on."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(max(1024, first - 16384), first)
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def free_dns_port():
    """A port that is free for both UDP and TCP."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(what, check, process=None, seconds=20, log=None):
    until = time.time() + seconds
    while time.time() < until:
        value = check()
        if value:
            return value
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.02)
    tail = ""
    if log and os.path.exists(log):
        tail = ":\n" + open(log, errors="replace").read()[-3000:]
    raise Trouble("%s did not come up%s" % (what, tail))


# --- Parts ---------------------------------------------------------------------------------------

def tool(build, name):
    """A lab tool: installed, or unpacked under the build folder by tests/lab/install."""
    for path in (os.path.join(build, "lab-tools/usr/sbin", name), os.path.join("/usr/sbin", name)):
        if os.path.exists(path):
            return path
    raise Trouble("%s is not there; run tests/lab/install %s" % (name, build))


ZONE = """\
$ORIGIN test.
$TTL 300
@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60
@ NS ns.test.
ns A 127.0.0.1
sink A 127.0.0.1
relais A 127.0.0.1
sender MX 10 sink.test.
sender TXT "v=spf1 ip4:127.0.0.0/8 -all"
sender A 127.0.0.1
track.sender A 127.0.0.1
_dmarc.sender TXT "v=DMARC1; p=reject; rua=mailto:dmarc@sender.test"
in.sender MX 10 relais.test.
bounces.sender MX 10 relais.test.
bounces.sender TXT "v=spf1 ip4:127.0.0.0/8 -all"
rcpt MX 10 sink.test.
*.rcpt MX 10 sink.test.
nullmx MX 0 .
loop MX 10 localhost.test.
localhost A 127.0.0.1
nomx A 127.0.0.1
"""


REVERSE_ZONE = """\
$ORIGIN arpa.
$TTL 300
@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60
@ NS ns.test.
"""


def source_records(sources):
    """A name with its address for each source, forward and backward, and an SPF record: (zone test., reverse zone)."""
    forward, backward = [], []
    for i, address in enumerate(sources, 1):
        parsed = ipaddress.ip_address(address)
        forward.append("s%d.sender %s %s" % (i, "A" if parsed.version == 4 else "AAAA", address))
        forward.append('s%d.sender TXT "v=spf1 ip%d:%s -all"' % (i, parsed.version, address))
        backward.append("%s. PTR s%d.sender.test." % (parsed.reverse_pointer, i))
    return "\n".join(forward + [""]), "\n".join(backward + [""])


def start_dns(state, directory, pids, build):
    port = state["dns_port"]
    if pids.alive("nsd"):
        return
    home = os.path.join(directory, "dns")
    with open(os.path.join(home, "nsd.conf"), "w") as file:
        file.write(f"""server:
    ip-address: 127.0.0.1@{port}
    username: ""
    chroot: ""
    zonesdir: "{home}"
    database: ""
    pidfile: "{home}/nsd.pid"
    xfrdfile: "{home}/xfrd.state"
    zonelistfile: "{home}/zone.list"
    xfrdir: "{home}"
    server-count: 1
    reuseport: no
    hide-version: yes
    round-robin: no
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "test."
    zonefile: "test.zone"
zone:
    name: "arpa."
    zonefile: "arpa.zone"
""")
    # Not under what a test puts before the daemon's own calls: with it, nsd outlived its end and kept a processor busy.
    environment = dict({k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}, LD_LIBRARY_PATH=":".join(glob.glob(os.path.join(build, "lab-tools/usr/lib/*-linux-gnu*"))))
    log = os.path.join(home, "nsd.log")
    process = spawn(["timeout", "-k", "5", str(SECONDS), tool(build, "nsd"), "-d", "-c",
                     os.path.join(home, "nsd.conf")], log, environment)
    pids.note("nsd", process.pid)

    def answers():
        query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04test\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            try:
                s.sendto(query, ("127.0.0.1", port))
                return s.recv(512)[3] & 15 == 0
            except OSError:
                return False

    wait_for("the DNS server", answers, process, log=log)


def start_sink(state, directory, pids):
    if pids.alive("sink"):
        return
    log = os.path.join(directory, "sink.log")
    process = spawn([PYTHON, os.path.join(HERE, "sink.py"), str(state["sink_port"]),
                     os.path.join(directory, "sink"), os.path.join(directory, "sink.script")], log)
    pids.note("sink", process.pid)

    def listens():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", state["sink_port"])) == 0

    wait_for("the sink", listens, process, log=log)


# --- Configuration -------------------------------------------------------------------------------

class Settings:
    """conf.d as nested dictionaries, so that --set can override key by key."""

    def __init__(self):
        self.sections = {}

    def put(self, kind, name, key, value):
        self.sections.setdefault((kind, name), {})[key] = value

    def apply(self, text):
        """SECTION[.NAME].KEY=VALUE as design.md section 12 says."""
        left, equals, value = text.partition("=")
        kind, dot, rest = left.partition(".")
        if not equals or not dot:
            raise Trouble("--set wants SECTION[.NAME].KEY=VALUE, not %r" % text)
        words = rest.split(".")
        # [suppress unsubscribe] is a class, and has no keys of the module's.
        if len(words) >= 2 and words[-2] in self.modules and kind != "suppress":
            key, name = ".".join(words[-2:]), ".".join(words[:-2])
        else:
            key, name = words[-1], ".".join(words[:-1])
        if name:
            self.put(kind, name, key, value)
            return
        mine = [n for k, n in self.sections if k == kind]
        for n in mine or [None]:
            self.put(kind, n, key, value)

    def text(self):
        out = []
        for (kind, name), values in self.sections.items():
            out.append("[%s]" % kind if name is None else "[%s %s]" % (kind, name))
            out.extend("%s = %s" % item for item in values.items())
            out.append("")
        return "\n".join(out)


def write_configuration(state, directory, options):
    s = Settings()
    s.modules = ["throttle", "bounce", "dkim", "store-gdbm", "spf-check", "dmarc", "dnsbl-monitor", "open-tracker", "click-redirector", "unsubscribe"]
    s.put("relais", None, "hostname", "relais.test")
    s.put("relais", None, "user", "root")
    s.put("relais", None, "spool_dir", os.path.join(directory, "spool"))
    s.put("relais", None, "run_dir", os.path.join(directory, "run"))
    s.put("relais", None, "log_dir", os.path.join(directory, "log"))
    s.put("relais", None, "state_dir", os.path.join(directory, "state"))
    s.put("relais", None, "users_file", os.path.join(directory, "users"))
    s.put("relais", None, "postmaster", "postmaster@in.sender.test")
    s.put("spool", None, "segment_size", "16M")
    s.put("spool", None, "min_free", "64M")
    s.put("listener", "lab", "address", "127.0.0.1")
    s.put("listener", "lab", "port", state["smtp_port"])
    s.put("listener", "lab", "trusted_nets", "127.0.0.1")
    s.put("listener", "lab", "tenant", "sender")
    if state.get("clock"):  # where time jumps over months, nobody looks each minute
        s.put("relais", None, "certificate_interval", "365d")
    s.put("listener", "lab", "certificate", os.path.join(directory, "cert.pem"))
    s.put("listener", "lab", "key", os.path.join(directory, "key.pem"))
    s.put("tenant", "sender", "domains", "sender.test, in.sender.test")
    s.sections[("domain", "sender.test")] = {}
    s.put("domain", "in.sender.test", "inbound", "sink")
    s.put("route", "sink", "host", "127.0.0.1")
    s.put("route", "sink", "port", state["sink_port"])
    s.put("route", "sink", "tls", "opportunistic")
    if state.get("next_hop"):
        host, _, port = state["next_hop"].rpartition(":")
        s.put("route", "next-hop", "host", host)
        s.put("route", "next-hop", "port", port)
        s.put("route", "next-hop", "tls", "none")
        s.put("route", "next-hop", "domains", "*")
        s.put("domain", "in.sender.test", "inbound", "next-hop")
    if state.get("http_port"):
        s.put("http", "tracker", "kind", "tracker")
        s.put("http", "tracker", "address", "127.0.0.1")
        s.put("http", "tracker", "port", state["http_port"])
        s.put("domain", "sender.test", "tracking", "http://track.sender.test:%d" % state["http_port"])
    s.put("dns", None, "server", "127.0.0.1@%d" % state["dns_port"])
    s.put("dns", None, "allow", "127.0.0.0/8")
    s.put("queue", None, "smtp_port", state["sink_port"])
    for module in state["modules"]:
        s.put("module", module, "enable", "yes")
    if "dkim" in state["modules"]:
        key = os.path.join(directory, "dkim", "sender.test.s1.key")
        s.put("dkim-key", "s1", "domain", "sender.test")
        s.put("dkim-key", "s1", "selector", "s1")
        s.put("dkim-key", "s1", "tenant", "sender")
        s.put("dkim-key", "s1", "file", key)
    for module in ("open-tracker", "click-redirector"):
        if module in state["modules"]:
            s.put("tenant", "sender", module + ".mode", "individual")
            s.put("tenant", "sender", module + ".consent", "yes")
            s.put(module, None, "rules", os.path.join(os.path.dirname(os.path.dirname(HERE)), "modules/tracking/tracking-rules"))
    if "bounce" in state["modules"]:
        s.sections[("domain", "bounces.sender.test")] = {}
        s.put("domain", "sender.test", "bounce.domain", "bounces.sender.test")
        s.put("bounce", None, "feedback", "fbl@bounces.sender.test")
    if "unsubscribe" in state["modules"]:
        s.put("unsubscribe", None, "domain", "sender.test")
        s.put("unsubscribe", None, "plain_http", "yes")
    for i, address in enumerate(state.get("sources", []), 1):
        s.put("source", "s%d" % i, "address6" if ":" in address else "address4", address)
        s.put("source", "s%d" % i, "helo", "s%d.sender.test" % i)
    for text in state["set"]:
        s.apply(text)
    if "bounce" in state["modules"]:
        shutil.copy(os.path.join(os.path.dirname(os.path.dirname(HERE)), "conf.d/bounce-rules.conf"), os.path.join(directory, "conf.d"))
    path = os.path.join(directory, "conf.d", "lab.conf")
    with open(path + ".tmp", "w") as file:
        file.write("# Written by tests/lab/up; changes are lost at the next one.\n" + s.text())
    os.rename(path + ".tmp", path)


def make_certificate(directory):
    if os.path.exists(os.path.join(directory, "cert.pem")):
        return
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", "/CN=relais.test",
                    "-addext", "subjectAltName=DNS:relais.test,DNS:sink.test,DNS:track.sender.test,DNS:localhost",
                    "-keyout", os.path.join(directory, "key.pem"),
                    "-out", os.path.join(directory, "cert.pem")], check=True, capture_output=True)


def make_key(state, directory):
    """A DKIM key for sender.test by the product's own command; its record joins the zone."""
    if "dkim" not in state["modules"]:
        return ""
    home = os.path.join(directory, "dkim")
    record = os.path.join(home, "s1.record")
    if not os.path.exists(record):
        os.makedirs(home, exist_ok=True)
        bare = os.path.join(home, "conf.d")
        os.makedirs(bare, exist_ok=True)
        with open(os.path.join(bare, "keygen.conf"), "w") as file:
            file.write("[relais]\nuser = root\n[module dkim]\nenable = yes\n")
        argv = program(state, "relaisctl") + ["--conf", bare, "--module-dir", state["module_dir"], "--json",
                                              "dkim", "keygen", "sender.test", "--selector=s1", "--dir=" + home]
        done = subprocess.run(argv, capture_output=True, text=True, env=environment(state))
        if done.returncode != 0:
            raise Trouble("dkim keygen failed: %s%s" % (done.stdout, done.stderr))
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        row = next(r for r in rows if "record" in r)
        wanted = os.path.join(home, "sender.test.s1.key")
        if row["file"] != wanted:
            os.rename(row["file"], wanted)
        with open(record, "w") as file:
            file.write(row["record"] + "\n")
    return open(record).read()


def program(state, name):
    """The program from the build tree: libtool's wrapper would be a shell script between us and its
    pid, so the real file is run with the library path set."""
    real = os.path.join(state["build"], ".libs", name)
    return [real if os.path.exists(real) else os.path.join(state["build"], name)]


def environment(state):
    e = dict(os.environ)
    e["LD_LIBRARY_PATH"] = os.path.join(state["build"], ".libs")
    return e


def listens(directory):
    """Whether somebody answers at the control socket: asking relaisctl, a process, again and again would slow down what is
    waited for."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(os.path.join(directory, "run", "control")) == 0


def read_status(state, directory):
    done = subprocess.run(command(state, directory) + ["--json", "status"], capture_output=True, text=True,
                          env={k: v for k, v in environment(state).items() if k != "LD_PRELOAD"})
    if done.returncode != 0:
        return None
    return {r["figure"]: r["value"] for r in map(json.loads, done.stdout.splitlines()) if "figure" in r}


def hosts_are_known(state, directory):
    """Whether each tracking host was checked: until then no mail is tracked."""
    done = subprocess.run(command(state, directory) + ["--json", "track", "hosts"], capture_output=True, text=True,
                          env={k: v for k, v in environment(state).items() if k != "LD_PRELOAD"})
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode == 0 and all(row.get("state") != "unknown" for row in rows)


def hosts_come_to_be_known(state, directory):
    """The same, where time goes on only if somebody moves it: the first check is due within seconds."""
    if state.get("clock"):
        clock = open_clock(directory)
        clock.move_to(clock.mono_us + 1000000)
    return hosts_are_known(state, directory)


def command(state, directory):
    return program(state, "relaisctl") + ["--conf", os.path.join(directory, "conf.d"), "--module-dir",
                                          state["module_dir"]]


def start_relais(state, directory, pids):
    if pids.alive("relaisd"):
        return
    await_end(pids.known.get("relaisd", (0, None))[0])
    log = os.path.join(directory, "relaisd.log")
    argv = program(state, "relaisd") + ["--conf", os.path.join(directory, "conf.d"), "--module-dir",
                                        state["module_dir"], "--locale-dir", gather_translations(directory)]
    if state.get("clock"):
        virtual.create(os.path.join(directory, "clock"))
        argv += ["--clock", os.path.join(directory, "clock")]
    process = spawn(argv, log, environment(state))
    pids.note("relaisd", process.pid)
    if not pids.alive("keeper"):  # it looks the pid up when its time comes, so one is enough
        keeper = spawn([PYTHON, "-c", "import os,sys,time\nsys.path.insert(0,%r)\nimport lab\ntime.sleep(%d)\n"
                        "lab.Pids(%r).end('relaisd')" % (HERE, SECONDS, directory)], os.devnull)
        pids.note("keeper", keeper.pid)
    wait_for("relaisd", lambda: listens(directory) and read_status(state, directory), process, seconds=600, log=log)
    if state.get("http_port"):
        wait_for("the check of tracking hosts", lambda: hosts_come_to_be_known(state, directory), process, seconds=60, log=log)


# --- The whole -----------------------------------------------------------------------------------

def read_state(directory):
    path = os.path.join(directory, "lab.json")
    return json.load(open(path)) if os.path.exists(path) else None


def keeps_state(modules):
    """Whether a module is asked for that may have something to store."""
    return any(name not in ("bounce", "dkim", "dmarc", "spf-check") and not name.startswith("store-") for name in modules)


def answers_http(modules):
    return keeps_state([name for name in modules if name not in ("throttle", "dnsbl-monitor")])


def with_store(build, modules, module_dir):
    """The store comes with them where it was built, or lies in the directory that modules are taken from."""
    built = os.path.exists(os.path.join(module_dir or os.path.join(build, "modules/store-gdbm/.libs"), "store-gdbm.so"))
    wanted = keeps_state(modules) and "store-gdbm" not in modules
    return modules + ["store-gdbm"] if built and wanted else modules


def checked_sources(sources):
    for address in sources:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise Trouble("--source takes an address, not %r" % address)
    return sources


def new_state(arguments):
    for module in arguments.module:
        if "/" in module:
            raise Trouble("--module takes a name, not a path")
    build = os.path.abspath(arguments.build)
    return {
        "build": build,
        "module_dir": os.path.abspath(arguments.module_dir or os.path.join(build, "lab-modules")),
        "smtp_port": arguments.smtp_port or free_port(),
        "dns_port": free_dns_port(),
        "sink_port": free_port(),
        "http_port": arguments.http_port or (free_port() if answers_http(arguments.module) else 0),
        "next_hop": arguments.next_hop,
        "modules": with_store(build, arguments.module, arguments.module_dir),
        "set": arguments.set,
        "sources": checked_sources(arguments.source),
        "clock": arguments.clock,
    }


def put_beside(path, target):
    part = "%s.%d" % (target, os.getpid())  # another laboratory may gather, too
    shutil.copy(path, part)
    os.chmod(part, 0o755)
    os.rename(part, target)


def gather_modules(state, arguments):
    """libtool leaves each module in modules/NAME/.libs (and what tests have of their own in tests/NAME/.libs); the loader
    wants them in one directory."""
    if arguments.module_dir:
        return
    os.makedirs(state["module_dir"], exist_ok=True)
    for module in state["modules"]:
        for folder in (".libs", "modules/%s/.libs" % module, "tests/bench/.libs", "tests/e2e/.libs"):
            path = os.path.join(state["build"], folder, module + ".so")
            if os.path.exists(path):
                put_beside(path, os.path.join(state["module_dir"], module + ".so"))
                break
        else:
            raise Trouble("module %s is not built in %s" % (module, state["build"]))
        for path in glob.glob(os.path.join(state["build"], "modules/%s/.libs/%s-*" % (module, module))):
            if os.access(path, os.X_OK) and "." not in os.path.basename(path):  # a helper program of its
                put_beside(path, os.path.join(state["module_dir"], os.path.basename(path)))


def gather_translations(directory):
    """Where the daemon looks for them: as installed, in a folder a language. None where `make` made none."""
    home = os.path.join(directory, "locale")
    for path in glob.glob(os.path.join(SOURCE, "po", "*.gmo")):
        folder = os.path.join(home, os.path.basename(path)[:-len(".gmo")], "LC_MESSAGES")
        os.makedirs(folder, exist_ok=True)
        put_beside(path, os.path.join(folder, "relais.mo"))
    return home


def write_zone(state, directory, arguments):
    home = os.path.join(directory, "dns")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "test.zone"), "w") as file:
        file.write(ZONE)
        file.write(make_key(state, directory))
        file.write(source_records(state["sources"])[0])
        if arguments.zone:
            file.write("\n" + open(arguments.zone).read())


    with open(os.path.join(home, "arpa.zone"), "w") as file:
        file.write(REVERSE_ZONE)
        file.write(source_records(state["sources"])[1])


def up(arguments):
    directory = os.path.abspath(arguments.dir)
    os.makedirs(os.path.join(directory, "conf.d"), exist_ok=True)
    state = read_state(directory)
    first = state is None
    if first:
        state = new_state(arguments)
    pids = Pids(directory)
    gather_modules(state, arguments)
    make_certificate(directory)
    if first:
        write_zone(state, directory, arguments)
        if arguments.sink_script:
            shutil.copy(arguments.sink_script, os.path.join(directory, "sink.script"))
    if first or arguments.set:
        state["set"] = arguments.set or state["set"]
        write_configuration(state, directory, arguments)
    with open(os.path.join(directory, "lab.json"), "w") as file:
        json.dump(state, file)
    start_dns(state, directory, pids, state["build"])
    start_sink(state, directory, pids)
    start_relais(state, directory, pids)
    return facts(state, directory, pids)


def open_clock(directory):
    """The clock of the laboratory there; its daemon runs or not."""
    directory = os.path.abspath(directory)
    path = os.path.join(directory, "clock")
    if not os.path.exists(path):
        raise Trouble("%s has no clock; bring it up with --clock virtual" % directory)
    pids = Pids(directory)
    return virtual.Clock(path, lambda: pids.alive("relaisd"))


def facts(state, directory, pids):
    control = os.path.join(directory, "relaisctl")
    with open(control, "w") as file:
        file.write('#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n'
                   % (os.path.join(state["build"], ".libs"), " ".join(command(state, directory))))
    os.chmod(control, 0o755)
    found = {
        "smtp_port": state["smtp_port"],
        "dns_port": state["dns_port"],
        "sink_port": state["sink_port"],
        "control_socket": os.path.join(directory, "run", "control"),
        "conf_dir": os.path.join(directory, "conf.d"),
        "spool_dir": os.path.join(directory, "spool"),
        "log_dir": os.path.join(directory, "log"),
        "events": os.path.join(directory, "log", "events-*.jsonl"),
        "pid": pids.alive("relaisd"),
        "relaisctl": control,
        "sink_dir": os.path.join(directory, "sink"),
        "sink_script": os.path.join(directory, "sink.script"),
        "certificate": os.path.join(directory, "cert.pem"),
    }
    if state.get("http_port"):
        found["http_port"] = state["http_port"]
    return found


def down(directory):
    directory = os.path.abspath(directory)
    pids = Pids(directory)
    state = read_state(directory)
    figures = read_status(state, directory) if state and pids.alive("relaisd") else None
    if figures:
        print("longest_gap_us=%s" % figures["loop.longest_gap_us"])
    for name in ("keeper", "relaisd", "sink", "nsd"):
        pids.end(name)
