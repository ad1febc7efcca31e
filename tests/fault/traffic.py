#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic of the fault tests: a source of many connections and a sink, each with its book (books.py).

In a test both run in a thread of their own (Traffic); by themselves, for an MTA that is elsewhere:

    tests/fault/traffic.py source HOST PORT BOOK MESSAGES CONNECTIONS    ends after so many were acknowledged
    tests/fault/traffic.py sink HOST PORT BOOK [DELAY-MS]                runs until it is ended
"""
import asyncio
import collections
import concurrent.futures
import os
import random
import socket
import ssl
import struct
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
import sink as peer

import books


class NotTaken(ConnectionError):
    """A reply that was not the one that was hoped for; its text is the reply."""


async def reply(reader, wanted):
    while True:
        line = await reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(line)
        if line[3:4] != b"-":
            if not line.startswith(wanted):
                raise NotTaken(line.decode(errors="replace").strip())
            return line.decode(errors="replace")


class Source:
    """Connections that send one message after the other until they are stopped, whatever becomes of the MTA."""

    def __init__(self, book, host, port, connections, hold=0.0, wanted=None):
        self.book, self.host, self.port, self.connections, self.hold, self.wanted = book, host, port, connections, hold, wanted
        self.in_data, self.stopped, self.refusals = 0, False, {}

    def is_done(self):
        return self.stopped or (self.wanted is not None and len(self.book.acked) >= self.wanted)

    async def message(self, reader, writer, rng):
        message = self.book.next()
        writer.write(("MAIL FROM:<%s>\r\n" % message.sender + "".join("RCPT TO:<%s>\r\n" % r for r in message.recipients)
                      + "DATA\r\n").encode())
        for code in [b"250"] * (1 + len(message.recipients)) + [b"354"]:
            await reply(reader, code)
        self.in_data += 1
        try:
            half = len(message.data) // 2
            writer.write(message.data[:half])
            await writer.drain()
            await asyncio.sleep(rng.random() * self.hold)
            self.book.is_about_to_send(message)
            writer.write(message.data[half:] + b".\r\n")
            self.book.got_250(message, (await reply(reader, b"250")).split()[-1])
        finally:
            self.in_data -= 1

    async def one(self, rng):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            await reply(reader, b"220")
            writer.write(b"EHLO source.test\r\n")
            await reply(reader, b"250")
            while not self.is_done():
                await self.message(reader, writer, rng)
        finally:
            writer.close()

    async def connection(self, index):
        rng = random.Random(index)
        while not self.is_done():
            try:
                await self.one(rng)
            except NotTaken as trouble:
                text = str(trouble)[:9]
                self.refusals[text] = self.refusals.get(text, 0) + 1
                await asyncio.sleep(0.05)
            except (ConnectionError, OSError):
                await asyncio.sleep(0.02)

    async def run(self):
        await asyncio.gather(*(self.connection(i) for i in range(self.connections)))


def reset(transport):
    """Ends the connection with RST, whatever was not sent."""
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Session(peer.Session):
    """A session of the sink: each message is in the book before its reply is given."""

    def connection_made(self, transport):
        self.sink.sessions += 1
        self.sink.peak = max(self.sink.peak, self.sink.sessions)
        self.ended = False
        super().connection_made(transport)

    def connection_lost(self, _):
        self.sink.sessions -= 1

    def eof_received(self):
        """A client that has sent QUIT with its last message may close its side before the reply comes; another is gone."""
        self.ended = True
        return self.securing and self.buffer.upper().startswith(b"QUIT")

    def do_rcpt(self, argument):
        answer = self.sink.refuse(self.path(argument)[0]) if self.sink.refuse is not None else None
        if answer is None:
            super().do_rcpt(argument)
        else:
            self.say(answer)

    def end_of_data(self, wire):
        data = wire.replace(b"\r\n..", b"\r\n.")
        recipients = [r for r, _ in self.recipients]
        is_report = self.sender == ""
        self.reset()
        if is_report:
            self.sink.reports += 1
            self.say("250 2.0.0 taken")
        elif self.sink.lose is not None and (way := self.sink.lose(recipients)) is not None:
            self.sink.book.is_about_to_give(data, recipients, "lost")
            self.dead = True
            self.transport.write(way.partial)
            if way.reset:
                reset(self.transport)
            else:
                self.transport.close()
        else:
            self.securing = self.sink.holds
            asyncio.get_running_loop().call_later(self.sink.delay, self.give, data, recipients)

    def give(self, data, recipients):
        self.securing = False
        if not self.transport.is_closing():
            self.sink.book.is_about_to_give(data, recipients)
            self.say("250 2.0.0 taken")
            self.data_received(b"")
            if self.ended and not self.securing:
                self.transport.close()


# What is still said of a reply before the connection ends, and whether it ends with a reset.
Way = collections.namedtuple("Way", "partial reset")


class Sink:
    """`holds`: what was sent together with a dot waits for its reply, as by a server that does one thing at a time. `lose` says
    of the recipients of a message in which Way the reply to it is to be lost after it was taken, or None;
    `refuse` what is answered to RCPT instead of yes, or None. `sessions` are open, `peak` were; `reports` came."""

    def __init__(self, book, host, port, delay=0.0, lose=None):
        self.book, self.host, self.port, self.delay, self.lose = book, host, port, delay, lose
        self.holds = False
        self.script, self.sessions, self.peak, self.reports, self.server, self.refuse = peer.Script(None), 0, 0, 0, None, None

    def offer_tls(self, directory):
        """With the certificate of the laboratory in that directory."""
        self.script.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.script.tls.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))

    async def start(self):
        self.server = await asyncio.get_running_loop().create_server(lambda: Session(self), self.host, self.port, backlog=1024,
                                                                     reuse_address=True)


class Traffic:
    """A sink, and a source once it is asked for, in a thread; books in `directory`."""

    def __init__(self, directory, sink_port, delay=0.0, lose=None, host="127.0.0.1"):
        """The sink is at that address."""
        self.source_book = books.SourceBook(os.path.join(directory, "source.book"))
        self.sink_book = books.SinkBook(os.path.join(directory, "sink.book"))
        self.sink = Sink(self.sink_book, host, sink_port, delay, lose)
        self.source, self.sending = None, None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.do(self.sink.start())
        return self

    def __exit__(self, *_):
        self.do(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def end(self):
        """Ends what still runs here."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.sink.server.close()
        await asyncio.sleep(0.05)

    def do(self, work, patience=60):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(patience)

    def send(self, port, connections, hold=0.0, wanted=None, host="127.0.0.1"):
        """Starts the source, towards that address."""
        self.source = Source(self.source_book, host, port, connections, hold, wanted)
        self.sending = asyncio.run_coroutine_threadsafe(self.source.run(), self.loop)

    def finish(self, patience=30):
        """No more messages; those that are under way have that long. Whether they came to their end."""
        self.source.stopped = True
        done, _ = concurrent.futures.wait([self.sending], patience)
        self.sending.cancel()
        return bool(done)

    @property
    def waiting(self):
        """Recipients that were acknowledged and are not delivered yet, about."""
        return self.source_book.pairs_acked - self.sink_book.pairs_given


def submit(book, port, message, timeout=20):
    """One message over a connection of its own: the last reply, or "" where the connection broke. For what must be
    sent step by step."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            file = connection.makefile("rwb")
            steps = [b"EHLO source.test", b"MAIL FROM:<%s>" % message.sender.encode()]
            steps += [b"RCPT TO:<%s>" % r.encode() for r in message.recipients] + [b"DATA"]
            answer = read_reply(file)
            for step in steps:
                if answer[:1] not in ("2", "3"):
                    return answer
                file.write(step + b"\r\n")
                file.flush()
                answer = read_reply(file)
            if not answer.startswith("354"):
                return answer
            book.is_about_to_send(message)
            file.write(message.data + b".\r\n")
            file.flush()
            answer = read_reply(file)
            if answer.startswith("250"):
                book.got_250(message, answer.split()[-1])
            return answer
    except OSError:
        return ""


def read_reply(file):
    while True:
        line = file.readline().decode(errors="replace")
        if not line.endswith("\n"):
            return ""
        if line[3:4] != "-":
            return line.strip()


async def run_source(host, port, path, messages, connections):
    source = Source(books.SourceBook(path), host, port, connections)
    source.wanted = len(source.book.acked) + messages
    await source.run()


async def run_sink(host, port, path, delay):
    await Sink(books.SinkBook(path), host, port, delay).start()
    await asyncio.Event().wait()


def main(arguments):
    if len(arguments) == 6 and arguments[0] == "source":
        asyncio.run(run_source(arguments[1], int(arguments[2]), arguments[3], int(arguments[4]), int(arguments[5])))
    elif len(arguments) in (4, 5) and arguments[0] == "sink":
        delay = int(arguments[4]) / 1000 if len(arguments) == 5 else 0.0
        asyncio.run(run_sink(arguments[1], int(arguments[2]), arguments[3], delay))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
