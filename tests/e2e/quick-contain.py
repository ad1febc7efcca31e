#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that ends the daemon: it is named, its message is put aside at the second crash, the module is off after the
third, mail flows. All deeds and all of on_failure: full-contain.py."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contain
import harness

tap = harness.Tap()


def test_crashes(lab):
    said = lab.crash("worker-abort")
    tap.ok("module contain, rewrite, message " in said, "who ended the daemon is named", said)
    took, starts = lab.again()
    tap.equal(starts, 2, "its message ends it once more at the next start, then no more")
    tap.ok(took <= contain.RESTART_S, "it is there again", "%.1f s" % took)
    row, = lab.wait(lab.held, 5, "held message")
    tap.ok("contain in rewrite" in str(row), "after the second crash the message is put aside, and the list says why", row)
    tap.equal(lab.send("other"), [250], "mail is taken")
    lab.wait_delivered("other")
    tap.ok(True, "and goes out")
    said = lab.crash("loop-const")
    tap.ok("contain, route, message" in said, "so is one that writes where it must not, on the loop", said)
    lab.again()
    tap.ok("module contain is OFF" in lab.log() and lab.status()["modules.off"] == 1, "after the third the module is off, loudly")
    tap.equal(lab.send("third"), [451], "what it should look at is put off")
    waits = lab.wait(lambda: [row for row in lab.rows("queue", "list") if "part of this service" in str(row)], 5, "deferral")
    tap.equal(len(waits), 1, "what it had not treated yet waits in the queue")
    states = [row["state"] for row in lab.rows("module", "crashes")]
    tap.equal(states, ["off"] * 3, "relaisctl module crashes lists them")
    lab.ctl("module", "trust", "contain")
    lab.ctl("queue", "delete", waits[0]["id"])  # it would end the daemon again
    lab.stop()
    lab.again()
    tap.equal((lab.status()["modules.off"], lab.send("fourth")), (0, [250]), "trusted again it is on")
    lab.wait_delivered("fourth")
    tap.equal(len(lab.held()), 1, "what was put aside stays so")


with contain.Lab() as laboratory:
    tap.case(test_crashes, laboratory)
tap.end()
