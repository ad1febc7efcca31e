#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiving SMTP server for the laboratory, and the keeper of its processes.

Each delivered message becomes one file in the sink directory: NNNNNN.eml (exact bytes as they came
over the wire, dots undone) and NNNNNN.json beside it (envelope, EHLO, TLS, the reply that was given).
The file is complete before the reply goes out. A script makes it misbehave; each line is

    PHASE PATTERN REPLY...      first matching line of a phase wins
    PHASE PATTERN @xN REPLY...  the first N times only

PHASE is connect, ehlo, starttls, mail, rcpt, data or dot; PATTERN is a shell pattern on the argument (the
client's address for connect, the recipient for rcpt, the sender for mail, data and dot). REPLY is an
SMTP reply line ("550 5.1.1 no such user", "\\n" separates lines), or one of

    close        cut the connection       stall       say nothing more
    lost         (dot) take the message, then cut without a reply
    drip         answer one octet a second

and three more lines: "caps -8bitmime -pipelining size=1000" sets what EHLO offers, "tls CERTIFICATE KEY"
has STARTTLS, "delay MILLISECONDS" keeps every reply to a final dot back that long. The script is read again whenever its modification time changes.
"""
import asyncio, fnmatch, json, os, signal, ssl, sys, time


class Script:
    def __init__(self, path):
        self.path, self.stamp, self.rules, self.caps, self.tls = path, None, [], {}, None
        self.delay = 0
        self.read()

    def read(self):
        if not self.path:
            return
        try:
            stamp = os.stat(self.path).st_mtime_ns
        except FileNotFoundError:
            return
        if stamp == self.stamp:
            return
        self.stamp, self.rules, self.caps, self.tls, self.delay = stamp, [], {}, None, 0
        for line in open(self.path):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "caps":
                for word in words[1:]:
                    name, _, value = word.lstrip("-").partition("=")
                    self.caps[name.upper()] = None if word.startswith("-") else value
            elif words[0] == "delay":
                self.delay = int(words[1]) / 1000
            elif words[0] == "tls":
                self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.tls.load_cert_chain(words[1], words[2])
            else:
                rest, times = words[2:], None
                if rest and rest[0].startswith("@x"):
                    times, rest = int(rest[0][2:]), rest[1:]
                self.rules.append([words[0], words[1].lower(), times, " ".join(rest)])

    def find(self, phase, argument):
        self.read()
        for rule in self.rules:
            if rule[0] == phase and fnmatch.fnmatchcase(argument.lower(), rule[1]):
                if rule[2] is None:
                    return rule[3]
                if rule[2] > 0:
                    rule[2] -= 1
                    return rule[3]
        return None


class Sink:
    def __init__(self, directory, script):
        self.directory, self.script = directory, Script(script)
        os.makedirs(directory, exist_ok=True)
        self.number = max([int(n[:8]) for n in os.listdir(directory) if n[:8].isdigit()] or [0])
        self.ledger = open(os.path.join(directory, "ledger"), "a", buffering=1)

    def keep(self, facts, data):
        self.number += 1
        base = os.path.join(self.directory, "%08d" % self.number)
        with open(base + ".tmp", "wb") as file:
            file.write(data)
        with open(base + ".json", "w") as file:
            json.dump(facts, file)
        os.rename(base + ".tmp", base + ".eml")
        return self.number


class Session(asyncio.Protocol):
    """One connection; lines are handled as they come, so pipelining needs nothing special."""

    def __init__(self, sink):
        self.sink, self.script = sink, sink.script
        self.buffer, self.in_data, self.dead, self.tls = bytearray(), False, False, None
        self.securing = False
        self.ehlo = ""
        self.reset()

    def reset(self):
        self.sender, self.recipients, self.mail_parameters = None, [], ""

    def connection_made(self, transport):
        self.transport = transport
        if transport.get_extra_info("ssl_object"):
            return
        self.peer = (transport.get_extra_info("peername") or ["?"])[0]
        self.answer("connect", self.peer, "220 sink.test ESMTP")

    def answer(self, phase, argument, normal):
        """Sends the scripted reply or the normal one; true if it was the normal one."""
        reply = self.script.find(phase, argument)
        if reply is None:
            self.say(normal)
            return True
        if reply in ("close", "lost"):
            self.dead = True
            self.transport.close()
        elif reply == "stall":
            self.dead = True
        elif reply == "drip":
            self.dead = True
            asyncio.ensure_future(self.drip(normal))
        else:
            self.say(reply.replace("\\n", "\r\n"))
            if reply.startswith("421"):
                self.dead = True
                self.transport.close()
        return False

    async def drip(self, text):
        for octet in (text + "\r\n").encode():
            if self.transport.is_closing():
                return
            self.transport.write(bytes([octet]))
            await asyncio.sleep(1)

    def say(self, text):
        self.transport.write(text.encode("utf-8", "replace") + b"\r\n")

    def data_received(self, data):
        self.buffer += data
        while not self.dead and not self.securing:
            if self.in_data:
                if not self.take_data():
                    return
            else:
                line, end, rest = self.buffer.partition(b"\r\n")
                if not end:
                    return
                self.buffer = rest
                self.command(line.decode("utf-8", "surrogateescape"))

    def take_data(self):
        if self.buffer.startswith(b".\r\n"):
            body, rest = bytearray(), self.buffer[3:]
        else:
            at = self.buffer.find(b"\r\n.\r\n", max(0, self.searched - 5))
            self.searched = len(self.buffer)
            if at < 0:
                return False
            body, rest = self.buffer[: at + 2], self.buffer[at + 5 :]
        self.buffer, self.in_data = rest, False
        self.end_of_data(body)
        return True

    def end_of_data(self, wire):
        lines = wire.split(b"\r\n")
        bare = any(b"\r" in line or b"\n" in line for line in lines)
        body = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
        undoubled = any(line.startswith(b".") and not line.startswith(b"..") for line in lines)
        facts = {"sender": self.sender, "recipients": self.recipients, "ehlo": self.ehlo,
                 "mail_parameters": self.mail_parameters, "tls": self.tls, "client": self.peer,
                 "bare_newline": bare, "undoubled_dot": undoubled, "time": time.time()}
        reply = self.script.find("dot", self.sender or "")
        if reply is None or reply == "lost":
            number = self.sink.keep(facts, body)
            self.sink.ledger.write("%d %s\n" % (number, json.dumps(facts)))
        if reply is None:
            text = "250 2.0.0 kept as %08d" % number
            if self.script.delay:
                asyncio.get_running_loop().call_later(self.script.delay, self.say, text)
            else:
                self.say(text)
        elif reply in ("close", "lost"):
            self.dead = True
            self.transport.close()
        elif reply == "stall":
            self.dead = True
        else:
            self.say(reply.replace("\\n", "\r\n"))
        self.reset()

    def command(self, line):
        verb, _, argument = line.partition(" ")
        handler = getattr(self, "do_" + verb.lower(), None)
        if handler is None:
            self.say("500 5.5.2 not known here")
        else:
            handler(argument)

    def do_ehlo(self, argument):
        self.ehlo = argument
        self.reset()
        caps = {"PIPELINING": "", "8BITMIME": "", "SIZE": "0", "ENHANCEDSTATUSCODES": "", "DSN": ""}
        self.script.read()
        if self.script.tls and not self.tls:
            caps["STARTTLS"] = ""
        caps.update(self.script.caps)
        words = ["sink.test"] + [("%s %s" % (k, v)).strip() for k, v in caps.items() if v is not None]
        text = "\r\n".join("250%s%s" % ("-" if i < len(words) - 1 else " ", w) for i, w in enumerate(words))
        self.answer("ehlo", argument, text)

    def do_helo(self, argument):
        self.ehlo = argument
        self.answer("ehlo", argument, "250 sink.test")

    def do_starttls(self, argument):
        self.transport.pause_reading()  # a quick client's handshake must find TLS here, not us
        if self.answer("starttls", self.peer, "220 2.0.0 go on"):
            self.buffer, self.securing = bytearray(), True  # until self.transport is the new one
            asyncio.ensure_future(self.secure())
        elif not self.dead:
            self.transport.resume_reading()

    async def secure(self):
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, self, self.script.tls, server_side=True)
        except (ssl.SSLError, OSError):
            return
        self.transport, self.ehlo, self.securing = transport, "", False
        self.tls = transport.get_extra_info("ssl_object").version()
        self.reset()
        self.data_received(b"")

    @staticmethod
    def path(argument):
        inner, _, rest = argument.partition(">")
        return inner.partition("<")[2], rest.strip()

    def do_mail(self, argument):
        sender, parameters = self.path(argument)
        if self.answer("mail", sender, "250 2.1.0 ok"):
            self.reset()
            self.sender, self.mail_parameters = sender, parameters

    def do_rcpt(self, argument):
        recipient, parameters = self.path(argument)
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
        elif self.answer("rcpt", recipient, "250 2.1.5 ok"):
            self.recipients.append([recipient, parameters])

    def do_data(self, argument):
        if not self.recipients:
            self.say("554 5.5.1 no valid recipients")
        elif self.answer("data", self.sender or "", "354 go on"):
            self.in_data, self.searched = True, 0

    def do_rset(self, argument):
        self.reset()
        self.say("250 2.0.0 ok")

    def do_noop(self, argument):
        self.say("250 2.0.0 ok")

    def do_quit(self, argument):
        self.say("221 2.0.0 bye")
        self.dead = True
        self.transport.close()


async def main(port, directory, script):
    sink = Sink(directory, script)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(sink), "127.0.0.1", port, backlog=1024,
                                      reuse_address=True)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    signal.alarm(int(os.environ.get("RELAIS_LAB_SECONDS", "3600")))
    try:
        asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
    except KeyboardInterrupt:
        pass
