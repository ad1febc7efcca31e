#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2: relaisd is killed at every call by which it opens, changes, syncs, renames, removes or closes a file or says
something on a socket: in its life n at call n, from its start over five messages to an end in good order. Three times:
alone; with writes of which half was done; with modules that keep files of their own. Each life recovers what the one
before it left. In the end the books must agree (books.py).

    tests/fault/crash_points.py [STEP]     every STEP-th call only (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import point
import traffic

PIECE = 60   # lives in one laboratory
MISSES = 10  # a life that recovers more has more calls: so many in a row must end in order before that is all
SETTINGS = ("spool.segment_size=1M",)
SWEEPS = {"alone": (False, ()), "torn": (True, ()), "modules": (False, ("store-gdbm", "bounce", "dkim"))}


def life(lab, flow, n, torn):
    """Whether it came to call n."""
    lab.page.order(kill_at=n, torn=torn)
    flow.sink.peak = flow.sink.sessions
    if lab.live():
        lab.scenario(flow)
        lab.stop()
    if lab.page.read(point.CALLS) < n:
        return False
    lab.outcome.cuts.append(max(flow.sink.peak, point.MESSAGES))
    return True


def piece(progress, sweep, points):
    """So many lives; the last point that was come to, and whether there are more."""
    torn, modules = SWEEPS[sweep]
    misses, last = 0, points[0]
    with point.Laboratory(*SETTINGS, modules=modules) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        flow.sink.refuse = point.refuse(set())
        lab.stop()
        for n in points:
            came = life(lab, flow, n, torn)
            misses, last = (0, n) if came else (misses + 1, last)
            if misses == MISSES:
                break
        lab.start()
        lab.drain()
        progress.learn(lab, flow, "%s, calls %d to %d" % (sweep, points[0], last))
        said = lab.complaints()
        progress.note([case.books.Finding(not said, "its log is clean", said)], points[0])
    return last, misses < MISSES


def run(progress, tap, sweep, step):
    last, more = progress.tops.get(sweep, 1 - step), progress.tops.get(sweep + " done", 0) == 0
    while more:
        last, more = piece(progress, sweep, range(last + step, last + step * (PIECE + 1), step))
        progress.top(**{sweep: last, sweep + " done": int(not more)})
        progress.save()
        tap.note("%s: %d points, %d acknowledged, %d bad" % (sweep, last, progress.sums["acknowledged"], len(progress.bad)), keep=False)


def main(step, command="tests/fault/crash_points.py", sweeps=tuple(SWEEPS)):
    tap, progress = case.Recorded("%s %d" % (command, step)), case.Progress("crash-points-%d-%d" % (step, len(sweeps)))
    for sweep in sweeps:
        run(progress, tap, sweep, step)
    sums = progress.sums
    tap.note("killed at %d points (%s); %d messages acknowledged, %d duplicates"
             % (sums["cuts"], ", ".join("%s: the last call was number %d" % (s, progress.tops[s]) for s in sweeps),
                sums["acknowledged"], sums["duplicates"]))
    progress.report(tap)
    tap.ok(all(progress.tops[s] > 100 for s in sweeps), "a life has many calls", progress.tops)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
