#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers that stop or dribble, in every phase and on both sides: each one's slot is free a second after its deadline, and
not before; what has nothing to do with them goes on meanwhile. All of them are there at once."""
import os
import select
import smtplib
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()
DEADLINE, SLACK, PACE = 2.0, 1.0, 0.2
MODES = ("stop", "dribble")


# --- Clients that stop ---------------------------------------------------------------------------

HELLO, MAIL = ["EHLO c.test"], ["EHLO c.test", "MAIL FROM:<ann@sender.test>"]
RCPT = MAIL + ["RCPT TO:<x@good.rcpt.test>"]
CLIENTS = {  # what is said first, each line answered, and what then comes octet by octet, or not at all
    "connect": ([], b"EHLO " + b"x" * 900), "handshake": (HELLO + ["STARTTLS"], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 400),
    "EHLO": (HELLO, b"MAIL FROM:<" + b"x" * 900), "AUTH": (HELLO + ["AUTH LOGIN"], b"Y" * 900), "MAIL": (MAIL, b"RCPT TO:<" + b"x" * 900),
    "RCPT": (RCPT, b"DATA" + b" " * 900), "DATA": (RCPT + ["DATA"], b"Subject: " + b"x" * 900),
    "BDAT": (RCPT, b"BDAT 900 LAST\r\n" + b"x" * 800), "dot": (RCPT + ["DATA", "Subject: x\r\n\r\nx\r\n."], b"NOOP " + b"x" * 900)}


def be_client(port, phase, mode, found):
    lines, rest = CLIENTS[phase]
    d = harness.Dialogue(port)
    answers = [d.reply()] + [d.ask(line) for line in lines]
    start = time.monotonic()
    if phase == "BDAT":
        d.send(rest[:30])
        rest = rest[30:]
    while time.monotonic() < start + 4 * DEADLINE:
        if select.select([d.sock], [], [], PACE)[0] and not d.sock.recv(4096):
            break
        if mode == "dribble":
            try:
                d.send(rest[:1])
            except OSError:
                break
            rest = rest[1:]
    found["client", phase, mode] = (time.monotonic() - start, answers[-1])
    d.close()


# --- Servers that stop ---------------------------------------------------------------------------

EHLO_REPLY = b"250-t.test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
PHASES = ("banner", "EHLO", "STARTTLS", "handshake", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot", "QUIT")
COMMANDS = {b"EHLO": "EHLO", b"STAR": "STARTTLS", b"AUTH": "AUTH", b"MAIL": "MAIL", b"RCPT": "RCPT", b"DATA": "DATA", b"QUIT": "QUIT"}
REPLIES = {"banner": b"220 t.test\r\n", "EHLO": EHLO_REPLY, "STARTTLS": b"220 go\r\n", "AUTH": b"235 ok\r\n", "DATA": b"354 go\r\n"}
BIG = b"".join(b"%070d\r\n" % i for i in range(100000))


def read_past(connection, phase):
    """Serves until the client is in that phase and waits for us."""
    file = connection.makefile("rb")
    if phase == "banner":
        return
    connection.sendall(REPLIES["banner"])
    while True:
        line = file.readline()
        if not line:
            raise OSError("the client went before " + phase)
        at = COMMANDS[line[:4].upper()]
        if at == phase:
            return
        connection.sendall(REPLIES.get(at, b"250 ok\r\n"))
        if at == "STARTTLS":  # then its hello is there, and none of ours
            connection.recv(1, socket.MSG_PEEK)
            return
        if at == "DATA":
            if phase == "body":
                return
            while file.readline() != b".\r\n":
                pass
            if phase == "dot":
                return
            connection.sendall(b"250 ok\r\n")


def is_orphan(connection):
    """The other end's socket is no process's any more: where we read nothing, its FIN cannot come."""
    ports = [":%04X" % end[1] for end in (connection.getpeername(), connection.getsockname())]
    rows = [line.split() for line in open("/proc/net/tcp")]
    return all(row[9] == "0" for row in rows if row[1].endswith(ports[0]) and row[2].endswith(ports[1]))


def is_gone(connection):
    """FIN or RST has come, whatever lies before it, or cannot come."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    ends = select.POLLRDHUP | select.POLLHUP | select.POLLERR
    return any(events & ends for _, events in poll.poll(0)) or is_orphan(connection)


def hold(connection, phase, mode):
    """How long the client stays."""
    start = time.monotonic()
    rest = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb" + b"x" * 900 if phase == "handshake" else b"250-" + b"x" * 900
    while not is_gone(connection) and time.monotonic() < start + 5 * DEADLINE:
        time.sleep(PACE)
        if mode == "stop":
            continue
        try:
            if phase == "body":
                connection.recv(1)
            else:
                connection.sendall(rest[:1])
        except OSError:
            break
        rest = rest[1:]
    return time.monotonic() - start


def be_server(listener, phase, mode, found):
    connection, _ = listener.accept()
    listener.close()
    connection.settimeout(30)
    try:
        read_past(connection, phase)
        found["server", phase, mode] = (hold(connection, phase, mode), None)
    except OSError as trouble:
        found["server", phase, mode] = (0, trouble)
    connection.close()


def listen(address):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind((address, 0))
    s.listen(4)
    return s


def name_of(phase, mode):
    return "%s-%s" % (phase.lower(), mode)


def routes(listeners, directory):
    """The options that lead a domain each to its server."""
    words = []
    secret = os.path.join(directory, "secret")
    with open(secret, "w") as file:
        file.write("user\npassword\n")
    os.chmod(secret, 0o600)
    for (phase, mode), listener in listeners.items():
        name = name_of(phase, mode)
        keys = {"host": "127.0.0.1", "port": listener.getsockname()[1], "domains": name + ".rcpt.test",
                "tls": "opportunistic" if phase in ("STARTTLS", "handshake") else "none"}
        if phase == "AUTH":
            keys.update(auth_file=secret, auth_in_clear="yes")
        words += [w for key, value in keys.items() for w in ("--set", "route.%s.%s=%s" % (name, key, value))]
    return words


# --- All at once ---------------------------------------------------------------------------------

def send(lab, domain, body):
    start = time.monotonic()
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=30) as smtp:
        smtp.sendmail("ann@sender.test", ["x@" + domain], b"From: ann@sender.test\r\nSubject: x\r\n\r\n" + body)
    return time.monotonic() - start


def run_all(lab, listeners):
    found = {}
    threads = [threading.Thread(target=be_server, args=(listener, phase, mode, found)) for (phase, mode), listener in listeners.items()]
    threads += [threading.Thread(target=be_client, args=(lab.port, phase, mode, found)) for phase in CLIENTS for mode in MODES]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for phase, mode in listeners:
        send(lab, name_of(phase, mode) + ".rcpt.test", BIG if phase == "body" else b"x\r\n")
    took = []
    while any(thread.is_alive() for thread in threads):
        took.append(send(lab, "good.rcpt.test", b"good\r\n"))
        time.sleep(0.1)
    return found, took


def judge(side, phase, mode, figures):
    seconds, said = figures
    tap.ok(DEADLINE - PACE - 0.05 <= seconds <= DEADLINE + SLACK, "%s, %s, %ss: gone after its %g s and before another" % (side, phase, mode, DEADLINE),
           "%.2f s, %s" % (seconds, said))


def test_all(directory):
    listeners = {(phase, mode): listen("127.0.0.1") for phase in PHASES for mode in MODES}
    short = "%ds" % DEADLINE
    options = [w for key in ("greeting", "command", "data", "tls") for w in ("--set", "limits.%s_timeout=%s" % (key, short))]
    options += ["--set", "queue.reply_timeout=" + short, "--set", "queue.idle_time=100ms", "--set", "listener.auth=yes"]
    with harness.Lab(*options, *routes(listeners, directory)) as lab:
        sockets = harness.sockets(lab.pid)
        found, took = run_all(lab, listeners)
        for (side, phase, mode), figures in sorted(found.items()):
            judge(side, phase, mode, figures)
        tap.equal(len(found), len(MODES) * (len(PHASES) + len(CLIENTS)), "all of them had their turn")
        tap.ok(len(took) > DEADLINE * 4 and sorted(took)[len(took) * 9 // 10] < 0.5, "meanwhile others were served",
               "%d messages, longest %.2f s" % (len(took), max(took)))
        lab.wait(lambda: sum(b"good" in data for _, data in lab.sunk()) == len(took), 10, "the mail of others")
        tap.note("%d messages of others, the slowest accepted in %.0f ms" % (len(took), 1000 * max(took)))
        lab.wait(lambda: harness.sockets(lab.pid) <= sockets + 2, 10, "closed sockets")
        tap.equal(lab.status()["smtp.sessions"], 0, "no session is left")
        lab.clean(tap)


with tempfile.TemporaryDirectory() as home:
    tap.case(test_all, home)
tap.end()
