#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""testssl on all that speaks TLS: port 25 (STARTTLS, for old senders, too) and 587, 465 and HTTPS. No finding of MEDIUM or worse but those of
ALLOWED, which are the throw-away certificate's. Takes minutes."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()
BAD = ("MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL")
ALLOWED = {  # by the beginning of the finding's id
    "cert_chain_of_trust": "it is its own issuer", "cert_trust": "it is for names, and testssl connects to an address",
    "cert_revocation": "no authority, none that could revoke", "cert_notAfter": "it lives for 30 days", "cert_expirationStatus": "the same",
    "engine_problem": "is about the openssl that testssl runs",
    "sessionresumption_ticket": "its client can leave before the ticket of TLS 1.3 comes, which is told as a connect problem"}


def findings(port, home, starttls):
    path = os.path.join(home, "%d.json" % port)
    words = ["-t", "smtp"] if starttls else []
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--sneaky", "--jsonfile", path, *words, "127.0.0.1:%d" % port],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=1500)
    with open(path) as file:
        return json.load(file)


def judge(name, port, home, starttls):
    found = findings(port, home, starttls)
    tap.ok(len(found) > 60, "%s: testssl looked at all (%d findings)" % (name, len(found)), found[-3:])
    bad = [f for f in found if f["severity"] in BAD]
    for f in bad:
        tap.note("%s: %s %s: %s" % (name, f["severity"], f["id"], f["finding"]))
    tap.equal([(f["id"], f["severity"], f["finding"]) for f in bad if not f["id"].startswith(tuple(ALLOWED))], [],
              name + ": nothing of MEDIUM or worse but what the certificate is to blame for")


def main():
    ports = {name: laboratory.free_port() for name in ("submission", "tls", "web")}
    with harness.Lab() as lab:
        files = {"certificate": os.path.join(lab.directory, "cert.pem"), "key": os.path.join(lab.directory, "key.pem"), "address": "127.0.0.1"}
        sections = {"listener.submission": dict(files, port=ports["submission"], tls="required"),
                    "listener.tls": dict(files, port=ports["tls"], tls="implicit"), "http.web": dict(files, port=ports["web"], kind="tracker"), "listener.lab": {"tls_profile": "compatible"}}
        lab.kill()
        lab.up(*[w for section, keys in sections.items() for key, value in keys.items() for w in ("--set", "%s.%s=%s" % (section, key, value))])
        with tempfile.TemporaryDirectory() as home:
            for name, port, starttls in (("25", lab.port, True), ("587", ports["submission"], True), ("465", ports["tls"], False),
                                         ("HTTPS", ports["web"], False)):
                tap.case(judge, name, port, home, starttls)
        lab.clean(tap)
    tap.end()


main()
