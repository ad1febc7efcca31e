#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsbl-monitor in a laboratory whose DNS server serves a blocklist: one of two sources is listed, which is told by
command, event and mail; its mail goes out from the other one; a restart knows that still and tells nobody again; it
is delisted, and sends again."""
import os
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import harness

tap = harness.Tap()
POINT = "2.0.0.127.bl 1 A 127.0.0.2\n"
# What is absent is cached for as long as the zone says, which is long here; this has no such time, and does not count.
CLEAN = "11.0.0.127.bl 1 A 127.0.0.99\n"
LISTED = '11.0.0.127.bl 1 A 127.0.0.4\n11.0.0.127.bl 1 TXT "spam came from 127.0.0.11"\n'
OPTIONS = (
    "source.one.address4=127.0.0.11", "source.two.address4=127.0.0.12",
    "dnsbl-monitor.watch_private=yes", "dnsbl-monitor.interval=1s", "dnsbl-monitor.confirm_interval=1s", "dnsbl-monitor.spread=0",
    "dnsbl-monitor-zone.lab.zone=bl.test", "dnsbl-monitor-zone.lab.kind=address4",
    "dnsbl-monitor-zone.lab.codes=127.0.0.2 = SBL, 127.0.0.4 = XBL", "dnsbl-monitor-zone.lab.ignore=127.0.0.99", "dnsbl-monitor-zone.lab.url=https://bl.test/?q=%{target}")
KEEPS = os.path.exists(os.path.join(harness.BUILD, "modules/store-gdbm/.libs/store-gdbm.so"))
SENT = 0


class Zone:
    """The laboratory's zone, which the server reads again when it is told to."""

    def __init__(self, lab):
        self.path = os.path.join(lab.directory, "dns", "test.zone")
        self.pid_file = os.path.join(lab.directory, "dns", "nsd.pid")
        self.base = open(self.path).read().replace(CLEAN, "")
        self.serial = 1

    def put(self, records):
        self.serial += 1
        with open(self.path + ".new", "w") as file:
            file.write(self.base.replace("hostmaster.test. 1 ", "hostmaster.test. %d " % self.serial) + records)
        os.rename(self.path + ".new", self.path)
        os.kill(int(open(self.pid_file).read()), signal.SIGHUP)


def rows(lab):
    return {row["target"]: row for row in lab.rows("dnsbl") if "target" in row}


def changes(lab):
    return [(event["target"], event["from"], event["to"]) for event in lab.events() if event["type"] == "dnsbl"]


def send(lab, n):
    """Mail goes out; the addresses that it came from."""
    global SENT
    marks = []
    for _ in range(n):
        SENT += 1
        marks.append("mark-%d-" % SENT)
        session = harness.Dialogue(lab.port)
        session.reply()
        for line in ("EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<x%d@rcpt.test>" % SENT, "DATA"):
            session.ask(line)
        session.send("From: a@sender.test\r\nSubject: %s\r\n\r\nbody\r\n.\r\n" % marks[-1])
        code, text = session.reply()
        if code != 250:
            raise RuntimeError("the message was not taken: %d %s" % (code, text))
        session.close()

    def found():
        got = {mark: facts for facts, data in lab.sunk() for mark in marks if mark.encode() in data}
        return got if len(got) == n else None

    return {facts["client"] for facts in lab.wait(found, 20, "delivery").values()}


def becomes(lab, find, wanted, name):
    """A DNS server under load may not answer in time, which is no failure of ours."""
    try:
        lab.wait(lambda: find() == wanted, 20, name)
    except RuntimeError:
        pass
    tap.equal(find(), wanted, name)


def check_row(lab, target, **changed):
    """Asks now, and what is wanted: clean, but for what changed."""
    wanted = {"zone": "lab", "state": "clean", "answer": None, "codes": None, "test": "passed", "text": None, "url": None}
    return lambda: lab.rows("dnsbl", "check", target)[0], dict(wanted, **changed)


def worst(lab):
    row = lab.rows("dnsbl", "status")[0]
    return row["target"], row["state"], row["answer"]


def state_of(lab, target):
    row = rows(lab).get(target)
    return row and row["state"]


def told(lab, subject):
    return [data.decode(errors="replace") for _, data in lab.sunk() if ("Subject: " + subject).encode() in data]


def restart(lab):
    lab.kill_and_restart()
    lab.wait(lambda: state_of(lab, "127.0.0.11") == "listed", 20, "what was kept")
    tap.equal(send(lab, 6), {"127.0.0.12"}, "also after a restart")
    lab.wait(lambda: rows(lab)["127.0.0.11"]["age_s"] < 2, 20, "the next answer")
    tap.equal((len(changes(lab)), len(told(lab, "127.0.0.11 is listed by lab"))), (1, 1), "which tells nobody again")


def test_life():
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as file:
        file.write(POINT + CLEAN)
        file.flush()
        with harness.Lab("--module", "dnsbl-monitor", "--zone", file.name, *(word for option in OPTIONS for word in ("--set", option))) as lab:
            zone = Zone(lab)
            lab.wait(lambda: [r["state"] for r in rows(lab).values()] == ["clean", "clean"], 20, "the first answers")
            tap.equal(sorted(rows(lab)), ["127.0.0.11", "127.0.0.12"], "both sources are looked for, and clean")
            for target, answer in (("127.0.0.11", "127.0.0.99"), ("127.0.0.12", "NXDOMAIN")):
                becomes(lab, *check_row(lab, target, answer=answer), "so check says: " + answer)
            tap.equal(changes(lab), [], "which is no news")

            zone.put(LISTED)
            becomes(lab, *check_row(lab, "127.0.0.11", state="listed", answer="127.0.0.4", codes="XBL", text="spam came from 127.0.0.11",
                                    url="https://bl.test/?q=127.0.0.11"), "check tells the listing and its reason")
            lab.wait(lambda: changes(lab), 20, "the event")
            tap.equal(changes(lab), [("127.0.0.11", "clean", "listed")], "an event tells it once it is confirmed")
            becomes(lab, lambda: worst(lab), ("127.0.0.11", "listed", "127.0.0.4"), "the worst stands first")
            shown = lab.ctl("dnsbl").stdout
            tap.ok("XBL" in shown and "https://bl.test/?q=127.0.0.11" in shown, "for people", shown)
            lab.wait(lambda: told(lab, "127.0.0.11 is listed by lab"), 20, "the mail")
            text = told(lab, "127.0.0.11 is listed by lab")[0]
            tap.ok("spam came from" in text and "Source one is out of use" in text, "the postmaster is told what it means", text)
            tap.equal(send(lab, 6), {"127.0.0.12"}, "mail goes out from the other source")

            if KEEPS:
                restart(lab)
            else:
                tap.skip("a restart", "built without store-gdbm")

            zone.put(CLEAN)
            lab.wait(lambda: len(changes(lab)) > 1, 20, "the event")
            tap.equal(changes(lab)[1:], [("127.0.0.11", "listed", "clean")], "the end of it is told")
            lab.wait(lambda: "127.0.0.11" in send(lab, 4), 20, "mail from it")
            tap.ok(True, "and the source sends again")
            tap.equal([(r["target"], r["from"], r["to"]) for r in lab.rows("dnsbl", "history", "127.0.0.11")],
                      [("127.0.0.11", "listed", "clean"), ("127.0.0.11", "clean", "listed"), ("127.0.0.11", "unknown", "clean")], "history has it all")
            for words in (["check"], ["check", "a b"], ["history", "a", "b"]):
                tap.equal(lab.ctl("dnsbl", *words, check=False).returncode, 2, "usage: " + " ".join(words))
        # The listing itself is a warning, and the one that there is.
        bad = [line for line in lab.last_log.splitlines() if any(word in line for word in ("Sanitizer", "runtime error", "CRITICAL", "WARNING", "blocking call")) and (KEEPS or "in memory only" not in line)]
        tap.ok(len(bad) == 1 and "is listed by lab: XBL" in bad[0], "the daemon ended well, and its log has the listing", lab.last_log[-3000:])


tap.case(test_life)
tap.end()
