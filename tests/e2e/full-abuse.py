#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of service abuse (tests/fault/abuser.py) within their bounds: thousands of clients that only wait, a flood of
connections from one network, no descriptors left, a thousand servers of which each has its way not to answer, as many dead
domains as live ones. Handshakes are measured and not judged: how long they take is the machine's."""
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "fault"))
import abuser

tap = harness.Tap()


def run_row(name, **numbers):
    figures = abuser.ROWS[name](**numbers)
    tap.note("%s: %s" % (name, figures))
    tap.equal(abuser.beyond(figures), [], name + " stays within its bounds")
    return figures


def test_slowloris():
    run_row("slowloris")


def test_flood():
    figures = run_row("flood", seconds=10)
    tap.ok(figures["told_421"] > figures["admitted"] > 0, "most of the flood is told 421", figures)


def test_descriptors():
    figures = run_row("descriptors")
    tap.ok(figures["greeted"] < figures["callers"], "there were none left", figures)


def test_tarpits():
    figures = abuser.ROWS["tarpits"]()
    tap.note("tarpits: %s" % figures)
    tap.equal(figures["held_to_the_end"], figures["held"], "all tarpits were there all the time")
    tap.ok(figures["gone_late_s"] <= 1, "and are given up at the deadline", figures)
    tap.ok(figures["rate_percent"] >= 50, "and the mail of others goes on", figures)


def test_dead_dns():
    figures = abuser.ROWS["dead-dns"]()
    tap.note("dead-dns: %s" % figures)
    tap.equal(figures["lost_or_returned"], 0, "mail for dead domains waits")
    tap.ok(figures["asked_meanwhile"] > 0 and figures["rate_percent"] >= 50, "and that of others goes on", figures)


def test_handshakes():
    figures = abuser.ROWS["handshakes"](seconds=5)
    tap.note("handshakes: %s" % figures)
    tap.ok(figures["others"] > 10, "others get through a flood of handshakes", figures)


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for test in (test_slowloris, test_flood, test_descriptors, test_tarpits, test_dead_dns, test_handshakes):
    tap.case(test)
tap.end()
