#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R8: little memory. relaisd runs in a control group that is allowed 64, 128 or 256 MiB, under load with large bodies and a next
hop that is too slow, so that mail piles up. It refuses what it has no room for, or the kernel ends it; then it is started again
there, and in the end the books must agree.

    tests/fault/memory.py [SECONDS [MIB...]]      (TAP; with RELAIS_RECORD set also into RESULTS)

Needs root, and a control group of either version whose memory can be limited.
"""
import functools
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic

lab_tools = case.lab_tools
CONNECTIONS, LARGE_EVERY, DELAY_S, PAUSE_S, LIMITS = 40, 3, 0.5, 0.1, (64, 128, 256)
SETTINGS = ("limits.connections_per_client=1000000", "queue.connections=10")
# Where groups are, the file with the limit, that with the most that was used, and how to learn of kills.
HOMES = (("/sys/fs/cgroup", "memory.max", "memory.peak", "memory.events"),
         ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"))


class Group:
    """A control group whose memory is limited; path None where none can be made."""

    def __init__(self, mib):
        self.path = None
        for home, limit, self.peak_file, self.events_file in HOMES:
            path = os.path.join(home, "relais-fault-%d-%d" % (os.getpid(), mib))
            try:
                os.mkdir(path)
                with open(os.path.join(path, limit), "r+") as file:  # which is there only in a group
                    file.write(str(mib << 20))
                self.path = path
                return
            except OSError:
                if os.path.isdir(path):
                    os.rmdir(path)

    def read(self, name):
        with open(os.path.join(self.path, name)) as file:
            return file.read()

    def peak(self):
        return int(self.read(self.peak_file)) if os.path.exists(os.path.join(self.path, self.peak_file)) else 0

    def kills(self):
        words = self.read(self.events_file).split()
        return int(words[words.index("oom_kill") + 1])

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.05)


class Lab(case.Lab):
    """Its daemon, and nothing else of it, is in the group."""

    def __init__(self, group, *settings):
        self.group = group
        super().__init__(*settings)
        self.kill()
        self.start()

    def start(self, env=None):
        program, procs = lab_tools.program, os.path.join(self.group.path, "cgroup.procs")
        inside = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', procs]
        lab_tools.program = lambda state, name: (inside if name == "relaisd" else []) + program(state, name)
        try:
            return super().start(env)
        finally:
            lab_tools.program = program

    def look(self, flow):
        """Starts it again if it was ended."""
        if self.is_alive():
            return
        self.outcome.cuts.append(max(flow.sink.peak, 1))
        self.outcome.restarts.append((self.start(), flow.waiting))


def trial(tap, progress, mib, seconds):
    group = Group(mib)
    try:
        with Lab(group, *SETTINGS) as lab, traffic.Traffic(lab.directory, lab.sink_port, delay=DELAY_S) as flow:
            at_rest = group.peak()
            flow.source_book.next = functools.partial(flow.source_book.next, large_every=LARGE_EVERY)
            flow.send(lab.port, CONNECTIONS)
            until = time.time() + seconds
            while time.time() < until:
                lab.look(flow)
                time.sleep(PAUSE_S)
            ended, queued = flow.finish(60), flow.waiting
            flow.sink.delay = 0.0
            kills = group.kills()
            until = time.time() + 240
            while flow.waiting > 0 and time.time() < until:
                lab.look(flow)
                time.sleep(PAUSE_S)
            lab.look(flow)
            lab.drain()
            tap.note("%d MiB for %d s: %d MiB at rest, at most %d MiB; %d messages acknowledged, %d recipients queued at the end, "
                     "ended by the kernel %d times, refusals %s"
                     % (mib, seconds, at_rest >> 20, group.peak() >> 20, len(flow.source_book.acked), queued, group.kills(),
                        flow.source.refusals))
            progress.note([case.books.Finding(ended, "every connection came to its end", mib),
                           case.books.Finding(group.kills() == kills, "it is not ended while it only delivers", (mib, group.kills())),
                           case.books.Finding(len(flow.source_book.acked) > seconds, "mail is taken", len(flow.source_book.acked))], mib)
            progress.learn(lab, flow, mib)
            said = [line for line in lab.complaints() if "CRITICAL" in line]
            progress.note([case.books.Finding(not said, "its log is clean, but for warnings", said)], mib)
            return group.kills()
    finally:
        group.remove()


def main(seconds, limits, command="tests/fault/memory.py"):
    tap = case.Recorded("%s %d %s" % (command, seconds, " ".join(map(str, limits))))
    progress = case.Progress("memory-%d" % seconds)
    kills = {mib: trial(tap, progress, mib, seconds) for mib in limits}
    progress.report(tap)
    tap.ok(kills[max(limits)] == 0, "with %d MiB it is never ended" % max(limits), kills)
    tap.end()


def run(seconds, limits, command):
    group = Group(1024)
    if group.path is None:
        print("1..0 # SKIP no control group with a limit of memory can be made here")
        return
    group.remove()
    main(seconds, limits, command)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    run(numbers[0] if numbers else 60, numbers[1:] or LIMITS, "tests/fault/memory.py")
