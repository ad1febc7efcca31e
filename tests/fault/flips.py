#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R10: flipped octets and cut files of the spool. A spool of queued messages, left by kill -9, is damaged at random places
and relaisd started on it, again and again: nothing wrong is ever delivered (other octets, another recipient, what was done
already unless its record was hit), the daemon comes up and tells of what is missing, and what was not hit is delivered.

    tests/fault/flips.py [FLIPS]      20 in a life (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import glob
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

IN_A_LIFE, QUEUED, DONE = 20, 150, 20
SETTINGS = ("spool.segment_size=1M", "limits.connections_per_client=1000000")
HEAD = 4096  # of a segment: its header and the notes about others
TELLS = ("WARNING", "quarantine", "torn")


def used(path):
    """Octets of a file up to the last that is not zero."""
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def files(folder):
    return [p for p in glob.glob(os.path.join(folder, "**"), recursive=True) if os.path.isfile(p) and used(p) > 0]


class Damage:
    """What is done to one copy of the spool."""

    def __init__(self, folder, rng):
        self.what, self.coarse = [], False
        sizes = [(path, used(path)) for path in files(folder)]
        for _ in range(IN_A_LIFE):
            path, size = rng.choices(sizes, [size for _, size in sizes])[0]
            if rng.random() < 0.02:
                self.cut(path, rng.randrange(size))
                sizes = [(path, used(path)) for path in files(folder)]
            else:
                self.flip(path, rng.randrange(size), 1 << rng.randrange(8))

    def flip(self, path, at, bit):
        if at >= os.path.getsize(path):
            return
        with open(path, "r+b") as file:
            file.seek(at)
            octet = file.read(1)[0]
            file.seek(at)
            file.write(bytes([octet ^ bit]))
        self.note(path, at, at < HEAD and os.path.basename(path).startswith("segment-"))

    def cut(self, path, size):
        os.truncate(path, size)
        self.note(path, size, True)

    def note(self, path, at, coarse):
        self.what.append("%s@%d" % (os.path.basename(path), at))
        self.coarse |= coarse


class Bench:
    """A laboratory and the spool that is copied for each life."""

    def __init__(self, lab, flow):
        self.lab, self.flow, self.spool = lab, flow, lab.facts["spool_dir"]
        self.keep = os.path.join(lab.directory, "kept")
        self.pairs = set()

    def fill(self):
        """Some messages that are delivered, many that are not; then kill -9."""
        source = self.flow.source_book
        for _ in range(DONE):
            traffic.submit(source, self.lab.port, source.next(large_every=10))
        self.lab.drain()
        done = set(self.flow.sink_book.gave)
        self.flow.sink.refuse = lambda recipient: "450 4.2.1 not now"
        for _ in range(QUEUED):
            traffic.submit(source, self.lab.port, source.next(large_every=25))
        time.sleep(1)
        self.lab.kill()
        self.pairs = source.pairs() - done
        self.flow.sink.refuse = None
        shutil.copytree(self.spool, self.keep)

    def restore(self):
        shutil.rmtree(self.spool)
        shutil.copytree(self.keep, self.spool)
        for path in glob.glob(os.path.join(self.lab.facts["log_dir"], "*")):
            os.unlink(path)

    def settle(self, patience=20):
        """Until nothing arrives any more and nothing waits."""
        until = time.time() + patience
        while time.time() < until:
            before = self.flow.sink_book.pairs_given
            if self.lab.status()["queue.deliveries"] == 0:
                return
            time.sleep(0.2 if self.flow.sink_book.pairs_given == before else 0.05)

    def life(self, seed):
        """(flips, lost recipients, findings)"""
        self.restore()
        damage = Damage(self.spool, random.Random(seed))
        path = os.path.join(self.lab.directory, "life.book")
        if os.path.exists(path):
            os.unlink(path)
        self.flow.sink_book = self.flow.sink.book = books.SinkBook(path)
        before = len(self.lab.log())
        try:
            self.lab.start()
            self.settle()
            alive = self.lab.is_alive()
        except (case.lab_tools.Trouble, RuntimeError):
            alive = False
        said = self.lab.log()[before:]
        if self.lab.is_alive():
            self.lab.kill()
        return damage, self.judge(damage, alive, said)

    def judge(self, damage, alive, said):
        source, sink = self.flow.source_book, self.flow.sink_book
        lost = self.pairs - set(sink.gave)
        again = set(sink.gave) - self.pairs
        second, = [f for f in books.compare(source, sink, books.Outcome()) if f.name.startswith("I2")]
        told = any(word in said for word in TELLS)
        where = " ".join(damage.what) + "; " + said[-600:]
        self.lost = len(lost)
        return [books.Finding(second.good, "nothing wrong is delivered", (second.detail, where)),
                books.Finding(alive and "CRITICAL" not in said, "the daemon comes up and stays", where),
                books.Finding(not lost or told, "what is missing is told of", (sorted(lost)[:5], where)),
                books.Finding(damage.coarse or len({n for n, _ in lost}) <= len(damage.what), "what was not hit is delivered",
                              (len(lost), where)),
                books.Finding(damage.coarse or len({n for n, _ in again}) <= len(damage.what), "what was done is not done again",
                              (sorted(again)[:5], where))]


def piece(progress, tap, lives):
    with case.Lab(*SETTINGS) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        bench = Bench(lab, flow)
        bench.fill()
        for nth in range(lives):
            seed = random.randrange(1 << 40)
            damage, findings = bench.life(seed)
            progress.note(findings, "seed %d" % seed)
            progress.add(len(damage.what), lives=1, recipients=len(bench.pairs), lost=bench.lost)
            if nth % 20 == 19:
                tap.note("%d flips, %d recipients lost of %d, %d bad" % (progress.done, progress.sums["lost"],
                                                                         progress.sums["recipients"], len(progress.bad)), keep=False)


def main(flips, command="tests/fault/flips.py"):
    tap, progress = case.Recorded("%s %d" % (command, flips)), case.Progress("flips-%d" % flips)
    while progress.done < flips:
        piece(progress, tap, min(100, -(-(flips - progress.done) // IN_A_LIFE)))
    sums = progress.sums
    tap.note("%d flips and cuts in %d lives; of %d recipients waiting %d were not delivered, each told of"
             % (progress.done, sums["lives"], sums["recipients"], sums["lost"]))
    progress.report(tap)
    tap.ok(sums["lost"] > 0, "the damage was such that some were lost", sums)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10000)
