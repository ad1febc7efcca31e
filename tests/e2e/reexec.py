# SPDX-License-Identifier: GPL-3.0-or-later
"""A new program takes over, again and again, under load: what was acknowledged is delivered once, and nobody is turned away
but by a 421 between two messages, after which he is welcome. Confined, as a daemon is by default. In the end SIGTERM, under
load."""
import collections
import os
import signal
import smtplib
import socket
import sys
import threading
import time

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
import case

SENDERS, DRAIN_S = 6, 10
HEAD = "From: a@sender.test\r\nTo: b@ok.rcpt.test\r\nSubject: number %d\r\nX-Number: %d\r\n\r\nIt goes on.\r\n"


class Senders:
    def __init__(self, port):
        self.port, self.over, self.lock = port, False, threading.Lock()
        self.number, self.acked, self.troubles, self.told = 0, set(), [], 0
        self.threads = [threading.Thread(target=self.run) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def next(self):
        with self.lock:
            self.number += 1
            return self.number

    def run(self):
        while not self.over:
            try:
                self.session()
            except smtplib.SMTPResponseException as answer:
                if answer.smtp_code == 421:
                    self.told += 1
                else:
                    self.troubles.append(repr(answer))
            except (OSError, smtplib.SMTPException) as trouble:
                self.troubles.append(repr(trouble))
                time.sleep(0.05)

    def session(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            answer = client.ehlo()  # left to itself, the library takes a 421 for a wish to hear HELO
            if answer[0] != 250:
                raise smtplib.SMTPResponseException(*answer)
            for _ in range(5):
                number = self.next()
                client.sendmail("a@sender.test", ["b@ok.rcpt.test"], HEAD % (number, number))
                with self.lock:
                    self.acked.add(number)
                if self.over:
                    return

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def numbers(lab):
    found = collections.Counter()
    for name in os.listdir(lab.facts["sink_dir"]):
        if name.endswith(".eml"):
            with open(os.path.join(lab.facts["sink_dir"], name), errors="replace") as file:
                found[int(file.read().partition("X-Number: ")[2].split()[0])] += 1
    return found


def image(lab):
    """What is another one for each program that the process was."""
    with open("/proc/%d/auxv" % lab.pid, "rb") as file:
        return file.read()


def replace(lab):
    before = image(lab)
    os.kill(lab.pid, signal.SIGUSR2)
    until = time.time() + 30
    while time.time() < until:
        time.sleep(0.05)
        if image(lab) != before and lab.ctl("status", check=False).returncode == 0:
            return True
    return False


def confined(tap, lab):
    """Files too, where the kernel can and no sanitizer writes where it likes."""
    status = lab.status()
    files = ("off: this build ",) if harness.SANITIZED else ("landlock ABI ", "off: landlock: ")
    tap.ok(status["confined.calls"].startswith("seccomp") and status["confined.files"].startswith(files),
           "the daemon is confined", status)
    tap.note("confined: files: %s, calls: %s" % (status["confined.files"], status["confined.calls"]))


def end_in_order(tap, lab, senders):
    """SIGTERM under load; the load ends with it. Then it is started again, for what was left."""
    began = time.time()
    os.kill(lab.pid, signal.SIGTERM)
    while harness.laboratory.start_time(lab.pid) is not None and time.time() - began < 30:
        time.sleep(0.02)
    took = time.time() - began
    senders.end()
    tap.ok(took <= DRAIN_S, "SIGTERM ends it within %d s, under load" % DRAIN_S, took)
    tap.note("SIGTERM: %.1f s" % took)
    lab.up()


def gone(lab):
    return harness.laboratory.start_time(lab.pid) is None


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def end_meanwhile(tap, lab):
    """SIGTERM while it makes way for a new program: what is under way ends first, and nobody takes over."""
    session, before = harness.Dialogue(lab.port), lab.log().count("a new program takes over")
    session.reply()
    for line in ("EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<b@ok.rcpt.test>", "DATA"):
        session.ask(line)
    os.kill(lab.pid, signal.SIGUSR2)
    lab.wait(lambda: lab.log().count("a new program takes over") > before, 20, "the drain for a new program")
    os.kill(lab.pid, signal.SIGTERM)
    time.sleep(0.2)
    tap.ok(refuses(lab.port), "who comes now is refused by the host, not kept waiting")
    answer = session.ask(HEAD % (0, 0) + ".")
    tap.equal(answer and answer[0], 250, "SIGTERM during the change lets what is under way end")
    session.close()
    until = time.time() + 20
    while not gone(lab) and time.time() < until:
        time.sleep(0.02)
    tap.ok(gone(lab), "and nobody takes over")
    lab.up()


def end_late(tap, lab, times):
    """SIGTERM when all has been let go for the new program, or just before or after: it ends all the same."""
    lost = 0
    for i in range(times):
        before = lab.log().count("a new program takes over")
        os.kill(lab.pid, signal.SIGUSR2)
        lab.wait(lambda: lab.log().count("a new program takes over") > before, 20, "the drain for a new program")
        time.sleep(0.06 * i / times)
        os.kill(lab.pid, signal.SIGTERM)
        until = time.time() + 5
        while not gone(lab) and time.time() < until:
            time.sleep(0.01)
        if not gone(lab):
            lost += 1
            os.kill(lab.pid, signal.SIGTERM)
        lab.wait(lambda: gone(lab), 20, "the end")
        lab.up()
    tap.equal(lost, 0, "SIGTERM is not lost on the way to a new program, %d times" % times)


def main(times, command="tests/e2e/full-reexec.py"):
    tap = case.Recorded(command)
    with harness.Lab() as lab:
        confined(tap, lab)
        senders = Senders(lab.port)
        done = 0
        for _ in range(times):
            time.sleep(0.3)
            done += replace(lab)
        time.sleep(0.3)
        tap.equal(done, times, "a new program takes over %d times" % times)
        tap.equal(os.path.exists("/proc/%d" % lab.pid), True, "and is the same process")
        tap.equal(senders.troubles[:5], [], "nobody is turned away")
        confined(tap, lab)
        end_in_order(tap, lab, senders)
        end_meanwhile(tap, lab)
        end_late(tap, lab, min(times, 20))
        until = time.time() + 30
        while time.time() < until and not senders.acked <= set(numbers(lab)):
            time.sleep(0.2)
        found = numbers(lab)
        tap.equal(sorted(senders.acked - set(found))[:5], [], "all that was acknowledged arrives")
        tap.equal([n for n, times_ in found.items() if times_ > 1][:5], [], "once")
        tap.note("%d messages, %d times 421" % (len(senders.acked), senders.told))
        directory = lab.facts["conf_dir"]
        with open(os.path.join(directory, "wrong.conf"), "w") as file:
            file.write("[queue]\nno_such_key = 1\n")
        os.kill(lab.pid, signal.SIGUSR2)
        until = time.time() + 20
        while time.time() < until and "does not take over" not in lab.log():
            time.sleep(0.1)
        tap.ok("does not take over" in lab.log() and lab.ctl("status").returncode == 0, "one that finds the configuration wrong does not", lab.log())
        os.unlink(os.path.join(directory, "wrong.conf"))
        lab.clean(tap, expected="does not take over")
    tap.end()
