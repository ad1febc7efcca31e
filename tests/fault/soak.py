#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R23: the daemon with all modules at half of the load that it carries, and a fault each minute, taken in turn from
soak_faults.py. A piece is the life of one process; pieces add up to the 8 hours.

    tests/fault/soak.py [--minutes N] [--rate MESSAGES] [--kills] [--beside TEXT] [--out DIR]     one piece (TAP)
    tests/fault/soak.py --summary [--out DIR]        all pieces so far (TAP; with RELAIS_RECORD set also into RESULTS)

The load is half of what a burst of 30 s was carried at, at most --rate. Each minute a line of the piece's file in DIR (default
BUILD/fault/soak) tells of resident memory, the allocator's use, descriptors, threads, the queue, the rate and the time from
injection to delivery, and at the end another of what the ledgers say (settled.py). A piece that is cut off counts as the minutes
it has, without that. The re-exec comes once, in the second minute, as memory begins anew with it; --kills adds kill -9, with
which memory is not judged. The disk that fills up and gets slow is a file system of its own, in a mount namespace.

Shown: nothing is lost, duplicates are at most what was open where sessions were cut or replies lost, each outcome has its event
and each event its outcome; over all after the warm-up of 15 minutes, and over the last 30 minutes, resident memory grows by less
than 1 MiB an hour, and what the allocator has in use over all (it goes up and down by 2 MiB with each part of the event log's
index); descriptors do not grow.
"""
import argparse
import asyncio
import datetime
import glob
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

MINUTE_S, WARM_UP, LAST, GROWTH_MIB, HOURS = 60, 15, 30, 1.0, 8
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import bad_dns
import case
import harness
import ledger
import settled
import slow_disk
import soak_faults

MB = 1 << 20
SETTINGS = ("relais.certificate_interval=1s", "spool.segment_size=4M", "spool.min_free=8M", "spool.min_free_inodes=300",
            "queue.connections=20", "throttle.min_rate=2000/s", "tracking.retry_interval=1s",
            "limits.connections_per_client=1000000", "limits.connections_per_net=1000000")


class Lab(slow_disk.Lab):
    """Its spool on a small file system."""

    kind = "ext4"  # what full_disk.Filler uses up

    def __init__(self, folder, dns_port):
        self.small, image = "/mnt", os.path.join(folder, "spool.image")
        with open(image, "wb") as file:
            file.truncate(384 * MB)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        done = subprocess.run(["mount", "-o", "loop", image, self.small], check=False, capture_output=True)
        if done.returncode != 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384M", "tmpfs", self.small], check=True)
        os.unlink(image)
        super().__init__(*SETTINGS, "relais.spool_dir=%s/spool" % self.small, "dns.server=127.0.0.1@%d" % dns_port,
                         modules=ledger.MODULES)

    def up(self, *more, env=None):
        super().up(*more, env=env)
        self.facts["spool_dir"] = self.small + "/spool"
        return self

    def figures(self):
        """Memory, descriptors and threads of the process, and what it says of itself."""
        said = self.status("--heap")
        with open("/proc/%d/status" % self.pid) as file:
            proc = dict(line.split(":", 1) for line in file)
        return {"rss_kib": int(proc["VmRSS"].split()[0]), "threads": int(proc["Threads"]),
                "heap_kib": said["heap.used_bytes"] >> 10, "fds": len(os.listdir("/proc/%d/fd" % self.pid)),
                "queue": said["queue.deliveries"], "pid": self.pid}


class Piece:
    """`minute` is how long a minute is."""

    def __init__(self, arguments, minute, measure_s):
        self.arguments, self.minute, self.measure_s = arguments, minute, measure_s
        self.path = os.path.join(arguments.out, datetime.datetime.utcnow().strftime("soak-%Y%m%d-%H%M%S.jsonl"))

    def write(self, **facts):
        with open(self.path, "a") as file:
            file.write(json.dumps(facts) + "\n")
        print("soak: " + " ".join("%s=%s" % item for item in facts.items() if item[0] != "said"), file=sys.stderr, flush=True)

    async def follow(self, books):
        while True:
            books.read()
            await asyncio.sleep(min(1, self.minute / 10))

    async def measure(self, lab, sending):
        """Messages a second that were taken in a burst and delivered, over the time until the last was."""
        began = time.time()
        await asyncio.sleep(self.measure_s)
        sending.paused, count = True, sending.number
        await ledger.drained(lab)
        return count / (time.time() - began)

    def faults(self):
        names = [name for name in soak_faults.Faults.ALWAYS if name != self.arguments.without] + (["kill"] if self.arguments.kills else [])
        for n in range(self.arguments.minutes):
            yield "re-exec" if n == 1 else names[(n - (n > 1)) % len(names)]

    async def one_minute(self, n, name, faults, lab, receiving, sending, books):
        until, sent, taken = time.time() + self.minute, books.acknowledged, receiving.taken
        receiving.took.clear()
        await faults.run(name)
        await asyncio.sleep(max(0, until - time.time()))
        took, seconds = sorted(receiving.took), time.time() - until + self.minute
        figures = await asyncio.to_thread(lab.figures)
        self.write(minute=n + 1, fault=name, rate=round((books.acknowledged - sent) / seconds, 1),
                   delivered=round((receiving.taken - taken) / seconds, 1),
                   p50_ms=round(1000 * took[len(took) // 2], 1) if took else None,
                   p99_ms=round(1000 * took[len(took) * 99 // 100], 1) if took else None, open=len(books.open),
                   load=round(os.getloadavg()[0], 1), bad=faults.bad[:], **figures)

    async def everything(self, lab, dns, dns_port, tap):
        receiving = soak_faults.Peer(lab.sink_port)
        sending = soak_faults.Sending(lab.port, receiving.began)
        await bad_dns.listen(dns, dns_port)
        await receiving.listen()
        await asyncio.to_thread(lab.wait, lambda: not any(row["failing_step"] for row in lab.rows("track", "hosts") if "host" in row), 30,
                                "tracking hosts that work")
        books = settled.Settled(lab.facts["events"], receiving, sending)
        books.began = receiving.began
        back = ledger.GivenBack(lab, receiving)
        helpers = [asyncio.ensure_future(back.run()) for _ in range(8)] + [asyncio.ensure_future(self.follow(books))]
        senders = [asyncio.ensure_future(sending.connection(i)) for i in range(ledger.CONNECTIONS)]
        carried = await self.measure(lab, sending) if self.measure_s else 2 * self.arguments.rate
        sending.rate, sending.paused = min(self.arguments.rate or carried, carried / 2), False
        self.write(piece=os.path.basename(self.path), measured=round(carried), rate=round(sending.rate), minutes=self.arguments.minutes,
                   kills=self.arguments.kills, beside=self.arguments.beside, minute_s=self.minute)
        faults = soak_faults.Faults(lab, receiving, sending, dns, tap, self.minute)
        for n, name in enumerate(self.faults()):
            await self.one_minute(n, name, faults, lab, receiving, sending, books)
        sending.stopped = True
        await asyncio.gather(*senders)
        await ledger.drained(lab)
        await asyncio.wait_for(receiving.give_back.join(), 300)
        helpers[-1].cancel()
        until = time.time() + 20  # hits are looked at together for 3 s, and the log is written a second after
        while not books.knows(back) and time.time() < until:
            await asyncio.sleep(0.2)
            books.read()
        await asyncio.sleep(1)  # what there should not be
        books.read()
        for task in helpers:
            task.cancel()
        receiving.server.close()
        return receiving, books, back, faults

    def run(self):
        tap, dns_port = case.Recorded(" ".join(["tests/fault/soak.py"] + sys.argv[1:])), case.lab_tools.free_dns_port()
        os.environ.pop("RELAIS_RECORD", None)  # the summary is what is recorded
        with Lab(self.arguments.out, dns_port) as lab:
            dns = bad_dns.Dns(("127.0.0.1", int(lab.facts["dns_port"])))
            receiving, books, back, faults = asyncio.run(self.everything(lab, dns, dns_port, tap))
            books.check(tap, back, lab, receiving.cut)
            tap.ok(not receiving.spoilt, "plain text has the octets that were sent", receiving.spoilt[:10])
            tap.ok(not faults.bad, "each fault went as it should", faults.bad[:10])
            tap.equal(ledger.figure(lab), 0, "nothing waits")
            self.end_of_daemon(lab, tap)
        self.write(end=time.time(), bad=tap.bad, said=tap.said)
        self.slopes(tap)
        tap.end()

    @staticmethod
    def end_of_daemon(lab, tap):
        began = time.time()
        os.kill(lab.pid, 15)
        while lab.is_alive() and time.time() < began + 30:
            time.sleep(0.05)
        tap.ok(time.time() - began <= 10, "SIGTERM ends it within 10 s", time.time() - began)
        done = lab.ctl("spool", "verify", lab.facts["spool_dir"], check=False)
        tap.ok(done.returncode == 0, "spool verify finds nothing wrong", done.stdout + done.stderr)
        said = [line for line in lab.complaints() if "WARNING" not in line]
        tap.ok(not said, "its log is clean, but for warnings", said[:20])

    def slopes(self, tap):
        _, rows, _ = read(self.path)
        for text, good in judge(rows, self.arguments.kills):
            tap.ok(good, text)
        found = [[good for _, good in judge(invented(mib, fds))] for mib, fds in ((0.9, 0), (1.1, 0), (0.9, 4))]
        tap.equal(found, [[True] * 4, [False] * 3 + [True], [True] * 3 + [False]],
                  "a growth of 1.1 MiB an hour would have been found, one of 0.9 not; and 4 descriptors an hour")


def read(path):
    """Head, minutes and end of a piece's file; what is not there yet is None."""
    head, rows, end = None, [], None
    with open(path) as file:
        for line in file:
            if not line.endswith("\n"):
                break
            row = json.loads(line)
            if "piece" in row:
                head = row
            elif "minute" in row:
                rows.append(row)
            else:
                end = row
    return head, rows, end


def slope(rows, field):
    """MiB an hour: the median over all pairs of minutes of the same fault (Theil and Sen). A reload gives back what two faults
    later is taken again, and a minute in which much waited is no growth."""
    return statistics.median((b[field] - a[field]) / 1024 / (b["minute"] - a["minute"]) * 60
                             for a, b in itertools.combinations(rows, 2) if a["fault"] == b["fault"])


def judge(rows, kills=False):
    """(text, whether it holds) for memory and descriptors; nothing for a piece too short, or with kills."""
    begin, found = max([row["minute"] for row in rows if row["fault"] == "re-exec"], default=0), []
    warm = [row for row in rows if row["minute"] > begin + WARM_UP]
    if len(warm) < LAST or kills:
        return found
    for name, part, field in (("resident memory, after the warm-up,", warm, "rss_kib"),
                              ("resident memory over the last %d minutes" % LAST, warm[-LAST:], "rss_kib"),
                              ("memory in use, after the warm-up,", warm, "heap_kib")):
        found.append(("%s grows by less than %g MiB an hour (%.2f)" % (name, GROWTH_MIB, slope(part, field)),
                      slope(part, field) < GROWTH_MIB))
    third = len(warm) // 3
    # Connections come and go, all at once, too, so that what is open varies; what is never closed lies below all of it.
    early, late = (sorted(row["fds"] for row in part) for part in (warm[:third], warm[-third:]))
    grown = min((late[at] - early[at], early[at], late[at]) for at in (third // 20, third // 2))
    found.append(("descriptors do not grow (%d, then %d)" % grown[1:], grown[0] <= 2))
    return found


def invented(mib, fds):
    """Minutes in which memory and descriptors grow by so much an hour, with the unrest of each fault."""
    kib = [round(40960 + minute * mib * 1024 / 60) + (minute % 9) * 3000 + minute * 7919 % 64 for minute in range(1, 101)]
    return [{"minute": n + 1, "fault": (n + 1) % 9, "rss_kib": value, "heap_kib": value, "fds": 50 + n % 3 + fds * n // 60} for n, value in enumerate(kib)]


def median(rows, field):
    values = sorted(row[field] for row in rows if row[field] is not None)
    return values[len(values) // 2] if values else 0


def summary(out):
    tap, total = case.Recorded("tests/fault/soak.py --summary"), 0
    for path in sorted(glob.glob(os.path.join(out, "soak-*.jsonl"))):
        head, rows, end = read(path)
        if not head or not rows or head["minute_s"] != MINUTE_S:
            continue
        total += len(rows)
        tap.note("%s: %d of %d minutes%s, %d messages a second (it carried %d); beside: %s" % (head["piece"], len(rows), head["minutes"],
                 "" if end else " (cut off)", head["rate"], head["measured"], head["beside"] or "nothing"))
        tap.note("injection to delivery p50 %.0f ms, p99 %.0f ms (median of the minutes), worst minute %.1f s; resident %.1f to %.1f MiB"
                 % (median(rows, "p50_ms"), median(rows, "p99_ms"), max(row["p99_ms"] or 0 for row in rows) / 1000,
                    min(row["rss_kib"] for row in rows[-LAST:]) / 1024, max(row["rss_kib"] for row in rows[-LAST:]) / 1024))
        for line in end["said"] if end else []:
            if line.startswith("#") or line.startswith("not ok"):
                tap.note(line.lstrip("# "))
        if end:
            tap.ok(end["bad"] == 0, "%s: the books agree, and each fault went as it should" % head["piece"])
        for text, good in judge(rows, head["kills"]):
            tap.ok(good, "%s: %s" % (head["piece"], text))
    tap.note("%d minutes of %d" % (total, HOURS * 60))
    tap.end()


def parse(words):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--minutes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--beside", default="")
    parser.add_argument("--out", default=os.path.join(harness.BUILD, "fault", "soak"))
    parser.add_argument("--without", default="", help=argparse.SUPPRESS)
    parser.add_argument("--minute", type=float, default=MINUTE_S, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=float, default=30, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(words):
    arguments = parse(words)
    if arguments.summary:
        summary(arguments.out)
        return
    os.makedirs(arguments.out, exist_ok=True)
    if "RELAIS_SOAK_INSIDE" not in os.environ:
        seconds = int(arguments.minutes * arguments.minute) + 1800
        users = [] if os.getuid() == 0 else ["--map-root-user"]
        os.environ.update(RELAIS_SOAK_INSIDE="yes", RELAIS_LAB_SECONDS=str(seconds))
        os.execvp("unshare", ["unshare", *users, "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__), *words])
    Piece(arguments, arguments.minute, arguments.measure).run()


if __name__ == "__main__":
    main(sys.argv[1:])
