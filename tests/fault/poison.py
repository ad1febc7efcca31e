#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R20: a message at which a module ends the daemon each time (tests/e2e/contain.c), among mail that flows, the daemon started
again as a service manager does. After two crashes the message is put aside; the others are delivered, each within 5 s of its
250 but for the time in which the daemon was away. The books must agree.

    tests/fault/poison.py [POISONS]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import os
import smtplib
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic

KINDS = ("worker-abort", "worker-const")
SETTINGS = ("relais.watchdog=500ms", "limits.connections_per_client=1000000", "queue.connections=10")
DELAY_S, CALM_S, DISARMED_S = 5, 2, 30


class Watch:
    """Starts the daemon again whenever it is gone; counts."""

    def __init__(self, lab, flow):
        self.lab, self.flow, self.crashes = lab, flow, 0

    def look(self):
        if self.lab.is_alive():
            return
        self.crashes += 1
        self.lab.outcome.cuts.append(max(self.flow.sink.peak, 1))
        for _ in range(5):  # it may end again before it is ready
            try:
                self.lab.start()
                return
            except case.lab_tools.Trouble:
                self.crashes += 1
                self.lab.outcome.cuts.append(max(self.flow.sink.peak, 1))
        raise RuntimeError("it does not stay up")


def poison(lab, kind):
    """Sends it; no matter what is heard of it."""
    try:
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as smtp:
            smtp.sendmail("ann@sender.test", [kind + "@one.rcpt.test"], "From: ann@sender.test\r\nSubject: poison\r\n\r\nx\r\n")
    except (smtplib.SMTPException, OSError):
        pass


def held(lab):
    return [row for row in lab.rows("queue", "list") if row.get("state") == "held"]


def exported(lab, tap, kind, poisoned):
    """It is in the quarantine, not for ever, and can be had from there."""
    rows = lab.rows("quarantine", "list")
    tap.ok(lab.status()["queue.quarantined"] == len(rows) == poisoned and all(row["until"] for row in rows), "%s: until its time there is over" % kind, rows)
    to = os.path.join(lab.directory, "exported-%d" % poisoned)
    lab.ctl("spool", "export", rows[-1]["id"], to)
    found = b"".join(open(os.path.join(to, name), "rb").read() for name in os.listdir(to) if name.endswith(".eml"))
    tap.ok(b"Subject: poison" in found, "%s: its octets can be had" % kind, found)


def trial(lab, flow, watch, tap, kind, nth):
    flow.send(lab.port, 4, hold=0.05)
    time.sleep(0.5)
    before, poisoned = watch.crashes, nth + 1
    poison(lab, kind)
    until = time.time() + DISARMED_S
    while time.time() < until:
        watch.look()
        try:
            if len(held(lab)) == poisoned:
                break
        except RuntimeError:
            pass  # it is gone just now
        time.sleep(0.05)
    tap.equal(len(held(lab)), poisoned, "%s: the message is put aside" % kind)
    tap.equal(watch.crashes - before, 2, "%s: after two crashes" % kind)
    exported(lab, tap, kind, poisoned)
    acked, until = len(flow.source_book.acked), time.time() + CALM_S
    while time.time() < until:
        watch.look()
        time.sleep(0.05)
    tap.ok(len(flow.source_book.acked) > acked + 10, "%s: mail is taken" % kind, len(flow.source_book.acked) - acked)
    flow.finish(10)
    began = time.time()
    while flow.waiting > 0 and time.time() < began + 4 * DELAY_S:
        time.sleep(0.02)
    tap.ok(flow.waiting <= 0 and time.time() - began < DELAY_S, "%s: the others are delivered within %d s" % (kind, DELAY_S),
           "%d wait after %.1f s" % (flow.waiting, time.time() - began))
    tap.equal(watch.crashes - before, 2, "%s: and nothing ends it any more" % kind)
    lab.ctl("module", "trust", "contain")


def main(poisons, command="tests/fault/poison.py"):
    tap = case.Recorded("%s %d" % (command, poisons))
    with case.Lab(*SETTINGS, modules=("contain",)) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        watch = Watch(lab, flow)
        for nth in range(poisons):
            tap.case(trial, lab, flow, watch, tap, KINDS[nth % len(KINDS)], nth)
        lab.wait(lambda: lab.status()["queue.deliveries"] <= poisons, 60, "empty queue")
        lab.compare(tap, flow)
        tap.note("%d crashes" % watch.crashes)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
