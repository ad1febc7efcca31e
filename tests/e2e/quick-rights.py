#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may send what: no open relay in forty spellings, tenants apart with signing on and off, AUTH."""
import base64
import os
import smtplib
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()

SPELLINGS = [
    "<bob@foreign.example>", "<bob%foreign.example@sender.test>", "<bob%foreign.example>", "<foreign.example!bob>",
    "<foreign.example!bob@sender.test>", '<"bob@foreign.example">', '<"bob@foreign.example"@sender.test>',
    '<"bob%foreign.example"@sender.test>', "<@sender.test:bob@foreign.example>", "<@sender.test,@x.test:bob@foreign.example>",
    "<bob@foreign.example@sender.test>", "<bob@sender.test@foreign.example>", "<bob@[127.0.0.1]>", "<bob@127.0.0.1>",
    "<bob@[IPv6:::1]>", "<bob%foreign.example@[127.0.0.1]>", "<bob@localhost>", "<bob@relais.test>", "<bob@>", "<bob>", "<@foreign.example>",
    "<bob@foreign.example.>", "<bob@.foreign.example>", "<bob@foreign..example>", "< bob@foreign.example>", "<bob@foreign.example >",
    "bob@foreign.example", "<bob @foreign.example>", "<bob@for eign.example>", "<bob\x00@foreign.example>", "<bob@foreign.example\x00.sender.test>",
    "<b\u00f6b@foreign.example>", "<bob@f\u00f6reign.example>", "<bob@SENDER.TEST.foreign.example>", "<bob@sender.test.>",
    '<""@foreign.example>', "<bob:sender.test@foreign.example>", "<bob@foreign.example,ann@sender.test>",
    "<bob@foreign.example> NOTIFY=NEVER ORCPT=rfc822;ann@sender.test", "<bob@foreign.example> XRELAY=yes", "<<bob@foreign.example>>",
    "<bob@foreign.example>>", "<bob\\@foreign.example@sender.test>", "<|/bin/sh@sender.test>", "<bob@in.sender.test.foreign.example>",
]

TENANTS = ["--set", "tenant.b.domains=other.test", "--set", "listener.lab.trusted_nets=192.0.2.1", "--set", "listener.lab.auth=yes"]


def add_user(lab, name, tenant, password):
    done = subprocess.run([lab.facts["relaisctl"], "user", "add", name, "--tenant=" + tenant], input=password + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def test_spellings(lab):
    relayed = []
    for sender in ("<stranger@foreign.example>", "<>", "<root@localhost>", "<ann@sender.test>"):
        for spelling in SPELLINGS:
            d = Dialogue(lab.port)
            d.reply()
            d.ask("EHLO client.test")
            if d.ask("MAIL FROM:" + sender)[0] != 250:
                d.close()
                continue
            answer = d.ask("RCPT TO:" + spelling)
            if answer is None or answer[0] // 100 != 5:
                relayed.append((sender, spelling, answer))
            d.close()
    tap.ok(not relayed, "%d spellings from 4 senders: nobody without rights relays" % len(SPELLINGS), relayed)


def plain(d, user, password):
    return d.ask("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode())


def send_as(lab, user, sender, header_from):
    """Reply codes of RCPT and of the end of data for one message sent by a logged-in user."""
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    assert plain(d, user, "secret of " + user)[0] == 235
    mail = d.ask("MAIL FROM:<%s>" % sender)
    rcpt = d.ask("RCPT TO:<x@tenant.rcpt.test>") if mail[0] == 250 else mail
    end = None
    if rcpt[0] == 250:
        d.ask("DATA")
        d.send("From: %s\r\nSubject: t\r\n\r\nt\r\n.\r\n" % header_from)
        end = d.reply()
    d.close()
    return rcpt, end


def test_tenants(lab, word):
    for user, tenant in (("anna", "sender"), ("berta", "b")):
        add_user(lab, user, tenant, "secret of " + user)
    good = send_as(lab, "anna", "x@sender.test", "x@sender.test")
    tap.ok(good[1] and good[1][0] == 250, word + ": a tenant sends as itself", good)
    good = send_as(lab, "berta", "", "x@other.test")
    tap.ok(good[1] and good[1][0] == 250, word + ": and with the null sender", good)
    forged = [
        ("berta", "x@sender.test", "x@other.test"), ("berta", "x@other.test", "x@sender.test"), ("berta", "", "x@sender.test"),
        ("berta", "x@other.test", "a@other.test, x@sender.test"), ("berta", "x@other.test", '"x@other.test" <x@sender.test>'),
        ("berta", "x@other.test", "x@other.test\r\nFrom: x@sender.test"), ("berta", "x@other.test", "x@sub.sender.test"),
        ("berta", "x@other.test", "x@SENDER.test"), ("berta", "x@other.test", "x@other.test <x@sender.test>"),
        ("berta", "x@other.test", "<x@other.test> x@sender.test"), ("berta", "x@other.test", "g: x@sender.test;"),
        ("berta", "x@other.test", "(x@other.test) x@sender.test"), ("berta", "x@other.test", '"x@sender.test"@other.test.sender.test'),
        ("berta", "x@other.test", "x@other.test\r\nfrom : x@sender.test"), ("berta", "x@other.test", "\r\n x@sender.test"),
        ("anna", "x@other.test", "x@sender.test"), ("anna", "x@sender.test", "x@other.test"),
    ]
    through = []
    for user, sender, header_from in forged:
        rcpt, end = send_as(lab, user, sender, header_from)
        last = end or rcpt
        if last is None or last[0] // 100 != 5:
            through.append((user, sender, header_from, rcpt, end))
    tap.ok(not through, word + ": %d ways to send as another tenant are refused" % len(forged), through)


def test_auth(lab):
    d = Dialogue(lab.port)
    d.reply()
    tap.ok("AUTH PLAIN" in d.ask("EHLO client.test")[1], "AUTH PLAIN is offered")
    tap.equal(plain(d, "anna", "wrong")[0], 535, "a wrong password is refused")
    tap.equal(plain(d, "nobody", "wrong")[0], 535, "so is an unknown user, with the same code")
    tap.equal(plain(d, "anna", "secret of anna")[0], 235, "the right one is taken")
    tap.equal(plain(d, "anna", "secret of anna")[0], 503, "a second AUTH is refused")
    d.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
        client.starttls(context=context)
        client.login("anna", "secret of anna")
        client.sendmail("ann@sender.test", ["x@tls.rcpt.test"], "From: ann@sender.test\n\nover TLS\n")
    sunk = lab.wait(lambda: [d for f, d in lab.sunk() if f["recipients"][0][0] == "x@tls.rcpt.test"], 30, "mail over TLS")
    tap.ok(b"ESMTPSA" in sunk[0], "Received says ESMTPSA", sunk[0][:400])


with harness.Lab(*TENANTS) as lab:
    tap.case(test_spellings, lab)
    tap.case(test_tenants, lab, "unsigned")
    tap.case(test_auth, lab)
    lab.clean(tap)
with harness.Lab("--module", "dkim", *TENANTS) as lab:
    tap.case(test_tenants, lab, "signed")
tap.end()
