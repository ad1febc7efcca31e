#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill loop of the suppression list: a program that reports and removes addresses, and rewrites the journal now
and then, is killed with SIGKILL at random moments, over and over on the same directory. Between two lives the other
files may be deleted, the journal's last line may be torn, its end cut off; in every third life the disk is full from time
to time. After each kill a new process reads the list: what was acknowledged must be there, what was begun and not
acknowledged may be, and nothing else.

    tests/fault/suppress_killer.py [KILLS]      (TAP)
"""
import collections
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness

DRIVER = os.path.join(harness.BUILD, "tests/suppress/driver")


class Model:
    """The values that each address may have; "-" is none."""

    def __init__(self):
        self.possible = collections.defaultdict(lambda: {"-"})
        self.acknowledged, self.failed = 0, 0

    def run(self, lines):
        """One life. Changes of one address are made in the order in which they were begun."""
        begun, results = {}, {}
        for line in lines:
            words = line.split()
            if words[0] == "begin":
                begun[int(words[1])] = (words[2], words[3])
            elif words[0] == "done":
                results[int(words[1])] = words[2] != "0"
        self.acknowledged += sum(results.values())
        self.failed += len(results) - sum(results.values())
        for number in sorted(begun):
            address, value = begun[number]
            if results.get(number):
                self.possible[address] = {value}
            elif number not in results:
                self.possible[address] = self.possible[address] | {value}

    def check(self, found):
        for address in sorted(set(self.possible) | set(found)):
            value = found.get(address, "-")
            if value not in self.possible[address]:
                yield "%s is %s, wanted one of %s" % (address, value, sorted(self.possible[address]))
            self.possible[address] = {value}


def life(directory, seed, rng):
    """Runs the driver for a moment after its first answers, kills it, and returns what it said. Through a pipe: where its disk is
    full, so is that of a file."""
    argv = [DRIVER, directory, "work", str(seed)] + (["full"] if seed % 3 == 0 else [])
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, errors = bytearray(), bytearray()
    readers = [threading.Thread(target=collect, args=pair) for pair in ((process.stdout, said), (process.stderr, errors))]
    for reader in readers:
        reader.start()
    until = time.time() + 60
    while len(said) < 4000 and process.poll() is None and time.time() < until:
        time.sleep(0.001)
    time.sleep(rng.random() * 0.15)
    process.send_signal(signal.SIGKILL)
    for reader in readers:
        reader.join()
    if process.wait() != -signal.SIGKILL:
        raise RuntimeError("the driver ended with %d: %s" % (process.returncode, errors.decode()))
    return said.decode().split("\n")[:-1]  # what follows the last line end was cut off


def collect(pipe, out):
    while True:
        block = pipe.read1(65536)
        if not block:
            pipe.close()
            return
        out += block


def tail_start(journal, tail):
    """Where in the journal the tail begins; None if it is another one's."""
    if not os.path.exists(tail):
        return None
    with open(tail, "rb") as file:
        words = file.read(43).decode(errors="replace").split(" ")
    with open(journal, "rb") as file:
        journal_id = int(file.readline().split()[-1])
    return int(words[1], 16) if len(words) == 3 and int(words[0], 16) == journal_id else None


def spoil(directory, rng):
    """What else may have happened to the files. Returns its name."""
    journal, tail = os.path.join(directory, "journal"), os.path.join(directory, "journal.tail")
    what = rng.choice(["nothing", "others", "torn", "cut"])
    if what == "others":
        for path in glob.glob(os.path.join(directory, "*")):
            if path != journal:
                os.unlink(path)
    elif what == "torn":  # a line that was never written to its end
        with open(journal, "ab") as file:
            file.write(b"0badcafe 0060 1\tput\thard\ty\t1"[: rng.randrange(1, 28)])
    elif what == "cut":  # no more than the tail gives back
        at, size = tail_start(journal, tail), os.path.getsize(journal)
        if at is not None and at < size:
            os.truncate(journal, rng.randrange(at, size))
    return what


def read(directory):
    done = subprocess.run([DRIVER, directory, "dump"], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines or lines[0] != "state good":
        raise RuntimeError("status %d\n%s%s" % (done.returncode, done.stdout[:300], done.stderr))
    return dict(line.split(" ", 1) for line in lines[1:])


def main(kills):
    tap, model, rng = harness.Tap(), Model(), random.Random(kills)
    directory = tempfile.mkdtemp(prefix="relais-suppress-")
    complaints, bad_ends, spoilt = [], [], collections.Counter()
    try:
        for seed in range(1, kills + 1):
            model.run(life(directory, seed, rng))
            what = spoil(directory, rng)
            spoilt[what] += 1
            try:
                complaints += ["kill %d (%s): %s" % (seed, what, c) for c in model.check(read(directory))]
            except RuntimeError as error:
                bad_ends.append("kill %d (%s): %s" % (seed, what, error))
            if complaints or bad_ends:
                break
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(directory + ".conf", ignore_errors=True)
    tap.note("%d kills, %d changes acknowledged, %d failed on a full disk; between lives: %s"
             % (kills, model.acknowledged, model.failed, ", ".join("%s %d" % pair for pair in sorted(spoilt.items()))))
    tap.ok(model.acknowledged > kills * 20, "enough was acknowledged")
    tap.ok(kills < 10 or model.failed > 0, "the disk was full at times")
    tap.ok(not bad_ends, "the list answers after each kill", "\n".join(bad_ends))
    tap.ok(not complaints, "what was acknowledged is there, and nothing that was never reported", "\n".join(complaints[:20]))
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
