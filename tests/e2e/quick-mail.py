#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail goes through: swaks and smtplib submit, Relais syncs, asks a real DNS server, signs with
dkim.so, delivers to a real SMTP server; dkimpy and opendkim verify the bytes that arrived."""
import email
import email.policy
import os
import re
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
HEAD = b"From: Ann <ann@sender.test>\r\nTo: bob@one.rcpt.test\r\nSubject: %s\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"


def submit(lab, body, head=b"", subject=b"body", port=None, raw=False):
    """Sends one message as raw bytes (dots doubled here) and returns the server's last reply."""
    d = Dialogue(port or lab.port)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<ann@sender.test>")
    d.ask("RCPT TO:<bob@one.rcpt.test>")
    answer = d.ask("DATA")
    if answer[0] != 354:
        return answer
    message = HEAD % subject + head + b"\r\n" + body
    d.send(re.sub(rb"(^|\r\n)\.", rb"\1..", message) + (b"" if message.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    answer = d.reply()
    d.close()
    return answer


def dkim_records(lab):
    text = open(os.path.join(lab.directory, "dkim", "s1.record")).read()
    return [("s1._domainkey.sender.test", "".join(re.findall(r'"([^"]*)"', text)))]


def verified(lab, message, name):
    verdicts = harness.verify_dkimpy(message, int(lab.facts["dns_port"]))
    tap.ok(verdicts and all(good for _, _, good in verdicts), name + ": dkimpy says pass", repr(verdicts))
    good, text = harness.verify_opendkim(message, dkim_records(lab), lab.directory)
    if good is None:
        tap.skip(name + ": opendkim", text)
    else:
        tap.ok(good, name + ": opendkim says pass", text)


def test_clients(lab):
    done = subprocess.run(["swaks", "--server", "127.0.0.1:%d" % lab.port, "--from", "ann@sender.test", "--to", "bob@one.rcpt.test",
                           "--header", "Subject: by swaks", "--body", "hello from swaks"], capture_output=True, text=True)
    tap.ok(done.returncode == 0, "swaks submits", done.stdout + done.stderr)
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
        client.ehlo("client.test")
        client.sendmail("ann@sender.test", ["bob@one.rcpt.test", "carl@two.rcpt.test"],
                        "From: ann@sender.test\nTo: bob@one.rcpt.test\nSubject: by smtplib\n\nhello\n..two dots\n.\n")
    sunk = lab.wait_sunk(3)
    tap.equal(sorted(r[0] for facts, _ in sunk for r in facts["recipients"]),
              ["bob@one.rcpt.test", "bob@one.rcpt.test", "carl@two.rcpt.test"], "every recipient has it once")
    for facts, data in sunk:
        subject = email.message_from_bytes(data, policy=email.policy.SMTP)["Subject"]
        verified(lab, data, "%s to %s" % (subject, facts["recipients"][0][0]))
        tap.ok(data.count(b"\r\nReceived: ") + data.startswith(b"Received: ") == 1, "one Received was added")
        tap.ok(b"\r\nmessage-id: <" in data.lower() and b"\r\ndate: " in data.lower(), "Date and Message-ID are there")
        tap.ok(facts["ehlo"] == "relais.test", "EHLO is our name", facts["ehlo"])


BODIES = [
    ("empty body", b""),
    ("only white space", b" \t \r\n\t\r\n   \r\n"),
    ("leading dots", b".\r\n..\r\n.hidden\r\n...three\r\nend.\r\n"),
    ("trailing blank lines", b"text\r\n\r\n\r\n\r\n"),
    ("no final newline", b"the last line has no end"),
    ("long lines", b"x" * 990 + b"\r\n" + b"y" * 998 + b"\r\n"),
    ("white space at line ends", b"a  \t\r\nb \r\n \r\n"),
    ("8bit", "Content déjà vu\r\n".encode()),
]


def test_bodies(lab):
    have = len(lab.sunk())
    for name, body in BODIES:
        head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" if name == "8bit" else b""
        answer = submit(lab, body, head, name.encode())
        tap.ok(answer and answer[0] == 250, name + ": accepted", repr(answer))
    found = {}
    for facts, data in lab.wait_sunk(have + len(BODIES))[have:]:
        found[email.message_from_bytes(data)["Subject"]] = facts, data
    for name, body in BODIES:
        facts, data = found[name]
        wanted = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
        tap.equal(data.partition(b"\r\n\r\n")[2], wanted, name + ": arrived as it was")
        tap.ok(not facts["bare_newline"] and not facts["undoubled_dot"], name + ": clean on the wire")
        verified(lab, data, name)


def decoded(data):
    return email.message_from_bytes(data, policy=email.policy.SMTP).get_payload(decode=True)


def test_transport(lab):
    """What has to change on the way: long lines, long headers, a peer without 8BITMIME."""
    have = len(lab.sunk())
    line = (b"0123456789abcdef" * 65536)[: 1 << 20]
    mime = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"
    answer = submit(lab, line + b"\r\nend\r\n", mime, b"a line of 1 MiB")
    tap.ok(answer and answer[0] == 250, "1 MiB line: accepted", repr(answer))
    facts, data = lab.wait_sunk(have + 1)[have]
    tap.ok(max(map(len, data.split(b"\r\n"))) <= 998, "1 MiB line: no line over 998 leaves")
    tap.ok(b"quoted-printable" in data.lower(), "1 MiB line: sent as quoted-printable")
    tap.equal(decoded(data), line + b"\r\nend\r\n", "1 MiB line: the same text after decoding")
    verified(lab, data, "1 MiB line")

    references = b"References: " + b" ".join(b"<%040d@sender.test>" % i for i in range(21)) + b"\r\n"
    tap.ok(len(references) > 1100, "the References field is long")
    submit(lab, b"text\r\n", references, b"long references")
    facts, data = lab.wait_sunk(have + 2)[have + 1]
    tap.ok(max(map(len, data.split(b"\r\n"))) <= 998, "1200-octet References: folded")
    ids = re.findall(r"<\d+@sender.test>", email.message_from_bytes(data)["References"])
    tap.equal(len(ids), 21, "1200-octet References: nothing is missing")
    verified(lab, data, "1200-octet References")

    lab.script("caps -8bitmime\n")
    lab.wait(lambda: lab.status()["queue.connections"] == 0, 20, "idle connections, which knew 8BITMIME, to end")
    mime = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    submit(lab, "d\u00e9j\u00e0 vu\r\n".encode(), mime, b"no 8bitmime")
    facts, data = lab.wait_sunk(have + 3)[have + 2]
    lab.script("")
    tap.ok(all(octet < 128 for octet in data), "peer without 8BITMIME: 7bit leaves")
    tap.equal(decoded(data), "d\u00e9j\u00e0 vu\r\n".encode(), "peer without 8BITMIME: the same text after decoding")
    verified(lab, data, "peer without 8BITMIME")


def test_bare_newlines(lab):
    answer = submit(lab, b"one\ntwo\rthree\r\n", subject=b"mixed")
    tap.ok(answer is None or answer[0] == 550, "bare newlines are refused by default", repr(answer))
    with harness.Lab("--module", "dkim", "--set", "listener.bare_newline=normalize") as other:
        answer = submit(other, b"one\ntwo\rthree\r\nfour\n\r\n", subject=b"mixed")
        tap.ok(answer and answer[0] == 250, "bare newlines are accepted where normalized", repr(answer))
        facts, data = other.wait_sunk(1)[0]
        tap.equal(data.partition(b"\r\n\r\n")[2], b"one\r\ntwo\r\nthree\r\nfour\r\n\r\n", "and leave as line ends")
        tap.ok(not facts["bare_newline"], "nothing bare on the wire")
        verified(other, data, "normalized newlines")


def test_events(lab):
    events = lab.wait(lambda: [e for e in lab.events() if e["type"] == "delivered"], 10, "delivered events")
    tap.ok(all(e.get("code") == 250 for e in events), "delivered events carry the reply's code", events[:1])
    queue_id = events[0]["id"].split("-")[0]
    tap.ok("delivered" in lab.ctl("why", queue_id).stdout, "why tells the story of a delivered message")
    tap.ok("accepted" in lab.ctl("why", queue_id).stdout, "with its acceptance")
    rows = lab.rows("why", queue_id)
    tap.equal([row["time"] for row in rows if row["event"] == "delivered"], [e["time"] for e in events if e["queue_id"] == queue_id],
              "why --json gives rows, and times as the event log has them")
    done = lab.ctl("module", "list")
    tap.ok("dkim" in done.stdout and done.stderr == "", "module list knows the daemon's modules and complains of nothing", done.stderr)
    tap.equal(lab.status()["queue.deliveries"], 0, "the queue is empty in the end")


def test_tls_out(lab):
    """STARTTLS towards the next server: used when offered, required where a rule says so."""
    have = len(lab.sunk())
    lab.wait(lambda: lab.status()["queue.connections"] == 0, 20, "idle connections in clear to end")
    lab.script("tls %s %s\n" % (lab.facts["certificate"], os.path.join(lab.directory, "key.pem")))
    submit(lab, b"secret\r\n", subject=b"over TLS")
    facts, data = lab.wait_sunk(have + 1)[have]
    tap.ok((facts["tls"] or "").startswith("TLSv1."), "STARTTLS is used when offered", repr(facts["tls"]))
    event = lab.wait(lambda: [e for e in lab.events() if e["type"] == "delivered" and e.get("tls_version")], 10, "the event")[-1]
    tap.ok(event["tls_version"].startswith("TLSv1."), "and the event says which", event)
    lab.script("")
    with harness.Lab("--set", "queue.tls=require") as other:
        submit(other, b"secret\r\n", subject=b"never in clear")
        other.wait(lambda: [e for e in other.events() if e["type"] == "deferred"], 30, "the deferral")
        tap.ok(not other.sunk(), "nothing leaves in clear where TLS is required")


def test_no_key():
    """A tenant whose domain has no key: its mail waits, it does not go unsigned."""
    with harness.Lab("--module", "dkim", "--set", "tenant.sender.domains=sender.test, keyless.test") as lab:
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
            client.sendmail("x@keyless.test", ["bob@one.rcpt.test"], "From: x@keyless.test\n\nunsigned?\n")
        event = lab.wait(lambda: [e for e in lab.events() if e["type"] == "deferred"], 30, "the deferral")[0]
        tap.ok("keyless.test" in event["reply"], "without a usable key mail is deferred, and the reply says why", event)
        tap.ok(not lab.sunk(), "and does not go unsigned")


def test_inbound(lab):
    have = len(lab.sunk())
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO foreign.example")
    tap.equal(d.ask("MAIL FROM:<anyone@foreign.example>")[0], 250, "any sender for inbound mail")
    tap.equal(d.ask("RCPT TO:<x@in.sender.test>")[0], 250, "a recipient of our own domain with a route")
    d.ask("DATA")
    d.send("From: anyone@foreign.example\r\n\r\nin\r\n.\r\n")
    tap.equal(d.reply()[0], 250, "inbound mail is accepted")
    d.close()
    facts, data = lab.wait_sunk(have + 1)[have]
    tap.equal(facts["recipients"][0][0], "x@in.sender.test", "and goes its route")
    tap.ok(b"DKIM-Signature" not in data, "unsigned, for it is nobody's here")


with harness.Lab("--module", "dkim") as lab:
    for test in (test_clients, test_bodies, test_transport, test_bare_newlines, test_inbound, test_tls_out, test_events):
        tap.case(test, lab)
    gap = lab.status()["loop.longest_gap_us"]
    tap.note("longest gap of the loop: %.1f ms" % (gap / 1000))
    lab.clean(tap)
tap.case(test_no_key)
tap.end()
