# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the server's sessions, and random walks that compare it with the daemon: every reply must
have the code that the model says, and every message that was accepted must reach the sink with the
sender, recipients and text of its own transaction, and no other. For quick-walk.py and full-walk.py.

A walk is a session; its moves are commands (good, bad, out of turn), garbage, contents of messages,
TLS, logins, and batches of commands in one segment; a module (doorman) has its say at once or after a
while. Whoever differs is told with the moves that led there; the
same seed walks the same way.
"""
import argparse
import base64
import collections
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory
from harness import Dialogue

THREADS = 4
MESSAGE_SIZE = 65536
ERRORS, LOGINS = 20, 3
TENANT = ("sender.test", "in.sender.test")
POSTMASTER = "postmaster@in.sender.test"

# What a chunk holds that nobody asked for: commands, if it were taken for such.
STRAY = [b"", b"QUIT\r\n", b"NOOP\r\nNOOP\r\n", b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<evil@one.rcpt.test>\r\n", b"\0\r\xff"]

# What a move sends and what it means: `kind` picks the model's method, `value` is its argument.
Move = collections.namedtuple("Move", "kind value data")

# What the doorman says to a text that holds such a word, as a code of the server's.
DOOR = {"reject": 550, "later": 451, "accept": 250, "pass": 250, "discard": 250, "hold": 250}
WORDS, FATES = (["door-%s%s" % (word, pace) for word in words for pace in ("", "-slow")]
                for words in (("reject", "later", "accept", "pass"), ("reject", "later", "pass", "discard", "hold")))
HELLO = [("client.test", 250), ("[192.0.2.1]", 250), ("a_b-c", 250), ("", 501), ("a b", 501), ("cl/ient", 501),
         ("x" * 256, 501)]
SENDERS = [("FROM:<ann@sender.test>", 250, "ann@sender.test"), ("from:<Bob@Sender.TEST> SIZE=1000 BODY=8BITMIME", 250, "Bob@sender.test"),
           ("FROM:<\"a b\"@sender.test> RET=HDRS ENVID=x", 250, '"a b"@sender.test'), ("FROM:<>", 250, ""),
           ("FROM:<eve@foreign.test>", 250, "eve@foreign.test"), ("FROM:<ann@sender.test>   AUTH=<>", 250, "ann@sender.test"),
           ("", 501, None), ("FROM:ann@sender.test", 501, None), ("TO:<ann@sender.test>", 501, None), ("FROM:<a@b@c.test>", 501, None),
           ("FROM:<@a.test:b@c.test>", 501, None), ("FROM:<ann@sender.test", 501, None), ("FROM:<ann@sender.test> SIZE=x", 501, None),
           ("FROM:<ann@sender.test> SIZE=1 SIZE=1", 501, None), ("FROM:<ann@sender.test>SIZE=1", 501, None),
           ("FROM:<ann@sender.test> SMTPUTF8=1", 501, None), ("FROM:<ann@sender.test> FOO=1", 555, None), ("FROM:<ann@sender.test> NOTIFY=NEVER", 555, None),
           ("FROM:<ann@sender.test> SIZE=%d" % (MESSAGE_SIZE + 1), 552, None), ("FROM:<j\u00f6@sender.test>", 553, None)]
# What a recipient is: inbound (anybody), forward (to the postmaster), right (who may relay), own (a
# mailbox that is not there for strangers), never; or a code.
RECIPIENTS = [("<u%d@one.rcpt.test>", "right"), ("<u%d@two.rcpt.test> NOTIFY=NEVER", "right"), ("<u%d@in.sender.test>", "inbound"),
              ("<u%d@In.Sender.TEST> ORCPT=rfc822;x", "inbound"), ("<postmaster>", "forward"), ("<PostMaster@sender.test>", "forward"),
              ("<abuse@sender.test>", "forward"), ("<u%d@sender.test>", "own"), ("<u%d@[127.0.0.1]>", "never"), ("<u%d@localhost>", "never"),
              ("u%d@one.rcpt.test", 501), ("<>", 501), ("<u%d@one.rcpt.test.>", 501), ("<u%d@one.rcpt.test> NOTIFY=NEVER,DELAY", 501),
              ("<u%d@one.rcpt.test> SIZE=1", 555), ("<u%d@r\u00fc.test>", 553)]
# Contents: header and body, and what they come to for who relays and for who does not.
CONTENTS = [("From: <ann@sender.test>\r\n", "hello\r\n", 250, 250), ("From: Ann <ann@in.sender.test>\r\nBcc: x@x.test\r\n", "..\r\n.a\r\n", 250, 250),
            ("From: ann@sender.test\r\n", "", 250, 250), ("From: <eve@foreign.test>\r\n", "x\r\n", 550, 250), ("To: <a@b.test>\r\n", "x\r\n", 550, 250),
            ("From: <ann@sender.test>\r\nFrom: <ann@sender.test>\r\n", "x\r\n", 550, 550), ("From: <ann@sender.test>, <b@sender.test>\r\n", "x\r\n", 550, 250),
            ("From: <ann@sender.test>\r\nno field\r\n", "x\r\n", 550, 250), ("From: <ann@sender.test>\r\n", "N\0L\r\n", 550, 550),
            ("From: <ann@sender.test>\r\n" + "Received: x\r\n" * 51, "x\r\n", 554, 554),
            ("From: <ann@sender.test>\r\n", "0123456789abcde\r\n" * (MESSAGE_SIZE // 16), 552, 552)]
GARBAGE = [b"", b" ", b"FOO bar", b"MAILFROM:<a@b.test>", b"DATAX", b"\xff\xfe\xfd", b"QUIT\x01", b"NOOP\0", b"\x7fEHLO x", b".", b"HELO\tclient.test",
           b"ETRN x", b"BDATA 10 LAST", b"XCLIENT ADDR=127.0.0.1", b"354 go", b"x" * 1000]


USERS = ("walker", "door-reject", "door-later-slow", "door-pass-slow")
SECRET = "secret of %s"


def door(text):
    """What the doorman makes of it."""
    word = text.partition("door-")[2]
    return next((code for name, code in DOOR.items() if word.startswith(name)), 250)


def fate(header):
    """deliver, discard or hold, with the code of the end of data."""
    text = header.partition("X-Door: ")[2]
    return next((name for name in ("discard", "hold") if name in text), "deliver"), door(text)


class Model:
    """One session as the server ought to see it. Each method returns the codes of its replies."""

    def __init__(self, relays, offers_tls):
        self.may_relay, self.offers_tls = relays, offers_tls
        self.state, self.tls, self.errors, self.logins, self.ended = "start", False, 0, 0, False
        self.trusted, self.user = relays, None
        self.forget()

    def forget(self):
        self.sender, self.recipients, self.relayed, self.received = None, [], False, 0

    def refuse(self, code, free=False):
        """A refusal; too many end the session."""
        if code < 500 or free:
            return [code]
        self.errors += 1
        if self.errors < ERRORS:
            return [code]
        self.ended = True
        return [code, 421]

    def close(self, code):
        self.ended = True
        return [code]

    def hello(self, code):
        if code != 250:
            return self.refuse(code)
        self.forget()
        self.state = "ready"
        return [250]

    def mail(self, value):
        code, sender = value
        if self.state != "ready":
            return self.refuse(503)
        if code != 250:
            return self.refuse(code)
        self.state, self.sender = "mail", sender
        return [250]

    def rcpt(self, value):
        address, what = value
        if self.state not in ("mail", "rcpt"):
            return self.refuse(503, self.may_relay)
        before = list(self.recipients), self.relayed
        code = what if isinstance(what, int) else self.take_recipient(address, what)
        if code == 250 or what == "own" or what == "right" and self.may_relay:  # it may claim the mailbox, so it is asked
            code = door(address) if door(address) != 250 else code
        if code != 250:
            self.recipients, self.relayed = before
            return self.refuse(code, self.may_relay)
        self.state = "rcpt"
        return [250]

    def take_recipient(self, address, what):
        if what == "inbound" or what == "forward":
            self.recipients.append(POSTMASTER if what == "forward" else address)
            return 250
        if what == "never" or not self.may_relay:
            return 550
        if self.sender != "" and self.sender.rpartition("@")[2] not in TENANT:
            return 550
        self.recipients.append(address)
        self.relayed = True
        return 250

    def data(self, arguments):
        if self.state not in ("mail", "rcpt"):
            return self.refuse(503)
        if arguments:
            return self.refuse(501)
        if not self.recipients:
            return self.refuse(554)
        self.state = "data"
        return [354]

    def content(self, value):
        """The message, to its end; the transaction ends with it, whatever the answer is."""
        relaying, other, bare = value
        code = relaying if self.relayed else other
        self.state = "ready"
        self.forget()
        if bare:
            return self.close(550)
        return self.refuse(code)

    def chunk(self, value):
        """A chunk of BDAT; a refused one ends the transaction, and its octets are nothing else."""
        size, last, outcome = value
        if self.state in ("start", "ready"):
            return self.refuse(503)
        self.received += size
        code = 554 if self.state == "mail" else 552 if self.received > MESSAGE_SIZE else 250
        if last and (code == 250 or code == 552 and outcome[2]):
            return self.content(outcome)
        self.state = "chunks" if code == 250 else "ready"
        if code != 250:
            self.forget()
        return self.refuse(code)

    def rset(self, arguments):
        if arguments:
            return self.refuse(501)
        self.forget()
        if self.state != "start":
            self.state = "ready"
        return [250]

    def noop(self, _):
        return [250]

    def help(self, _):
        return [214]

    def vrfy(self, arguments):
        return [252] if arguments else self.refuse(501)

    def quit(self, arguments):
        return self.refuse(501) if arguments else self.close(221)

    def garbage(self, _):
        return self.refuse(500)

    def foreign(self, _):
        return self.close(554)

    def broken(self, _):
        return self.close(500)

    def starttls(self, arguments):
        if self.state not in ("start", "ready"):
            return self.refuse(503)
        if self.tls:
            return self.refuse(503)
        if not self.offers_tls:
            return self.refuse(502)
        if arguments:
            return self.refuse(501)
        self.state, self.tls, self.user, self.may_relay = "start", True, None, self.trusted
        self.forget()
        return [220]

    def auth(self, code):
        if self.state != "ready" or self.user:
            return self.refuse(503)
        if code in USERS and self.tls:
            if door(code) != 250:
                return self.refuse(door(code))
            self.user, self.may_relay = code, True
            return [235]
        codes = self.refuse((535 if code in USERS else code) if self.tls else 538)
        self.logins += codes[0] == 535
        if self.logins < LOGINS or self.ended:
            return codes
        self.ended = True
        return codes + [421]


class Walk:
    """One session of the daemon beside its model."""

    def __init__(self, walker, port, relays, offers_tls):
        self.walker, self.random, self.port = walker, walker.random, port
        self.model = Model(relays, offers_tls)
        self.moves, self.steps = [], 0
        self.chunks, self.outcome = [], None  # of the message under way, that are to come

    # --- Moves

    def line(self, kind, value, text):
        return Move(kind, value, text.encode() + b"\r\n")

    def pick(self):
        """A move that makes sense more often than not, so that walks come far."""
        r = self.random.random()
        towards = {"start": "hello", "ready": "mail", "mail": "rcpt", "rcpt": self.random.choice(("data", "chunk")), "chunks": "chunk"}[self.model.state]
        if r < 0.45:
            return getattr(self, "pick_" + towards)(True)
        if r < 0.6 and self.model.state == "rcpt":
            return self.pick_rcpt(True)
        kinds = ["hello"] * 2 + ["mail"] * 4 + ["rcpt"] * 5 + ["data"] * 3 + ["rset"] * 3 + ["small"] * 3 + ["garbage", "chunk"] * 2 + ["starttls", "auth", "quit"]
        if self.random.random() < 0.08:
            kinds = ["broken", "foreign"]
        return getattr(self, "pick_" + self.random.choice(kinds))(False)

    def pick_hello(self, good):
        name, code = self.random.choice(HELLO[:3] if good else HELLO)
        if not good and self.random.random() < 0.3:
            name = self.random.choice(WORDS) + ".test"
            code = door(name)
        return self.line("hello", code, self.random.choice(("EHLO %s", "HELO %s", "ehlo  %s ")) % name)

    def pick_mail(self, good):
        text, code, sender = self.random.choice(SENDERS[:6] if good else SENDERS)
        if not good and self.random.random() < 0.2:
            sender = self.random.choice(WORDS) + "@sender.test"
            text, code = "FROM:<%s>" % sender, door(sender)
        return self.line("mail", (code, sender), "MAIL " + text)

    def pick_rcpt(self, good):
        text, what = self.random.choice(RECIPIENTS[:8] if good else RECIPIENTS)
        text = text % self.random.randrange(1000) if "%d" in text else text
        if not good and isinstance(what, str) and "<u" in text and self.random.random() < 0.3:
            text = text.replace("<u", "<%s-u" % self.random.choice(WORDS))
        return self.line("rcpt", (self.address_of(text), what), "RCPT TO:" + text)

    @staticmethod
    def address_of(text):
        local, _, domain = text.strip("<").partition(">")[0].rpartition("@")
        return local + "@" + domain.lower()

    def pick_data(self, good):
        argument = "" if good or self.random.random() < 0.8 else "x"
        return self.line("data", argument, "DATA " + argument)

    def pick_rset(self, _):
        argument = "" if self.random.random() < 0.8 else "x"
        return self.line("rset", argument, "RSET " + argument)

    def pick_small(self, _):
        kind = self.random.choice(("noop", "help", "vrfy"))
        argument = self.random.choice(("", "", "ann", "\u00fc"))
        return self.line(kind, argument, "%s %s" % (kind, argument))

    def pick_quit(self, _):
        argument = "" if self.random.random() < 0.5 else "now"
        return self.line("quit", argument, "QUIT " + argument)

    def pick_garbage(self, _):
        return Move("garbage", None, self.random.choice(GARBAGE) + b"\r\n")

    def pick_starttls(self, _):
        argument = "" if self.random.random() < 0.7 else "x"
        return self.line("starttls", argument, "STARTTLS " + argument)

    def pick_auth(self, _):
        text, code = self.random.choice((("LOGIN !", 501), ("SCRAM-SHA-256", 504), ("PLAIN not-base64", 501), ("CRAM-MD5", 504), ("PLAIN =", 535), *[(None, user) for user in USERS]))
        if text is None:
            text = "PLAIN " + base64.b64encode(("\0%s\0%s" % (code, SECRET % code)).encode()).decode()
        return self.line("auth", code, "AUTH " + text)

    def pick_chunk(self, _):
        if self.model.state == "rcpt":
            self.begin_chunks()
        if self.model.state not in ("rcpt", "chunks"):
            data, last = self.random.choice(STRAY), self.random.random() < 0.5
        else:
            data, last = self.chunks.pop(0), not self.chunks
        if last and self.outcome and self.model.state in ("rcpt", "chunks"):
            number, body, relaying, other, bare, end = self.outcome
            if (relaying if self.model.relayed else other) == 250 and not bare and self.model.received + len(data) <= MESSAGE_SIZE:
                self.walker.accepted(number, self.model, body, end)
        return Move("chunk", (len(data), last, self.outcome and self.outcome[2:5]), b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data)

    def begin_chunks(self):
        """Cuts a message into chunks: anywhere, unless a CR or LF alone in it would end the session before the last one."""
        number, text, body, relaying, other, bare, end = self.make_content()
        data, cuts = text.encode(), [0]
        if not bare:
            cuts += sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.randrange(4)))
        self.chunks = [data[a:b] for a, b in zip(cuts, cuts[1:] + [len(data)])]
        if not bare and self.random.random() < 0.3:
            self.chunks.append(b"")
        self.outcome = (number, body, relaying, other, bare, end)

    def pick_broken(self, _):
        return Move("broken", None, self.random.choice((b"NOOP " + b"x" * 3000 + b"\r\n", b"NOOP\n", b"RSET\rNOOP\r\n", b"EHLO a\r\r\n", b"DATA\n\r\n")))

    def make_content(self):
        header, body, relaying, other = self.random.choice(CONTENTS[:3] if self.random.random() < 0.5 else CONTENTS)
        if relaying == other == 250 and self.random.random() < 0.3:
            header += "X-Door: %s\r\n" % self.random.choice(FATES)
        end, code = fate(header)
        relaying, other = (code, code) if code != 250 else (relaying, other)
        number = self.walker.next_number()
        bare = self.random.random() < 0.05
        text = "Subject: walk-%s\r\n%s\r\n%s" % (number, header, body)
        if bare:
            text += self.random.choice(("a\nb", "\n.\n", "a\r.\r\n"))
        return number, text, body, relaying, other, bare, end

    def pick_foreign(self, _):
        return Move("foreign", None, self.random.choice((b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"CONNECT x:25\r\n")))

    def pick_content(self):
        number, text, body, relaying, other, bare, end = self.make_content()
        wire = text.replace("\r\n.", "\r\n..").encode()
        code = relaying if self.model.relayed else other
        if code == 250 and not bare:
            self.walker.accepted(number, self.model, body, end)
        return Move("content", (relaying, other, bare), wire + (b"" if wire.endswith(b"\r\n") else b"\r\n") + b".\r\n")

    # --- Going

    def say(self, move):
        self.moves.append(move)
        self.steps += 1
        return getattr(self.model, move.kind)(move.value)

    def batch(self):
        """Some moves in one segment, with the codes they should bring."""
        data, codes = b"", []
        for _ in range(self.random.choice((1, 1, 1, 1, 2, 3, 6))):
            if self.model.state == "data":
                move = self.pick_content()
            else:
                move = self.pick()
            if move.kind == "starttls" and data:
                break
            data += move.data
            codes += self.say(move)
            if self.model.ended or codes[-1:] == [220] or (codes[-1] == 354 and self.random.random() < 0.5):
                break
        return data, codes

    def send(self, dialogue, data):
        if self.random.random() < 0.2:
            cut = self.random.randrange(len(data) + 1)
            dialogue.send(data[:cut])
            data = data[cut:]
        dialogue.send(data)

    def start_tls(self, dialogue):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        dialogue.sock = context.wrap_socket(dialogue.sock)
        dialogue.file = dialogue.sock.makefile("rb")

    def go(self, limit):
        """Walks; returns what was wrong, or None."""
        dialogue = Dialogue(self.port, timeout=60)
        try:
            if (dialogue.reply() or (0,))[0] != 220:
                return "no greeting"
            while not self.model.ended and self.steps < limit:
                data, codes = self.batch()
                self.send(dialogue, data)
                for code in codes:
                    found = dialogue.reply()
                    if found is None or found[0] != code:
                        return "wanted %s of %s, got %r in state %s" % (code, codes, found, self.model.state)
                if codes == [220]:
                    self.start_tls(dialogue)
            if self.model.ended and dialogue.reply() is not None:
                return "the session goes on after its end"
        except OSError as trouble:
            return "%s" % trouble
        finally:
            dialogue.close()
        return None


class Walker(threading.Thread):
    """Walks of one thread, until its share of steps is done."""

    def __init__(self, index, seed, steps, ports):
        super().__init__(name="walker %d" % index)
        self.index, self.random, self.left, self.ports = index, random.Random("%d/%d" % (seed, index)), steps, ports
        self.number, self.walks, self.expect, self.held, self.troubles = 0, 0, {}, 0, []

    def next_number(self):
        self.number += 1
        return "%d-%d" % (self.index, self.number)

    def accepted(self, number, model, body, end):
        if end == "deliver":
            self.expect[number] = (model.sender, list(model.recipients), body)
        elif end == "hold":
            self.held += 1

    def run(self):
        while self.left > 0 and len(self.troubles) < 3:
            kind = self.random.choice((0, 0, 0, 1, 2))
            walk = Walk(self, self.ports[kind], kind == 0, kind != 1)
            trouble = walk.go(min(self.left, 400))
            self.left -= max(walk.steps, 1)
            self.walks += 1
            if trouble:
                moves = ["%s %r" % (m.kind, m.data[:120]) for m in walk.moves[-12:]]
                self.troubles.append("\n".join([trouble] + moves))


def check_sunk(lab, tap, walkers):
    """What arrived is what was accepted: sender, recipients and text, each message once a recipient."""
    expect, held = {}, sum(walker.held for walker in walkers)
    for walker in walkers:
        expect.update(walker.expect)
    lab.wait(lambda: lab.status()["queue.deliveries"] == lab.status()["queue.held"], 120, "a queue of nothing but what is held")
    tap.equal(lab.status()["queue.messages"], held, "what was put in quarantine waits there")
    found, bad = {}, []
    for facts, data in lab.sunk():
        subject = next((line[9:].decode() for line in data.split(b"\r\n") if line.startswith(b"Subject: ")), None)
        number = (subject or "").partition("walk-")[2]
        if number not in expect:
            bad.append("%s was not accepted" % subject)
            continue
        sender, recipients, body = expect[number]
        found.setdefault(number, []).extend(recipient[0] for recipient in facts["recipients"])
        if facts["sender"] != sender or not data.endswith(body.encode()):
            bad.append("%s: sender %r for %r, or another text" % (subject, facts["sender"], sender))
    for number, (sender, recipients, _) in expect.items():
        there = found.get(number, [])
        if set(there) != set(recipients) or len(there) > len(recipients):
            bad.append("walk-%s: recipients %s for %s" % (number, sorted(there), sorted(recipients)))
    tap.ok(not bad, "%d accepted messages arrived as their own transactions had them, and no other" % len(expect), "\n".join(bad[:20]))


def main(steps):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tap = harness.Tap()
    port, guests = laboratory.free_port(), laboratory.free_port()
    settings = {"listener.stranger.address": "127.0.0.1", "listener.stranger.port": port,
                "listener.guests.address": "127.0.0.1", "listener.guests.port": guests, "listener.guests.auth": "tls",
                "listener.guests.certificate": "{keys}/cert.pem", "listener.guests.key": "{keys}/key.pem",
                "limits.message_size": MESSAGE_SIZE, "limits.errors": ERRORS, "limits.idle_commands": 100000,
                "limits.temporary_errors": 100000}
    with tempfile.TemporaryDirectory() as keys:
        laboratory.make_certificate(keys)
        words = ["%s=%s" % (name, str(value).format(keys=keys)) for name, value in settings.items()]
        with harness.Lab("--module", "doorman", *[word for setting in words for word in ("--set", setting)]) as lab:
            walk_in(lab, tap, options, (lab.port, port, guests))
    tap.end()


def walk_in(lab, tap, options, ports):
    for user in USERS:
        subprocess.run([lab.facts["relaisctl"], "user", "add", user, "--tenant=sender"], input=SECRET % user + "\n",
                       stdout=subprocess.DEVNULL, text=True, check=True)
    walkers = [Walker(i, options.seed, options.steps // THREADS, ports) for i in range(THREADS)]
    [walker.start() for walker in walkers]
    [walker.join() for walker in walkers]
    troubles = [trouble for walker in walkers for trouble in walker.troubles]
    walks = sum(walker.walks for walker in walkers)
    tap.ok(not troubles, "%d steps in %d walks (seed %d): every reply as the model says" % (options.steps, walks, options.seed), "\n".join(troubles))
    tap.case(check_sunk, lab, tap, walkers)
    lab.clean(tap)
