#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spf-check from the client's address to the header: the suites of cases (tests/modules/spf-check) through SMTP, the
client by a PROXY header, the verdict by the Authentication-Results of what is delivered; policy; who is skipped;
a domain whose DNS never answers; `relaisctl spf eval` and `relaisctl spf test`.

What SMTP refuses as no address and no name of HELO gets its verdict from that command of the same daemon. Two
cases are left out, where the resolver's rule comes first: the name of an MX host is letters, digits, "-" and "_",
and one with ":" and "/" in it is no host (foo:bar/baz.example.com)."""
import base64
import email
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "modules/spf-check")]
import harness
import suite
import zonedns

tap = harness.Tap()
EXCEPTIONS = {"mx-colon-domain", "mx-colon-domain-ip4mapped"}
WAYS = {}  # by which verdicts of a suite were had
COUNT = 0


def laboratory(server, *more):
    return harness.Lab("--module", "spf-check", "--set", "listener.proxy=yes", "--set", "dns.server=127.0.0.1@%d" % server.port, *more)


def proxied(lab, client):
    """A session whose client has that address."""
    session = harness.Dialogue(lab.port)
    session.send("PROXY TCP%d %s %s 1000 25\r\n" % (6 if ":" in client else 4, client, "::1" if ":" in client else "127.0.0.1"))
    session.reply()
    return session


def quoted(sender):
    """As SMTP writes it."""
    local, at, domain = sender.rpartition("@")
    if not local or all(re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", part) for part in local.split(".")) or local[0] == '"':
        return sender
    return '"%s"%s%s' % (re.sub(r'(["\\])', r"\\\1", local), at, domain)


def submit(session, helo, sender):
    """Replies to HELO and MAIL, and the mark of the message if it was taken."""
    global COUNT
    COUNT += 1
    mark = "mark-%d-" % COUNT
    replies = [session.ask("HELO " + helo)]
    if replies[0][0] == 250:
        replies.append(session.ask("MAIL FROM:<%s>" % quoted(sender)))
    if replies[-1][0] != 250:
        return replies, None
    session.ask("RCPT TO:<x@in.sender.test>")
    session.ask("DATA")
    session.send("From: a@from.test\r\nSubject: %s\r\n\r\nbody\r\n.\r\n" % mark)
    code, text = session.reply()
    if code != 250:
        raise RuntimeError("the message was not taken: %d %s" % (code, text))
    return replies, mark


def delivered(lab):
    """mark -> message, of all that arrived."""
    messages = [email.message_from_bytes(data) for _, data in lab.sunk()]
    return {message["Subject"]: message for message in messages}


def verdict(message):
    """spf's result in the one Authentication-Results field."""
    fields = message.get_all("Authentication-Results") or []
    found = re.findall(r"\bspf=([a-z]+)", fields[0]) if len(fields) == 1 else []
    return found[0] if len(found) == 1 else "(%d fields, %d results)" % (len(fields), len(found))


# --- The suites -----------------------------------------------------------------------------------

def evaluate(lab, case):
    rows = lab.rows("spf", "eval", "--", case.ip, case.sender, case.helo)
    return rows[0]["result"]


def run_document(description, zone, cases):
    server = zonedns.Server(zone)
    with laboratory(server) as lab:
        marks = {}
        for case in cases:
            session = proxied(lab, case.ip)
            replies, marks[case.name] = submit(session, case.helo, case.sender)
            session.close()
            if marks[case.name] is None and replies[-1][0] != 501:
                raise RuntimeError("%s: %s" % (case.name, replies))
        lab.wait(lambda: set(filter(None, marks.values())) <= set(delivered(lab)), 60, "delivery")
        found = delivered(lab)
        for case in cases:
            if case.name in EXCEPTIONS or "order" in case.data:
                continue
            mark = marks[case.name]
            result = verdict(found[mark]) if mark else evaluate(lab, case)
            WAYS["SMTP" if mark else "command"] += 1
            tap.ok(result in case.wanted, "%s: %s%s" % (description, case.name, "" if mark else " (no mail: by command)"),
                   "%s, wanted %s" % (result, case.wanted))
        lab.clean(tap)


def test_suite(path):
    WAYS.update(SMTP=0, command=0)
    documents = suite.load(path)
    for description, zone, cases in documents:
        tap.case(run_document, description, zone, cases)
    tap.note("%s: %d cases, %d verdicts by SMTP, %d by command" % (os.path.basename(path), sum(len(cases) for _, _, cases in documents), WAYS["SMTP"], WAYS["command"]))


# --- Policy and header ----------------------------------------------------------------------------

ZONE = suite.Zone({
    "pass.test": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"}],
    "helo.test": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "fail.test": [{"TXT": "v=spf1 -all exp=why.fail.test"}],
    "why.fail.test": [{"TXT": "see http://fail.test/?%{I}"}],
    "broken.test": [{"TXT": "v=spf1 moo"}],
    "lost.test": ["TIMEOUT"],
    "hostile.test": [{"TXT": "v=spf1 -all exp=e.hostile.test"}],
    "e.hostile.test": [{"TXT": "%{d}" * 127 + " is the end"}],
    "silent.test": [{"TXT": "v=spf1 -all"}],
    "big.test": [{"TXT": "v=spf1 " + "ip4:198.51.100.1 " * 200 + "ip4:192.0.2.1 -all"}],
})


def test_policy():
    server = zonedns.Server(ZONE)
    options = ("fail=reject", "explain=yes", "permerror=reject", "temperror=defer", "skip=203.0.113.0/24")
    with laboratory(server, *(word for option in options for word in ("--set", "spf-check." + option))) as lab:
        def answer(client, sender, helo="helo.test"):
            session = proxied(lab, client)
            replies, mark = submit(session, helo, sender)
            session.close()
            return replies[-1], mark

        (code, text), _ = answer("192.0.2.1", "a@fail.test")
        tap.ok(code == 550 and text.startswith("5.7.23 ") and "fail.test says: see http://fail.test/?192.0.2.1" in text, "fail = reject", text)
        (code, text), _ = answer("192.0.2.1", "a@broken.test")
        tap.ok(code == 550 and text.startswith("5.7.24 ") and "moo" in text, "permerror = reject", text)
        (code, text), _ = answer("192.0.2.1", "a@lost.test")
        tap.ok(code == 451 and text.startswith("4.7.24 ") and "try again" in text, "temperror = defer", text)
        marks = {name: answer(client, sender)[1] for name, client, sender in (
            ("pass", "192.0.2.1", "a@pass.test"), ("null", "192.0.2.1", ""), ("skipped", "203.0.113.5", "a@fail.test"),
            ("six", "2001:db8::5", "a@pass.test"), ("big", "192.0.2.1", "a@big.test"))}
        subprocess.run([lab.facts["relaisctl"], "user", "add", "anna", "--tenant=sender"], input="secret\n", capture_output=True, text=True, check=True)
        session = proxied(lab, "192.0.2.1")
        session.ask("EHLO helo.test")
        session.starttls()
        session.ask("EHLO helo.test")
        replies = [session.ask("AUTH PLAIN " + base64.b64encode(b"\0anna\0secret").decode()), session.ask("MAIL FROM:<a@fail.test>")]
        tap.equal([code for code, _ in replies], [235, 250], "an authenticated client is not checked")
        session.close()
        _, marks["trusted"] = submit(proxied(lab, "127.0.0.1"), "helo.test", "a@fail.test")
        lab.wait(lambda: set(marks.values()) <= set(delivered(lab)), 20, "delivery")
        found = {name: delivered(lab)[mark] for name, mark in marks.items()}
        tap.equal({name: verdict(found[name]) for name in ("pass", "null", "six", "big")}, dict.fromkeys(("pass", "null", "six", "big"), "pass"), "what passes")
        tap.ok("smtp.mailfrom=a@pass.test" in found["pass"]["Authentication-Results"] and "smtp.helo=helo.test" in found["null"]["Authentication-Results"], "whose result it is")
        tap.ok(found["pass"]["Received-SPF"].startswith("pass") and found["pass"].items()[0][0] == "Authentication-Results" and
               [name for name, _ in found["pass"].items()].index("Received-SPF") < [name for name, _ in found["pass"].items()].index("Received"),
               "Received-SPF above our Received", found["pass"].items())
        tap.equal([found[name]["Received-SPF"] for name in ("skipped", "trusted")], [None, None], "listed and trusted clients are not checked")
        counts = {row["value"]: row["count"] for row in lab.rows("counters") if row["module"] == "spf-check"}
        tap.equal({name: int(counts.get(name, 0)) for name in ("pass", "fail", "permerror", "temperror", "listed", "trusted", "authenticated")},
                  {"pass": 4, "fail": 1, "permerror": 1, "temperror": 1, "listed": 1, "trusted": 1, "authenticated": 1}, "results are counted")
        lab.clean(tap)


# --- Silence --------------------------------------------------------------------------------------

def test_silence():
    """While checks of a domain that never answers wait, other mail passes; the waiting ones end by themselves, or
    with their session."""
    server = zonedns.Server(ZONE, silent=("silent.test",))
    with laboratory(server, "--set", "spf-check.deadline=3s", "--set", "spf-check.temperror=defer") as lab:
        waiting = [proxied(lab, "192.0.2.%d" % (i + 1)) for i in range(20)]
        for session in waiting:
            session.ask("HELO helo.test")
            session.send("MAIL FROM:<a@silent.test>\r\n")
        lab.wait(lambda: ("silent.test", "TXT") in server.asked, 20, "the question")
        for session in waiting[10:]:
            session.close()
        marks = [submit(proxied(lab, "192.0.2.77"), "helo.test", "a@pass.test")[1] for _ in range(20)]
        lab.wait(lambda: set(marks) <= set(delivered(lab)), 20, "delivery of the others")
        tap.equal({verdict(delivered(lab)[mark]) for mark in marks}, {"pass"}, "others' mail is checked and passes meanwhile")
        replies = [session.reply() for session in waiting[:10]]
        tap.ok(all(reply and reply[0] == 451 and "silent.test" in reply[1] for reply in replies), "the domain's own is told to come again", replies)
        tap.ok(len([1 for name, _ in server.asked if name == "silent.test"]) <= 60, "and asked for once for all, retries included", len(server.asked))
        lab.clean(tap)


# --- The command ----------------------------------------------------------------------------------

def test_command():
    server = zonedns.Server(ZONE)
    with laboratory(server) as lab:
        rows = lab.rows("spf", "eval", "192.0.2.1", "a@fail.test", "helo.test")
        tap.equal({key: rows[0][key] for key in ("result", "identity", "domain", "mechanism", "explanation")},
                  {"result": "fail", "identity": "mailfrom", "domain": "fail.test", "mechanism": "-all", "explanation": "see http://fail.test/?192.0.2.1"}, "the verdict")
        tap.equal([rows[1][key] for key in ("terms", "terms_limit", "void_lookups", "void_lookups_limit", "questions")], [0, 10, 0, 2, 2], "its cost")
        tap.equal([(row["name"], row["type"], row["answer"]) for row in rows[2:]],
                  [("fail.test", "TXT", '"v=spf1 -all exp=why.fail.test"'), ("why.fail.test", "TXT", '"see http://fail.test/?%{I}"')], "every answer")
        rows = lab.rows("spf", "eval", "192.0.2.1", "a@lost.test", "helo.test")
        tap.equal((rows[0]["result"], rows[2]["answer"]), ("temperror", "SERVFAIL"), "an error is told")
        done = lab.ctl("spf", "eval", "192.0.2.1", "", "helo.test")
        tap.ok(re.search(r"pass +helo +helo\.test +ip4:192\.0\.2\.1", done.stdout), "for people", done.stdout)
        for words in (["192.0.2.1", "a@b.test"], ["192.0.2", "a@b.test", "h.test"], []):
            tap.equal(lab.ctl("spf", "eval", *words, check=False).returncode, 2, "usage: %s" % " ".join(words))
        lab.clean(tap)


# --- Our own record -------------------------------------------------------------------------------

def said(done):
    """state and reason of each row, what to publish, and how the call ended."""
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return ([(row["source"], row["state"], row["reason"]) for row in rows if "state" in row],
            [row["note"] for row in rows if "note" in row], done.returncode)


def test_published():
    """By the laboratory's own DNS, whose sender.test lets loopback send."""
    with tempfile.NamedTemporaryFile("w") as zone:
        zone.write('narrow.sender TXT "v=spf1 ip4:127.0.0.3" " ip4:192.0.2.9 -all"\n'
                   'twice.sender TXT "v=spf1 -all"\ntwice.sender TXT "v=spf1 ~all"\n'
                   'broken.sender TXT "v=spf1 ip4:127.0.0.0/8 mx:"\n')
        zone.flush()
        arguments = ("--module", "spf-check", "--zone", zone.name)
        with harness.Lab(*arguments, "--source", "127.0.0.3", "--source", "127.0.0.4") as lab:
            def test(domain):
                return said(lab.ctl("--json", "spf", "test", domain, check=False))

            rows = lab.rows("spf", "test", "sender.test")
            tap.equal([[row[key] for key in ("name", "source", "state", "reason", "publish")] for row in rows],
                      [["sender.test", "127.0.0.3", "good", None, None], ["sender.test", "127.0.0.4", "good", None, None]], "spf test: our sources may send")
            rows, notes, code = test("narrow.sender.test")
            tap.equal([row[:2] for row in rows] + [notes, code], [("127.0.0.3", "good"), ("127.0.0.4", "unknown"), [], 1], "a private address is not told to publish")
            rows, notes, code = test("in.sender.test")
            tap.equal((rows, notes, code), ([("", "missing", "there is no SPF record")], ["Publish at in.sender.test as TXT:\nv=spf1 a:s1.sender.test a:s2.sender.test ~all"], 1),
                      "no record: one that names us, by the names that lead to us")
            tap.equal([test(name + ".sender.test")[0][0][1] for name in ("twice", "broken", "no-such-name")], ["ambiguous", "unusable", "missing"], "other states")
            lab.clean(tap)
        with harness.Lab(*arguments, "--set", "source.out.address4=192.0.2.7", "--set", "source.out.address6=2001:db8::7") as lab:
            done = lab.ctl("spf", "test", "narrow.sender.test", check=False)
            tap.ok(done.returncode == 1 and done.stdout.count("not permitted") == 2 and
                   "Publish at narrow.sender.test as TXT:\nv=spf1 ip4:127.0.0.3 ip4:192.0.2.9 ip4:192.0.2.7 ip6:2001:db8::7 -all\n" in done.stdout and
                   "2 of 2 sending addresses" in done.stderr, "what lacks is added, for people", done.stdout + done.stderr)
            tap.equal([lab.ctl("spf", "test", *words, check=False).returncode for words in ((), ("a.test", "b.test"), ("no name",))], [2, 2, 2], "usage")
            lab.clean(tap)
        with harness.Lab(*arguments) as lab:
            rows, notes, code = said(lab.ctl("--json", "spf", "test", "sender.test", check=False))
            tap.ok(len(rows) == 1 and rows[0][1] == "unknown" and "[source NAME]" in rows[0][2] and code == 1, "no source has an address: told", rows)
            lab.clean(tap)


def test_published_late():
    """What is not known is not missing; the daemon ends while calls wait."""
    server = zonedns.Server(ZONE, silent=("silent.test", "late.test"))
    with laboratory(server, "--source", "127.0.0.3") as lab:
        rows, notes, code = said(lab.ctl("--json", "spf", "test", "lost.test", check=False))
        tap.equal((rows, notes, code), ([("", "unknown", "SERVFAIL")], [], 1), "SERVFAIL is not missing")
        rows, notes, code = said(lab.ctl("--json", "spf", "test", "late.test", check=False))
        tap.equal([row[1] for row in rows] + [notes, code], ["unknown", [], 1], "neither is a DNS that keeps silent")
        calls = [subprocess.Popen([lab.facts["relaisctl"], "spf", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for words in (("test", "silent.test"), ("eval", "192.0.2.1", "a@silent.test", "h.test"))]
        lab.wait(lambda: ("silent.test", "TXT") in server.asked, 20, "the question")
        lab.clean(tap)
        tap.ok(all(call.wait(60) != 0 for call in calls), "the daemon ends though calls wait, and so do they")


# --- libspf2 --------------------------------------------------------------------------------------

def helper_of(lab):
    """The library's process, or None."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        if "(spf-check-libsp)" in text and int(text.rpartition(")")[2].split()[1]) == lab.pid:
            return int(text.split()[0])
    return None


def test_libspf2():
    if not os.path.exists(os.path.join(harness.BUILD, "modules/spf-check/.libs/spf-check-libspf2")):
        tap.skip("evaluator = libspf2", "built without libspf2")
        return
    server = zonedns.Server(ZONE)
    with laboratory(server, "--set", "spf-check.evaluator=libspf2") as lab:
        marks = {}
        for i in range(12):
            for sender in ("a@pass.test", "a@fail.test", "a@hostile.test"):
                replies, marks[i, sender] = submit(proxied(lab, "192.0.2.1"), "helo.test", sender)
            if i % 3 == 1 and helper_of(lab):
                os.kill(helper_of(lab), signal.SIGKILL)
        tap.ok(all(marks.values()), "no mail noticed that the library's process was killed", marks)
        lab.wait(lambda: set(marks.values()) <= set(delivered(lab)), 20, "delivery")
        found = delivered(lab)
        tap.equal({(sender, verdict(found[mark])) for (_, sender), mark in marks.items()},
                  {("a@pass.test", "pass"), ("a@fail.test", "fail"), ("a@hostile.test", "fail")}, "and all have their verdict")
        row = lab.wait(lambda: [r for r in lab.rows("spf", "eval", "192.0.2.1", "a@pass.test", "helo.test")[:1] if r["evaluator"] == "libspf2"], 20, "the library")[0]
        tap.equal(row["result"], "pass", "it is there again")
    # It was killed, which the log says; the daemon ended well all the same.
    tap.ok("signal 9" in lab.last_log and "Sanitizer" not in lab.last_log, "the daemon says what became of it", lab.last_log[-2000:])


tap.case(test_policy)
tap.case(test_libspf2)
tap.case(test_silence)
tap.case(test_command)
tap.case(test_published)
tap.case(test_published_late)
test_suite(os.path.join(suite.HERE, "cases.yml"))
if suite.corpus():
    test_suite(suite.corpus())
else:
    tap.skip("the public suite through SMTP", "no suite of RFC 7208 cases here")
tap.end()
