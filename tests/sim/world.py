# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings up a laboratory for a scenario: configuration, zone, listeners, the clock; runs relais-internet beside it
and does what the scenario's actions say."""
import json
import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "lab"))
import lab
import virtual

Trouble = lab.Trouble
LISTED = "127.0.0.2"
# What is absent is cached by the resolver's real clock, for as long as the zone says, which is long here. This answer has
# no such time; the scenario's configuration has to have Relais ignore it.
CLEAN = "127.0.0.99"


def program(build):
    path = os.path.join(os.path.abspath(build), "tests/sim/relais-internet")
    if not os.path.exists(path):
        raise Trouble("%s is not built" % path)
    return path


def read_scenario(build, path):
    done = subprocess.run([program(build), path, "--dump"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(done.stderr.strip())
    return json.loads(done.stdout)


class World:
    def __init__(self, directory, build, scenario, facts, settings):
        self.directory, self.build, self.scenario, self.facts = directory, os.path.abspath(build), scenario, facts
        self.settings = settings
        self.listed = set()
        self.ports = {tenant["name"]: lab.free_port() for tenant in facts["tenants"]}
        self.conf_dir = os.path.join(directory, "conf.d")

    def __enter__(self):
        try:
            self.prepare()
            self.up()
        except BaseException:
            lab.down(self.directory)
            raise
        return self

    def __exit__(self, *_):
        if lab.read_state(self.directory):
            with open(os.devnull, "w") as nowhere:
                stdout, sys.stdout = sys.stdout, nowhere
                try:
                    lab.down(self.directory)
                finally:
                    sys.stdout = stdout

    # --- Files ------------------------------------------------------------------------------------

    def prepare(self):
        os.makedirs(self.conf_dir, exist_ok=True)
        self.make_clock()
        with open(os.path.join(self.conf_dir, "m-world.conf"), "w") as file:
            file.write(self.configuration())
        if self.facts["shipped"]:
            shutil.copy(os.path.join(SOURCE, "conf.d/throttle-providers.conf"), os.path.join(self.conf_dir, "a-providers.conf"))
        if self.facts["conf"]:
            self.put_conf(self.facts["conf"])
        with open(os.path.join(self.directory, "zone"), "w") as file:
            file.write(self.zone())

    def make_clock(self):
        path = os.path.join(self.directory, "clock")
        page = struct.pack("=IIqqqqQiiiiii", virtual.MAGIC, virtual.VERSION, time.monotonic_ns() // 1000,
                           self.facts["start_us"], 0, virtual.NEVER, 0, 0, 0, 0, 0, 0, 0)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(page)

    def put_conf(self, name):
        source = os.path.join(os.path.dirname(self.scenario), name)
        if not os.path.isfile(source):
            raise Trouble("%s: there is no %s beside it" % (self.scenario, name))
        shutil.copy(source, os.path.join(self.conf_dir, "n-scenario.conf"))

    def configuration(self):
        out = ["# Of tests/sim: sources, tenants and the names of providers.", "[queue]", "connections_total = 4000"]
        for source in self.facts["sources"]:
            out += ["[source %(name)s]" % source, "address4 = %(address)s" % source, "helo = %(name)s.sender.test" % source,
                    "weight = %(weight)d" % source]
        for tenant in self.facts["tenants"]:
            name = tenant["name"]
            out += ["[tenant %s]" % name, "domains = %s.test" % name, "[domain %s.test]" % name, "[listener %s]" % name,
                    "address = 127.0.0.1", "port = %d" % self.ports[name], "tls = none", "trusted_nets = 127.0.0.1",
                    "tenant = %s" % name, "class_header = yes"]
        for provider in self.facts["providers"]:
            out += ["[provider %(as)s]" % provider, "mx = mx-%(name)s.test" % provider]
        return "\n".join(out) + "\n"

    def zone(self):
        out = ["$ORIGIN test.", "$TTL 86400"]
        for provider in self.facts["providers"]:
            out.append("mx-%(name)s A %(address)s" % provider)
            out += ["d%d.%s MX 10 mx-%s.test." % (i, provider["name"], provider["name"]) for i in range(provider["domains"])]
        for tenant in self.facts["tenants"]:
            out += ["%s A 127.0.0.1" % tenant["name"], "%s MX 10 sink.test." % tenant["name"]]
        for source in self.facts["sources"]:
            out.append("%(name)s.sender A %(address)s" % source)
        out.append("$TTL 1")
        for name in sorted(self.zones()):
            for address in ["127.0.0.2"] + [source["address"] for source in self.facts["sources"]]:
                listed = address == "127.0.0.2" or (address, name) in self.listed
                out.append("%s.%s.bl A %s" % (".".join(reversed(address.split("."))), name, LISTED if listed else CLEAN))
        return "\n".join(out) + "\n"

    def zones(self):
        """Names of the laboratory's blocklists: those that actions speak of."""
        out = set()
        for line in open(self.scenario):
            words = line.split()
            if "list" in words or "delist" in words:
                out.add(words[-1])
        return out

    # --- Life -------------------------------------------------------------------------------------

    def up(self):
        argv = [os.path.join(SOURCE, "tests/lab/up"), self.directory, "--build", self.build, "--clock", "virtual",
                "--zone", os.path.join(self.directory, "zone")]
        for module in self.facts["modules"].replace(",", " ").split():
            argv += ["--module", module]
        for text in self.settings:
            argv += ["--set", text]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise Trouble("lab up: %s%s" % (done.stdout, done.stderr))
        self.lab = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def control(self, *words):
        return subprocess.run([self.lab["relaisctl"], *words], capture_output=True, text=True)

    def run(self, scale, without):
        argv = [program(self.build), self.scenario, "--clock", os.path.join(self.directory, "clock"), "--port", self.lab["sink_port"],
                "--out", self.directory, "--scale", str(scale)]
        argv += ["--without=" + without] if without else []
        for name, port in self.ports.items():
            argv += ["--tenant", "%s=%d" % (name, port)]
        # It frees nothing before its end.
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        actions = []
        try:
            for line in process.stdout:
                word, _, rest = line.strip().partition(" ")
                if word == "action":
                    actions.append(self.act(rest))
                    process.stdin.write("done\n")
                    process.stdin.flush()
        finally:
            process.stdin.close()
            status = process.wait()
        if status != 0:
            raise Trouble("relais-internet ended with %d" % status)
        with open(os.path.join(self.directory, "result.json")) as file:
            result = json.load(file)
        result["actions"] = actions
        result["log"] = self.complaints()
        return result

    def complaints(self):
        words = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "CRITICAL", "GLib-WARNING", "assertion", "blocking call")
        with open(os.path.join(self.directory, "relaisd.log"), errors="replace") as file:
            return [line.rstrip() for line in file if any(word in line for word in words)][:20]

    # --- Actions ----------------------------------------------------------------------------------

    def act(self, text):
        """Does it, and says what was done and whether that went well."""
        words = shlex.split(text)
        verb = getattr(self, "do_" + words[0])
        print("\nsim: %s" % text, file=sys.stderr)
        try:
            verb(*words[1:])
        except (OSError, TypeError, subprocess.SubprocessError, Trouble) as trouble:
            return {"action": text, "done": False, "why": str(trouble)}
        return {"action": text, "done": True}

    def do_reload(self, name):
        self.put_conf(name)
        done = self.control("reload")
        if done.returncode != 0:
            raise Trouble("relaisctl reload: %s%s" % (done.stdout, done.stderr))

    def do_restart(self):
        lab.Pids(self.directory).end("relaisd", 60)
        self.up()

    def do_kill(self):
        pids = lab.Pids(self.directory)
        pid = pids.alive("relaisd")
        if pid:
            lab.kill(pid)
        self.up()

    def do_control(self, *words):
        """relaisctl WORDS; what it says goes to stderr."""
        done = self.control(*words)
        print(done.stdout + done.stderr, file=sys.stderr)
        if done.returncode != 0:
            raise Trouble("relaisctl %s: %d" % (" ".join(words), done.returncode))

    def do_list(self, address, zone):
        self.listed.add((address, zone))
        self.write_zone()

    def do_delist(self, address, zone):
        self.listed.discard((address, zone))
        self.write_zone()

    def write_zone(self):
        """The laboratory's zone with ours in its new form; old answers die of age within a second."""
        path = os.path.join(self.directory, "dns/test.zone")
        with open(path) as file:
            head = file.read().partition("\n$ORIGIN test.\n$TTL 86400\n")[0]
        self.serial = getattr(self, "serial", 1) + 1
        head = head.replace("hostmaster.test. %d " % (self.serial - 1), "hostmaster.test. %d " % self.serial)
        with open(path + ".tmp", "w") as file:
            file.write(head + "\n" + self.zone())
        os.rename(path + ".tmp", path)
        with open(os.path.join(self.directory, "dns/nsd.pid")) as file:
            os.kill(int(file.read()), signal.SIGHUP)
        time.sleep(2.5)
