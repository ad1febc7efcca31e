#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static routes against peers that Relais did not write: a mail store that speaks LMTP on a unix socket and answers
for each recipient; a smarthost under TLS from the first octet that wants SCRAM-SHA-256, resumes sessions and takes
BDAT. A refused login keeps the mail, and the password is in no log."""
import base64
import hashlib
import hmac
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
USER, PASSWORD = "relay", "canary-7f3a,=secret"


class Peer:
    """A server that takes one message after the other; `offers` are EHLO's lines."""

    def __init__(self, listener, offers, lmtp=False, context=None, password=None):
        self.listener, self.offers, self.lmtp, self.context, self.password = listener, offers, lmtp, context, password
        self.messages, self.resumed, self.logins, self.commands = [], [], [], []
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                self.resumed.append(connection.session_reused)
            with connection, connection.makefile("rwb") as file:
                self.talk(file)
        except (OSError, ValueError):
            pass

    def say(self, file, *lines):
        file.write(b"".join(line.encode() + b"\r\n" for line in lines))
        file.flush()

    def login(self, file, first):
        """RFC 5802, the server's side."""
        client = base64.b64decode(first).decode()
        bare = client[3:]
        nonce = re.search(r"r=([^,]+)", bare).group(1) + "ours"
        salt = b"salt of the test"
        server = "r=%s,s=%s,i=4096" % (nonce, base64.b64encode(salt).decode())
        self.say(file, "334 " + base64.b64encode(server.encode()).decode())
        final = base64.b64decode(file.readline()).decode()
        without, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, 4096)
        key = hmac.digest(salted, b"Client Key", "sha256")
        said = (bare + "," + server + "," + without).encode()
        wanted = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), said, "sha256")))
        if base64.b64decode(proof) != wanted:
            self.logins.append(False)
            self.say(file, "535 5.7.8 no such user or password")
            return
        verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        self.say(file, "334 " + base64.b64encode(b"v=" + base64.b64encode(verifier)).decode())
        file.readline()
        self.logins.append("n=" + USER in bare)
        self.say(file, "235 2.7.0 welcome")

    def answers(self, recipients):
        return ["452 4.2.2 full" if "full" in r else "250 2.0.0 kept" for r in recipients] if self.lmtp else ["250 2.0.0 taken"]

    def talk(self, file):
        self.say(file, "220 peer.test")
        recipients = []
        for line in iter(file.readline, b""):
            text = line.decode().rstrip("\r\n")
            verb = text.split(" ")[0].upper()
            self.commands.append(verb)
            if verb in ("EHLO", "LHLO"):
                self.say(file, *("250-" + offer for offer in self.offers), "250 8BITMIME")
            elif verb == "AUTH":
                self.login(file, text.split(" ")[2])
            elif verb == "RCPT":
                good = "nobody" not in text
                recipients += [re.search("<(.*)>", text).group(1)] if good else []
                self.say(file, "250 2.1.5 ok" if good else "550 5.1.1 nobody here")
            elif verb == "DATA":
                self.say(file, "354 go")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += file.readline()
                self.messages.append((recipients, re.sub(rb"(?m)^\.", b"", data[:-3])))
                self.say(file, *self.answers(recipients))
                recipients = []
            elif verb == "BDAT":
                self.messages.append((recipients, file.read(int(text.split(" ")[1]))))
                self.say(file, *self.answers(recipients))
                recipients = []
            elif verb == "QUIT":
                self.say(file, "221 bye")
                return
            else:
                self.say(file, "250 ok")


def submit(lab, recipients, body):
    d = Dialogue(lab.port)
    d.reply()
    d.ask("EHLO client.test")
    d.ask("MAIL FROM:<ann@sender.test>")
    for recipient in recipients:
        d.ask("RCPT TO:<%s>" % recipient)
    d.ask("DATA")
    d.send(b"From: <ann@sender.test>\r\nSubject: hop\r\n\r\n" + body + b"\r\n.\r\n")
    answer = d.reply()
    d.close()
    if answer[0] != 250:
        raise RuntimeError("not taken: %r" % (answer,))


def outcomes(lab):
    """Of what was submitted; not of reports."""
    return {e["recipient"]: e for e in lab.events()
            if e["type"] in ("delivered", "deferred", "bounced") and not e["recipient"].startswith("ann@")}


def test_mail_store(directory):
    path = os.path.join(directory, "lmtp")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    store = Peer(listener, ["PIPELINING", "CHUNKING"], lmtp=True)
    with harness.Lab("--set", "route.store.host=unix:" + path, "--set", "route.store.protocol=lmtp",
                     "--set", "route.store.tls=none", "--set", "route.store.domains=store.test") as lab:
        submit(lab, ["one@store.test", "full@store.test", "nobody@store.test", "two@store.test"], b"..dots\r\nend")
        found = lab.wait(lambda: len(outcomes(lab)) >= 4 and outcomes(lab), 20, "four outcomes")
        tap.equal({r.split("@")[0]: e["type"] for r, e in found.items()},
                  {"one": "delivered", "full": "deferred", "nobody": "bounced", "two": "delivered"},
                  "LMTP on a unix socket: each recipient has its own answer")
        tap.equal(store.messages[0][0], ["one@store.test", "full@store.test", "two@store.test"], "one transaction")
        tap.ok(store.messages[0][1].endswith(b"\r\n\r\n.dots\r\nend\r\n"), "the message is whole", store.messages[0][1])
        tap.ok("LHLO" in store.commands and "BDAT" in store.commands and "DATA" not in store.commands, "LHLO and BDAT",
               store.commands)
        large = b"%s\r\n" % (b"y" * 70) * 40000  # a body of its own file, read by range while it goes out
        submit(lab, ["large@store.test"], large)
        found = lab.wait(lambda: outcomes(lab).get("large@store.test"), 20, "the large message")
        tap.equal((found["type"], store.commands.count("DATA")), ("delivered", 0), "BDAT for a body on disk, too")
        tap.ok(store.messages[-1][1].endswith(b"\r\n\r\n" + large + b"\r\n"), "of exactly the size that was told", len(store.messages[-1][1]))
        lab.clean(tap)
    listener.close()


def credentials(directory, password):
    path = os.path.join(directory, "auth")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("%s\n%s\n" % (USER, password))
    return path


def tls_context(directory):
    files = [os.path.join(directory, name) for name in ("certificate.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=smart.test", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def canaries(directory):
    """Where the password stands in clear, or in base64, but for its own file."""
    found = []
    needles = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode())]
    for top, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(top, name)
            if os.path.isfile(path) and any(needle in open(path, "rb").read() for needle in needles):
                found.append(path)
    return found


def test_smarthost(directory, given):
    listener = socket.create_server(("127.0.0.1", 0))
    smart = Peer(listener, ["PIPELINING", "CHUNKING", "AUTH LOGIN PLAIN SCRAM-SHA-256"], context=tls_context(directory),
                 password=PASSWORD)
    route = {"host": "127.0.0.1", "port": listener.getsockname()[1], "tls": "require", "tls_start": "connect",
             "auth_file": credentials(directory, given), "domains": "far.test", "messages_per_connection": 1}
    sets = [word for key, value in route.items() for word in ("--set", "route.smart.%s=%s" % (key, value))]
    with harness.Lab(*sets) as lab:
        good = given == PASSWORD
        for i in range(3 if good else 1):
            submit(lab, ["bob%d@far.test" % i], b"hello")
            lab.wait(lambda: len(outcomes(lab)) > i, 20, "an outcome")
        found = outcomes(lab)
        if good:
            tap.equal({e["type"] for e in found.values()}, {"delivered"}, "a smarthost behind TLS and SCRAM-SHA-256 takes mail")
            tap.equal((smart.logins, len(smart.messages)), ([True] * 3, 3), "each connection has logged in")
            tap.ok(smart.resumed[0] is False and all(smart.resumed[1:]), "TLS sessions are resumed", smart.resumed)
            tap.ok(lab.status()["queue.tls_resumed_total"] >= 2, "and counted", lab.status())
        else:
            tap.equal([(e["type"], e["code"]) for e in found.values()], [("deferred", 535)], "a refused login keeps the mail")
        tap.equal(canaries(lab.directory), [], "the password is in no file of the daemon's")
        lab.clean(tap)
    listener.close()


directory = tempfile.mkdtemp(prefix="relais-hop-")
try:
    tap.case(test_mail_store, directory)
    tap.case(test_smarthost, directory, PASSWORD)
    tap.case(test_smarthost, directory, "wrong")
finally:
    shutil.rmtree(directory, ignore_errors=True)
tap.end()
