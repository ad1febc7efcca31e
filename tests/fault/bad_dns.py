#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R12: a DNS that does not answer, answers SERVFAIL, late, or lies (another id, another question, cut short), for half of the
domains. Their mail is put off, never returned; that of the others is delivered as it comes. Once the DNS works again all is
delivered. Where its answers change between NXDOMAIN, SERVFAIL and good ones, never NXDOMAIN twice running, none is returned and
all comes in the end; where it says NXDOMAIN twice, mail is returned at once, with 5.1.2. In the end the books must agree.

    tests/fault/bad_dns.py [FAULT...]      one or some of FAULTS only (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import collections
import os
import re
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic

DOMAINS, DELAY_S, LOAD_S = 20, 5, 3
FAULTS = ("silence", "servfail", "slow", "another id", "another question", "cut short", "flap", "nxdomain")
FLAPS = ("NG", "NSG", "SNG", "SNSG")  # answers in turn, again and again; N is NXDOMAIN once, S SERVFAIL, G good
LAST_S = {"S": 0.5, "G": 3}  # for so long: a question whose answer comes late is asked twice
SETTINGS = ("limits.connections_per_client=1000000", "limits.connections_per_net=1000000")


def odd(name):
    """The number of a domain that has one and is odd, or None."""
    found = re.fullmatch(r"d(\d+)\.rcpt\.test", name)
    return int(found.group(1)) if found and int(found.group(1)) % 2 else None


def question_of(data):
    """The name that is asked for, in lower case, and the question's octets."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode(errors="replace").lower())
        at += 1 + data[at]
    return ".".join(labels), data[12:at + 5]


def failure(data, rcode):
    """The answer that there is none, with what makes an absence last for a minute."""
    soa = b"\x04test\0" + struct.pack("!HHIH", 6, 1, 60, 38) + b"\x02ns\x04test\0" + b"\x02hm\x04test\0" + struct.pack("!5I", 1, 60, 60, 60, 60)
    return data[:2] + struct.pack("!BBHHHH", 0x85, 0x80 | rcode, 1, 0, rcode == 3, 0) + question_of(data)[1] + (soa if rcode == 3 else b"")


class Flap:
    """What is said of one domain, question after question."""

    def __init__(self, turns):
        self.turns, self.at, self.until = turns, 0, None

    def next(self):
        while True:
            turn = self.turns[self.at % len(self.turns)]
            if turn == "N":
                self.at += 1
                return turn
            self.until = self.until or time.monotonic() + LAST_S[turn]
            if time.monotonic() < self.until:
                return turn
            self.until = None
            self.at += 1


class Upstream(asyncio.DatagramProtocol):
    """Questions to the server, each with an id of our own."""

    def __init__(self):
        self.waiting, self.last = {}, 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _):
        waiting = self.waiting.pop(data[:2], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(data[2:])

    async def ask(self, data):
        """The answer, or None."""
        self.last = (self.last + 1) % 65536
        number = struct.pack("!H", self.last)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        self.transport.sendto(number + data[2:])
        try:
            return bytearray(data[:2] + await asyncio.wait_for(self.waiting[number], 5))
        except asyncio.TimeoutError:
            return None


class Dns(asyncio.DatagramProtocol):
    """Between the daemon and the laboratory's server; `fault` is what becomes of questions about names that `sick` gives a
    number for. `asked` counts those, `said` what they were told."""

    def __init__(self, upstream, sick=odd):
        self.address, self.upstream, self.sick, self.fault = upstream, Upstream(), sick, None
        self.asked, self.flaps, self.said = 0, {}, collections.Counter()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        asyncio.ensure_future(self.answer(data, peer))

    def rcode(self, number):
        """What a sick domain is refused with, or None."""
        turn = {"servfail": "S", "nxdomain": "N"}.get(self.fault, "G")
        if self.fault == "flap":
            turn = self.flaps.setdefault(number, Flap(FLAPS[number // 2 % len(FLAPS)])).next()
            self.said[turn] += 1
        return {"S": 2, "N": 3}.get(turn)

    async def answer(self, data, peer):
        number = self.sick(question_of(data)[0]) if self.fault else None
        if number is not None:
            self.asked += 1
            rcode = self.rcode(number)
            if rcode is not None:
                self.transport.sendto(failure(data, rcode), peer)
            if rcode is not None or self.fault == "silence":
                return
        reply = await self.upstream.ask(data)
        if reply is not None:
            if number is not None:
                reply = await self.spoil(reply, self.fault)
            self.transport.sendto(bytes(reply), peer)

    @staticmethod
    async def spoil(reply, fault):
        if fault == "slow":
            await asyncio.sleep(6)
        elif fault == "another id":
            reply[0] ^= 0x55
        elif fault == "another question":
            reply[13] ^= 1
        elif fault == "cut short":
            reply = reply[:len(reply) // 2]
        return reply


def healthy_and_sick(flow):
    """Recipients that wait, of even and of odd domains."""
    left = flow.source_book.pairs() - set(flow.sink_book.gave)
    sick = {pair for pair in left if int(re.search(r"@d(\d+)\.", pair[1]).group(1)) % 2}
    return left - sick, sick


def load(lab, flow, seconds):
    """Mail for a while; the recipients of good domains that wait then, and for how long."""
    flow.send(lab.port, 8, hold=0.1)
    time.sleep(seconds)
    flow.finish(10)
    began = time.time()
    while healthy_and_sick(flow)[0] and time.time() < began + 3 * DELAY_S:
        time.sleep(0.05)
    return healthy_and_sick(flow)[0], time.time() - began


def trial(lab, flow, dns, tap, fault, load_s):
    healthy, seconds = load(lab, flow, load_s)
    tap.ok(not healthy and seconds < DELAY_S, "%s: domains that have a good DNS have their mail" % fault,
           "%d wait after %.1f s" % (len(healthy), seconds))
    if fault == "flap":
        lab.drain(60)
        tap.note("flap: said to %d questions: %s" % (dns.asked, dict(sorted(dns.said.items()))))
        tap.ok(dns.said["N"] >= DOMAINS // 2 and dns.said["S"], "flap: each was told all of it", dns.said)
        tap.equal(sorted(healthy_and_sick(flow)[1])[:5], [], "flap: the others have theirs in the end")
    elif fault == "nxdomain":
        lab.drain(60)
        returned(lab, flow, dns, tap)
    else:
        sick = healthy_and_sick(flow)[1]
        tap.ok(sick and dns.asked, "%s: the others wait" % fault, (len(sick), dns.asked))


def returned(lab, flow, dns, tap):
    """What goes to a domain that does not exist."""
    sick, until = healthy_and_sick(flow)[1], time.time() + 5
    lab.learn(flow.source_book, flow.sink_book)
    while sick != lab.outcome.bounced and time.time() < until:
        time.sleep(0.2)
        lab.read_events(flow.source_book)
    tap.ok(sick and sick == lab.outcome.bounced, "nxdomain: the mail of the others is returned, and no other", (len(sick), len(lab.outcome.bounced)))
    told = {event.get("enhanced") for event in lab.events() if event["type"] == "bounced"}
    tap.equal(told, {"5.1.2"}, "nxdomain: with 5.1.2")
    tap.ok(dns.asked >= DOMAINS, "nxdomain: after a second question", dns.asked)
    tap.ok(flow.sink.reports > 0, "nxdomain: the sender has reports")


def zone():
    """What is known of odd domains does not last."""
    file = tempfile.NamedTemporaryFile("w", suffix=".zone", delete=False)
    with file:
        file.write("".join("d%d.rcpt 1 MX 10 sink.test.\n" % i for i in range(1, DOMAINS, 2)))
    return file.name


async def listen(dns, port):
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: dns.upstream, remote_addr=dns.address)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: dns, local_addr=("127.0.0.1", port))


def main(faults=FAULTS, command="tests/fault/bad_dns.py", load_s=LOAD_S):
    tap = case.Recorded(command)
    for fault in faults:
        port, path = case.lab_tools.free_dns_port(), zone()
        with case.Lab(*SETTINGS, "dns.server=127.0.0.1@%d" % port, more=("--zone", path)) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
            os.unlink(path)
            flow.source_book.domains = DOMAINS
            dns = Dns(("127.0.0.1", int(lab.facts["dns_port"])))
            flow.do(listen(dns, port))
            dns.fault = fault
            trial(lab, flow, dns, tap, fault, load_s)
            dns.fault = None
            lab.drain(120)
            lab.learn(flow.source_book, flow.sink_book)
            if fault != "nxdomain":
                tap.equal(sorted(lab.outcome.bounced)[:5], [], "%s: none is returned" % fault)
            lab.compare(tap, flow)
            lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(sys.argv[1:] or FAULTS, " ".join(["tests/fault/bad_dns.py", *sys.argv[1:]]))
