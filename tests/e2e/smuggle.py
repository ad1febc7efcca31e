# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP smuggling through the running daemon, for quick-smuggle.py and full-smuggle.py: every three-part string around a dot
that is not the end of data, or that is; in clear and under TLS, in a DATA and in chunks of BDAT, whole, octet by octet and
cut at every place around it; nothing of what hides behind it may become a message, and nothing bare may leave. What is
accepted must arrive as it was sent.
"""
import collections
import itertools
import os
import re
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

THREADS = 8
ENDS = [b"\r", b"\n", b"\r\n", b"\0", b"\r\r", b""]
MORE_ENDS = [b"\n\n", b"\n\r", b"\r\r\n", b"\r\n\0", b"\0\r\n", b"\r\0"]
DOTS, MORE_DOTS = [b"."], [b"..", b".\0"]
HEAD = b"From: <ann@sender.test>\r\nSubject: %d\r\n\r\nbody"
SMUGGLED = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<smuggled@one.rcpt.test>\r\nDATA\r\nFrom: <evil@sender.test>\r\n\r\nsmuggled\r\n.\r\n"
TAIL = b"\r\n.\r\nQUIT\r\n"
END = b"\r\n.\r\n"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")

# One session: `way` is whole, bytes, or where the sequence is cut, which may be before or behind it.
Attempt = collections.namedtuple("Attempt", "number sequence way tls command")


def pieces(data, at, size, way):
    """The data, in the parts that are sent one after the other; at `at` there are `size` octets that count."""
    if way == "whole":
        return [data]
    cuts = range(at, at + size + 1) if way == "bytes" else [at + way]
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:]) if a < b]


def send_slowly(dialogue, parts):
    """Each in a segment of its own."""
    for part in parts:
        dialogue.send(part)
        time.sleep(0.0005)


def replies(dialogue):
    found = []
    while len(found) < 40:
        answer = dialogue.reply()
        if answer is None:
            break
        found.append(answer[0])
        if answer[0] == 221:
            break
    return found


def as_data(attempt):
    """What is sent after 354 in parts; what must be answered, or None where not all of it matters; what must arrive, or None."""
    head = HEAD % attempt.number
    data = head + attempt.sequence + SMUGGLED + TAIL
    end, bare = data.find(END), BARE.search(data)
    text = data[:end + 2].replace(b"\r\n.", b"\r\n")
    parts = pieces(data, len(head), len(attempt.sequence), attempt.way)
    if bare and bare.start() < end:
        return parts, [550], None
    answer, text = (550, None) if b"\0" in text else (250, text)
    if end >= len(head) + len(attempt.sequence):
        return parts, [answer, 500, 500, 221], text
    if data[end + 5:].startswith(SMUGGLED):  # an ordinary second message
        return parts, [answer, 250, 250, 354, 250, 500, 500, 221], text
    return parts, None, text


def as_chunks(attempt):
    """The same as commands: all of it is one message."""
    head = HEAD % attempt.number
    text = head + attempt.sequence + SMUGGLED
    chunks = pieces(text, len(head), len(attempt.sequence), attempt.way)
    parts = [b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if chunk is chunks[-1] else b"") + chunk for chunk in chunks]
    before = [250] * (len(chunks) - 1)
    if BARE.search(text):
        return parts, before + [550], None
    if b"\0" in text:
        return parts + [b"QUIT\r\n"], before + [550, 221], None
    return parts + [b"QUIT\r\n"], before + [250, 221], text


class Product:
    """All attempts at one laboratory; `wrong` are those that were answered otherwise than they must be, `accepted` the texts
    by number, `legal` counts what came behind a legal end."""

    def __init__(self, lab, attempts):
        self.lab, self.attempts, self.lock = lab, attempts, threading.Lock()
        self.wrong, self.accepted, self.legal = [], {}, 0

    def one(self, attempt):
        d = Dialogue(self.lab.port, timeout=20)
        d.reply()
        d.ask("EHLO client.test")
        if attempt.tls:
            d.starttls()
            d.ask("EHLO client.test")
        lines = ["MAIL FROM:<ann@sender.test>", "RCPT TO:<victim@one.rcpt.test>"] + (["DATA"] if attempt.command == "DATA" else [])
        codes = [d.ask(line)[0] for line in lines]
        assert codes in ([250, 250], [250, 250, 354]), codes
        parts, wanted, text = (as_data if attempt.command == "DATA" else as_chunks)(attempt)
        try:
            send_slowly(d, parts)
        except OSError:
            pass  # it has ended the session
        found = replies(d)
        d.close()
        self.judge(attempt, wanted, found, text)

    def judge(self, attempt, wanted, found, text):
        if wanted is None:
            good = found.count(250) == (text is not None) and 354 not in found
        elif wanted[-1] == 550:  # at the octet, whatever chunk it is in
            good = found[-1:] == [550] and set(found[:-1]) <= {250} and len(found) <= len(wanted)
        else:
            good = found == wanted
        with self.lock:
            if not good:
                self.wrong.append((attempt, found, wanted))
            if text is not None:
                self.accepted[attempt.number] = text
            self.legal += wanted is not None and 354 in wanted

    def worker(self, share):
        for attempt in share:
            try:
                self.one(attempt)
            except Exception as trouble:
                with self.lock:
                    self.wrong.append((attempt, repr(trouble), None))

    def run(self):
        threads = [threading.Thread(target=self.worker, args=(self.attempts[i::THREADS],)) for i in range(THREADS)]
        [t.start() for t in threads]
        [t.join() for t in threads]


def make_attempts(ends, dots, commands, around):
    """`around`: how many octets before and behind the sequence are places to cut at."""
    numbers, found, seen = itertools.count(1), [], []
    for before, dot, after in itertools.product(ends, dots, ends):
        if before + dot + after not in seen:
            seen.append(before + dot + after)
    for sequence, tls, command in itertools.product(seen, (False, True), commands):
        for way in ["whole", "bytes", *range(-around if around else 1, len(sequence) + around + (around > 0))]:
            found.append(Attempt(next(numbers), sequence, way, tls, command))
    return found, len(seen)


def test_product(tap, lab, attempts, framings):
    product = Product(lab, attempts)
    product.run()
    for tls, command in sorted({(a.tls, a.command) for a in attempts}):
        those = [a for a in attempts if (a.tls, a.command) == (tls, command)]
        wrong = [w for w in product.wrong if (w[0].tls, w[0].command) == (tls, command)]
        how = "%s, %s" % (command, "under TLS" if tls else "in clear")
        tap.ok(not wrong, "%d sessions of %d framings, %s: none ends data but CRLF.CRLF" % (len(those), framings, how), "\n".join(map(repr, wrong[:10])))
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 60, "empty queue")
    sunk = lab.sunk()
    smuggled = [f for f, _ in sunk if any(r[0].startswith("smuggled") for r in f["recipients"])]
    tap.note("%d sessions; %d messages behind a legal end, %d smuggled" % (len(attempts), product.legal, len(smuggled) - product.legal))
    tap.equal(len(smuggled), product.legal, "messages behind an illegal end: none (the %d behind the legal one are ordinary)" % product.legal)
    tap.ok(not any(f["bare_newline"] or f["undoubled_dot"] for f, _ in sunk), "no bare CR or LF and no undoubled dot left")
    tap.equal(unlike(product.accepted, [data for f, data in sunk if f not in smuggled])[:5], [], "what was accepted, and no other, came as it was sent")


def unlike(accepted, sunk):
    """Numbers of messages that did not come once, with their own text behind the header."""
    found = collections.defaultdict(list)
    for data in sunk:
        found[int(re.search(rb"^Subject: (\d+)\r$", data, re.M).group(1))].append(data.partition(b"\r\n\r\n")[2])
    wanted = {number: [text.partition(b"\r\n\r\n")[2]] for number, text in accepted.items()}
    return sorted(number for number in set(found) | set(wanted) if found.get(number) != wanted.get(number))


def test_injection(tap, lab):
    """Commands sent in clear behind STARTTLS are never answered (RFC 3207 section 4.2)."""
    for n in range(1, 5):
        d = Dialogue(lab.port, timeout=5)
        d.reply()
        d.ask("EHLO client.test")
        d.send("STARTTLS\r\n" + "NOOP\r\n" * n)
        first = d.reply()
        answered = []
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            d.sock = context.wrap_socket(d.sock)
            d.sock.settimeout(1)
            answered = d.sock.recv(1000)
        except (OSError, ValueError):
            pass
        tap.ok(not answered, "%d commands injected before TLS get no answer under it" % n, "%r %r" % (first, answered))
        d.close()


def main(ends=tuple(ENDS), dots=tuple(DOTS), commands=("DATA",), around=0):
    tap = harness.Tap()
    with harness.Lab() as lab:
        tap.case(test_product, tap, lab, *make_attempts(ends, dots, commands, around))
        tap.case(test_injection, tap, lab)
        lab.clean(tap)
    tap.end()
