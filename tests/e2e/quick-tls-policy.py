#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""DANE and MTA-STS: the rows that every change has to keep, with a signed zone (tls_policy.py)."""
import os
import shutil
import sys
import tempfile
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import tls_policy

tap = harness.Tap()


def send_again(world, relais, cases, type):
    """Sends to each and waits until each has one more outcome of that type."""
    def count():
        return [sum(event["type"] == type and event.get("recipient") == "x@" + case.domain for event in relais.events()) for case in cases]
    before = count()
    world.send(relais, cases)
    relais.wait(lambda: count() == [n + 1 for n in before], 30, "each one %s" % type)


def switch(relais, value, more=""):
    with open(os.path.join(relais.facts["conf_dir"], "z-admin.conf"), "w") as file:
        file.write("[tls-policy]\ndane = %s\nmta_sts = %s\n%s" % (value, value, more))
    return sorted((row["key"], row["result"]) for row in relais.rows("reload") if "result" in row)


def check_reload(world, relais):
    """What may not be sent to a host that fails its policy may be while policies do not count, and no longer after that."""
    cases = [case for case in world.cases if case.name in ("mismatch", "refused")]
    tap.equal(switch(relais, "no"), [("dane", "applied"), ("mta_sts", "applied")], "a reload switches policies off")
    send_again(world, relais, cases, "delivered")
    tap.equal([len(world.mailboxes[case.name].got) for case in cases], [1, 1], "the next connection goes without")
    switch(relais, "yes")
    send_again(world, relais, cases, "deferred")
    tap.equal([len(world.mailboxes[case.name].got) for case in cases], [1, 1], "and the next one heeds them again")


def check_routes(world, relais):
    """A next hop that the configuration names by a host with TLSA records (RFC 7672 section 2.2.2)."""
    good, bad = (types.SimpleNamespace(name=name, domain=name + ".routed.test") for name in ("good", "bad"))
    routes = "".join("[route %s]\nhost = mx.%s.test\nport = %d\ndomains = %s\n" % (case.name, host, world.port, case.domain)
                     for case, host in ((good, "valid"), (bad, "mismatch")))
    switch(relais, "yes", routes)
    send_again(world, relais, [good], "delivered")
    send_again(world, relais, [bad], "deferred")
    last = tls_policy.outcomes(relais)
    tap.equal((last["x@" + good.domain]["tls_policy"], last["x@" + bad.domain]["enhanced"]), ("verify", "4.7.5"),
              "a route's host is held to its TLSA records")
    switch(relais, "no", routes)
    send_again(world, relais, [bad], "delivered")
    tap.equal(tls_policy.outcomes(relais)["x@" + bad.domain]["tls_policy"], "opportunistic", "unless they are switched off")


def rows(world):
    with world.lab() as relais:
        tls_policy.send_and_check(tap, world, relais, world.cases)
        check_reload(world, relais)
        check_routes(world, relais)
        relais.clean(tap)


home = tempfile.mkdtemp(prefix="relais-tls-policy-")
world = tls_policy.World(home, tls_policy.CORE)
try:
    tap.case(rows, world)
finally:
    world.stop()
    shutil.rmtree(home, ignore_errors=True)
tap.end()
