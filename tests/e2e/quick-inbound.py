#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server offers, used by clients that are not ours: chunks (a raw socket), SMTPUTF8 and DSN (smtplib, swaks), AUTH
(swaks, gsasl), implicit TLS, SNI and renewed certificates (openssl s_client), XCLIENT (swaks), floods. With RELAIS_TESTSSL=1 also
testssl, which takes minutes."""
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory
from harness import Dialogue

tap = harness.Tap()
TLS_PORT, NET_PORT, FLOOD_PORT, WEB_PORT = (laboratory.free_port() for _ in range(4))
TEXT = b"From: ann@sender.test\r\nSubject: %s\r\n\r\n%s"


def certificate(path, host):
    """One file with a key and a certificate for it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path + ".key", "-out",
                    path + ".crt", "-days", "2", "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host], check=True, capture_output=True)
    with open(path + ".tmp", "w") as file:
        file.write(open(path + ".key").read() + open(path + ".crt").read())
    os.chmod(path + ".tmp", 0o644)
    os.rename(path + ".tmp", path)


def arrived(lab, subject):
    return lab.wait(lambda: next(((f, d) for f, d in lab.sunk() if b"Subject: %s\r\n" % subject in d), None),
                    30, "delivery of %r" % subject)


def swaks(*arguments):
    done = subprocess.run(["swaks", "--server", "127.0.0.1", *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_chunks(lab):
    d = Dialogue(lab.port)
    d.reply()
    tap.ok("CHUNKING" in d.ask("EHLO client.test")[1].split(), "CHUNKING is offered")
    body = b"".join(b"line %d\r\n.\r\n" % i for i in range(100000))
    data = TEXT % (b"chunks", body)
    pieces = [data[i:i + 65537] for i in range(0, len(data), 65537)]
    wire = b"".join(b"BDAT %d\r\n%s" % (len(p), p) for p in pieces) + b"BDAT 0 LAST\r\n"
    d.send(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<chunks@one.rcpt.test>\r\n" + wire)
    codes = [d.reply()[0] for _ in range(len(pieces) + 3)]
    tap.ok(set(codes) == {250}, "%d octets in %d pipelined chunks are taken" % (len(data), len(pieces)), codes)
    facts, found = arrived(lab, b"chunks")
    tap.ok(found.endswith(body), "and arrive as they were sent")
    d.send(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<chunks@one.rcpt.test>\r\nBDAT 6\r\nQUIT\r\nDATA\r\nRSET\r\n")
    tap.equal([d.reply()[0] for _ in range(5)], [250, 250, 250, 503, 250], "DATA among chunks is out of order, and a chunk is no command")
    d.close()


def test_utf8(lab):
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
        client.ehlo("client.test")
        tap.ok(client.has_extn("smtputf8"), "SMTPUTF8 is offered")
        for subject, recipient in (("\u00fcber", "b\u00fcro@one.rcpt.test"), ("plain", "buero@one.rcpt.test"), ("mailbox", "b\u00fcro@one.rcpt.test")):
            client.sendmail("ann@sender.test", [recipient], ("From: ann@sender.test\r\nSubject: %s\r\n\r\nx\r\n" % subject).encode(), ["SMTPUTF8", "BODY=8BITMIME"])
    needs = ["SMTPUTF8" in str(arrived(lab, subject.encode())[0]) for subject in ("\u00fcber", "plain", "mailbox")]
    tap.equal(needs, [True, False, True], "it is asked for on the way out where header or mailbox need it, whatever the client said")
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    tap.equal(d.ask("MAIL FROM:<b\u00fcro@sender.test>")[0], 553, "a mailbox beyond ASCII without the parameter is refused")
    d.close()


def test_dsn(lab):
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
        client.ehlo("client.test")
        client.sendmail("ann@sender.test", ["dsn@one.rcpt.test"], (TEXT % (b"dsn", b"x\r\n")).decode(), ["RET=HDRS", "ENVID=env+2B1"],
                        ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;o+2Bx@far.test"])
    facts, _ = arrived(lab, b"dsn")
    told = str(facts)
    tap.ok(all(word in told for word in ("RET=HDRS", "ENVID=env+2B1", "NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;o+2Bx@far.test")), "DSN parameters are passed on", told)


def add_user(lab, name, *options):
    done = subprocess.run([lab.facts["relaisctl"], "user", "add", name, "--tenant=sender", *options], input="secret of %s\n" % name, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def gsasl(mechanism, name, password):
    """What GNU SASL's own client makes of the server, which it logs in to under TLS; without channel binding it is told so."""
    done = subprocess.run(["gsasl", "--smtp", "--connect=127.0.0.1:%d" % NET_PORT, "--mechanism=" + mechanism, "--authentication-id=" + name, "--password=" + password,
                           "--x509-ca-file="] + ([] if mechanism.endswith("PLUS") else ["--no-cb"]), input="QUIT\r\n", capture_output=True, text=True, timeout=30)
    return "235" in done.stdout + done.stderr or done.returncode == 0, done.stdout + done.stderr


def test_auth(lab):
    add_user(lab, "anna", "--scram")
    tap.equal([row["scram"] for row in lab.rows("user", "list")], ["yes"], "a user with SCRAM's keys")
    for mechanism in ("LOGIN", "PLAIN"):
        code, text = swaks("-p", str(NET_PORT), "--tls", "--auth", mechanism, "--auth-user", "anna", "--auth-password", "secret of anna", "--quit-after", "AUTH")
        tap.ok(code == 0, "swaks logs in by %s" % mechanism, text)
        code, text = swaks("-p", str(NET_PORT), "--tls", "--auth", mechanism, "--auth-user", "anna", "--auth-password", "wrong", "--quit-after", "AUTH")
        tap.ok(code != 0 and "535" in text, "not with a wrong password", text)
    if shutil.which("gsasl") is None:
        tap.skip("SCRAM by GNU SASL's client", "gsasl is not there")
        return
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
        good, text = gsasl(mechanism, "anna", "secret of anna")
        tap.ok(good, "gsasl logs in by %s" % mechanism, text)
        good, text = gsasl(mechanism, "anna", "wrong")
        tap.ok(not good, "not with a wrong password", text)


def s_client(*arguments, port=TLS_PORT):
    return subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, *arguments], input="QUIT\r\n", capture_output=True, text=True, timeout=20).stdout


def look_each_second(lab):
    """At certificates, from a reload on."""
    path = os.path.join(lab.directory, "conf.d", "lab.conf")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("certificate_interval = 1h", "certificate_interval = 1s"))
    lab.ctl("reload")


def test_tls(lab, one, two):
    text = s_client()
    tap.ok("CN = one.test" in text and "TLSv1.3" in text, "TLS from the first octet, with the default certificate", text)
    tap.ok("CN = two.test" in s_client("-servername", "two.test"), "another for the host that the client names")
    for wanted, arguments in ((True, ("-tls1_2",)), (False, ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")), (False, ("-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384")),
                              (False, ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"))):
        found = re.search(r"Cipher is (\S+)", s_client(*arguments))
        tap.ok((found is not None and found.group(1) != "(NONE)") == wanted, "%s is %s" % (" ".join(arguments), "served" if wanted else "refused"))
    old = ("-starttls", "smtp", "-tls1_2", "-cipher")
    for wanted, cipher in ((True, "ECDHE-ECDSA-AES128-SHA256"), (True, "ECDHE-ECDSA-AES128-GCM-SHA256"), (False, "AES128-SHA:AES256-GCM-SHA384")):
        found = re.search(r"Cipher is (\S+)", s_client(*old, cipher, port=NET_PORT))
        tap.ok((found is not None and found.group(1) != "(NONE)") == wanted, "tls_profile = compatible: %s is %s" % (cipher, "served" if wanted else "refused"))
    tap.ok("CN = one.test" in s_client("-alpn", "http/1.1", port=WEB_PORT), "and so by HTTPS")
    look_each_second(lab)
    certificate(one, "renewed.test")
    lab.wait(lambda: "CN = renewed.test" in s_client("-alpn", "http/1.1", port=WEB_PORT), 20, "the renewed certificate by HTTPS")
    lab.wait(lambda: "CN = renewed.test" in s_client(), 20, "the renewed certificate")
    with open(one, "w") as file:
        file.write("broken")
    lab.wait(lambda: "stays as it was" in lab.log(), 20, "a line on the broken one")
    tap.ok("CN = renewed.test" in s_client(), "a renewed certificate is served, a broken one is not")


def test_xclient(lab):
    code, text = swaks("-p", str(NET_PORT), "--xclient", "ADDR=192.0.2.9 NAME=far.test HELO=far.test", "-f", "x@far.test", "-t", "xclient@in.sender.test",
                       "--header", "Subject: xclient")
    tap.ok(code == 0, "swaks speaks for another by XCLIENT", text)
    _, found = arrived(lab, b"xclient")
    tap.ok(b"from far.test ([192.0.2.9])" in found, "Received names the client that it named", found[:300])
    d = Dialogue(lab.port)
    d.reply()
    tap.ok("XCLIENT" not in d.ask("EHLO client.test")[1] and d.ask("XCLIENT ADDR=192.0.2.9")[0] == 500, "to others there is no such command")
    d.close()


def greeting(address):
    with socket.create_connection(("127.0.0.1", FLOOD_PORT), 10) as sock:
        sock.sendall(b"PROXY TCP4 %s 127.0.0.1 1 25\r\n" % address.encode())
        return sock.recv(100)[:3].decode()


def test_floods(lab):
    first = [greeting("198.51.100.%d" % (i % 250)) for i in range(60)]
    tap.equal((first.count("220"), first.count("421")), (50, 10), "of 60 connections of one network in a minute 50 are let in")
    began = time.time()
    tap.equal(greeting("203.0.113.1"), "220", "and another network is not kept waiting for it")
    tap.note("greeted in %d ms" % ((time.time() - began) * 1000))


def run_testssl(lab):
    for arguments in (["-t", "smtp", "127.0.0.1:%d" % NET_PORT], ["127.0.0.1:%d" % TLS_PORT]):
        done = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--severity", "LOW", "--sneaky", *arguments], capture_output=True, text=True, timeout=900)
        print("\n".join("# " + line for line in done.stdout.splitlines()), flush=True)


def main():
    folder = tempfile.mkdtemp(prefix="relais-inbound-")
    os.chmod(folder, 0o755)
    one, two = os.path.join(folder, "one.pem"), os.path.join(folder, "two.pem")
    certificate(one, "one.test")
    certificate(two, "two.test")
    settings = {"relais.certificate_interval": "1h", "limits.exempt_nets": "127.0.0.0/8", "limits.connections_per_net": "50", "limits.auth_failures": "100"}
    for name, port, more in (("tls", TLS_PORT, {"tls": "implicit"}), ("net", NET_PORT, {"xclient_nets": "127.0.0.1", "tls_profile": "compatible"}),
                             ("flood", FLOOD_PORT, {"proxy": "yes"})):
        listener = dict({"address": "127.0.0.1", "port": port, "certificate": one, "key": one, "certificates": two}, **more)
        settings.update(("listener.%s.%s" % (name, key), value) for key, value in listener.items())
    settings.update({"http.web.kind": "tracker", "http.web.address": "127.0.0.1", "http.web.port": WEB_PORT, "http.web.certificate": one})
    arguments = [word for key, value in settings.items() for word in ("--set", "%s=%s" % (key, value))]
    with harness.Lab(*arguments) as lab:
        lab.script("caps smtputf8\n")
        for test in (test_chunks, test_utf8, test_dsn, test_auth, test_xclient, test_floods):
            tap.case(test, lab)
        if os.environ.get("RELAIS_TESTSSL"):
            run_testssl(lab)
        tap.case(test_tls, lab, one, two)
    shutil.rmtree(folder)
    tap.end()


main()
