#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery status notifications read back by Python's email package."""

import email
import email.policy
import os
import re
import subprocess
import sys

import tap
from tap import ok

BUILD = os.environ.get("RELAIS_BUILDDIR", ".")
FAILED, DELAYED, RELAYED, DELIVERED = range(4)
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8
HEADER = b"From: a@sender.test\r\nSubject: the original\r\nMessage-ID: <o@sender.test>\r\n\r\n"


def rcpt(address, action=FAILED, status="5.1.1", orcpt=None, notify=0, remote="mx.rcpt.test",
         diagnostic="550 5.1.1 no such user", smtp=True):
    return address, orcpt, notify, action, status, remote, diagnostic, smtp


def hexed(value):
    if value is None:
        return "-"
    return (value if isinstance(value, bytes) else value.encode()).hex()


def report(recipients, sender="a@sender.test", header=HEADER, full=None, envid=None, message_id="<o@sender.test>", more=()):
    lines = ["sender " + hexed(sender), "header " + hexed(header), *more]
    if full is not None:
        lines.append("full " + hexed(full))
    lines += ["envid " + hexed(envid), "message-id " + hexed(message_id)]
    for address, orcpt, notify, action, status, remote, diagnostic, smtp in recipients:
        lines.append("rcpt %s %s %d %d %s %s %s %d" % (hexed(address), hexed(orcpt), notify, action, hexed(status),
                                                      hexed(remote), hexed(diagnostic), smtp))
    done = subprocess.run([os.path.join(BUILD, "tests/message/report")], input=("\n".join(lines) + "\n").encode(),
                          stdout=subprocess.PIPE, check=True)
    wanted, data = done.stdout.split(b"\n", 1)
    return wanted.decode(), data, email.message_from_bytes(data, policy=email.policy.default)


def fits(data):
    """7bit, CRLF alone, no line of 998 or more."""
    rest = data.replace(b"\r\n", b"")
    return (b"\r" not in rest and b"\n" not in rest and b"\0" not in rest and all(c < 128 for c in data)
            and max(len(line) for line in data.split(b"\r\n")) < 998 and data.endswith(b"\r\n"))


def status_blocks(message):
    """The blocks of message/delivery-status as lists of (name, value)."""
    part = message.get_payload()[1]
    assert part.get_content_type() == "message/delivery-status"
    return [[(name, re.sub(r"\s+", " ", str(value))) for name, value in block.items()] for block in part.get_payload()]


def sound(data, message, n_recipients):
    parts = message.get_payload()
    return (fits(data) and message.get_content_type() == "multipart/report" and not message.defects
            and message.get_param("report-type") == "delivery-status" and len(parts) == 3
            and parts[0].get_content_type() == "text/plain" and len(status_blocks(message)) == n_recipients + 1
            and all(not part.defects for part in parts))


def test_plain():
    _, data, message = report([rcpt("b@rcpt.test", orcpt="rfc822;B+2Bx@rcpt.test")], envid="id+3D1")
    ok(sound(data, message, 1), "a plain report is sound", data)
    ok(message["From"].addresses[0].addr_spec == "mailer-daemon@mx.relais.test", "From")
    ok(message["To"].addresses[0].addr_spec == "a@sender.test", "To")
    ok(message["Date"].datetime.year == 2026 and not message["Date"].defects, "Date")
    ok(re.fullmatch(r"<[0-9a-v.]+@mx\.relais\.test>", message["Message-ID"]), "Message-ID", message["Message-ID"])
    ok(message["Auto-Submitted"] == "auto-replied" and message["References"] == "<o@sender.test>", "Auto-Submitted, References")
    blocks = status_blocks(message)
    ok(blocks[0] == [("Original-Envelope-Id", "id=1"), ("Reporting-MTA", "dns; mx.relais.test"),
                     ("Arrival-Date", "Sat, 20 Jun 2026 23:59:00 +0000")], "per-message fields", blocks[0])
    ok(blocks[1] == [("Original-Recipient", "rfc822; B+x@rcpt.test"), ("Final-Recipient", "rfc822; b@rcpt.test"),
                     ("Action", "failed"), ("Status", "5.1.1"), ("Remote-MTA", "dns; mx.rcpt.test"),
                     ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
                     ("Last-Attempt-Date", "Sun, 21 Jun 2026 00:00:00 +0000")], "per-recipient fields", blocks[1])
    text = message.get_payload()[0].get_content()
    ok("<b@rcpt.test>" in text and "mx.rcpt.test said: 550 5.1.1 no such user" in text and "spelling" in text, "text for people", text)
    ok(max(len(line) for line in text.split("\n")) <= 78, "whose lines are short", text)
    original = message.get_payload()[2]
    ok(original.get_content_type() == "text/rfc822-headers" and original.get_payload(decode=True).strip() == HEADER.strip(),
       "the original's header", original)


def test_kinds():
    _, data, message = report([rcpt("b@x"), rcpt("c@x", DELAYED, "4.4.1", diagnostic="connection timed out", smtp=False, remote=None),
                               rcpt("d@x", DELIVERED, "2.0.0"), rcpt("e@x", RELAYED, None, diagnostic=None)])
    blocks = status_blocks(message)
    ok(sound(data, message, 4), "four recipients")
    ok([dict(b)["Action"] for b in blocks[1:]] == ["failed", "delayed", "delivered", "relayed"], "actions", blocks)
    ok([dict(b)["Status"] for b in blocks[1:]] == ["5.1.1", "4.4.1", "2.0.0", "2.0.0"], "statuses", blocks)
    ok(["Will-Retry-Until" in dict(b) for b in blocks[1:]] == [False, True, False, False], "retry only when delayed")
    ok(dict(blocks[2])["Diagnostic-Code"] == "x-relais; connection timed out" and "Remote-MTA" not in dict(blocks[2]), "reasons of our own")
    ok("could not" in message["Subject"], "the gravest names it", message["Subject"])
    for smtp, words in ((True, "rule of the other side"), (False, "Our own rules")):
        _, _, message = report([rcpt("b@x", status="5.7.1", diagnostic="5.7.1 suppressed: on the list", smtp=smtp)])
        ok(words in message.get_payload()[0].get_content().replace("\n   ", ""), "whose rule it was: %s" % words,
           message.get_payload()[0].get_content())
    _, _, message = report([rcpt("c@x", DELAYED, "4.4.1")])
    ok("delayed" in message["Subject"] and "need not send" in message.get_payload()[0].get_content().replace("\n", " "), "a delay")


def test_original():
    full = HEADER + b"hello\r\n.\r\n"
    _, data, message = report([rcpt("b@x")], full=full)
    ok(sound(data, message, 1) and message.get_payload()[2].get_content_type() == "message/rfc822", "RET=FULL")
    ok(full in data, "with the same bytes")
    _, data, message = report([rcpt("b@x")], full=HEADER.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
                              + "Grüße\r\n".encode() + b"y" * 2000 + b"\r\n")
    inner = message.get_payload()[2].get_payload()[0]
    ok(sound(data, message, 1) and inner.get_content().replace("\r", "").startswith("Grüße\n" + "y" * 2000), "8bit and long lines in the original", data)
    signed = HEADER.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/signed; boundary=A\r\n\r\n") + b"--A\r\n\r\n\xff\r\n--A--\r\n"
    _, data, message = report([rcpt("b@x")], full=signed)
    ok(sound(data, message, 1) and message.get_payload()[2].get_content_type() == "text/rfc822-headers", "what cannot be 7bit: the header alone")
    header = b"Subject: \xc3\xbc\r\nX: " + b"l" * 3000 + b"\r\n\r\n"
    _, data, message = report([rcpt("b@x")], header=header)
    ok(sound(data, message, 1) and message.get_payload()[2].get_payload(decode=True).strip() == header.strip(), "a header that is not 7bit", data)
    _, data, message = report([rcpt("b@x")], full=HEADER + b"--=_000000000002d_0--\r\n--=_000000000002d_1\r\n")
    ok(sound(data, message, 1) and "_2" in message.get_boundary(), "the boundary stands nowhere in it", message.get_boundary())
    _, data, message = report([rcpt("b@x")], header=b"")
    ok(sound(data, message, 1), "no header at all")


def test_hostile():
    bad = ["x\r\nBcc: evil@x", "x\n\nFinal-Recipient: rfc822; evil@x", "\r\n\r\n--=_000000000002d_0\r\n", "\x00\x01\x1b[31m\x7f",
           "é\u2028ü", b"\xff\xfe", "w" * 5000, "w " * 3000, " " * 5000, "   ", "", ";;;", "%s%n%d", "=?utf-8?q?=0d=0a?="]
    for number, value in enumerate(bad):
        value = value.replace("\x00", "") if isinstance(value, str) else value
        address = (value if isinstance(value, bytes) else value.encode())[:200] + b"@x"
        _, data, message = report([rcpt(address, status=value, orcpt=value, remote=value, diagnostic=value), rcpt("b@x")],
                                  envid=value, message_id=value, sender=address)
        blocks = status_blocks(message)
        names = [name for block in blocks for name, _ in block] + message.keys()
        ok(sound(data, message, 2) and "Bcc" not in names and names.count("Final-Recipient") == 2
           and not any("evil" in value for name, value in message.raw_items() if name not in ("To", "References")), "hostile value %d" % number, data)
    _, data, message = report([rcpt("b@x", orcpt="rfc822;a+0D+0ABcc: x", diagnostic="550 no")], envid="x+0A+0AAction: delivered")
    ok(sound(data, message, 1) and b"\nBcc" not in data and b"\nAction: delivered" not in data, "xtext hides no line ends", data)
    _, data, message = report([rcpt("jürgen+x@rcpt.test")], sender="jürgen@sender.test")
    ok(sound(data, message, 1) and dict(status_blocks(message)[1])["Final-Recipient"] == r"utf-8; j\x{FC}rgen\x{2B}x@rcpt.test", "addresses beyond ASCII", data)


def test_wanted():
    table = [(0, "1100"), (NEVER, "0000"), (SUCCESS, "0011"), (FAILURE, "1000"), (DELAY, "0100"),
             (SUCCESS | FAILURE | DELAY, "1111"), (NEVER | FAILURE, "0000")]
    for notify, expected in table:
        wanted, _, _ = report([rcpt("b@x", action, notify=notify) for action in (FAILED, DELAYED, RELAYED, DELIVERED)])
        ok(wanted == expected, "NOTIFY %d" % notify, wanted)
    wanted, _, _ = report([rcpt("b@x", notify=FAILURE)], sender="")
    ok(wanted == "0", "never about mail from <>", wanted)


def test_outside():
    """Mail to our own domains from anybody: who is named as its sender is told only if he proved to be it."""
    author = ["author " + hexed("boss@SENDER.test")]
    for more, sender, expected in (([], "a@sender.test", "0"), (["result spf.result pass"], "a@sender.test", "1"), (["result spf.result fail"], "a@sender.test", "0"),
                                   (["result spf.result passed"], "a@sender.test", "0"), (["result dmarc.result pass"], "a@sender.test", "0"),
                                   (["result dmarc.result pass"] + author, "a@sender.test", "1"), (["result dmarc.result pass"] + author, "a@other.test", "0"),
                                   (["result dmarc.result none"] + author, "a@sender.test", "0"), (["result spf.result pass"], "", "0")):
        wanted, _, _ = report([rcpt("b@x", notify=notify) for notify in (0, FAILURE)], sender=sender, more=["outside"] + more)
        ok(wanted == expected * 2, "from outside, %s, from <%s>: %s" % (more, sender, expected), wanted)
    for field, expected in (("X: y", "1"), ("Auto-Submitted: no", "1"), ("Auto-Submitted: No (a person)", "1"), ("Auto-Submitted: auto-replied", "0"), ("auto-submitted: auto-generated; x=y", "0"),
                            ("Auto-Submitted: nobody", "0"), ("List-Id: <l.test>", "0"), ("List-Unsubscribe: <mailto:x@l.test>", "0"), ("Precedence: Bulk", "0"), ("Precedence: first-class", "1")):
        header = HEADER[:-2] + field.encode() + b"\r\n\r\n"
        found = [report([rcpt("b@x")], header=header, more=more)[0] for more in (["outside", "result spf.result pass"], [])]
        ok(found == [expected, "1"], "%s: %s from outside, and always from a user of ours" % (field, expected), found)


for test in (test_outside, test_plain, test_kinds, test_original, test_hostile, test_wanted):
    test()
tap.end()
sys.exit(0)
