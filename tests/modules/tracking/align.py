# SPDX-License-Identifier: GPL-3.0-or-later
"""What was changed of a text, found without knowing how it was done: between the links and pixels of the
tracking host every octet must be one of the original's, in order. And the same of the content in its
transfer encoding."""
import re

ATTRIBUTE = re.compile(rb"""\s+data-no-track(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']*))?""", re.IGNORECASE)
UNQUOTED_END = re.compile(rb"[\t\n\f\r >]")
LINE = 998


class Different(Exception):
    pass


class Edit:
    """[start, end) of the original text is [new_start, new_end) of the delivered one."""

    def __init__(self, kind, start, end, new_start, new_end, url=b""):
        self.kind, self.start, self.end, self.new_start, self.new_end, self.url = kind, start, end, new_start, new_end, url


def patterns(host):
    base = rb"https?://" + re.escape(host.encode()) + rb"(?::[0-9]+)?"
    # "--" would end a comment: the second one is written as a reference.
    link = re.compile(base + rb"/c/(?:[A-Za-z0-9_.~-]|&#45;)+")
    pixel = re.compile(rb"""<img\b[^<>]*\bsrc=(["'])(""" + base + rb"/o/[A-Za-z0-9_.~-]+)" + rb"""\1[^<>]*>""")
    return link, pixel


def around(text, at):
    return repr(text[max(0, at - 40):at] + b" >here> " + text[at:at + 60])


def align(original, delivered, host):
    """The edits that make the one text the other, ascending; Different where there are others."""
    link, pixel = patterns(host)
    edits, i, j = [], 0, 0
    gone = list(ATTRIBUTE.finditer(original))

    def plain(i, j, stop):
        while j < stop:
            n = 0
            span = next((m for m in gone if m.start() >= i), None)
            while span is not None and span.start() - i < stop - j:
                n = span.start() - i
                if original[i:i + n] != delivered[j:j + n]:
                    break
                i, j = i + n, j + n
                if not delivered.startswith(span.group(), j):
                    edits.append(Edit("attribute", span.start(), span.end(), j, j))
                    i = span.end()
                else:
                    i, j = i + len(span.group()), j + len(span.group())
                span = next((m for m in gone if m.start() >= i), None)
            n = stop - j
            if n > 0 and original[i:i + n] != delivered[j:stop]:
                n = next((k for k in range(n) if i + k >= len(original) or original[i + k] != delivered[j + k]), n)
                raise Different("octet %d: %s is %s" % (i + n, around(original, i + n), around(delivered, j + n)))
            return i + n, stop
        return i, j

    events = [(m.start(), m.end(), "pixel", m.group(2)) for m in pixel.finditer(delivered)]
    inside = [(a, b) for a, b, _, _ in events]
    events += [(m.start(), m.end(), "link", m.group().replace(b"&#45;", b"-")) for m in link.finditer(delivered)
               if not any(a <= m.start() < b for a, b in inside)]
    for start, end, kind, url in sorted(events):
        i, j = plain(i, j, start)
        if kind == "pixel":
            edits.append(Edit("pixel", i, i, start, end, url))
        else:
            quote = original[i - 1:i]
            found = re.compile(re.escape(quote)).search(original, i) if quote in (b'"', b"'") else UNQUOTED_END.search(original, i)
            stop = found.start() if found else len(original)
            edits.append(Edit("link", i, stop, start, end, url))
            i = stop
        j = end
    i, j = plain(i, j, len(delivered))
    if i != len(original):
        raise Different("octet %d: %s is cut off" % (i, around(original, i)))
    return edits


# --- Transfer encodings --------------------------------------------------------------------------

QP = re.compile(rb"=([0-9A-Fa-f]{2})|=[ \t]*\r\n|(.)", re.DOTALL)


def read_qp(raw):
    """The text, and where each of its octets stands in the content."""
    text, starts, ends = bytearray(), [], []
    for m in QP.finditer(raw):
        octet = int(m.group(1), 16) if m.group(1) else m.group(2)[0] if m.group(2) else None
        if octet is not None:
            text.append(octet)
            starts.append(m.start())
            ends.append(m.end())
    return bytes(text), starts, ends


def segments(edits, size):
    """What lies between the edits: (start, end, new_start, whether no edit is behind it)."""
    a, b = 0, 0
    for edit in edits:
        yield a, edit.start, b, False
        a, b = edit.end, edit.new_end
    yield a, size, b, True


def same_qp(raw, new, edits):
    text, starts, ends = read_qp(raw)
    _, new_starts, new_ends = read_qp(new)
    for a, end, b, is_last in segments(edits, len(text)):
        size = end - a
        if size == 0:
            continue
        last, new_last = end - 1, b + size - 1
        low = 0 if a == 0 else starts[a]
        new_low = 0 if b == 0 else new_starts[b]
        high, new_high = (len(raw), len(new)) if is_last else (ends[last], new_ends[new_last])
        if raw[low:high] == new[new_low:new_high]:
            continue
        # A full line at whose end something was put is broken before its last octet.
        if not is_last and size > 1 and raw[low:ends[last - 1]] == new[new_low:new_ends[new_last - 1]] and \
                raw[ends[last - 1]:high] == raw[starts[last]:high] == new[new_starts[new_last]:new_high] and \
                new[new_ends[new_last - 1]:new_starts[new_last]] == b"=\r\n":
            line = raw[raw.rfind(b"\n", 0, high) + 1:high]
            if len(line) >= 74:
                continue
        raise Different("quoted-printable: %r is %r" % (raw[low:high][:4000], new[new_low:new_high][:4000]))
    known = set(raw.split(b"\r\n"))
    for line in new.split(b"\r\n"):
        if len(line) > 76 and line not in known:
            raise Different("quoted-printable: a line of %d octets" % len(line))


def same_base64(raw, new, edits):
    if not edits:
        if raw != new:
            raise Different("base64: coded anew without a change")
        return
    at, seen = 0, 0
    lines, new_lines = raw.split(b"\r\n"), new.split(b"\r\n")
    for line in lines:
        if seen + len(line) // 4 * 3 > edits[0].start or not line:
            break
        seen += len(line) // 4 * 3
        at += len(line) + 2
    if raw[:at] != new[:at]:
        raise Different("base64: lines before the first change are not the same")
    width = len(lines[0]) if len(lines) > 1 and lines[1] else max(76, len(lines[0]))
    if re.search(rb"\s*\Z", raw).group() != re.search(rb"\s*\Z", new).group():
        raise Different("base64: %r at the end is %r" % (raw[-8:], new[-8:]))
    body = new.rstrip().split(b"\r\n")
    if any(len(line) != width for line in body[:-1]) or not 0 < len(body[-1]) <= width:
        raise Different("base64: lines of %r octets where %d were" % (sorted({len(line) for line in body}), width))
    if len(new_lines) < 1:
        raise Different("base64: nothing is left")


def same_content(encoding, raw, new, edits):
    """The content of a leaf in its transfer encoding: octets that no edit asked for are as they were."""
    if encoding == "quoted-printable":
        same_qp(raw, new, edits)
    elif encoding == "base64":
        same_base64(raw, new, edits)
    else:
        known = set(raw.split(b"\r\n"))
        for line in new.split(b"\r\n"):
            if len(line) > LINE and line not in known:
                raise Different("a line of %d octets" % len(line))
