#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""No reports to people who sent nothing. Mail from strangers is taken for a domain of ours and refused where it is
delivered: under forged senders (10 000 of them in the full run) nothing is said to anybody; a sender that SPF proves hears once of each recipient,
unless he is nobody, a machine or a list."""
import collections
import email
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
FORGED = 10000 if harness.FULL else 300
A_SESSION = 25
PROVEN = "ann@sender.test"  # whose SPF record allows loopback
SCRIPT = "rcpt gone* 550 5.1.1 no such user\nrcpt late* 451 4.3.0 not now\n"


def send(smtp, sender, recipients, *head, options=()):
    smtp.mail(sender)
    codes = [smtp.rcpt(recipient, options)[0] for recipient in recipients]
    code, text = smtp.data(("".join(line + "\r\n" for line in head) + "From: %s\r\nSubject: x\r\n\r\nx\r\n" % (sender or "nobody@far.test")).encode())
    return codes + [code]


def session(lab, n=0):
    smtp = smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=("127.7.%d.%d" % (n // 200, 1 + n % 200), 0))
    smtp.ehlo("forger.test")
    smtp.esmtp_features["dsn"] = ""
    return smtp


def reports(lab):
    """Who was told of which recipient of which message."""
    found = collections.Counter()
    for facts, data in lab.sunk():
        if facts["sender"]:
            continue
        message = email.message_from_bytes(data)
        for block in message.get_payload()[1].get_payload()[1:]:
            found[facts["recipients"][0][0], message["References"], block["Final-Recipient"].partition(";")[2].strip()] += 1
    return found


def settled(lab):
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 300, "an empty queue")


def forge(smtp, n):
    """One of the forged mails; the victim's server would take whatever it is sent."""
    victim = "victim%d@v.rcpt.test" % n
    kinds = [((victim,), ("gone@in.sender.test",), (), ()), ((victim,), ("gone@in.sender.test", "gone2@in.sender.test"), (), ("NOTIFY=FAILURE,DELAY",)),
             ((victim,), ("there@in.sender.test",), (), ("NOTIFY=SUCCESS",)), ((victim,), ("gone@in.sender.test",), ("Return-Path: <%s>" % victim, "Errors-To: " + victim), ()),
             ((victim,), ("gone@in.sender.test",), ("Authentication-Results: relais.test; spf=pass", "X-Relais-spf.result: pass"), ())]
    (sender,), recipients, head, options = kinds[n % len(kinds)]
    return send(smtp, sender, recipients, *head, options=options)


def test_forged(lab):
    codes = collections.Counter()
    for first in range(0, FORGED, A_SESSION):
        with session(lab, first // A_SESSION) as smtp:
            for n in range(first, first + A_SESSION):
                codes.update(forge(smtp, n))
    tap.equal(set(codes), {250}, "%d forged mails are taken, as a domain of ours has it" % FORGED)
    settled(lab)
    # One kind in five arrives, one has two recipients.
    lab.wait(lambda: sum(event["type"] == "bounced" for event in lab.events()) >= FORGED, 20, "the last lines")
    tap.equal(sum(event["type"] == "bounced" for event in lab.events()), FORGED, "%d recipients are refused where it goes" % FORGED)
    tap.equal(sorted(reports(lab)), [], "and nobody hears of it")
    tap.equal([facts for facts, _ in lab.sunk() if any("@v.rcpt.test" in r for r, _ in facts["recipients"])], [], "there is no mail to any of the forged senders")


def test_proven(lab):
    """The other way about: who is proven is told, once."""
    with session(lab) as smtp:
        codes = send(smtp, PROVEN, ["gone1@in.sender.test", "gone2@in.sender.test", "there@in.sender.test"], "Message-ID: <proven@x>")
        codes += send(smtp, PROVEN, ["gone1@in.sender.test"], "Message-ID: <person@x>", "Auto-Submitted: no")
        silent = [(PROVEN, "Auto-Submitted: auto-replied"), (PROVEN, "Auto-Submitted: auto-generated"), (PROVEN, "List-Id: <l.test>"),
                  (PROVEN, "List-Unsubscribe: <mailto:x@l.test>"), (PROVEN, "Precedence: bulk"), ("", "X: y")]
        for i, (sender, field) in enumerate(silent):
            codes += send(smtp, sender, ["gone@in.sender.test"], "Message-ID: <silent%d@x>" % i, field)
    tap.equal(set(codes), {250}, "mail of a sender that SPF proves is taken")
    settled(lab)
    lab.kill_and_restart()
    settled(lab)
    wanted = {(PROVEN, "<proven@x>", "gone1@in.sender.test"): 1, (PROVEN, "<proven@x>", "gone2@in.sender.test"): 1, (PROVEN, "<person@x>", "gone1@in.sender.test"): 1}
    lab.wait(lambda: len(reports(lab)) >= len(wanted), 20, "the reports")
    tap.equal(reports(lab), wanted, "it has one report for each recipient of each message; machines, lists and <> have none")


QUICK = ["--set", "limits.exempt_nets=127.0.0.0/8", "--set", "limits.connections_per_client=100000"]
with harness.Lab("--module", "spf-check", *QUICK) as lab:
    lab.script(SCRIPT)
    for test in (test_forged, test_proven):
        tap.case(test, lab)
    lab.clean(tap)
tap.end()
