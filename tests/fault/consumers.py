#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R21: who is told of events is dead, slow, silent, answers 500 or 302 or far too much or half an answer or no HTTP, and relaisd
is killed with SIGKILL meanwhile. Relais has no webhook of its own, but what one is made of: the event log, cursors that read it
on, and fetches; tests/e2e/poster.c puts them together with the public headers alone. Mail must flow all the time, and once the
other side is well it must have each event of the log, in the log's order, some of them twice. Then the log is removed before all
of it was read: the spool hands over again what it has, the rest is told of, and what follows comes.

    tests/fault/consumers.py [SECONDS [KILLS]]      seconds and kills of each kind (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import glob
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

lab_tools = case.lab_tools
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ANSWERS = {"well": GOOD, "slow": GOOD, "500": b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
           "302": b"HTTP/1.1 302 there\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
           "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 3000000, "silent": None, "dead": None,
           "endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 0xfff + b"\r\n",
           "half": b"HTTP/1.1 200 OK\r\nContent-Le", "no HTTP": b"\0\xff\r\n\r\n220 hello\r\n"}
SETTINGS = ("limits.connections_per_client=1000000", "queue.connections=10", "http-client.allow=127.0.0.0/8")
CONNECTIONS, HOLD_S, SLOW_S, PATIENCE_S, GROWTH_MIB = 6, 0.05, 0.2, 60, 16


class Consumer:
    """The other side. `taken` has the ids of what it answered well, in order, each as often as it came."""

    def __init__(self, loop, port):
        self.loop, self.port, self.mode, self.taken, self.bad, self.server = loop, port, "well", [], [], None

    def set(self, mode):
        self.mode = mode
        asyncio.run_coroutine_threadsafe(self.be(mode != "dead"), self.loop).result(10)

    async def be(self, alive):
        if alive and self.server is None:
            self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        elif not alive and self.server is not None:
            self.server.close()
            self.server = None

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
                await self.answer(await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, body, writer):
        mode = self.mode
        if mode == "slow":
            await asyncio.sleep(SLOW_S)
        if ANSWERS[mode] is GOOD:
            self.take(body)
        if ANSWERS[mode] is None:
            await asyncio.sleep(3600)
        writer.write(ANSWERS[mode])
        while mode == "endless":
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(b"1\r\nx\r\n")
        if ANSWERS[mode] is not GOOD:
            raise ConnectionError(mode)

    def take(self, body):
        for line in body.splitlines():
            try:
                self.taken.append(json.loads(line)["id"])
            except (ValueError, KeyError):
                self.bad.append(line)

    def first_times(self):
        return list(dict.fromkeys(self.taken))


class Lab(case.Lab):
    def __init__(self, port):
        super().__init__("poster.url=http://127.0.0.1:%d/events" % port, *SETTINGS, modules=("poster",))

    def ids(self):
        """Of the log, in order."""
        return list(dict.fromkeys(event["id"] for event in self.events()))


def resident_mib(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def trial(lab, flow, consumer, mode, seconds, kills, rng):
    """So long with a consumer that is like that, and load; (what was found, messages)."""
    consumer.set(mode)
    moments = sorted(time.time() + seconds * rng.random() for _ in range(kills))
    began, until = len(flow.source_book.acked), time.time() + seconds
    while time.time() < until:
        if moments and time.time() >= moments[0]:
            moments.pop(0)
            lab.cut_and_restart(flow)
        time.sleep(0.02)
    messages, allowed = len(flow.source_book.acked) - began, time.time() + 10
    reached = flow.source_book.pairs_acked
    while flow.sink_book.pairs_given < reached and time.time() < allowed:
        time.sleep(0.02)
    return [books.Finding(messages > seconds, "mail is taken", "%s: %d" % (mode, messages)),
            books.Finding(flow.sink_book.pairs_given >= reached, "mail is delivered", "%s: %d" % (mode, reached - flow.sink_book.pairs_given)),
            books.Finding(lab.is_alive(), "the daemon stays", mode)], messages


def comes_to_know(lab, consumer, where):
    """Well again, it has all that the log had by now."""
    consumer.set("well")
    began, wanted = time.time(), set(lab.ids())
    while time.time() < began + PATIENCE_S and not wanted <= set(consumer.taken):
        time.sleep(0.1)
    took, taken = time.time() - began, consumer.first_times()
    known = set(taken)
    missing = len(wanted - known)
    return [books.Finding(missing == 0, "it has each event", "%s: %d of %d are missing" % (where, missing, len(wanted))),
            books.Finding(not consumer.bad, "it has whole events and nothing else", (where, consumer.bad[:3])),
            books.Finding(taken == [i for i in lab.ids() if i in known], "it has them in the order of the log", where)], took


def all_kinds(tap, progress, seconds, kills, modes):
    rng, figures, port = random.Random(), [], lab_tools.free_port()
    with Lab(port) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        consumer = Consumer(flow.loop, port)
        consumer.set("well")
        flow.send(lab.port, CONNECTIONS, hold=HOLD_S)
        lab.wait(lambda: len(flow.source_book.acked) > CONNECTIONS, 60, "the beginning of it")
        for mode in modes:
            before = resident_mib(lab.pid)
            found, messages = trial(lab, flow, consumer, mode, seconds, kills, rng)
            grown = resident_mib(lab.pid) - before if kills == 0 else 0
            found.append(books.Finding(grown < GROWTH_MIB, "its memory does not grow with what waits", (mode, grown)))
            more, took = comes_to_know(lab, consumer, mode)
            progress.note(found + more, mode)
            figures.append("%s %.0f/s, all known %.1f s later" % (mode, messages / seconds, took))
        ended = flow.finish(30)
        lab.drain()
        more, _ = comes_to_know(lab, consumer, "at the end")
        progress.note([books.Finding(ended, "every connection came to its end", "")] + more, "")
        progress.add(events=len(lab.ids()), twice=len(consumer.taken) - len(consumer.first_times()))
        progress.learn(lab, flow, "all")
        said = lab.complaints()
        progress.note([books.Finding(not said, "the daemon ended well and its log is clean", said)], "all")
    tap.note("; ".join(figures))


def removed_log(progress):
    """The log goes away while nobody reads it."""
    port = lab_tools.free_port()
    with Lab(port) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        consumer = Consumer(flow.loop, port)
        for round_ in range(2):
            consumer.set("well" if round_ == 0 else "dead")
            for _ in range(5 + 10 * round_):
                traffic.submit(flow.source_book, lab.port, flow.source_book.next())
            lab.drain()
            lab.wait(lambda: round_ == 1 or len(consumer.first_times()) == len(lab.ids()) >= 10, 20, "what it is told of")
        time.sleep(1.5)
        lab.kill()
        before = set(lab.ids())
        for path in glob.glob(lab.facts["events"]):
            os.unlink(path)
        lab.start()
        for _ in range(30):  # more than was removed: the new file is longer than the place in the old one
            traffic.submit(flow.source_book, lab.port, flow.source_book.next())
        lab.drain()
        more, _ = comes_to_know(lab, consumer, "removed")
        fresh = lab.ids()
        said = lab.log()
        progress.note([books.Finding(set(fresh) <= set(consumer.taken), "what comes after a removed log is known", len(fresh)),
                       books.Finding(not consumer.bad, "it has whole events and nothing else", consumer.bad[:3]),
                       books.Finding(before <= set(consumer.taken) or "events were removed before it had read them" in said,
                                     "what was removed is told of, where the spool had it no more", (len(before - set(consumer.taken)), said[-800:]))], "")


def main(seconds, kills, command="tests/fault/consumers.py", modes=tuple(ANSWERS)):
    tap, progress = case.Recorded("%s %g %d" % (command, seconds, kills)), case.Progress("consumers-%g" % seconds)
    all_kinds(tap, progress, seconds, kills, modes)
    if len(modes) == len(ANSWERS):
        removed_log(progress)
    sums = progress.sums
    tap.note("%d messages acknowledged, %d kills, %d events, %d of them came twice" % (sums["acknowledged"], sums["cuts"], sums["events"], sums["twice"]))
    progress.report(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
