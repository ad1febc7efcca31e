#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A milter on libmilter filters mail of Relais: what it is told, refusals with its own text, header edits that arrive,
discard and quarantine, a body of many pieces, connections that are used again; and one that is dead."""
import os
import smtplib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import inbound

tap = harness.Tap()
HOME = tempfile.mkdtemp(prefix="relais-milter-")
SOCKET = os.path.join(HOME, "socket")
LOG = os.path.join(HOME, "log")
post = inbound.Post()


def start():
    process = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milters.py"), "unix:" + SOCKET, LOG])
    end = time.time() + 20
    while not os.path.exists(SOCKET) and time.time() < end:
        time.sleep(0.05)
    os.chmod(SOCKET, 0o666)
    return process


def lines(word):
    with open(LOG) as file:
        return [line.split() for line in file if line.split()[0] == word]


def send(lab, what, data, recipient="x@in.sender.test"):
    """What the client was told instead of yes."""
    try:
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=("127.0.0.2", 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.sendmail(what + "@other.test", [recipient], data)
    except smtplib.SMTPRecipientsRefused as error:
        return "%d %s" % tuple(part.decode() if isinstance(part, bytes) else part for part in error.recipients[recipient])
    except smtplib.SMTPResponseException as error:
        return "%d %s" % (error.smtp_code, error.smtp_error.decode())
    return None


def test_refusals(lab):
    mail = post.message("ann@other.test")
    tap.equal(send(lab, "spam", mail), "550 5.7.1 100% spam, says the milter", "refused with the milter's text")
    tap.equal(send(lab, "a", mail, "gone@in.sender.test"), "550 5.1.1 gone, says the milter", "a recipient likewise")
    tap.equal(send(lab, "later", mail)[:4], "451 ", "put off at MAIL")
    tap.equal(lines("connect")[0][1:], ["[127.0.0.2]", "127.0.0.2", "lab", "relais.test"], "it is told client, listener and host")
    tap.equal(lines("helo")[0][1], "client.test", "and the greeting")


def test_edits(lab):
    mail = post.message("ann@other.test", "X-Gone: stays", "X-Gone: goes", "X-Mark: edited")
    tap.equal(send(lab, "edit", mail), None, "a mail that is edited is taken")
    found = lab.wait(lambda: next((found for _, found in lab.sunk() if b"X-Mark: edited" in found), None), 30, "delivery").replace(b"\r\n", b"\n")
    head = found.partition(b"\n\n")[0].split(b"\n")
    tap.ok(head.count(b"X-Added: yes") == 1, "a field is added", found)
    tap.ok(head.index(b"X-Inserted: first") < next(i for i, line in enumerate(head) if line.startswith(b"Received:")), "one is put above", found)
    tap.ok(b"Subject: changed" in head and sum(line.startswith(b"Subject:") for line in head) == 1, "one is changed", found)
    tap.ok(b"X-Gone: stays" in head and b"X-Gone: goes" not in head, "the second of two is removed", found)


def test_verdicts(lab):
    tap.equal(send(lab, "drop", post.message("ann@other.test", "X-Mark: dropped")), None, "what is discarded is taken")
    tap.equal(send(lab, "hold", post.message("ann@other.test", "X-Mark: held")), None, "what is held is taken")
    lab.wait(lambda: "quarantined by milter" in lab.ctl("--json", "queue", "list").stdout, 30, "the message that is held")
    large = ("0123456789" * 7 + "\r\n") * 5000
    tap.equal(send(lab, "large", post.message("ann@other.test", "X-Mark: large", body=large)), None, "a large one is taken")
    lab.wait(lambda: any(b"X-Mark: large" in found for _, found in lab.sunk()), 30, "delivery")
    told = [line for line in lines("message") if line[1] == "large"][0]
    tap.equal(int(told[2]), len(large), "it was shown every octet of the body")
    tap.equal(told[3], "X-Mark,From,To,Date,Message-ID,Subject", "and every field")
    tap.equal(len(told[4]), 13, "and the queue id")
    tap.ok(not any(b"dropped" in found or b"X-Mark: held" in found for _, found in lab.sunk()), "neither of the others went out")


def connections(process):
    """Sockets of the milter: of sessions, and the one that it listens on."""
    directory = "/proc/%d/fd" % process.pid
    return sum(os.readlink(os.path.join(directory, name)).startswith("socket:") for name in os.listdir(directory))


def test_reuse(lab, process, n):
    for _ in range(n):
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=("127.0.0.2", 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.mail("a@other.test")
    found = connections(process)
    tap.ok(found <= 5, "%d sessions leave no more than the kept connections" % n, found)


def test_dead(lab, process):
    process.kill()
    process.wait()
    before = time.monotonic()
    said = send(lab, "a", post.message("ann@other.test"))
    tap.ok(said is not None and said[0] == "4" and time.monotonic() - before < 5, "a dead milter: try again later, at once", said)


def main():
    try:
        import Milter  # noqa: F401
    except ImportError:
        tap.skip("milter", "python3-milter is not installed")
        tap.end()
        return
    process = start()
    try:
        with harness.Lab("--module", "milter", "--set", "milter-filter.test.address=unix:" + SOCKET) as lab:
            tap.case(test_refusals, lab)
            tap.case(test_edits, lab)
            tap.case(test_verdicts, lab)
            tap.case(test_reuse, lab, process, int(os.environ.get("RELAIS_MILTER_SESSIONS", "50")))
            tap.case(test_dead, lab, process)
    finally:
        process.kill()
        subprocess.run(["rm", "-rf", HOME], check=False)
    tap.end()


main()
