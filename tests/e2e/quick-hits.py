#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and clicks from the message to the event: which mail is tracked, what a hit is answered with, who it is
said to have been, what is counted, and that switches and keys hold over a restart."""
import email
import html
import http.client
import os
import re
import signal
import smtplib
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
HTML = "<html><body>%s</body></html>" % " ".join("<a href=\"https://example.com/%d?a=1&amp;b=2\">x</a>" % i for i in range(6))
COUNT = 0


def send(lab, *fields, recipients=("x@a.rcpt.test",), body=HTML, copies=None):
    """The delivered messages, as octets, of one that is sent."""
    global COUNT
    COUNT += 1
    head = ["From: a@sender.test", "To: x@a.rcpt.test", "Subject: mail %d." % COUNT, "MIME-Version: 1.0",
            "Content-Type: text/html; charset=utf-8", *fields]
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as smtp:
        smtp.sendmail("a@sender.test", recipients, "\r\n".join(head) + "\r\n\r\n" + body + "\r\n")
    mark = b"Subject: mail %d." % COUNT

    def arrived():
        found = [data for _, data in lab.sunk() if mark in data]
        return found if len(found) >= (copies or len(recipients)) else None
    return lab.wait(arrived, 20, "delivery")


def links(data, kind):
    text = email.message_from_bytes(data).get_payload(decode=True).decode()
    text = html.unescape(text)  # "--" has a reference in it
    return re.findall(r"http://track\.sender\.test:\d+(/%s/[A-Za-z0-9_-]+)" % kind, text)


def ask(lab, path, method="GET", agent=PERSON, language=None, **more):
    connection = http.client.HTTPConnection("127.0.0.1", int(lab.facts["http_port"]), timeout=20)
    headers = {"Host": "track.sender.test", "User-Agent": agent, "Accept-Language": language, **{k.replace("_", "-"): v for k, v in more.items()}}
    connection.request(method, path, headers={name: value for name, value in headers.items() if value})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def events(lab, kind, campaign):
    return [event for event in lab.events() if event["type"] == kind and event.get("campaign") == campaign]


def wait_events(lab, kind, campaign, n):
    def told():
        found = events(lab, kind, campaign)
        return found if len(found) >= n else None
    return lab.wait(told, 20, "%d %s of %s" % (n, kind, campaign))


# --- Which mail -----------------------------------------------------------------------------------

def test_which(lab):
    data = send(lab)[0]
    tap.equal((len(links(data, "c")), len(links(data, "o"))), (6, 1), "links and a pixel")
    data = send(lab, "X-Relais-Track: opens")[0]
    tap.equal((len(links(data, "c")), len(links(data, "o"))), (0, 1), "X-Relais-Track: opens")
    data = send(lab, "X-Relais-Track: clicks")[0]
    tap.equal((len(links(data, "c")), len(links(data, "o"))), (6, 0), "X-Relais-Track: clicks")
    data = send(lab, "X-Relais-Track: opens, clicks")[0]
    tap.equal((len(links(data, "c")), len(links(data, "o"))), (6, 1), "X-Relais-Track: opens, clicks")
    for word in ("off", "clcks"):
        data = send(lab, "X-Relais-Track: " + word)[0]
        tap.equal((len(links(data, "c")), len(links(data, "o"))), (0, 0), "X-Relais-Track: " + word)
    tap.ok(b"X-Relais" not in data and HTML.encode() in data, "no field of ours goes out, the body is as it was")
    both = send(lab, recipients=("x@a.rcpt.test", "y@a.rcpt.test"))
    tap.ok(len(both) == 2 and not set(links(both[0], "c")) & set(links(both[1], "c")), "each recipient has tokens of its own")
    both = send(lab, "X-Relais-Consent: no", recipients=("x@a.rcpt.test", "y@a.rcpt.test"), copies=1)
    tap.ok(len(both) == 1 and len(links(both[0], "c")) == 6, "without consent all have the same, in one transaction")


# --- Answers --------------------------------------------------------------------------------------

def test_answers(lab):
    data = send(lab)[0]
    pixel, link = links(data, "o")[0], links(data, "c")[2]
    answer, body = ask(lab, pixel)
    tap.equal((answer.status, len(body), body[:6], answer.getheader("Content-Type")), (200, 43, b"GIF89a", "image/gif"), "the pixel is a GIF of 43 octets")
    tap.ok("no-store" in answer.getheader("Cache-Control"), "that nobody keeps")
    answer, body = ask(lab, link)
    tap.equal((answer.status, answer.getheader("Location"), body), (302, "https://example.com/2?a=1&b=2", b""), "a link leads where it led")
    answer, body = ask(lab, link, "HEAD")
    tap.equal((answer.status, answer.getheader("Location"), body), (302, "https://example.com/2?a=1&b=2", b""), "HEAD is answered alike")
    tap.equal(ask(lab, link, "POST")[0].status in (405, 501), True, "POST is not")
    good = []
    for i in range(3, len(link)):
        for c in "Ab-_":
            if c != link[i]:
                good.append(ask_status(lab, link[:i] + c + link[i + 1:]))
    tap.equal(set(good), {404}, "%d altered tokens are 404" % len(good))
    tap.equal(ask(lab, "/c/" + pixel[3:])[0].status, 404, "a pixel's token is no link")
    for language, heading in ((None, "There is nothing here"), ("fr-CA,fr;q=0.9,en;q=0.8", "Il n'y a rien ici")):
        answer, body = ask(lab, "/c/x", language=language)
        code = (language or "en")[:2]
        tap.equal((answer.status, answer.getheader("Content-Type"), answer.getheader("Content-Language")), (404, "text/html; charset=utf-8", code),
                  "who asks for it is told so by a page, %s" % code)
        tap.ok('<html lang="%s">' % code in body.decode() and "<h1>%s</h1>" % heading in html.unescape(body.decode()), "in his language", body.decode())


def ask_status(lab, path, kept=[]):
    if not kept or kept[0][0] != lab.facts["http_port"]:
        kept[:] = [(lab.facts["http_port"], http.client.HTTPConnection("127.0.0.1", int(lab.facts["http_port"]), timeout=20))]
    kept[0][1].request("GET", path, headers={"Host": "track.sender.test"})
    answer = kept[0][1].getresponse()
    answer.read()
    return answer.status


# --- Who it was -----------------------------------------------------------------------------------

def test_who(lab):
    data = send(lab, "X-Relais-Campaign: who")[0]
    path = links(data, "c")
    time.sleep(4.5)  # a click within three seconds of delivery is nobody's that we know
    ask(lab, path[0])
    wait_events(lab, "clicked", "who", 1)
    ask(lab, path[0])
    wait_events(lab, "clicked", "who", 2)
    ask(lab, path[1], "HEAD")
    wait_events(lab, "clicked", "who", 3)
    ask(lab, path[1], agent="curl/8.0")
    found = wait_events(lab, "clicked", "who", 4)
    tap.equal([(e["who"], e.get("first"), e.get("method")) for e in found],
              [("human", True, None), ("human", False, None), ("machine", None, "HEAD"), ("machine", True, None)],
              "a person, again, HEAD, a program")
    event = found[0]
    tap.equal((event["tenant"], event["url"], event["link"], event["client"], event["platform"], event["address"]),
              ("sender", "https://example.com/0?a=1&b=2", 0, "Chrome", "Windows", "127.0.0.0"), "what is told of it")
    tap.ok(len(event["queue_id"]) == 13 and event["recipient_number"] == 0 and event["seconds_after"] >= 4, "and of its delivery")
    tap.equal(found[2]["reasons"].split(",")[0], "head", "with reasons")
    ask(lab, path[0], Sec_Purpose="prefetch;prerender")
    event = wait_events(lab, "clicked", "who", 5)[4]
    tap.equal((event["who"], event["reasons"]), ("suspect", "prefetch"), "what a browser fetches ahead nobody is known to have followed")

    def counted():
        rows = {row["campaign"]: row for row in lab.rows("clicks", "show")}
        return [rows["who"][c] for c in ("human first", "human", "suspect", "machine")] == [1, 2, 1, 1] if "who" in rows else False
    lab.wait(counted, 20, "the counts")
    tap.ok(True, "counted apart, HEAD not at all")


def test_machines(lab):
    for path in links(send(lab, "X-Relais-Campaign: scanner")[0], "c"):
        ask(lab, path)
    found = wait_events(lab, "clicked", "scanner", 6)
    tap.equal({(e["who"], "burst" in e["reasons"]) for e in found}, {("machine", True)}, "all links within seconds: a machine, each of them")
    ask(lab, links(send(lab, "X-Relais-Campaign: early", "X-Relais-Track: opens")[0], "o")[0])
    event = wait_events(lab, "opened", "early", 1)[0]
    tap.ok(event["who"] != "human" or event["seconds_after"] > 2, "an open at once is nobody's that we know", event)
    data = send(lab, "X-Relais-Consent: no", "X-Relais-Campaign: quiet")[0]
    ask(lab, links(data, "o")[0])
    ask(lab, links(data, "c")[4])
    event = wait_events(lab, "clicked", "quiet", 1)[0]
    tap.ok(event["link"] == 4 and "url" not in event, "without consent an event has a link's place, not its URL, which may be a person's", event)
    event = wait_events(lab, "opened", "quiet", 1)[0]
    tap.ok(not {"queue_id", "recipient_number", "address", "agent", "seconds_after", "first"} & set(event),
           "without consent an event tells of nobody", event)


# --- What it comes to -----------------------------------------------------------------------------

def test_campaigns(lab):
    """By the log, with refusals beside what was hit."""
    lab.script("rcpt gone@* 550 5.1.1 no such user\nrcpt full@* @x1 452 4.2.2 mailbox full\n")
    send(lab, "X-Relais-Campaign: whole", recipients=("x@a.rcpt.test", "gone@a.rcpt.test", "full@b.rcpt.test"), copies=1)
    lab.wait(lambda: len(events(lab, "deferred", "whole")) == 1 and len(events(lab, "bounced", "whole")) == 1, 20, "two refusals")
    rows = {row["campaign"]: row for row in lab.rows("campaign", "list")}
    tap.equal({word: rows["whole"][word] for word in ("tenant", "accepted", "delivered", "failed", "opened")},
              {"tenant": "sender", "accepted": 3, "delivered": 1, "failed": 1, "opened": 0}, "campaign list: what became of recipients")
    tap.equal([rows[name]["clicked"] for name in ("who", "scanner")], [1, 0], "and who clicked: a person, and no machine")
    shown = lab.rows("campaign", "show", "whole")
    figures = {row["figure"]: (row["count"], row["percent"]) for row in shown if "figure" in row}
    tap.equal([figures[word] for word in ("messages", "waiting", "bounced", "put off")], [(1, None), (1, "33.33"), (1, "33.33"), (1, None)],
              "campaign show: one, in shares")
    tap.equal([(row["delivered"], row["failed"], row["put off"]) for row in shown if "site" in row], [(1, 1, 1)], "by site")
    tap.equal(sum(row["failed"] for row in shown if "reason" in row), 0, "no reason where no module gives one")
    clicks = {row["figure"]: row["count"] for row in lab.rows("campaign", "show", "who", "--tenant=sender") if "figure" in row}
    tap.equal((clicks["clicked"], clicks["clicked, suspect"], clicks["clicks"]), (1, 0, 3), "visits beside persons")
    tap.equal([lab.ctl("campaign", *words, check=False).returncode for words in (("show", "never"), ("show",), ("list", "x"))], [1, 2, 2],
              "one that is not there, and words that are wanted or not")
    lab.script("")


# --- Switches, keys, restart ----------------------------------------------------------------------

def test_switches(lab):
    path = links(send(lab, "X-Relais-Campaign: bad")[0], "c")
    other = links(send(lab, "X-Relais-Campaign: fine")[0], "c")[0]
    # as somebody may write it who has it from elsewhere: what a browser would make of it is meant
    for switch, hit, missed in ((["--link=HTTPS://Example.com:443/x/../3?a=1&b=2"], path[3], path[0]),
                                (["--tenant=sender", "--campaign=bad"], path[0], other), (["--tenant=sender"], other, None)):
        lab.ctl("clicks", "kill", *switch)
        tap.equal((ask(lab, hit)[0].status, missed and ask(lab, missed)[0].status), (410, missed and 302), "switched off: " + " ".join(switch))
    tap.equal(lab.ctl("clicks", "revive", "--link=https://example.com/9", check=False).returncode, 1, "what is not off cannot be revived")
    tap.equal(lab.ctl("clicks", "kill", check=False).returncode, 2, "nothing named is a usage error")
    tap.equal(lab.ctl("clicks", "kill", "--link=example.com/3", check=False).returncode, 2, "nor is what can be no tracked link")
    lab.ctl("token", "rotate")
    tap.equal(len(lab.rows("token", "list")), 2, "another key")
    lab.kill_and_restart()
    lab.wait(lambda: ask(lab, other)[0].status != 503, 20, "the switches")
    tap.equal((ask(lab, other)[0].status, len(lab.rows("clicks", "killed"))), (410, 3), "they hold over kill -9")
    for switch in (["--link=https://example.com/3?a=1&b=2"], ["--tenant=sender", "--campaign=bad"], ["--tenant=sender"]):
        lab.ctl("clicks", "revive", *switch)
    tap.equal([ask(lab, p)[0].status for p in (path[3], other)], [302, 302], "and can be taken back; links of the old key lead on")
    rows = {row["campaign"]: row for row in lab.rows("clicks", "show")}
    tap.equal(rows["scanner"]["machine"], 6, "what was counted is still there")
    skipped = {(r["module"], r["value"]) for r in lab.rows("counters") if r["counter"] == "tracking_skipped"}
    data = send(lab, body="<a href=\"mailto:a@b.test\">x</a>")[0]
    now = {(r["module"], r["value"]) for r in lab.rows("counters") if r["counter"] == "tracking_skipped"}
    tap.ok(("click-redirector", "scheme") in now - skipped and not links(data, "c"), "what is left alone is counted by reason", now)


def test_trap(lab):
    path = links(send(lab, "X-Relais-Campaign: trap")[0], "c")
    tap.equal(len(path), 7, "a link that nobody sees")
    tap.equal(ask(lab, path[6])[0].status, 204, "leads nowhere")
    ask(lab, path[0])
    found = wait_events(lab, "clicked", "trap", 2)
    tap.equal({(e["who"], "trap" in e["reasons"]) for e in found}, {("machine", True)}, "who follows it is a machine, and so is what came with it")


def test_repeats(lab):
    """One good link followed again and again: an event each for some, one for the rest; other links and machines are no repeats of it."""
    path = links(send(lab, "X-Relais-Campaign: again")[0], "c")
    for _ in range(8):
        ask(lab, path[0])
    ask(lab, path[1])
    ask(lab, path[0], agent="curl/8")
    wait_events(lab, "clicked", "again", 5)
    tap.equal([(e["link"], e["who"]) for e in events(lab, "clicked", "again")].count((0, "suspect")), 3, "three of eight clicks have an event each")
    os.kill(lab.pid, signal.SIGTERM)
    lab.wait(lambda: not os.path.exists("/proc/%d" % lab.pid), 20, "the end")
    lab.up()
    found = [e for e in events(lab, "clicked", "again") if "repeats" in e]
    tap.equal([(e["link"], e["who"], e["repeats"]) for e in found], [(0, "suspect", 5)], "the rest is told in one, at the latest at the stop")
    tap.equal(sum(e.get("repeats", 1) for e in events(lab, "clicked", "again")), 10, "so that none is lost")
    row = next(row for row in lab.rows("clicks", "show") if row["campaign"] == "again")
    tap.equal((row["suspect"], row["machine"]), (9, 1), "and all are counted")


ARGUMENTS = ["--module", "open-tracker", "--module", "click-redirector", "--set", "open-tracker.window=2s",
             "--set", "click-redirector.window=2s"]
with harness.Lab(*ARGUMENTS) as lab:
    for function in (test_which, test_answers, test_who, test_machines, test_campaigns, test_switches):
        tap.case(function, lab)
    lab.clean(tap)
with harness.Lab(*ARGUMENTS, "--set", "click-redirector.trap=yes", "--set", "click-redirector.repeats=3") as lab:
    tap.case(test_trap, lab)
    tap.case(test_repeats, lab)
    lab.clean(tap)
tap.end()
