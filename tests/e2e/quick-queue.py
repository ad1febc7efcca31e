#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of mail that does not go through at once: deferral and retry, bounce with a report that
a foreign parser reads, what DNS says, the verbs of the queue, restarts, messages of 100 MiB."""
import email
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()


def send(lab, recipients, sender="ann@sender.test", body=b"text\r\n", mail="", rcpt="", head=b""):
    """Sends one message; its queue id."""
    d = Dialogue(lab.port, timeout=120)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<%s>%s" % (sender, mail))
    for recipient in recipients:
        answer = d.ask("RCPT TO:<%s>%s" % (recipient, rcpt))
        if answer[0] != 250:
            raise RuntimeError("RCPT %s: %r" % (recipient, answer))
    d.ask("DATA")
    d.send(b"From: <ann@sender.test>\r\nSubject: queue\r\n" + head + b"\r\n" + body + b".\r\n")
    answer = d.reply()
    d.close()
    if answer is None or answer[0] != 250:
        raise RuntimeError("DATA: %r" % (answer,))
    return answer[1].split()[-1]


def sunk_for(lab, recipient):
    return [(f, data) for f, data in lab.sunk() if any(r[0] == recipient for r in f["recipients"])]


def wait_event(lab, queue_id, kind, seconds=30):
    return lab.wait(lambda: [e for e in lab.events() if e["queue_id"] == queue_id and e["type"] == kind], seconds,
                    "%s event of %s" % (kind, queue_id))


def report_for(lab, recipient):
    """Waits for the report that names a recipient: (facts, parsed message)."""
    def find():
        for facts, data in lab.sunk():
            message = email.message_from_bytes(data)
            if message.get_content_type() == "multipart/report" and recipient.encode() in data:
                return facts, message
    return lab.wait(find, 30, "report about " + recipient)


def fields(message):
    """The fields of message/delivery-status: (per message, [per recipient])."""
    part = next(p for p in message.walk() if p.get_content_type() == "message/delivery-status")
    blocks = part.get_payload()
    return blocks[0], blocks[1:]


def test_deferral(lab):
    lab.script("rcpt slow@* @x2 450 4.2.1 come back later\n")
    queue_id = send(lab, ["slow@one.rcpt.test"])
    events = wait_event(lab, queue_id, "deferred")
    tap.equal((events[0]["code"], events[0]["enhanced"]), (450, "4.2.1"), "a 450 is a deferral and keeps its codes")
    row = [r for r in lab.rows("queue", "list") if queue_id in str(r)]
    tap.ok(row or wait_event(lab, queue_id, "delivered"), "it stands in the queue list")
    wait_event(lab, queue_id, "delivered")
    tap.equal(len(sunk_for(lab, "slow@one.rcpt.test")), 1, "and is delivered once by a retry")
    lab.script("")


def test_bounce(lab):
    lab.script("rcpt gone@* 550 5.1.1 no such user <here>\n")
    queue_id = send(lab, ["gone@one.rcpt.test", "there@one.rcpt.test"], mail=" ENVID=env+2B1 RET=HDRS", rcpt=" ORCPT=rfc822;orig@old.test")
    event = wait_event(lab, queue_id, "bounced")[0]
    tap.equal(event["recipient"], "gone@one.rcpt.test", "only the refused recipient bounces")
    tap.equal(len(lab.wait(lambda: sunk_for(lab, "there@one.rcpt.test"), 20)), 1, "the other one has it")
    facts, message = report_for(lab, "gone@one.rcpt.test")
    tap.equal(facts["sender"], "", "the report has the null sender")
    tap.equal(facts["recipients"][0][0], "ann@sender.test", "and goes to the sender")
    whole, each = fields(message)
    tap.equal(len(each), 1, "it names one recipient")
    tap.equal((each[0]["Action"], each[0]["Status"]), ("failed", "5.1.1"), "with action and status")
    tap.ok("550 5.1.1" in each[0]["Diagnostic-Code"], "the remote reply stands in it", each[0]["Diagnostic-Code"])
    tap.equal(whole["Original-Envelope-Id"], "env+1", "ENVID comes back decoded")
    tap.equal(each[0]["Original-Recipient"].replace(" ", ""), "rfc822;orig@old.test", "so does ORCPT")
    tap.ok(message["Auto-Submitted"] and message["Message-ID"] and message["Date"], "Auto-Submitted, Message-ID and Date are there")
    have = len(lab.sunk())
    send(lab, ["gone@one.rcpt.test"], sender="")
    send(lab, ["gone@one.rcpt.test"], rcpt=" NOTIFY=NEVER")
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 20)
    tap.equal(len(lab.sunk()), have, "no report for <>, none with NOTIFY=NEVER")
    lab.script("")


def test_dns(lab):
    for domain, wanted in (("nullmx.test", "5.1.10"), ("absent.test", "5.1.2"), ("loop.test", None)):
        queue_id = send(lab, ["x@" + domain])
        if wanted:
            tap.equal(wait_event(lab, queue_id, "bounced")[0]["enhanced"], wanted, "%s bounces with %s" % (domain, wanted))
        else:
            wait_event(lab, queue_id, "delivered")
            tap.ok(True, "%s is a loopback target, allowed here" % domain)
    send(lab, ["x@nomx.test"])
    tap.ok(lab.wait(lambda: sunk_for(lab, "x@nomx.test"), 20), "no MX: the domain's own address is used")


def limiter(lab):
    return lab.status()["limiter"]


def test_limiter():
    """What holds mail back has a name in status, and its age stands by site and class."""
    with harness.Lab("--set", "queue.first_connections=1", "--set", "provider.slow.mx=.sender.test, .rcpt.test") as lab:
        tap.equal(limiter(lab), "none", "an idle daemon is limited by nothing")
        lab.script("delay 3000\n")
        for i in range(4):
            send(lab, ["u%d@limits.rcpt.test" % i])
        lab.wait(lambda: limiter(lab) == "limits", 10, "limits as the limiter")
        tap.ok(True, "mail that waits for a connection is held back by limits")
        time.sleep(1.1)
        rows = lab.rows("queue", "ages")
        tap.equal([(r["class"], r["deliveries"], r["under_1m"]) for r in rows], [("transactional", 4, 4)], "one row for one site and class")
        tap.ok(rows[0]["oldest_s"] >= 1 and rows[0]["due"] >= 1, "with its age and what is due", rows)


def test_dns_dead():
    """Without an answering DNS server nothing bounces; private targets are refused unless allowed."""
    with harness.Lab("--set", "dns.server=127.0.0.1@9", "--set", "dns.timeout=3s") as lab:
        queue_id = send(lab, ["x@one.rcpt.test"])
        lab.wait(lambda: limiter(lab) == "dns", 10, "dns as the limiter")
        event = wait_event(lab, queue_id, "deferred")[0]
        tap.equal(event["enhanced"], "4.4.3", "a dead DNS server is 4.4.3, and the mail waits")
    with harness.Lab("--set", "dns.allow=") as lab:
        queue_id = send(lab, ["x@one.rcpt.test"])
        event = wait_event(lab, queue_id, "bounced")[0]
        tap.equal(event["enhanced"], "5.4.6", "an MX on loopback is refused where it is not allowed")


def test_verbs(lab):
    lab.script("rcpt *@held.rcpt.test 451 4.3.0 not now\n")
    ids = [send(lab, ["u%d@held.rcpt.test" % i]) for i in range(4)]
    for queue_id in ids:
        wait_event(lab, queue_id, "deferred")
    lab.ctl("queue", "hold", ids[0])
    lab.ctl("queue", "delete", ids[1])
    lab.ctl("queue", "bounce", ids[2])
    lab.script("")
    lab.ctl("queue", "retry", ids[3])
    lab.wait(lambda: sunk_for(lab, "u3@held.rcpt.test"), 20, "retry at once")
    tap.ok(True, "retry sends at once")
    wait_event(lab, ids[2], "bounced")
    report_for(lab, "u2@held.rcpt.test")
    tap.ok(True, "bounce reports at once")
    lab.kill_and_restart()
    tap.equal(lab.status()["queue.held"], 1, "a held message is held after a kill and restart")
    time.sleep(2.5)
    tap.ok(not sunk_for(lab, "u0@held.rcpt.test"), "and does not go")
    tap.ok(not sunk_for(lab, "u1@held.rcpt.test"), "a deleted one does not come back")
    lab.ctl("queue", "release", ids[0])
    lab.wait(lambda: sunk_for(lab, "u0@held.rcpt.test"), 20, "release")
    tap.ok(True, "release lets it go")
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 20)
    heap = {key: value for key, value in lab.status("--heap").items() if key.startswith("heap.")}
    tap.ok(heap.get("heap.used_bytes", 0) > 1 << 20 and heap.get("heap.free_bytes", -1) >= 0, "status --heap counts the heap", heap)
    tap.ok(not [key for key in lab.status() if key.startswith("heap.")], "status alone does not walk it")
    missing = lab.ctl("queue", "hold", "001j000000000", check=False)
    tap.equal(missing.returncode, 1, "an unknown id is refused with exit 1")


def rss(pid):
    return int(re.search(r"VmRSS:\s*(\d+)", open("/proc/%d/status" % pid).read()).group(1)) * 1024


def test_large(lab):
    """100 MiB in and out: the body streams to its own file and from it."""
    send(lab, ["warm@big.rcpt.test"], body=b"x" * 70 + b"\r\n")
    lab.wait(lambda: sunk_for(lab, "warm@big.rcpt.test"), 20)
    before, most = rss(lab.pid), 0
    line = b"0123456789abcdef" * 4 + b"\r\n"
    d = Dialogue(lab.port, timeout=120)
    d.reply()
    for command in ("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<big@big.rcpt.test>", "DATA"):
        d.ask(command)
    d.send(b"From: <ann@sender.test>\r\nSubject: big\r\n\r\n")
    block = line * 1024
    total = 0
    while total < 100 << 20:
        d.send(block)
        total += len(block)
        if total % (len(block) * 64) == 0:
            most = max(most, rss(lab.pid))
    d.send(b".\r\n")
    answer = d.reply()
    d.close()
    tap.equal(answer and answer[0], 250, "a message of 100 MiB is accepted")

    def arrived():
        nonlocal most
        most = max(most, rss(lab.pid))
        return [p for p in os.listdir(lab.facts["sink_dir"]) if p.endswith(".eml") and
                os.path.getsize(os.path.join(lab.facts["sink_dir"], p)) > 100 << 20]

    found = lab.wait(arrived, 120, "the large message in the sink")
    data = open(os.path.join(lab.facts["sink_dir"], found[0]), "rb").read()
    tap.ok(data.partition(b"\r\n\r\n")[2] == line * (total // len(line)), "and arrives as it was")
    grown = (most - before) / (1 << 20)
    tap.note("memory grew by %.1f MiB" % grown)
    if harness.SANITIZED:
        tap.note("not judged: a sanitizer keeps freed memory")
    else:
        tap.ok(grown <= 8, "memory grew by at most 8 MiB", "%.1f MiB" % grown)
    os.unlink(os.path.join(lab.facts["sink_dir"], found[0]))


QUICK = ["--set", "class.transactional.retry=1s", "--set", "queue.sleep_first=1s", "--set", "limits.message_size=200M"]
with harness.Lab(*QUICK) as lab:
    for test in (test_deferral, test_bounce, test_dns, test_large):
        tap.case(test, lab)
    lab.clean(tap)
with harness.Lab("--set", "class.transactional.retry=1h") as lab:
    tap.case(test_verbs, lab)
tap.case(test_dns_dead)
tap.case(test_limiter)
tap.end()
