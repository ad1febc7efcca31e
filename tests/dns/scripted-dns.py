#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server that answers by a script, on a loopback port, UDP and TCP. For the lab.

    scripted-dns.py PORT SCRIPT      (PORT 0: any; "port=N" is printed once it answers)

The script has one line a record, NAME TYPE VALUE, and one line NAME TYPE !WORD... for what happens
to the first, second, ... question; the last word stays. Words: ANSWER NXDOMAIN SERVFAIL REFUSED DROP
TRUNCATE (by UDP) GARBAGE WRONGID BADDATA, and DELAY=MS before an answer. A name without lines does
not exist; one without lines of a type has none of it. "#" begins a comment line. The script is read
again when it changes.
"""
import os
import socket
import struct
import sys
import threading
import time

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
RCODES = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


def wire_name(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def wire_data(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + wire_name(host)
    if kind == "TXT":
        raw = value.encode()
        pieces = [raw[i:i + 255] for i in range(0, len(raw), 255)] or [b""]
        return b"".join(bytes([len(piece)]) + piece for piece in pieces)
    if kind == "TLSA":
        return bytes.fromhex(value.replace(" ", ""))
    return wire_name(value)


def wire_record(name, kind, value, bad=False):
    data = wire_data(kind, value)
    if bad:
        data = data[:-1]
    return wire_name(name) + struct.pack("!HHIH", TYPES[kind], 1, 60, len(data)) + data


SOA = b"\0" + struct.pack("!HHIH", 6, 1, 60, 22) + b"\0\0" + struct.pack("!IIIII", 1, 60, 60, 60, 60)


class Script:
    def __init__(self, path):
        self.path, self.stamp = path, None
        self.records, self.words, self.counts = {}, {}, {}
        self.lock = threading.Lock()
        self.refresh()

    def refresh(self):
        stat = os.stat(self.path)
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp == self.stamp:
            return
        records, words = {}, {}
        with open(self.path) as file:
            for line in file:
                parts = line.strip().split(None, 2)
                if len(parts) < 3 or parts[0].startswith("#"):
                    continue
                name, kind, value = parts[0].lower().rstrip("."), parts[1].upper(), parts[2]
                if kind not in TYPES:
                    raise ValueError("no type %s" % kind)
                if value.startswith("!"):
                    words[name, kind] = value[1:].split()
                else:
                    wire_data(kind, value)
                    records.setdefault((name, kind), []).append(value)
        self.records, self.words, self.counts, self.stamp = records, words, {}, stamp

    def word(self, name, kind):
        """What is to happen to this question, which is counted."""
        count = self.counts.get((name, kind), 0)
        self.counts[name, kind] = count + 1
        words = self.words.get((name, kind), ["ANSWER"])
        return words[min(count, len(words) - 1)]

    def exists(self, name):
        return any(key[0] == name for key in list(self.records) + list(self.words))

    def answers(self, name, kind, bad):
        out = []
        while (name, "CNAME") in self.records and kind != "CNAME" and len(out) < 50:
            target = self.records[name, "CNAME"][0]
            out.append(wire_record(name, "CNAME", target))
            name = target.lower().rstrip(".")
        return out + [wire_record(name, kind, value, bad) for value in self.records.get((name, kind), [])]


def question_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += query[at] + 1
    return ".".join(labels), struct.unpack_from("!H", query, at + 1)[0], query[12:at + 5]


def reply_to(script, query, by_tcp):
    """The answer and how long to wait before it; None for none."""
    name, number, question = question_of(query)
    kind = next((word for word, value in TYPES.items() if value == number), None)
    with script.lock:
        try:
            script.refresh()
        except (OSError, ValueError) as error:
            print("scripted-dns: the old script stays: %s" % error, file=sys.stderr, flush=True)
        word = script.word(name, kind)
        exists = script.exists(name)
        answers = script.answers(name, kind, word == "BADDATA")
    delay = int(word[6:]) / 1000 if word.startswith("DELAY=") else 0
    if word == "DROP":
        return None, 0
    rcode = RCODES.get(word, 0 if exists else 3)
    truncated = word == "TRUNCATE" and not by_tcp
    if rcode or truncated:
        answers = []
    authority = [SOA] if rcode in (0, 3) and not answers and not truncated else []
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    identity = query[:2] if word != "WRONGID" else bytes([query[0] ^ 0x55, query[1]])
    body = struct.pack("!HHHHH", flags, 1, len(answers), len(authority), 0) + question
    body += b"".join(answers + authority)
    return identity + (b"\xc0" * len(body) if word == "GARBAGE" else body), delay


def later(delay, send):
    if delay:
        threading.Timer(delay, send).start()
    else:
        send()


def serve_udp(udp, script):
    while True:
        query, peer = udp.recvfrom(4096)
        try:
            answer, delay = reply_to(script, query, False)
        except (IndexError, struct.error):
            continue
        if answer is not None:
            later(delay, lambda answer=answer, peer=peer: udp.sendto(answer, peer))


def read_exactly(stream, size):
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve_connection(stream, script):
    stream.settimeout(10)
    with stream:
        try:
            while True:
                size, = struct.unpack("!H", read_exactly(stream, 2))
                answer, delay = reply_to(script, read_exactly(stream, size), True)
                time.sleep(delay)
                if answer is not None:
                    stream.sendall(struct.pack("!H", len(answer)) + answer)
        except (EOFError, OSError, IndexError, struct.error):
            return


def open_sockets(port):
    for _ in range(100):
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(tcp.getsockname())
            tcp.listen(64)
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
    raise OSError("no port is free for both UDP and TCP")


def main():
    if len(sys.argv) != 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    script = Script(sys.argv[2])
    udp, tcp = open_sockets(int(sys.argv[1]))
    threading.Thread(target=serve_udp, args=(udp, script), daemon=True).start()
    print("port=%d" % tcp.getsockname()[1], flush=True)
    while True:
        stream, _ = tcp.accept()
        threading.Thread(target=serve_connection, args=(stream, script), daemon=True).start()


if __name__ == "__main__":
    main()
