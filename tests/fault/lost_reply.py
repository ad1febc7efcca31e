#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R14: the reply after the final dot is lost: the peer has taken the message, then the connection is reset or closed,
before the reply or in the middle of it. The message goes out once more for each such event, with the same Message-ID, and
never oftener; it is never given up.

    tests/fault/lost_reply.py [MESSAGES]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

WAYS = [traffic.Way(partial, reset) for partial in (b"", b"2", b"250", b"250-one\r\n", b"250 2.0.0 taken", b"250 2.0.0 taken\r")
        for reset in (False, True)]
# One of four is lost, one of eight of those twice more.
SHARE, MORE = 0.25, 0.125


def loser(rng):
    """Draws for each message when it first comes how often its reply is lost, and how."""
    left = {}

    def lose(recipients):
        key = tuple(recipients)
        if key not in left:
            left[key] = 0 if rng.random() >= SHARE else 3 if rng.random() < MORE else 1
        if left[key] == 0:
            return None
        left[key] -= 1
        return rng.choice(WAYS)
    return lose


def main(wanted, command="tests/fault/lost_reply.py"):
    tap, rng = case.Recorded("%s %d" % (command, wanted)), random.Random()
    settings = "queue.connections=20", "limits.connections_per_client=1000000"
    with case.Lab(*settings) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        flow.sink.lose = loser(rng)
        flow.send(lab.port, 20, wanted=wanted)
        flow.sending.result(3600)
        lab.drain(3600)
        events = sum(len(of) - 1 for of in flow.sink_book.gave.values())
        lost = books.lost_replies(flow.sink_book)
        lab.compare(tap, flow)
        tap.note("%d recipients whose reply was lost, %d deliveries too many" % (lost, events))
        tap.ok(lost >= wanted * SHARE / 2, "enough replies were lost", lost)
        tap.equal(events, lost, "each lost reply is one more delivery")
        tap.equal([pair for pair, of in flow.sink_book.gave.items() if of[-1][1] != "250"][:5], [], "the last delivery of each was answered")
        lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
