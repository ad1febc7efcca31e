#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""500 reloads of the confined daemon under load: nobody is turned away and nothing acknowledged is lost; then SIGTERM, under
load. 500 more without load, as what passes through takes memory of its own: the daemon does not grow."""
import time

import harness
import reexec
from reexec import case

RELOADS, SETTLED, GROWTH_KIB = 500, 50, 1024
MODULES = ("--module", "dkim", "--module", "throttle", "--module", "bounce")


def resident_kib(lab):
    with open("/proc/%d/status" % lab.pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def reload(lab):
    return lab.ctl("reload", check=False).returncode == 0


def test_load(tap):
    with harness.Lab(*MODULES) as lab:
        reexec.confined(tap, lab)
        senders = reexec.Senders(lab.port)
        done = 0
        for _ in range(RELOADS):
            done += reload(lab)
            time.sleep(0.02)
        tap.equal(done, RELOADS, "%d reloads under load" % RELOADS)
        tap.equal((senders.troubles[:5], senders.told), ([], 0), "nobody is turned away")
        reexec.end_in_order(tap, lab, senders)
        until = time.time() + 60
        while time.time() < until and not senders.acked <= set(reexec.numbers(lab)):
            time.sleep(0.5)
        tap.equal(sorted(senders.acked - set(reexec.numbers(lab)))[:5], [], "all that was acknowledged arrives")
        tap.note("%d messages" % len(senders.acked))
        lab.clean(tap)


def test_growth(tap):
    with harness.Lab(*MODULES) as lab:
        done = sum(reload(lab) for _ in range(SETTLED))
        early = resident_kib(lab)
        done += sum(reload(lab) for _ in range(RELOADS - SETTLED))
        late = resident_kib(lab)
        tap.equal(done, RELOADS, "%d reloads" % RELOADS)
        tap.ok(late <= early + GROWTH_KIB, "after the last the daemon is as large as after %d" % SETTLED, "%d KiB, then %d KiB" % (early, late))
        tap.note("%d KiB, then %d KiB" % (early, late))
        lab.clean(tap)


def main():
    tap = case.Recorded("tests/e2e/full-reload.py")
    test_load(tap)
    test_growth(tap)
    tap.end()


main()
