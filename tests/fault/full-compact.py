#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compaction under load: messages of 1 to 1000 recipients, of 1 KiB to 10 MiB, some recipients put off throughout, while the
daemon is killed again and again. In the end the spool takes little more than what lives in it, `spool verify` finds
nothing, and every recipient of what was acknowledged gets the bytes that were sent.

    tests/fault/full-compact.py [SECONDS [KILLS]]      (TAP)
"""
import glob
import hashlib
import os
import random
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness

SEGMENT = 1 << 20
RECIPIENTS = [1] * 30 + [3] * 8 + [30] * 4 + [300] * 2 + [1000]
SIZES = [1024] * 30 + [20000] * 20 + [200000] * 6 + [400000] * 3 + [3 << 20, 10 << 20]
SOURCES = 4
SPARE = 20  # segments: those that are too few to compact, blanks, and one a start


def body_of(number, size):
    line = hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\r\n"
    return line * (size // len(line) + 1)


class Load:
    def __init__(self, lab):
        self.lab, self.lock, self.number, self.stop = lab, threading.Lock(), 0, False
        self.acked, self.stall, self.bytes, self.away = {}, 0, 0, 0

    def one(self, smtp, rng):
        with self.lock:
            self.number += 1
            number = self.number
        count, size = rng.choice(RECIPIENTS), rng.choice(SIZES)
        late = number % 40 == 0 or (size == SIZES[0] and number % 3 == 0)  # small ones stay among large ones that go
        recipients = ["%s%d-%d@r%d.rcpt.test" % ("late" if i == 0 and late else "u", number, i, i % 7) for i in range(count)]
        body = body_of(number, size if count < 300 else 1024)
        head = b"From: <a@sender.test>\r\nSubject: %d\r\nX-Number: %d\r\n\r\n" % (number, number)
        smtp.mail("a@sender.test")
        for recipient in recipients:
            if smtp.rcpt(recipient)[0] != 250:
                raise smtplib.SMTPException("recipient refused")
        began, away = time.time(), self.away
        if smtp.data(head + body)[0] != 250:
            raise smtplib.SMTPException("not taken")
        with self.lock:
            self.acked[number] = (recipients, len(body))
            self.bytes += len(head) + len(body)
            if away == self.away:
                self.stall = max(self.stall, time.time() - began)

    def run(self, seed):
        rng = random.Random(seed)
        while not self.stop:
            try:
                with smtplib.SMTP("127.0.0.1", self.lab.port, timeout=60, source_address=("127.0.0.1", 0)) as smtp:
                    smtp.ehlo("source.test")
                    while not self.stop:
                        self.one(smtp, rng)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.1)


def go_on(lab, load, seconds, kills, tap):
    threads = [threading.Thread(target=load.run, args=(i,)) for i in range(SOURCES)]
    worst, copied = 0, 0
    for thread in threads:
        thread.start()
    for kill in range(kills + 1):
        until = time.time() + seconds / (kills + 1)
        while time.time() < until:
            figures = lab.status()
            worst = max(worst, (figures["spool.bytes"] - SPARE * SEGMENT) / max(figures["spool.living_bytes"], SEGMENT))
            last = figures["spool.compaction_bytes_total"]
            time.sleep(0.5)
        copied += last
        if kill < kills:
            load.away += 1
            lab.kill_and_restart()
    load.stop = True
    for thread in threads:
        thread.join()
    tap.note("%d messages, %d recipients, %.1f MB taken, %.1f MB copied, longest wait for a 250 %.2f s, at worst %.1f times what lives"
             % (len(load.acked), sum(len(r) for r, _ in load.acked.values()), load.bytes / 1e6, copied / 1e6, load.stall, worst))
    tap.ok(0 < copied < load.bytes, "something is copied, and less than was taken", (copied, load.bytes))
    tap.ok(load.stall < 10, "intake never waits for long", load.stall)


def settled(lab, late):
    figures = lab.status()
    return figures["queue.deliveries"] <= late and figures["spool.bytes"] <= 2 * figures["spool.living_bytes"] + SPARE * SEGMENT


def check_delivered(lab, load, tap):
    got, wrong = {}, set()
    for facts, data in lab.sunk():
        header, _, body = data.partition(b"\r\n\r\n")
        number = next(int(line.split(b":")[1]) for line in header.split(b"\r\n") if line.startswith(b"X-Number:"))
        got.setdefault(number, set()).update(address for address, *_ in facts["recipients"])
        if number in load.acked and body != body_of(number, load.acked[number][1] - 66):
            wrong.add(number)
    lost = [number for number, (recipients, _) in load.acked.items() if not set(recipients) <= got.get(number, set())]
    tap.equal(lost[:20], [], "no recipient of what was acknowledged is lost")
    tap.equal(sorted(wrong)[:20], [], "every body is what was sent")


def main(seconds, kills):
    tap = harness.Tap()
    with harness.Lab("--set", "spool.segment_size=1M", "--set", "spool.hot_memory=4M", "--set", "queue.sleep_first=1s",
                     "--set", "queue.sleep_last=1s", "--set", "class.transactional.retry=20s") as lab:
        lab.script("rcpt late* 450 4.2.0 later\n")
        load = Load(lab)
        go_on(lab, load, seconds, kills, tap)
        late = load.number // 3 + SOURCES
        lab.wait(lambda: settled(lab, late), 60, "a small spool")
        tap.note(", ".join("%s %s" % figure for figure in sorted(lab.status().items()) if figure[0].startswith("spool.")))
        tap.ok(load.acked and lab.status()["queue.deliveries"] > 0, "some are put off still")
        lab.kill()
        verdict = lab.ctl("spool", "verify", lab.facts["spool_dir"], check=False)
        tap.ok(verdict.returncode == 0, "spool verify finds nothing wrong", verdict.stdout[-2000:] + verdict.stderr)
        lab.up()
        lab.script("")
        lab.ctl("queue", "retry", "--all")
        lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 60, "an empty queue")
        lab.wait(lambda: not glob.glob(os.path.join(lab.facts["spool_dir"], "bodies", "*")), 10, "no body file left")
        check_delivered(lab, load, tap)
        lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
