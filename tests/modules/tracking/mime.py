# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages put together octet by octet, so that each oddity is where a test wants it: Python's email
package would write them all alike."""
import base64
import re

CRLF = b"\r\n"


def lines(text):
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def qp(data, width=76, lower=False, cut=(), blanks=b""):
    """Quoted-printable. `cut`: octet strings in which a soft line break stands, behind their first
    half; `blanks`: what stands between "=" and the line's end; `lower`: hex digits in lower case."""
    form = b"=%02x" if lower else b"=%02X"
    marks = set()
    for needle in cut:
        for m in re.finditer(re.escape(needle), data):
            marks.add(m.start() + (len(needle) + 1) // 2)
    out, column = bytearray(), 0
    for n, octet in enumerate(data):
        if data[n:n + 2] == CRLF:
            continue
        if octet == 10:
            out += CRLF
            column = 0
            continue
        ends = data[n + 1:n + 3] == CRLF
        plain = 33 <= octet <= 126 and octet != 61 or (octet in (32, 9) and not ends)
        piece = bytes([octet]) if plain else form % octet
        if n in marks or column + len(piece) > width - 1:
            out += b"=" + blanks + CRLF
            column = 0
        out += piece
        column += len(piece)
    return bytes(out)


def b64(data, width=76, final=True):
    text = base64.b64encode(data)
    out = CRLF.join(text[i:i + width] for i in range(0, len(text), width))
    return out + (CRLF if final else b"")


ENCODERS = {"7bit": lambda d: d, "8bit": lambda d: d, "quoted-printable": qp, "base64": b64}


def part(kind, text, charset="utf-8", encoding="8bit", head=(), encode=None):
    """One leaf; `text` is octets, or text that is coded by `charset`. `charset` None: no parameter."""
    if isinstance(text, str):
        text = lines(text).encode(charset if charset and charset != "x-unknown" else "utf-8")
    fields = ["Content-Type: " + kind + ("; charset=" + charset if charset else "")]
    if encoding:
        fields.append("Content-Transfer-Encoding: " + encoding)
    content = (encode or ENCODERS[encoding or "7bit"])(text)
    return "\r\n".join(fields + list(head)).encode() + CRLF + CRLF + content


def html(text, charset="utf-8", encoding="8bit", head=(), encode=None):
    return part("text/html", text, charset, encoding, head, encode)


def plain(text="Read this mail as HTML, or at https://shop.example/plain?a=1&b=2 .\n", charset="utf-8"):
    return part("text/plain", text, charset, "7bit")


def multi(subtype, *parts, boundary="=_b1", parameters="", preamble=b"", epilogue=b"", quoted=True):
    mark = boundary.encode()
    head = 'Content-Type: multipart/%s; boundary=%s%s' % (subtype, '"%s"' % boundary if quoted else boundary, parameters)
    body = preamble + (CRLF if preamble else b"") + b"".join(b"--" + mark + CRLF + p + CRLF for p in parts)
    return head.encode() + CRLF + CRLF + body + b"--" + mark + b"--" + CRLF + epilogue


def image(name="image001.png@01D9.1"):
    data = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
    return part("image/png", data, None, "base64", ["Content-ID: <%s>" % name, "Content-Disposition: inline; filename=a.png"])


def attachment(kind, text, name, **more):
    return part(kind, text, head=["Content-Disposition: attachment; filename=%s" % name], **more)


def message(name, entity, head=(), stamp=True):
    fields = ["From: Ann <ann@sender.test>", "To: bob@one.rcpt.test", "Subject: " + name, "X-Corpus: " + name]
    if stamp:
        fields += ["Date: Mon, 23 Nov 2026 10:00:00 +0000", "Message-ID: <%s@sender.test>" % name]
    return "\r\n".join(fields + list(head) + ["MIME-Version: 1.0"]).encode() + CRLF + entity


class Mail:
    """A message, and what must become of each of its HTML leaves, in order."""

    def __init__(self, name, raw, *verdicts):
        if not raw.endswith(CRLF):
            raw += CRLF  # SMTP's final dot brings it along
        self.name, self.raw, self.verdicts = name, raw, list(verdicts)
