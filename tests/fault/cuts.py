#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R15: sessions that are cut after each octet, on both sides. A proxy passes on so many octets of one direction, then resets
or closes the connection to both: mail that comes in with DATA, with BDAT, over TLS; mail that goes out, in clear and over TLS.
Or it vanishes: of what it sends to the daemon nothing arrives any more, no FIN, no RST, no ACK (a routing rule of a network
namespace of its own drops it); then the daemon has closed after its deadline, which is made short, that for QUIT and the 5 s
for which it lingers, within two seconds, and not before. The books must agree (a message goes out again once for each cut at
most), and no descriptor and no memory stay behind.

    tests/fault/cuts.py [STEP] [PART...]      every STEP-th offset only; parts are DATA, BDAT, TLS, out and out-TLS, and the
                                              same with half-open- before (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import collections
import itertools
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

AT_ONCE, HOSTS, LINES = 16, 16, 24  # a message of 24 lines makes a session of 2 kB
RSS_KB, FD_S, LOOKS = 1024, 30, 5
WARM = 150  # cuts before the figures are first looked at, at least; half of all, at most 1 000
# What the daemon remembers of a segment until it is full stays little with small ones.
SETTINGS = ("spool.segment_size=1M", "limits.connections_per_client=1000000", "limits.connections_per_net=1000000", "queue.connections=4")
DEADLINE_S, LINGER_S, SLACK_S, VANISH_AT_ONCE = 4, 5, 2, 60
DEADLINES = ("limits.greeting_timeout", "limits.command_timeout", "limits.data_timeout", "limits.tls_timeout", "queue.reply_timeout")
SHORT = ("queue.idle_time=100ms", *("%s=%ds" % (name, DEADLINE_S) for name in DEADLINES))
MARK, HALF_OPEN = 1, "half-open-"
Cut = collections.namedtuple("Cut", "direction after way")  # reset, close or vanish


class Owners:
    """Sockets that are some process's: without an ACK what the kernel still has to say of one that was closed does not come,
    not even its FIN."""

    def __init__(self):
        self.read, self.owned = 0, set()

    def know(self, port, peer):
        if time.monotonic() > self.read + 0.05:
            with open("/proc/net/tcp") as file:
                rows = [line.split() for line in file][1:]
            self.owned = {(row[1][-4:], row[2][-4:]) for row in rows if row[9] != "0"}
            self.read = time.monotonic()
        return ("%04X" % port, "%04X" % peer) in self.owned


class Proxy:
    """Listens on `host` and cuts each connection as the next of `cuts` says; none: it passes all on. The daemon is at its
    `far` end or at the near one. `stayed` is for how long it kept each connection whose other end had vanished."""

    def __init__(self, host, port, target, cuts, far=True):
        self.host, self.port, self.target, self.cuts, self.far = host, port, target, iter(cuts), far
        self.made, self.stayed, self.owners, self.ghosts = 0, [], Owners(), 0

    async def start(self):
        await asyncio.start_server(self.connection, self.host, self.port, backlog=512)

    async def connection(self, reader, writer):
        cut = next(self.cuts, None)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        pumps = [asyncio.ensure_future(self.pump(reader, far_writer, cut if cut and cut.direction == "up" else None)),
                 asyncio.ensure_future(self.pump(far_reader, writer, cut if cut and cut.direction == "down" else None))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        was_cut = any(pump.done() and pump.result() for pump in pumps)
        if was_cut:
            self.made += 1
        for pump in pumps:
            pump.cancel()
        await asyncio.wait(pumps)
        if was_cut and cut.way == "vanish":
            await self.vanish(far_writer if self.far else writer)
        self.end((writer, far_writer), was_cut and cut.way != "close")

    @staticmethod
    async def pump(reader, writer, cut):
        """Whether it came to the cut."""
        left = cut.after if cut else None
        try:
            while True:
                if left == 0:
                    return True
                data = await reader.read(65536 if left is None else min(left, 65536))
                if not data:
                    return False
                writer.write(data)
                await writer.drain()
                left = None if left is None else left - len(data)
        except (ConnectionError, OSError):
            return False

    async def vanish(self, writer):
        """From now on nothing comes from here, until the daemon has closed its end."""
        began, near = time.monotonic(), writer.get_extra_info("socket")
        near.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        try:
            ends = near.getpeername()[1], near.getsockname()[1]
        except OSError:
            return  # the daemon was first
        seen, self.ghosts = False, self.ghosts + 1
        while time.monotonic() < began + 10 * DEADLINE_S:
            owned = self.owners.know(*ends)
            if seen and not owned:
                self.stayed.append(time.monotonic() - began)
                break
            seen |= owned  # before the daemon accepts it nobody owns it
            await asyncio.sleep(0.05)
        else:
            self.stayed += [time.monotonic() - began] if seen else []
        self.ghosts -= 1

    @staticmethod
    def end(ends, hard):
        for writer in ends:
            if hard:
                traffic.reset(writer.transport)
            else:
                writer.close()


class Client:
    """Sends one message over one connection, in one of three manners, `at_once` of them."""

    def __init__(self, book, port, manner, at_once=AT_ONCE):
        self.book, self.port, self.manner, self.at_once = book, port, manner, at_once
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


def offsets(ups, downs, step, ways=("reset", "close")):
    """All cuts: each offset of both directions, in those ways in turn; in no order, so that the first ones, which warm the
    daemon up, are like the others."""
    cuts = [Cut(direction, k, ways[(k // step) % len(ways)]) for direction, end in (("up", ups), ("down", downs)) for k in range(0, end, step)]
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
        self.fds, self.rss = self.at_rest()

    def at_rest(self):
        """What several looks agree on: a connection that just came or went is counted on one side before the other."""
        until, same = time.time() + FD_S, [self.look()]
        while len(same) < LOOKS and time.time() < until:
            time.sleep(0.1)
            seen = self.look()
            same = same + [seen] if seen[0] == same[-1][0] else [seen]
        return same[-1]

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
    await asyncio.gather(*(worker() for _ in range(client.at_once)))


def judge_stay(proxy):
    """Of the connections whose other end vanished: one deadline for what was waited for, one for QUIT, and the linger. Few end
    much sooner: QUIT was there already, or its answer."""
    late = [round(s, 2) for s in proxy.stayed if s > 2 * DEADLINE_S + LINGER_S + SLACK_S]
    early = [round(s, 2) for s in proxy.stayed if s < DEADLINE_S / 2]
    return [books.Finding(not late, "who has vanished is given up at its deadline", late[:20]),
            books.Finding(len(early) <= 1 + len(proxy.stayed) / 10, "and not before it", "%d of %d: %s" % (len(early), len(proxy.stayed), early[:20]))]


def end(lab, flow, progress, where, proxy):
    lab.drain(600)
    progress.learn(lab, flow, where)
    said = lab.complaints()
    progress.note([books.Finding(not said, "its log is clean", said)], where)
    if proxy.stayed:
        progress.note(judge_stay(proxy), where)
    progress.add(1, made=proxy.made, vanished=len(proxy.stayed))


class Part:
    """A manner of mail and of cuts: DATA, BDAT, TLS, out or out-TLS, each also with half-open- before."""

    def __init__(self, name):
        self.name, self.half_open = name, name.startswith(HALF_OPEN)
        self.manner = name[len(HALF_OPEN):] if self.half_open else name
        self.tls, self.ways = self.manner.endswith("TLS"), ("vanish",) if self.half_open else ("reset", "close")
        self.settings, self.at_once = SETTINGS + (SHORT if self.half_open else ()), VANISH_AT_ONCE if self.half_open else AT_ONCE
        self.hosts = VANISH_AT_ONCE if self.half_open else HOSTS

    def run(self, progress, step):
        (self.outbound if self.manner.startswith("out") else self.inbound)(progress, step)

    def inbound(self, progress, step):
        """Where mail comes in."""
        with case.Lab(*self.settings) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
            cuts = offsets(4200 if self.tls else 2400, 3000 if self.tls else 600, step, self.ways)
            proxy = Proxy("127.0.0.1", case.lab_tools.free_port(), ("127.0.0.1", lab.port), warm(cuts) + cuts)
            flow.do(proxy.start())
            client = Client(flow.source_book, proxy.port, self.manner, self.at_once)
            flow.do(send_all(client, warm_up(cuts)), 600)
            time.sleep(1)
            figures = Figures(lab.pid, flow.sink)
            flow.do(send_all(client, len(cuts)), 3600)
            found, grown = figures.judge(self.name)
            progress.note(found, self.name)
            progress.top(grown=grown)
            flow.do(send_all(client, 5))
            end(lab, flow, progress, "in, " + self.name, proxy)

    def outbound(self, progress, step):
        """Where mail goes out."""
        port, path = case.lab_tools.free_port(), zone(self.hosts)
        with case.Lab(*self.settings, port=port, more=("--zone", path)) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
            os.unlink(path)
            flow.source_book.domains = self.hosts
            if self.tls:
                flow.sink.offer_tls(lab.directory)
            cuts = offsets(4200 if self.tls else 2400, 3000 if self.tls else 400, step, self.ways)
            proxy = Proxy("0.0.0.0", port, ("127.0.0.1", lab.sink_port), warm(cuts) + cuts, far=False)
            flow.do(proxy.start())
            client = Client(flow.source_book, lab.port, "DATA", self.at_once)
            feed(flow, client, proxy, warm_up(cuts))
            lab.wait(lambda: proxy.ghosts == 0, 60, "the end of the first")
            figures = Figures(lab.pid, flow.sink)
            feed(flow, client, proxy, len(cuts))
            proxy.cuts = iter(())
            lab.drain(600)
            lab.wait(lambda: proxy.ghosts == 0, 60, "the end of the last")
            time.sleep(1)
            found, grown = figures.judge(self.name)
            progress.note(found, self.name)
            progress.top(grown=grown)
            lab.outcome.cuts = [1] * proxy.made
            end(lab, flow, progress, self.name, proxy)


def zone(hosts):
    """Domains each with a host of its own, so that many are tried at once."""
    file = tempfile.NamedTemporaryFile("w", suffix=".zone", delete=False)
    with file:
        for i in range(hosts):
            file.write("d%d.rcpt MX 10 mx%d.test.\nmx%d A 127.0.1.%d\n" % (i, i, i, i + 1))
    return file.name


def feed(flow, client, proxy, n):
    """Mail until nearly so many more connections are cut. Some offsets are beyond the end of a session."""
    wanted, sent = proxy.made + n * 0.9, 0
    while proxy.made < wanted and sent < 2 * n + client.at_once:
        flow.do(send_all(client, client.at_once), 600)
        sent += client.at_once
        time.sleep(0.05)


PARTS = ("DATA", "BDAT", "TLS", "out", "out-TLS", *(HALF_OPEN + name for name in ("DATA", "BDAT", "TLS", "out", "out-TLS")))


def run(step, command, parts):
    for line in ("ip link set lo up", "ip rule add pref 100 lookup local", "ip rule del pref 0", "ip rule add pref 1 fwmark %d blackhole" % MARK):
        subprocess.run(line.split(), check=True)
    words = () if tuple(parts) == PARTS else parts
    tap, progress = case.Recorded(" ".join((command, str(step), *words))), case.Progress("-".join(("cuts", str(step), *words)))
    for part in parts[progress.done:]:
        Part(part).run(progress, step)
        tap.note("%s: %d cuts, %d bad" % (part, progress.sums["made"], len(progress.bad)), keep=False)
    sums = progress.sums
    tap.note("%d sessions cut, of %d the other end vanished; %d messages acknowledged, %d delivered, %d of them again; memory grew by %d kB at most"
             % (sums["made"], sums["vanished"], sums["acknowledged"], sums["delivered"], sums["duplicates"], progress.tops["grown"]))
    progress.report(tap)
    tap.end()


def main(step, command="tests/fault/cuts.py", parts=PARTS):
    code = "import sys; sys.path.insert(0, %r); import cuts; cuts.run(%d, %r, %r)" % (os.path.dirname(os.path.abspath(__file__)), step, command, tuple(parts))
    users = [] if os.getuid() == 0 else ["--map-root-user"]
    sys.exit(subprocess.run(["unshare", *users, "--net", sys.executable, "-c", code], check=False).returncode)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, parts=sys.argv[2:] or PARTS)
