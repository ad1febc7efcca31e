#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""bounce in a daemon: mail goes out under an address of its own, and what comes back to it is linked, judged and kept before
the peer hears 250. Reports with and without the original, in capitals, too early, twice, after a crash and without the
index; complaints; machines that answer. Forged and expired ones change nothing, and nothing is ever sent about any of
it. Reports come from 127.0.0.2, which the laboratory does not trust."""
import collections
import glob
import os
import re
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from reports import arf, dsn

tap = harness.Tap()
FORGED = 10000 if harness.FULL else 400


def send(lab, *recipients, subject="hello"):
    """Mail of ours; the codes that its recipients got."""
    session = harness.Dialogue(lab.port)
    session.reply()
    session.ask("EHLO client.test")
    session.ask("MAIL FROM:<news@sender.test>")
    codes = [session.ask("RCPT TO:<%s>" % recipient)[0] for recipient in recipients]
    if 250 in codes:
        session.ask("DATA")
        session.ask("From: news@sender.test\r\nSubject: %s\r\nMessage-ID: <%s@sender.test>\r\nX-Relais-Trace: mine\r\n"
                    "X-Relais-Campaign: spring\r\n\r\nHello\r\n." % (subject, subject))
    session.close()
    return codes


def is_to(facts, recipient):
    return [address for address, _ in facts["recipients"]] == [recipient]


def sunk_for(lab, recipient, subject="hello"):
    """What went out to it: the envelope sender and the bytes."""
    def look():
        for facts, data in lab.sunk():
            if is_to(facts, recipient) and b"Subject: %s\r\n" % subject.encode() in data:
                return facts["sender"], data
        return None
    return lab.wait(look, 60, "mail to %s" % recipient)


def delivered(lab, *recipients):
    """Waits until the log says so, and is synced: only then a report can be linked."""
    def look():
        found = {event["recipient"] for event in lab.events() if event["type"] == "delivered"}
        return all(recipient in found for recipient in recipients)
    lab.wait(look, 60, "delivery to %s" % ", ".join(recipients))


def returned(lab, address, data, sender="", client="127.0.0.2"):
    """The reply to a message from outside: to its recipient or, if that was taken, to its end."""
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=120, source_address=(client, 0)) as smtp:
        smtp.ehlo("mx.rcpt.test")
        smtp.mail(sender)
        code, text = smtp.rcpt(address)
        if code == 250:
            code, text = smtp.data(data)
        return "%d %s" % (code, text.decode())


def accepted(lab, address, data, **more):
    """The same once it is no longer put off: the log is synced about a second after the delivery."""
    return lab.wait(lambda: next((reply for reply in [returned(lab, address, data, **more)] if not reply.startswith("451")), None),
                    30, "an answer that is final")


def last_event(lab, kind, n=1):
    """The n-th event of that type."""
    found = lab.wait(lambda: [event for event in lab.events() if event["type"] == kind][n - 1:], 30, "event %d of type %s" % (n, kind))
    return found[0]


def suppressed(lab, address):
    return send(lab, address, subject="again") != [250]


def test_out(lab):
    tap.equal(send(lab, "ann@rcpt.test", "bob@rcpt.test", "cid@rcpt.test", "dan@rcpt.test", "eve@rcpt.test", "fay@rcpt.test"), [250] * 6, "mail is taken")
    names = ["ann", "bob", "cid", "dan", "eve", "fay"]
    out = {name: sunk_for(lab, name + "@rcpt.test") for name in names}
    senders = [sender for sender, _ in out.values()]
    tap.ok(all(re.fullmatch(r"b-[0-9a-v]{60}@bounces\.sender\.test", sender) for sender in senders) and len(set(senders)) == 6,
           "each recipient's mail goes out under an address of its own", senders)
    fields = [re.findall(rb"(?m)^X-Relais-[^\r\n]*", data) for _, data in out.values()]
    tap.ok(all(len(found) == 1 and re.fullmatch(rb"X-Relais-Trace: [0-9a-v]{60}", found[0]) for found in fields),
           "with a trace field of ours, and none of the sender's", fields)
    delivered(lab, *[name + "@rcpt.test" for name in names])
    return out


def test_dsn(lab, out):
    sender, data = out["ann"]
    tap.ok(accepted(lab, sender, dsn("ann@rcpt.test", original=data)).startswith("250"), "a report with the original is taken")
    event = last_event(lab, "bounce")
    facts = {key: event.get(key) for key in ("recipient", "tenant", "campaign", "link", "bounce_scope", "bounce_permanence", "status", "suppress", "suppressed")}
    tap.equal(facts, {"recipient": "ann@rcpt.test", "tenant": "sender", "campaign": "spring", "link": "token", "bounce_scope": "recipient",
                      "bounce_permanence": "permanent", "status": "5.1.1", "suppress": "hard", "suppressed": True}, "its event says what came of it")
    delivery = next(e for e in lab.events() if e["type"] == "delivered" and e["recipient"] == "ann@rcpt.test")
    tap.equal((event["queue_id"], event["recipient_number"]), (delivery["queue_id"], delivery["recipient_number"]), "and of which delivery")
    tap.ok(suppressed(lab, "ann@rcpt.test"), "the address gets no more mail")
    sender = out["bob"][0]
    tap.ok(accepted(lab, sender.upper(), dsn("bob@rcpt.test"), sender="mailer-daemon@rcpt.test").startswith("250"),
           "in capitals, without the original, with a sender: taken")
    tap.ok(suppressed(lab, "bob@rcpt.test"), "and understood")


def test_no_evidence(lab, out):
    sender = out["cid"][0]
    replies = [returned(lab, sender, data) for data in (
        dsn("cid@rcpt.test", "4.4.1", "delayed", "connection timed out"), dsn("cid@rcpt.test", "2.0.0", "relayed", "250 ok"),
        b"From: cid@rcpt.test\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n")]
    tap.ok(all(reply.startswith("250") for reply in replies), "delays, receipts and absences are taken", replies)
    lab.wait(lambda: len([e for e in lab.events() if e["type"] in ("bounce", "autoreply") and e["recipient"] == "cid@rcpt.test"]) == 3, 30, "their events")
    tap.equal(last_event(lab, "autoreply")["recipient"], "cid@rcpt.test", "an absence is no bounce")
    reply = returned(lab, sender, b"From: cid@rcpt.test\r\nSubject: Re: hello\r\n\r\nThank you!\r\n", sender="cid@rcpt.test")
    tap.ok(reply.startswith("550 5.7.1"), "a person is told that nobody reads it", reply)
    tap.ok(not suppressed(lab, "cid@rcpt.test"), "nothing of it counts against the address")


def test_complaint(lab, out):
    data = out["dan"][1]
    tap.ok(accepted(lab, "fbl@bounces.sender.test", arf(data, "not-spam")).startswith("250"), "not-spam is taken")
    tap.equal(last_event(lab, "complaint").get("suppress"), None, "and no complaint")
    tap.ok(not suppressed(lab, "dan@rcpt.test"), "its recipient gets mail")
    tap.ok(accepted(lab, "fbl@bounces.sender.test", arf(data)).startswith("250"), "a complaint is taken")
    event = last_event(lab, "complaint", 2)
    tap.equal((event["link"], event["recipient"], event["suppress"]), ("trace", "dan@rcpt.test", "complaint"), "linked by the trace field")
    tap.ok(suppressed(lab, "dan@rcpt.test"), "who complained gets no more mail")


def test_crash(lab, out):
    """The log is the truth: a crash and a deleted index cost no link."""
    lab.kill_and_restart()
    for path in glob.glob(os.path.join(lab.facts["log_dir"], "*.idx")):
        os.unlink(path)
    tap.ok(accepted(lab, out["eve"][0], dsn("eve@rcpt.test")).startswith("250"), "after kill -9 a report is taken")
    tap.ok(suppressed(lab, "eve@rcpt.test") and suppressed(lab, "ann@rcpt.test"), "it counts, and what counted before still does")


def test_early(lab):
    """A peer that has the message, and has not said so yet, returns it."""
    lab.script("delay 5000\n")
    send(lab, "gus@early.rcpt.test", subject="early")
    sender, _ = sunk_for(lab, "gus@early.rcpt.test", "early")
    early = returned(lab, sender, dsn("gus@early.rcpt.test"))
    known = any(e["type"] == "delivered" and e["recipient"] == "gus@early.rcpt.test" for e in lab.events())
    if known:
        tap.skip("a report before our own line about the delivery is put off", "this machine was too slow to be early")
    else:
        tap.ok(early.startswith("451"), "a report before our own line about the delivery is put off", early)
    lab.script("")
    delivered(lab, "gus@early.rcpt.test")
    tap.ok(accepted(lab, sender, dsn("gus@early.rcpt.test")).startswith("250"), "and taken when it comes again")
    tap.ok(suppressed(lab, "gus@early.rcpt.test"), "and it counts")


def mutated(sender, n):
    place = 2 + n % 60
    digits = "0123456789abcdefghijklmnopqrstuv"
    return sender[:place] + digits[(digits.index(sender[place]) + 1 + n // 60 % 31) % 32] + sender[place + 1:]


def forge(lab, out, n):
    """One of n forged mails, by what it tries."""
    sender, data = out["fay"]
    without = re.sub(rb"(?m)^X-Relais-Trace: [^\r\n]*\r\n", b"", data)
    kinds = [(mutated(sender, n), dsn("fay@rcpt.test")),
             ("b-" + re.search(rb"X-Relais-Trace: (\w+)", data).group(1).decode() + "@bounces.sender.test", dsn("fay@rcpt.test")),
             ("fbl@bounces.sender.test", arf(without)), ("fbl@bounces.sender.test", dsn("fay@rcpt.test", original=without)),
             ("fbl@bounces.sender.test", arf(re.sub(rb"(X-Relais-Trace: )\w{9}", rb"\g<1>%09d" % n, data)))]
    return kinds[n % len(kinds)]


def test_forged(lab, out):
    sunk, replies = len(lab.sunk()), collections.Counter()
    for first in range(0, FORGED, 25):  # a session may be refused but so often
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=120, source_address=("127.0.0.2", 0)) as smtp:
            smtp.ehlo("forger.test")
            for n in range(first, first + 25):
                address, data = forge(lab, out, n)
                smtp.mail("victim@third.rcpt.test" if n % 2 else "")
                code, _ = smtp.rcpt(address)
                replies["rcpt %d" % code] += 1
                if code == 250:
                    replies["data %d" % smtp.data(data)[0]] += 1
                smtp.rset()
    tap.equal(replies, {"rcpt 550": FORGED // 5 * 2, "rcpt 250": FORGED // 5 * 3, "data 250": FORGED // 5 * 3}, "%d forged mails: refused, or taken and dropped" % FORGED)
    counts = {(row["counter"], row.get("value")): row["count"] for row in lab.rows("counters") if row.get("module") == "bounce"}
    tap.note(str(counts))
    tap.ok(any(count == FORGED // 5 * 2 for (name, value), count in counts.items() if value == "forged"), "forged addresses are counted", counts)
    tap.ok(any(count >= FORGED // 5 * 3 for (name, value), count in counts.items() if value == "none"), "and reports that are linked to nothing", counts)
    tap.ok(not suppressed(lab, "fay@rcpt.test"), "nothing changed for whom they named")
    sunk_for(lab, "fay@rcpt.test", "again")
    new = [facts for facts, _ in lab.sunk()[sunk:] if not is_to(facts, "fay@rcpt.test")]
    tap.equal(new, [], "nothing was sent to anybody about them")
    tap.equal([row for row in lab.rows("queue", "list")], [], "and nothing waits to be")


def test_expired():
    with harness.Lab("--module", "bounce", "--clock", "virtual") as lab:
        send(lab, "ann@rcpt.test")
        sender, _ = sunk_for(lab, "ann@rcpt.test")
        delivered(lab, "ann@rcpt.test")
        subprocess.run([os.path.join(harness.SOURCE, "tests/lab/clock"), lab.directory, "advance", "31d"], check=True, capture_output=True)
        tap.equal(returned(lab, sender, dsn("ann@rcpt.test")), "550 5.1.1 there is no such address", "an expired address is none")
        tap.ok(not suppressed(lab, "ann@rcpt.test"), "and changes nothing")
        lab.clean(tap)


def main():
    with harness.Lab("--module", "bounce") as lab:
        out = {}
        tap.case(lambda: out.update(test_out(lab)))
        for function in (test_dsn, test_no_evidence, test_complaint, test_crash):
            tap.case(function, lab, out)
        tap.case(test_early, lab)
        tap.case(test_forged, lab, out)
        lab.clean(tap)
    tap.case(test_expired)
    tap.end()


main()
