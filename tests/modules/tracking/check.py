# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tracking changed a message and nothing else in it: given the message as it was submitted and as
it arrived, and someone who asks the tracker where a link leads. Python's email package says what the parts
are, html5lib what the tags are, an oracle (Chromium, or url.py where there is none) where links lead.

    check = Check(host, ask, oracle)
    report = check.message(original, delivered, verdicts)

`ask (url)` gives (status, Location). `verdicts` says of each HTML leaf, in order, whether it must be tracked
("track"), must be left alone ("leave"), or either ("may"); "track" goes for what is not listed. The report
holds what is wrong, one line each, and what was counted.
"""
import collections
import email
import email.policy
import hashlib
import re

import align
import markup
import url

LEAVE = [re.compile(p, re.DOTALL) for p in (r"\{\{.*\}\}", r"\*\|.*\|\*", r"%%.*%%", r"\[\[.*\]\]")]
PLAIN_HOST = re.compile(r"https?:[/\\]{2}[^/?#\\\s<>@|^]+(?:[/?#\\]|\Z)", re.IGNORECASE)
UNSURE = re.compile(r"[{}]|<%|unsubscri|abmelde|opt-?out|preferences", re.IGNORECASE)
REMOVED = ("bcc", "return-path")
ADDED = ("received", "dkim-signature")
LINE = 998
LONG = 1400  # of a link: the one to the tracker would be longer than Windows hands on


class Report:
    def __init__(self):
        self.wrong, self.count = [], collections.Counter()
        self.tracked = []  # (url that was put in, value, expected, Location)

    def bad(self, text, *values):
        self.wrong.append((text % values if values else text)[:2000])


class PythonOracle:
    """Where a browser goes for a link, without one."""

    def resolve(self, content, charset, values):
        encoding = charset or "windows-1252"
        return {value: url.resolve(value, {"us-ascii": "windows-1252", "iso-8859-1": "windows-1252"}.get(encoding, encoding))
                for value in values}

    def normalise(self, locations):
        return {location: url.resolve(location) for location in locations}


# --- Messages ------------------------------------------------------------------------------------

def split(message):
    head, _, body = message.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def fields(head):
    """Header fields as they stand, with their folding."""
    return re.findall(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", head)


def name_of(field):
    return field.partition(b":")[0].strip().lower().decode("ascii", "replace")


class Leaf:
    def __init__(self, part):
        self.type = part.get_content_type()
        self.charset = (part.get_content_charset() or "").lower()
        self.encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
        payload = part._payload  # get_payload () would decode 8bit content
        self.raw = payload.encode("ascii", "surrogateescape") if isinstance(payload, str) else b""
        if self.encoding == "quoted-printable":
            self.text = align.read_qp(self.raw)[0]
        elif self.encoding == "base64":
            self.text = part.get_payload(decode=True) or b""
        else:
            self.text = self.raw

    def unicode(self):
        try:
            return self.text.decode(self.charset or "latin-1", "replace")
        except LookupError:
            return self.text.decode("latin-1")


def leaves(message):
    parsed = email.message_from_bytes(message, policy=email.policy.compat32)
    return [Leaf(part) for part in parsed.walk() if not part.is_multipart()]


def unsubscribe_urls(message):
    head = email.message_from_bytes(message, policy=email.policy.compat32)
    return {re.sub(r"\s", "", u) for value in head.get_all("List-Unsubscribe", []) for u in re.findall(r"<([^>]*)>", str(value))}


# --- The check -----------------------------------------------------------------------------------

class Check:
    def __init__(self, host, ask, oracle=None):
        self.host, self.ask, self.oracle = host, ask, oracle or PythonOracle()
        self.link, pixel = align.patterns(host)
        self.pixel_at_end = re.compile(pixel.pattern + rb"\r\n\Z")
        self.is_pixel = re.compile(r"https?://" + re.escape(host) + r"(?::[0-9]+)?/o/").match
        self.overhead = 300  # of a token, over 4 octets for 3 of the URL; learned

    def message(self, original, delivered, verdicts=()):
        report = Report()
        self.headers(report, original, delivered)
        before, after = leaves(original), leaves(delivered)
        if [x.type for x in before] != [x.type for x in after]:
            report.bad("parts: %r are %r", [x.type for x in before], [x.type for x in after])
            return report
        verdicts, html = list(verdicts), 0
        body, new_body = split(original)[1], split(delivered)[1]
        built, at = [], 0
        unsubscribe = unsubscribe_urls(original)
        for a, b in zip(before, after):
            place = body.find(a.raw, at)
            if place < 0:
                report.bad("Python's email package takes a part apart in another way: %r", a.raw[:200])
                return report
            built.append(body[at:place] + b.raw)
            at = place + len(a.raw)
            if a.type != "text/html":
                report.count["other parts"] += 1
                if hashlib.sha256(a.raw).digest() != hashlib.sha256(b.raw).digest():
                    report.bad("a part of type %s is not the same: %r is %r", a.type, a.raw[:200], b.raw[:200])
                continue
            verdict = verdicts[html] if html < len(verdicts) else "track"
            html += 1
            if verdict == "leave" or (verdict == "may" and a.raw == b.raw):
                report.count["leaves left alone"] += 1
                if a.raw != b.raw:
                    report.bad("an HTML part that must be left alone was changed")
                continue
            if at == len(body):
                self.drop_last_end(b)
            self.leaf(report, a, b, unsubscribe)
        if b"".join(built) + body[at:] != new_body:
            report.bad("something outside the parts' contents was changed")
        return report

    def headers(self, report, original, delivered):
        before, after = fields(split(original)[0]), fields(split(delivered)[0])
        names = {name_of(f) for f in before}
        added = set(ADDED) | {n for n in ("message-id", "date") if n not in names}
        kept = [f for f in before if name_of(f) not in REMOVED and not name_of(f).startswith("x-relais-")]
        left = [f for f in after if name_of(f) not in added]
        if kept != left:
            wrong = [f for f in left if f not in kept] + [f for f in kept if f not in left]
            report.bad("header fields: %r", wrong[:4] or "another order")
        report.count["header fields"] += len(kept)

    def drop_last_end(self, leaf):
        """A message whose last octets are a pixel gets a line end from SMTP."""
        if leaf.encoding != "base64" and self.pixel_at_end.search(leaf.text):
            leaf.raw, leaf.text = leaf.raw[:-2], leaf.text[:-2]

    def leaf(self, report, a, b, unsubscribe):
        report.count["tracked leaves"] += 1
        if a.encoding != b.encoding or a.charset != b.charset:
            report.bad("encoding: %s %s is %s %s", a.charset, a.encoding, b.charset, b.encoding)
            return
        try:
            edits = align.align(a.text, b.text, self.host)
            align.same_content(a.encoding, a.raw, b.raw, edits)
        except align.Different as trouble:
            report.bad("%s", trouble)
            return
        before, after = markup.tokens(a.unicode()), markup.tokens(b.unicode())
        bare, pixels = markup.without(after, self.is_pixel)
        trouble = markup.same_but_links(before, bare)
        if trouble:
            report.bad("markup: %s", trouble)
            return
        self.pixel(report, a, b, edits, pixels, before)
        self.links(report, a, b, edits, markup.links_of(before), markup.links_of(bare), unsubscribe)

    # --- The pixel

    def pixel(self, report, a, b, edits, pixels, before):
        mine = [e for e in edits if e.kind == "pixel"]
        if not mine and a.encoding in ("7bit", "8bit", "binary") and len(a.text.rpartition(b"\n")[2]) + self.overhead + 200 > LINE:
            report.count["pixels left out for a line's length"] += 1
            return
        if len(mine) != 1 or len(pixels) != 1:
            report.bad("%d pixels (html5lib sees %d) where one is expected", len(mine), len(pixels))
            return
        attributes, ahead, behind = pixels[0]
        has_end = any(t[0] == markup.END and t[1] == "body" for t in before)
        if has_end and (behind != 1 or not re.match(rb"</body", b.text[mine[0].new_end:], re.IGNORECASE)):
            report.bad("the pixel does not stand right before the last </body>: %r", align.around(b.text, mine[0].new_end))
        if not has_end and b.text[mine[0].new_end:].strip():
            report.bad("the pixel does not stand at the end: %r", align.around(b.text, mine[0].new_end))
        if attributes.get("alt") != "" or not (attributes.get("width") == attributes.get("height") and attributes.get("width") in ("0", "1")):
            report.bad("the pixel can be seen or is read out: %r", attributes)
        report.count["pixels"] += 1

    # --- Links

    def expectation(self, link, target, charset, unsubscribe):
        """"track", "leave" or "may", and the reason."""
        value = link.value
        plain = re.sub("[\t\n\r]", "", value.strip("".join(map(chr, range(0x21)))))
        if not re.match(r"https?:", plain, re.IGNORECASE):
            return "leave", "not http"
        if link.no_track:
            return "leave", "data-no-track"
        if any(p.search(value) for p in LEAVE):
            return "leave", "a template's leftover"
        if plain in unsubscribe or value in unsubscribe:
            return "leave", "unsubscribe"
        if target is None:
            return "leave", "no URL"
        if not PLAIN_HOST.match(plain) or UNSURE.search(value) or len(value) > LONG:
            return "may", "odd"
        if not value.isascii() and charset not in ("utf-8", "utf8"):
            return "may", "other octets than ASCII in another charset than UTF-8"
        return "track", ""

    def links(self, report, a, b, edits, before, after, unsubscribe):
        mine = [e for e in edits if e.kind == "link"]
        targets = self.oracle.resolve(a.text, a.charset, [x.value for x in before])
        asked, changed = [], 0
        for link, new in zip(before, after):
            report.count["links"] += 1
            if link.value not in targets:
                report.bad("html5lib and the oracle read a link differently: %r", link)
                continue
            target = targets[link.value]
            wanted, reason = self.expectation(link, target, a.charset, unsubscribe)
            tracked = new.value != link.value
            changed += tracked
            if not tracked and wanted == "track" and not self.too_long(a, b, link):
                report.bad("a link was not tracked: %r", link)
            elif not tracked:
                report.count["left alone: " + (reason if wanted != "track" else "a line's length")] += 1
            elif wanted == "leave":
                report.bad("a link must be left alone (%s): %r", reason, link)
            elif not self.link.fullmatch(new.value.encode("utf-8", "replace")):
                report.bad("a link was not replaced by one to the tracker: %r by %r", link, new.value)
            else:
                self.overhead = max(self.overhead, len(new.value) - len(link.value) * 4 // 3)
                asked.append((link, new.value, target))
        if changed != len(mine):
            report.bad("%d links were changed, but html5lib sees %d", len(mine), changed)
        self.ask_all(report, asked)

    def ask_all(self, report, asked):
        answers = [(link, new, target, self.ask(new)) for link, new, target in asked]
        where = self.oracle.normalise({answer[1] for _, _, _, answer in answers if answer[1]})
        for link, new, target, (status, location) in answers:
            if status != 302 or not location:
                report.bad("%s for %r", status, link)
                continue
            if not re.fullmatch(r"[!-~]+", location):
                report.bad("Location %r is no URL by itself", location)
            elif where[location] != target:
                report.bad("%r leads to %r, not to %r", link, location, target)
            else:
                report.count["tracked links"] += 1
                report.count["Location is octet for octet what the browser has"] += location == target
            report.tracked.append((new, link.value, target, location))

    def too_long(self, a, b, link):
        """In 7bit and 8bit a link stays where its line would be longer than SMTP takes."""
        if a.encoding not in ("7bit", "8bit", "binary"):
            return False
        needle = link.value.encode(a.charset or "latin-1", "replace")[:20]
        growth = self.overhead + len(link.value) // 3 + 64
        return any(needle in line and len(line) + growth > LINE for line in b.text.split(b"\r\n"))
