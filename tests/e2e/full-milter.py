#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""opendkim, as it is, is a milter of Relais: what it signs and what goes out is verified by another, what it verifies has
its result above the message; a thousand sessions leave it no connection."""
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import filters
import harness
import inbound

tap = harness.Tap()
SIGNS, VERIFIES = "127.0.0.2", "127.0.0.3"  # clients whose mail it does this with
post = inbound.Post()


def start(signer, record):
    """opendkim, with its socket in `signer`."""
    signer.write("inside", SIGNS + "\n")
    signer.write("dns", "k1._domainkey.signer.test %s\n" % record)
    conf = signer.write("conf", "Mode sv\nSyslog no\nSocket local:%(home)s/socket\nDomain signer.test\nSelector k1\nKeyFile %(home)s/key\n"
                        "RequireSafeKeys no\nInternalHosts %(home)s/inside\nTestDNSData %(home)s/dns\nAuthservID opendkim.test\n"
                        "AlwaysAddARHeader yes\n" % {"home": signer.home})
    return signer.start("usr/sbin/opendkim", "-f", "-x", conf, ready="socket")


def deliver(lab, data, client):
    inbound.send(lab, data, "bounce@signer.test", client)
    return inbound.arrived(lab, data)


def test_signs(lab):
    for body in ("Hello.\r\n", "line with some words in it\r\n" * 30000):
        found = deliver(lab, post.message("ann@signer.test", body=body), SIGNS)
        verdicts = harness.verify_dkimpy(found, int(lab.facts["dns_port"]))
        tap.equal([(domain, good) for domain, _, good in verdicts], [("signer.test", True)], "its signature of %d octets holds when they go out" % len(body))


def test_verifies(lab, secret):
    good = inbound.sign(secret, post.message("ann@signer.test"), "signer.test")
    bad = inbound.sign(secret, post.message("ann@signer.test"), "signer.test").replace(b"Hello", b"Hallo")
    for data, word in ((good, "dkim=pass"), (bad, "dkim=fail"), (post.message("ann@signer.test"), "dkim=none")):
        found = [line for line in inbound.results(deliver(lab, data, VERIFIES)) if line.startswith("opendkim.test")]
        tap.ok(len(found) == 1 and word in found[0], "it finds " + word, found)


def test_many(lab, process, n, before):
    for _ in range(n):
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=60, source_address=(SIGNS, 0)) as smtp:
            smtp.ehlo("client.test")
            smtp.mail("a@signer.test")
            smtp.rcpt("x@in.sender.test")
    lab.wait(lambda: harness.sockets(process.pid) <= before, 30, "the end of all connections")
    tap.ok(True, "%d sessions leave no connection" % n)


def main():
    filters.need(tap, "usr/sbin/opendkim")
    with filters.Filters() as signer:
        secret, record = inbound.make_key(signer.home)
        process = start(signer, record.replace('" "', "").strip('"'))
        zone = signer.write("zone", "k1._domainkey.signer TXT %s\n" % record)
        before = harness.sockets(process.pid)
        with harness.Lab("--module", "milter", "--zone", zone, "--set", "milter-filter.opendkim.address=unix:" + signer.path("socket")) as lab:
            tap.case(test_signs, lab)
            tap.case(test_verifies, lab, secret)
            tap.case(test_many, lab, process, 1000, before)
            lab.clean(tap)
    tap.end()


main()
