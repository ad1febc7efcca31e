#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R18: the GDBM file of the store is lost, cut, overwritten, flipped, or another process has it; at the start of the daemon and
while it runs. The journals beside it are the truth: each key must have its value again, the daemon must stay, say what it
did, and say that the store is up; mail must flow at all times. Some lives have a flipped journal, too: then what is missing
must be told of. In the end the books must agree.

    tests/fault/store_damage.py [LIVES]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import fcntl
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import store_killer
import traffic

KEYS = ["k%d" % n for n in range(200)] + ["n%d" % n for n in range(200)]
SETTINGS = ("limits.connections_per_client=1000000", "queue.connections=10")
PIECE, PATIENCE_S = 50, 20


def overwrite(path, at, octets):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(octets)


def flip(path, rng, count, first=0):
    with open(path, "rb") as file:
        content = bytearray(file.read())
    for _ in range(count):
        content[rng.randrange(first, len(content))] ^= 1 << rng.randrange(8)
    overwrite(path, 0, content)


def replace(path, rng):
    os.unlink(path)
    with open(path, "wb") as file:
        file.write(rng.randbytes(50000))


# What is done to the index.
DAMAGES = {
    "lost": lambda path, rng: os.unlink(path),
    "empty": lambda path, rng: os.truncate(path, 0),
    "cut": lambda path, rng: os.truncate(path, rng.randrange(os.path.getsize(path))),
    "random": lambda path, rng: overwrite(path, 0, rng.randbytes(os.path.getsize(path))),
    "random head": lambda path, rng: overwrite(path, 0, rng.randbytes(4096)),
    "a flip": lambda path, rng: flip(path, rng, 1),
    "flips": lambda path, rng: flip(path, rng, 50),
    "replaced": replace,
}


class Bench:
    """A laboratory, and the store that each life begins with: it was closed in order."""

    def __init__(self, lab, flow):
        self.lab, self.flow, self.store = lab, flow, os.path.join(lab.directory, "state", "store")
        self.index, self.keep = os.path.join(self.store, "index.gdbm"), os.path.join(lab.directory, "kept")
        self.found = []
        self.where = ""

    def fill(self):
        self.lab.kill()
        shutil.rmtree(self.store, ignore_errors=True)
        os.makedirs(self.store)
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([store_killer.DRIVER, self.store, "work", "1"], stdout=out)
            until = time.time() + 60
            while os.fstat(out.fileno()).st_size < 100000 and time.time() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = subprocess.run([store_killer.DRIVER, self.store, "dump"], capture_output=True, text=True, check=True)
        self.truth = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.split(" ")[0] in KEYS)
        shutil.copytree(self.store, self.keep)

    def restore(self):
        shutil.rmtree(self.store)
        shutil.copytree(self.keep, self.store)

    # --- Looking

    def note(self, good, name, detail=""):
        self.found.append(books.Finding(bool(good), name, "%s: %s" % (self.where, detail)))

    def read(self):
        """What the daemon says of each key: its value, None, or "error"."""
        done = self.lab.ctl("--json", "store", "get", "t", *KEYS, check=False)
        rows = [case.json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return {row["key"]: "error" if row["result"] == "error" else row["value"] for row in rows if "key" in row}

    def wrong(self, with_errors=True):
        found = self.read()
        return [(key, found.get(key), self.truth.get(key)) for key in KEYS
                if found.get(key) != self.truth.get(key) and (with_errors or found.get(key) != "error")]

    def status(self):
        return {row["figure"]: row["value"] for row in self.lab.rows("store", "status") if "figure" in row}

    def mail(self):
        """A message is taken and goes out."""
        answer = traffic.submit(self.flow.source_book, self.lab.port, self.flow.source_book.next(large_every=1 << 60))
        self.note(answer.startswith("250"), "mail is taken", answer)
        until = time.time() + PATIENCE_S
        while self.flow.waiting > 0 and time.time() < until:
            time.sleep(0.005)
        self.note(self.flow.waiting <= 0, "mail is delivered", self.flow.waiting)

    # --- A life

    def start(self):
        try:
            self.lab.start()
        except case.lab_tools.Trouble as trouble:
            self.note(False, "the daemon comes up", trouble)
            return False
        self.note(True, "the daemon comes up")
        return True

    def stop(self, rng):
        """In order or not."""
        if rng.random() < 0.5:
            self.lab.kill()
            return "killed"
        os.kill(self.lab.pid, signal.SIGTERM)
        self.lab.wait(lambda: not self.lab.is_alive(), 30, "an end in good order")
        return "stopped"

    def comes_right(self, told_from, words=""):
        """Whether it is all there again, and the daemon too."""
        try:
            self.look(told_from, words)
        except RuntimeError as trouble:
            self.note(self.lab.is_alive(), "the daemon stays", (trouble, self.lab.log()[told_from:][-1500:]))
        else:
            self.note(self.lab.is_alive(), "the daemon stays")

    def look(self, told_from, words):
        """Errors may be told once; another value, or that there is none, may not be told at all."""
        wrong = self.wrong(with_errors=False)
        self.note(not wrong, "no key has a value that it should not have", wrong[:5])
        until, rest = time.time() + PATIENCE_S, self.wrong()
        while rest and time.time() < until:
            time.sleep(0.1)
            rest = self.wrong()
        self.note(not rest, "each key has its value again", rest[:5])
        figures = self.status()
        self.note(figures["state"] == "up", "the status says that the store is up", figures)
        said = self.lab.log()[told_from:]
        self.note(not words or words in said, "the log tells of it", said[-500:])

    def at_start(self, rng, name, other):
        """Damaged while nobody had it, or another process has it."""
        before = len(self.lab.log())
        DAMAGES[name](self.index, rng)
        if not os.path.exists(self.index):
            other = False
        with open(self.index if other else os.devnull, "rb") as file:
            if other:
                fcntl.flock(file, fcntl.LOCK_EX)
            if not self.start():
                return False
            self.mail()
            self.comes_right(before, "" if name == "lost" else "built anew")
            self.note(self.status()["damages"] == 0, "the journals are whole", "")
        return True

    def at_run(self, rng, name):
        """What the daemon has not read yet is damaged under it; then it goes down, and comes again."""
        before = len(self.lab.log())
        DAMAGES[name](self.index, rng)
        self.mail()
        self.comes_right(before)
        self.where += ", " + (self.stop(rng) if self.lab.is_alive() else "died")
        if self.start():
            self.mail()
            self.comes_right(before)

    def life(self, seed):
        rng = random.Random(seed)
        first, second, other = rng.choice(list(DAMAGES)), rng.choice(list(DAMAGES)), rng.random() < 0.3
        self.where = "seed %d, %s at the start%s" % (seed, first, ", locked" if other else "")
        self.restore()
        if self.at_start(rng, first, other):
            self.lab.kill()
        self.where = "seed %d, %s at run" % (seed, second)
        self.restore()
        if self.start():
            self.at_run(rng, second)
        if self.lab.is_alive():
            self.lab.kill()

    def journal_life(self, seed):
        """The truth itself has a flip, and the index is lost with it."""
        rng = random.Random(seed)
        self.restore()
        path = max(glob.glob(os.path.join(self.store, "journal-*")), key=os.path.getsize)
        flip(path, rng, 1, first=100)
        os.unlink(self.index)
        self.where = "seed %d, a flip in %s" % (seed, os.path.basename(path))
        before = len(self.lab.log())
        if not self.start():
            return
        self.mail()
        wrong = self.wrong()
        torn = "cut off" in self.lab.log()[before:]
        self.note(len(wrong) <= 1, "a flipped journal costs one key at most", wrong[:5])
        self.note(self.status()["damages"] > 0 or torn, "a flipped journal is told of", self.lab.log()[before:][-500:])
        self.note(self.status()["state"] == "up", "the status says that the store is up", self.status())
        self.lab.kill()


def piece(progress, lives):
    with case.Lab(*SETTINGS, modules=("store-gdbm", "throttle")) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        bench = Bench(lab, flow)
        bench.fill()
        for nth in range(lives):
            seed = random.randrange(1 << 40)
            try:
                (bench.journal_life if nth % 5 == 4 else bench.life)(seed)
            except (RuntimeError, KeyError, OSError) as trouble:
                bench.note(False, "each life comes to its end", (trouble, lab.log()[-1500:]))
            lab.outcome.cuts.append(1)
        bench.restore()
        bench.start()
        lab.drain()
        progress.note(bench.found, "")
        progress.learn(lab, flow, "all")
        said = [line for line in lab.complaints() if "CRITICAL" in line or "Sanitizer" in line or "assertion" in line]
        progress.note([books.Finding(not said, "its log is clean, but for warnings", said)], "all")
        progress.add(lives)


def main(lives, command="tests/fault/store_damage.py"):
    tap, progress = case.Recorded("%s %d" % (command, lives)), case.Progress("store-damage-%d" % lives)
    while progress.done < lives:
        piece(progress, min(PIECE, lives - progress.done))
        tap.note("%d lives, %d bad" % (progress.done, len(progress.bad)), keep=False)
    tap.note("%d lives; each of %d keys read at least twice in each; %d messages acknowledged, %d delivered"
             % (lives, len(KEYS), progress.sums["acknowledged"], progress.sums["delivered"]))
    progress.report(tap)
    tap.end()


def run(lives, command):
    if store_killer.built():
        main(lives, command)
    else:
        print("1..0 # SKIP built --without-gdbm")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 300, "tests/fault/store_damage.py")
