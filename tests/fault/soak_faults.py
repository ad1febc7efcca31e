# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of soak.py, one a minute, and the traffic that stands them. Each is a coroutine that begins with the minute and is
over well before its end; what it finds wrong it gives to the run's tap."""
import asyncio
import hashlib
import itertools
import os
import random
import ssl
import subprocess
import time

import full_disk
import ledger
import reexec
import traffic

MB = 1 << 20
COLD = 40  # domains that are asked for only while the DNS fails, so that they are in no cache
HOSTILE = "127.0.0.9"
# Of a thousand recipients. Those that come on the suppression list are one in RARE_S seconds, whatever the rate, as the list and
# what modules keep grow with them; the first three come at once.
KINDS = {"ok": 880, "later": 40, "full": 10, "spam": 20, "lost": 10, "cut": 10, "opens": 20, "again": 10}
RARE, RARE_S = ("dead", "returned", "complains"), 10
PLAIN_HEAD = ("From: News <news@sender.test>\r\nTo: you\r\nSubject: plain %d\r\nMessage-ID: <n%d@sender.test>\r\n"
              "X-Relais-Campaign: c%d\r\nX-Number: %d\r\nX-Digest: %s\r\n\r\n")


class Peer(ledger.Peer):
    """`fault`: None, "4xx" (each recipient is put off) or "tarpit" (each other session waits `hold` s at MAIL)."""

    def __init__(self, port):
        super().__init__()
        self.port, self.fault, self.hold, self.server, self.sessions = port, None, 0, None, set()
        self.began, self.took, self.taken, self.spoilt, self.cut = {}, [], 0, [], 0

    async def listen(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Session(self), "127.0.0.1", self.port, backlog=1024, reuse_address=True)

    def die(self):
        self.server.close()
        self.cut += len(self.sessions)
        for session in list(self.sessions):
            session.dead = True
            traffic.reset(session.transport)

    def note(self, what, number, recipient, text):
        text = super().note(what, number, recipient, text)
        if "-" not in recipient:  # a report to the sender: nobody asks for its answer
            del self.answers["T%d." % self.tickets]
        if what == "taken":
            self.taken += 1
            if number in self.began and recipient.startswith("ok-"):
                self.took.append(time.time() - self.began[number])
        return text


class Session(ledger.Session):
    def connection_made(self, transport):
        self.sink.sessions.add(self)
        self.slow = len(self.sink.sessions) % 2
        super().connection_made(transport)

    def connection_lost(self, _):
        self.sink.sessions.discard(self)

    def do_mail(self, argument):
        if self.sink.fault == "tarpit" and self.slow:
            self.securing = True  # nothing more is looked at until then
            asyncio.get_running_loop().call_later(self.sink.hold, self.go_on, argument)
        else:
            super().do_mail(argument)

    def go_on(self, argument):
        self.securing = False
        if not self.transport.is_closing():
            super().do_mail(argument)
            self.data_received(b"")

    def do_rcpt(self, argument):
        recipient = self.path(argument)[0]
        if self.sink.fault == "4xx" and "-" in recipient:
            self.say(self.sink.note("put-off", None, recipient, "451 4.3.2 not now"))
        else:
            super().do_rcpt(argument)

    def answer_data(self, number, recipient, data):
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.startswith(b"X-Digest: ") and line[10:].decode() != hashlib.sha256(body).hexdigest():
                self.sink.spoilt.append((number, recipient))
        super().answer_data(number, recipient, data)


class Sending(ledger.Sending):
    """At a rate, if there is one; half of it plain text, which must arrive as it was sent."""

    def __init__(self, port, began):
        super().__init__(port, 0)
        self.rate, self.paused, self.stopped, self.began, self.at, self.cold = None, False, False, began, 0.0, False
        self.rare, self.rare_at = itertools.cycle(RARE), time.monotonic() - (len(RARE) - 1) * RARE_S

    def is_done(self):
        return self.stopped

    async def turn(self):
        while self.paused and not self.stopped:
            await asyncio.sleep(0.05)
        now = time.monotonic()
        if self.rate:
            self.at = max(self.at + 1 / self.rate, now - 0.5)
            await asyncio.sleep(max(0, self.at - now))

    async def message(self, reader, writer, rng):
        await self.turn()
        if not self.stopped:
            await super().message(reader, writer, rng)

    def draw(self, rng, number):
        kind = rng.choices(list(KINDS), KINDS.values())[0]
        if time.monotonic() >= self.rare_at:
            self.rare_at += RARE_S
            kind = next(self.rare)
        if kind == "again" and self.dead:
            return rng.choice(self.dead)
        kind = "ok" if kind == "again" or (kind == "opens" and number % 2) else kind
        domain = ledger.SITES + rng.randrange(COLD) if self.cold and rng.random() < 0.5 else rng.randrange(ledger.SITES)
        return "%s-%d-%d@d%d.rcpt.test" % (kind, number, rng.randrange(1 << 30), domain)

    def content(self, number):
        self.began[number] = time.time()
        if number % 2 == 0:
            return super().content(number)
        body = (hashlib.sha256(b"%d" % number).hexdigest() + "\r\n") * (1 + number * 37 % 60)
        return (PLAIN_HEAD % (number, number, number % 5, number, hashlib.sha256(body.encode()).hexdigest()) + body).encode()


class Faults:
    """`minute` is how long a minute is; in a quick run it is less."""

    ALWAYS = ("reload", "dead peer", "4xx", "tarpit", "hostile clients", "dead DNS", "certificate", "full disk", "slow disk")

    def __init__(self, lab, receiving, sending, dns, tap, minute):
        self.lab, self.receiving, self.sending, self.dns, self.tap, self.minute = lab, receiving, sending, dns, tap, minute
        self.reloads, self.bad = 0, []

    def expect(self, good, name, detail=""):
        if not good:
            self.bad.append("%s: %s" % (name, detail))

    async def run(self, name):
        await getattr(self, name.replace(" ", "_").replace("4xx", "refusals").replace("-", "_"))()

    async def reload(self):
        for _ in range(5):
            self.reloads += 1
            with open(os.path.join(self.lab.facts["conf_dir"], "soak.conf"), "w") as file:
                file.write("[relais]\npostmaster = postmaster%d@in.sender.test\n" % (self.reloads % 2))
            done = await asyncio.to_thread(self.lab.ctl, "reload", check=False)
            self.expect(done.returncode == 0, "reload", done.stdout + done.stderr)
            await asyncio.sleep(self.minute / 60)

    async def dead_peer(self):
        self.receiving.die()
        await asyncio.sleep(self.minute / 6)
        await self.receiving.listen()

    async def refusals(self):
        self.receiving.fault = "4xx"
        await asyncio.sleep(self.minute / 6)
        self.receiving.fault = None

    async def tarpit(self):
        self.receiving.fault, self.receiving.hold = "tarpit", self.minute / 6
        await asyncio.sleep(self.minute / 4)
        self.receiving.fault = None

    async def dead_DNS(self):
        self.dns.fault, self.sending.cold = "servfail", True
        await asyncio.sleep(self.minute * 0.7)
        self.sending.cold = False
        await asyncio.sleep(self.minute * 0.1)
        self.dns.fault = None

    async def hostile_clients(self):
        await asyncio.gather(*(self.hostile(nth) for nth in range(120)))

    async def hostile(self, nth):
        """Cut in a command, in the data, idle, without sense, over-long, TLS that is none; each in its turn."""
        data = b"EHLO x\r\nMAIL FROM:<a@evil.test>\r\nRCPT TO:<b@in.sender.test>\r\nDATA\r\n"
        words = (b"EHL", data + b"From: a@evil.test\r\n\r\nhalf", b"", os.urandom(300), b"A" * 70000, b"EHLO x\r\nSTARTTLS\r\n" + os.urandom(200))
        await asyncio.sleep(random.random() * self.minute / 10)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.lab.port, local_addr=(HOSTILE, 0))
        except OSError:
            return
        try:
            writer.write(words[nth % len(words)])
            await asyncio.sleep(self.minute / 6 if nth % 2 else 0.05)
        finally:
            if nth % 3:
                traffic.reset(writer.transport)
            writer.close()

    def offered(self):
        """The certificate that a client sees."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        talk = ledger.harness.Dialogue(self.lab.port, address="127.0.0.1")
        try:
            talk.reply()
            talk.ask("EHLO x")
            talk.starttls()
            return talk.sock.getpeercert(True)
        finally:
            talk.close()

    def renew(self):
        path, key = self.lab.facts["certificate"], os.path.join(self.lab.directory, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", "30", "-subj", "/CN=relais.test", "-out", path + ".next"],
                       check=True, capture_output=True)
        os.rename(path + ".next", path)
        with open(path) as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    async def certificate(self):
        wanted, until = await asyncio.to_thread(self.renew), time.time() + 15
        while (found := await asyncio.to_thread(self.offered)) != wanted and time.time() < until:
            await asyncio.sleep(0.3)
        self.expect(found == wanted, "certificate", "the new one is not offered after 15 s")

    async def full_disk(self):
        filler = full_disk.Filler(self.lab)
        filler.bytes(4 * MB)
        answer, until = "354", time.time() + 5
        while answer.startswith("354") and time.time() < until:
            answer = await asyncio.to_thread(self.ask)
            await asyncio.sleep(0.2)
        self.expect(answer.startswith("452 4.3.1"), "full disk", answer)
        await asyncio.sleep(self.minute / 15)
        filler.free()
        os.rmdir(filler.folder)
        until = time.time() + full_disk.BACK_S
        while not answer.startswith("354") and time.time() < until:
            answer = await asyncio.to_thread(self.ask)
            await asyncio.sleep(0.2)
        self.expect(answer.startswith("354"), "full disk that is free again", answer)

    def ask(self):
        """What DATA is answered."""
        talk = ledger.harness.Dialogue(self.lab.port)
        try:
            talk.reply()
            talk.ask("EHLO x")
            talk.ask("MAIL FROM:<news@sender.test>")
            talk.ask("RCPT TO:<nobody@d0.rcpt.test>")
            return "%d %s" % (talk.ask("DATA") or (0, "nothing"))
        finally:
            talk.close()

    async def slow_disk(self):
        self.lab.slow(1000 if self.minute > 20 else 200)
        await asyncio.sleep(self.minute / 4)
        self.lab.slow(0)

    async def re_exec(self):
        done = await asyncio.to_thread(reexec.replace, self.lab)
        self.expect(done, "re-exec", "it did not take over")

    async def kill(self):
        self.receiving.cut += len(self.receiving.sessions)
        await asyncio.to_thread(self.lab.kill)
        self.sending.killed = time.time()  # what was opened shortly before need not be in the log
        seconds = await asyncio.to_thread(self.lab.start, self.lab.env)
        self.expect(seconds < 10, "kill", "there again after %.1f s" % seconds)
