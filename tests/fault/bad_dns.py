#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R12: a DNS that does not answer, answers SERVFAIL, late, or lies (another id, another question, cut short), for half of the
domains. Their mail is put off, never returned; that of the others is delivered as it comes. Once the DNS works again all is
delivered. In the end the books must agree.

    tests/fault/bad_dns.py      (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import asyncio
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import traffic

DOMAINS, DELAY_S, LOAD_S = 20, 5, 3
FAULTS = ("silence", "servfail", "slow", "another id", "another question", "cut short")
SETTINGS = ("limits.connections_per_client=1000000", "limits.connections_per_net=1000000")


class Dns(asyncio.DatagramProtocol):
    """Between the daemon and the laboratory's server; `fault` is what becomes of questions about odd domains."""

    def __init__(self, upstream):
        self.upstream, self.fault, self.asked = upstream, None, 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        asyncio.ensure_future(self.answer(data, peer))

    async def answer(self, data, peer):
        found = re.search(rb"\x02?d(\d+)\x04rcpt", data.lower())
        fault = self.fault if found and int(found.group(1)) % 2 else None
        if fault == "silence":
            self.asked += 1
            return
        if fault == "servfail":
            self.asked += 1
            self.transport.sendto(data[:2] + bytes([0x81, 0x82]) + data[4:6] + bytes(6) + data[12:], peer)
            return
        loop, got = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        class Up(asyncio.DatagramProtocol):
            def datagram_received(self, reply, _):
                if not got.done():
                    got.set_result(reply)
        transport, _ = await loop.create_datagram_endpoint(Up, remote_addr=self.upstream)
        transport.sendto(data)
        try:
            reply = bytearray(await asyncio.wait_for(got, 5))
        except asyncio.TimeoutError:
            return
        finally:
            transport.close()
        if fault is not None:
            self.asked += 1
            reply = await self.spoil(reply, fault)
        self.transport.sendto(bytes(reply), peer)

    @staticmethod
    async def spoil(reply, fault):
        if fault == "slow":
            await asyncio.sleep(6)
        elif fault == "another id":
            reply[0] ^= 0x55
        elif fault == "another question":
            reply[13] ^= 1
        else:
            reply = reply[:len(reply) // 2]
        return reply


def healthy_and_sick(flow):
    """Recipients that wait, of even and of odd domains."""
    left = flow.source_book.pairs() - set(flow.sink_book.gave)
    sick = {pair for pair in left if int(re.search(r"@d(\d+)\.", pair[1]).group(1)) % 2}
    return left - sick, sick


def trial(lab, flow, dns, tap, fault):
    dns.fault, dns.asked = fault, 0
    flow.send(lab.port, 8, hold=0.1)
    time.sleep(LOAD_S)
    flow.finish(10)
    began = time.time()
    while healthy_and_sick(flow)[0] and time.time() < began + 3 * DELAY_S:
        time.sleep(0.05)
    healthy, sick = healthy_and_sick(flow)
    tap.ok(not healthy and time.time() - began < DELAY_S, "%s: domains that have a good DNS have their mail" % fault,
           "%d wait after %.1f s" % (len(healthy), time.time() - began))
    tap.ok(sick and dns.asked, "%s: the others wait" % fault, (len(sick), dns.asked))
    dns.fault = None


async def listen(dns, port):
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: dns, local_addr=("127.0.0.1", port))


def main(faults=FAULTS, command="tests/fault/bad_dns.py"):
    tap = case.Recorded(command)
    for fault in faults:
        port = case.lab_tools.free_dns_port()
        with case.Lab(*SETTINGS, "dns.server=127.0.0.1@%d" % port) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
            flow.source_book.domains = DOMAINS
            dns = Dns(("127.0.0.1", int(lab.facts["dns_port"])))
            flow.do(listen(dns, port))
            trial(lab, flow, dns, tap, fault)
            lab.drain(120)
            lab.learn(flow.source_book, flow.sink_book)
            tap.equal(sorted(lab.outcome.bounced)[:5], [], "%s: none is returned" % fault)
            lab.compare(tap, flow)
            lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main()
