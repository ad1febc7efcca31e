#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suppression list in a daemon: a hard bounce puts the address on it, kill -9 or not; then RCPT is refused, or mail
is taken and ends with an event; what was queued for it, of its campaign alone where the list says so, is taken out."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()


def begin(lab, mail=""):
    session = harness.Dialogue(lab.port)
    session.reply()
    session.ask("EHLO client.test")
    session.ask("MAIL FROM:<ann@sender.test>" + mail)
    return session


def rcpt(lab, address):
    session = begin(lab)
    answer = session.ask("RCPT TO:<%s>" % address)
    session.close()
    return answer


def send(lab, recipients, head="", parameters=""):
    """Sends one message; its queue id."""
    session = begin(lab)
    for recipient in recipients:
        answer = session.ask("RCPT TO:<%s>%s" % (recipient, parameters))
        if answer[0] != 250:
            raise RuntimeError("RCPT %s: %r" % (recipient, answer))
    session.ask("DATA")
    answer = session.ask("From: <ann@sender.test>\r\nSubject: x\r\n%s\r\nHello\r\n." % head)
    session.close()
    if answer[0] != 250:
        raise RuntimeError("DATA: %r" % (answer,))
    return answer[1].split()[-1]


def event(lab, queue_id, kind):
    return lab.wait(lambda: [e for e in lab.events() if e["queue_id"] == queue_id and e["type"] == kind],
                    what="%s event of %s" % (kind, queue_id))[0]


def hard():
    with harness.Lab("--module", "judge") as lab:
        lab.script("rcpt dead@rcpt.test 550 5.1.1 no such user\n")
        first = send(lab, ["dead@rcpt.test", "alive@rcpt.test"])
        bounced = event(lab, first, "bounced")
        tap.equal([bounced.get("bounce_" + name) for name in ("scope", "permanence", "reason", "rule")],
                  ["recipient", "permanent", "no-such-user", "judge.1"], "the event says what the answer means")
        event(lab, first, "delivered")
        for word in ("now", "after kill -9"):
            code, text = rcpt(lab, "Dead@RCPT.test")
            tap.ok(code == 550 and text.startswith("5.7.1") and "suppression list (hard: no-such-user)" in text,
                   "RCPT is refused %s" % word, text)
            tap.equal(rcpt(lab, "alive@rcpt.test")[0], 250, "and another recipient of that mail is not")
            if word == "now":
                lab.kill_and_restart()
        lab.clean(tap)


def at_rcpt_accept():
    with harness.Lab("--module", "judge", "--set", "suppression.at_rcpt=accept") as lab:
        lab.script("rcpt dead@rcpt.test 550 5.1.1 no such user\n")
        event(lab, send(lab, ["dead@rcpt.test"]), "bounced")
        lab.script("")
        queue_id = send(lab, ["dead@rcpt.test", "alive@rcpt.test"])
        ended = event(lab, queue_id, "suppressed")
        tap.equal([ended.get(name) for name in ("suppress_class", "suppress_reason", "attempts", "recipient")],
                  ["hard", "no-such-user", 0, "dead@rcpt.test"], "it is taken, and ends with an event")
        event(lab, queue_id, "delivered")
        tap.equal([r[0] for facts, _ in lab.sunk() for r in facts["recipients"] if "dead" in r[0]], [],
                  "without an attempt, and without a report")
        rows = [row for row in lab.rows("why", queue_id) if row.get("event") == "suppressed"]
        tap.ok(rows and "suppressed: the address is on the suppression list (hard: no-such-user)" in rows[0]["reply"],
               "`why` tells it", rows)
        tap.equal(lab.status()["queue.suppressed_total"], 1, "`status` counts it")
        asked = send(lab, ["dead@rcpt.test"], parameters=" NOTIFY=FAILURE")
        event(lab, asked, "suppressed")
        tap.ok(lab.wait(lambda: [e for e in lab.events() if e.get("report_of") == asked], what="a report"),
               "who asks for a report of failures gets one")
        lab.clean(tap)


def queued():
    """Three mails to one address; the third has its owner leave one campaign while the others wait for their retry."""
    with harness.Lab("--module", "judge", "--set", "suppress.unsubscribe.scope=campaign") as lab:
        lab.script("rcpt * 450 4.2.1 come later\n")
        spring = send(lab, ["x@rcpt.test"], "X-Relais-Campaign: spring\r\n")
        summer = send(lab, ["x@rcpt.test"], "X-Relais-Campaign: summer\r\n")
        event(lab, spring, "deferred")
        event(lab, summer, "deferred")
        lab.script("rcpt * 554 5.7.1 take me off your list\n")
        event(lab, send(lab, ["x@rcpt.test"], "X-Relais-Campaign: spring\r\n"), "bounced")
        lab.script("")
        lab.kill_and_restart()
        lab.ctl("queue", "retry", "--all")
        ended = event(lab, spring, "suppressed")
        tap.equal(ended.get("suppress_class"), "unsubscribe", "queued mail of the campaign is taken out")
        event(lab, summer, "delivered")
        tap.equal(len(lab.sunk()), 1, "and that of another one goes")
        tap.equal(rcpt(lab, "x@rcpt.test")[0], 250, "RCPT, which knows no campaign, is taken")
        lab.clean(tap)


for test in (hard, at_rcpt_accept, queued):
    tap.case(test)
tap.end()
