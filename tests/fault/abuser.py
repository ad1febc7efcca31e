#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Relais bears from those who only want its time: figures of the rows of service abuse.

    tests/fault/abuser.py [ROW...]      slowloris, flood, descriptors, tarpits, dead-dns, handshakes; all without ROW

Each row brings up a laboratory of its own, prints its figures as one line, and fails (status 1) beyond the bounds of
BOUNDS. RELAIS_ABUSE=N takes one Nth of the numbers. tests/e2e/full-abuse.py runs the rows as tests.
"""
import asyncio
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
import bad_dns
import harness
import lab as laboratory
import measure

SHARE = int(os.environ.get("RELAIS_ABUSE", "1"))
IP_BIND_ADDRESS_NO_PORT = 24
BOUNDS = {  # figure: (least, most)
    "good_p99_ms": (0, 1000), "idle_kib": (0, 40), "gone_late_s": (0, 1), "left": (0, 0), "accept_p95_ms": (0, 250),
    "grown_kib": (0, 8192), "unanswered_percent": (0, 1), "cpu_percent": (0, 10), "recovered_s": (0, 1), "rate_percent": (90, 1000),
    "lost_or_returned": (0, 0)}
HIGHER = {("dead-dns", "rate_percent"): (95, 1000)}  # where a row has its own


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
    """The process has no descriptors left: callers wait in the queue of the socket or are told 421."""
    with harness.Lab() as lab:
        send_one(lab.port)
        soft, hard = resource.prlimit(lab.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(lab.pid, resource.RLIMIT_NOFILE, (len(os.listdir("/proc/%d/fd" % lab.pid)) + room, hard))
        waiting = [connect(lab.port, "127.3.0.1") for _ in range(callers)]
        time.sleep(0.5)
        cpu = cpu_seconds(lab.pid)
        time.sleep(seconds)
        cpu = cpu_seconds(lab.pid) - cpu
        greeted = sum(bool(select.select([s], [], [], 0)[0]) and s.recv(3) == b"220" for s in waiting)
        for s in waiting:
            s.close()
        start = time.monotonic()
        send_one(lab.port)
        recovered = time.monotonic() - start
        resource.prlimit(lab.pid, resource.RLIMIT_NOFILE, (soft, hard))
    return {"room": room, "callers": callers, "greeted": greeted, "cpu_percent": round(100 * cpu / seconds, 1), "recovered_s": round(recovered, 2)}


# --- Tarpits on the way out ------------------------------------------------------------------------

# How a tarpit is: it never says anything, an octet in ten seconds, or after that phase it ends the connection or falls silent.
PHASES = ("banner", "MAIL", "RCPT", "DATA", "dot")
MANNERS = ["silent", "dribble", *("drop-" + phase for phase in PHASES), *("stop-" + phase for phase in PHASES)]
RUNS, DRIBBLE_S = 5, 10


class Tarpits:
    """Servers, one of each manner, in a thread. `born` and `gone` are of each connection that is held: when it had the last
    answer that it gets, and when it ended."""

    def __init__(self):
        self.loop, self.born, self.gone, self.ports, self.dropped = asyncio.new_event_loop(), [], [], {}, 0
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        for manner in MANNERS:
            self.ports[manner] = self.do(self.listen(manner))
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def listen(self, manner):
        server = await asyncio.start_server(lambda r, w: self.serve(manner, r, w), "127.0.0.1", 0, backlog=1024)
        return server.sockets[0].getsockname()[1]

    async def serve(self, manner, reader, writer):
        way, _, phase = manner.partition("-")
        try:
            if phase:
                await self.go_to(phase, reader, writer)
            if way == "drop":
                self.dropped += 1
            else:
                await self.hold(way == "dribble", reader, writer)
        except OSError:
            pass
        writer.close()

    @staticmethod
    async def go_to(phase, reader, writer):
        """Says yes until that phase is answered; the dot is not."""
        writer.write(b"220 tar.test\r\n")
        while phase != "banner":
            line = await reader.readline()
            if not line:
                raise ConnectionError("the client went before " + phase)
            verb = line[:4].upper()
            if phase == "dot" and line == b".\r\n":
                return
            if verb in (b"EHLO", b"MAIL", b"RCPT", b"DATA"):
                writer.write(b"354 go\r\n" if verb == b"DATA" else b"250 ok\r\n")
            if verb == phase.encode():
                return

    async def hold(self, dribbles, reader, writer):
        began = time.monotonic()
        self.born.append(began)
        ended = asyncio.ensure_future(self.read_out(reader))
        while not ended.done():
            await asyncio.wait([ended], timeout=DRIBBLE_S)
            if dribbles and not ended.done():
                writer.write(b"2")
        self.gone.append((began, time.monotonic()))

    @staticmethod
    async def read_out(reader):
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass


def routes(n, ports):
    return [w for i in range(n) for key, value in (("host", "127.0.0.1"), ("port", ports[MANNERS[i % len(MANNERS)]]),
                                                   ("domains", "t%d.tar.test" % i), ("tls", "none"))
            for w in ("--set", "route.t%d.%s=%s" % (i, key, value))]


def call(port, domains):
    """A message to each."""
    d = harness.Dialogue(port)
    d.reply()
    d.ask("EHLO good.test")
    for domain in domains:
        for line in ("MAIL FROM:<ann@sender.test>", "RCPT TO:<x@%s>" % domain, "DATA", "From: ann@sender.test\r\n\r\nx\r\n."):
            if d.ask(line)[0] not in (250, 354):
                raise RuntimeError("not taken: " + line)
    d.close()


def rate(lab, hop, messages, *more):
    """Messages a second to who listens at `hop`."""
    ends = ["--connect", "127.0.0.1:%d" % lab.port, "--listen", hop]
    return measure.load(harness.BUILD, *ends, "--messages", messages, "--connections", 20, "--timeout", 120, *more)["delivered_per_s"]


def rates(labs, once):
    """Of two laboratories side by side, in turns: the best rate of each, which is where the machine did least else, and what
    processor time the second needed, in percent of the first, which a busy machine changes less."""
    before = [cpu_seconds(lab.pid) for lab in labs]
    both = [(once(0, nth), once(1, nth)) for nth in range(RUNS)]
    spent = [cpu_seconds(lab.pid) - old for lab, old in zip(labs, before)]
    free, beside = (max(column) for column in zip(*both))
    return {"rate_free": round(free), "rate_beside": round(beside), "rate_percent": round(100 * beside / free),
            "processor_percent": round(100 * spent[1] / spent[0])}


def tarpits(n=1000, messages=6000, deadline=120):
    n, messages = n // SHARE, max(500, messages // SHARE)
    hops = ["127.0.0.1:%d" % laboratory.free_port() for _ in range(2)]
    more = ["--set", "queue.connections_total=2000", "--set", "queue.reply_timeout=%ds" % deadline, "--set", "class.transactional.retry=1h"]
    with Tarpits() as pits:
        more += routes(n, pits.ports)
        with harness.Lab("--next-hop", hops[0], *more) as one, harness.Lab("--next-hop", hops[1], *more) as lab:
            return beside_tarpits(pits, n, deadline, messages, (one, hops[0]), (lab, hops[1]))


def beside_tarpits(pits, n, deadline, messages, left, right):
    """Both laboratories are the same, but for the mail to tarpits that the right one has."""
    for lab, hop in (left, right):
        rate(lab, hop, messages)  # what is slow at first only
    lab = right[0]
    sockets = harness.sockets(lab.pid)
    call(lab.port, ["t%d.tar.test" % i for i in range(n)])
    held = sum(not MANNERS[i % len(MANNERS)].startswith("drop") for i in range(n))
    lab.wait(lambda: len(pits.born) >= held and pits.dropped >= n - held, 30, "all tarpits")
    figures = rates((left[0], lab), lambda which, _: rate(*(left, right)[which], messages))
    stayed = held - len(pits.gone)
    lab.wait(lambda: len(pits.gone) >= held, 2 * deadline, "the end of all tarpits")
    late = max(gone - born - deadline for born, gone in pits.gone)
    lab.wait(lambda: harness.sockets(lab.pid) <= sockets + 30, 10, "closed sockets")
    return {"tarpits": n, "manners": len(MANNERS), "held": held, "held_to_the_end": stayed, **figures, "gone_late_s": round(late, 2)}


# --- Dead DNS servers --------------------------------------------------------------------------------

class NameServer:
    """Before the laboratory's own, in a thread: names with a label "dead" get no answer."""

    def __init__(self, port):
        self.port, self.loop, self.server = port, asyncio.new_event_loop(), None

    def start(self, lab):
        self.server = bad_dns.Dns(("127.0.0.1", int(lab.facts["dns_port"])), lambda name: 1 if ".dead." in name else None)
        self.server.fault = "silence"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(bad_dns.listen(self.server, self.port), self.loop).result(20)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


def dead_dns(domains=500, messages=6000):
    """Each run goes to domains that nobody has asked for yet; in one laboratory mail for as many others waits, whose DNS servers
    do not answer."""
    domains, messages = domains // SHARE, max(500, messages // SHARE)
    ports, hops = [laboratory.free_dns_port() for _ in range(2)], [laboratory.free_port() for _ in range(2)]
    servers = [NameServer(port) for port in ports]
    words = [["--set", "dns.server=127.0.0.1@%d" % port, "--set", "queue.smtp_port=%d" % hop, "--set", "class.transactional.retry=1s",
              "--set", "queue.sleep_first=1s", "--set", "queue.sleep_last=1s"] for port, hop in zip(ports, hops)]

    def once(which, nth):
        return rate(labs[which], "127.0.0.1:%d" % hops[which], messages, "--domain", "r%d.rcpt.test" % nth, "--domains", domains)
    with harness.Lab(*words[0]) as one, harness.Lab(*words[1]) as other:
        labs = [one, other]
        for server, lab in zip(servers, labs):
            server.start(lab)
        for which in range(2):
            once(which, RUNS)
        call(other.port, ["d%d.dead.rcpt.test" % i for i in range(domains)])
        other.wait(lambda: servers[1].server.asked >= domains, 60, "questions about dead domains")
        asked = servers[1].server.asked
        figures = rates(labs, once)
        again, waiting = servers[1].server.asked - asked, other.status()["queue.deliveries"]
        for server in servers:
            server.stop()
    return {"domains": domains, "dead": domains, "asked_meanwhile": again, "lost_or_returned": domains - waiting, **figures}


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


ROWS = {"slowloris": slowloris, "flood": flood, "descriptors": descriptors, "tarpits": tarpits, "dead-dns": dead_dns, "handshakes": handshakes}


def beyond(figures, row=None):
    bounds = {name: HIGHER.get((row, name), BOUNDS[name]) for name in figures if name in BOUNDS}
    return ["%s %s" % (name, figures[name]) for name, (least, most) in bounds.items() if not least <= figures[name] <= most]


def main(names):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    bad = 0
    for name in names or ROWS:
        figures = ROWS[name]()
        print("%-12s %s" % (name, "  ".join("%s=%s" % pair for pair in figures.items())), flush=True)
        for line in beyond(figures, name):
            bad += 1
            print("%-12s beyond its bound: %s" % (name, line), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
