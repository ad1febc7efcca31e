#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoted-printable and folding against Python's email package: whatever relais_outgoing_fit () makes of
a message, every leaf must decode to the same bytes as before, and what goes out must fit the peer."""

import email
import email.policy
import os
import random
import subprocess
import sys

import tap
from tap import ok

BUILD = os.environ.get("RELAIS_BUILDDIR", ".")


class Fit:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/message/fit")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, message, flags="-"):
        self.process.stdin.write(b"%d %s\n" % (len(message), flags.encode()))
        self.process.stdin.write(message)
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        if len(head) != 3:
            raise SystemExit("Bail out! the check program died")
        size = int(head[2])
        return head[0].decode(), head[1], self.process.stdout.read(size)

    def steps(self, message):
        return int(self(message, "steps")[1])

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def leaves(data):
    """(type, decoded bytes) of each leaf, in order; and the shape of the tree."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    found, shape = [], []
    for part in message.walk():
        shape.append((part.get_content_type(), part.is_multipart(), part.get_filename()))
        if not part.is_multipart():
            found.append(part.get_payload(decode=True))
    return found, shape


def unfolded(data):
    """The fields of the message's own header, unfolded, without what a fit may touch."""
    head = data.split(b"\r\n\r\n", 1)[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
    return [line for line in head.split(b"\r\n")
            if not line.lower().startswith((b"content-transfer-encoding:", b"mime-version:"))]


def longest(data):
    return max(len(line) for line in data.split(b"\r\n"))


def is_bare(data):
    rest = data.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def qp_lines_fit(before, after):
    """Lines that were not there before are at most 76 long, if they are no header's."""
    old = set(before.split(b"\r\n"))
    old |= {bytes(63 if octet > 127 else octet for octet in line) for line in old}  # in gaps
    return all(len(line) <= 76 or line in old for line in after.split(b"\r\n\r\n", 1)[-1].split(b"\r\n"))


HEAD = b"From: a@b\r\nTo: c@d\r\nMIME-Version: 1.0\r\n"
TEXT8 = "Grüße aus Köln = 1.\r\n\tblank at the end \t\r\n\r\n.\r\nFrom here\r\n--x\r\n".encode()
LONG = b"x" * 5000 + b"\r\n" + b"word " * 900 + b"\r\n"


def leaf(content, ctype=b"text/plain; charset=utf-8", cte=b"8bit", extra=b""):
    head = b""
    if ctype:
        head += b"Content-Type: " + ctype + b"\r\n"
    if cte:
        head += b"Content-Transfer-Encoding: " + cte + b"\r\n"
    return head + extra + b"\r\n" + content


def multi(boundary, parts, subtype=b"mixed", preamble=b"", epilogue=b"", close=True, cte=None, quote=True):
    text = b"Content-Type: multipart/" + subtype + b"; boundary="
    text += (b'"' + boundary + b'"' if quote else boundary) + b"\r\n"
    if cte:
        text += b"content-transfer-encoding: " + cte + b"\r\n"
    text += b"\r\n" + preamble
    for part in parts:
        text += b"\r\n--" + boundary + b"\r\n" + part
    if close:
        text += b"\r\n--" + boundary + b"--"
    return text + b"\r\n" + epilogue


def hand_made():
    """(name, message, flags, expected result or None)"""
    two = [leaf(TEXT8), leaf(b"plain", cte=b"7bit")]
    yield "ascii goes as it is", HEAD + leaf(b"hello\r\n"), "-", "as-is"
    yield "8bit goes as it is with 8BITMIME", HEAD + leaf(TEXT8), "8", "as-is"
    yield "8bit text", HEAD + leaf(TEXT8), "-", "changed"
    yield "8bit text from a reader", HEAD + leaf(TEXT8), "d", "changed"
    yield "long lines", HEAD + leaf(LONG), "8", "changed"
    yield "a line of 998", HEAD + leaf(b"x" * 998 + b"\r\n"), "8", "as-is"
    yield "a line of 999", HEAD + leaf(b"x" * 999 + b"\r\n"), "8", "changed"
    yield "a line of 1 MiB", HEAD + leaf(b"y" * (1 << 20) + b"\r\n"), "8", "changed"
    yield "1 MiB of octets above 127 in one line", HEAD + leaf(b"\xe9" * (1 << 20) + b"\r\n"), "-", "changed"
    yield "no Content-Type and no encoding", b"From: a@b\r\n\r\nGr\xfc\xdfe\r\n", "-", "changed"
    yield "no header at all but a field", b"A: b\r\n\r\n\xff\r\n", "-", "changed"
    yield "html, binary", HEAD + leaf(TEXT8, b"text/html", b"binary"), "-", "changed"
    yield "an octet stream in 8bit", HEAD + leaf(bytes(range(1, 10)) + b"\x0b" + bytes(range(14, 256)) + b"\r\n",
                                                 b"application/octet-stream", b"8BIT (comment)"), "-", "changed"
    yield "empty content in a part", HEAD + multi(b"B", [leaf(b""), leaf(TEXT8)]), "-", "changed"
    yield "empty body", HEAD + leaf(b""), "-", "as-is"
    yield "header only", HEAD, "-", "as-is"
    yield "nested", HEAD + multi(b"A", [multi(b"B", two, b"alternative", cte=b"8bit"), leaf(TEXT8)], cte=b"8bit"), "-", "changed"
    yield "no closing boundary", HEAD + multi(b"A", two, close=False), "-", "changed"
    yield "inner one not closed", HEAD + multi(b"A", [multi(b"B", two, close=False), leaf(TEXT8)]), "-", "changed"
    yield "boundary-like lines", HEAD + multi(b"A", [leaf(b"--Ab\r\n--A x\r\n --A\r\n--\r\n" + TEXT8), leaf(b"x--A" * 40)]), "-", "changed"
    yield "long line of boundaries", HEAD + multi(b"A", [leaf(b"z" + b"--A" * 999), leaf(b"--A--x" * 400)]), "8", "changed"
    yield "blank after the boundary", HEAD + multi(b"A", two).replace(b"--A\r\n", b"--A \t\r\n"), "-", "changed"
    yield "preamble and epilogue are 8bit", HEAD + multi(b"A", two, preamble=TEXT8, epilogue=b"\xc3\xbc\r\n"), "-", "changed"
    yield "preamble is long", HEAD + multi(b"A", two, preamble=b"p" * 3000, epilogue=b"e" * 3000 + b"\r\n"), "8", "changed"
    yield "base64 beside 8bit stays", HEAD + multi(b"A", [leaf(b"aGVsbG8=\r\n", b"image/png", b"base64"), leaf(TEXT8)]), "-", "changed"
    yield "base64 in one line", HEAD + leaf(b"QUJD" * 1000 + b"\r\n", b"image/png", b"base64"), "8", "changed"
    yield "base64 in one line with an octet above 127", HEAD + leaf(b"QUJD" * 1000 + b"\r\n\xff\r\n", b"image/png", b"base64"), "8", "changed"
    yield "message inside", HEAD + leaf(b"From: x@y\r\nSubject: in\r\n" + leaf(TEXT8), b"message/rfc822"), "-", "changed"
    yield "multipart in a message inside", HEAD + multi(b"A", [leaf(b"Subject: in\r\n" + multi(b"B", two), b"message/rfc822")]), "-", "changed"
    yield "digest", HEAD + multi(b"A", [b"\r\nSubject: one\r\n\r\n\xfc\r\n", b"\r\nSubject: two\r\n\r\nb\r\n"], b"digest"), "-", "changed"
    yield "signed", HEAD + multi(b"A", two, b"signed"), "-", "refused"
    yield "signed with long lines", HEAD + multi(b"A", [leaf(LONG, cte=b"7bit")], b"signed"), "8", "refused"
    yield "signed with long lines that pass", HEAD + multi(b"A", [leaf(LONG, cte=b"7bit")], b"signed"), "8p", "as-is"
    yield "signed 8bit does not pass", HEAD + multi(b"A", two, b"signed"), "p", "refused"
    yield "signed beside 8bit", HEAD + multi(b"A", [multi(b"S", [leaf(b"s", cte=b"7bit")], b"signed"), leaf(TEXT8)]), "-", "changed"
    yield "signed inside a message inside", HEAD + leaf(multi(b"S", two, b"signed"), b"message/rfc822"), "-", "refused"
    yield "encrypted", HEAD + multi(b"A", two, b"encrypted"), "-", "refused"
    yield "S/MIME in binary", HEAD + leaf(b"\x80\x81\r\n", b"application/pkcs7-mime", b"binary"), "-", "refused"
    yield "unknown encoding", HEAD + leaf(TEXT8, cte=b"x-uuencode"), "-", "refused"
    yield "two encodings", HEAD + b"Content-Transfer-Encoding: 7bit\r\n" + leaf(TEXT8), "-", "refused"
    yield "two types", HEAD + b"Content-Type: multipart/mixed; boundary=A\r\n" + leaf(TEXT8), "-", "refused"
    yield "quoted-printable that is none", HEAD + leaf(TEXT8, cte=b"quoted-printable"), "-", "refused"
    yield "multipart in base64", HEAD + multi(b"A", two, cte=b"base64"), "-", "refused"
    yield "multipart without boundary", HEAD + leaf(TEXT8, b"multipart/mixed"), "-", "refused"
    yield "two boundaries", HEAD + leaf(TEXT8, b"multipart/mixed; boundary=a; boundary=b"), "-", "refused"
    yield "boundary in pieces", HEAD + leaf(TEXT8, b"multipart/mixed; boundary*0=a; boundary*1=b"), "-", "refused"
    yield "same boundary twice", HEAD + multi(b"A", [multi(b"A", two)]), "-", "changed"
    yield "malformed part header", HEAD + multi(b"A", [b"not a field\r\n\r\n" + TEXT8]), "-", "refused"
    yield "delivery-status in 8bit", HEAD + leaf(TEXT8, b"message/delivery-status"), "-", "refused"
    yield "a header to fold", b"References: " + b"<id@example.org> " * 100 + b"\r\n" + HEAD + leaf(b"x\r\n"), "8", "changed"
    yield "a token that cannot be folded", b"X-Long: " + b"t" * 999 + b"\r\n" + HEAD + leaf(b"x\r\n"), "8", "refused"
    yield "a line of 998 in the header", b"X-Long: " + b"t" * 990 + b"\r\n" + HEAD + leaf(b"x\r\n"), "8", "as-is"
    yield "blanks that cannot be folded", b"X-Long:" + b" " * 999 + b"\r\n" + HEAD + leaf(b"x\r\n"), "8", "refused"
    yield "a long header in a part", HEAD + multi(b"A", [leaf(b"x", extra=b"X: " + b"w " * 900 + b"\r\n")]), "8", "changed"
    yield "comments in fields", HEAD + leaf(b"--q \xfc\r\n", b"(c) text/plain (d;e) ; charset=utf-8", b"(x(y)) 8bit (z)"), "-", "changed"


def nasty(rand):
    """A random tree of random parts."""
    def words():
        kinds = [b"w", b" ", b"\t", b"=", b"=3D", b"--A", b"--B--", b"--", b"\r\n", b"\r\n\r\n", b"\r\n--A",
                 b".", b"From ", "é".encode(), b"\xff", b"k" * 300, b"q " * 600, b"\r\n-- \r\n"]
        return b"".join(rand.choice(kinds) for _ in range(rand.randrange(0, 30)))

    def tree(depth, names):
        kind = rand.random()
        if depth < 4 and kind < 0.45:
            name = rand.choice([b"A1", b"B--2", b"C.C.C", b"D d", b"E" * 70]) + b"%d" % len(names)
            parts = [tree(depth + 1, names + [name]) for _ in range(rand.randrange(1, 4))]
            return multi(name, parts, rand.choice([b"mixed", b"alternative", b"related"]),
                         rand.choice([b"", words()]), rand.choice([b"", words()]), rand.random() < 0.8,
                         rand.choice([None, b"8bit", b"binary", b"7bit"]))
        if depth < 4 and kind < 0.52:
            return leaf(b"Subject: inside\r\n" + tree(depth + 1, names), b"message/rfc822")
        return leaf(words(), rand.choice([b"text/plain", b"text/html; charset=utf-8", b"image/png", None]),
                    rand.choice([b"8bit", b"7bit", b"binary", None]))

    return HEAD + tree(0, []) + b"\r\n"


def check(fit, message, flags):
    """Empty string if all is well, else what is not; and the result."""
    result, eight_bit, out = fit(message, flags)
    if result == "as-is":
        return ("" if out == message else "the bytes differ"), result
    if result == "refused":
        return "", result
    if result != "changed":
        return "result " + result, result
    before, shape_before = leaves(message)
    after, shape_after = leaves(out)
    if shape_before != shape_after:
        return "the tree differs: %r %r" % (shape_before, shape_after), result
    if before != after:
        return "the leaves differ", result
    if unfolded(message) != [f for f in unfolded(out) if not f.endswith(b"charset=unknown-8bit")]:
        return "the header differs", result
    if longest(out) > 998 or is_bare(out):
        return "it does not fit", result
    if "8" not in flags and any(octet > 127 for octet in out):
        return "octets above 127 are left", result
    if (eight_bit == b"1") != any(octet > 127 for octet in out):
        return "BODY is told wrongly", result
    if not qp_lines_fit(message, out) and longest(message) <= 998:
        return "a line of more than 76", result
    if fit(out, flags)[0] != "as-is":
        return "it changes twice", result
    return "", result


def grow(fit, name, make):
    small, large = make(2000), make(4000)
    steps = fit.steps(small) / len(small), fit.steps(large) / len(large)
    ok(steps[1] <= steps[0] * 1.15 + 0.01 and steps[1] < 60, "linear: " + name, steps)


def main():
    fit = Fit()
    for name, message, flags, expected in hand_made():
        wrong, result = check(fit, message, flags)
        ok(not wrong and result == expected, name, (wrong, result, fit(message, flags)[2][:600]))
    rand = random.Random(20261124)
    bad, changed = [], 0
    for number in range(600):
        message = nasty(rand)
        wrong, result = check(fit, message, rand.choice(["-", "8", "d", "p"]))
        changed += result == "changed"
        if wrong:
            bad.append((number, wrong, message))
    ok(not bad, "600 nasty messages keep their leaves", (len(bad), bad[:1]))
    ok(changed > 150, "of which enough were changed", changed)

    _, _, out = fit(HEAD + multi(b"A", [multi(b"B", [leaf(TEXT8)], cte=b"8bit")], cte=b"binary"), "-")
    ok(b"8bit" not in out and b"binary" not in out and out.count(b"Encoding: 7bit") == 2, "multiparts say 7bit then", out)
    _, _, out = fit(b"A: b\r\n\r\n\xff\r\n", "-")
    ok(b"MIME-Version: 1.0\r\n" in out and b"charset=unknown-8bit" in out, "what was no MIME becomes it", out)
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\n\xff\r\n"
    for message in (HEAD + inner, HEAD + multi(b"A", [inner])):
        _, _, out = fit(message, "-")
        told = out[out.index(b"Subject: inside"):].split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        ok(sorted(told) == [b"Content-Transfer-Encoding: quoted-printable", b"Content-Type: text/plain; charset=unknown-8bit",
                            b"MIME-Version: 1.0"], "so does a message inside", told)
    _, _, out = fit(HEAD + multi(b"A", [b"\r\n\xff\r\n"]), "-")
    ok(out.count(b"MIME-Version") == 1, "a part that is none needs no version", out)
    result, eight, out = fit(b"Subject: \xc3\xbc\r\nMIME-Version: 1.0\r\n" + leaf(TEXT8), "-")
    ok(result == "changed" and eight == b"1" and b"Subject: \xc3\xbc" in out, "octets above 127 in the header are left and told", out)
    result, eight, out = fit(b"Subject: \xc3\xbc\r\n\r\nx\r\n", "-")
    ok(result == "as-is" and eight == b"1", "also without a change", (result, eight))

    big = HEAD + leaf(("é" * 300 + "\r\n").encode() * 20000)
    result, _, out = fit(big, "d")
    ok(result == "changed" and len(out) > (8 << 20) and leaves(big) == leaves(out), "12 MiB go through the temporary file", result)

    deep = HEAD
    for i in range(60):
        deep += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
    ok(fit(deep + leaf(TEXT8), "-")[0] == "refused", "more than 50 deep is not edited")
    ok(fit(deep + leaf(TEXT8), "8")[0] == "as-is", "nor refused without need")
    many = HEAD + multi(b"A", [leaf(b"x", cte=b"7bit")] * 2100 + [leaf(TEXT8)])
    ok(fit(many, "-")[0] == "refused", "more than 2000 parts are not edited")
    many = HEAD + multi(b"A", [leaf(b"x", cte=b"7bit")] * 1990 + [leaf(TEXT8)])
    ok(check(fit, many, "-") == ("", "changed"), "1991 parts are")
    # The last part that is taken is a message whose header a delimiter cuts off: there is no room for what is inside.
    cut = b"Content-Type: message/rfc822\r\n--A\r\n\r\n" + TEXT8 + b"--A\r\n\r\nx\r\n--A--\r\n--A\r\n"
    head = HEAD + b"Content-Type: multipart/mixed; boundary=A\r\n\r\n"
    ok(fit(head + b"--A\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 49 + cut, "-")[0] == "refused", "nor a message cut off 50 deep")
    ok(fit(head + b"--A\r\n\r\nx\r\n" * 1998 + b"--A\r\n" + cut, "-")[0] == "refused", "nor one cut off behind 2000 parts")

    nest = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(45))
    grow(fit, "lines like boundaries, 45 deep", lambda n: HEAD + nest + b"\r\n" + b"--b\r\n" * n * 4)
    grow(fit, "parts", lambda n: HEAD + multi(b"A", [leaf(b"x")] * n))
    grow(fit, "nesting", lambda n: HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (i, i) for i in range(n)))
    grow(fit, "messages inside", lambda n: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * n)
    grow(fit, "fields", lambda n: HEAD + b"Content-Type: text/plain\r\n" * n + b"\r\n")
    grow(fit, "unclosed quotes and comments", lambda n: HEAD + b"Content-Type: multipart/mixed; boundary=\"" + b"(\\\"" * n + b"\r\n\r\n")
    ok(fit.close() == 0, "the check program ends well")
    tap.end()
    return 0


sys.exit(main())
