#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload changes where mail goes: what is queued follows at once, what is being sent is sent, nothing is lost or sent
twice; a configuration that cannot be loaded changes nothing."""
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory
from harness import Dialogue
from tls_policy import Server

tap = harness.Tap()
FLIPS = 20
PROMPT = 10  # seconds, where the retry that was planned is an hour away


class Hop(Server):
    """A next hop without TLS: takes what it is sent, says what it is told at RCPT, holds the end of data while it is told."""

    def __init__(self, port):
        self.rcpt, self.free = "250 2.1.5 fine", threading.Event()
        self.free.set()
        self.subjects, self.held, self.open_now = [], 0, 0
        super().__init__("127.0.0.1", port)

    def serve(self, connection):
        self.open_now += 1
        try:
            self.talk(connection, connection.makefile("rb"))
        finally:
            self.open_now -= 1

    def talk(self, connection, file):
        data = None
        connection.sendall(b"220 ready\r\n")
        for line in iter(file.readline, b""):
            word, answer = line.strip().upper(), "250 2.0.0 fine"
            if data is not None:
                data += line
                if word != b".":
                    continue
                if not self.free.is_set():
                    self.held += 1
                    self.free.wait(20)
                    self.held -= 1
                self.subjects.append(re.search(rb"Subject: (\S+)", data).group(1).decode())
                data = None
            elif word.startswith(b"RCPT"):
                answer = self.rcpt
            elif word == b"DATA":
                data, answer = b"", "354 go"
            connection.sendall(answer.encode() + b"\r\n")


def write(lab, text):
    """The administrator's file, read after the laboratory's own."""
    path = os.path.join(lab.facts["conf_dir"], "z-admin.conf")
    with open(path + ".tmp", "w") as file:
        file.write(text)
    os.rename(path + ".tmp", path)


def reload(lab, text):
    write(lab, text)
    return {(row["section"], row["key"]): row["result"] for row in lab.rows("reload") if "result" in row}


def refused(lab, text):
    write(lab, text)
    done = lab.ctl("--json", "reload", check=False)
    return done.returncode, done.stdout


def route(hop, more=""):
    return "[route hop]\nhost = 127.0.0.1\nport = %d\ntls = none\ndomains = example.test\nconnections = 4\n%s" % (hop.port, more)


def send(lab, subject):
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<ann@sender.test>")
    d.ask("RCPT TO:<x@example.test>")
    d.ask("DATA")
    d.send("From: <ann@sender.test>\r\nSubject: %s\r\n\r\nx\r\n.\r\n" % subject)
    answer = d.reply()
    d.close()
    if answer is None or answer[0] != 250:
        raise RuntimeError("not taken: %r" % (answer,))


def deferred(lab):
    return [event for event in lab.events() if event["type"] == "deferred"]


def test_queued(lab, a, b):
    tap.equal(reload(lab, route(a)), {("[route hop]", None): "applied"}, "a route comes with a reload")
    a.rcpt = "450 4.2.0 later"
    for n in range(3):
        send(lab, "queued%d" % n)
    lab.wait(lambda: len(deferred(lab)) == 3, 20, "three outcomes at the first hop")
    a.rcpt = "250 2.1.5 fine"
    a.free.clear()
    send(lab, "under-way")
    lab.wait(lambda: a.held == 1, 20, "a message at the first hop")
    begin = time.time()
    tap.equal(reload(lab, route(b)), {("[route hop]", "port"): "applied"}, "it is changed")
    lab.wait(lambda: len(b.subjects) == 3, PROMPT, "what was queued at the second hop")
    tap.ok(True, "what waited for an hour comes to the new next hop in %.1f s" % (time.time() - begin))
    tap.equal((a.held, a.subjects), (1, []), "what is being sent is not disturbed")
    a.free.set()
    lab.wait(lambda: lab.status()["queue.messages"] == 0, 20, "an empty queue")
    tap.equal((a.subjects, sorted(b.subjects)), (["under-way"], ["queued0", "queued1", "queued2"]), "it ends where it began, once each")
    lab.wait(lambda: a.open_now == 0, 1.5, "no connection to the old next hop")
    send(lab, "new")
    lab.wait(lambda: len(b.subjects) == 4, PROMPT, "new mail at the second hop")
    tap.equal(len(a.subjects), 1, "new mail goes the new way, and the old connection carries none")


def test_flips(lab, a, b):
    """To and fro under load: each message once, at whichever next hop."""
    wanted = ["flip%d" % n for n in range(FLIPS * 3)]
    sender = threading.Thread(target=lambda: [send(lab, subject) for subject in wanted])
    sender.start()
    for n in range(FLIPS):
        reload(lab, route((a, b)[n % 2]))
    sender.join()
    lab.wait(lambda: lab.status()["queue.messages"] == 0, 20, "an empty queue")
    found = [subject for hop in (a, b) for subject in hop.subjects if subject.startswith("flip")]
    tap.equal(sorted(found), sorted(wanted), "%d changes under load lose nothing and send nothing twice" % FLIPS)
    reload(lab, route(b))


def test_refused(lab, a, b):
    broken = os.path.join(lab.directory, "broken.pem")
    with open(broken, "w") as file:
        file.write("no certificate\n")
    code, text = refused(lab, route(a, "tls_certificate = %s\ntls_key = %s\n" % (broken, broken)))
    tap.ok(code == 1 and "z-admin.conf:7" in text and "broken.pem" in text, "a client certificate that cannot be loaded refuses all", text)
    code, text = refused(lab, route(a, "auth_file = %s\n" % os.path.join(lab.directory, "nothing")))
    tap.ok(code == 1 and "z-admin.conf:7" in text and "nothing" in text, "so does a file of credentials", text)
    code, text = refused(lab, route(a) + "[domain own.test]\ninbound = nowhere\n")
    tap.ok(code == 1 and "nowhere" in text, "and an inbound route that is not there", text)
    send(lab, "still")
    lab.wait(lambda: b.subjects[-1] == "still", PROMPT, "mail at the second hop")
    tap.ok("still" not in a.subjects, "the old routing is in force")


def test_tls(lab, b):
    tap.equal(reload(lab, route(b).replace("tls = none", "tls = require")), {("[route hop]", "tls"): "applied"}, "TLS is asked for")
    n = len(deferred(lab))
    send(lab, "secret")
    event = lab.wait(lambda: deferred(lab)[n:], 20, "an outcome")[0]
    tap.ok(event["enhanced"] == "4.7.5" and "secret" not in b.subjects, "and mail does not go without any more", event)
    reload(lab, route(b))
    lab.wait(lambda: b.subjects[-1] == "secret", PROMPT, "the message")
    tap.ok(True, "it goes when that is taken back")


def rcpt(lab, recipient):
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<someone@elsewhere.test>")
    code = d.ask("RCPT TO:<%s>" % recipient)[0]
    d.close()
    return code


def test_inbound(lab, b):
    strangers = "[listener lab]\ntrusted_nets = 192.0.2.0/24\n" + route(b)
    reload(lab, strangers)
    tap.equal(rcpt(lab, "x@own.test"), 550, "a stranger may not send to a domain that is not ours")
    tap.equal(reload(lab, strangers + "[domain own.test]\ninbound = hop\n"), {("[domain own.test]", None): "applied"}, "it becomes ours")
    tap.equal(rcpt(lab, "x@own.test"), 250, "now he may")
    reload(lab, strangers)
    tap.equal(rcpt(lab, "x@own.test"), 550, "and not any more when it goes")


def test_restart(lab, b):
    rows = reload(lab, route(b) + "[queue]\nsmtp_port = 7\n[source new]\nhelo = new.test\n")
    tap.equal({key: rows[key] for key in (("[queue]", "smtp_port"), ("[source new]", None))},
              {("[queue]", "smtp_port"): "needs a restart", ("[source new]", None): "needs a restart"}, "what still needs a restart says so")
    lab.wait(lambda: lab.status()["queue.messages"] == 0, 20, "an empty queue")
    lab.clean(tap, "relais-WARNING")  # of what was refused above


with harness.Lab("--set", "class.transactional.retry=1h", "--set", "queue.sleep_first=1h") as lab:
    hops = [Hop(laboratory.free_port()) for _ in range(2)]
    for hop in hops:
        hop.port = hop.socket.getsockname()[1]
    tap.case(test_queued, lab, *hops)
    tap.case(test_flips, lab, *hops)
    tap.case(test_refused, lab, *hops)
    tap.case(test_tls, lab, hops[1])
    tap.case(test_inbound, lab, hops[1])
    tap.case(test_restart, lab, hops[1])
    for hop in hops:
        hop.stop()
tap.end()
