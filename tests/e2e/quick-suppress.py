#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suppression list in the daemon: its commands, files that come and go, restarts, damage and its repair, a list that cannot be
read at start, expiry by a clock that somebody else moves."""
import csv
import glob
import hashlib
import io
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
MANY = 1000000 if harness.FULL else 150000  # either is more than the 16 MiB that a file handed over as one may have


def show(lab, address):
    done = lab.ctl("--json", "suppress", "show", address, check=False)
    return [row for row in map(json.loads, done.stdout.splitlines()) if "address" in row]


def write(lab, name, text):
    path = os.path.join(lab.directory, name)
    with open(path, "w", newline="") as file:
        file.write(text)
    return path


def test_one_address(lab):
    row = lab.rows("suppress", "add", "Jo@B\u00fccher.Example", "--reason=asked-by-phone")[0]
    tap.equal((row["address"], row["class"], row["state"], row["expires"]), ("jo@xn--bcher-kva.example", "manual", "suppressed", None),
              "an address is put on the list, folded")
    lab.ctl("suppress", "add", "jo@b\u00fccher.example", "--tenant=acme", "--campaign=spring", "--class=unsubscribe")
    rows = show(lab, "JO@xn--bcher-kva.example")
    tap.equal(sorted((r["class"], r["tenant"], r["campaign"], r["reason"]) for r in rows),
              [("manual", None, None, "asked-by-phone"), ("unsubscribe", "acme", "spring", None)], "show tells every entry")
    lab.kill_and_restart()
    tap.equal(len(show(lab, "jo@b\u00fccher.example")), 2, "they are there after SIGKILL")
    lab.ctl("suppress", "remove", "jo@b\u00fccher.example", "--class=unsubscribe")
    tap.equal([r["class"] for r in show(lab, "jo@b\u00fccher.example")], ["manual"], "remove takes what the options name")
    lab.ctl("suppress", "remove", "jo@b\u00fccher.example")
    tap.equal(lab.ctl("suppress", "show", "jo@b\u00fccher.example", check=False).returncode, 1, "then nothing is known")
    tap.equal(lab.ctl("suppress", "remove", "jo@b\u00fccher.example", check=False).returncode, 1, "and there is nothing to remove")
    lab.kill_and_restart()
    tap.equal(show(lab, "jo@b\u00fccher.example"), [], "nor after SIGKILL")


def test_usage(lab):
    wrong = [("add",), ("add", "nobody"), ("add", "a@b.example", "--class=odd"), ("add", "a@b.example", "--campaign=x"),
             ("add", "a@b.example", "--reason=No such user"), ("remove",), ("show",), ("export", "x"), ("export", "--format=xml"),
             ("import",)]
    found = [arguments for arguments in wrong if lab.ctl("suppress", *arguments, check=False).returncode != 2]
    tap.equal(found, [], "what is wrong is refused with 2")


def test_files(lab):
    path = write(lab, "in.csv", "address,class,tenant,expires,text\r\nA@one.example,hard,,never,\"said \"\"no\"\", twice\"\r\n"
                 "nobody,hard,,,\r\n=sum@one.example,complaint,acme,,=1+1\r\nb@one.example,odd,,,\r\n")
    done = lab.ctl("--json", "suppress", "import", path, check=False)
    bad = [(r["line"], r["value"]) for r in map(json.loads, done.stdout.splitlines()) if "line" in r]
    tap.equal((done.returncode, bad), (1, [(3, "nobody"), (5, "odd")]), "bad rows are named with their lines")
    tap.equal([(r["class"], r["text"], r["expires"]) for r in show(lab, "a@one.example")], [("hard", 'said "no", twice', None)], "good ones are on the list")
    text = lab.ctl("suppress", "export").stdout
    tap.ok("\"'=sum@one.example\"" in text and "\"'=1+1\"" in text, "no cell is a formula", text)
    rows = list(csv.DictReader(io.StringIO(text)))
    tap.equal(sorted(r["address"] for r in rows), ["'=sum@one.example", "a@one.example"], "the export is CSV")
    objects = [json.loads(line) for line in lab.ctl("suppress", "export", "--format=ndjson").stdout.splitlines()]
    tap.equal(sorted(o["address"] for o in objects), ["=sum@one.example", "a@one.example"], "or NDJSON")
    hashes = lab.ctl("suppress", "export", "--hashed").stdout.split()
    tap.equal(sorted(hashes[1:]), sorted(hashlib.sha256(a.encode()).hexdigest() for a in ("=sum@one.example", "a@one.example")), "or hashes")
    for name, format in (("round.csv", "csv"), ("round.ndjson", "ndjson")):
        path = write(lab, name, lab.ctl("suppress", "export", "--format=" + format).stdout)
        for address in ("a@one.example", "=sum@one.example"):
            lab.ctl("suppress", "remove", address)
        lab.ctl("suppress", "import", path)
        again = [json.loads(line) for line in lab.ctl("suppress", "export", "--format=ndjson").stdout.splitlines()]
        tap.equal(sorted(map(str, again)), sorted(map(str, objects)), "what goes out as %s comes in the same" % format)


def test_all_or_nothing(lab):
    before = lab.rows("suppress", "list")
    path = write(lab, "bad.csv", "x1@two.example\nx2@two.example\nnobody\n")
    done = lab.ctl("suppress", "import", path, "--all-or-nothing", check=False)
    tap.ok(done.returncode == 1 and "nothing was changed" in done.stderr, "one bad row, and nothing is taken", done.stderr)
    tap.equal(len(lab.rows("suppress", "list")), len(before), "really nothing")
    path = write(lab, "good.csv", "".join("x%d@two.example\n" % i for i in range(5000)))
    lab.ctl("suppress", "import", path, "--all-or-nothing", "--class=unsubscribe", "--tenant=acme", "--reason=list-closed")
    tap.equal(len(lab.rows("suppress", "list")), len(before) + 5000, "without one, all is")
    lab.kill_and_restart()
    row = show(lab, "x4999@two.example")[0]
    tap.equal((row["class"], row["tenant"], row["reason"]), ("unsubscribe", "acme", "list-closed"), "also after SIGKILL")


def test_many(lab):
    path = os.path.join(lab.directory, "many.csv")
    with open(path, "w") as file:
        file.write("address,class,reason,text\n")
        for i in range(MANY):
            file.write("firstname.lastname%d@provider%d.example,hard,no-such-mailbox,550 5.1.1 <firstname.lastname%d@provider%d.example>: "
                       "Recipient address rejected: User unknown\n" % (i, i % 50, i, i % 50))
    tap.ok(os.path.getsize(path) > 16 << 20, "a file of more than 16 MiB", os.path.getsize(path))
    lab.status("--reset")
    with open(path) as file:
        done = subprocess.run([lab.facts["relaisctl"], "suppress", "import", "-"], stdin=file, capture_output=True, text=True)
    tap.ok(done.returncode == 0 and "now: %d" % MANY in done.stdout, "%d rows come in, in pieces" % MANY, done.stdout + done.stderr)
    tap.note("longest gap of the loop meanwhile: %.1f ms" % (lab.status()["loop.longest_gap_us"] / 1000))
    rows = lab.ctl("suppress", "export").stdout.count("\n")
    tap.ok(rows > MANY, "and go out", rows)
    lab.kill_and_restart()
    tap.ok(lab.status()["suppression.entries"] >= MANY, "all are there after SIGKILL")


def test_damage(lab):
    lab.ctl("suppress", "add", "kept@three.example")
    lab.ctl("suppress", "add", "hit@three.example")
    lab.ctl("suppress", "add", "after@three.example")
    lab.kill()
    path = os.path.join(lab.directory, "state", "suppress", "journal")
    data = bytearray(open(path, "rb").read())
    data[data.index(b"hit@three.example")] ^= 1
    with open(path, "wb") as file:
        file.write(data)
    lab.up()
    figures = {r["figure"]: r["value"] for r in lab.rows("suppress", "status")}
    tap.ok(figures["state"] == "damaged" and "damaged" in figures["trouble"], "a damaged line is told", figures)
    tap.equal(lab.ctl("suppress", "export", check=False).returncode, 1, "an export says that it is not whole")
    rows = [r for r in lab.rows("suppress", "repair") if "lost" in r]
    tap.equal([r["lost"] for r in rows], ["damaged"], "a repair says what is lost")
    figures = {r["figure"]: r["value"] for r in lab.rows("suppress", "status")}
    tap.equal((figures["state"], figures["trouble"]), ("good", None), "after it all is well")
    kept = b"".join(open(name, "rb").read() for name in glob.glob(os.path.join(os.path.dirname(path), "damaged-*")))
    tap.ok(b"it@three.example" in kept and kept.count(b"\n") == 1, "the damaged line is kept aside", kept)
    lab.kill_and_restart()
    tap.equal([len(show(lab, name + "@three.example")) for name in ("kept", "hit", "after")], [1, 0, 1], "the others are there")


def rcpt(lab):
    """What a client is told of a recipient, and of its message if it may send one."""
    session = harness.Dialogue(lab.port)
    session.reply()
    session.ask("EHLO client.test")
    session.ask("MAIL FROM:<a@sender.test>")
    code, text = session.ask("RCPT TO:<x@five.rcpt.test>")
    if code == 250:
        session.ask("DATA")
        session.send("From: a@sender.test\r\nSubject: again\r\n\r\nhello\r\n.\r\n")
        code, text = session.reply()
    session.close()
    return "%d %s" % (code, text)


def test_unreadable(lab):
    """A journal that cannot be read at start holds mail back, and no longer than that: nobody starts the daemon again."""
    lab.ctl("suppress", "add", "hit@five.rcpt.test")
    lab.kill()
    path = os.path.join(lab.directory, "state", "suppress", "journal")
    os.rename(path, path + ".aside")
    os.mkdir(path)
    lab.up()
    status = lab.status()
    tap.ok("Is a directory" in status["suppression.trouble"], "the status tells what is wrong", status)
    tap.ok("tried again by itself" in status["suppression.advice"], "and what to do", status)
    tap.equal(rcpt(lab)[:9], "451 4.3.0", "recipients are put off")
    pid = lab.status()["pid"]
    os.rmdir(path)
    os.rename(path + ".aside", path)
    lab.wait(lambda: lab.status()["suppression.trouble"] is None, 20, "the list")
    tap.equal(rcpt(lab)[:3], "250", "once it can be read, mail is taken")
    lab.wait(lambda: any(b"Subject: again" in data for _, data in lab.sunk()), 30, "delivery")
    tap.equal(lab.status()["pid"], pid, "and goes out, without a restart")
    tap.ok("it could be read now" in lab.log(), "the log tells of it", lab.log()[-1000:])
    tap.equal(len(show(lab, "hit@five.rcpt.test")), 1, "what was on the list is")
    lab.ctl("suppress", "add", "new@five.rcpt.test")
    lab.kill_and_restart()
    tap.equal([len(show(lab, name + "@five.rcpt.test")) for name in ("hit", "new")], [1, 1], "and what comes on it after stays")


def test_expiry(lab):
    lab.ctl("suppress", "add", "gone@four.example", "--class=hard")
    lab.ctl("suppress", "add", "never@four.example", "--class=complaint")
    tap.equal(show(lab, "gone@four.example")[0]["state"], "suppressed", "an entry")
    clock = os.path.join(harness.SOURCE, "tests/lab/clock")
    for days, wanted in ((364, "suppressed"), (2, "expired")):
        subprocess.run([clock, lab.directory, "advance", "%dd" % days], check=True, stdout=subprocess.DEVNULL)
        tap.equal(show(lab, "gone@four.example")[0]["state"], wanted, "%d days later it is %s" % (days, wanted))
    tap.equal([r["address"] for r in lab.rows("suppress", "list")], ["never@four.example"], "the list no longer has it")


def main():
    with harness.Lab() as lab:
        for test in (test_one_address, test_usage, test_files, test_all_or_nothing, test_many, test_damage, test_unreadable):
            tap.case(test, lab)
    with harness.Lab("--clock", "virtual") as lab:
        tap.case(test_expiry, lab)
        lab.clean(tap)
    tap.end()


main()
