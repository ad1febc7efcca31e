#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill loop: relaisd is killed with SIGKILL at a random moment under load and started again on
the same spool; in the end every message that was answered with 250 must have been delivered.

A cycle counts only if at the kill at least 20 connections were inside DATA and at least 50
acknowledged messages were undelivered; both are printed. The ledger of the sending side is every 250
it read, that of the sink every 250 it gave.

    tests/fault/killer.py [CYCLES]      (TAP)
"""
import asyncio
import hashlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness

CONNECTIONS, IN_DATA, UNDELIVERED, LINES = 60, 20, 50, 100
OPEN = 10  # connections of one lane: what may be delivered twice at one kill


def digest(number):
    return hashlib.sha256(b"%d" % number).hexdigest().encode()


class Source:
    """All sending connections and their ledger: number -> lines of the body."""

    def __init__(self, port):
        self.port, self.number, self.in_data, self.stop = port, 0, 0, False
        self.acked = {}

    @staticmethod
    async def expect(reader, code):
        while True:
            line = await reader.readline()
            if not line.endswith(b"\r\n") or not line.startswith(code):
                raise ConnectionError(line)
            if line[3:4] != b"-":
                return

    async def message(self, reader, writer, rng):
        self.number += 1
        number, lines = self.number, rng.randrange(1, LINES)
        data = (b"From: <a@sender.test>\r\nSubject: %d\r\nX-Number: %d\r\n\r\n" % (number, number)
                + (digest(number) + b"\r\n") * lines)
        writer.write(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<u%d@kill.rcpt.test>\r\nDATA\r\n" % number)
        for code in (b"250", b"250", b"354"):
            await self.expect(reader, code)
        self.in_data += 1
        try:
            writer.write(data[: len(data) // 2])
            await writer.drain()
            await asyncio.sleep(rng.random() * 0.15)
            writer.write(data[len(data) // 2 :] + b".\r\n")
            await self.expect(reader, b"250")
        finally:
            self.in_data -= 1
        self.acked[number] = lines

    async def connection(self, index):
        rng = random.Random(index)
        while not self.stop:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                await self.expect(reader, b"220")
                writer.write(b"EHLO source.test\r\n")
                await self.expect(reader, b"250")
                while not self.stop:
                    await self.message(reader, writer, rng)
            except (ConnectionError, OSError):
                await asyncio.sleep(0.03)
            finally:
                if writer:
                    writer.close()


def sunk(lab):
    path = os.path.join(lab.facts["sink_dir"], "ledger")
    return sum(1 for _ in open(path)) if os.path.exists(path) else 0


async def cycle(lab, source, rng, seconds=60):
    """Waits for a moment that counts, kills, starts again; what stood open at the kill."""
    earliest, until = time.time() + rng.random() * 0.5, time.time() + seconds
    before = len(source.acked)
    while True:
        waiting = len(source.acked) - sunk(lab)
        if (time.time() >= earliest and source.in_data >= IN_DATA and waiting >= UNDELIVERED
                and len(source.acked) > before):
            break
        if time.time() > until:
            raise RuntimeError("only %d in DATA and %d undelivered" % (source.in_data, waiting))
        await asyncio.sleep(0.005)
    open_now = source.in_data, waiting
    began = time.time()
    await asyncio.get_running_loop().run_in_executor(None, lab.kill_and_restart)
    return open_now + (time.time() - began,)


async def load(lab, wanted, tap):
    source, rng, rows = Source(lab.port), random.Random(2), []
    tasks = [asyncio.ensure_future(source.connection(i)) for i in range(CONNECTIONS)]
    for number in range(wanted):
        lab.script("delay %d\n" % (150 if number % 10 else 20))
        rows.append(await cycle(lab, source, rng))
    source.stop = True
    lab.script("")
    await asyncio.wait(tasks, timeout=30)
    for task in tasks:
        task.cancel()
    tap.note("%d cycles; at the kills at least %d connections in DATA, at least %d acknowledged and undelivered; "
             "longest restart %.2f s" % (wanted, min(r[0] for r in rows), min(r[1] for r in rows), max(r[2] for r in rows)))
    return source


def delivered(lab):
    """Number -> times delivered; and number -> lines of its body where it had the right bytes."""
    count, lines = {}, {}
    for facts, data in lab.sunk():
        header, _, body = data.partition(b"\r\n\r\n")
        number = next(int(line.split(b":")[1]) for line in header.split(b"\r\n") if line.startswith(b"X-Number:"))
        count[number] = count.get(number, 0) + 1
        n = len(body) // 66
        if body == (digest(number) + b"\r\n") * n:
            lines[number] = n
    return count, lines


def main(wanted):
    tap = harness.Tap()
    with harness.Lab("--set", "queue.sleep_first=1s", "--set", "queue.sleep_last=1s",
                     "--set", "class.transactional.retry=1s") as lab:
        source = asyncio.run(load(lab, wanted, tap))
        try:
            lab.wait(lambda: lab.status()["queue.deliveries"] == 0, 240, "empty queue")
        except RuntimeError as trouble:
            tap.note(str(trouble))
        count, lines = delivered(lab)
        lost = sorted(set(source.acked) - set(count))
        wrong = sorted(n for n in count if n in source.acked and lines.get(n) != source.acked[n] or n not in lines)
        duplicates = sum(n - 1 for n in count.values())
        tap.note("%d acknowledged, %d delivered, %d lost, %d duplicates" % (len(source.acked), len(count), len(lost), duplicates))
        tap.ok(len(source.acked) > wanted * UNDELIVERED / 2, "enough was acknowledged")
        tap.ok(not lost, "no acknowledged message is lost", lost[:20])
        tap.ok(not wrong, "every message has the bytes that were sent", wrong[:20])
        tap.ok(duplicates <= OPEN * wanted, "duplicates are at most the open deliveries of each kill", duplicates)
        tap.ok(lab.ctl("spool", "verify", lab.facts["spool_dir"], check=False).returncode == 0, "spool verify finds nothing wrong")
        lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
