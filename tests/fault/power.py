#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R3: the power of a machine is cut at a random moment under load, and the books must agree (books.py).

The machine is User-mode Linux with a disk of its own (uml.py); source, sink and both books are on this side of its
network, so they outlive it. In each cycle it boots on the disk as the last cut left it, the mail server recovers and goes on
delivering, 20 connections send, 20 deliver, and after up to two seconds the power goes. After 25 cuts the sink has to
have everything, the disk is looked at and a new one made. A message that is missing is told with the cut it was lost at.

    tests/fault/power.py CUTS [--fs ext4|xfs] [--program relais|postfix|exim] [--mutant NAME] [--peers DIRECTORY]

TAP; with RELAIS_RECORD set also into RESULTS. Cut off, it goes on with the next disk when started with the same words. With
--mutant it ends well once a cut catches the mutant (mutants.py).
"""
import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import machines
import mutants
import traffic
import uml

CONNECTIONS, AGE, MUTANT_AGE = 20, 25, 4
LAST_MS = 100  # what was given in the last of them may not be written yet
# One of how many has a file of its own, lines of each, and the size of a segment: as it may be; many files; and none, as their
# syncs make the journal write what else waits, but a log that goes from segment to segment. Mutants are given the last two.
LOADS = (((50, None), "16M"), ((5, None), "16M"), ((1 << 30, 3000), "1M"))
SHIM = os.path.join(case.harness.BUILD, "tests/fault/.libs/uml-registers.so")


class TimedBook(case.books.SinkBook):
    """Knows when the last replies were given. Once it is closed nothing is: the sink had not yet taken what it was asked to."""

    def __init__(self, path):
        self.times, self.closed = collections.deque(maxlen=1000), False
        super().__init__(path)

    def is_about_to_give(self, data, recipients, what="250"):
        if self.closed:
            return
        super().is_about_to_give(data, recipients, what)
        self.times.append(time.monotonic())

    def recent(self):
        since = time.monotonic() - LAST_MS / 1000
        return sum(t >= since for t in self.times)


class KindBook(case.books.SourceBook):
    """Whose messages are of a kind: how many of them are large, how many lines they have."""

    kind = (50, None)

    def next(self, large_every=50, lines=None):
        return super().next(*self.kind)


class Flow(traffic.Traffic):
    def __init__(self, directory, network, port):
        super().__init__(directory, port, host=network.here)
        self.sink.holds = True  # others send QUIT with the dot
        self.source_book = KindBook(self.source_book.path)
        self.sink_book = self.sink.book = TimedBook(self.sink_book.path)


class Age:
    """The life of one disk: so many cuts, then the comparison."""

    def __init__(self, directory, arguments, build, rng):
        self.directory, self.rng = directory, rng
        self.program = machines.make(arguments.program, directory, build, arguments.peers)
        self.machine = uml.Machine(directory, SHIM, arguments.fs, self.program.root)
        self.sink_port = case.lab_tools.free_port()
        self.outcome, self.bounds = case.books.Outcome(), []
        loads = LOADS[arguments.mutant is not None:] if arguments.program == "relais" else LOADS[:1]
        loads = LOADS[1:2] if arguments.mutant in mutants.OF_FILES else loads
        self.kind, self.program.segment_size = rng.choice(loads)

    def boot(self, queued):
        """Seconds from the start of the mail server to its greeting."""
        self.machine.boot(self.program.script(self.machine.fs))
        self.machine.await_word(machines.STARTING)
        began = time.time()
        self.machine.await_greeting(machines.PORT)
        self.outcome.restarts.append((time.time() - began, queued))

    def cycle(self):
        """One life of the machine, under load, and its end."""
        with Flow(self.directory, self.machine.network, self.sink_port) as flow:
            self.boot(flow.waiting)
            before, counted = len(flow.source_book.acked), self.counted(flow)
            flow.sink.delay = self.rng.choice((0.0, 0.02, 0.1, 0.3))
            flow.source_book.kind = self.kind
            flow.send(machines.PORT, CONNECTIONS, hold=0.1, host=self.machine.network.there)
            self.under_load(flow, counted)
            self.machine.cut()
            flow.sink_book.closed = True
            opened = flow.sink.sessions + flow.sink_book.recent()
            time.sleep(0.05)  # what it still said is on its way
            flow.finish(0)
            self.outcome.cuts.append(opened)
            self.bounds.append(flow.source_book.last)
            return len(flow.source_book.acked) - before

    def counted(self, flow):
        """Acknowledged messages; where every fifth has a file, four for each of those."""
        if self.kind[0] != 5:
            return len(flow.source_book.acked)
        return 4 * sum(number % 5 == 2 for number in flow.source_book.acked)

    def under_load(self, flow, before, patience=60):
        until, most = time.time() + patience, time.time() + 0.2 + 1.8 * self.rng.random()
        while time.time() < most or self.counted(flow) < before + CONNECTIONS:
            if time.time() > until or not self.machine.is_alive():
                raise uml.Trouble("nothing is taken: %s\n%s" % (flow.source.refusals, self.machine.said()[-3000:]))
            time.sleep(0.01)

    def drain(self, patience=20):
        """A last boot without load: until all is delivered, or nothing more is for so long."""
        with Flow(self.directory, self.machine.network, self.sink_port) as flow:
            self.boot(flow.waiting)
            least, since = None, time.time()
            while (left := len(flow.source_book.pairs() - set(flow.sink_book.gave))) and time.time() - since < patience:
                if least is None or left < least:
                    least, since = left, time.time()
                time.sleep(0.1)
            time.sleep(1.5)  # the log is written a second after
            self.machine.cut()
            self.outcome.cuts.append(flow.sink.sessions + flow.sink_book.recent())
            return flow.source_book, flow.sink_book

    def run(self, cuts):
        """Findings, and figures of it."""
        if cuts > 0 and not os.path.exists(self.machine.image):
            self.program.configure(self.machine.network, self.sink_port)
            self.machine.new_disk(self.program.fill)
        acked = sum(self.cycle() for _ in range(cuts))
        source, sink = self.drain()
        with self.machine.mounted() as where:
            own = self.program.look(where, self.outcome, source, sink)
        findings = case.books.compare(source, sink, self.outcome) + own
        lost = source.pairs() - set(sink.gave)
        return findings, {"acknowledged": acked, "lost": len(lost), "cuts": len(self.outcome.cuts),
                          "duplicates": case.books.duplicates(sink)}, self.cuts_of({number for number, _ in lost})

    def cuts_of(self, numbers):
        """Number of the cut at which each message was at work, counted from 1."""
        return sorted({1 + sum(bound < number for bound in self.bounds) for number in numbers})

    def remove(self):
        self.machine.remove()


def age(arguments, build, cuts, rng):
    directory = tempfile.mkdtemp(prefix="relais-power-")
    life = None
    try:
        life = Age(directory, arguments, build, rng)
        return life.run(cuts), max(seconds for seconds, _ in life.outcome.restarts), life.program.version()
    finally:
        if life is not None:
            life.remove()
        if not os.environ.get("RELAIS_KEEP"):
            shutil.rmtree(directory, ignore_errors=True)


def step(arguments, build, progress, tap, rng):
    cuts = min(MUTANT_AGE if arguments.mutant else AGE, arguments.cuts - progress.done)
    (findings, figures, where), slowest, version = age(arguments, build, cuts, rng)
    if arguments.mutant:  # its fault is to be found in the mail, not in what the log says of it
        findings = [f for f in findings if not f.name.startswith("I7")]
    progress.note(findings, progress.done + (where[0] if where else cuts))
    progress.top(restart_ms=int(1000 * slowest))
    progress.add(cuts, **figures)
    sums = progress.sums
    tap.note("%d cuts of %s, %d acknowledged, %d lost, %d duplicates, restart %.2f s, bad: %s"
             % (progress.done, version, sums["acknowledged"], sums["lost"], sums["duplicates"], slowest,
                [f.name for f in findings if not f.good]), keep=False)
    return version


def catch(tap, progress, arguments):
    """A mutant has to be caught."""
    sums = progress.sums
    for name in sorted({name for name, _ in progress.bad}):
        tap.note("caught by: %s" % name)
    tap.note("%d cuts, %d acknowledged, %d lost" % (progress.done, sums["acknowledged"], sums["lost"]))
    tap.ok(progress.bad, "mutant %s is caught within %d cuts" % (arguments.mutant, progress.done))
    os.unlink(progress.path)
    tap.end()


def main(words, command="tests/fault/power.py"):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cuts", type=int)
    parser.add_argument("--fs", choices=sorted(uml.MAKE), default="ext4")
    parser.add_argument("--program", choices=sorted(machines.PROGRAMS), default="relais")
    parser.add_argument("--mutant", choices=mutants.names())
    parser.add_argument("--peers", default=os.path.join(case.harness.BUILD, "fault-peers"))
    arguments = parser.parse_args(words)
    tap = case.Recorded(" ".join([command, *words]))
    why = uml.missing()
    if why is not None:
        tap.skip("power cuts", "no machine in User-mode Linux: " + why)
        tap.end()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the machine is to go with it
    name = "power-%s-%s%s" % (arguments.program, arguments.fs, "-" + arguments.mutant if arguments.mutant else "")
    progress, rng = case.Progress("%s-%d" % (name, arguments.cuts)), random.Random()
    build, version = mutants.built(arguments.mutant), ""
    while progress.done < arguments.cuts and not (arguments.mutant and progress.bad):
        version = step(arguments, build, progress, tap, rng)
    if arguments.mutant:
        catch(tap, progress, arguments)
    sums = progress.sums
    tap.note("%s on %s: %d cuts under load, %d messages acknowledged, %d lost, %d duplicates, %.2f a cut; longest restart %.2f s"
             % (version, arguments.fs, progress.done, sums["acknowledged"], sums["lost"], sums["duplicates"],
                sums["duplicates"] / progress.done, progress.tops["restart_ms"] / 1000))
    progress.report(tap)
    tap.ok(sums["acknowledged"] >= progress.done * CONNECTIONS, "enough was acknowledged", sums)
    tap.end()


if __name__ == "__main__":
    main(sys.argv[1:])
