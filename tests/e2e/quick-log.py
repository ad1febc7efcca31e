#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is logged is one line of JSON an event, whatever octets peers put into the fields, and they can be had back from it;
and twenty secrets, each in its usual place or where it does not belong, stand in no log, event, spool, reply or process."""
import base64
import glob
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()
OCTETS = [bytes([c]) for c in list(range(0x20)) + [0x7f] + list(range(0x80, 0xa0))] + [chr(c).encode() for c in range(0x80, 0xa0)]
OCTETS += ["\u202e".encode(), "\u2028".encode(), "\ufeff".encode(), b"\xff", b"\xc3", "\uef85".encode(), b"\r\n", b"\\", b'"', b"\\x41", b"\xe9", "\u00e9".encode()]
TREACHEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]")


def octets_of(text):
    """core/event/event-private.h: octets that are no UTF-8 are U+EF80 to U+EFFF."""
    return b"".join(bytes([ord(c) & 0xff]) if 0xef80 <= ord(c) <= 0xefff else c.encode() for c in text)


def unescaped(text):
    """core/smtp/reply.c: \\xNN is that octet."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found.group(1), 16)]), octets_of(text))


# --- A peer that says what it is told ---------------------------------------------------------------

class Peer(threading.Thread):
    """An SMTP server that refuses recipients in the words that `says` has for them, and logins in one way or another."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.says, self.logins = {}, []
        self.start()

    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as file:
            connection.sendall(b"220 peer\r\n")
            for line in file:
                verb = line[:4].upper()
                if verb == b"EHLO":
                    connection.sendall(b"250-peer\r\n250-AUTH PLAIN LOGIN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n")
                elif verb == b"AUTH":
                    self.logins.append(line)
                    connection.sendall(b"535 5.7.8 no\r\n" if len(self.logins) > 1 else b"235 2.7.0 ok\r\n")
                elif verb == b"RCPT":
                    connection.sendall(self.says.get(re.search(rb"<([^@]*)@", line).group(1), b"550 5.1.1 no") + b"\r\n")
                elif verb == b"QUIT":
                    connection.sendall(b"221 bye\r\n")
                    return
                else:
                    connection.sendall(b"250 ok\r\n")


# --- Fields -----------------------------------------------------------------------------------------

FIELDS = ("helo", "sender", "recipient", "message-id", "campaign", "subject", "from", "user")


def speak(port, field, octets, recipient):
    """One message with these octets in one of its fields; all replies."""
    value = b"a" + octets + b"INJECTED"
    put = {name: value if name == field else b"plain" for name in FIELDS}
    d = harness.Dialogue(port)
    replies = [d.reply()]
    head = b"Message-ID: <%s@x>\r\nX-Relais-Campaign: %s\r\nSubject: %s\r\nFrom: %s <ann@sender.test>\r\n\r\nx\r\n.\r\n" % (
        put["message-id"], put["campaign"], put["subject"], put["from"])
    login = [b"AUTH PLAIN " + base64.b64encode(b"\0" + value + b"\0wrong")] if field == "user" else []
    mailbox = b'"%s"' % put["recipient"] if field == "recipient" else recipient
    for line in [b"EHLO " + put["helo"]] + login + [b'MAIL FROM:<"%s"@sender.test> SMTPUTF8 BODY=8BITMIME' % put["sender"], b"RCPT TO:<%s@one.rcpt.test>" % mailbox, b"DATA"]:
        try:
            d.send(line + b"\r\n")
            replies.append(d.reply())
        except OSError:
            replies.append(None)
        if replies[-1] is None:
            break
    if replies[-1] and replies[-1][0] == 354:
        d.send(head)
        replies.append(d.reply())
    d.close()
    return value, replies


def raw_lines(lab):
    return [line for path in sorted(glob.glob(lab.facts["events"])) for line in open(path, "rb").read().split(b"\n") if line]


def test_fields(lab, peer):
    sent, words = {}, {}
    for i, octets in enumerate(OCTETS):
        if b"\n" not in octets:
            recipient = b"r%d" % i
            words[recipient] = b"no " + octets + b"INJECTED"
            peer.says[recipient] = b"550 5.1.1 " + words[recipient]
        for field in FIELDS if harness.FULL else {"message-id", FIELDS[i % len(FIELDS)]}:
            value, replies = speak(lab.port, field, octets, b"r%d" % i)
            if replies[-1] and replies[-1][0] == 250 and len(replies) > 5:
                sent[re.search(r"\b[0-9a-v]{13}\b", replies[-1][1]).group(0)] = (field, value)
    lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 60, "an empty queue")
    n_sent = len(sent)
    tap.note("%d fields x %d strings of octets, %d messages were taken" % (len(FIELDS), len(OCTETS), n_sent))
    lab.wait(lambda: sum(event["type"] == "bounced" and event["queue_id"] in sent for event in lab.events()) == n_sent, 20, "their ends")
    lines, events, bad = raw_lines(lab), [], []
    for line in lines:
        try:
            text = line.decode()
            events.append(json.loads(text, parse_constant=lambda name: 1 / 0))
            if TREACHEROUS.search(text):
                bad.append(line)
        except (ValueError, ZeroDivisionError):
            bad.append(line)
    tap.equal(bad[:3], [], "each line of the event log is JSON, in UTF-8 and without characters that move the text")
    ids = [event["id"] for event in events]
    counted = {kind: sum(event["type"] == kind and event["queue_id"] in sent for event in events) for kind in ("accepted", "bounced")}
    tap.ok(len(set(ids)) == len(ids) and counted == {"accepted": n_sent, "bounced": n_sent}, "there is one line for each event", counted)
    lost, known = [], 0
    for event in events:
        field, value = sent.get(event["queue_id"], (None, None))
        if event["type"] == "accepted" and field == "message-id" and "message_id" in event:  # none where it is no Message-ID
            known += 1
            if octets_of(event["message_id"]) == b"<%s@x>" % value:
                continue
            lost.append((value, event["message_id"]))
        if event["type"] == "bounced" and field and event["recipient"].partition("@")[0].encode() in words and \
                unescaped(event["reply"]) != words[event["recipient"].partition("@")[0].encode()]:
            lost.append((words[event["recipient"].partition("@")[0].encode()], event["reply"]))
    tap.note("%d Message-IDs, %d replies" % (known, len(words)))
    tap.ok(known > 0 and not lost, "what came can be had back from the line, octet for octet", lost[:3])
    log = open(os.path.join(lab.directory, "relaisd.log"), "rb").read().decode(errors="surrogateescape")
    tap.equal([line for line in log.split("\n") if line.startswith("INJECTED") or TREACHEROUS.search(line) or re.search("[\udc80-\udcff]", line)], [], "and no line of the daemon's log is a peer's")


# --- Secrets ----------------------------------------------------------------------------------------

class Secrets:
    def __init__(self):
        self.all = {}

    def __call__(self, name):
        return self.all.setdefault(name, "canary%02dq%s" % (len(self.all), os.urandom(9).hex()))

    def found_in(self, data):
        """Names of those that stand in it: as they are, in hexadecimal, or in base64 at any of three offsets."""
        out = []
        for name, word in self.all.items():
            word = word.encode() if isinstance(word, str) else word
            forms = [word, word.hex().encode()] + [base64.b64encode(b"\0" * i + word)[(i * 8 + 5) // 6:-4] for i in range(3)]
            if any(form in data for form in forms):
                out.append(name)
        return out


def b64(*parts):
    return base64.b64encode("\0".join(parts).encode()).decode()


def add_user(lab, name, password, *options):
    subprocess.run([lab.facts["relaisctl"], "user", "add", name, "--tenant=sender", *options], input=password + "\n", text=True, check=True, capture_output=True)


def dialogues(secret):
    """Lines, and what is in them that must not be seen again."""
    return [
        ["AUTH PLAIN " + b64("", "anna", secret("PLAIN"))], ["AUTH PLAIN " + b64("", "anna", secret("PLAIN, wrong"))],
        ["AUTH PLAIN " + b64("root", "anna", secret("PLAIN for another"))], ["AUTH PLAIN", b64("", "nobody", secret("PLAIN of nobody"))],
        ["AUTH LOGIN", b64("berta"), b64(secret("LOGIN"))], ["AUTH LOGIN", b64("berta"), b64(secret("LOGIN, wrong"))], ["AUTH LOGIN", b64(secret("LOGIN, as the name")), b64("x")],
        ["AUTH SCRAM-SHA-256 " + b64("n,,n=carla,r=abc"), b64("c=biws,r=abc,p=" + b64(secret("SCRAM's proof")))],
        ["AUTH XOAUTH2 " + b64("user=a", secret("XOAUTH2"))],
        ["AUTH PLAIN " + secret("no base64") + "!"], ["AUTH PLAIN " + b64("", "anna", secret("too long") * 300)], ["MAIL FROM:<ann@sender.test>", "AUTH PLAIN " + b64("", "anna", secret("in a transaction"))],
        ["AUTH LOGIN", secret("in clear, no base64")], ["AUTH PLAIN", "*", b64("", "anna", secret("after it was cancelled"))], ["PASS " + secret("POP3's")],
        ["AUTH PLAIN " + b64("", "anna", secret("twice")), "AUTH PLAIN " + b64("", "anna", secret("twice"))]]


def key_octets(path):
    """The secret in a PEM file, as its middle line."""
    lines = [line for line in open(path).read().splitlines() if line and not line.startswith("-")]
    return lines[len(lines) // 2] if len(lines[len(lines) // 2]) > 30 else lines[0]


def processes(lab):
    """Environment and command line of the daemon and its children."""
    out = b""
    for pid in [lab.pid]:
        for name in ("environ", "cmdline"):
            out += open("/proc/%d/%s" % (pid, name), "rb").read()
    return out


def start_here(lab):
    """Starts the daemon as a child of ours, that may leave a core as large as it likes."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    lab.kill()
    pids, before = laboratory.Pids(lab.directory), os.getcwd()
    os.chdir(lab.directory)  # where it would be
    laboratory.start_relais(laboratory.read_state(lab.directory), lab.directory, pids)
    os.chdir(before)
    lab.pid = pids.alive("relaisd")


def test_secrets(directory, peer):
    secret, said = Secrets(), b""
    path = os.path.join(directory, "auth")
    with open(path, "w") as file:
        file.write("relay\n%s\n" % secret("auth_file"))
    os.chmod(path, 0o600)
    route = {"host": "127.0.0.1", "port": peer.address().partition(":")[2], "domains": "peer.rcpt.test", "tls": "none", "auth_file": path, "auth_in_clear": "yes"}
    words = [w for key, value in route.items() for w in ("--set", "route.peer.%s=%s" % (key, value))]
    # Landlock would be in the core's way, where there is one.
    with harness.Lab("--module", "dkim", "--set", "relais.confine=basic", "--set", "listener.lab.auth=yes", "--set", "limits.auth_failures=100", "--set", "limits.exempt_nets=127.0.0.0/8", *words) as lab:
        start_here(lab)
        for name, kind in (("anna", "PLAIN"), ("berta", "LOGIN"), ("carla", "SCRAM")):
            add_user(lab, name, secret(kind), "--scram")
        for lines in dialogues(secret):
            d = harness.Dialogue(lab.port)
            replies = [d.reply()]
            for line in ["EHLO c.test"] + lines:
                try:
                    replies.append(d.ask(line))
                except OSError:
                    break
            said += repr(replies).encode()
            d.close()
        for i in range(2):  # a login that is taken, and one that is not
            d = harness.Dialogue(lab.port)
            d.reply()
            for line in ("EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<x%d@peer.rcpt.test>" % i, "DATA", "From: ann@sender.test\r\n\r\nx\r\n."):
                said += repr(d.ask(line)).encode()
            d.close()
        lab.wait(lambda: len(peer.logins) >= 1, 20, "a login at the peer")
        tap.ok(secret.found_in(peer.logins[0]) == ["auth_file"], "the peer is told the one that is for it", peer.logins)
        secret.all["TLS key"] = key_octets(os.path.join(lab.directory, "key.pem"))
        secret.all["DKIM key"] = key_octets(os.path.join(lab.directory, "dkim", "sender.test.s1.key"))
        for words in (("status",), ("conf", "dump"), ("user", "list"), ("queue", "list"), ("counters",)):
            said += lab.ctl(*words, check=False).stdout.encode() + lab.ctl("--json", *words, check=False).stdout.encode()
        said += processes(lab)
        tap.ok(len(secret.all) >= 20, "there are %d secrets" % len(secret.all))
        tap.equal(secret.found_in(said), [], "no reply, command or process shows one")
        os.kill(lab.pid, signal.SIGABRT)
        status = os.waitpid(lab.pid, 0)[1]
        tap.ok(os.WTERMSIG(status) == signal.SIGABRT and (harness.SANITIZED or not os.WCOREDUMP(status)), "a crash leaves no core", status)
        kept = {"users", "key.pem", "cert.pem", os.path.join("dkim", "sender.test.s1.key")}
        places = [os.path.join(folder, name) for folder, _, names in os.walk(lab.directory) for name in names]
        data = {name: open(name, "rb").read() for name in places if os.path.relpath(name, lab.directory) not in kept and os.path.isfile(name)}
        tap.equal({name: found for name, found in ((name, secret.found_in(text)) for name, text in data.items()) if found}, {}, "no log, event, spool or state has one, not after a crash either")
        users = open(os.path.join(lab.directory, "users"), "rb").read()
        tap.equal(secret.found_in(users), [], "the users' file has none in clear")


peer = Peer()
with harness.Lab("--next-hop", peer.address(), "--set", "listener.lab.auth=yes", "--set", "limits.auth_failures=100", "--set", "limits.exempt_nets=127.0.0.0/8") as lab:
    tap.case(test_fields, lab, peer)
with tempfile.TemporaryDirectory() as home:
    tap.case(test_secrets, home, Peer())
tap.end()
