#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a module can do to the daemon: abort, endless loops, a leak, writes to constant octets, on the loop and on workers;
tickets completed twice and too late; and on_failure, each way. Nothing accepted is lost, others' mail flows."""
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contain
import harness

tap = harness.Tap()
HEADROOM = 700 << 20


def limit_memory(lab):
    with open("/proc/%d/statm" % lab.pid) as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(lab.pid, resource.RLIMIT_AS, (used + HEADROOM, resource.RLIM_INFINITY))


def test_deed(place, deed, hook, word):
    """One deed from the first crash to the message that is put aside; other mail before, between and after."""
    name = "%s-%s" % (place, deed)
    with contain.Lab(watchdog="20s" if deed == "leak" else "500ms") as lab:
        lab.send("before")
        lab.wait_delivered("before")
        if deed == "leak":
            limit_memory(lab)
        said = lab.crash(name)
        tap.ok("module contain, %s, message " % hook in said and word in said, "%s: named" % name, said)
        took, starts = lab.again(settle=1.5 if deed == "spin" else 0.1)
        if deed == "leak" and not lab.held():  # without a limit it gets its memory
            tap.ok(took <= contain.RESTART_S, "%s: there again" % name, "%.1f s" % took)
            lab.wait_delivered(name)
            tap.ok(True, "%s: with the memory it asks for it goes out" % name)
        else:
            tap.ok(took <= contain.RESTART_S and starts == 2, "%s: there again" % name, "%.1f s, %d starts" % (took, starts))
            row, = lab.wait(lab.held, 5, "held message")
            tap.ok("module contain in " + hook in str(row), "%s: put aside, with the reason" % name, row)
            lab.ctl("queue", "delete", row["id"])
        tap.equal(lab.send("after"), [250], "%s: mail is taken" % name)
        lab.wait_delivered("before", "after")
        tap.ok(True, "%s: and goes out, nothing is lost" % name)


def test_release(lab):
    """What was put aside and released is put aside again only by further crashes."""
    lab.crash("worker-abort")
    lab.again()
    row, = lab.wait(lab.held, 5, "held message")
    lab.ctl("module", "trust", "contain")
    before = len(lab.log())
    lab.ctl("queue", "release", row["id"])
    lab.wait_crash(before)
    _, starts = lab.again()
    tap.equal(starts, 2, "released it gets two more tries")
    tap.equal(len(lab.wait(lab.held, 5, "held message")), 1, "and is put aside again")


def test_tickets(lab):
    tap.equal(lab.send("twice", "late"), [250, 451], "a ticket completed twice counts once; one that is late, not at all")
    lab.wait(lambda: "contain: ticket 'test' was completed twice" in lab.log() and
             "contain: ticket 'test' was completed after its call was cancelled or timed out" in lab.log(), 5, "log")
    tap.ok(True, "both are named, with the module")
    tap.equal(lab.send("loop-slow"), [250], "a callback over its budget")
    lab.wait(lambda: "contain: route took 1" in lab.log(), 5, "log")
    rows = [row for row in lab.rows("counters") if row["counter"] == "callbacks_over_budget"] if lab.rows("counters") else []
    tap.ok(any(row["module"] == "contain" and "route" in row.values() for row in rows), "is told of and counted", rows)
    lab.wait_delivered("twice", "loop-slow")


def crash_thrice(lab):
    lab.crash("worker-abort")
    lab.again()
    lab.wait(lab.held, 5, "held message")
    lab.crash("worker-abort2")


def test_on_failure():
    with contain.Lab("--set", "module.contain.on_failure=bypass") as lab:
        tap.equal(lab.send("late"), [250], "bypass: a time-out passes")
        crash_thrice(lab)
        lab.again()
        tap.equal(lab.status()["modules.off"], 1, "bypass: off after three crashes")
        tap.equal(lab.send("late", "worker-abort3"), [250, 250], "bypass: mail goes as if it were not there")
        lab.wait_delivered("worker-abort2", "worker-abort3")
        tap.ok(True, "bypass: also what ended the daemon")
    with contain.Lab("--set", "module.contain.on_failure=stop") as lab:
        crash_thrice(lab)
        try:
            lab.again()
            tap.ok(False, "stop: the daemon does not start")
        except RuntimeError as error:
            tap.ok("relaisctl module trust contain" in str(error), "stop: the daemon does not start, and says what to do", error)
        lab.ctl("module", "trust", "contain")
        lab.again()
        tap.equal(lab.send("after"), [250], "stop: trusted again it does")
    with contain.Lab("--set", "module.contain.on_failure=tempfail") as lab:
        lab.send("before")
        lab.wait_delivered("before")
        lab.stop()
        lab.set("[contain]\nstart = no\n")
        lab.again()
        tap.ok("it was told not to start" in lab.log() and lab.status()["modules.off"] == 1, "tempfail: one that does not start is off")
        tap.equal(lab.send("after"), [451], "tempfail: its mail is put off")
        lab.stop()
        lab.set("[module contain]\non_failure = bypass\n[contain]\nstart = no\n")
        lab.again()
        tap.equal(lab.send("after"), [250], "bypass: is not")
        lab.stop()
        lab.set("[module nowhere]\nenable = yes\non_failure = tempfail\n")
        lab.again()
        tap.equal(lab.send("after"), [451], "tempfail: neither is mail past a module that cannot be loaded")
        lab.stop()
        lab.set("[module nowhere]\nenable = yes\n")
        try:
            lab.again()
            tap.ok(False, "without a word the daemon does not start")
        except RuntimeError as error:
            tap.ok("nowhere.so" in str(error), "without a word the daemon does not start", error)


for place, hook in (("loop", "route"), ("worker", "rewrite")):
    for deed, word in (("abort", "signal 6"), ("spin", "(watchdog)"), ("const", "signal 11"), ("leak", "signal 5 ")):
        if deed == "leak" and harness.SANITIZED:
            tap.skip("%s-leak" % place, "sanitizers take all of the address space")
        else:
            tap.case(test_deed, place, deed, hook, word)
with contain.Lab() as laboratory:
    tap.case(test_release, laboratory)
with contain.Lab() as laboratory:
    tap.case(test_tickets, laboratory)
tap.case(test_on_failure)
tap.end()
