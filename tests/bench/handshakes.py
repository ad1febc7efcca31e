#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS handshakes that all come at once from one net: for how long the main loop stands still, and how long a client of another
net waits for its own handshake meanwhile.

    tests/bench/handshakes.py BUILD [--clients N] [--rounds N] [--key rsa:2048]        medians of the rounds, and each round

Each client of the crowd (127.0.0.1) asks for STARTTLS; then the ClientHellos of all go out in one go, and right behind them the
one of the client from 127.0.9.9. Beside it stands what that client waits for without a crowd.
"""
import argparse
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
if len(sys.argv) > 1:
    os.environ.setdefault("RELAIS_BUILDDIR", os.path.abspath(sys.argv[1]))
os.environ.setdefault("RELAIS_SRCDIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import harness

SETTINGS = ("--set", "limits.connections_per_client=1000000", "--set", "limits.connections_per_net=1000000")


class Client:
    """Its handshake is made in memory, so that each half is sent when the test says so."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def __init__(self, port, address):
        self.sock = socket.create_connection(("127.0.0.1", port), 20, (address, 0))
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.came, self.goes)
        self.read_reply()
        self.sock.sendall(b"EHLO client.test\r\n")
        self.read_reply()
        self.sock.sendall(b"STARTTLS\r\n")
        self.read_reply()
        self.step()
        self.hello = self.goes.read()

    def read_reply(self):
        text = b""
        while not (text.endswith(b"\r\n") and text.splitlines()[-1][3:4] == b" "):
            text += self.sock.recv(4096)

    def step(self):
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def finish(self):
        while not self.step():
            data = self.sock.recv(16384)
            if not data:
                raise ConnectionError("the server ended a handshake")
            self.came.write(data)
        self.sock.sendall(self.goes.read())


def certificate(folder, key):
    """Made in `folder`; the laboratory's arguments that name it."""
    kind, what = key.split(":")
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    made = ["ec", "-pkeyopt", "ec_paramgen_curve:" + what] if kind == "ec" else [key]
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=relais.test", "-newkey", *made,
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return ("--set", "listener.lab.certificate=" + files[0], "--set", "listener.lab.key=" + files[1])


def wait_ms(client):
    began = time.monotonic()
    client.sock.sendall(client.hello)
    client.finish()
    return (time.monotonic() - began) * 1000


def one_round(lab, clients):
    alone = wait_ms(Client(lab.port, "127.0.9.9"))
    crowd = [Client(lab.port, "127.0.0.1") for _ in range(clients)]
    guest = Client(lab.port, "127.0.9.9")
    lab.status("--reset")
    for client in crowd:
        client.sock.sendall(client.hello)
    waited = wait_ms(guest)
    for client in crowd:
        client.finish()
    gap = lab.status()["loop.longest_gap_us"] / 1000
    for client in crowd:
        client.sock.close()
    return gap, waited, alone


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build")
    parser.add_argument("--clients", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--key", default="ec:P-256", help="ec:P-256 (default), rsa:2048, ...")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, harness.Lab(*SETTINGS, *certificate(folder, options.key)) as lab:
        rounds = [one_round(lab, options.clients) for _ in range(options.rounds)]
    print("%d handshakes at once, %s, medians of %d rounds" % (options.clients, options.key, options.rounds))
    for name, values in zip(("longest gap of the loop", "a client of another net waits", "... without the crowd"), zip(*rounds)):
        print("  %-30s %6.1f ms   (%s)" % (name, statistics.median(values), " ".join("%.1f" % value for value in values)))


if __name__ == "__main__":
    main()
