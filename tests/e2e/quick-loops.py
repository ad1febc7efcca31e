#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that comes back ends, and never becomes more: two Relais that send each other everything, a domain whose servers are
our own addresses, an answering machine at the other end of a VERP address. In a network of its own, where this
machine has addresses that the world could have."""
import collections
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile

if "RELAIS_APART" not in os.environ:
    os.execvpe("unshare", ["unshare", "-n", "/usr/bin/python3", os.path.abspath(__file__)] + sys.argv[1:], dict(os.environ, RELAIS_APART="1"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()
HOPS = 50
OWN = ["93.184.216.34", "2606:2800:220:1::34"]
ZONE = """own MX 10 us.own
us.own A 93.184.216.34
us6.own AAAA 2606:2800:220:1::34
six.own MX 10 us6.own
implicit.own A 93.184.216.34
back MX 10 relais.test.
"""


def apart():
    ip = shutil.which("ip") or "/usr/sbin/ip"
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)
    for address in OWN:
        subprocess.run([ip, "addr", "add", address + ("/128" if ":" in address else "/32"), "dev", "lo"] + (["nodad"] if ":" in address else []), check=True)


def send(port, recipient, sender="ann@sender.test", head="", address="127.0.0.1"):
    with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=(address, 0)) as smtp:
        smtp.sendmail(sender, [recipient], head + "From: %s\r\nTo: %s\r\nSubject: round\r\nMessage-ID: <%s>\r\n\r\nx\r\n" % (sender or "a@far.test", recipient, recipient))


def settled(*labs):
    """Nothing waits anywhere, and nothing is on its way between them."""
    def look():
        return all(lab.status()["queue.deliveries"] == 0 and lab.status()["smtp.sessions"] == 0 for lab in labs)
    labs[0].wait(lambda: look() and look(), 60, "the end of all mail")


def accepted(lab):
    """What a daemon took or made: (Message-ID, whether from <>) -> how often."""
    return collections.Counter((event.get("message_id"), event["sender"] == "") for event in lab.events() if event["type"] == "accepted")


def test_received():
    with harness.Lab() as lab:
        for n, wanted in ((HOPS, 250), (HOPS + 1, 554), (300, 554)):
            d = harness.Dialogue(lab.port)
            d.reply()
            for line in ("EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<x@one.rcpt.test>", "DATA"):
                d.ask(line)
            answer = d.ask("Received: by x.test; Tue, 24 Nov 2026 00:00:00 +0000\r\n" * n + "From: ann@sender.test\r\n\r\nx\r\n.")
            tap.ok(answer[0] == wanted and ("5.4.6" in answer[1]) == (wanted == 554), "a message that came over %d hosts: %d" % (n, wanted), answer)
            d.close()


def test_pair():
    ports = [laboratory.free_port(), laboratory.free_port()]
    with harness.Lab("--smtp-port", str(ports[0]), "--next-hop", "127.0.0.1:%d" % ports[1]) as one:
        with harness.Lab("--smtp-port", str(ports[1]), "--next-hop", "127.0.0.1:%d" % ports[0]) as two:
            for i in range(3):
                send(one.port, "x%d@round.test" % i)
            one.wait(lambda: any(event["type"] == "bounced" for lab in (one, two) for event in lab.events()), 60, "the first that is returned")
            settled(one, two)
            one.wait(lambda: sum(event["type"] == "bounced" for lab in (one, two) for event in lab.events()) == 6, 10, "the last lines")
            turns = accepted(one) + accepted(two)
            mail = {key: n for key, n in turns.items() if not key[1]}
            tap.equal(mail, {("<x%d@round.test>" % i, False): HOPS + 1 for i in range(3)}, "each message is taken %d times in all, and then no more" % (HOPS + 1))
            made = sum(event["type"] == "accepted" and "report_of" in event for lab in (one, two) for event in lab.events())
            tap.equal(made, 3, "one report is made of each, and none of what became of the report")
            tap.ok(3 <= sum(n for key, n in turns.items() if key[1]) <= 3 * (HOPS + 1), "which ends like any other mail", turns)
            tap.equal([lab.rows("queue", "list") for lab in (one, two)], [[], []], "nothing is left")


def own_lab(directory, *more):
    path = os.path.join(directory, "zone")
    with open(path, "w") as file:
        file.write(ZONE)
    port = str(laboratory.free_port())
    return harness.Lab("--smtp-port", port, "--zone", path, "--set", "listener.lab.address=0.0.0.0", "--set", "queue.smtp_port=" + port, *more)


def try_literal(port, literal):
    try:
        send(port, "x@" + literal)
        tap.ok(False, "mail to %s is not taken" % literal)
    except smtplib.SMTPRecipientsRefused as refused:
        tap.equal(list(refused.recipients.values())[0][0], 550, "mail to %s is not taken" % literal)


def test_self(directory):
    with own_lab(directory, "--set", "listener.six.address=::", "--set", "listener.six.port=%d" % laboratory.free_port(), "--set", "dns.allow=") as lab:
        domains = ["own.test", "six.own.test", "implicit.own.test", "back.test"]
        for domain in domains:
            send(lab.port, "x@" + domain)
        for literal in ("[93.184.216.34]", "[IPv6:2606:2800:220:1::34]", "[127.0.0.1]"):
            try_literal(lab.port, literal)
        settled(lab)
        lab.wait(lambda: sum(event["type"] == "bounced" and event["sender"] != "" for event in lab.events()) == len(domains), 20, "the ends")
        codes = {event["recipient"].partition("@")[2]: event.get("enhanced") for event in lab.events() if event["type"] == "bounced" and event["sender"]}
        tap.equal(set(codes.values()), {"5.4.6"}, "mail for our own addresses is returned with 5.4.6")
        tap.equal(len(codes), len(domains), "all of it")
        tap.equal({n for key, n in accepted(lab).items() if not key[1]}, {1}, "and was never taken a second time")
    with own_lab(directory) as lab:
        send(lab.port, "x@back.test")
        lab.wait(lambda: any(event["type"] == "bounced" for event in lab.events()), 30, "the end")
        tap.equal(accepted(lab)[("<x@back.test>", False)], HOPS + 1, "where the administrator allows our own address, the hops end it")
        settled(lab)


def machine_answers(lab, seen):
    """Answers every mail that came, as bad machines do: to the envelope's sender and to From, whatever it is. How many it sent, and what it heard."""
    codes = []
    for facts, data in lab.sunk()[seen:]:
        for recipient in (facts["sender"], "ann@in.sender.test"):
            # Put off until our own log knows of the delivery.
            codes.append(lab.wait(lambda: next((code for code in [answer(lab, recipient)] if code != 451), None), 30, "an answer that is final"))
    return codes


def answer(lab, recipient):
    """The code that the machine is told."""
    try:
        send(lab.port, recipient, sender="robot@rcpt.test", head="Auto-Submitted: auto-replied\r\n" if "b-" in recipient else "", address="127.0.0.2")
        return 250
    except smtplib.SMTPRecipientsRefused as refused:
        return list(refused.recipients.values())[0][0]
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code


def test_machine():
    """Mail out under VERP addresses, to a machine that answers all of it."""
    with harness.Lab("--module", "bounce", "--module", "spf-check") as lab:
        for i in range(5):
            send(lab.port, "robot%d@rcpt.test" % i)
        lab.wait_sunk(5)
        answers = machine_answers(lab, 0)
        tap.ok(len(answers) == 10 and set(answers) <= {250, 550}, "a machine answers five mails, to their senders and authors", answers)
        settled(lab)
        ours = [facts for facts, _ in lab.sunk() if "@rcpt.test" in facts["recipients"][0][0]]
        tap.ok(len(ours) == 5, "nothing is sent back to it", ours)
        tap.equal(sum(event["type"] == "autoreply" for event in lab.events()), 5, "its answers to VERP addresses are kept as what they are")
        lab.clean(tap)


apart()
tap.case(test_received)
tap.case(test_pair)
with tempfile.TemporaryDirectory() as home:
    tap.case(test_self, home)
tap.case(test_machine)
tap.end()
