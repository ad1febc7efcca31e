#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of tracking, checked: what a right tracker makes of every mail is found right, and each kind of
wrong edit is found wrong. The tracker is rewriter.py; no browser and no network is needed."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check
import mails
import rewriter

count = bad = 0


def ok(good, what, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, what))
    if not good:
        for line in str(detail).splitlines()[:8]:
            print("# " + line[:1000])


def judge(mail, wrong="", spoil=None):
    tracker = rewriter.Tracker(wrong)
    delivered = tracker.deliver(mail)
    if spoil:
        spoilt = spoil(delivered)
        assert spoilt != delivered, "nothing was spoilt"
        delivered = spoilt
    return check.Check(rewriter.HOST, tracker.ask).message(mail.raw, delivered, mail.verdicts)


def swap(old, new, times=1):
    return lambda message: message.replace(old, new, times)


def last(old, new):
    def spoil(message):
        at = message.rindex(old)
        return message[:at] + new + message[at + len(old):]
    return spoil


# What the tracker does wrong, in which mail.
WRONG = [
    ("decoded twice", "references-qp"), ("decoded twice", "references-7bit"), ("not decoded", "references-utf8"), ("not decoded", "references-qp"),
    ("no fragment", "addresses-base64"), ("unescaped", "addresses-8bit"), ("not escaped", "addresses-8bit"), ("lower case", "addresses-qp"),
    ("mailto", "others-8bit"), ("relative", "others-8bit"), ("protocol", "others-base64"), ("leftover", "others-8bit"),
    ("no-track", "no-track"), ("no-track", "no-track-qp"), ("unsubscribe", "unsubscribe"), ("missed", "outlook-qp"), ("missed", "texts"),
    ("second href", "forms-8bit"), ("everywhere", "hidden-8bit"), ("link text", "texts"), ("quotes", "forms-base64"),
    ("pixel behind", "forms-8bit"), ("pixel at start", "forms-qp"), ("first body", "two-body-ends"), ("visible", "forms-8bit"), ("read out", "forms-qp"),
    ("no pixel", "alternative"), ("two pixels", "alternative"), ("wrong part", "attached-html"), ("wrong part", "smime-signed"),
    ("wrong part", "pgp-signed-inside"), ("wrong part", "rfc822"), ("wrong part", "charset-utf-16"), ("base64 width", "outlook-base64"),
    ("base64 end", "b64-64-open"), ("status", "single"), ("swapped", "related"), ("swapped", "forms-8bit"),
]
# What happens to a message that was tracked well.
SPOILT = [
    ("an octet of the text", "forms-8bit", swap(b"Dear reader", b"dear reader")),
    ("an octet behind the last link", "references-qp", last(b"</html>", b"</HTML>")),
    ("an octet of another part", "references-qp", swap(b"Read this mail", b"read this mail")),
    ("a blank in a tag", "forms-8bit", swap(b'HREF = "', b'HREF= "')),
    ("a reference outside links", "word-8bit", swap(b"&nbsp;", b"&#160;")),
    ("an attribute of a link", "forms-8bit", swap(b"class=x", b"class=y")),
    ("the end of a tag", "forms-8bit", swap(b">six</A>", b">six</a>")),
    ("style", "hidden-8bit", swap(b"url(https://hidden.example/css)", b"url(https://hidden.example/CSS)")),
    ("a condition", "outlook-8bit", swap(b"<!--[if gte mso 9]>", b"<!--[if gte mso 8]>")),
    ("a soft line break", "qp-soft-breaks", swap(b"tail tail", b"tail =\r\ntail")),
    ("a soft line break that goes", "qp-narrow", swap(b"=\r\n", b"")),
    ("blanks behind a soft line break", "qp-blanks", last(b"= \t\r\n", b"=\r\n")),
    ("hex digits", "qp-lower", swap(b"=c3", b"=C3")),
    ("an octet coded that was not", "qp-lower", last(b"tail", b"tai=6c")),
    ("a line end", "qp-narrow", last(b"\r\n\r\n", b"\r\n")),
    ("the preamble", "preamble", swap(b"multi-part", b"multipart")),
    ("the epilogue", "preamble", swap(b"The epilogue", b"An epilogue")),
    ("a header of a part", "related", swap(b"Content-ID: <", b"Content-Id: <")),
    ("the encoding's name", "forms-qp", swap(b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: Quoted-Printable")),
    ("the charset", "charset-iso-8859-15", swap(b"iso-8859-15", b"iso-8859-1")),
    ("text in another charset", "charset-windows-1252", swap("Gr\u00fc\u00dfe".encode("cp1252"), "Gr\u00fc\u00dfe".encode())),
    ("a header field", "single", swap(b"Subject: single", b"Subject: Single")),
    ("a header field that goes", "single", lambda m: re.sub(rb"MIME-Version: 1.0\r\n", b"", m, count=1)),
    ("a header field too many", "single", swap(b"MIME-Version", b"X-Tracked: yes\r\nMIME-Version")),
    ("the order of header fields", "single", swap(b"From: Ann <ann@sender.test>\r\nTo: bob@one.rcpt.test\r\n", b"To: bob@one.rcpt.test\r\nFrom: Ann <ann@sender.test>\r\n")),
    ("a folding", "unsubscribe", swap(b",\r\n <", b", <")),
    ("a picture", "related", swap(b"iVBOR", b"iVBOS")),
    ("a part that goes", "nested-tree", lambda m: re.sub(rb"--mix\r\nContent-Type: application/pdf.*?(?=--mix--)", b"", m, flags=re.DOTALL)),
    ("the end cut off", "alternative", lambda m: m[:-12]),
    ("a signature", "pgp-signed", swap(b"iQ==", b"iR==")),
    ("a signed link", "pgp-signed", swap(b"https://one.example/only", b"https://two.example/only")),
    ("an attached link", "attached-html", last(b"https://one.example/only", b"https://two.example/only")),
    ("text/plain", "texts", swap(b"https://shop.example/plain?a=1&b=2", b"https://track.sender.test/c/L0")),
    ("AMP", "amp", swap(b"https://one.example/only", b"https://two.example/only")),
    ("a calendar", "calendar", swap(b"https://cal.example/x", b"https://track.sender.test/c/L0")),
]

everything = {mail.name: mail for mail in mails.collect()}
found = mails.coverage(everything.values())
absent = [name for name, n in found.items() if n == 0 and name != "of a package"]
ok(len(everything) >= 80, "at least 80 mails without any package", len(everything))
ok(not absent, "every construct is in a mail", absent)
tracked = links = 0
for one in everything.values():
    report = judge(one)
    tracked += report.count["tracked links"]
    links += report.count["links"]
    ok(not report.wrong, one.name + ": a right tracker is found right", "\n".join(report.wrong))
ok(tracked > 500 and links > tracked, "and links were followed", (tracked, links))
for wrong, name in WRONG:
    ok(judge(everything[name], wrong).wrong, "%s: %s is found wrong" % (name, wrong))
for what, name, spoil in SPOILT:
    ok(judge(everything[name], spoil=spoil).wrong, "%s: %s is found changed" % (name, what))
print("1..%d" % count)
sys.exit(bad > 0)
