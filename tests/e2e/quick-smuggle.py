#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP smuggling through the running daemon: every three-part string around a dot that is not the end
of data, in clear and under TLS, whole and cut at every place; nothing of what hides behind it may
become a message, and nothing bare may leave."""
import itertools
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
ENDS = [b"\r", b"\n", b"\r\n", b"\0", b"\r\r", b""]
SMUGGLED = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<smuggled@one.rcpt.test>\r\nDATA\r\nFrom: <evil@sender.test>\r\n\r\nsmuggled\r\n.\r\n"


def pieces(data, how):
    if how == "whole":
        return [data]
    if how == "bytes":
        return [data[i : i + 1] for i in range(len(data))]
    return [data[:how], data[how:]]


def attempt(lab, sequence, how, tls):
    """One session; returns the replies after 354 until the end, QUIT's included."""
    d = Dialogue(lab.port, timeout=10)
    d.reply()
    d.ask("EHLO client.test")
    if tls:
        d.starttls()
        d.ask("EHLO client.test")
    for line in ("MAIL FROM:<ann@sender.test>", "RCPT TO:<victim@one.rcpt.test>", "DATA"):
        answer = d.ask(line)
    assert answer[0] == 354, answer
    try:
        d.send(b"From: <ann@sender.test>\r\nSubject: outer\r\n\r\nbody")
        for piece in pieces(sequence, how):
            d.send(piece)
        d.send(SMUGGLED + b"\r\n.\r\nQUIT\r\n")
    except OSError:
        pass
    replies = []
    while len(replies) < 12:
        answer = d.reply()
        if answer is None:
            break
        replies.append(answer[0])
        if answer[0] == 221:
            break
    d.close()
    return replies


def run(lab, tls):
    cases = []
    for before, after in itertools.product(ENDS, ENDS):
        sequence = before + b"." + after
        ways = ["whole", "bytes"] + list(range(1, len(sequence)))
        cases.extend((sequence, way) for way in ways)
    failures, lock = [], threading.Lock()

    def worker(share):
        for sequence, how in share:
            replies = attempt(lab, sequence, how, tls)
            legal = sequence == b"\r\n.\r\n"
            bare = any(x in sequence.replace(b"\r\n", b"") for x in (b"\r", b"\n"))
            accepted = replies.count(250)
            if legal:
                good = accepted >= 2  # ended legally: what follows is an ordinary second message
            elif bare:
                good = accepted == 0
            else:
                good = accepted <= 1 and not any(r == 354 for r in replies)
            if not good:
                with lock:
                    failures.append((sequence, how, replies))

    threads = [threading.Thread(target=worker, args=(cases[i::8],)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    tap.ok(not failures, "%d framings %s: none ends data but CRLF.CRLF" % (len(cases), "under TLS" if tls else "in clear"), failures[:10])
    return sum(1 for sequence, _ in cases if sequence == b"\r\n.\r\n")


def test_injection(lab):
    """Commands sent in clear behind STARTTLS are never answered (RFC 3207 section 4.2)."""
    for n in range(1, 5):
        d = Dialogue(lab.port, timeout=5)
        d.reply()
        d.ask("EHLO client.test")
        d.send("STARTTLS\r\n" + "NOOP\r\n" * n)
        first = d.reply()
        answered = []
        try:
            import ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            d.sock = context.wrap_socket(d.sock)
            d.sock.settimeout(1)
            answered = d.sock.recv(1000)
        except (OSError, ValueError):
            pass
        tap.ok(not answered, "%d commands injected before TLS get no answer under it" % n, "%r %r" % (first, answered))
        d.close()


with harness.Lab() as lab:
    legal = run(lab, False) + run(lab, True)
    tap.case(test_injection, lab)
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 60, "empty queue")
    sunk = lab.sunk()
    smuggled = [f for f, data in sunk if any(r[0].startswith("smuggled") for r in f["recipients"])]
    tap.equal(len(smuggled), legal, "messages behind an illegal end: none (the %d behind the legal one are ordinary)" % legal)
    tap.ok(not any(f["bare_newline"] or f["undoubled_dot"] for f, _ in sunk), "no bare CR or LF and no undoubled dot left")
    lab.clean(tap)
tap.end()
