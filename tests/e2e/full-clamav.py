#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""clamav-milter and clamd, as they are, are a milter of Relais: what has a signature of our own data base is refused with
its name, or held, however it is wrapped; the rest has their fields; hundreds of sessions leave no connection."""
import base64
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import filters
import harness
import inbound

tap = harness.Tap()
post = inbound.Post()
CLIENT = "127.0.0.2"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CLAMD = "LogFile %(home)s/clamd.log\nDatabaseDirectory %(home)s/db\nLocalSocket %(home)s/clamd\nTemporaryDirectory %(home)s\nForeground yes\n"
MILTER = ("LogFile %(home)s/%(name)s.log\nMilterSocket unix:%(home)s/%(name)s\nClamdSocket unix:%(home)s/clamd\nTemporaryDirectory %(home)s\n"
          "MaxFileSize 50M\nForeground yes\nAddHeader Replace\nOnInfected %(action)s\n%(more)s")


def start(scanner):
    scanner.write("db/ours.hdb", "44d88612fea8a8f36de82e1278abb02f:68:Ours.Eicar\n")  # of EICAR
    scanner.write("db/ours.ndb", "Ours.Words:0:*:%s\n" % b"the words of ours".hex())
    scanner.start("usr/sbin/clamd", "-c", scanner.write("clamd.conf", CLAMD % {"home": scanner.home}), ready="clamd")
    for name, action, more in (("reject", "Reject", "RejectMsg Found %v\n"), ("hold", "Quarantine", "")):
        conf = scanner.write(name + ".conf", MILTER % {"home": scanner.home, "name": name, "action": action, "more": more})
        process = scanner.start("usr/sbin/clamav-milter", "-c", conf, ready=name)
        if name == "reject":
            first = process
    return first


def send(lab, data, port=None):
    """What the client was told instead of yes."""
    try:
        with smtplib.SMTP("127.0.0.1", port or lab.port, timeout=120, source_address=(CLIENT, 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.sendmail("ann@other.test", ["x@in.sender.test"], data)
    except smtplib.SMTPResponseException as error:
        return "%d %s" % (error.smtp_code, error.smtp_error.decode())
    return None


def attached():
    """A message with EICAR in base64."""
    return post.message("ann@other.test", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b",
                        body="--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--b\r\nContent-Type: application/octet-stream; name=e.com\r\n"
                        "Content-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n" % base64.b64encode(EICAR).decode())


def test_clean(lab):
    for body in ("Hello.\r\n", "line with some words in it\r\n" * 400000):
        message = post.message("ann@other.test", "X-Virus-Status: Clean, said by somebody else", body=body)
        tap.equal(send(lab, message), None, "a clean mail of %d octets is taken" % len(body))
        found = inbound.arrived(lab, message)
        tap.equal(filters.header(found, "X-Virus-Status"), ["Clean"], "with their status, not the one it came with")
        tap.equal([line.startswith("clamav-milter") for line in filters.header(found, "X-Virus-Scanned")], [True], "and their name")


def test_infected(lab):
    tap.equal(send(lab, attached()), "550 5.7.1 Found Ours.Eicar.UNOFFICIAL", "an attachment is refused, with the name of the signature")
    body = "line with some words in it\r\n" * 100000 + "here are the words of ours\r\n"
    tap.equal(send(lab, post.message("ann@other.test", body=body)), "550 5.7.1 Found Ours.Words.UNOFFICIAL", "and words in the last of %d octets" % len(body))


def test_held(lab, port):
    tap.equal(send(lab, attached(), port), None, "where it is to be held it is taken")
    lab.wait(lambda: "quarantined by milter" in lab.ctl("--json", "queue", "list").stdout, 30, "the message that is held")
    tap.equal(lab.sunk()[2:], [], "and does not go out")


def test_many(lab, process, n, before):
    for _ in range(n):
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=(CLIENT, 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.mail("a@other.test")
            smtp.rcpt("x@in.sender.test")
    lab.wait(lambda: harness.sockets(process.pid) <= before, 30, "the end of all connections")
    tap.ok(True, "%d sessions leave no connection" % n)


def test_dead(lab, scanner):
    """A milter whose scanner is gone says so by itself."""
    scanner.processes[0].kill()
    scanner.processes[0].wait()
    tap.equal((send(lab, post.message("ann@other.test")) or "none")[:4], "451 ", "without clamd: try again later")


def main():
    filters.need(tap, "usr/sbin/clamd", "usr/sbin/clamav-milter")
    with filters.Filters() as scanner:
        process = start(scanner)
        port = harness.laboratory.free_port()
        with harness.Lab("--module", "milter", "--set", "milter-filter.reject.address=unix:" + scanner.path("reject"),
                         "--set", "milter-filter.reject.listeners=lab", "--set", "milter-filter.hold.address=unix:" + scanner.path("hold"),
                         "--set", "milter-filter.hold.listeners=held", "--set", "listener.held.address=127.0.0.1", "--set", "listener.held.port=%d" % port) as lab:
            before = harness.sockets(process.pid)
            tap.case(test_clean, lab)
            tap.case(test_infected, lab)
            tap.case(test_held, lab, port)
            tap.case(test_many, lab, process, 300, before)
            tap.case(test_dead, lab, scanner)
            if tap.bad:
                tap.note((scanner.read("clamd.log") + scanner.read("reject.log"))[-3000:])
            lab.clean(tap)
    tap.end()


main()
