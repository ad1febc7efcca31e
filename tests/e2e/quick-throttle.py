#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""throttle in a daemon: a rate that is kept at the peer in every interval, what waits and why in `relaisctl throttle
show` and `why`, a limit that is lowered by what the peer says, a restart, `throttle reset` and `warmup`."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()


def send(lab, n, domain="rcpt.test"):
    session = harness.Dialogue(lab.port)
    session.reply()
    session.ask("EHLO client.test")
    for i in range(n):
        session.ask("MAIL FROM:<a@sender.test>")
        session.ask("RCPT TO:<r%d@%s>" % (i, domain))
        session.ask("DATA")
        session.ask("From: a@sender.test\r\nSubject: %d\r\n\r\nHello\r\n." % i)
    session.close()


def code(lab, *words):
    return lab.ctl(*words, check=False).returncode


def limits():
    with harness.Lab("--module", "throttle", "--module", "store-gdbm", "--set", "throttle.rate=2/s burst 3",
                     "--set", "throttle.connections=4") as lab:
        send(lab, 12)
        waits = lab.wait(lambda: [row for row in lab.rows("throttle", "show") if "waits" in row], what="something that waits")
        tap.ok("2/s burst 3" in waits[0]["for"], "show says who waits and for what", str(waits))
        lab.wait_sunk(12)
        tap.ok(True, "all is delivered in the end")
        rows = [row for row in lab.rows("throttle", "show", "rcpt.test") if "limit" in row]
        rate = [row for row in rows if row["limit"] == "rate"]
        tap.ok(rate and rate[0]["value"] == "2/s burst 3" and ".conf:" in rate[0]["from"],
               "show DOMAIN finds the site, and where its limit stands", str(rows))
        text = lab.ctl("throttle", "show").stdout
        tap.ok(max(len(line) for line in text.splitlines()) <= 100, "the tables fit into 100 columns", text)
        tap.equal(code(lab, "throttle", "show", "gone.invalid"), 1, "a domain that does not exist is refused")
        tap.equal(code(lab, "throttle", "show", "a", "b"), 2, "two words are too many")
        tap.ok(lab.rows("throttle", "reset", rows[0]["site"]), "reset says what was forgotten")
        tap.equal(code(lab, "throttle", "reset", "nowhere"), 1, "reset of what is not known is refused")
        tap.ok("note" in lab.rows("warmup")[0], "warmup says how a source is warmed up")
        lab.kill_and_restart()
        send(lab, 4)
        lab.wait_sunk(16)
        tap.ok(True, "mail goes on after kill -9")
        lab.clean(tap)


limits()
tap.end()
