# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault tests share beside books.py and traffic.py: a laboratory whose recipients go to the test's own sink, its
side of the comparison, where the long runs keep their state, and RESULTS."""
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness
import lab as lab_tools

import books

RETRY = ("queue.sleep_first=1s", "queue.sleep_last=1s", "class.transactional.retry=1s")


class Lab(harness.Lab):
    """`settings` are those of tests/lab/up --set. The sink of the laboratory itself stays idle."""

    def __init__(self, *settings, modules=(), env=None, port=None, more=()):
        """Mail goes to `port`, or to the port of the test's sink; `more` are further words for tests/lab/up."""
        self.sink_port = lab_tools.free_port()
        self.outcome, self.began_life = books.Outcome(), time.time()
        words = ["queue.smtp_port=%d" % (port or self.sink_port), *RETRY, *settings]
        super().__init__(*(word for setting in words for word in ("--set", setting)),
                         *(word for module in modules for word in ("--module", module)), *more, env=env)
        self.state = lab_tools.read_state(self.directory)

    def start(self, env=None):
        """Starts the daemon alone, as up () does, without another process; notes how long it took."""
        began, old = time.time(), dict(os.environ)
        os.environ.update(env or {})
        try:
            pids = lab_tools.Pids(self.directory)
            lab_tools.start_relais(self.state, self.directory, pids)
            self.pid = pids.alive("relaisd") or 0
        finally:
            os.environ.clear()
            os.environ.update(old)
        return time.time() - began

    def is_alive(self):
        return lab_tools.Pids(self.directory).alive("relaisd") is not None

    def cut_and_restart(self, traffic):
        """Kill -9, start; the books learn what was open."""
        opened, queued = traffic.sink.sessions, traffic.waiting
        self.kill()
        self.outcome.cuts.append(opened)
        self.outcome.restarts.append((self.start(), queued))

    def drain(self, patience=240):
        """Until nothing waits; says what did not go."""
        self.wait(lambda: self.status()["queue.deliveries"] == 0, patience, "empty queue")

    def learn(self, source, sink):
        """What the daemon knows of the end of each recipient, and what lies about in its folders. The log is written a
        second after what it tells of."""
        given, until = {pair for pair, of in sink.gave.items() if ("250" in (what for _, what in of))}, time.time() + 5
        numbers = self.read_events(source)
        while not given <= self.outcome.delivered and time.time() < until:
            time.sleep(0.2)
            numbers = self.read_events(source)
        for row in self.rows("queue", "list"):
            if row.get("id") in numbers:
                number = numbers[row["id"]]
                self.outcome.queued.update((number, r) for r in source.sent[number][1])
        if not self.outcome.queued:
            self.outcome.leftovers = self.leftovers()

    def read_events(self, source):
        """Queue id -> number; the outcome learns the ends."""
        events = self.events()
        numbers = {event["queue_id"]: int(event["message_id"][2:].partition("@")[0]) for event in events
                   if event["type"] == "accepted" and event.get("message_id", "").startswith("<n")}
        numbers.update((queue_id, number) for number, queue_id in source.acked.items())
        ends = {"delivered": set(), "bounced": set(), "expired": set(), "suppressed": set()}
        for event in events:
            if event["type"] in ends and event["queue_id"] in numbers:
                ends[event["type"]].add((numbers[event["queue_id"]], event["recipient"]))
        self.outcome.delivered, self.outcome.bounced = ends["delivered"], ends["bounced"] | ends["expired"] | ends["suppressed"]
        return numbers

    def leftovers(self):
        """Of an empty spool: bodies of no message, and files that were to be renamed."""
        found = []
        for folder, _, names in os.walk(self.directory):
            if folder.startswith(os.path.join(self.directory, "locale")):
                continue
            bodies = folder == os.path.join(self.facts["spool_dir"], "bodies")
            found += [os.path.join(folder, n) for n in names if bodies or n.endswith((".new", ".tmp", ".part"))]
        return found

    def judge(self, flow):
        """The comparison as findings, and what spool verify says."""
        self.learn(flow.source_book, flow.sink_book)
        done = self.ctl("spool", "verify", self.facts["spool_dir"], check=False)
        return books.compare(flow.source_book, flow.sink_book, self.outcome) + [
            books.Finding(done.returncode == 0, "spool verify finds nothing wrong", done.stdout + done.stderr)]

    def compare(self, tap, flow):
        """The end of a test of one piece."""
        findings = self.judge(flow)
        tap.note(books.summary(flow.source_book, flow.sink_book, self.outcome))
        for finding in findings:
            tap.ok(finding.good, finding.name, finding.detail)


class Progress:
    """How far a long test got, in a file of the build folder: cut off, it goes on there when it is started with the same
    arguments. `done` counts steps; `sums` are added to, `tops` keep the highest; `bad` are findings that do not hold."""

    def __init__(self, name):
        folder = os.path.join(harness.BUILD, "fault")
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, name + ".json")
        self.done, self.sums, self.tops, self.names, self.bad = 0, {}, {}, [], []
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.__dict__.update(json.load(file))

    def add(self, steps=0, **figures):
        self.done += steps
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.save()

    def top(self, **figures):
        for name, value in figures.items():
            self.tops[name] = max(self.tops.get(name, value), value)

    def note(self, findings, where):
        for finding in findings:
            if finding.name not in self.names:
                self.names.append(finding.name)
            if not finding.good:
                self.bad.append([finding.name, "%s: %s" % (where, finding.detail)])

    def learn(self, lab, flow, where):
        """Adds one laboratory's books to the sums and judges them."""
        self.note(lab.judge(flow), where)
        self.add(acknowledged=len(flow.source_book.acked), delivered=len(flow.sink_book.gave), cuts=len(lab.outcome.cuts),
                 duplicates=books.duplicates(flow.sink_book))

    def save(self):
        with open(self.path + ".new", "w") as file:
            json.dump({k: v for k, v in self.__dict__.items() if k != "path"}, file)
        os.rename(self.path + ".new", self.path)

    def report(self, tap):
        """All of it as TAP; the next run begins anew."""
        for name in self.names:
            bad = [detail for other, detail in self.bad if other == name]
            tap.ok(not bad, name, "\n".join(bad[:20]))
        if os.path.exists(self.path):
            os.unlink(self.path)


class Recorded(harness.Tap):
    """TAP that is also appended to RESULTS at its end, if RELAIS_RECORD is set: what was run, when, what it said."""

    def __init__(self, command):
        super().__init__()
        self.command, self.said = command, []

    def ok(self, good, name, detail=""):
        self.said.append("%sok %d - %s" % ("" if good else "not ", self.n + 1, name))
        return super().ok(good, name, detail)

    def note(self, text, keep=True):
        if keep:
            self.said.append("# " + text)
        super().note(text)

    def end(self):
        if os.environ.get("RELAIS_RECORD"):
            with open(os.path.join(HERE, "RESULTS"), "a") as file:
                file.write("\n%s  %s, %d cores, %s\n" % (datetime.date.today(), self.command, os.cpu_count(), file_system()))
                file.write("".join("    %s\n" % line for line in self.said))
        super().end()


def file_system():
    """Of the folder where the laboratories stand."""
    done = subprocess.run(["df", "--output=fstype", tempfile.gettempdir()], capture_output=True, text=True)
    return done.stdout.split()[-1] if done.returncode == 0 else "unknown file system"
