#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill loop of store-gdbm: a program that puts, increments and removes is killed with SIGKILL at random
moments, over and over on the same directory. After each kill a new process reads the store: what was
acknowledged must be there, what was begun and not acknowledged may be, and nothing else.

    tests/fault/store_killer.py [KILLS]      (TAP)
"""
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness

DRIVER = os.path.join(harness.BUILD, "tests/modules/store-gdbm/driver")


class Model:
    """What may be under each key: for values the ones that are possible, for numbers a range."""

    def __init__(self):
        self.values = collections.defaultdict(lambda: {None})
        self.numbers = collections.defaultdict(lambda: (0, 0))
        self.acknowledged = 0

    def run(self, lines):
        """One life of the driver. Changes of one key happen in the order in which they were begun."""
        order, done = collections.defaultdict(list), collections.Counter()
        for line in lines:
            what, _, text = line.partition(" ")
            words = text.split()
            if what == "begin":
                order[words[1]].append(text)
            elif what == "done":
                done[words[1]] += 1
                self.acknowledged += 1
                if words[0] == "i":
                    low, high = self.numbers[words[1]]
                    self.numbers[words[1]] = (low + 1, high)
            else:
                raise RuntimeError("the driver said " + line)
        for key, texts in order.items():
            if key.startswith("n"):
                low, high = self.numbers[key]
                self.numbers[key] = (low, high + len(texts))
                continue
            # Answers about one key come in order: the first so many are there, the others may be.
            last = [texts[done[key] - 1]] if done[key] else []
            possible = {self.value(t) for t in last + texts[done[key]:]}
            self.values[key] = possible | (set() if last else self.values[key])

    @staticmethod
    def value(text):
        words = text.split()
        return words[2] if words[0] == "p" else None

    def check(self, dump):
        """Complaints; what was found is what counts from now on."""
        found = dict(line.split(" ", 1) for line in dump if line and line[0] in "kn" and line[1:2].isdigit())
        for key in set(self.values) | {k for k in found if k.startswith("k")}:
            if found.get(key) not in self.values[key]:
                yield "%s is %s, wanted one of %s" % (key, found.get(key), sorted(map(str, self.values[key])))
            self.values[key] = {found.get(key)}
        for key in set(self.numbers) | {k for k in found if k.startswith("n")}:
            low, high = self.numbers[key]
            number = int(found.get(key, 0))
            if not low <= number <= high:
                yield "%s is %d, wanted %d to %d" % (key, number, low, high)
            self.numbers[key] = (number, number)


def life(directory, seed, rng):
    """Runs the driver for a moment after its first answer, kills it, and returns what it said."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([DRIVER, directory, "work", str(seed)], stdout=out, stderr=subprocess.PIPE)
        until = time.time() + 60
        while os.fstat(out.fileno()).st_size < 2000 and process.poll() is None and time.time() < until:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        out.seek(0)
        lines = out.read().split("\n")
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError("the driver ended with %d: %s" % (process.returncode, errors.decode()))
    return lines[:-1]  # what follows the last line end was cut off


def main(kills):
    tap, model, rng = harness.Tap(), Model(), random.Random(kills)
    directory = tempfile.mkdtemp(prefix="relais-store-")
    complaints, bad_ends = [], []
    try:
        for seed in range(1, kills + 1):
            model.run(life(directory, seed, rng))
            done = subprocess.run([DRIVER, directory, "dump"], capture_output=True, text=True, timeout=120)
            if done.returncode != 0:
                bad_ends.append("kill %d: status %d\n%s%s" % (seed, done.returncode, done.stdout[-500:], done.stderr))
            complaints += ["kill %d: %s" % (seed, c) for c in model.check(done.stdout.splitlines())]
            if complaints or bad_ends:
                break
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    tap.note("%d kills, %d changes acknowledged" % (kills, model.acknowledged))
    tap.ok(model.acknowledged > kills * 20, "enough was acknowledged")
    tap.ok(not bad_ends, "the store comes up after each kill, and nothing is damaged", "\n".join(bad_ends))
    tap.ok(not complaints, "what was acknowledged is there, and nothing that was never put", "\n".join(complaints))
    tap.end()


def built():
    return os.path.exists(DRIVER)


def run(kills):
    if built():
        main(kills)
    else:
        print("1..0 # SKIP built --without-gdbm")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
