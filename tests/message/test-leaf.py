#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of leaves against Python's email package: what Python coded must decode to the same text here,
and what was edited here to the edited text there."""

import base64
import email
import email.policy
import os
import quopri
import random
import re
import subprocess
import sys

import tap
from tap import ok

BUILD = os.environ.get("RELAIS_BUILDDIR", ".")
ENCODINGS = {"7bit": 0, "8bit": 1, "binary": 2, "quoted-printable": 3, "base64": 4}


class Leaf:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/message/edit-leaf")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, content, encoding, edits):
        """How many edits were left out, and the content with the others."""
        query = b"%d %d %d\n" % (ENCODINGS[encoding], len(content), len(edits)) + content
        for offset, size, text in edits:
            query += b"%d %d %d\n" % (offset, size, len(text)) + text
        self.process.stdin.write(query)
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        if len(head) != 2:
            raise SystemExit("Bail out! the check program died")
        return head[0].decode(), self.process.stdout.read(int(head[1]))

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def apply(text, edits):
    for offset, size, new in reversed(edits):
        text = text[:offset] + new + text[offset + size:]
    return text


def decode(content, encoding):
    head = b"MIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    message = email.message_from_bytes(head % encoding.encode() + content, policy=email.policy.compat32)
    return message.get_payload(decode=True)


def code(text, encoding):
    if encoding == "base64":
        return base64.encodebytes(text).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(text.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return text


def page(rand):
    lines = [b"<html>", b"<body style=\"color: #333\">"]
    for _ in range(rand.randrange(1, 30)):
        lines.append(rand.choice([
            "<p>Grüße, \t <b>= 1</b>  ".encode(), b"", b"x" * rand.randrange(0, 90), b"--b1", b".", b"From here ",
            b"<a href=\"http://example.org/?a=%d&b=%d\">here</a>" % (rand.randrange(10 ** 9), rand.randrange(10 ** 50)),
            b"<td width=\"1\">" * rand.randrange(1, 60)]))
    return b"\r\n".join(lines + [b"</body>", b"</html>", b""])


def tracking(text):
    """What a module does that counts clicks and openings."""
    edits = [(m.start(1), len(m.group(1)), b"https://click.example.net/r/" + base64.urlsafe_b64encode(m.group(1)))
             for m in re.finditer(rb'href="([^"]*)"', text)]
    return edits + [(text.index(b"</body>"), 0, b"<img src=\"https://click.example.net/o?id=1&x=\xc3\xa9\">")]


def anywhere(text, rand):
    edits, at = [], 0
    while len(edits) < 8:
        at += rand.randrange(0, 200)
        size = rand.choice([0, 1, 2, rand.randrange(0, 100)])
        if at + size > len(text):
            break
        new = rand.choice([b"", b"=", b" ", b"<br>\r\n", b"=3D", b"-", "é".encode() * 9, b"q" * rand.randrange(0, 200)])
        if all(text[i - 1:i + 1] != b"\r\n" for i in (at, at + size) if i > 0):
            edits.append((at, size, new))
        at += size
    return edits


def main():
    leaf, rand = Leaf(), random.Random(20261128)
    for encoding in ENCODINGS:
        bad = []
        for number in range(300):
            text = page(rand)
            content = code(text, encoding)
            edits = tracking(text) if number % 2 else anywhere(text, rand)
            left_out, result = leaf(content, encoding, edits)
            if encoding in ("quoted-printable", "base64") and left_out != "0":
                bad.append((number, "left out", left_out, content, edits))
            elif left_out == "0" and decode(result, encoding) != apply(text, edits):
                bad.append((number, content, edits, result))
            elif encoding in ("quoted-printable", "base64") and max(map(len, result.split(b"\r\n"))) > 76:
                bad.append((number, "long", content, edits, result))
        ok(not bad, "300 pages in %s, edited" % encoding, (len(bad), bad[:1]))
    ok(leaf(b"a=4", "quoted-printable", []) == ("refused", b""), "what is no quoted-printable is refused")
    ok(leaf.close() == 0, "the check program ends well")
    tap.end()
    return 0


sys.exit(main())
