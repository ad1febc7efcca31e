#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool that the disk changed: what is damaged is listed, exported with the message's octets as they are on the disk, with a
daemon on it and without one; deleted by its name alone, with an event, and not found again at the next start."""
import glob
import json
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
N = 5


def body(i):
    return "From: a@sender.test\r\nTo: x%d@rcpt.test\r\nSubject: number %d\r\n\r\n%s" % (i, i, ("line of message %d\r\n" % i) * 50)


def fill(lab):
    lab.script("rcpt * 450 4.2.1 not now\n")
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=30) as smtp:
        for i in range(N):
            smtp.sendmail("a%d@sender.test" % i, ["x%d@rcpt.test" % i], body(i))
    lab.wait(lambda: lab.status()["queue.deferred_total"] == N, 30, "deferrals")


def flip(lab, text, skip=0):
    """Changes an octet of the one segment that has the text; its name."""
    for path in glob.glob(os.path.join(lab.facts["spool_dir"], "segment-*")):
        data = bytearray(open(path, "rb").read())
        at = data.find(text)
        if at < 0:
            continue
        data[at + skip] ^= 1
        with open(path, "r+b") as file:
            file.seek(at + skip)
            file.write(bytes([data[at + skip]]))
        return os.path.basename(path)
    raise RuntimeError("no segment has %r" % text)


def export(lab, what, to):
    to = os.path.join(lab.directory, to)
    rows = lab.rows("spool", "export", what, to)
    return rows, {name: open(os.path.join(to, name), "rb").read() for name in os.listdir(to)}


def test_offline(lab):
    """The daemon is dead; nothing but the disk's octets is there."""
    lab.kill()
    flip(lab, b"line of message 1\r\n", 5)
    flip(lab, b"a4@sender.test")  # with whole ones between, or it would be one place
    said = lab.ctl("--json", "spool", "verify", check=False).stdout.splitlines()
    found = [row for row in map(json.loads, filter(None, said)) if "damage" in row]
    tap.equal(len(found), 2, "verify finds both")
    rows, files = export(lab, "%s:%d" % (found[0]["file"], found[0]["offset"]), "by-place")
    message = next(row for row in rows if row["type"] == "message")
    tap.equal((message["header"], message["head"], message["body"]), ("good", "good", "damaged"), "a place is exported, with what is wrong there")
    tap.equal(files[message["saved"]].count(b"line of message 1\r\n"), 49, "the message comes as it is on the disk")
    done = lab.ctl("spool", "delete", "segment-00000001-4096-5000", check=False)
    tap.equal(done.returncode, 3, "nothing is deleted without the daemon")


def test_online(lab):
    lab.up()
    listed = lab.rows("spool", "damaged")
    tap.equal(sorted((row["what"], row["messages"]) for row in listed), [("records", 1), ("records", 1)], "a start puts both aside")
    wanted = {}
    for i, row in enumerate(listed):
        rows, files = export(lab, row["file"], "out-%d" % i)
        message = next(r for r in rows if r["type"] == "message")
        wanted[message["head"], message["body"]] = files[message["saved"]]
        raw = files[row["file"] + ".bin"]
        tap.equal(len(raw), row["bytes"], "all octets of %s are exported" % row["file"])
    tap.equal(sorted(wanted), [("damaged", "good"), ("good", "damaged")], "with the state of each checksum")
    tap.ok(wanted["damaged", "good"].endswith(body(4).encode()), "a message with a damaged envelope is whole", wanted)
    whole = next(row["id"] for row in lab.rows("queue", "list") if row["recipient"] == "x3@rcpt.test")
    rows, files = export(lab, whole, "by-id")
    tap.ok(any(data.endswith(body(3).encode()) for data in files.values()), "one that waits is exported by its id", rows)


def test_delete(lab):
    names = [row["file"] for row in lab.rows("spool", "damaged")]
    for words in ((), ("--all",), tuple(names), ("segment-*",), ("../lock",)):
        tap.equal(lab.ctl("spool", "delete", *words, check=False).returncode, 2, "not deleted by %s" % (words,))
    tap.equal(lab.ctl("spool", "delete", names[0][:-1], check=False).returncode in (1, 2), True, "nor by a part of the name")
    tap.equal(len(lab.rows("spool", "damaged")), 2, "all is there")
    for name in names:
        lab.ctl("spool", "delete", name)
    tap.equal(lab.rows("spool", "damaged"), [], "by their names they go")
    told = lab.wait(lambda: [e["file"] for e in lab.events() if e["type"] == "damage-deleted"], 10, "the events")
    tap.equal(sorted(told), sorted(names), "with an event each")
    lab.kill_and_restart()
    tap.equal(lab.rows("spool", "damaged"), [], "and a start does not bring them back")
    lab.script("")
    lab.ctl("queue", "retry", "--all")
    lab.wait_sunk(N - 2)
    tap.equal(lab.status()["spool.quarantined"], 0, "nor tell of them; the others are delivered")


def main():
    with harness.Lab("--set", "spool.segment_size=1M") as lab:
        for test in (fill, test_offline, test_online, test_delete):
            tap.case(test, lab)
    tap.end()


main()
