#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4: a cut at every flush of the disk, and what a disk may make of the writes between two of them.

A machine as that of power.py, whose every write to its disk and every sync are logged on this side (uml-disk-log.c), takes so
many messages over 20 connections; half of them are delivered meanwhile, half have to wait. Afterwards the disk is built
up again from the log, and at each sync two copies of it are mounted and read with `relaisctl spool dump`: as it was, and with
a random part of what was written until the next sync, which a disk does in any order. Whatever had its 250 before that
next sync has to be in both: whole, with the octets that were sent and not done, unless the sink has taken it.

    tests/fault/flushes.py MESSAGES [--bodies log|files|mixed] [--mutant NAME]

So many for each kind of bodies, or for that one. TAP; with RELAIS_RECORD set also into RESULTS. With --mutant it ends well
once a disk catches the mutant (mutants.py).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import disk_log
import machines
import mutants
import power
import traffic
import uml

CONNECTIONS, PATIENCE = 20, 120
# One of how many has a body of 330 000 octets, which lies in a file of its own, or how many lines all have.
BODIES = {"log": (1 << 30, 300), "files": (1, 5000), "mixed": (5, None)}
SEGMENT = "1M"
SHIMS = power.SHIM + " " + os.path.join(case.harness.BUILD, "tests/fault/.libs/uml-disk-log.so")
# What is read is thrown away: that it reaches the disk of this side is of no use.
FAST = "loop,nobarrier"


class SourceBook(power.KindBook):
    """Knows when each reply came, and what was sent."""

    def __init__(self, path):
        self.times, self.messages = {}, {}
        super().__init__(path)

    def is_about_to_send(self, message):
        self.messages[message.number] = message
        super().is_about_to_send(message)

    def got_250(self, message, queue_id):
        self.times[message.number] = time.monotonic()
        super().got_250(message, queue_id)


class SinkBook(traffic.books.SinkBook):
    """Knows when each delivery was first taken."""

    def __init__(self, path):
        self.times = {}
        super().__init__(path)

    def is_about_to_give(self, data, recipients, what="250"):
        number, _ = traffic.books.number_and_sha(data)
        for recipient in recipients:
            self.times.setdefault((number, recipient), time.monotonic())
        super().is_about_to_give(data, recipients, what)


class Flow(traffic.Traffic):
    def __init__(self, directory, network, port):
        super().__init__(directory, port, host=network.here)
        self.sink.holds = True  # others send QUIT with the dot
        self.sink.refuse = lambda recipient: "450 4.2.1 not now" if "@d1." in recipient else None
        self.source_book = SourceBook(self.source_book.path)
        self.sink_book = self.sink.book = SinkBook(self.sink_book.path)

    def await_source(self, patience):
        """Whether it has sent what was wanted by then."""
        return bool(concurrent.futures.wait([self.sending], patience).done)


class Spool:
    """What `relaisctl spool dump` tells of a spool: the messages with their octets, and what is done."""

    def __init__(self, program, where):
        argv = machines.lab_tools.command(program.state, program.directory) + ["--json", "spool", "dump", where]
        dumped = subprocess.run(argv, capture_output=True, text=True, env=machines.lab_tools.environment(program.state))
        rows = [json.loads(line) for line in dumped.stdout.splitlines()]
        self.where, self.damaged = where, [row for row in rows if "damage" in row]
        self.said = dumped.stderr + "".join("%s\n" % row for row in self.damaged)
        self.stored, self.done, self.bodies = collections.defaultdict(list), set(), None
        for row in rows:
            if row.get("type") == "message":
                self.stored[row["id"]].append((row["file"], row["offset"], row["bytes"]))
            elif row.get("type") == "done":
                self.done.add(row["id"])

    def octets(self, name, offset, length):
        with open(os.path.join(self.where, name), "rb") as file:
            return os.pread(file.fileno(), length, offset)

    def files(self):
        if self.bodies is None:
            folder = os.path.join(self.where, "bodies")
            self.bodies = [open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)]
        return self.bodies

    def holds(self, queue_id, message):
        """Whether the message is there, with its octets."""
        places = self.stored.get(queue_id, ())
        if any(message.data in self.octets(*place) for place in places):
            return True
        return bool(places) and any(body.endswith(message.data) for body in self.files())


class Run:
    """One machine, the messages it was given, and its disk afterwards."""

    def __init__(self, directory, build, kind):
        self.directory, self.kind = directory, kind
        self.log, self.base = os.path.join(directory, "disk.log"), os.path.join(directory, "base.img")
        self.program = machines.make("relais", directory, build, None)
        self.program.segment_size = SEGMENT
        self.machine = uml.Machine(directory, SHIMS)
        self.machine.environment = {"RELAIS_UML_DISK": self.machine.image, "RELAIS_UML_LOG": self.log}
        self.sink_port = case.lab_tools.free_port()
        self.source = self.sink = None
        self.counts = collections.Counter()

    def take(self, messages):
        """The life of the machine."""
        self.program.configure(self.machine.network, self.sink_port)
        self.machine.new_disk(self.program.fill)
        disk_log.copy(self.machine.image, self.base)
        with Flow(self.directory, self.machine.network, self.sink_port) as flow:
            self.machine.boot(self.program.script(self.machine.fs))
            self.machine.await_greeting(machines.PORT)
            flow.source_book.kind = BODIES[self.kind]
            flow.send(machines.PORT, CONNECTIONS, hold=0.1, wanted=messages, host=self.machine.network.there)
            if not flow.await_source(PATIENCE):
                raise uml.Trouble("not all is taken: %s\n%s" % (flow.source.refusals, self.machine.said()[-3000:]))
            time.sleep(1)  # deliveries go on
            self.machine.cut()
            self.source, self.sink = flow.source_book, flow.sink_book

    def due(self, until):
        """Numbers of what was acknowledged by then and not all taken by the sink."""
        return [number for number, at in self.source.times.items() if at < until
                and any(self.sink.times.get((number, r), until) >= until for r in self.source.sent[number][1])]

    def check(self, image, numbers):
        """What is wrong with the copy of the disk; None if nothing is."""
        disk = types.SimpleNamespace(fs=self.machine.fs, image=image)
        with uml.Mounted(disk, FAST) as where:
            spool = Spool(self.program, os.path.join(where, "spool"))
            acked = self.source.acked
            lost = [n for n in numbers if acked[n] in spool.done or not spool.holds(acked[n], self.source.messages[n])]
        self.counts.update(images=1, checked=len(numbers), damaged=bool(spool.damaged))
        return "lost %s\n%s" % (lost[:20], spool.said[-1000:]) if lost else None

    def look(self, stop, rng):
        """All marks: findings of the disk as it was, of the disk that reorders, and of the log itself. `stop`: with the first
        that is wrong."""
        replay, image = disk_log.Replay(self.base, self.log, os.path.join(self.directory, "replay.img")), self.base
        plain, mixed = [], []
        for mark in replay.marks():
            self.counts["marks"] += 1
            numbers = self.due(mark.time)
            if not any(at < mark.time for at in self.source.times.values()):
                continue
            for wrong, part in ((plain, []), (mixed, disk_log.choose(mark.pending, rng))):
                disk_log.copy(replay.image, image)
                replay.bring(part, image)
                if (trouble := self.check(image, numbers)) is not None:
                    wrong.append("%s, sync %d: %s" % (self.kind, mark.number, trouble))
            if stop and plain + mixed:
                break
        exact = stop or replay.is_like(self.machine.image)
        return [case.books.Finding(not plain, "at each sync all that was acknowledged is there", "\n".join(plain[:10])),
                case.books.Finding(not mixed, "whatever part of the later writes is done, too", "\n".join(mixed[:10])),
                case.books.Finding(exact, "the log of the disk makes the disk", self.kind)]

    def remove(self):
        self.machine.remove()


def run(arguments, build, kind, rng):
    """Findings and counts."""
    directory = tempfile.mkdtemp(prefix="relais-flushes-")
    life = None
    try:
        life = Run(directory, build, kind)
        life.take(arguments.messages)
        findings = life.look(arguments.mutant is not None, rng)
        life.counts.update(acknowledged=len(life.source.acked), delivered=len(life.sink.times))
        return findings, life.counts
    finally:
        if life is not None:
            life.remove()
        if not os.environ.get("RELAIS_KEEP"):
            shutil.rmtree(directory, ignore_errors=True)


def sentence(kind, counts):
    return ("bodies %s: %d messages acknowledged, %d recipients delivered meanwhile; %d syncs, %d disks mounted, %d times a message "
            "looked for; %d with octets of no whole record" % (kind, counts["acknowledged"], counts["delivered"], counts["marks"],
                                                              counts["images"], counts["checked"], counts["damaged"]))


def judge(tap, arguments, findings, counts):
    """`findings` of all kinds, by name."""
    if arguments.mutant:
        caught = [f for f in findings if not f.good]
        for finding in caught:
            tap.note("caught by: %s: %s" % (finding.name, finding.detail.splitlines()[0]))
        tap.ok(caught, "mutant %s is caught within %d disks" % (arguments.mutant, counts["images"]))
        return
    for name in dict.fromkeys(f.name for f in findings):
        bad = [f.detail for f in findings if f.name == name and not f.good]
        tap.ok(not bad, name, "\n".join(bad))
    # A sync stands for one message of each connection at most: had some been missed, there would be too few.
    tap.ok(counts["marks"] * CONNECTIONS >= counts["acknowledged"] and counts["images"] >= 2 and
           counts["checked"] >= counts["acknowledged"], "enough was looked at", counts)


def main(words, command="tests/fault/flushes.py"):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messages", type=int)
    parser.add_argument("--bodies", choices=sorted(BODIES))
    parser.add_argument("--mutant", choices=mutants.names())
    arguments = parser.parse_args(words)
    tap = case.Recorded(" ".join([command, *words]))
    why = uml.missing()
    if why is not None:
        tap.skip("cuts at each flush", "no machine in User-mode Linux: " + why)
        tap.end()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the machine is to go with it
    build, rng = mutants.built(arguments.mutant), random.Random()
    findings, sums = [], collections.Counter()
    for kind in [arguments.bodies] if arguments.bodies else BODIES:
        found, counts = run(arguments, build, kind, rng)
        tap.note(sentence(kind, counts))
        findings, sums = findings + found, sums + counts
        if arguments.mutant and not all(f.good for f in found):
            break
    judge(tap, arguments, findings, sums)
    tap.end()


if __name__ == "__main__":
    main(sys.argv[1:])
