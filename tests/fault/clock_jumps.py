#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R11: the wall clock jumps, by an hour forward and back, ten years forward, five back, and over 2038, while mail waits for its
next attempt (the laboratory's virtual clock). No attempt comes before its time or is missed, within a tenth; nothing expires;
ids stay unique, also over kill -9 after the jump. In the end the books must agree.

    tests/fault/clock_jumps.py      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import calendar
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic
import virtual

MINUTE, HOUR, YEAR = 60 * 10**6, 3600 * 10**6, 365 * 86400 * 10**6  # microseconds
WAITING, RETRY_MINUTES = 20, 10
JUMPS = {"an hour forward": HOUR, "an hour back": -HOUR, "ten years forward": 10 * YEAR, "five years back": -5 * YEAR, "over 2038": None}
BEFORE_2038 = calendar.timegm((2038, 1, 19, 3, 14, 7)) * 10**6 - 2 * MINUTE
SETTINGS = ("class.transactional.retry=%dm" % RETRY_MINUTES, "class.transactional.lifetime=5d", "queue.sleep_first=1s",
            "queue.sleep_last=1s", "limits.connections_per_client=1000000")


def jump(clock, step):
    """The wall clock alone."""
    wall = clock.wall_us + step if step is not None else BEFORE_2038
    struct.pack_into("=q", clock.page, virtual.WALL, wall)
    clock.move_to(clock.mono_us)


class Counting:
    """Refuses for now; how often it was asked."""

    def __init__(self):
        self.tries, self.open = {}, False

    def __call__(self, recipient):
        self.tries[recipient] = self.tries.get(recipient, 0) + 1
        return None if self.open else "450 4.2.1 not now"


def trial(lab, flow, tap, name, step):
    clock, sink = case.lab_tools.open_clock(lab.directory), Counting()
    flow.sink.refuse = sink
    messages = [flow.source_book.next() for _ in range(WAITING)]
    answers = [traffic.submit(flow.source_book, lab.port, m) for m in messages]
    tap.ok(all(a.startswith("250") for a in answers), "%s: mail is taken" % name, answers)
    recipients = {r for m in messages for r in m.recipients}
    lab.wait(lambda: recipients <= set(sink.tries), 20, "first attempts")
    time.sleep(0.3)
    first = dict(sink.tries)
    jump(clock, step)
    clock.advance((RETRY_MINUTES - 2) * MINUTE)
    tap.equal({r: n for r, n in sink.tries.items() if n > first[r]}, {}, "%s: no attempt before its time" % name)
    sink.open = True
    clock.advance(int((0.1 * RETRY_MINUTES + 3) * MINUTE))
    lab.wait(lambda: recipients <= {r for _, r in flow.sink_book.gave}, 20, "attempts after the jump")
    tap.equal(sorted(r for r in recipients if sink.tries[r] != first[r] + 1), [], "%s: each attempt at its time, once" % name)
    lab.kill()
    lab.outcome.cuts.append(flow.sink.sessions)
    lab.start()
    message = flow.source_book.next()
    tap.ok(traffic.submit(flow.source_book, lab.port, message).startswith("250"), "%s: mail is taken after a restart" % name)
    lab.wait(lambda: {(message.number, r) for r in message.recipients} <= set(flow.sink_book.gave), 20, "delivery after a restart")


def restarted(lab, flow, tap, name, step):
    """The same with kill -9 while all wait: then only the wall clock tells how long they waited. What went back waits no longer
    than its time from now on; what went forward may be tried at once."""
    clock, sink = case.lab_tools.open_clock(lab.directory), Counting()
    flow.sink.refuse = sink
    messages = [flow.source_book.next() for _ in range(WAITING)]
    for message in messages:
        traffic.submit(flow.source_book, lab.port, message)
    recipients = {r for m in messages for r in m.recipients}
    lab.wait(lambda: recipients <= set(sink.tries), 20, "first attempts")
    time.sleep(0.3)
    lab.kill()
    lab.outcome.cuts.append(flow.sink.sessions)
    jump(clock, step)
    sink.open = True
    lab.start()
    clock = case.lab_tools.open_clock(lab.directory)
    clock.advance(int((1.1 * RETRY_MINUTES + 1) * MINUTE))
    time.sleep(0.5)
    left = sorted(recipients - {r for _, r in flow.sink_book.gave})
    tap.equal(left[:5], [], "%s, killed meanwhile: all are tried again in time" % name)


def main(command="tests/fault/clock_jumps.py"):
    tap = case.Recorded(command)
    with case.Lab(*SETTINGS, more=("--clock", "virtual")) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        for name, step in JUMPS.items():
            tap.case(trial, lab, flow, tap, name, step)
        for name in ("an hour forward", "an hour back", "five years back"):
            tap.case(restarted, lab, flow, tap, name, JUMPS[name])
        flow.sink.refuse = None
        ids = list(flow.source_book.acked.values())
        tap.equal(len(set(ids)), len(ids), "each message has an id of its own")
        clock = case.lab_tools.open_clock(lab.directory)
        clock.advance(5 * 10**6)
        lab.compare(tap, flow)
        tap.equal([e["type"] for e in lab.events() if e["type"] in ("expired", "bounced")], [], "nothing expired")
        lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main()
