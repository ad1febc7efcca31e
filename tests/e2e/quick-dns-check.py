#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`relaisctl dns check` beside a DNS server that has every kind of record it looks at, good and bad, and one that never
answers: sources' names, EHLO, domains' MX, what a module's test adds; its exit status; the daemon stops meanwhile."""
import ipaddress
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "modules/spf-check")]
import harness
import suite
import zonedns

tap = harness.Tap()
# name: address, EHLO's name
SOURCES = {"good": ("20.30.40.50", "mx1.sender.test"), "six": ("2a01:4f8::50", "mx1.sender.test"),
           "other": ("20.30.40.51", "mx2.sender.test"), "forged": ("20.30.40.52", "mx3.sender.test"),
           "nameless": ("20.30.40.53", "mx4.sender.test"), "silent": ("20.30.40.54", "mx5.sender.test"),
           "inside": ("10.1.2.3", "mx6.sender.test"), "many": ("20.30.40.55", "mx7.sender.test")}
NAMES = {"good": ["mx1.sender.test"], "six": ["mx1.sender.test"], "other": ["rev.host.test"], "forged": ["mx3.sender.test"],
         "many": ["a.host.test", "mx7.sender.test"]}
ZONE = {"mx1.sender.test": [{"A": "20.30.40.50"}, {"AAAA": "2a01:4f8::50"}], "mx2.sender.test": [{"A": "20.30.40.51"}],
        "rev.host.test": [{"A": "20.30.40.51"}], "mx3.sender.test": [{"A": "20.30.40.99"}], "mx7.sender.test": [{"A": "20.30.40.55"}],
        "good.test": [{"MX": [10, "mx1.sender.test"]}], "bare.test": [{"A": "20.30.40.50"}], "null.test": [{"MX": [0, "."]}],
        "here.test": [{"MX": [10, "localhost.here.test"]}], "localhost.here.test": [{"A": "127.0.0.1"}],
        "back.test": [{"MX": [10, "mx1.sender.test"]}, {"TXT": "v=spf1 ip4:20.30.40.50 -all"}],
        "_dmarc.back.test": [{"TXT": "v=DMARC1; p=reject; rua=mailto:r@sender.test"}],
        "sender.test": [{"TXT": "v=spf1 ip4:20.30.40.50 -all"}], "_dmarc.sender.test": [{"TXT": "v=DMARC1; p=none; rua=mailto:r@sender.test"}],
        "xn--bcher-kva.test": [{"MX": [10, "mx1.sender.test"]}]}
DOMAINS = "good.test, bare.test, null.test, here.test, silent.test, none.test, Bücher.test, *.wild.test"


def reverse(name):
    return ipaddress.ip_address(SOURCES[name][0]).reverse_pointer


def zone():
    data = dict(ZONE, **{reverse(name): [{"PTR": ptr} for ptr in ptrs] for name, ptrs in NAMES.items()})
    return suite.Zone(data)


def sources():
    for name, (address, helo) in SOURCES.items():
        yield from ("--set", "source.%s.address%d=%s" % (name, ipaddress.ip_address(address).version, address))
        yield from ("--set", "source.%s.helo=%s" % (name, helo))


def laboratory(server, *more):
    return harness.Lab("--set", "dns.server=127.0.0.1@%d" % server.port, "--set", "dns.timeout=1s", "--set", "dns.allow=", *more)


def check(lab, *arguments):
    done = lab.ctl("--json", "dns", "check", *arguments, check=False)
    rows = [row for row in map(harness.json.loads, done.stdout.splitlines()) if "check" in row]
    return {(row["about"], row["check"]): row for row in rows}, rows, done


def state(rows, about, what):
    row = rows.get((about, what), {})
    return row.get("state"), row.get("publish")


def test_sources(rows):
    tap.equal(state(rows, "good", "ptr") + state(rows, "good", "helo"), ("good", None) * 2, "an address whose name leads back")
    tap.equal(state(rows, "six", "ptr") + state(rows, "six", "helo"), ("good", None) * 2, "an IPv6 address")
    tap.equal((rows["good", "ptr"]["name"], rows["good", "ptr"]["reason"]), ("50.40.30.20.in-addr.arpa", None), "where it was looked for")
    tap.equal(state(rows, "other", "ptr") + state(rows, "other", "helo"), ("good", None) * 2, "EHLO by another name than the address's")
    tap.ok("rev.host.test" in (rows["other", "helo"]["reason"] or ""), "is good, and said", repr(rows["other", "helo"]))
    tap.equal(state(rows, "forged", "ptr"), ("different", None), "a name that leads elsewhere")
    tap.equal(state(rows, "forged", "helo"), ("different", "A 20.30.40.52"), "and EHLO's that does")
    tap.equal(state(rows, "nameless", "ptr"), ("missing", "PTR mx4.sender.test."), "an address without a name")
    tap.equal(state(rows, "nameless", "helo"), ("missing", "A 20.30.40.53"), "and EHLO's without an address")
    tap.equal(state(rows, "silent", "ptr") + state(rows, "silent", "helo"), ("unknown", None) * 2, "a timeout is no absence")
    tap.equal(state(rows, "inside", "ptr") + state(rows, "inside", "helo"), ("unknown", None) * 2, "a private address is not judged")
    tap.equal((state(rows, "many", "ptr"), rows["many", "helo"]["reason"]), (("good", None), None), "of several names the one of EHLO counts")


def test_domains(rows):
    found = {about: row["state"] for (about, what), row in rows.items() if what == "mx"}
    wanted = {"good.test": "good", "bare.test": "good", "null.test": "missing", "here.test": "different", "silent.test": "unknown",
              "none.test": "missing", "xn--bcher-kva.test": "good", "sender.test": "missing", "in.sender.test": "missing"}
    tap.equal(found, wanted, "the domains of tenants and those of [domain], and where mail to them goes")
    tap.equal((rows["good.test", "mx"]["reason"], bool(rows["bare.test", "mx"]["reason"])), (None, True), "an address instead of an MX is said")


def test_all(lab):
    rows, listed, done = check(lab)
    test_sources(rows)
    test_domains(rows)
    bad = sum(row["state"] not in ("good", "published") for row in listed)
    tap.equal((done.returncode, bad), (1, 14), "the exit status says that something is not good")
    tap.ok("14 of 25" in done.stderr, "and how much", done.stderr)
    said = lab.ctl("dns", "check", check=False).stdout
    tap.ok("nameless, ptr: missing: the address has no name" in said and "\n  publish at 53.40.30.20.in-addr.arpa: PTR mx4.sender.test.\n" in said,
           "people are told it whole, and what to publish", said)
    table = lab.ctl("dns", "check", "good.test")
    tap.equal(table.returncode, 0, "one domain that is good")
    tap.ok("good.test" in table.stdout and "\nnone" not in table.stdout, "as a table of it alone", table.stdout)
    tap.equal([lab.ctl("dns", "check", *words, check=False).returncode for words in (("a..b",), ("a.test", "b.test"))], [2, 2],
              "no domain, and two")


def test_end(lab, server):
    """Whoever asked goes, and the daemon stops while the DNS is silent."""
    gone = subprocess.Popen([lab.facts["relaisctl"], "dns", "check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    left = subprocess.Popen([lab.facts["relaisctl"], "dns", "check", "quiet.silent.test"], stderr=subprocess.PIPE, text=True)
    lab.wait(lambda: any("quiet.silent.test" in question for question, *_ in server.asked), what="a question")
    gone.kill()
    gone.wait()
    lab.clean(tap)
    tap.ok(left.wait(30) != 0, "the one that waits is told", left.stderr.read())


def test_modules(server):
    """Their tests are part of it."""
    modules = [word for name in ("dkim", "spf-check", "dmarc") for word in ("--module", name)]
    with laboratory(server, *modules, "--set", "tenant.sender.domains=sender.test, good.test", "--set", "domain.back.test.inbound=") as lab:
        rows = check(lab)[0]
        found, publish = state(rows, "sender.test", "dkim")
        tap.equal(found, "missing", "a key that is not published")
        tap.ok((publish or "").startswith("v=DKIM1; k=rsa; p="), "is said to be published", repr(publish))
        tap.ok("_domainkey.sender.test" in rows["sender.test", "dkim"]["name"], "at its name", repr(rows["sender.test", "dkim"]))
        tap.equal(state(rows, "good.test", "dkim")[0], "not tested", "a domain without a key")
        tap.ok("dkim-key" in rows["good.test", "dkim"]["reason"], "says so", repr(rows["good.test", "dkim"]))
        tap.equal(state(rows, "sender.test", "dmarc"), ("good", None), "a policy that is published")
        tap.equal(state(rows, "good.test", "dmarc"), ("missing", "v=DMARC1; p=none; rua=mailto:postmaster@good.test"), "and one that is not")
        tap.equal([rows[domain, "spf"]["state"] for domain in ("sender.test", "good.test")], ["unknown", "missing"],
                  "an SPF record, of which nothing is known without addresses, and none")
        found = {what: row["state"] for (about, what), row in rows.items() if about == "back.test"}
        tap.equal(found, {"mx": "good", "spf": "unknown", "dmarc": "good"}, "a domain that mail comes back to needs no key")
        own = [row for (about, what), row in rows.items() if what == "ptr"]
        tap.ok(all(row["about"] == "default" for row in own), "without a [source] the machine's own addresses are looked at", repr(own))
        lab.clean(tap)


def main():
    server = zonedns.Server(zone(), silent={reverse("silent"), "mx5.sender.test", "silent.test"})
    with laboratory(server, *sources(), "--set", "tenant.sender.domains=" + DOMAINS) as lab:
        test_all(lab)
        test_end(lab, server)
    test_modules(server)
    tap.end()


main()
