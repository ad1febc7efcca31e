#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix, Exim and OpenSMTPD as neighbours, each in both directions: what Relais sends them arrives with every octet, and
what they send Relais goes on so; by STARTTLS and in clear, in chunks, with addresses in UTF-8, with DSN parameters and the
reports these ask for, refused for good and for now. Exim is a smarthost, too. At the end nothing waits, nothing came twice.

What a neighbour cannot do is a case of its own, which fails on the day when it can."""
import collections
import email
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import inbound
import lab as laboratory
import neighbours
from harness import Dialogue
from neighbour import Neighbour, Report, Wire

tap = harness.Tap()
NAMES = ("postfix", "exim", "opensmtpd")
MX_PORT, PORT, WIRE_PORT, CLEAR_PORT, MILTER_PORT = (laboratory.free_port() for _ in range(5))
ANN = "ann@sender.test"  # what is returned of hers comes to an address of Relais's own
BACK = "back@other.test"
DOTS = b".\r\n..\r\n.a\r\n\r\n. \r\n.\r\n"
EIGHT = "Grüße, ¡hola!, 日本語\r\n".encode() + b"latin: \xe4\xf6\xfc\r\n\ttab \t \r\n"
LINES = b"x" * 998 + b"\r\n" + b"y" * 997 + b"\r\n." + b"z" * 996 + b"\r\n"
BIG = b"".join(b"%07d %s\r\n" % (i, b"a line of a long message. " * 3) for i in range(72000))  # 6 MiB
BODIES = {"dots": DOTS, "eight": EIGHT, "lines": LINES, "empty": b"", "end": b"a\r\n\r\n\r\n\r\n", "big": BIG}


def letter(mark, body, author=BACK, kind="text/plain; charset=utf-8"):
    return (b"From: <%s>\r\nTo: bob@rcpt.test\r\nSubject: %s\r\nDate: Sun, 29 Nov 2026 06:00:00 +0000\r\nMessage-ID: <%s@sender.test>\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: %s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s"
            % (author.encode(), mark, mark, kind.encode(), body))


# --- Relais and its sink -------------------------------------------------------------------------

def send(lab, sender, recipients, data, mail="", rcpt=""):
    """By Relais; its queue id."""
    d = Dialogue(lab.port, timeout=120)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<%s>%s" % (sender, mail))
    for recipient in recipients:
        answer = d.ask("RCPT TO:<%s>%s" % (recipient, rcpt))
        if answer[0] != 250:
            raise RuntimeError("RCPT %s: %r" % (recipient, answer))
    d.ask("DATA")
    d.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
    answer = d.reply()
    d.close()
    if answer is None or answer[0] != 250:
        raise RuntimeError("DATA: %r" % (answer,))
    return answer[1].split()[-1]


def events(lab, queue_id, *kinds):
    return [e for e in lab.events() if e["queue_id"] == queue_id and e["type"] in kinds]


def settled(lab, queue_id, n=1):
    """The events of its n recipients that say how it ended."""
    return lab.wait(lambda: [found for found in [events(lab, queue_id, "delivered", "bounced")] if len(found) == n], PATIENCE,
                    "end of %s" % queue_id)[0]


def at(near, mark, n=1):
    """The n mails of that mark in the neighbour's mailbox."""
    def look():
        found = near.holding(mark)
        return found if len(found) >= n else None
    return LAB.wait(look, PATIENCE, "%d mails %s at %s" % (n, mark.decode(), near.name))


SUNK = {}
PATIENCE = 30


def sink(lab):
    """What the sink holds; each is read once, some are big."""
    for path in sorted(glob.glob(os.path.join(lab.facts["sink_dir"], "*.eml"))):
        if path not in SUNK:
            SUNK[path] = (json.load(open(path[:-4] + ".json")), open(path, "rb").read())
    return list(SUNK.values())


def sunk(lab, mark, n=1):
    """The n mails of that mark in the sink."""
    def look():
        found = [(facts, data) for facts, data in sink(lab) if b"\r\nSubject: %s\r\n" % mark in data and not Report.is_one(data)]
        return found if len(found) >= n else None
    return lab.wait(look, PATIENCE, "%d mails %s in the sink" % (n, mark.decode()))


def find_report(lab, recipient, action, mark):
    """The report in the sink that tells of that action and gives back that message; None before it is there."""
    for facts, data in sink(lab):
        if Report.is_one(data) and mark in data:
            report = Report(data)
            if recipient in report.fields.get("final-recipient", "") and report.fields.get("action", "").startswith(action):
                return facts, report
    return None


def report_about(lab, recipient, action, mark):
    return lab.wait(lambda: find_report(lab, recipient, action, mark), PATIENCE, "report %s about %s" % (action, recipient))


def until(near, check, what):
    """Waits while the neighbour tries each second what it has."""
    for _ in range(PATIENCE):
        if check():
            break
        near.retry()
        time.sleep(1)
    return LAB.wait(check, 1, what)


# --- Relais to the neighbour ---------------------------------------------------------------------

def test_ways(lab, near):
    """In clear and by STARTTLS."""
    mark = b"clear-" + near.name.encode()
    data = letter(mark, b"hello\r\n")
    event = settled(lab, send(lab, BACK, ["bob@plain." + near.domain], data))[0]
    tap.ok(event["type"] == "delivered" and not event.get("tls_version"),
           "%s: taken in clear where a [destination] says so" % near.name, event)
    tap.ok(at(near, mark)[0].data.endswith(data), "%s: every octet is there" % near.name)
    mark = b"tls-" + near.name.encode()
    data = letter(mark, b"hello\r\n")
    event = settled(lab, send(lab, BACK, ["bob@" + near.domain], data))[0]
    if near.secures:
        tap.ok(event["type"] == "delivered" and event.get("tls_version") == "TLSv1.3", "%s: taken by STARTTLS" % near.name, event)
    else:
        tap.ok("STARTTLS" in near.offers and event["type"] == "delivered" and not event.get("tls_version"),
               "%s %s offers a STARTTLS that fails (OpenSSL 3 finds it no key): taken in clear after it" % (near.name, near.version), event)
    tap.ok(at(near, mark)[0].data.endswith(data), "%s: every octet is there" % near.name)


def test_bodies(lab, near):
    for name, body in BODIES.items():
        mark = ("out-%s-%s" % (name, near.name)).encode()
        data = letter(mark, body)
        send(lab, BACK, ["bob@" + near.domain], data, mail=" BODY=8BITMIME")
        found = at(near, mark)[0].data
        tap.ok(found.endswith(data), "%s: %d octets (%s) arrive as they were sent" % (near.name, len(data), name), found[-300:])
        verdicts = harness.verify_dkimpy(found, int(lab.facts["dns_port"]))
        tap.equal([(domain, good) for domain, _, good in verdicts], [("other.test", True)], "%s: and our signature holds" % near.name)


def test_long(lab, near):
    """What no line of SMTP can hold goes as quoted-printable."""
    mark, body = b"long-" + near.name.encode(), b"w" * 3000 + b" " + b"v" * 70000 + b"\r\nend\r\n"
    send(lab, BACK, ["bob@" + near.domain], letter(mark, body))
    found = at(near, mark)[0].data
    tap.equal(email.message_from_bytes(found).get_payload(decode=True), body, "%s: a line of 70 KiB is the same once decoded" % near.name)
    tap.ok(max(len(line) for line in found.split(b"\r\n")) <= 998, "%s: and was none over 998 octets on its way" % near.name)
    tap.equal([good for _, _, good in harness.verify_dkimpy(found, int(lab.facts["dns_port"]))], [True],
              "%s: our signature holds" % near.name)


def test_utf8(lab, near):
    mark, recipient = b"utf8-" + near.name.encode(), "müller@" + near.domain
    data = letter(mark, EIGHT).replace(b"To: bob@rcpt.test", b"To: Grete M\xc3\xbcller <m\xc3\xbcller@rcpt.test>")
    event = settled(lab, send(lab, BACK, [recipient], data, mail=" BODY=8BITMIME SMTPUTF8"))[0]
    if "SMTPUTF8" not in near.offers:
        tap.equal((event["type"], event.get("enhanced")), ("bounced", "5.6.7"),
                  "%s offers no SMTPUTF8: such an address is returned" % near.name)
        return
    tap.equal(event["type"], "delivered", "%s: an address in UTF-8 is taken" % near.name)
    mail = at(near, mark)[0]
    tap.ok(mail.recipient == recipient and mail.data.endswith(data),
           "%s: and it and the header are as they were" % near.name, mail.data[:600])


def test_chunks(lab, near):
    """Before it, mail went out by BDAT where it could."""
    if "CHUNKING" not in near.offers:
        tap.ok("BDAT" not in near.log(), "%s offers no CHUNKING: it had DATA" % near.name)
        return
    used = {"postfix": r" bdat=[1-9]", "exim": r" <= .* K "}[near.name]
    lab.wait(lambda: re.search(used, near.log()), 30, "the end of a session in the log of %s" % near.name)
    tap.ok(True, "%s: took chunks" % near.name)


def test_reports(lab, near):
    """What senders ask for goes along, and the neighbour's reports come back."""
    mark = b"dsn-" + near.name.encode()
    for who in ("good", "full"):
        recipient, body = "%s@%s" % (who, near.domain), b"text of the message\r\n"
        send(lab, BACK, [recipient], letter(mark, body), mail=" RET=HDRS ENVID=envelope+2Bone",
             rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@" + near.domain)
        facts, report = report_about(lab, recipient, "delivered" if who == "good" else "failed", mark)
        tap.ok(facts["sender"] == "" and [to for to, _ in facts["recipients"]] == [BACK],
               "%s: its report about %s comes back" % (near.name, who), facts)
        tap.equal(report.fields.get("reporting-mta", "").replace(" ", ""), "dns;" + near.domain, "%s: it is of its own" % near.name)
        if near.name != "opensmtpd":  # which tells neither
            tap.equal((report.fields.get("original-recipient"), report.fields.get("original-envelope-id") in ("envelope+one", "envelope+2Bone")),
                      ("rfc822;first@" + near.domain, True), "%s: with ORCPT and ENVID as they were given" % near.name)
        tap.ok(report.headers_only or near.name == "exim", "%s: and the header alone, as RET=HDRS has it" % near.name)
    send(lab, BACK, ["full@" + near.domain], letter(b"never-" + near.name.encode(), b"x\r\n"), rcpt=" NOTIFY=NEVER")


def test_bounce(lab, near):
    """Mail with a bounce address of its own: the reports come there, are read and linked; of success, if she asks for it, its
    sender hears from Relais, as far as that knows."""
    for who, action, permanence in (("full", "failed", "permanent"), ("good", "delivered", "unknown")):
        mark, recipient = ("returned-%s-%s" % (who, near.name)).encode(), "%s@%s" % (who, near.domain)
        queue_id = send(lab, ANN, [recipient], letter(mark, b"x\r\n", author=ANN), rcpt=" NOTIFY=SUCCESS,FAILURE")
        event = until(near, lambda: events(lab, queue_id, "bounce"), "report of %s" % near.name)[0]
        tap.equal([event.get(key) for key in ("recipient", "link", "action", "bounce_permanence")], [recipient, "token", action, permanence],
                  "%s: its report %s is linked to the delivery" % (near.name, action))
        facts, report = report_about(lab, recipient, "relayed", mark)
        tap.equal((facts["recipients"][0][0], report.fields["reporting-mta"]), (ANN, "dns; relais.test"),
                  "%s: the sender has one of Relais's" % near.name)


def test_several(lab, near):
    """One transaction: some are taken, one is refused, one put off."""
    mark = b"several-" + near.name.encode()
    names = ["a", "nobody", "b", "later", "c"]
    near.hold(True)
    queue_id = send(lab, BACK, ["%s@%s" % (name, near.domain) for name in names], letter(mark, b"x\r\n"))
    def look():
        found = {e["recipient"].partition("@")[0]: e for e in events(lab, queue_id, "delivered", "bounced", "deferred")}
        return found if len(found) == len(names) else None
    first = lab.wait(look, PATIENCE, "an event of each")
    tap.equal({name: (e["type"], e.get("code")) for name, e in first.items() if name in ("nobody", "later")},
              {"nobody": ("bounced", 550), "later": ("deferred", 450)}, "%s: refused for good and for now" % near.name)
    found = at(near, mark, 3)
    tap.equal((sorted(mail.recipient for mail in found), len({mail.transaction for mail in found})),
              (["%s@%s" % (name, near.domain) for name in "abc"], 1), "%s: the others had it, in one transaction" % near.name)
    near.hold(False)
    settled(lab, queue_id, 5)
    found = at(near, mark, 4)
    tap.equal(sorted(mail.recipient.partition("@")[0] for mail in found), ["a", "b", "c", "later"],
              "%s: who was put off has it now, nobody twice" % near.name)
    report = report_about(lab, "nobody@" + near.domain, "failed", mark)[1]
    tap.ok("no such mailbox" in report.fields.get("diagnostic-code", ""), "%s: the sender was told its words" % near.name, report.fields)


def test_burst(lab, near):
    """Many at once: fewer sessions than messages."""
    mark, n = b"burst-" + near.name.encode(), 40
    word = {"postfix": ": connect from", "exim": "SMTP connection from", "opensmtpd": "smtp connected"}[near.name]
    before = near.log().count(word)
    for i in range(n):
        send(lab, BACK, ["bob%d@%s" % (i, near.domain)], letter(mark, b"%d\r\n" % i))
    found = at(near, mark, n)
    tap.equal(len({mail.recipient for mail in found}), n, "%s: %d mails arrive, each once" % (near.name, n))
    sessions = near.log().count(word) - before
    tap.ok(sessions <= n // 2, "%s: over %d sessions" % (near.name, sessions))


# --- The neighbour to Relais ---------------------------------------------------------------------

def pass_on(lab, near, name, to, body=b"hello\r\n", n=1, **more):
    """A letter that a program gives the neighbour: what of it is in the sink, and the letter."""
    mark = ("in-%s-%s" % (name, near.name)).encode()
    sender = "bob@" + near.domain
    data = letter(mark, body, author=sender)
    near.submit(sender, [to], data, **more)
    return (sunk(lab, mark, n) if n else mark), data


def received(data):
    """What Relais says in its trace field of how it came."""
    return re.search(rb"(?s)by relais\.test.*?with (\w+)", data).group(1).decode()


def test_in_ways(lab, near):
    found = pass_on(lab, near, "tls", "x@in.sender.test")[0][0][1]
    tap.equal(received(found), "ESMTPS", "%s: comes by STARTTLS where it is offered" % near.name)
    found = pass_on(lab, near, "clear", "x@plain.sender.test")[0][0][1]
    tap.equal(received(found), "ESMTP", "%s: and in clear where it is not" % near.name)


def test_in_bodies(lab, near):
    for name, body in BODIES.items():
        found, data = pass_on(lab, near, name, "x@in.sender.test", body, mail=["BODY=8BITMIME"])
        tap.ok(len(found) == 1 and found[0][1].endswith(data),
               "%s: %d octets (%s) go on as they were sent" % (near.name, len(data), name), found[0][1][-300:])


def test_in_long(lab, near):
    """A line that SMTP has no room for, which each of them treats in a way of its own."""
    mark, body = b"in-long-" + near.name.encode(), b"w" * 3000 + b"\r\nend\r\n"
    near.submit(BACK, ["x@in.sender.test"], letter(mark, body))
    if near.name == "exim":  # and as it was not said over SMTP, nothing reached Relais
        report = until(near, lambda: find_report(lab, "x@in.sender.test", "failed", mark), "its report")[1]
        tap.ok(b"lines too long" in bytes(report.message), "exim returns a line of 3000 octets, and says so")
        return
    found = sunk(lab, mark)[0][1]
    tap.ok(max(len(line) for line in found.split(b"\r\n")) <= 998, "%s: no line over 998 octets goes on" % near.name)
    text = email.message_from_bytes(found).get_payload(decode=True)
    if near.name == "postfix":  # it breaks such a line
        text = text.replace(b"\r\n ", b"")
    tap.equal(text, body,
              "%s: a line of 3000 octets goes on %s" % (near.name, "broken by it" if near.name == "postfix" else "whole, as quoted-printable"))


def test_in_utf8(lab, near):
    if "SMTPUTF8" not in near.offers:
        tap.ok(near.name == "opensmtpd", "%s takes no mail with SMTPUTF8, so it has none to pass on" % near.name)
        return
    found, data = pass_on(lab, near, "utf8", "grün@in.sender.test", EIGHT, mail=["BODY=8BITMIME", "SMTPUTF8"])
    facts, whole = found[0]
    tap.equal((facts["recipients"][0][0], "SMTPUTF8" in facts["mail_parameters"]), ("grün@in.sender.test", True),
              "%s: an address in UTF-8 goes through" % near.name)
    tap.ok(whole.endswith(data) and received(whole).startswith("UTF8SMTP"),
           "%s: with its text, and the trace field says so" % near.name, whole[:500])


def test_in_parameters(lab, near):
    rcpt = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first@" + near.domain]
    facts = pass_on(lab, near, "dsn", "x@in.sender.test", mail=["RET=HDRS", "ENVID=envelope+2Bone"], rcpt=rcpt)[0][0][0]
    given = (facts["mail_parameters"] + " " + facts["recipients"][0][1]).split()
    tap.ok({"RET=HDRS", "ENVID=envelope+2Bone", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first@" + near.domain} <= set(given),
           "%s: DSN parameters go all the way" % near.name, given)


def test_in_later(lab, near):
    """Put off at RCPT twice, and once at the end of the message."""
    for to in ("later@in.sender.test", "lateatend@in.sender.test"):
        mark = pass_on(lab, near, to.partition("@")[0], to, n=0)[0]
        until(near, lambda: [1 for _, found in sink(lab) if b"Subject: %s\r\n" % mark in found], "another attempt")
        tap.ok(len(sunk(lab, mark)) == 1, "%s: tries %s again, and it comes once" % (near.name, to))


def test_in_refused(lab, near):
    sender, mark = BACK, b"in-gone-" + near.name.encode()
    near.submit(sender, ["gone@in.sender.test"], letter(mark, b"x\r\n"))
    report = report_about(lab, "gone@in.sender.test", "failed", mark)[1]
    tap.ok("gone, says the milter" in str(report.message), "%s: tells its sender what Relais said" % near.name)


def test_in_returned(lab, near):
    """Taken, and refused by who is behind: a report of Relais's own."""
    mark = pass_on(lab, near, "returned", "closed@in.sender.test", n=0)[0]

    def look():
        return [mail for mail in near.mails() if Report.is_one(mail.data) and mark in mail.data]
    mail = lab.wait(look, PATIENCE, "the report of Relais at %s" % near.name)[0]
    report = Report(mail.data)
    tap.equal((mail.sender, mail.recipient, report.fields["final-recipient"], report.fields["status"]),
              ("", "bob@" + near.domain, "rfc822; closed@in.sender.test", "5.2.1"),
              "%s: has Relais's report of what it took and could not deliver" % near.name)


def test_in_size(lab, near):
    """More than Relais takes; their clients know by SIZE, or hear it."""
    mark = b"in-size-" + near.name.encode()
    near.submit("bob@" + near.domain, ["x@in.sender.test"], letter(mark, BIG * 2))  # OpenSMTPD's report is as big
    def look():
        return [mail.data for mail in near.mails() if Report.is_one(mail.data) and mark in mail.data]
    report = Report(lab.wait(look, PATIENCE, "its report")[0])
    tap.ok(re.search("too big|exceeds size limit|too large", str(report.message)),
           "%s: returns what is over our limit" % near.name, str(report.message))


def test_in_chunks(lab, near, wire):
    """How their clients speak, in clear on the wire."""
    said = b"".join(piece for session in wire.from_client(near.address) for piece in session)
    pieces = [piece for session in wire.from_client(near.address) for piece in session]
    tap.equal(b"\r\nBDAT " in said or b"BDAT " in said[:4096], near.name == "exim",
              "%s: its client %s BDAT" % (near.name, "speaks" if near.name == "exim" else "knows no"))
    tap.equal(any(b"MAIL FROM" in piece and b"RCPT TO" in piece for piece in pieces), near.name != "opensmtpd",
              "%s: its client %s commands" % (near.name, "knows no PIPELINING of" if near.name == "opensmtpd" else "pipelines"))


def test_in_login(lab, near):
    """As a client with a name and a password, which alone may send to others by us."""
    if near.name == "postfix":
        tap.ok(not glob.glob(os.path.join(near.root, "usr/lib/*/sasl2/libplain.so")),
               "postfix as it is installed has no mechanism to log in by")
        return
    mark = b"in-login-" + near.name.encode()
    data = letter(mark, EIGHT)
    near.submit(BACK, ["bob@away.test"], data, mail=["BODY=8BITMIME"])
    found = sunk(lab, mark)[0][1]

    def look():
        return [e for e in lab.events() if e["type"] == "accepted" and mark.decode() in e.get("message_id", "")]
    event = lab.wait(look, PATIENCE, "the event")[0]
    tap.equal((event.get("user"), event["tenant"], event["client"]), (neighbours.ACCOUNT, "sender", near.address),
              "%s: logs in, and sends as a tenant of ours" % near.name)
    verdicts = [good for _, _, good in harness.verify_dkimpy(found, int(lab.facts["dns_port"]))]
    tap.ok(found.endswith(data) and verdicts == [True], "%s: what it sends so goes on signed" % near.name)


def test_in_burst(lab, near, wire):
    """Many at once: fewer sessions than messages. Exim does that with what waits in its queue alone."""
    mark, n = b"in-burst-" + near.name.encode(), 20
    before = len(wire.from_client(near.address))
    for i in range(n):
        near.submit("bob@" + near.domain, ["queued%d@plain.sender.test" % i], letter(mark, b"%d\r\n" % i))
    near.retry()
    found = sunk(lab, mark, n)
    tap.equal(len({facts["recipients"][0][0] for facts, _ in found}), n, "%s: %d mails go through, each once" % (near.name, n))
    sessions = len(wire.from_client(near.address)) - before
    tap.ok(sessions <= n // 2, "%s: over %d sessions" % (near.name, sessions))


# --- Exim as a smarthost -------------------------------------------------------------------------

def test_smarthost(lab, near):
    """It passes mail for others on from who has logged in, and offers that under TLS alone."""
    mark = b"smart-" + near.name.encode()
    data = letter(mark, EIGHT)
    event = settled(lab, send(lab, BACK, ["bob@far.test"], data))[0]
    tap.ok(event["type"] == "delivered" and event.get("tls_version"), "exim as a smarthost takes mail of who logged in", event)
    found = at(near, mark)[0].data
    tap.ok("A=plain:" + neighbours.ACCOUNT in near.log() and found.endswith(data),
           "it knows who it was, and every octet is there", found[:600])
    queue_id = send(lab, BACK, ["bob@wrong.far.test"], letter(mark, b"x\r\n"))
    event = lab.wait(lambda: events(lab, queue_id, "deferred"), PATIENCE, "the deferral")[0]
    tap.ok("535" in str(event.get("code")) or "535" in event["reply"], "with a wrong password the mail waits", event)
    lab.ctl("queue", "delete", queue_id)
    said = lab.log() + json.dumps(lab.events()) + near.log()
    tap.ok(neighbours.PASSWORD not in said, "and the password is in no log")


# --- The whole -----------------------------------------------------------------------------------

def unended(lab):
    """Of what was taken, that of which no event says how it ended, or more than one does."""
    found = lab.events()
    ends = collections.Counter((e["queue_id"], e["recipient"]) for e in found if e["type"] in ("delivered", "bounced", "deleted"))
    wanted = {e["queue_id"]: e.get("recipients", 1) for e in found if e["type"] == "accepted"}
    had = collections.Counter(queue_id for queue_id, _ in ends)
    return {queue_id: n for queue_id, n in wanted.items() if n != had[queue_id]} | {key: n for key, n in ends.items() if n > 1}


def twice(mails):
    """Whose mail of which Message-ID is there more than once."""
    field = re.compile(rb"(?mi)^Message-ID: (.*)\r$")
    found = collections.Counter((recipient, field.search(data).group(1)) for recipient, data in mails)
    return {key: n for key, n in found.items() if n > 1}


def test_end(lab, near):
    """Nothing waits, was lost or came twice."""
    lab.wait(lambda: not lab.rows("queue", "list"), PATIENCE, "an empty queue of Relais")
    until(near, lambda: not near.waiting(), "an empty queue of %s" % near.name)
    lab.wait(lambda: not unended(lab), PATIENCE, "an end of %r" % unended(lab))
    tap.ok(True, "%s: nothing waits on either side, and all that was taken came to one end" % near.name)
    tap.equal((twice((mail.recipient, mail.data) for mail in near.mails()), twice((f["recipients"][0][0], data) for f, data in sink(lab))),
              ({}, {}), "%s: nothing came twice" % near.name)
    tap.ok(not [1 for _, data in sink(lab) if Report.is_one(data) and b"never-" + near.name.encode() in data],
           "%s: NOTIFY=NEVER had no report" % near.name)


def test_restart(lab):
    """Nothing is left in the spool that would go out again."""
    before = len(sink(lab))
    lab.kill_and_restart()
    time.sleep(2)
    tap.equal((lab.rows("queue", "list"), len(sink(lab)) - before), ([], 0), "after kill -9 nothing goes out again")


NEAR = (test_ways, test_bodies, test_long, test_utf8, test_reports, test_bounce, test_several, test_burst,
        test_in_ways, test_in_bodies, test_in_long, test_in_utf8, test_in_parameters, test_in_later, test_in_refused, test_in_returned,
        test_in_size, test_in_login)
LAB = None


def zone(path, record):
    rows = ["k1._domainkey.other TXT " + record]
    for name in NAMES:
        rows += ["%s MX 10 mx.%s" % (name, name), "*.%s MX 10 mx.%s" % (name, name), "mx.%s A %s" % (name, neighbours.ADDRESSES[name]),
                 '%s TXT "v=spf1 ip4:127.0.0.0/8 -all"' % name]  # only senders that are proven are told of what fails
    with open(path, "w") as file:
        file.write("\n".join(rows) + "\n")
    return path


def login(home, name, password):
    path = os.path.join(home, name)
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("%s\n%s\n" % (neighbours.ACCOUNT, password))
    return path


def settings(home):
    return {"queue.smtp_port": MX_PORT, "class.transactional.retry": "1s", "class.bulk.retry": "1s", "limits.message_size": "10M",
            "listener.clear.address": "127.0.0.1", "listener.clear.port": CLEAR_PORT, "listener.clear.tls": "none",
            "tenant.sender.domains": "sender.test, other.test",
            "domain.plain.sender.test.inbound": "sink", "domain.sender.test.inbound": "sink", "domain.other.test.inbound": "sink",
            "dkim-key.other.domain": "other.test", "dkim-key.other.selector": "k1", "dkim-key.other.tenant": "sender",
            "route.sink.domains": "away.test", "route.smart.host": neighbours.ADDRESSES["exim"], "route.smart.port": MX_PORT,
            "route.smart.domains": "far.test", "route.smart.tls": "require", "route.smart.auth_file": login(home, "good", neighbours.PASSWORD),
            "route.wrong.host": neighbours.ADDRESSES["exim"], "route.wrong.port": MX_PORT, "route.wrong.domains": "wrong.far.test",
            "route.wrong.tls": "require", "route.wrong.auth_file": login(home, "bad", "another"),
            "dkim-key.other.file": os.path.join(home, "key"), "milter-filter.near.address": "127.0.0.1:%d" % MILTER_PORT,
            "destination.plain.domains": ", ".join("plain.%s.test" % name for name in NAMES), "destination.plain.tls": "none"}


def visit(lab, name, wire):
    """One neighbour, in both directions."""
    near = Neighbour(name, MX_PORT, "127.0.0.1:%d" % PORT, "127.0.0.1:%d" % WIRE_PORT)
    tap.note("%s %s offers %s" % (name, near.version, " ".join(sorted(near.offers))))
    try:
        for test in NEAR + (test_smarthost,) * (name == "exim"):
            tap.case(test, lab, near)
        for test in (test_in_burst, test_in_chunks):
            tap.case(test, lab, near, wire)
        for test in (test_chunks, test_end):
            tap.case(test, lab, near)
    finally:
        near.down()


def run(home):
    global LAB
    arguments = [word for item in settings(home).items() for word in ("--set", "%s=%s" % item)]
    with harness.Lab("--smtp-port", str(PORT), "--module", "dkim", "--module", "bounce", "--module", "milter",
                     "--module", "spf-check", "--zone", zone(os.path.join(home, "zone"), inbound.make_key(home)[1]), *arguments) as lab:
        LAB = lab
        lab.script("caps smtputf8\nrcpt closed@* 550 5.2.1 closed\n")
        subprocess.run([lab.facts["relaisctl"], "user", "add", neighbours.ACCOUNT, "--tenant=sender"],
                       input=neighbours.PASSWORD + "\n", text=True, check=True, capture_output=True)
        wire = Wire(WIRE_PORT, CLEAR_PORT)
        for name in NAMES:
            tap.case(visit, lab, name, wire)
        tap.case(test_restart, lab)
        lab.clean(tap)
    wire.close()


def main():
    home = tempfile.mkdtemp(prefix="relais-neighbours-")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "milters.py")
    milter = subprocess.Popen([sys.executable, script, "inet:%d@127.0.0.1" % MILTER_PORT, os.path.join(home, "milter.log"), "near"])
    try:
        run(home)
    finally:
        milter.kill()
        shutil.rmtree(home)
    tap.end()


main()
