#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""DANE and MTA-STS: the whole matrix with a signed zone (tls_policy.py); a restart without the web server; a way out of
a broken policy; DANE and MTA-STS switched off; a resolver that does not validate."""
import email
import gzip
import json
import os
import shutil
import subprocess
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


def empty(world):
    for box in world.mailboxes.values():
        box.got.clear()
        box.names.clear()


def rows(world):
    empty(world)
    with world.lab() as relais:
        tls_policy.send_and_check(tap, world, relais, ALL)
        asked = len(world.web.asked)
        relais.ctl("queue", "retry", "--domain=enforced.test", check=False)
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


def ways_out(world, *settings, names):
    """With these settings mail goes out that the policies would hold."""
    empty(world)
    with world.lab(*(word for text in settings for word in ("--set", text))) as relais:
        cases = named(*names)
        world.send(relais, cases)
        wanted = {"x@" + case.domain for case in cases}
        relais.wait(lambda: wanted <= set(tls_policy.outcomes(relais)), 60, "outcomes")
        for case in cases:
            event = tls_policy.outcomes(relais)["x@" + case.domain]
            tap.ok(event["type"] == "delivered", "%s: goes out with %s" % (case.name, " ".join(settings)), event)
        relais.clean(tap)


def wrong_anchor(world):
    """Nothing is secure any more, and nothing goes out in the belief that it were not signed."""
    empty(world)
    key = tls_policy.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "test.", cwd=world.home).stdout.decode().strip()
    with world.lab("--set", "dns.trust_anchor=" + os.path.join(world.home, key + ".key")) as relais:
        world.send(relais, named("valid"))
        relais.wait(lambda: tls_policy.outcomes(relais), 60, "an outcome")
        tap.equal(tls_policy.outcomes(relais)["x@valid.test"]["type"], "deferred", "what cannot be validated is deferred")
        tap.equal(relais.log().count("DNSSEC does not work"), 1, "that DNSSEC does not work is said once")


def report_of(message):
    """The report in a mail: JSON."""
    mail = email.message_from_bytes(message)
    if mail.get_content_type() != "multipart/report" or mail.get_param("report-type") != "tlsrpt":
        return None
    part = [p for p in mail.walk() if p.get_content_type() == "application/tlsrpt+gzip"][0]
    return json.loads(gzip.decompress(part.get_payload(decode=True)))


def policies(report):
    """Per policy: type, successes, failures, kinds of failure."""
    return [(p["policy"]["policy-type"], p["summary"]["total-successful-session-count"], p["summary"]["total-failure-session-count"],
             sorted(f["result-type"] for f in p.get("failure-details", []))) for p in report["policies"]]


def clock(relais, *words):
    subprocess.run([os.path.join(harness.SOURCE, "tests/lab/clock"), relais.directory, *words], check=True, capture_output=True)


def reports(world):
    empty(world)
    names = "valid", "testing", "refused", "inclear"
    inbox = world.mailboxes["plain"].got
    with world.lab("--clock", "virtual", "--set", "tls-policy.report_contact=tls@sender.test",
                   "--set", "tls-policy.report_organization=The Laboratory") as relais:
        world.send(relais, named(*names))
        wanted = {"x@" + case.domain for case in named(*names)}
        relais.wait(lambda: wanted <= set(tls_policy.outcomes(relais)), 60, "outcomes")
        rows = {row["domain"]: row for row in relais.rows("tls", "reports")}
        tap.equal(set(rows), {case.domain for case in named(*names)}, "each domain is counted")
        clock(relais, "advance", "60s")
        relais.wait(lambda: os.path.exists(os.path.join(relais.directory, "state", "tls-reports")), 10, "counts on disk")
        relais.kill_and_restart()
        tap.equal({row["domain"]: row for row in relais.rows("tls", "reports")}, rows, "the counts outlive a crash")
        clock(relais, "advance", "26h")
        relais.wait(lambda: len(inbox) >= 2 and world.web.posted, 30, "reports")
        relais.wait(lambda: not [r for r in relais.rows("tls", "reports") if r["day"] == rows["valid.test"]["day"]], 30, "an empty tally")
        mails = {report_of(message)["policies"][0]["policy"]["policy-domain"]: message for _, message in inbox}
        tap.equal(sorted(mails), ["testing.test", "valid.test"], "who has a record gets a report, once")
        valid, testing = report_of(mails["valid.test"]), report_of(mails["testing.test"])
        tap.equal(policies(valid), [("tlsa", 1, 0, [])], "DANE that fits is a success")
        tap.equal(policies(testing), [("sts", 0, 1, ["certificate-not-trusted"])], "testing reports what enforce would not have taken")
        tap.equal((valid["organization-name"], valid["contact-info"]), ("The Laboratory", "tls@sender.test"), "who reports")
        tap.ok(b"DKIM-Signature:" in mails["valid.test"] and b"d=sender.test" in mails["valid.test"], "the report is signed",
               mails["valid.test"])
        head, body = world.web.posted[0]
        tap.ok(b"application/tlsrpt+gzip" in head, "by HTTPS it is said what comes", head)
        refused = policies(json.loads(gzip.decompress(body)))
        tap.ok(refused[0][:2] == ("sts", 0) and refused[0][3] == ["certificate-not-trusted"], "what enforce refuses is told", refused)
        relais.clean(tap)


home = tempfile.mkdtemp(prefix="relais-tls-policy-")
world = tls_policy.World(home, ALL)
try:
    tap.case(reports, world)
    tap.case(rows, world)
    tap.case(lambda: ways_out(world, "tls-policy.dane=no", "tls-policy.mta_sts=no", names=("mismatch", "refused", "unnamed", "inclear")))
    tap.case(lambda: ways_out(world, "destination.out.domains=mismatch.test, refused.test", "destination.out.tls=opportunistic",
                              names=("mismatch", "refused")))
    tap.case(wrong_anchor, world)
finally:
    world.stop()
    shutil.rmtree(home, ignore_errors=True)
tap.end()
