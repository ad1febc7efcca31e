#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Relais bears from those who only want its time: figures of the rows of service abuse.

    tests/fault/abuser.py [ROW...]      slowloris, flood, descriptors, tarpits, handshakes; all without ROW

Each row brings up a laboratory of its own, prints its figures as one line, and fails (status 1) beyond the bounds of
BOUNDS. RELAIS_ABUSE=N takes one Nth of the numbers. tests/e2e/full-abuse.py runs the rows as tests.
"""
import collections
import os
import resource
import select
import socket
import ssl
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "bench")]
sys.dont_write_bytecode = True
import harness
import lab as laboratory
import measure

SHARE = int(os.environ.get("RELAIS_ABUSE", "1"))
IP_BIND_ADDRESS_NO_PORT = 24
BOUNDS = {  # figure: (least, most)
    "good_p99_ms": (0, 1000), "idle_kib": (0, 40), "gone_late_s": (0, 1), "left": (0, 0), "accept_p95_ms": (0, 250),
    "grown_kib": (0, 8192), "unanswered_percent": (0, 1), "cpu_percent": (0, 10), "recovered_s": (0, 1), "rate_percent": (90, 1000)}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def memory_kib(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port, source, timeout=20):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    s.bind((source, 0))
    s.settimeout(timeout)
    s.connect(("127.0.0.1", port))
    return s


def options(**limits):
    return [w for key, value in limits.items() for w in ("--set", "limits.%s=%s" % (key, value))]


def greet_time(port, source="127.50.0.1"):
    """Milliseconds from connect () to the whole greeting."""
    start = time.monotonic()
    with connect(port, source) as s:
        said = s.recv(512)
        if not said.startswith(b"220"):
            raise RuntimeError("a good client was told %r" % said)
    return (time.monotonic() - start) * 1000


def send_one(port):
    start = time.monotonic()
    d = harness.Dialogue(port)
    codes = [d.reply()[0]] + [d.ask(line)[0] for line in (
        "EHLO good.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<x@good.rcpt.test>", "DATA", "From: ann@sender.test\r\n\r\nx\r\n.", "QUIT")]
    if codes != [220, 250, 250, 250, 354, 250, 221]:
        raise RuntimeError("a good client was told %r" % codes)
    return (time.monotonic() - start) * 1000


# --- Slow ones -----------------------------------------------------------------------------------

def slowloris(idle=10000, slow=2000, deadline=40):
    """Clients that say nothing, and clients that say an octet in ten seconds, each from a network of its own."""
    idle, slow = idle // SHARE, slow // SHARE
    every = {key: "%ds" % deadline for key in ("greeting_timeout", "command_timeout")}
    with harness.Lab(*options(sessions=20000, **every)) as lab:
        send_one(lab.port)
        before = memory_kib(lab.pid)
        born, all_of_them = {}, []
        for i in range(idle + slow):
            s = connect(lab.port, "127.%d.%d.1" % (1 + i // 250, i % 250))
            s.setblocking(False)
            all_of_them.append(s)
            born[s.fileno()] = time.monotonic()
        lab.wait(lambda: lab.status()["smtp.sessions"] >= len(all_of_them), 20, "all sessions")
        each = (memory_kib(lab.pid) - before) / len(all_of_them)
        took = []
        late = hold_slowly(all_of_them, idle, born, deadline, lambda: took.append(send_one(lab.port)))
        left = lab.status()["smtp.sessions"]
        for s in all_of_them:
            s.close()
    return {"idle": idle, "slow": slow, "idle_kib": round(each, 1), "good": len(took), "good_p50_ms": round(percentile(took, 0.5), 1),
            "good_p99_ms": round(percentile(took, 0.99), 1), "gone_late_s": round(late, 2), "left": left}


def hold_slowly(sockets, idle, born, deadline, good):
    """Until all are gone; the most that one stayed beyond its deadline, in seconds."""
    poll, by_fd = select.epoll(), {s.fileno(): s for s in sockets}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)
    octets = time.monotonic() + 10
    late, until = 0, time.monotonic() + 2 * deadline
    next_good = 0
    while by_fd and time.monotonic() < until:
        for fd, _ in poll.poll(0.02, 1024):
            if not drained(by_fd[fd]):
                continue
            late = max(late, time.monotonic() - born[fd] - deadline)
            poll.unregister(fd)
            del by_fd[fd]
        if time.monotonic() > octets:
            octets += 10
            for s in sockets[idle:]:
                poke(s)
        if time.monotonic() > next_good:
            next_good = time.monotonic() + 0.2
            good()
    return late


def drained(s):
    """Whether the end has come."""
    try:
        while True:
            if not s.recv(4096):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def poke(s):
    try:
        s.send(b"N")
    except OSError:
        pass


# --- Floods --------------------------------------------------------------------------------------

def flood_from(port, rate, seconds, pipe):
    """In a process of its own: connects at that rate from one /24, and counts what it is told."""
    told, open_ones = collections.Counter(), collections.deque()
    start, n = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        due = int((time.monotonic() - start) * rate)
        while n < due:
            n += 1
            try:
                open_ones.append(connect(port, "127.9.9.%d" % (1 + n % 254)))
            except OSError:
                told["failed"] += 1
            if len(open_ones) > 200:
                count_answer(open_ones.popleft(), told)
        time.sleep(0.0005)
    for s in open_ones:
        count_answer(s, told)
    os.write(pipe, ("%d %d %d %d" % (n, told[b"220"], told[b"421"], told["failed"] + told[b""])).encode())


def count_answer(s, told):
    try:
        told[s.recv(512)[:3]] += 1
    except OSError:
        told["failed"] += 1
    s.close()


def apart(function, *arguments):
    """Runs the function in a child: (pid, the pipe it writes to)."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments, writes)
        finally:
            os._exit(0)
    os.close(writes)
    return pid, reads


def join(pid, pipe):
    with os.fdopen(pipe) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return [int(word) for word in text.split()]


def watch_others(port, pid, once):
    took = []
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        took.append(once(port))
        time.sleep(0.02)
    return took


def flood(rate=5000, seconds=60):
    seconds = max(3, seconds // SHARE)
    with harness.Lab(*options(exempt_nets="127.0.0.1 127.50.0.0/16")) as lab:
        send_one(lab.port)
        join(*apart(flood_from, lab.port, 1000, 1))  # tables take their size
        before, cpu = memory_kib(lab.pid), cpu_seconds(lab.pid)
        pid, pipe = apart(flood_from, lab.port, rate, seconds)
        took = watch_others(lab.port, pid, greet_time)
        n, admitted, turned, lost = join(pid, pipe)
        cpu = cpu_seconds(lab.pid) - cpu
        grown = memory_kib(lab.pid) - before
    return {"connections": n, "rate": n // seconds, "admitted": admitted, "told_421": turned, "unanswered_percent": round(100 * lost / max(n, 1), 2),
            "others": len(took), "accept_p50_ms": round(percentile(took, 0.5), 1), "accept_p95_ms": round(percentile(took, 0.95), 1),
            "grown_kib": grown, "daemon_cpu_percent": round(100 * cpu / seconds)}


# --- Descriptors ---------------------------------------------------------------------------------

def descriptors(room=40, callers=200, seconds=3):
    """The process has no descriptors left, and callers wait in the queue of the socket."""
    with harness.Lab() as lab:
        send_one(lab.port)
        soft, hard = resource.prlimit(lab.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(lab.pid, resource.RLIMIT_NOFILE, (len(os.listdir("/proc/%d/fd" % lab.pid)) + room, hard))
        waiting = [connect(lab.port, "127.3.0.1") for _ in range(callers)]
        time.sleep(0.5)
        cpu = cpu_seconds(lab.pid)
        time.sleep(seconds)
        cpu = cpu_seconds(lab.pid) - cpu
        greeted = sum(bool(select.select([s], [], [], 0)[0]) for s in waiting)
        for s in waiting:
            s.close()
        start = time.monotonic()
        send_one(lab.port)
        recovered = time.monotonic() - start
        resource.prlimit(lab.pid, resource.RLIMIT_NOFILE, (soft, hard))
    return {"room": room, "callers": callers, "greeted": greeted, "cpu_percent": round(100 * cpu / seconds, 1), "recovered_s": round(recovered, 2)}


# --- Tarpits on the way out ------------------------------------------------------------------------

def tarpit(listener, held):
    """Takes every connection, and never says anything."""
    while True:
        try:
            held.append(listener.accept()[0])
        except OSError:
            return


def routes(n, port):
    return [w for i in range(n) for key, value in (("host", "127.0.0.1"), ("port", port), ("domains", "t%d.tar.test" % i), ("tls", "none"))
            for w in ("--set", "route.t%d.%s=%s" % (i, key, value))]


def call_tarpits(port, n):
    d = harness.Dialogue(port)
    d.reply()
    d.ask("EHLO good.test")
    for i in range(n):
        for line in ("MAIL FROM:<ann@sender.test>", "RCPT TO:<x@t%d.tar.test>" % i, "DATA", "From: ann@sender.test\r\n\r\nx\r\n."):
            if d.ask(line)[0] not in (250, 354):
                raise RuntimeError("not taken: " + line)
    d.close()


def good_rate(lab, hop, messages):
    """Messages a second, the best of three runs."""
    ends = ["--connect", "127.0.0.1:%d" % lab.port, "--listen", hop]
    return max(measure.load(harness.BUILD, *ends, "--messages", messages, "--connections", 20)["delivered_per_s"] for _ in range(3))


def tarpits(n=1000, messages=6000):
    n, messages = n // SHARE, max(500, messages // SHARE)
    hop = "127.0.0.1:%d" % laboratory.free_port()
    listener, held = socket.create_server(("127.0.0.1", 0), backlog=1024), []
    threading.Thread(target=tarpit, args=(listener, held), daemon=True).start()
    with harness.Lab("--next-hop", hop, "--set", "queue.connections_total=2000", *routes(n, listener.getsockname()[1])) as lab:
        good_rate(lab, hop, messages)  # what is slow at first only
        free = good_rate(lab, hop, messages)
        call_tarpits(lab.port, n)
        lab.wait(lambda: len(held) >= n, 60, "all tarpits")
        beside = good_rate(lab, hop, messages)
        stayed = sum(not select.select([s], [], [], 0)[0] for s in held[:n])
        listener.close()
        for s in held:
            s.close()
    return {"tarpits": n, "held_to_the_end": stayed, "rate_free": round(free), "rate_beside": round(beside), "rate_percent": round(100 * beside / free)}


# --- Handshakes ------------------------------------------------------------------------------------

def handshake_time(port, source="127.50.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    start = time.monotonic()
    with connect(port, source) as s, context.wrap_socket(s) as tls:
        tls.recv(512)
    return (time.monotonic() - start) * 1000


def handshake_flood(port, rate, seconds, pipe):
    start, n, failed = time.monotonic(), 0, 0
    while time.monotonic() - start < seconds:
        if n >= (time.monotonic() - start) * rate:
            time.sleep(0.001)
            continue
        n += 1
        try:
            handshake_time(port, "127.9.9.%d" % (1 + n % 254))
        except OSError:
            failed += 1
    os.write(pipe, ("%d %d" % (n, failed)).encode())


def handshakes(rate=200, seconds=20):
    seconds = max(3, seconds // SHARE)
    port = laboratory.free_port()
    more = {"address": "127.0.0.1", "port": port, "tls": "implicit"}
    with harness.Lab(*options(exempt_nets="127.0.0.1 127.50.0.0/16")) as lab:
        more.update(certificate=os.path.join(lab.directory, "cert.pem"), key=os.path.join(lab.directory, "key.pem"))
        words = [w for key, value in more.items() for w in ("--set", "listener.tls.%s=%s" % (key, value))]
        lab.kill()
        lab.up(*words)
        alone = [handshake_time(port) for _ in range(200)]
        pid, pipe = apart(handshake_flood, port, rate, seconds)
        took = watch_others(port, pid, handshake_time)
        n, failed = join(pid, pipe)
    p95, p95_alone = percentile(took, 0.95), percentile(alone, 0.95)
    return {"handshakes": n, "rate": n // seconds, "turned_away": failed, "others": len(took), "p95_alone_ms": round(p95_alone, 1),
            "p95_ms": round(p95, 1), "p95_times": round(p95 / p95_alone, 2)}


ROWS = {"slowloris": slowloris, "flood": flood, "descriptors": descriptors, "tarpits": tarpits, "handshakes": handshakes}


def beyond(figures):
    return ["%s %s" % (name, value) for name, value in figures.items() if name in BOUNDS and not BOUNDS[name][0] <= value <= BOUNDS[name][1]]


def main(names):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    bad = 0
    for name in names or ROWS:
        figures = ROWS[name]()
        print("%-12s %s" % (name, "  ".join("%s=%s" % pair for pair in figures.items())), flush=True)
        for line in beyond(figures):
            bad += 1
            print("%-12s beyond its bound: %s" % (name, line), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
