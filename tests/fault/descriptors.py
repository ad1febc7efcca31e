#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R7: descriptors run out. The daemon's limit is lowered to each number of a sweep, and more clients come than it allows: they
hear 220 or 421 or wait; what is queued is delivered meanwhile; who has a session can send, also a body that needs a file; the
processor stays idle; when they go all is as before. In the end the books must agree.

    tests/fault/descriptors.py [STEP]      limits from 56 to 256 (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import traffic

FIRST, LAST, CLIENTS, QUEUED = 56, 256, 300, 20
CPU_SHARE, DELIVERED_S, LOOK_S = 0.1, 15, 1.5
SETTINGS = ("limits.connections_per_client=1000000", "spool.segment_size=1M", "queue.connections=10")


def cpu(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """Clients that connect, read what is said and stay."""

    def __init__(self, port):
        self.socks = []
        for _ in range(CLIENTS):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            self.socks.append(sock)

    def heard(self):
        """How many heard which code."""
        counts = {}
        for sock in self.socks:
            try:
                code = sock.recv(3, socket.MSG_PEEK).decode()
            except BlockingIOError:
                code = "nothing"
            except OSError:
                code = "reset"
            counts[code] = counts.get(code, 0) + 1
        return counts

    def one_with_a_session(self):
        for sock in self.socks:
            try:
                if sock.recv(3, socket.MSG_PEEK) == b"220":
                    self.socks.remove(sock)
                    return sock
            except OSError:
                pass
        return None

    def leave(self):
        for sock in self.socks:
            sock.close()


def send_by(sock, book, message):
    """A message over a session that waits for its first command; its last reply."""
    sock.setblocking(True)
    sock.settimeout(20)
    with sock, sock.makefile("rwb") as file:
        answer = traffic.read_reply(file)
        for line in ["EHLO source.test", "MAIL FROM:<%s>" % message.sender, *("RCPT TO:<%s>" % r for r in message.recipients), "DATA"]:
            file.write(line.encode() + b"\r\n")
            file.flush()
            if not (answer := traffic.read_reply(file)).startswith(("2", "3")):
                return answer
        book.is_about_to_send(message)
        file.write(message.data + b".\r\n")
        file.flush()
        answer = traffic.read_reply(file)
        if answer.startswith("250"):
            book.got_250(message, answer.split()[-1])
        return answer


def trial(lab, flow, limit):
    """Findings under one limit."""
    where, found, book = "limit %d" % limit, [], flow.source_book
    flow.sink.refuse = lambda recipient: "450 4.2.1 not now"
    for _ in range(QUEUED):
        traffic.submit(book, lab.port, book.next())
    resource.prlimit(lab.pid, resource.RLIMIT_NOFILE, (limit, resource.prlimit(lab.pid, resource.RLIMIT_NOFILE)[1]))
    crowd = Crowd(lab.port)
    time.sleep(0.5)
    flow.sink.refuse = None
    until = time.time() + DELIVERED_S
    while flow.waiting > 0 and time.time() < until:
        time.sleep(0.05)
    heard = crowd.heard()
    found.append(books.Finding(flow.waiting <= 0, "what is queued is delivered meanwhile", "%s: %d wait; %s" % (where, flow.waiting, heard)))
    found.append(books.Finding(set(heard) <= {"220", "421", "nothing"}, "clients hear 220, 421 or wait", "%s: %s" % (where, heard)))
    began = cpu(lab.pid)
    time.sleep(LOOK_S)
    share = (cpu(lab.pid) - began) / LOOK_S
    found.append(books.Finding(share < CPU_SHARE, "the processor is idle", "%s: %.0f %%" % (where, 100 * share)))
    for large_every in (1 << 60, 1):
        sock = crowd.one_with_a_session()
        answer = send_by(sock, book, book.next(large_every)) if sock else "no session"
        found.append(books.Finding(answer.startswith("250"), "who has a session can send", "%s: %s; %s" % (where, answer, heard)))
    crowd.leave()
    until, answer = time.time() + 10, ""
    while not answer.startswith("250") and time.time() < until:
        answer = traffic.submit(book, lab.port, book.next())
    found.append(books.Finding(answer.startswith("250"), "when they are gone mail is taken", "%s: %s" % (where, answer)))
    found.append(books.Finding(lab.is_alive(), "the daemon lives", where))
    return found, heard


def main(step, command="tests/fault/descriptors.py"):
    tap, progress = case.Recorded("%s %d" % (command, step)), case.Progress("descriptors-%d" % step)
    limits = range(FIRST, LAST + 1, step)
    with case.Lab(*SETTINGS) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        for limit in limits:
            found, heard = trial(lab, flow, limit)
            progress.note(found, "")
            progress.top(sessions=heard.get("220", 0))
            tap.note("limit %d: %s, %d bad" % (limit, heard, len(progress.bad)), keep=False)
        lab.drain()
        progress.learn(lab, flow, "all")
        said = [line for line in lab.complaints() if "WARNING" not in line]
        progress.note([books.Finding(not said, "its log is clean, but for warnings", said)], "all")
    tap.note("%d limits from %d to %d, %d clients each; %d messages acknowledged; at most %d of the clients had a session"
             % (len(limits), FIRST, LAST, CLIENTS, progress.sums["acknowledged"], progress.tops["sessions"]))
    progress.report(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
