#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local submission: `relaisctl inject` and sendmail. What goes in by the control socket arrives as it was, is refused by the
rules that hold for SMTP, and is on disk when the command says so."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ["RELAIS_BUILDDIR"])
SENDMAIL = os.path.join(BUILD, "sendmail")
MOST = 20000  # recipients

tap = harness.Tap()


def run(words, message):
    """Runs a program: (exit status, stdout, stderr)."""
    done = subprocess.run(words, input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def inject(lab, arguments, message):
    return run(lab.facts["relaisctl"].split() + ["inject"] + arguments, message)


def sendmail(lab, arguments, message=b""):
    return run([SENDMAIL, "-C", lab.facts["conf_dir"]] + arguments, message)


def sunk_for(lab, recipient):
    return [(f, data) for f, data in lab.sunk() if any(r[0] == recipient for r in f["recipients"])]


def arrived(lab, recipient, seconds=20):
    return lab.wait(lambda: sunk_for(lab, recipient), seconds, "mail for " + recipient)[0]


def test_plain(lab):
    body = b"Hello,\n.\n..\nlast line without an end"
    head = b"From: Ann <ann@sender.test>\nBcc: secret@x.rcpt.test\nSubject: local\n\n"
    status, out, err = inject(lab, ["--json", "a@in.rcpt.test"], head + body)
    tap.equal((status, err), (0, ""), "a message is taken")
    tap.ok('"queue_id":"' in out.replace(" ", ""), "and its queue id told", out)
    facts, data = arrived(lab, "a@in.rcpt.test")
    header, _, content = data.partition(b"\r\n\r\n")
    tap.equal(content, body.replace(b"\n", b"\r\n") + b"\r\n", "the body arrives as it was, with CRLF")
    tap.equal(facts["sender"], "ann@sender.test", "the sender is the header's From")
    names = [line.split(b":")[0].lower() for line in header.split(b"\r\n") if line[:1] not in b" \t"]
    tap.ok({b"date", b"message-id", b"received"} <= set(names) and b"bcc" not in names, "fields are added, Bcc is cut", names)
    status, out, err = inject(lab, ["--from=bob@sender.test", "--name=Bob \"B\"", "b@in.rcpt.test"], b"Subject: x\n\ny\n")
    tap.equal(status, 0, "a message without From is taken from a named sender")
    tap.ok(b'From: "Bob \\"B\\"" <bob@sender.test>\r\n' in arrived(lab, "b@in.rcpt.test")[1], "and given the field")


def test_refusals(lab):
    for arguments, message, wanted, what in (
            (["x@in.rcpt.test"], b"From: eve@elsewhere.test\n\nx\n", 1, "a foreign From"),
            (["--from=eve@elsewhere.test", "x@in.rcpt.test"], b"From: ann@sender.test\n\nx\n", 1, "a foreign sender"),
            (["--tenant=nobody", "x@in.rcpt.test"], b"From: ann@sender.test\n\nx\n", 1, "an unknown tenant"),
            (["x@in.rcpt.test"], b"From: ann@sender.test\n\nx\0y\n", 1, "a NUL"),
            (["x@in.rcpt.test"], b"From: ann@sender.test\n\nx\ry\n", 1, "a CR alone"),
            (["--t"], b"From: ann@sender.test\n\nx\n", 1, "no recipient in the header"),
            (["not an address"], b"From: ann@sender.test\n\nx\n", 2, "no address"),
            (["--class=fast", "x@in.rcpt.test"], b"From: ann@sender.test\n\nx\n", 2, "an unknown class"),
            ([], b"From: ann@sender.test\n\nx\n", 2, "no recipient"),
            (["x@in.rcpt.test"], b"From: ann@sender.test\n\n" + b"x" * 70 * 40000, 1, "a line too long")):
        status, out, err = inject(lab, arguments, message)
        tap.ok(status == wanted and err.startswith("relaisctl: ") and out == "", "refused: " + what, (status, out, err))
    tap.ok(not sunk_for(lab, "x@in.rcpt.test"), "and nothing went out")


def test_header_recipients(lab):
    people = ["u%d@many.rcpt.test" % i for i in range(200)]
    head = "From: ann@sender.test\nTo: %s\nCc: =?utf-8?q?J?= <%s>,\n %s\nBcc: %s\n\nx\n" % (
        ", ".join(people[:100]), people[100], ", ".join(people[101:150]), ", ".join(people[150:]))
    status, out, err = inject(lab, ["--t", "u0@many.rcpt.test"], head.encode())
    tap.equal((status, err), (0, ""), "200 recipients from the header are taken")
    lab.wait(lambda: sum(len(f["recipients"]) for f, _ in lab.sunk() if "many" in f["recipients"][0][0]) >= 200, 30, "all of them")
    got = sorted(r[0] for f, _ in lab.sunk() for r in f["recipients"] if "many" in r[0])
    tap.equal(got, sorted(people), "each gets it once")
    tap.ok(all(b"Bcc" not in data for _, data in lab.sunk()), "and none sees the Bcc")
    lab.ctl("status", "--reset")
    status, out, err = inject(lab, ["--t"], ("From: ann@sender.test\nTo: %s\n\nx\n" % ", ".join(
        "v%d@many.rcpt.test" % i for i in range(MOST + 1))).encode())
    tap.ok(status == 1 and str(MOST + 1) in err and "recipients" in err, "one more than the limit is refused by its name", err)
    gap_ms = lab.status()["loop.longest_gap_us"] / 1000
    tap.ok(gap_ms < 500 or harness.SANITIZED, "and the loop goes on meanwhile", gap_ms)
    tap.note("longest gap of the loop: %.1f ms for %d recipients" % (gap_ms, MOST + 1))


def test_big(lab):
    line = b"0123456789abcdef" * 4 + b"\n"
    body = line * (5 * 1024 * 1024 // len(line))
    status, _, err = inject(lab, ["big@in.rcpt.test"], b"From: ann@sender.test\n\n" + body)
    tap.equal((status, err), (0, ""), "5 MiB are taken")
    content = arrived(lab, "big@in.rcpt.test", 60)[1].partition(b"\r\n\r\n")[2]
    tap.ok(content == body.replace(b"\n", b"\r\n"), "and arrive as they were")
    status, _, err = inject(lab, ["big@in.rcpt.test"], b"From: ann@sender.test\n\n" + body * 2)
    tap.ok(status == 1 and "message_size" in err, "more than message_size is refused by its name", err)


def test_sendmail(lab):
    text = b"From: ann@sender.test\nTo: t@in.rcpt.test\nBcc: v@in.rcpt.test\n\nx\n.\nmore\n"
    tap.equal(sendmail(lab, ["-t", "-oi", "-f", "bounces@sender.test"], text), (0, "", ""), "sendmail -t takes a message")
    facts, data = arrived(lab, "t@in.rcpt.test")
    tap.equal((facts["sender"], data.partition(b"\r\n\r\n")[2]), ("bounces@sender.test", b"x\r\n.\r\nmore\r\n"),
              "with -f as sender, and with -oi the dot is text")
    arrived(lab, "v@in.rcpt.test")
    tap.equal(sendmail(lab, ["w@in.rcpt.test"], text), (0, "", ""), "sendmail takes recipients as arguments")
    tap.equal(arrived(lab, "w@in.rcpt.test")[1].partition(b"\r\n\r\n")[2], b"x\r\n", "without -i the dot ends the message")
    tap.equal(sendmail(lab, ["-N", "never", "-R", "hdrs", "-i", "n@in.rcpt.test"], text)[0], 0, "DSN options are taken")
    for arguments, message, wanted, word in (
            (["-i", "x@in.rcpt.test"], b"From: eve@elsewhere.test\n\nx\n", 69, "tenant"),
            (["-N", "perhaps", "x@in.rcpt.test"], text, 64, "notify"), (["-bs"], b"", 69, "-bs"), ([], text, 64, "recipient")):
        status, out, err = sendmail(lab, arguments, message)
        tap.ok(status == wanted and err.startswith("sendmail: ") and word in err and not out, "sendmail exits with %d" % wanted,
               (status, out, err))
    tap.equal(sendmail(lab, ["-i", "-f", "root", "bare@in.rcpt.test"], text), (0, "", ""), "sendmail -f root is taken")
    tap.equal(arrived(lab, "bare@in.rcpt.test")[0]["sender"], "root@relais.test", "as the host's own root")
    status, out, err = sendmail(lab, ["-i", "-f", "<root", "x@in.rcpt.test"], text)
    tap.equal(status, 64, "what is no local name either is refused")
    tap.equal(sendmail(lab, ["-bp"])[0], 0, "-bp lists the queue")


def test_kill(lab):
    lab.script("delay 2000\n")
    for i in range(5):
        status, _, err = inject(lab, ["kill%d@in.rcpt.test" % i], b"From: ann@sender.test\n\nx\n")
        tap.equal((status, err), (0, ""), "taken")
    lab.script("")
    lab.kill_and_restart()
    for i in range(5):
        arrived(lab, "kill%d@in.rcpt.test" % i, 40)
    tap.ok(True, "what was taken survives kill -9")


def test_no_daemon():
    with tempfile.TemporaryDirectory() as empty:
        done = run([os.path.join(BUILD, "relaisctl"), "--socket", empty + "/control", "inject", "a@in.rcpt.test"], b"x\n")
        tap.ok(done[0] == 3 and "no daemon" in done[2], "without a daemon inject ends with 3, and says so", done)
        with open(empty + "/a.conf", "w") as conf:
            conf.write("[relais]\nrun_dir = %s\n" % empty)
        done = run([SENDMAIL, "-C", empty, "a@in.rcpt.test"], b"x\n")
        tap.ok(done[0] == 75 and "no daemon" in done[2] and done[2].count("\n") == 2, "sendmail with EX_TEMPFAIL", done)


with harness.Lab("--set", "limits.message_size=6M", "--set", "limits.recipients=%d" % MOST, "--set",
                 "limits.header_size=1M", "--set", "class.transactional.retry=1s", "--set", "tenant.sender.domains=sender.test, in.sender.test, relais.test") as lab:
    for test in (test_plain, test_refusals, test_header_recipients, test_big, test_sendmail, test_kill):
        tap.case(test, lab)
    lab.clean(tap)
tap.case(test_no_daemon)
tap.end()
