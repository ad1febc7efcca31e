#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""opendkim, as it is, is a milter of Relais: what it signs and what goes out is verified by another, what it verifies has
its result above the message; a thousand sessions leave it no connection."""
import glob
import os
import smtplib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import inbound

tap = harness.Tap()
HOME = tempfile.mkdtemp(prefix="relais-full-milter-")
SOCKET = os.path.join(HOME, "socket")
SIGNS, VERIFIES = "127.0.0.2", "127.0.0.3"  # clients whose mail it does this with
post = inbound.Post()


def start(record):
    """opendkim in the foreground; None if it is not there."""
    places = (os.path.join(harness.BUILD, "lab-tools/usr/sbin/opendkim"), "/usr/sbin/opendkim")
    binary = next((path for path in places if os.path.exists(path)), None)
    if binary is None:
        return None
    files = {
        "conf": "Mode sv\nSyslog no\nSocket local:%s\nDomain signer.test\nSelector k1\nKeyFile %s/key\nRequireSafeKeys no\nInternalHosts %s/inside\n"
                "TestDNSData %s/dns\nAuthservID opendkim.test\nAlwaysAddARHeader yes\n" % (SOCKET, HOME, HOME, HOME),
        "inside": SIGNS + "\n",
        "dns": "k1._domainkey.signer.test %s\n" % record,
    }
    for name, text in files.items():
        with open(os.path.join(HOME, name), "w") as file:
            file.write(text)
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(glob.glob(os.path.join(harness.BUILD, "lab-tools/usr/lib/*-linux-gnu*"))))
    process = subprocess.Popen([binary, "-f", "-x", os.path.join(HOME, "conf")], env=env)
    end = time.monotonic() + 20
    while not os.path.exists(SOCKET) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    return process


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
    secret, record = inbound.make_key(HOME)
    process = start(record.replace('" "', "").strip('"'))
    if process is None or process.poll() is not None:
        tap.skip("milter", "opendkim is not there")
        tap.end()
        return
    zone = os.path.join(HOME, "zone")
    with open(zone, "w") as file:
        file.write("k1._domainkey.signer TXT %s\n" % record)
    try:
        before = harness.sockets(process.pid)
        with harness.Lab("--module", "milter", "--zone", zone, "--set", "milter-filter.opendkim.address=unix:" + SOCKET) as lab:
            tap.case(test_signs, lab)
            tap.case(test_verifies, lab, secret)
            tap.case(test_many, lab, process, 1000, before)
            lab.clean(tap)
    finally:
        process.kill()
        subprocess.run(["rm", "-rf", HOME], check=False)
    tap.end()


main()
