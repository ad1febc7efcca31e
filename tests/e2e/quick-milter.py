#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Milters on libmilter filter mail of Relais, over a unix socket and over TCP: what they are told, refusals with their own
text, header edits that arrive, discard and quarantine, a body of many pieces; two in order; whose mail is filtered, how much
of a body and of a header is shown; and milters that are slow or dead."""
import datetime
import os
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import inbound

tap = harness.Tap()
HOME = tempfile.mkdtemp(prefix="relais-milter-")
NAMED = "127.0.0.3"  # the laboratory's DNS names what is sent from
HEADER = 256 * 1024  # that milters are shown
post = inbound.Post()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Milter:
    """A process of milters.py; `address` is as Relais has it."""

    def __init__(self, name, address):
        self.name, self.address, self.log = name, address, os.path.join(HOME, name + ".log")
        host, _, port = address.partition(":")
        theirs = address if host == "unix" else "inet:%s@%s" % (port, host)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "milters.py")
        self.process = subprocess.Popen([sys.executable, script, theirs, self.log, name])
        self.family = socket.AF_UNIX if host == "unix" else socket.AF_INET
        self.where = port if host == "unix" else (host, int(port))
        end = time.monotonic() + 20
        while not self.listens() and time.monotonic() < end:
            time.sleep(0.02)

    def listens(self):
        with socket.socket(self.family) as sock:
            return sock.connect_ex(self.where) == 0

    def lines(self, word):
        with open(self.log) as file:
            return [line.split() for line in file if line.split()[0] == word]

    def message(self, what):
        """The last message of that kind: size of the body, fields, queue id; None if it was shown none."""
        return next((line[2:] for line in reversed(self.lines("message")) if line[1] == what), None)

    def connections(self):
        return harness.sockets(self.process.pid) - 1  # it listens on one

    def kill(self):
        self.process.kill()
        self.process.wait()


def send(lab, what, data, recipient="x@in.sender.test", port=None, client="127.0.0.2"):
    """What the client was told instead of yes."""
    try:
        with smtplib.SMTP("127.0.0.1", port or lab.port, timeout=60, source_address=(client, 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.sendmail(what + "@other.test", [recipient], data)
    except smtplib.SMTPRecipientsRefused as error:
        return "%d %s" % tuple(part.decode() if isinstance(part, bytes) else part for part in error.recipients[recipient])
    except smtplib.SMTPResponseException as error:
        return "%d %s" % (error.smtp_code, error.smtp_error.decode())
    return None


def with_header(size):
    """A mail whose header, with the empty line behind it, has that many octets."""
    mail = post.message("ann@other.test")
    left = size - len(mail.partition(b"\r\n\r\n")[0]) - 4
    lines = []
    while left > 0:
        take = left if left <= 900 else min(900, left - 20)
        lines.append(b"X-Fill: " + b"a" * (take - 10) + b"\r\n")
        left -= take
    return b"".join(lines) + mail


def test_refusals(lab, first):
    mail = post.message("ann@other.test")
    tap.equal(send(lab, "spam", mail), "550 5.7.1 100% spam, says the milter", "refused with the milter's text")
    tap.equal(send(lab, "a", mail, "gone@in.sender.test"), "550 5.1.1 gone, says the milter", "a recipient likewise")
    tap.equal(send(lab, "later", mail)[:4], "451 ", "put off at MAIL")
    tap.equal(first.lines("connect")[0][1:], ["[127.0.0.2]", "127.0.0.2", "lab", "relais.test", "[127.0.0.2]", "[127.0.0.2]", "FAIL"],
              "it is told client, listener and host, and that the client has no name")
    tap.equal(first.lines("helo")[0][1], "client.test", "and the greeting")
    tap.equal(send(lab, "later", mail, client=NAMED)[:4], "451 ", "a client that has a name")
    tap.equal(first.lines("connect")[-1][1:], ["s1.sender.test", NAMED, "lab", "relais.test", "s1.sender.test", "s1.sender.test", "OK"],
              "is told with it, which leads back")


def test_edits(lab, first, second):
    mail = post.message("ann@other.test", "X-Gone: stays", "X-Gone: goes", "X-Mark: edited")
    tap.equal(send(lab, "edit", mail), None, "a mail that is edited is taken")
    found = lab.wait(lambda: next((found for _, found in lab.sunk() if b"X-Mark: edited" in found), None), 30, "delivery").replace(b"\r\n", b"\n")
    head = found.partition(b"\n\n")[0].split(b"\n")
    tap.equal([line for line in head if line.startswith(b"X-Added:")], [b"X-Added: first", b"X-Added: second"], "fields are added, in order")
    received = next(i for i, line in enumerate(head) if line.startswith(b"Received:"))
    tap.ok({b"X-Inserted: first", b"X-Inserted: second"} <= set(head[:received]), "or put above", found)
    tap.equal([line for line in head if line.startswith(b"Subject:")], [b"Subject: changed by second"], "of two changes the last one stays")
    tap.ok(b"X-Gone: stays" in head and b"X-Gone: goes" not in head, "the second of two is removed, once", found)
    tap.equal(second.message("edit")[1], "X-Gone,X-Gone,X-Mark,From,To,Date,Message-ID,Subject", "the second milter sees what came in")


def test_verdicts(lab, first):
    tap.equal(send(lab, "drop", post.message("ann@other.test", "X-Mark: dropped")), None, "what is discarded is taken")
    tap.equal(send(lab, "hold", post.message("ann@other.test", "X-Mark: held", "X-Odd: \x1b[31m")), None, "what is held is taken")
    lab.wait(lambda: "quarantined by milter" in lab.ctl("--json", "queue", "list").stdout, 30, "the message that is held")
    large = ("0123456789" * 7 + "\r\n") * 5000
    tap.equal(send(lab, "large", post.message("ann@other.test", "X-Mark: large", body=large)), None, "a large one is taken")
    lab.wait(lambda: any(b"X-Mark: large" in found for _, found in lab.sunk()), 30, "delivery")
    told = first.message("large")
    tap.equal(int(told[0]), len(large), "it was shown every octet of the body")
    tap.equal(told[1], "X-Mark,From,To,Date,Message-ID,Subject", "and every field")
    tap.equal(len(told[2]), 13, "and the queue id")
    tap.ok(not any(b"dropped" in found or b"X-Mark: held" in found for _, found in lab.sunk()), "neither of the others went out")
    test_quarantine(lab)


def test_quarantine(lab):
    """What is held can be looked at and goes out when it is released, unjudged; the rest is as it was."""
    def rows(*words):
        return lab.rows("quarantine", *words)

    held = rows("list")
    tap.equal([(row["reason"], row["recipients"]) for row in held], [("quarantined by milter", 1)], "the quarantine names the reason")
    left = datetime.datetime.fromisoformat(held[0]["until"].replace("Z", "+00:00")).timestamp() - time.time()
    tap.ok(29.9 * 86400 < left < 30 * 86400, "until when it is there", held)
    status = lab.status()
    tap.equal((status["queue.quarantined"], status["queue.held"]), (1, 1), "status counts it")
    tap.ok(0 <= status["queue.quarantined_oldest_s"] < 60, "and how long it is there", status)
    told = [event for event in lab.events() if event["type"] == "quarantined"]
    tap.equal([(event["queue_id"], event["reason"]) for event in told], [(held[0]["id"], "quarantined by milter")], "an event tells of it")
    tap.ok(held and held[0]["size"] > 100 and held[0]["age_s"] >= 0 and held[0]["sender"], "size, age and envelope", held)
    shown = lab.ctl("quarantine", "show", held[0]["id"]).stdout
    tap.ok("X-Mark: held" in shown and "\x1b" not in shown and "hello" not in shown, "its header is shown, without escapes", shown)
    tap.ok(len(rows("show", held[0]["id"], "--body")) > len(rows("show", held[0]["id"])), "and the body when asked for")
    lab.ctl("quarantine", "release", held[0]["id"])
    lab.wait(lambda: any(b"X-Mark: held" in found for _, found in lab.sunk()), 30, "the message that was released")
    lab.wait(lambda: rows("list") == [], 10, "an empty quarantine")
    send(lab, "hold", post.message("ann@other.test", "X-Mark: again"))
    lab.wait(lambda: rows("list"), 30, "another one")
    lab.ctl("quarantine", "delete", "--all")
    lab.wait(lambda: rows("list") == [], 10, "an empty quarantine")
    tap.ok(not any(b"X-Mark: again" in found for _, found in lab.sunk()), "what is deleted does not go out")


def test_many(lab, first, n):
    for _ in range(n):
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=("127.0.0.2", 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.mail("a@other.test")
    lab.wait(lambda: first.connections() == 0, 10, "the end of all connections")
    tap.ok(True, "%d sessions leave no connection" % n)


def test_header(lab, first):
    tap.equal(send(lab, "header", with_header(HEADER)), None, "a header of %d octets is shown" % HEADER)
    tap.equal(first.message("header")[1].count("X-Fill"), len(first.message("header")[1].split(",")) - 5, "with all its fields")
    tap.equal(send(lab, "header", with_header(HEADER + 1))[:4], "451 ", "a longer one is none that a milter can be asked about")


def test_lax(lab, second, port):
    """A listener whose milters are a dead one, which may be, and one that is shown little of a body."""
    large = ("0123456789" * 7 + "\r\n") * 5000
    tap.equal(send(lab, "lax", post.message("ann@other.test", body=large), port=port), None, "on_failure accept: mail is taken without a dead milter")
    tap.equal(int(second.message("lax")[0]), 1000, "max_body: the next one is shown that much")
    before = time.monotonic()
    tap.equal(send(lab, "slow", post.message("ann@other.test"), port=port), None, "and without one that is slow")
    took = time.monotonic() - before
    tap.ok(took < 2.9, "once its time is over", took)
    tap.equal(send(lab, "long", with_header(HEADER + 1), port=port), None, "and one that cannot be shown a header")
    tap.equal(second.message("long"), None, "which it was not")


def test_strict(lab, port):
    tap.equal(send(lab, "a", post.message("ann@other.test"), port=port)[:9], "554 5.3.0", "on_failure reject: refused for good")
    tap.equal(send(lab, "a", post.message("ann@sender.test"), client="127.0.0.1")[:9], "554 5.3.0", "of a tenant: its mail is asked about")


def test_dead(lab, first):
    first.kill()
    before = time.monotonic()
    said = send(lab, "a", post.message("ann@other.test"))
    tap.ok(said is not None and said[0] == "4" and time.monotonic() - before < 5, "a dead milter: try again later, at once", said)


def said_so(lab):
    """Ends the laboratory, whose log has each failure, and warns of nothing else."""
    lab.down()
    words = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "CRITICAL", "WARNING", "assertion", "blocking call")
    lines = [line for line in lab.last_log.splitlines() if any(word in line for word in words)]
    tap.ok(lines and all(": milter: milter " in line for line in lines), "the log tells of these milters alone", lab.last_log[-3000:])


def sections(first, second, lax, strict):
    """Three listeners; what is filtered on each, in this order."""
    dead = "127.0.0.1:%d" % free_port()
    filters = {
        "first": {"address": first.address, "listeners": "lab"},
        "second": {"address": second.address, "listeners": "lab"},
        "dead": {"address": dead, "listeners": "lax", "on_failure": "accept"},
        "short": {"address": second.address, "listeners": "lax", "on_failure": "accept", "max_body": "1000", "message_timeout": "1s"},
        "strict": {"address": dead, "listeners": "strict", "on_failure": "reject"},
        "tenant": {"address": dead, "tenants": "sender", "listeners": "lab", "on_failure": "reject"},
    }
    sets = ["limits.header_size=1M"]
    for name, port in (("lax", lax), ("strict", strict)):
        sets += ["listener.%s.address=127.0.0.1" % name, "listener.%s.port=%d" % (name, port)]
    sets += ["milter-filter.%s.%s=%s" % (name, key, value) for name, keys in filters.items() for key, value in keys.items()]
    return [word for text in sets for word in ("--set", text)]


def main():
    try:
        import Milter as _  # noqa: F401
    except ImportError:
        tap.skip("milter", "python3-milter is not installed")
        tap.end()
        return
    first = Milter("first", "unix:" + os.path.join(HOME, "socket"))
    second = Milter("second", "127.0.0.1:%d" % free_port())
    lax, strict = free_port(), free_port()
    try:
        with harness.Lab("--module", "milter", "--source", NAMED, *sections(first, second, lax, strict)) as lab:
            tap.case(test_refusals, lab, first)
            tap.case(test_edits, lab, first, second)
            tap.case(test_verdicts, lab, first)
            tap.case(test_many, lab, first, 50)
            lab.clean(tap)
        with harness.Lab("--module", "milter", *sections(first, second, lax, strict)) as lab:
            tap.case(test_header, lab, first)
            tap.case(test_lax, lab, second, lax)
            tap.case(test_strict, lab, strict)
            tap.case(test_dead, lab, first)
            said_so(lab)
    finally:
        first.kill()
        second.kill()
        subprocess.run(["rm", "-rf", HOME], check=False)
    tap.end()


main()
