#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory's virtual clock: days of retries in seconds, each at its scheduled time, over a crash."""
import datetime
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
RETRY = [60, 300, 3600, 7200]
LIFETIME = 2 * 86400
TICK = 2  # seconds that timers of the queue may be late; there are many of them
START = "--clock", "virtual", "--set", "class.transactional.retry=1m 5m 1h 2h", "--set", "class.transactional.lifetime=2d"


def send(lab, recipient):
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<ann@sender.test>")
    d.ask("RCPT TO:<%s>" % recipient)
    d.ask("DATA")
    d.send(b"From: <ann@sender.test>\r\nSubject: clock\r\n\r\nx\r\n.\r\n")
    answer = d.reply()
    d.close()
    return answer[1].split()[-1]


def clock(lab, *words, check=True):
    done = subprocess.run([os.path.join(harness.SOURCE, "tests/lab/clock"), lab.directory, *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError("clock %s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done


def now(lab):
    return float(clock(lab, "now").stdout.split()[0].partition("=")[2])


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def times(lab, queue_id, kind):
    return [seconds(e["time"]) for e in lab.events() if e["queue_id"] == queue_id and e["type"] == kind]


def due(lab, queue_id):
    return next((seconds(r["until"]) for r in lab.rows("queue", "list") if r.get("id") == queue_id), None)


def wrong_waits(found):
    """Of the times of attempts: the waits that are not the schedule's, spread by up to a tenth."""
    out = []
    for i, (before, after) in enumerate(zip(found, found[1:])):
        wait = RETRY[min(i, len(RETRY) - 1)]
        if not wait <= after - before <= wait * 1.1 + TICK:
            out.append((i, wait, after - before))
    return out


def test_standing(lab):
    queue_id = send(lab, "slow@one.rcpt.test")
    lab.wait(lambda: times(lab, queue_id, "deferred"), 20, "the first deferral")
    first = now(lab)
    tap.equal(times(lab, queue_id, "deferred"), [first], "between moves the clock stands still")
    planned = due(lab, queue_id)
    tap.ok(planned and 60 <= planned - first <= 66, "and the retry is planned after 1m", planned)
    clock(lab, "advance", "30s")
    tap.equal(len(times(lab, queue_id, "deferred")), 1, "half a minute later nothing has happened")
    clock(lab, "advance", "40s")
    found = lab.wait(lambda: times(lab, queue_id, "deferred")[1:] and times(lab, queue_id, "deferred"), 20, "the second deferral")
    tap.ok(len(found) == 2 and abs(found[1] - planned) < 0.001, "the retry comes at its planned time, not when the clock stops",
           "planned %r, found %r" % (planned, found))
    return queue_id


def test_days(lab, queue_id):
    clock(lab, "advance", "1d")
    middle = now(lab)
    lab.kill_and_restart()
    tap.ok(now(lab) == middle, "after kill -9 and a restart the clock stands where it stood", now(lab) - middle)
    clock(lab, "advance", "3d")
    tap.ok(abs(now(lab) - middle - 3 * 86400) < 1, "it was put forward by three days", now(lab) - middle)
    expired = lab.wait(lambda: times(lab, queue_id, "expired"), 20, "the end of the message")
    found = times(lab, queue_id, "deferred")
    tap.ok(len(found) >= 24, "a message was tried again and again for two days", found)
    tap.equal(wrong_waits(found), [], "each time after the wait that the schedule names, also over the restart")
    tap.ok(len(expired) == 1 and 0 <= expired[0] - found[0] - LIFETIME <= TICK, "and expired at its lifetime",
           "first %r, expired %r" % (found[0], expired))


def test_misuse(lab):
    before = now(lab)
    for words in (["advance", "yesterday"], ["advance"], ["advance", "-5s"], ["now", "5s"]):
        tap.ok(clock(lab, *words, check=False).returncode != 0, "refused: " + " ".join(words))
    tap.equal(now(lab), before, "and the clock stands where it stood")


with harness.Lab(*START) as lab:
    lab.script("rcpt slow@* 450 4.2.1 come back later\n")
    state = {}
    tap.case(lambda: state.update(queue_id=test_standing(lab)))
    if "queue_id" in state:
        tap.case(test_days, lab, state["queue_id"])
    tap.case(test_misuse, lab)
    lab.clean(tap)
tap.end()
