#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R1: relaisd is killed with SIGKILL at a random moment under load and started again on the same spool; in the end the
books must agree (books.py).

A cycle counts only if at the kill at least 20 connections were inside DATA, at least 20 deliveries were open, and 200
messages were in flight.

    tests/fault/killer.py [CYCLES]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic

CONNECTIONS, IN_DATA, OPEN, IN_FLIGHT = 60, 20, 20, 200
MEAN_OF = 200  # kills; the mean of fewer says more of what else the machine does
PIECE = 100  # kills in one laboratory

def counts(flow):
    in_data = flow.source.in_data
    return in_data >= IN_DATA and flow.sink.sessions >= OPEN and flow.waiting + in_data >= IN_FLIGHT


def cycle(lab, flow, rng, seconds=60):
    """Waits for a moment that counts, kills, starts again; what was in flight."""
    earliest, until, before = time.time() + rng.random() * 0.5, time.time() + seconds, len(flow.source_book.acked)
    while not (time.time() >= earliest and counts(flow) and len(flow.source_book.acked) > before):
        if time.time() > until:
            raise RuntimeError("only %d in DATA, %d open deliveries, %d undelivered" % (flow.source.in_data, flow.sink.sessions, flow.waiting))
        time.sleep(0.003)
        flow.sink.delay = 0.15 if flow.waiting < 2 * IN_FLIGHT else 0.01
    in_flight = flow.waiting + flow.source.in_data
    lab.cut_and_restart(flow)
    return in_flight


def piece(progress, wanted, tap):
    """So many kills in a laboratory of their own."""
    rng = random.Random()
    with case.Lab("queue.connections=%d" % OPEN) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        flow.send(lab.port, CONNECTIONS, hold=0.15)
        least = min(cycle(lab, flow, rng) for _ in range(wanted))
        flow.sink.delay = 0.0
        ended = flow.finish()
        lab.drain()
        progress.top(restart_ms=int(1000 * max(seconds for seconds, _ in lab.outcome.restarts)), least_in_flight=-least)
        progress.note([case.books.Finding(ended, "every connection came to its end", ""),
                       case.books.Finding(max(lab.outcome.cuts) <= OPEN, "no more deliveries were open than allowed", lab.outcome.cuts)],
                      progress.done)
        progress.learn(lab, flow, progress.done)
        said = lab.complaints()
        progress.note([case.books.Finding(not said, "the daemon ended well and its log is clean", said)], progress.done)
        progress.add(wanted)
    tap.note("%d kills, %d acknowledged, %d bad" % (progress.done, progress.sums["acknowledged"], len(progress.bad)), keep=False)


def main(wanted, command="tests/fault/killer.py"):
    tap, progress = case.Recorded("%s %d" % (command, wanted)), case.Progress("killer-%d" % wanted)
    while progress.done < wanted:
        piece(progress, min(PIECE, wanted - progress.done), tap)
    sums = progress.sums
    tap.note("%d kills, at least %d messages in flight at each; longest restart %.2f s; %d messages acknowledged, %d duplicates, "
             "%.2f a kill" % (wanted, -progress.tops["least_in_flight"], progress.tops["restart_ms"] / 1000, sums["acknowledged"],
                              sums["duplicates"], sums["duplicates"] / wanted))
    progress.report(tap)
    tap.ok(sums["acknowledged"] > wanted * IN_FLIGHT / 4, "enough was acknowledged", sums)
    if wanted >= MEAN_OF:
        tap.ok(sums["duplicates"] <= 5 * wanted, "at most five duplicates a kill in the mean", sums)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
