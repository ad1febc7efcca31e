#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R19: an outage is over. Many deliveries were put off, of bulk mail to a few sites; the daemon is killed, started on them, and then
all are due at once. Each site is met with few connections at first, and never with more than allowed; new mail, to one of the
sites and to another, is delivered soon all the while; what each waiting message costs in memory is told. The times of the next
attempts are spread. In the end the books must agree.

    tests/fault/outage.py [MESSAGES]      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import collections
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

SITES, FIRST, MOST, CONNECTIONS = 4, 2, 10, 40
WATCH_S, SOON_S, BYTES_EACH, ANSWER_S = 20, 5, 1536, 0.02
OTHER = "other"  # a site without backlog
ZONE = "".join("d%d.rcpt MX 10 mx%d.test.\nmx%d A 127.0.0.1\n" % (n, n, n) for n in range(SITES)) + "other.rcpt MX 10 mxo.test.\nmxo A 127.0.0.1\n"
SETTINGS = ("limits.connections_per_client=1000000", "class.bulk.retry=12h", "queue.connections=%d" % MOST,
            "queue.first_connections=%d" % FIRST)


class Bulk(books.Message):
    def __init__(self, number, large_every=50, lines=None, domains=SITES):
        super().__init__(number, 1 << 60, 5, SITES)
        self.recipients = self.recipients[:1]
        self.data = b"Precedence: bulk\r\n" + self.data


class BulkBook(books.SourceBook):
    def next(self, large_every=50, lines=None):
        self.last += 1
        return Bulk(self.last)


def site_of(recipient):
    return recipient.partition("@")[2].partition(".")[0]


class Session(traffic.Session):
    """Knows the site that it was made for once it is told of a recipient; Watch counts."""

    def connection_made(self, transport):
        self.site = None
        super().connection_made(transport)

    def do_rcpt(self, argument):
        site = site_of(self.path(argument)[0])
        if self.site is None:
            self.site = site
            self.sink.watch.come(site)
        self.sink.watch.attempts[int(time.time() - self.sink.watch.began)] += 1
        super().do_rcpt(argument)

    def give(self, data, recipients):
        self.sink.watch.taken[site_of(recipients[0])] += 1
        super().give(data, recipients)

    def connection_lost(self, trouble):
        if self.site is not None:
            self.sink.watch.gone(self.site)
        super().connection_lost(trouble)


class Watch:
    """Connections to each site, and attempts in each second, from `begin` on."""

    def __init__(self):
        self.open = collections.Counter()
        self.begin()

    def begin(self):
        self.began, self.attempts, self.most, self.ramp = time.time(), collections.Counter(), collections.Counter(self.open), []
        self.taken, self.rash = collections.Counter(), []

    def come(self, site):
        self.open[site] += 1
        self.most[site] = max(self.most[site], self.open[site])
        if self.open[site] > FIRST + self.taken[site]:
            self.rash.append((site, self.open[site], self.taken[site]))
        self.ramp.append((time.time() - self.began, site, self.open[site]))

    def gone(self, site):
        self.open[site] -= 1

    def reached(self, site, connections):
        """When so many were open for the first time; None: never."""
        return next((at for at, of, n in self.ramp if of == site and n >= connections), None)


class Traffic(traffic.Traffic):
    def __init__(self, directory, port):
        super().__init__(directory, port, delay=ANSWER_S)
        self.source_book = BulkBook(os.path.join(directory, "source.book"))
        self.sink.watch = Watch()

    async def listen(self):
        sink = self.sink
        sink.server = await asyncio.get_running_loop().create_server(lambda: Session(sink), sink.host, sink.port, backlog=1024)

    def __enter__(self):
        self.sink.start = self.listen
        return super().__enter__()


def resident(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) * 1024


def fresh(lab, flow, site):
    """A transactional message to that site: seconds from its 250 to its delivery, or None."""
    book = flow.source_book
    book.last += 1
    message = books.Message(book.last, 1 << 60, 5)
    message.recipients = ["u%d-0@%s.rcpt.test" % (message.number, site)]
    if not traffic.submit(book, lab.port, message).startswith("250"):
        return None
    began = time.time()
    while (message.number, message.recipients[0]) not in flow.sink_book.gave:
        if time.time() - began > 30:
            return None
        time.sleep(0.002)
    return time.time() - began


def fill(lab, flow, messages):
    """So many are put off; octets that each costs. The daemon is then a new one."""
    lab.kill()
    lab.start()
    before = resident(lab.pid)
    flow.sink.refuse = lambda recipient: None if site_of(recipient) == OTHER else "450 4.2.1 not now"
    flow.send(lab.port, CONNECTIONS, wanted=messages)
    while not flow.sending.done():
        time.sleep(0.05)
    lab.wait(lambda: lab.status()["queue.due"] == 0 and lab.status()["queue.active"] == 0, 600, "that all are put off")
    lab.cut_and_restart(flow)
    return (resident(lab.pid) - before) / messages


def spread(lab, messages):
    """Of the waits until the next attempts: the shortest and longest, in hours; of some of them."""
    now = time.time()
    rows = lab.rows("queue", "list", "--limit=2000")
    ends = sorted(case.datetime.datetime.fromisoformat(row["until"].replace("Z", "+00:00")).timestamp() - now for row in rows if row.get("until"))
    return ends[0] / 3600, ends[-1] / 3600


def flood(lab, flow, tap, watch_s):
    watch = flow.sink.watch
    flow.sink.refuse = None
    watch.begin()
    lab.ctl("queue", "retry", "--all")
    until, soon = time.time() + watch_s, {"d0": [], OTHER: []}
    while time.time() < until and flow.waiting > 100:
        for site, of in soon.items():
            of.append(fresh(lab, flow, site))
        time.sleep(0.2)
    seconds = int(time.time() - watch.began)
    rates = [watch.attempts[second] for second in range(seconds)]
    tap.note("attempts in each second: %s" % " ".join(map(str, rates)))
    tap.note("connections to a site: %s at most; %d after %s s, %d after %s s"
             % (max(watch.most.values()), FIRST + 1, told(watch, FIRST + 1), MOST, told(watch, MOST)))
    return watch, soon, rates


def told(watch, connections):
    times = [at for at in (watch.reached("d%d" % n, connections) for n in range(SITES)) if at is not None]
    return "%.3f" % min(times) if times else "never"


def main(messages, command="tests/fault/outage.py", watch_s=WATCH_S):
    tap = case.Recorded("%s %d" % (command, messages))
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as zone:
        zone.write(ZONE)
        zone.flush()
        with case.Lab(*SETTINGS, more=("--zone", zone.name)) as lab, Traffic(lab.directory, lab.sink_port) as flow:
            each = fill(lab, flow, messages)
            first, last = spread(lab, messages)
            tap.note("%d put off, %.0f octets of memory each after a restart of %.2f s; next attempts in %.2f to %.2f h"
                     % (messages, each, lab.outcome.restarts[-1][0], first, last))
            tap.ok(messages < 20000 or each <= BYTES_EACH, "a waiting message costs little", each)
            tap.ok(last - first > 0.8, "the next attempts are spread over a tenth of the interval", (first, last))
            alone = fresh(lab, flow, OTHER)
            watch, soon, rates = flood(lab, flow, tap, watch_s)
            for site, took in soon.items():
                times = sorted(t for t in took if t is not None)
                tap.note("new mail to %s: %d messages, %.3f s in the middle, %.3f s at most (before, to another: %.3f s)"
                         % ("the first of the sites" if site != OTHER else "another site", len(times), times[len(times) // 2], times[-1], alone or -1))
                tap.ok(None not in took and times[-1] <= SOON_S, "new mail to %s is delivered soon" % ("these sites" if site != OTHER else "another site"), took)
            tap.ok(max(watch.most.values()) <= MOST, "no site has more connections than allowed", watch.most)
            tap.ok(not watch.rash, "each site begins with few, and gets one more for a message that it took", watch.rash[:10])
            flow.sink.delay = 0.0
            lab.drain(1200)
            lab.compare(tap, flow)
            lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200000)
