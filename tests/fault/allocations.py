#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R8: the n-th allocation fails (alloc.c is preloaded), for n spread over 1 to 5 000, counted from the start of a session in
which a message is taken and delivered, and another until it has come to the n-th. Where GLib asked for the memory the daemon
ends, by design, with what could not be had in its log; started again it has all that it acknowledged. Elsewhere it goes on.
It never ends otherwise, and the books must agree.

    tests/fault/allocations.py [STEP]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import mmap
import os
import re
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import harness
import traffic

LAYOUT = "=QQII"  # calls, fail_at, hits, pid
CALLS, FAIL_AT, HITS, PID = range(4)
LAST, SESSIONS, SOON_S = 5000, 100, 1.5
SETTINGS = ("relais.confine=basic", "limits.connections_per_client=1000000", "spool.segment_size=1M")


class Page:
    """The other side of alloc.c."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="relais-alloc-")
        self.file.write(bytes(struct.calcsize(LAYOUT)))
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), struct.calcsize(LAYOUT))
        self.environment = {"LD_PRELOAD": os.path.join(harness.BUILD, "tests/fault/.libs/alloc.so"), "RELAIS_ALLOC_PAGE": self.file.name}

    def read(self, field):
        return struct.unpack_from(LAYOUT, self.map)[field]

    def order(self, fail_at, pid=None):
        """From now on; `pid` 0: for the next process."""
        struct.pack_into(LAYOUT, self.map, 0, 0, fail_at, 0, self.read(PID) if pid is None else pid)


class Bench:
    def __init__(self, lab, flow, page):
        self.lab, self.flow, self.page = lab, flow, page
        self.found, self.died, self.went_on, self.missed = [], 0, 0, 0

    def note(self, good, name, detail=""):
        self.found.append(books.Finding(bool(good), name, detail))

    def restart(self):
        self.page.order(0, 0)
        return self.lab.start(self.page.environment)

    def session(self):
        """One message, until it is delivered, the allocation came, or some time passed."""
        source, sink = self.flow.source_book, self.flow.sink_book
        answer = traffic.submit(source, self.lab.port, source.next(large_every=7))
        until = time.time() + SOON_S
        while self.lab.is_alive() and self.flow.waiting > 0 and time.time() < until:
            time.sleep(0.002)
        return answer

    def await_end(self, told_from, patience=20):
        """A thread may take its time to end the daemon, and say so, while the others go on."""
        until = time.time() + patience
        while self.lab.is_alive() and "failed to allocate" in self.lab.log()[told_from:] and time.time() < until:
            time.sleep(0.02)

    def trial(self, n):
        before, answers = len(self.lab.log()), []
        self.page.order(n)
        while self.page.read(HITS) == 0 and len(answers) < SESSIONS:
            answers.append(self.session())
        hit = self.page.read(HITS) > 0
        time.sleep(0.05 if hit else 0)
        self.page.order(0)
        self.await_end(before)
        said = self.lab.log()[before:]
        where = "n = %d, session %d, %s: %s" % (n, len(answers), answers[-1:], said[-400:])
        if not self.lab.is_alive():
            self.died += 1
            ends = re.findall(r"ended by signal (\d+)", said)
            self.note(ends in (["5"], ["6"]) and "failed to allocate" in said, "it ends only where GLib could not have its memory", where)
            self.lab.outcome.cuts.append(1)
            self.lab.outcome.restarts.append((self.restart(), self.flow.waiting))
        else:
            self.went_on += hit
            self.missed += not hit
            self.note("CRITICAL" not in said and "ended by" not in said, "where it goes on its log is clean", where)
        self.note(all(a == "" or a[:3] in ("250", "354") or a[:1] == "4" for a in answers), "what cannot be done is put off", where)
        answer, until = "", time.time() + 10
        while not answer.startswith("250") and time.time() < until:
            answer = self.session()
        self.note(answer.startswith("250"), "mail is taken afterwards", (where, answer))


def main(step, command="tests/fault/allocations.py", first=1):
    tap, progress, page = case.Recorded("%s %d" % (command, step)), case.Progress("allocations-%d" % step), Page()
    numbers = range(first, LAST + 1, step)
    with case.Lab(*SETTINGS) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        bench = Bench(lab, flow, page)
        lab.kill()
        bench.restart()
        for nth, n in enumerate(numbers):
            bench.trial(n)
            if nth % 20 == 19:
                tap.note("n = %d: %d ends, %d went on" % (n, bench.died, bench.went_on), keep=False)
        lab.drain()
        progress.note(bench.found, "")
        progress.learn(lab, flow, "all")
        progress.note([books.Finding(bench.missed == 0, "each of these allocations came", bench.missed),
                       books.Finding(bench.died > 0, "some of them ended the daemon", bench.died)], "all")
    tap.note("%d allocations from %d to %d failed: the daemon ended %d times and went on %d times; %d messages acknowledged, "
             "%d duplicates, longest restart %.2f s"
             % (len(numbers), first, numbers[-1], bench.died, bench.went_on, progress.sums["acknowledged"], progress.sums["duplicates"],
                max([seconds for seconds, _ in lab.outcome.restarts] or [0])))
    progress.report(tap)
    tap.end()


def run(step, command, first=1):
    if harness.SANITIZED:
        print("1..0 # SKIP a sanitizer has allocations of its own")
    else:
        main(step, command, first)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 20, "tests/fault/allocations.py")
