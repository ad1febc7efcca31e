#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's DNS server does what its script says."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = """# a comment
a.test A 192.0.2.1
a.test MX 10 mx.a.test
fails.test A !SERVFAIL
twice.test A 192.0.2.2
twice.test A !NXDOMAIN ANSWER
dropped.test A !DROP
big.test TXT big
big.test TXT !TRUNCATE
slow.test A 192.0.2.3
slow.test A !DELAY=200
odd.test A 192.0.2.4
odd.test A !WRONGID
c.test CNAME a.test
"""
count = 0


def check(what, good):
    global count
    count += 1
    print("%s %d - %s" % ("ok" if good else "not ok", count, what))
    return good


def query(name, number):
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    return b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + labels + b"\0" + struct.pack("!HH", number, 1)


def by_udp(port, name, number=1):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.5)
        udp.sendto(query(name, number), ("127.0.0.1", port))
        try:
            return udp.recv(4096)
        except socket.timeout:
            return None


def by_tcp(port, name, number=1):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as tcp:
        asked = query(name, number)
        tcp.sendall(struct.pack("!H", len(asked)) + asked)
        return tcp.recv(4096)[2:]


def rcode(answer):
    return answer[3] & 15


def records(answer):
    return struct.unpack_from("!H", answer, 6)[0]


def run(port, path):
    good = [
        check("an address", by_udp(port, "A.test")[-4:] == b"\xc0\0\x02\x01"),
        check("an absent type", rcode(by_udp(port, "a.test", 28)) == 0 and records(by_udp(port, "a.test", 28)) == 0),
        check("an absent name", rcode(by_udp(port, "b.test")) == 3),
        check("a failure", rcode(by_udp(port, "fails.test")) == 2),
        check("the first word", rcode(by_udp(port, "twice.test")) == 3),
        check("the second word", records(by_udp(port, "twice.test")) == 1),
        check("a dropped question", by_udp(port, "dropped.test") is None),
        check("truncation by UDP", by_udp(port, "big.test", 16)[2] & 2 == 2),
        check("the whole by TCP", records(by_tcp(port, "big.test", 16)) == 1),
        check("another's number", by_udp(port, "odd.test")[:2] != b"\x12\x34"),
        check("an alias", records(by_udp(port, "c.test")) == 2),
    ]
    begun = time.monotonic()
    good.append(check("a delay", records(by_udp(port, "slow.test")) == 1 and time.monotonic() - begun >= 0.2))
    with open(path, "a") as file:
        file.write("new.test A 192.0.2.9\n")
    good.append(check("a script that changed", records(by_udp(port, "new.test")) == 1))
    return all(good)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script")
        with open(path, "w") as file:
            file.write(SCRIPT)
        server = subprocess.Popen([sys.executable, os.path.join(HERE, "scripted-dns.py"), "0", path],
                                  stdout=subprocess.PIPE, text=True)
        try:
            good = run(int(server.stdout.readline().split("=")[1]), path)
        finally:
            server.kill()
            server.wait()
    print("1..%d" % count)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
