#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R22: several daemons and one spool. In each cycle four are started at once, each with a port, a run and a log folder of its
own but with the spool of the others, some by another path: one goes on, the others say why not and end. A lock file that
a killed one left, or that names a process that lives, is in nobody's way. Then the one is killed under load. In the end the
books must agree: nothing was delivered twice but what was open at a kill.

    tests/fault/two_daemons.py [CYCLES]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import glob
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import harness
import traffic

RACERS, SECONDS = 4, 10


class Lab(case.Lab):
    def events(self):
        """Each of the daemons wrote some."""
        own = self.facts["events"]
        paths = sorted(glob.glob(own) + glob.glob(os.path.join(self.directory, "racer*", "log", os.path.basename(own))))
        return [json.loads(line) for path in paths for line in open(path, errors="replace") if line.endswith("\n")]


class Racer:
    """A daemon with folders of its own, but for the spool."""

    def __init__(self, lab, nth):
        self.lab, self.home, self.port = lab, os.path.join(lab.directory, "racer%d" % nth), case.lab_tools.free_port()
        shutil.copytree(lab.facts["conf_dir"], os.path.join(self.home, "conf.d"))
        path = os.path.join(self.home, "conf.d", "lab.conf")
        with open(path) as file:
            text = file.read()
        for folder in ("run", "log", "state"):
            text = text.replace("%s_dir = %s/" % (folder, lab.directory), "%s_dir = %s/" % (folder, self.home))
        spool = lab.facts["spool_dir"]
        if nth % 2:
            os.symlink(os.path.dirname(spool), os.path.join(self.home, "another"))
            text = text.replace("spool_dir = " + spool, "spool_dir = " + os.path.join(self.home, "another", os.path.basename(spool)))
        with open(path, "w") as file:
            file.write(text.replace("port = %d\n" % lab.port, "port = %d\n" % self.port, 1))
        self.log = os.path.join(self.home, "said")
        self.process = None

    def start(self):
        argv = case.lab_tools.program(self.lab.state, "relaisd") + ["--conf", os.path.join(self.home, "conf.d"), "--module-dir",
                                                                    self.lab.state["module_dir"]]
        self.process = case.lab_tools.spawn(argv, self.log, case.lab_tools.environment(self.lab.state))

    def is_ready(self):
        return case.lab_tools.listens(self.home)

    def said(self):
        with open(self.log, errors="replace") as file:
            return file.read()


def wait_for_one(racers):
    """Until one is ready and the others ended, or time is up; those that run."""
    until = time.time() + SECONDS
    while time.time() < until:
        running = [r for r in racers if r.process.poll() is None]
        if len(running) == 1 and running[0].is_ready():
            return running
        time.sleep(0.01)
    return running


def cycle(lab, flow, racers, nth):
    """Findings of one race and the kill that ends it."""
    if nth % 3 == 1:  # a lock that names a process that lives
        with open(os.path.join(lab.facts["spool_dir"], "lock"), "w") as file:
            file.write("%d\n" % os.getpid())
    before = [len(r.said()) if os.path.exists(r.log) else 0 for r in racers]
    for racer in racers:
        racer.start()
    running = wait_for_one(racers)
    found = [books.Finding(len(running) == 1, "one goes on", "%d run" % len(running))]
    for racer, size in zip(racers, before):
        if racer not in running:
            said = racer.said()[size:]
            found.append(books.Finding(racer.process.returncode > 0, "the others end in order, with an error", racer.process.returncode))
            found.append(books.Finding("another process uses the spool" in said, "and say why", said[-500:]))
    for racer in running:
        flow.send(racer.port, 20)
        acked, until = len(flow.source_book.acked), time.time() + 10
        while len(flow.source_book.acked) < acked + 50 and time.time() < until:
            time.sleep(0.01)
        found.append(books.Finding(len(flow.source_book.acked) >= acked + 50, "the one takes mail", len(flow.source_book.acked) - acked))
        late = racers[racers.index(running[0]) - 1]  # one more while it works
        late.start()
        found.append(books.Finding(late.process.wait(SECONDS) > 0, "who comes late ends with an error", late.said()[-300:]))
        lab.outcome.cuts.append(flow.sink.sessions)
        racer.process.kill()
        racer.process.wait()
        flow.finish(5)
    return found


def main(cycles, command="tests/fault/two_daemons.py"):
    tap, progress = case.Recorded("%s %d" % (command, cycles)), case.Progress("two-daemons-%d" % cycles)
    settings = "queue.connections=10", "limits.connections_per_client=1000000", "relais.user=root"
    with Lab(*settings) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        os.kill(lab.pid, 15)
        harness.Lab.wait(lab, lambda: not lab.is_alive(), 15, "end")
        racers = [Racer(lab, nth) for nth in range(RACERS)]
        for nth in range(cycles):
            progress.note(cycle(lab, flow, racers, nth), "cycle %d" % nth)
        lab.start()
        lab.drain()
        progress.learn(lab, flow, "all")
        said = lab.complaints()
        progress.note([books.Finding(not said, "its log is clean", said)], "all")
    sums = progress.sums
    tap.note("%d races of %d daemons; %d messages acknowledged, %d delivered again" % (cycles, RACERS, sums["acknowledged"], sums["duplicates"]))
    progress.report(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
