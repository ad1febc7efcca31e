# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server for a suite's zone (suite.py), which has what zone files have no words for: octets of any kind in
names and texts, aliases that go in circles, questions that nobody answers. UDP and TCP on a loopback port, on
threads of the test's own."""
import socket
import struct
import threading

import suite

SOA = b"\0" + struct.pack("!HHIH", 6, 1, 60, 22) + b"\0\0" + struct.pack("!IIIII", 1, 60, 60, 60, 60)
UDP_BYTES = 1200
ALIASES_MOST = 8


def wire_name(name):
    return b"".join(bytes([len(label)]) + label for label in name.split(b".") if label) + b"\0"


def wire_data(kind, value):
    if kind == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if kind == "TXT":
        pieces = [piece[i:i + 255] for piece in value for i in range(0, len(piece), 255) or [0]]
        return b"".join(bytes([len(piece)]) + piece for piece in pieces)
    return value if kind in ("A", "AAAA") else wire_name(value)


def wire_record(name, kind, value):
    data = wire_data(kind, value)
    return wire_name(name) + struct.pack("!HHIH", suite.NUMBERS[kind], 1, 60, len(data)) + data


def question_of(query):
    """Name as the zone has it, type, and the octets."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += query[at] + 1
    return b".".join(labels).decode("latin-1").lower(), struct.unpack_from("!H", query, at + 1)[0], query[12:at + 5]


class Server:
    """Answers from `zone`. What the zone has lost is SERVFAIL; names in `silent`, and what is below them, get no
    answer at all. `asked` holds every question."""

    def __init__(self, zone, silent=()):
        self.zone, self.silent, self.asked = zone, silent, []
        self.udp, self.tcp = self.open()
        self.port = self.tcp.getsockname()[1]
        for target in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def open(self):
        for _ in range(100):
            tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                tcp.listen(64)
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()
        raise OSError("no port is free for both UDP and TCP")

    def records(self, name, kind):
        """Answer section, and whether there was an answer to be had."""
        out = []
        while len(out) < ALIASES_MOST:
            found = self.zone.records.get((name, kind), [])
            alias = self.zone.records.get((name, "CNAME"))
            if found or not alias:
                lost = not found and name in self.zone.lost
                return out + [wire_record(name.encode("latin-1"), kind, value) for value in found], not lost, name
            out.append(wire_record(name.encode("latin-1"), "CNAME", alias[0]))
            name = alias[0].decode("latin-1").lower()
        return out, True, name

    def answer(self, query, by_tcp):
        name, number, question = question_of(query)
        kind = next((word for word, value in suite.NUMBERS.items() if value == number), None)
        self.asked.append((name, kind))
        if any(name == other or name.endswith("." + other) for other in self.silent):
            return None
        answers, known, last = self.records(name, kind)
        exists = last in self.zone.names or any(other.endswith("." + last) for other in self.zone.names)
        rcode = 0 if known and (exists or answers) else 3 if known else 2
        if not known:
            answers = []
        truncated = not by_tcp and sum(map(len, answers)) > UDP_BYTES
        if truncated:
            answers = []
        authority = [SOA] if rcode != 2 and not answers and not truncated else []
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | rcode | (0x0200 if truncated else 0), 1, len(answers), len(authority), 0)
        return head + question + b"".join(answers + authority)

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            try:
                answer = self.answer(query, False)
            except (IndexError, struct.error):
                continue
            if answer is not None:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            stream, _ = self.tcp.accept()
            threading.Thread(target=self.serve_stream, args=(stream,), daemon=True).start()

    def serve_stream(self, stream):
        stream.settimeout(30)
        with stream, stream.makefile("rb") as file:
            try:
                while True:
                    head = file.read(2)
                    if len(head) < 2:
                        return
                    answer = self.answer(file.read(struct.unpack("!H", head)[0]), True)
                    if answer is not None:
                        stream.sendall(struct.pack("!H", len(answer)) + answer)
            except (OSError, IndexError, struct.error):
                return
