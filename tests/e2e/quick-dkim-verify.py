#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM of mail from outside: one Authentication-Results with the verdict however many were forged, nothing said of mail from
trusted clients, a DNS that is silent holds up its own mail alone, 1 000 signatures cost ten lookups; and what relaisctl
dkim test and verify tell. Other clients than 127.0.0.1 are not trusted by the laboratory."""
import os
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import inbound

tap = harness.Tap()
HOME = tempfile.mkdtemp(prefix="relais-dkim-verify-")
post = inbound.Post()


# --- Names, keys, messages ------------------------------------------------------------------------

class Relay:
    """A DNS server between Relais and the laboratory's: counts the names that are asked for, and is silent about those
    below silent.test until it is told to speak."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.behind, self.names, self.silent, self.stopped = None, [], True, False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def answer(self, packet, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(10)
            upstream.sendto(packet, ("127.0.0.1", self.behind))
            try:
                self.sock.sendto(upstream.recv(65536), client)
            except OSError:
                pass  # it will ask again

    def serve(self):
        while not self.stopped:
            packet, client = self.sock.recvfrom(65536)
            labels, at = [], 12
            while at < len(packet) and packet[at]:
                labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
                at += 1 + packet[at]
            name = ".".join(labels)
            self.names.append(name)
            if self.behind and not (self.silent and name.endswith("silent.test")):
                threading.Thread(target=self.answer, args=(packet, client)).start()

    def asked(self, end):
        return sorted({name for name in self.names if name.endswith(end)})

    def stop(self):
        self.stopped = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\0" * 12, ("127.0.0.1", self.port))
        self.thread.join()
        self.sock.close()


def make_zone(data):
    path = os.path.join(HOME, "zone")
    with open(path, "w") as file:
        file.write("k1._domainkey.signer TXT %s\nk1._domainkey.late.silent TXT %s\n" % (data, data))
    return path


def message(body="Hello.\r\n"):
    return post.message("ann@signer.test", body=body)


def sign(secret, data, domain="signer.test"):
    return inbound.sign(secret, data, domain)


def send(lab, data, client="127.0.0.2"):
    inbound.send(lab, data, "bounce@signer.test", client)


def deliver(lab, data, **options):
    send(lab, data, **options)
    return inbound.results(inbound.arrived(lab, data))


# --- What stands in the message -------------------------------------------------------------------

def test_results(lab, secret):
    found = deliver(lab, sign(secret, message()))
    tap.ok(len(found) == 1 and found[0].startswith("relais.test;"), "one field, under our name", found)
    tap.ok(found and re.search(r"dkim=pass .*header\.d=signer\.test", found[0]) and "header.s=k1" in found[0] and "header.a=rsa-sha256" in found[0],
           "a signature that holds is a pass, with domain, selector and algorithm", found)
    found = deliver(lab, sign(secret, message()).replace(b"Hello", b"Hallo"))
    tap.ok(len(found) == 1 and "dkim=fail" in found[0], "a changed body is a fail", found)
    tap.ok("dkim=none" in deliver(lab, message())[0], "no signature is none")
    found = deliver(lab, sign(secret, message()).replace(b"s=k1", b"s=k2"))
    tap.ok("dkim=permerror" in found[0], "no key is a permanent error", found)
    for n in (1, 50):
        forged = b"Authentication-Results: Relais.test; dkim=pass header.d=bank.test\r\n" * n
        found = deliver(lab, forged + sign(secret, message()).replace(b"Hello", b"Hallo"))
        tap.ok(len(found) == 1 and "dkim=fail" in found[0] and "bank" not in found[0], "%d forged: ours alone is left" % n, found)
    found = deliver(lab, b"Authentication-Results: other.test; spf=pass\r\n" + sign(secret, message()))
    tap.ok(len(found) == 2 and "dkim=pass" in found[0] and found[1].startswith("other.test"), "another's stays, below ours", found)
    found = deliver(lab, sign(secret, message()), client="127.0.0.1")
    tap.ok(not any("dkim=" in line for line in found), "a trusted client's mail is not looked at", found)
    large = "".join("line %06d with some words in it\r\n" % i for i in range(30000))
    found = deliver(lab, sign(secret, message(large)))
    tap.ok("dkim=pass" in found[0], "a message of a megabyte, which is not in memory, is a pass", found)


def test_many(lab, relay, secret):
    data = message()
    field = sign(secret, data)[:-len(data)]
    many = b"".join(field.replace(b"s=k1", b"s=many%d" % i) for i in range(1000))
    found = deliver(lab, many + data)
    asked = relay.asked("._domainkey.signer.test")
    tap.equal(len([name for name in asked if name.startswith("many")]), 10, "1 000 signatures cost ten lookups")
    tap.ok(len(found) == 1 and found[0].count("dkim=") == 11 and "990 signatures more were not looked at" in found[0], "and the rest is told of", found)


# --- A DNS that is silent ---------------------------------------------------------------------------

def test_silent(lab, secret):
    found = deliver(lab, sign(secret, message(), domain="never.silent.test"))
    tap.ok("dkim=temperror" in found[0], "a DNS that never answers is a temporary error", found)


def test_off(lab, secret):
    found = deliver(lab, sign(secret, message()))
    tap.ok(not any("dkim=" in line for line in found), "dkim.verify = no: nothing is said", found)


def test_holds_up_its_own(lab, relay, secret):
    held, others = sign(secret, message(), domain="late.silent.test"), [sign(secret, message()) for _ in range(5)]
    thread = threading.Thread(target=send, args=(lab, held))
    thread.start()
    lab.wait(lambda: relay.asked("late.silent.test"), 30, "the question")
    found = [deliver(lab, data) for data in others]
    tap.ok(all("dkim=pass" in lines[0] for lines in found), "while one message waits for the DNS, others pass by", found)
    tap.ok(thread.is_alive(), "and it waits on")
    relay.silent = False
    thread.join(120)
    found = inbound.results(inbound.arrived(lab, held))
    tap.ok(re.search(r"dkim=pass .*header\.d=late\.silent\.test", found[0]), "once the DNS answers it has its verdict", found)


def try_send(lab, data):
    try:
        send(lab, data)
    except (OSError, smtplib.SMTPException):
        pass  # the daemon has ended, or says that it does


def test_end(lab, relay, secret):
    """The daemon ends while a message and a command wait."""
    relay.silent = True
    threads = [threading.Thread(target=try_send, args=(lab, sign(secret, message(), domain="end.silent.test"))),
               threading.Thread(target=lambda: lab.ctl("dkim", "test", "end.silent.test", "--selector=k9", check=False))]
    for thread in threads:
        thread.start()
    lab.wait(lambda: len(relay.asked("end.silent.test")) == 2, 30, "the questions")
    lab.clean(tap)
    for thread in threads:
        thread.join(120)


# --- Commands -----------------------------------------------------------------------------------------

def verify(lab, data, *arguments):
    path = os.path.join(HOME, "message")
    with open(path, "wb") as file:
        file.write(data)
    return lab.ctl(*arguments, "dkim", "verify", path, check=False)


def test_verify_command(lab, secret):
    good = sign(secret, message())
    done = verify(lab, good)
    tap.ok(done.returncode == 0 and "pass" in done.stdout and "k1._domainkey.signer.test" in done.stdout, "dkim verify: a pass, with what was looked up",
           done.stdout + done.stderr)
    rows = lab.rows("dkim", "verify", os.path.join(HOME, "message"))
    tap.ok(rows[0]["result"] == "pass" and rows[0]["domain"] == "signer.test" and rows[0]["bits"] == 2048 and rows[1]["answer"].startswith("v=DKIM1"),
           "the same as JSON", rows)
    done = subprocess.run([lab.facts["relaisctl"], "dkim", "verify", "-"], input=good.replace(b"\r\n", b"\n"), capture_output=True)
    tap.equal(done.returncode, 0, "from standard input, with the line ends of the system")
    done = verify(lab, good.replace(b"Hello", b"Hallo"))
    tap.ok(done.returncode == 1 and "fail" in done.stdout and "body" in done.stdout, "a changed body is refused, with the reason", done.stdout + done.stderr)
    done = verify(lab, message())
    tap.ok(done.returncode == 1 and "not signed" in done.stderr, "a message without signature is refused", done.stdout + done.stderr)
    tap.equal([lab.ctl("dkim", "verify", *words, check=False).returncode for words in ((), ("/nowhere/at/all",), ("--json",))], [2, 1, 2],
              "no file, and one that is not there")


def test_test_command(lab):
    rows = lab.rows("dkim", "test", "sender.test")
    tap.ok(len(rows) == 1 and (rows[0]["selector"], rows[0]["state"], rows[0]["type"], rows[0]["bits"]) == ("s1", "good", "rsa", 2048), "dkim test: our key is published", rows)
    done = lab.ctl("--json", "dkim", "test", "sender.test", "--selector=k1", check=False)
    tap.ok(done.returncode == 1 and '"missing"' in done.stdout, "a selector that is not there", done.stdout + done.stderr)
    rows = lab.rows("dkim", "test", "signer.test", "--selector=k1")
    tap.ok(rows[0]["state"] == "published" and rows[0]["key"] is None, "someone else's key", rows)
    tap.equal([lab.ctl("dkim", "test", *words, check=False).returncode for words in ((), ("foreign.test",), ("no name",), ("a.test", "b.test"))], [2, 1, 2, 2],
              "no domain, one without key, none at all, two")


def main():
    secret, data = inbound.make_key(HOME)
    zone, relay = make_zone(data), Relay()
    arguments = ["--module", "dkim", "--zone", zone, "--set", "dns.server=127.0.0.1@%d" % relay.port]
    try:
        with harness.Lab(*arguments, "--set", "dkim.verify_timeout=2s") as lab:
            relay.behind = int(lab.facts["dns_port"])
            tap.case(test_silent, lab, secret)
            lab.clean(tap)
        with harness.Lab(*arguments, "--set", "dkim.verify=no") as lab:
            tap.case(test_off, lab, secret)
            lab.clean(tap)
        with harness.Lab(*arguments, "--set", "dns.timeout=60s", "--set", "dkim.verify_timeout=5m",
                         "--set", "limits.header_size=2M", "--set", "limits.header_fields=2000") as lab:
            relay.behind = int(lab.facts["dns_port"])
            tap.case(test_results, lab, secret)
            tap.case(test_many, lab, relay, secret)
            tap.case(test_holds_up_its_own, lab, relay, secret)
            tap.case(test_verify_command, lab, secret)
            tap.case(test_test_command, lab)
            tap.case(test_end, lab, relay, secret)
    finally:
        relay.stop()
        subprocess.run(["rm", "-rf", HOME], check=False)
    tap.end()


main()
