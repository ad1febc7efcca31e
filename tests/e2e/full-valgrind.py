#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole life of the daemon under valgrind's memcheck, with modules: sessions in clear and under TLS, DATA and BDAT, refusals,
a login, a broken session; a message that is tracked, rewritten and signed, one that bounces, one that is put off and goes later;
a reload; the end. No error, and nothing definitely lost. The confinement is off: valgrind has calls of its own."""
import glob
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
MODULES = ("throttle", "bounce", "dkim", "store-gdbm", "spf-check", "dmarc", "open-tracker", "click-redirector", "unsubscribe")
WORDS = ("valgrind", "--log-file=%s/valgrind.%%p", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
         "--num-callers=30", "--child-silent-after-fork=yes")
HTML = (b"From: <ann@sender.test>\r\nSubject: news\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><p>Hi <a href=3D\"http://www.x.test/?a=3D1&amp;b=3D2\">there</a>\r\n</body></html>\r\n")
PLAIN = b"From: <ann@sender.test>\r\nSubject: plain\r\n\r\n..a dot\r\nand the rest\r\n"
LARGE = b"From: <ann@sender.test>\r\nSubject: large\r\n\r\n" + (b"0123456789abcdef" * 4 + b"\r\n") * 6000


def wrap(home):
    """A build folder that is the real one but for relaisd, which is the same under valgrind."""
    os.makedirs(os.path.join(home, ".libs"))
    for name in os.listdir(harness.BUILD):
        if name != ".libs":
            os.symlink(os.path.join(harness.BUILD, name), os.path.join(home, name))
    for name in os.listdir(os.path.join(harness.BUILD, ".libs")):
        if name != "relaisd":
            os.symlink(os.path.join(harness.BUILD, ".libs", name), os.path.join(home, ".libs", name))
    path = os.path.join(home, ".libs", "relaisd")
    with open(path, "w") as file:
        file.write("#!/bin/sh\nexport G_SLICE=always-malloc\nexec %s %s \"$@\"\n"
                   % (" ".join(WORDS) % home, os.path.join(harness.BUILD, ".libs", "relaisd")))
    os.chmod(path, 0o755)


def transaction(d, recipients, data, chunks=0):
    codes = [d.ask("MAIL FROM:<ann@sender.test>")[0]] + [d.ask("RCPT TO:<%s>" % r)[0] for r in recipients]
    if chunks:
        step = len(data) // chunks + 1
        parts = [data[i:i + step] for i in range(0, len(data), step)]
        for part in parts:
            d.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if part is parts[-1] else b"") + part)
            codes.append(d.reply()[0])
        return codes
    codes.append(d.ask("DATA")[0])
    d.send(data + b".\r\n")
    return codes + [d.reply()[0]]


def begin(lab, tls=False):
    d = Dialogue(lab.port, timeout=120)
    d.reply()
    d.ask("EHLO client.test")
    if tls:
        d.starttls()
        d.ask("EHLO client.test")
    return d


def sessions(lab):
    d = begin(lab)
    tap.equal(transaction(d, ["a@one.rcpt.test"], HTML), [250, 250, 354, 250], "in clear, a message to be tracked")
    tap.equal(transaction(d, ["b@one.rcpt.test", "hard@one.rcpt.test"], PLAIN), [250, 250, 250, 354, 250], "one that bounces for somebody")
    for line in ("RCPT TO:<x@y.test>", "MAIL FROM:<a@b@c>", "FOO", "AUTH PLAIN !", "VRFY x", "HELP", "RSET", "DATA", "BDAT 3 LAST\r\nabc"):
        d.ask(line)
    d.ask("QUIT")
    d.close()
    d = begin(lab, tls=True)
    d.ask("AUTH PLAIN AGFubgB3cm9uZw==")
    tap.equal(transaction(d, ["c@in.sender.test"], PLAIN, 3), [250, 250, 250, 250, 250], "under TLS, in chunks, to a domain of ours")
    tap.equal(transaction(d, ["soft@one.rcpt.test"], LARGE), [250, 250, 354, 250], "a large one that is put off once")
    d.ask("QUIT")
    d.close()
    d = begin(lab)
    d.ask("MAIL FROM:<ann@sender.test>")
    d.send("a\nb\r\n")
    d.reply()
    d.close()
    d = begin(lab, tls=True)
    d.ask("MAIL FROM:<ann@sender.test>")
    d.ask("RCPT TO:<cut@one.rcpt.test>")
    d.ask("DATA")
    d.send("Subject: cut")
    d.close()


def judge(home):
    reports = glob.glob(os.path.join(home, "valgrind.*"))
    text = "".join(open(path, errors="replace").read() for path in reports)
    ends = re.findall(r"ERROR SUMMARY: (\d+) errors", text)
    lost = re.findall(r"definitely lost: ([\d,]+) bytes", text)
    freed = text.count("no leaks are possible")
    tap.ok(ends and set(ends) == {"0"}, "no error", text[-6000:])
    tap.ok(len(lost) + freed == len(ends) and set(lost) <= {"0"}, "nothing definitely lost", text[-6000:])
    tap.note("%d report; definitely lost %s" % (len(ends), lost))


def test_life(home):
    wrap(home)
    words = [w for name in MODULES for w in ("--module", name)]
    for setting in ("relais.confine=off", "queue.sleep_first=1s", "queue.sleep_last=1s", "class.transactional.retry=1s", "class.bulk.retry=1s"):
        words += ["--set", setting]
    with harness.Lab("--build", home, *words) as lab:
        lab.script("tls %s/cert.pem %s/key.pem\nrcpt hard@* 550 5.1.1 no such user\nrcpt soft@* @x1 450 4.2.1 later\n" % (lab.directory, lab.directory))
        sessions(lab)
        lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 240, "empty queue")
        found = sorted(r[0] for f, _ in lab.sunk() for r in f["recipients"])
        tap.ok({"a@one.rcpt.test", "b@one.rcpt.test", "c@in.sender.test", "soft@one.rcpt.test"} <= set(found), "all came that could", found)
        tap.ok(any(b"DKIM-Signature" in data and b"track.sender.test" in data for _, data in lab.sunk()), "tracked and signed")
        lab.ctl("reload")
        lab.ctl("suppress", "list")
        tap.equal(transaction(d := begin(lab), ["d@one.rcpt.test"], HTML)[-1], 250, "and after a reload")
        d.close()
        lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 240, "empty queue")
        os.kill(lab.pid, 15)
        lab.wait(lambda: not os.path.exists("/proc/%d" % lab.pid) or harness.laboratory.start_time(lab.pid) is None, 240, "the end")
        tap.equal([line for line in lab.log().splitlines() if "CRITICAL" in line or "assertion" in line], [], "its log has no complaint")
    judge(home)


if shutil.which("valgrind") is None:
    tap.skip("a life under valgrind", "valgrind is not there")
else:
    with tempfile.TemporaryDirectory() as folder:
        tap.case(test_life, os.path.join(folder, "build"))
tap.end()
