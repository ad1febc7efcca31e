#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R15: sessions that are cut after each octet, on both sides. A proxy passes on so many octets of one direction, then resets
or closes the connection to both: mail that comes in with DATA, with BDAT, over TLS; mail that goes out. The books must agree
(a message goes out again once for each cut at most), and no descriptor and no memory stay behind.

    tests/fault/cuts.py [STEP]      every STEP-th offset only (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import collections
import itertools
import os
import random
import ssl
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

AT_ONCE, HOSTS, LINES = 16, 16, 24  # a message of 24 lines makes a session of 2 kB
RSS_KB, FD_S = 1024, 30
WARM = 150  # cuts before the figures are first looked at, at least; half of all, at most 1 000
# What the daemon remembers of a segment until it is full stays little with small ones.
SETTINGS = ("spool.segment_size=1M", "limits.connections_per_client=1000000", "limits.connections_per_net=1000000", "queue.connections=4")
Cut = collections.namedtuple("Cut", "direction after reset")


class Proxy:
    """Listens on `host` and cuts each connection as the next of `cuts` says; none: it passes all on."""

    def __init__(self, host, port, target, cuts):
        self.host, self.port, self.target, self.cuts, self.made = host, port, target, iter(cuts), 0

    async def start(self):
        await asyncio.start_server(self.connection, self.host, self.port, backlog=512)

    async def connection(self, reader, writer):
        cut = next(self.cuts, None)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        ends = writer, far_writer
        pumps = [asyncio.ensure_future(self.pump(reader, far_writer, ends, cut if cut and cut.direction == "up" else None)),
                 asyncio.ensure_future(self.pump(far_reader, writer, ends, cut if cut and cut.direction == "down" else None))]
        await asyncio.wait(pumps)

    async def pump(self, reader, writer, ends, cut):
        left = cut.after if cut else None
        try:
            while True:
                if left == 0:
                    self.made += 1
                    self.end(ends, cut.reset)
                    return
                data = await reader.read(65536 if left is None else min(left, 65536))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
                left = None if left is None else left - len(data)
        except (ConnectionError, OSError):
            pass
        self.end(ends, False)

    @staticmethod
    def end(ends, hard):
        for writer in ends:
            if hard:
                traffic.reset(writer.transport)
            else:
                writer.close()


class Client:
    """Sends one message over one connection, in one of three manners."""

    def __init__(self, book, port, manner):
        self.book, self.port, self.manner = book, port, manner
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    async def send(self):
        message, writer = self.book.next(lines=LINES, large_every=1 << 60), None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.wait_for(self.session(reader, writer, message), 30)
        except (ConnectionError, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            if writer is not None:
                writer.transport.abort()

    async def session(self, reader, writer, message):
        await traffic.reply(reader, b"220")
        writer.write(b"EHLO source.test\r\n")
        await traffic.reply(reader, b"250")
        if self.manner == "TLS":
            writer.write(b"STARTTLS\r\n")
            await traffic.reply(reader, b"220")
            await writer.start_tls(self.context)
            writer.write(b"EHLO source.test\r\n")
            await traffic.reply(reader, b"250")
        writer.write(("MAIL FROM:<%s>\r\n" % message.sender + "".join("RCPT TO:<%s>\r\n" % r for r in message.recipients)).encode())
        for _ in range(1 + len(message.recipients)):
            await traffic.reply(reader, b"250")
        await (self.bdat if self.manner == "BDAT" else self.data)(reader, writer, message)
        writer.write(b"QUIT\r\n")
        await traffic.reply(reader, b"221")

    async def data(self, reader, writer, message):
        writer.write(b"DATA\r\n")
        await traffic.reply(reader, b"354")
        self.book.is_about_to_send(message)
        writer.write(message.data + b".\r\n")
        self.book.got_250(message, (await traffic.reply(reader, b"250")).split()[-1])

    async def bdat(self, reader, writer, message):
        half = len(message.data) // 2
        self.book.is_about_to_send(message)
        for part, last in ((message.data[:half], b""), (message.data[half:], b" LAST")):
            writer.write(b"BDAT %d%s\r\n" % (len(part), last) + part)
            answer = await traffic.reply(reader, b"250")
        self.book.got_250(message, answer.split()[-1])


def offsets(ups, downs, step):
    """All cuts: each offset of both directions, by reset and by close in turn; in no order, so that the first ones, which
    warm the daemon up, are like the others."""
    cuts = [Cut(direction, k, (k // step) % 2 == 0) for direction, end in (("up", ups), ("down", downs)) for k in range(0, end, step)]
    random.Random(1).shuffle(cuts)
    return cuts


def warm_up(cuts):
    return max(WARM, min(1000, len(cuts) // 2))


def warm(cuts):
    return list(itertools.islice(itertools.cycle(cuts), warm_up(cuts)))


class Figures:
    """Descriptors and resident memory of the daemon; connections to the sink, which it keeps for the next mail, do not count."""

    def __init__(self, pid, sink):
        self.pid, self.sink = pid, sink
        self.fds, self.rss = self.look()

    def look(self):
        with open("/proc/%d/status" % self.pid) as file:
            rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return len(os.listdir("/proc/%d/fd" % self.pid)) - self.sink.sessions, rss

    def judge(self, what):
        """Once what was cut has been cleared away."""
        until = time.time() + FD_S
        fds, rss = self.look()
        while (fds > self.fds or rss > self.rss + RSS_KB) and time.time() < until:
            time.sleep(0.1)
            fds, rss = self.look()
        return [books.Finding(fds <= self.fds, "no descriptor stays open", "%s: %d, then %d" % (what, self.fds, fds)),
                books.Finding(rss <= self.rss + RSS_KB, "no memory stays taken", "%s: %d kB, then %d" % (what, self.rss, rss))], rss - self.rss


async def send_all(client, n):
    """So many messages, some at once."""
    left = iter(range(n))

    async def worker():
        for _ in left:
            await client.send()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def end(lab, flow, progress, where, proxy):
    lab.drain(600)
    progress.learn(lab, flow, where)
    said = lab.complaints()
    progress.note([books.Finding(not said, "its log is clean", said)], where)
    progress.add(1, made=proxy.made)


def inbound(progress, manner, step):
    """Where mail comes in."""
    with case.Lab(*SETTINGS) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        cuts = offsets(4200 if manner == "TLS" else 2400, 3000 if manner == "TLS" else 600, step)
        proxy = Proxy("127.0.0.1", case.lab_tools.free_port(), ("127.0.0.1", lab.port), warm(cuts) + cuts)
        flow.do(proxy.start())
        client = Client(flow.source_book, proxy.port, manner)
        flow.do(send_all(client, warm_up(cuts)), 600)
        time.sleep(1)
        figures = Figures(lab.pid, flow.sink)
        flow.do(send_all(client, len(cuts)), 3600)
        found, grown = figures.judge(manner)
        progress.note(found, manner)
        progress.top(grown=grown)
        flow.do(send_all(client, 5))
        end(lab, flow, progress, "in, " + manner, proxy)


def zone():
    """Domains each with a host of its own, so that many are tried at once."""
    file = tempfile.NamedTemporaryFile("w", suffix=".zone", delete=False)
    with file:
        for i in range(HOSTS):
            file.write("d%d.rcpt MX 10 mx%d.test.\nmx%d A 127.0.1.%d\n" % (i, i, i, i + 1))
    return file.name


def feed(flow, client, proxy, n):
    """Mail until nearly so many more connections are cut. Some offsets are beyond the end of a session."""
    wanted, sent = proxy.made + n * 0.9, 0
    while proxy.made < wanted and sent < 2 * n + AT_ONCE:
        flow.do(send_all(client, AT_ONCE), 600)
        sent += AT_ONCE
        time.sleep(0.05)


def outbound(progress, step):
    """Where mail goes out."""
    port, path = case.lab_tools.free_port(), zone()
    with case.Lab(*SETTINGS, port=port, more=("--zone", path)) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        os.unlink(path)
        flow.source_book.domains = HOSTS
        cuts = offsets(2400, 400, step)
        proxy = Proxy("0.0.0.0", port, ("127.0.0.1", lab.sink_port), warm(cuts) + cuts)
        flow.do(proxy.start())
        client = Client(flow.source_book, lab.port, "DATA")
        feed(flow, client, proxy, warm_up(cuts))
        figures = Figures(lab.pid, flow.sink)
        feed(flow, client, proxy, len(cuts))
        proxy.cuts = iter(())
        lab.drain(600)
        time.sleep(1)
        found, grown = figures.judge("out")
        progress.note(found, "out")
        progress.top(grown=grown)
        lab.outcome.cuts = [1] * proxy.made
        end(lab, flow, progress, "out", proxy)


PARTS = ("DATA", "BDAT", "TLS", "out")


def main(step, command="tests/fault/cuts.py", parts=PARTS):
    tap, progress = case.Recorded("%s %d" % (command, step)), case.Progress("cuts-%d-%d" % (step, len(parts)))
    for part in parts[progress.done:]:
        if part == "out":
            outbound(progress, step)
        else:
            inbound(progress, part, step)
        tap.note("%s: %d cuts, %d bad" % (part, progress.sums["made"], len(progress.bad)), keep=False)
    sums = progress.sums
    tap.note("%d sessions cut; %d messages acknowledged, %d delivered, %d of them again; memory grew by %d kB at most"
             % (sums["made"], sums["acknowledged"], sums["delivered"], sums["duplicates"], progress.tops["grown"]))
    progress.report(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
