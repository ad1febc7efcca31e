#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that is late: quiet hours as an operator sees them and passes them, and notices of delay as a foreign parser
reads them, each sent once whatever dies when."""
import datetime
import email
import email.policy
import os
import random
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
HOUR = 3600
TICK = 2  # seconds that timers may be late
WORDS = "the end of quiet hours"


def clock(lab, *words):
    done = subprocess.run([os.path.join(harness.SOURCE, "tests/lab/clock"), lab.directory, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("clock %s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return float(done.stdout.split()[0].partition("=")[2])


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def send(lab, recipients, sender="ann@sender.test", head=b"", body=b"text\r\n", mail=(), rcpt=()):
    """By Python's smtplib; the queue id."""
    with smtplib.SMTP("127.0.0.1", lab.port, local_hostname="client.test", timeout=30) as s:
        s.ehlo()
        for answer in [s.mail(sender, list(mail))] + [s.rcpt(r, list(rcpt)) for r in recipients]:
            if answer[0] != 250:
                raise RuntimeError("refused: %r" % (answer,))
        code, text = s.data(b"From: <ann@sender.test>\r\nSubject: late\r\n" + head + b"\r\n" + body)
        if code != 250:
            raise RuntimeError("DATA: %r" % ((code, text),))
    return text.decode().split()[-1]


def sunk_ids(lab):
    return {e["queue_id"] for e in lab.events() if e["type"] == "delivered"}


def of(lab, queue_id, kind):
    return [e for e in lab.events() if e["queue_id"] == queue_id and e["type"] == kind]


# --- Quiet hours ------------------------------------------------------------------------------------

def span():
    """Quiet hours from an hour ago to two hours from now, and when they end."""
    now = datetime.datetime.now(datetime.timezone.utc)
    end = (now + datetime.timedelta(hours=2)).replace(second=0, microsecond=0)
    return "%s-%s" % ((now - datetime.timedelta(hours=1)).strftime("%H:%M"), end.strftime("%H:%M")), end.timestamp()


def test_seen(lab, ids, end):
    table = lab.ctl("queue", "list").stdout
    tap.equal(table.count(WORDS), 4, "the list says of each bulk message that it waits for the end of quiet hours")
    rows = lab.rows("queue", "list")
    tap.equal({(r["waits_for"], round(seconds(r["until"]) - end), r["attempts"]) for r in rows}, {(WORDS, 0, 0)},
              "as rows too, until when, with no attempt made")
    tap.ok(WORDS in lab.ctl("queue", "show", ids[0]).stdout and WORDS in lab.ctl("why", ids[0]).stdout, "so do queue show and why")


def test_retry(lab, ids):
    done = lab.ctl("queue", "retry", "--all")
    tap.ok("asked for: 4; with --force they are tried now" in done.stdout,
           "a retry of all says how many wait for quiet hours, and what to do", done.stdout)
    rows = lab.rows("queue", "retry", "--domain=two.rcpt.test")
    tap.equal((rows[0]["deliveries"], rows[0]["waiting"]), (1, 1), "so does one of a domain, as rows")
    tap.ok(not any(i in sunk_ids(lab) for i in ids), "and nothing went out")
    row = lab.rows("queue", "retry", ids[0])[0]
    tap.equal((row["deliveries"], row["waiting"]), (1, 0), "a message that is named does not wait")
    lab.wait(lambda: ids[0] in sunk_ids(lab), 20, "the message that was named")
    lab.ctl("queue", "retry", "--domain=two.rcpt.test", "--force")
    lab.wait(lambda: ids[1] in sunk_ids(lab), 20, "the forced domain")
    tap.equal(len(lab.rows("queue", "list")), 2, "a domain goes with --force; the others still wait")


def test_forced_once(lab, queue_id, end):
    lab.ctl("queue", "retry", queue_id)
    lab.wait(lambda: of(lab, queue_id, "deferred"), 20, "the deferral")
    clock(lab, "advance", "1h")
    tap.equal(len(of(lab, queue_id, "deferred")), 1, "what was deferred is not tried again before the end of quiet hours")
    tap.equal(lab.rows("queue", "list", queue_id)[0]["waits_for"], WORDS, "it waits for it like the others")
    lab.script("")


def test_end(lab, ids, end):
    lab.kill_and_restart()
    clock(lab, "advance", "59m")
    tap.ok(not any(i in sunk_ids(lab) for i in ids), "also over kill -9 nothing goes before the end")
    clock(lab, "advance", "2m")
    lab.wait(lambda: all(i in sunk_ids(lab) for i in ids), 20, "the end of quiet hours")
    moments = [seconds(of(lab, i, "delivered")[0]["time"]) - end for i in ids]
    tap.ok(all(0 <= m <= TICK for m in moments), "at the end all goes out, on the minute", moments)


def test_quiet():
    hours, end = span()
    bulk = dict(head=b"X-Relais-Class: bulk\r\n")
    with harness.Lab("--clock", "virtual", "--set", "class.bulk.quiet_hours=" + hours, "--set", "class.bulk.quiet_zone=UTC",
                     "--set", "class.bulk.quiet_spread=0", "--set", "class.bulk.retry=5m") as lab:
        lab.script("rcpt slow@* 450 4.2.1 come back later\n")
        ids = [send(lab, [r], **bulk) for r in ("a@one.rcpt.test", "b@two.rcpt.test", "slow@one.rcpt.test", "d@one.rcpt.test")]
        urgent = send(lab, ["u@one.rcpt.test"])
        lab.wait(lambda: urgent in sunk_ids(lab), 20, "transactional mail")
        tap.case(test_seen, lab, ids, end)
        tap.case(test_retry, lab, ids)
        tap.case(test_forced_once, lab, ids[2], end)
        tap.case(test_end, lab, ids[2:], end)
        tap.ok("[--force]" in lab.ctl("help").stdout, "help names the option", lab.ctl("help").stdout[:3000])
        lab.clean(tap)


# --- Notices of delay -------------------------------------------------------------------------------

def reports(lab):
    """(facts, bytes) of the reports in the sink."""
    return [(f, d) for f, d in lab.sunk() if b"multipart/report" in d]


def test_form(facts, data, queue_id, accepted):
    lines = data.split(b"\r\n")
    tap.ok(max(map(len, lines)) <= 998 and all(b < 0x80 for b in data) and b"\n" not in data.replace(b"\r\n", b""),
           "a notice is 7bit, in lines that end in CRLF and have at most 998 octets", max(map(len, lines)))
    message = email.message_from_bytes(data, policy=email.policy.default)
    defects = [d for p in message.walk() for d in p.defects] + [d for n, v in message.items() for d in v.defects]
    tap.equal(defects, [], "Python's parser finds no defect in it")
    tap.equal((message.get_content_type(), message.get_param("report-type")), ("multipart/report", "delivery-status"), "it is a report")
    tap.equal((facts["sender"], [r[0] for r in facts["recipients"]]), ("", ["ann@in.sender.test"]), "from the null sender to the sender")
    tap.equal([a.addr_spec for a in message["To"].addresses], ["ann@in.sender.test"], "who stands in To")
    tap.equal(message["Auto-Submitted"], "auto-replied", "answered by nobody's auto-responder")
    tap.ok(message["Message-ID"] and message["Date"] and message["Subject"] == "Your message is delayed", "with a subject that says it")
    parts = list(message.iter_parts())
    tap.equal([p.get_content_type() for p in parts], ["text/plain", "message/delivery-status", "text/rfc822-headers"],
              "three parts: for people, for programs, and with RET=FULL too the header alone")
    tap.equal(parts[0].get_content_charset(), "us-ascii", "the first in the charset it says")
    tap.ok("We keep trying until" in parts[0].get_content() and "450 4.2.1 come back later" in " ".join(parts[0].get_content().split()),
           "which tells until when, and what the other side said", parts[0].get_content())
    whole, each = parts[1].get_payload()[0], parts[1].get_payload()[1:]
    tap.equal((whole["Reporting-MTA"], whole["Original-Envelope-Id"]), ("dns; relais.test", "env+1"), "Reporting-MTA and the envelope's id")
    tap.equal(len(each), 1, "one recipient: the one that is late")
    fields = each[0]
    tap.equal((fields["Action"], fields["Status"], fields["Final-Recipient"]), ("delayed", "4.2.1", "rfc822; slow@one.rcpt.test"),
              "Action, Status and Final-Recipient")
    tap.equal(str(fields["Original-Recipient"]).replace(" ", ""), "rfc822;orig@old.test", "Original-Recipient")
    tap.ok(str(fields["Diagnostic-Code"]).startswith("smtp; 450 4.2.1"), "Diagnostic-Code", fields["Diagnostic-Code"])
    until = email.utils.parsedate_to_datetime(str(fields["Will-Retry-Until"])).timestamp()
    tap.ok(abs(until - accepted - 48 * HOUR) <= 1 + TICK, "Will-Retry-Until is when its lifetime ends", until - accepted)
    tap.equal(fields["Last-Attempt-Date"], None, "no attempt is claimed that was not made then")


def test_notice():
    long_line = b"X-Long: " + b" ".join([b"word"] * 180) + b"\r\n"
    with harness.Lab("--clock", "virtual", "--set", "class.transactional.delay_notice=1h 4h", "--set", "class.transactional.retry=25m",
                     "--set", "class.transactional.lifetime=2d") as lab:
        lab.script("rcpt slow@* 450 4.2.1 come back later\n")
        queue_id = send(lab, ["slow@one.rcpt.test", "fast@one.rcpt.test"], sender="ann@in.sender.test",
                        head=long_line, body="Zo\u00eb\r\n".encode() * 3,
                        mail=["BODY=8BITMIME", "RET=FULL", "ENVID=env+2B1"], rcpt=["NOTIFY=DELAY,FAILURE", "ORCPT=rfc822;orig@old.test"])
        never = send(lab, ["slow@one.rcpt.test"], sender="ann@in.sender.test", rcpt=["NOTIFY=FAILURE"])
        null = send(lab, ["slow@one.rcpt.test"], sender="")
        accepted = seconds(lab.wait(lambda: of(lab, null, "deferred"), 20, "the first attempts")[0]["time"])
        clock(lab, "advance", "59m")
        lab.kill_and_restart()
        tap.equal(len(reports(lab)), 0, "before its time there is no notice")
        clock(lab, "advance", "2m")
        lab.wait(lambda: reports(lab), 20, "the notice")
        clock(lab, "advance", "10s")
        tap.equal(len(reports(lab)), 1, "then there is one: not for who wants none, nor for the null sender")
        tap.case(test_form, *reports(lab)[0], queue_id, accepted)
        lab.kill_and_restart()
        clock(lab, "advance", "2h")
        tap.equal((len(reports(lab)), len(of(lab, queue_id, "delayed"))), (1, 1), "over kill -9 it is not told again")
        clock(lab, "advance", "2h")
        lab.wait(lambda: len(reports(lab)) == 2, 20, "the second notice")
        clock(lab, "advance", "2d")
        lab.wait(lambda: of(lab, never, "expired") and of(lab, null, "expired"), 20, "the end")
        tap.equal([len(of(lab, queue_id, "delayed")), len(of(lab, null, "delayed")), len(of(lab, null, "expired"))], [2, 0, 1],
                  "each age is told of once; the null sender's mail ends untold")
        lab.clean(tap)


def test_killed():
    """Notices fall due all through a second in which the daemon is killed again and again."""
    with harness.Lab("--set", "class.transactional.delay_notice=2s", "--set", "class.transactional.retry=1h",
                     "--set", "class.transactional.lifetime=2d") as lab:
        lab.script("rcpt slow@* 450 4.2.1 come back later\n")
        ids = [send(lab, ["slow@one.rcpt.test"], sender="ann@in.sender.test") for _ in range(60)]
        begin = time.monotonic()
        kills = 0
        while time.monotonic() - begin < 3 or kills < 4:
            time.sleep(random.uniform(0.02, 0.35))
            lab.kill_and_restart()
            kills += 1
        lab.wait(lambda: all(of(lab, i, "delayed") for i in ids), 30, "a notice for each")
        made = {e["id"]: e["report_of"] for e in lab.events() if e["type"] == "accepted" and "report_of" in e}
        lab.wait(lambda: lab.status()["queue.deliveries"] == len(ids), 30, "the notices' delivery")
        names = {email.message_from_bytes(d)["Message-ID"] for _, d in reports(lab)}
        tap.equal((sorted(made.values()), [len({e["id"] for e in of(lab, i, "delayed")}) for i in ids], len(names)), (sorted(ids), [1] * len(ids), len(ids)),
                  "%d notices that fell due during %d times kill -9: one each, none lost" % (len(ids), kills))
        lab.clean(tap)


# --- Future release ---------------------------------------------------------------------------------

def login(lab):
    s = smtplib.SMTP("127.0.0.1", lab.port, local_hostname="client.test", timeout=30)
    s.ehlo()
    s.login("ann", "secret")
    s.ehlo()
    return s


def later(lab, parameter, recipient, rcpt=()):
    with login(lab) as s:
        s.mail("ann@in.sender.test", [parameter])
        s.rcpt(recipient, list(rcpt))
        code, text = s.data(b"From: <ann@in.sender.test>\r\nSubject: later\r\n\r\ntext\r\n")
        if code != 250:
            raise RuntimeError("DATA: %r" % ((code, text),))
    return text.decode().split()[-1]


def stamp(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_offer(lab, now):
    with smtplib.SMTP("127.0.0.1", lab.port, local_hostname="client.test", timeout=30) as s:
        s.ehlo()
        tap.equal((s.has_extn("futurerelease"), s.mail("ann@in.sender.test", ["HOLDFOR=60"])[0]), (False, 555),
                  "who is not logged in is offered no future release, and has none")
    with login(lab) as s:
        tap.equal(s.esmtp_features["futurerelease"], "7200 " + stamp(now + 7200), "who is logged in is: for how long, and until when")
        answers = []
        for parameter in ("HOLDFOR=7200", "HOLDFOR=7201", "HOLDUNTIL=" + stamp(now + 7200), "HOLDUNTIL=" + stamp(now + 7202), "HOLDFOR=1h",
                          "HOLDFOR=1 HOLDUNTIL=" + stamp(now), "HOLDUNTIL=" + stamp(now - 60)):
            code, text = s.mail("ann@in.sender.test", [parameter])
            answers.append((code, text.split()[0].decode()))
            s.rset()
        good, bad = (250, "2.1.0"), (501, "5.5.4")
        tap.equal(answers, [good, bad, good, bad, bad, bad, good], "up to the limit and no further; what is malformed is refused")


def test_kept(lab, now):
    one = later(lab, "HOLDFOR=3600", "a@one.rcpt.test")
    two = later(lab, "HOLDUNTIL=" + stamp(now + 1800), "slow@one.rcpt.test", ["NOTIFY=FAILURE"])
    early = later(lab, "HOLDFOR=7200", "c@one.rcpt.test")
    past = later(lab, "HOLDUNTIL=" + stamp(now - 60), "d@one.rcpt.test")
    lab.wait(lambda: past in sunk_ids(lab), 20, "what was to go out a minute ago")
    rows = {r["id"]: r for r in lab.rows("queue", "list")}
    tap.equal({(i, r["waits_for"], round((seconds(r["until"]) - now) / 60), r["age_s"], r["attempts"]) for i, r in rows.items()},
              {(i, "the moment that its sender asked for", m, 0, 0) for i, m in ((one, 60), (two, 30), (early, 120))}, "the queue tells until when each is kept")
    row = lab.rows("queue", "retry", "--all")[0]
    tap.equal((row["deliveries"], row["waiting"], len(sunk_ids(lab))), (3, 3, 1), "a retry of all releases none, and says so")
    lab.kill_and_restart()
    lab.ctl("queue", "retry", early)
    lab.wait(lambda: early in sunk_ids(lab), 20, "the early release")
    tap.equal(len(lab.rows("queue", "list")), 2, "an operator who names a message has it released early")
    clock(lab, "advance", "59m")
    lab.kill_and_restart()
    tap.ok(one not in sunk_ids(lab), "also over kill -9 nothing goes before its time")
    clock(lab, "advance", "2m")
    lab.wait(lambda: one in sunk_ids(lab), 20, "the release")
    moment = seconds(of(lab, one, "delivered")[0]["time"]) - now - 3600
    tap.ok(-1 <= moment <= TICK, "then it goes", moment)
    first = seconds(of(lab, two, "deferred")[0]["time"])
    tap.ok(-1 <= first - now - 1800 <= TICK, "so does the other, which is then deferred", first - now)
    clock(lab, "advance", "3h")
    expired = seconds(lab.wait(lambda: of(lab, two, "expired"), 20, "the end")[0]["time"])
    tap.ok(-1 <= expired - now - 1800 - 2 * HOUR <= TICK, "its lifetime is counted from its release", expired - now)
    data = lab.wait(lambda: reports(lab), 20, "the report")[0][1]
    whole = list(email.message_from_bytes(data, policy=email.policy.default).iter_parts())[1].get_payload()[0]
    tap.equal((len(reports(lab)), whole["Future-Release-Request"]), (1, "until;" + stamp(now + 1800)), "one report, which tells what was asked for")


def test_future():
    with harness.Lab("--clock", "virtual", "--set", "listener.lab.auth=yes", "--set", "limits.future_release=2h", "--set", "class.transactional.retry=20m",
                     "--set", "class.transactional.lifetime=2h", "--set", "class.transactional.delay_notice=1h") as lab:
        done = subprocess.run([lab.facts["relaisctl"], "user", "add", "ann", "--tenant=sender"], input="secret\n", capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        lab.script("rcpt slow@* 450 4.2.1 come back later\n")
        now = int(clock(lab, "now"))
        tap.case(test_offer, lab, now)
        tap.case(test_kept, lab, now)
        lab.clean(tap)


for case in (test_future, test_quiet, test_notice, test_killed):
    tap.case(case)
tap.end()
