# SPDX-License-Identifier: GPL-3.0-or-later
"""A small tracker in Python, to prove the check with: it does what Relais is to do, and, if told so, one
thing wrong. It knows the markup of the test mails, not that of the world."""
import base64
import re

import align
import check
import markup
import url

HOST = "track.sender.test"
BASE = b"https://" + HOST.encode()
TAGS = re.compile(rb"<!--\[if[^\]]*\]>(?:<!-->)?|<!--.*?-->|<(style|script|textarea|title)\b.*?</\1\s*>|"
                  rb"<[a-z][^\s/>]*(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL | re.IGNORECASE)
LINKS = re.compile(rb"<(?:a|area|v:[a-z]+)(?=[\s/>])", re.IGNORECASE)
ATTRIBUTES = re.compile(rb"""[\s/"']([^\s/>="']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""", re.DOTALL)


class Tracker:
    """`ask` is what check.py asks; `wrong` names what is done wrong."""

    def __init__(self, wrong=""):
        self.targets, self.wrong = {}, wrong

    def ask(self, link):
        token = link.rpartition("/")[2]
        if self.wrong == "status":
            return 200, self.targets.get(token)
        if self.wrong == "swapped" and token == "L0":
            token = "L1"
        return (302, self.targets[token]) if token in self.targets else (404, None)

    def wants(self, value, tag, seen, unsubscribe):
        name = {"mailto": r"mailto:", "relative": r"[a-z]+\.html", "protocol": r"//", "leftover": r".*(\{\{|\*\||%%|\[\[)"}.get(self.wrong)
        if name and re.match(name, value):
            return True
        if "data-no-track" in tag and self.wrong != "no-track":
            return False
        if value in unsubscribe and self.wrong != "unsubscribe":
            return False
        if any(p.search(value) for p in check.LEAVE):
            return False
        return url.resolve(value) is not None and not (self.wrong == "missed" and seen)

    def target(self, raw, value, encoding):
        if self.wrong == "decoded twice":
            value = list(markup.tokens('<a href="%s">' % value.replace('"', "&quot;")))[0][2]["href"]
        elif self.wrong == "not decoded":
            value = raw.decode("latin-1")
        found = url.resolve(value, encoding) or value
        if self.wrong == "no fragment":
            found = found.partition("#")[0]
        elif self.wrong == "unescaped":
            found = re.sub("%7B", "{", found, flags=re.IGNORECASE)
        elif self.wrong == "not escaped":
            return value
        elif self.wrong == "lower case":
            return found.lower()
        return found

    def edits(self, leaf, unsubscribe):
        """(start, end, octets) of the text."""
        out, text, seen = [], leaf.text, 0
        encoding = {"": "windows-1252", "us-ascii": "windows-1252", "x-unknown": "utf-8"}.get(leaf.charset, leaf.charset)
        pattern = re.compile(rb"<a\b[^>]*>") if self.wrong == "everywhere" else TAGS
        for tag in pattern.finditer(text):
            if not LINKS.match(tag.group()):
                continue
            attributes = list(ATTRIBUTES.finditer(tag.group()))
            hrefs = [m for m in attributes if m.group(1).lower() == b"href"]
            if not hrefs or all(v is None for v in hrefs[0].groups()[1:]):
                continue
            href = hrefs[-1 if self.wrong == "second href" else 0]
            group = next(g for g in (2, 3, 4) if href.group(g) is not None)
            start, end = tag.start() + href.start(group), tag.start() + href.end(group)
            raw = text[start:end]
            quote = '"' if b"'" in raw else "'"
            value = markup.tokens("<a href=%s%s%s>" % (quote, raw.decode(encoding, "replace"), quote))[0][2].get("href", "")
            names = {m.group(1).decode("latin-1").lower() for m in attributes}
            if not self.wants(value, names, seen, unsubscribe):
                continue
            seen += 1
            token = "L%d" % len(self.targets)
            self.targets[token] = self.target(raw, value, encoding)
            new = BASE + b"/c/" + token.encode()
            if self.wrong == "quotes" and group == 3:
                start, end, new = start - 1, end + 1, b'"' + new + b'"'
            out.append((start, end, new))
        ends = [m.start() for m in re.finditer(rb"</body", TAGS.sub(lambda m: b" " * len(m.group()), text), re.IGNORECASE)]
        place = ends[-1] if ends else len(text)
        if self.wrong == "first body" and ends:
            place = ends[0]
        elif self.wrong == "pixel behind" and ends:
            place = len(text)
        elif self.wrong == "pixel at start":
            place = text.find(b"<p>")
        look = {"visible": b'width="40" height="40" alt=""', "read out": b'width="1" height="1" alt="pixel"'}.get(self.wrong, b'width="1" height="1" alt="" style="display:none"')
        pixel = b'<img src="' + BASE + b'/o/P" ' + look + b">"
        if self.wrong != "no pixel":
            out.append((place, place, pixel * (2 if self.wrong == "two pixels" else 1)))
        if self.wrong == "link text":
            at = text.find(b">https://")
            out.append((at + 1, text.find(b"<", at), BASE + b"/c/L0"))
        return sorted(out)

    def apply(self, leaf, edits):
        """The content with the edits in it, in its own transfer encoding."""
        pieces, at = [], 0
        if leaf.encoding == "quoted-printable":
            _, starts, ends = align.read_qp(leaf.raw)
            for start, end, new in edits:
                low = starts[start] if start < len(starts) else len(leaf.raw)
                coded = new.replace(b"=", b"=3D")
                coded = b"=\r\n".join(re.findall(rb"(?:=..|.){1,24}", coded, re.DOTALL))
                pieces += [leaf.raw[at:low], b"=\r\n", coded, b"=\r\n"]
                at = ends[end - 1] if end > start else low
            return b"".join(pieces) + leaf.raw[at:]
        for start, end, new in edits:
            pieces += [leaf.text[at:start], new]
            at = end
        text = b"".join(pieces) + leaf.text[at:]
        if leaf.encoding != "base64" or not edits:
            return text if edits else leaf.raw
        lines = leaf.raw.split(b"\r\n")
        width = len(lines[0]) if len(lines) > 1 and lines[1] else max(76, len(lines[0]))
        if self.wrong == "base64 width":
            width = 72
        kept = edits[0][0] // (width // 4 * 3) if self.wrong != "base64 width" else 0
        coded = base64.b64encode(text[kept * (width // 4 * 3):])
        out = lines[:kept] + [coded[i:i + width] for i in range(0, len(coded), width)]
        return b"\r\n".join(out) + (b"\r\n" if leaf.raw.endswith(b"\r\n") != (self.wrong == "base64 end") else b"")

    def deliver(self, mail):
        """The message as it would arrive."""
        head, body = check.split(mail.raw)
        unsubscribe, out, at, n = check.unsubscribe_urls(mail.raw), [], 0, 0
        for leaf in check.leaves(mail.raw):
            place = body.find(leaf.raw, at)
            out.append(body[at:place])
            verdict = "leave"
            if leaf.type == "text/html":
                verdict = mail.verdicts[n] if n < len(mail.verdicts) else "track"
                n += 1
            if verdict == "track" or (self.wrong == "wrong part" and leaf.type == "text/html"):
                out.append(self.apply(leaf, self.edits(leaf, unsubscribe)))
            else:
                out.append(leaf.raw)
            at = place + len(leaf.raw)
        body = b"".join(out) + body[at:]
        if not body.endswith(b"\r\n"):
            body += b"\r\n"  # as SMTP has it
        return b"Received: from x by relais.test;\r\n Mon, 23 Nov 2026 10:00:00 +0000\r\n" + b"".join(
            f for f in check.fields(head) if check.name_of(f) != "bcc") + b"\r\n" + body
