#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""DANE and MTA-STS: the whole matrix with a signed zone (tls_policy.py); a restart without the web server; a way out of
a broken policy; DANE and MTA-STS switched off; a resolver that does not validate."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import tls_policy
from tls_policy import Case

tap = harness.Tap()
ALL = tls_policy.CORE + tls_policy.MORE


def named(*names):
    return [case for case in ALL if case.name in names]


def rows(world):
    with world.lab() as relais:
        tls_policy.send_and_check(tap, world, relais, ALL)
        asked = len(world.web.asked)
        relais.ctl("queue", "retry", "--destination=enforced.test", check=False)
        tap.ok(asked >= 9, "policies were fetched", world.web.asked)
        # The web server goes; what was fetched holds, over a restart that is no orderly one.
        relais.wait(lambda: os.path.exists(os.path.join(relais.directory, "state", "mta-sts")), 10, "policies on disk")
        world.web.stop()
        relais.kill_and_restart()
        for case in named("enforced", "testing", "refused"):
            world.mailboxes[case.name].got.clear()
        before = len(relais.events())
        world.send(relais, named("enforced", "testing", "refused"))
        relais.wait(lambda: len([e for e in relais.events()[before:] if e["type"] in ("delivered", "deferred")]) >= 3, 60, "outcomes")
        for case in named("enforced", "testing", "refused"):
            tls_policy.check(tap, world, relais, case)
        relais.clean(tap)


def ways_out(world, *settings, names, validates=True):
    """With these settings mail goes out that the policies would hold."""
    for box in world.mailboxes.values():
        box.got.clear()
    with world.lab(*(word for text in settings for word in ("--set", text))) as relais:
        cases = named(*names)
        world.send(relais, cases)
        wanted = {"x@" + case.domain for case in cases}
        relais.wait(lambda: wanted <= set(tls_policy.outcomes(relais)), 60, "outcomes")
        for case in cases:
            event = tls_policy.outcomes(relais)["x@" + case.domain]
            tap.ok(event["type"] == "delivered", "%s: goes out with %s" % (case.name, " ".join(settings)), event)
        if validates:
            relais.clean(tap)
        else:
            tap.equal(relais.log().count("DNSSEC does not work"), 1, "that DNSSEC does not work is said once")


home = tempfile.mkdtemp(prefix="relais-tls-policy-")
world = tls_policy.World(home, ALL)
try:
    tap.case(rows, world)
    tap.case(lambda: ways_out(world, "tls-policy.dane=no", "tls-policy.mta_sts=no", names=("mismatch", "refused", "unnamed", "inclear")))
    tap.case(lambda: ways_out(world, "destination.out.domains=mismatch.test, refused.test", "destination.out.tls=opportunistic",
                              names=("mismatch", "refused")))
finally:
    world.stop()
    shutil.rmtree(home, ignore_errors=True)
tap.end()
