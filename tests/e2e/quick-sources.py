#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: mail leaves by each address under its EHLO name, in the ratio of the weights; an address that is not
this machine's stops nobody else."""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
MESSAGES, DOMAINS = 240, 24
SOURCES = "--source", "127.0.0.2", "--source", "127.0.0.3"


def send(lab, n, word):
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    for i in range(n):
        d.ask("MAIL FROM:<ann@sender.test>")
        d.ask("RCPT TO:<%s-%d@d%d.rcpt.test>" % (word, i, i % DOMAINS))
        d.ask("DATA")
        d.send(b"From: <ann@sender.test>\r\nSubject: sources\r\n\r\nx\r\n.\r\n")
        if d.reply()[0] != 250:
            raise RuntimeError("not taken")
    d.close()


def sunk(lab, word):
    return [facts for facts, _ in lab.sunk() if facts["recipients"][0][0].startswith(word + "-")]


def test_weights():
    # With room for all of it in each lane, the weights alone choose.
    arguments = list(SOURCES) + ["--source", "127.0.0.4", "--set", "queue.connections=%d" % MESSAGES,
                                 "--set", "queue.first_connections=%d" % MESSAGES]
    for i in (1, 2, 3):
        arguments += ["--set", "source.s%d.weight=%d" % (i, i)]
    with harness.Lab(*arguments) as lab:
        send(lab, MESSAGES, "weight")
        lab.wait(lambda: len(sunk(lab, "weight")) >= MESSAGES, 60, "all messages in the sink")
        found = sunk(lab, "weight")
        tap.equal(len(found), MESSAGES, "each message came once")
        names = {(f["client"], f["ehlo"]) for f in found}
        tap.equal(names, {("127.0.0.%d" % (i + 1), "s%d.sender.test" % i) for i in (1, 2, 3)},
                  "from each address, under its own name")
        share = collections.Counter(f["ehlo"] for f in found)
        note = dict(share)
        tap.note("shares of %d: %r" % (MESSAGES, note))
        tap.ok(all(abs(share["s%d.sender.test" % i] / MESSAGES - i / 6) < 0.05 for i in (1, 2, 3)),
               "in the ratio of the weights", note)
        lab.clean(tap)


def test_foreign_address():
    arguments = list(SOURCES) + ["--source", "192.0.2.1"]
    with harness.Lab(*arguments) as lab:
        send(lab, 60, "foreign")
        lab.wait(lambda: len(sunk(lab, "foreign")) >= 60, 60, "all messages by the other sources")
        tap.equal({f["ehlo"] for f in sunk(lab, "foreign")}, {"s1.sender.test", "s2.sender.test"},
                  "what the third source was to send went by the others")
        tap.equal([e for e in lab.events() if e["type"] in ("deferred", "bounced")], [], "nothing was put off for it")
        lines = [line for line in lab.log().splitlines() if "source s3" in line]
        tap.ok(len(lines) == 1 and "192.0.2.1" in lines[0] and "[source s3]" in lines[0] and "what to do" in lines[0],
               "the log says once what to do", lab.log())


tap.case(test_weights)
tap.case(test_foreign_address)
tap.end()
