# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark measures with: the load tool, processor time of all that a server started, the
disk's sync, the machine. Owns no server; see servers.py."""
import glob
import json
import mmap
import os
import platform
import re
import socket
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    """A run whose figures do not count."""


# --- Load ----------------------------------------------------------------------------------------

def run_tool(build, arguments, timeout):
    """The exit status of relais-load and its figures."""
    argv = [os.path.join(build, "tests/bench/relais-load"), "--json", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise Failed("%s: %s%s" % (" ".join(argv), done.stdout, done.stderr))


def load(build, *arguments, judge=True, timeout=900):
    """Runs relais-load; unless told otherwise, every message must have been accepted and have come once,
    or its figures are worth nothing."""
    status, figures = run_tool(build, arguments, timeout)
    if judge and status != 0:
        raise Failed("%(accepted)d of %(messages)d accepted, %(missing)d missing, %(duplicates)d duplicates; "
                     "last refusal: %(last_refusal)s" % figures)
    return figures


def judge_requests(status, figures):
    if status != 0:
        raise Failed("%(answered)d of %(requests)d requests answered, %(refused)d refused, %(broken)d broken; "
                     "last refusal: %(last_refusal)s" % figures)
    return figures


def ask(build, port, paths, *arguments, timeout=900):
    """Requests of a web server, each of which must be answered well."""
    return judge_requests(*run_tool(build, ["--connect", "127.0.0.1:%d" % port, "--paths", paths, *arguments], timeout))


class Background:
    """A relais-load that runs on, as sink, with idle connections or with requests, until `end`."""

    def __init__(self, build, *arguments):
        argv = [os.path.join(build, "tests/bench/relais-load"), *map(str, arguments)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.terminate()
        self.said = self.process.communicate(timeout=60)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Requests(Background):
    """Requests of a web server beside what is measured; their figures once they ended."""

    def __init__(self, build, port, paths, *arguments):
        super().__init__(build, "--json", "--connect", "127.0.0.1:%d" % port, "--paths", paths, *arguments)

    def end(self):
        super().end()
        if not self.said:
            raise Failed("the requests ended with %d" % self.process.returncode)
        self.figures = judge_requests(self.process.returncode, json.loads(self.said))


class Sink(Background):
    """A sink that listens once it is made: mail that finds none would put its route to sleep."""

    def __init__(self, build, port, *arguments):
        super().__init__(build, "--listen", "127.0.0.1:%d" % port, "--timeout", 3600, *arguments)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.end()
        raise Failed("the sink does not listen")


# --- Processor time ------------------------------------------------------------------------------

class Group:
    """A control group of its own for a server: what it used holds also what its ended children did.
    Where none can be made, times of the living tree and of children that were waited for."""

    NUMBER = 0

    def __init__(self, name):
        Group.NUMBER += 1
        self.path, self.pid = None, None
        for home, file, scale in (("/sys/fs/cgroup", "cpu.stat", 1e6), ("/sys/fs/cgroup/unified", "cpu.stat", 1e6),
                                  ("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e9)):
            path = os.path.join(home, "relais-bench-%d-%d-%s" % (os.getpid(), Group.NUMBER, name))
            try:
                os.mkdir(path)
                self.file = os.path.join(path, file)
                open(self.file).close()
            except OSError:
                if os.path.isdir(path):
                    os.rmdir(path)
                continue
            self.path, self.scale = path, scale
            break

    def enter(self):
        """For the child that is to start the server."""
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w") as file:
                file.write(str(os.getpid()))

    def seconds(self):
        if not self.path:
            return tree_seconds(self.pid)
        text = open(self.file).read().split()
        return int(text[text.index("usage_usec") + 1] if "usage_usec" in text else text[0]) / self.scale

    def remove(self):
        for _ in range(100):
            try:
                if self.path:
                    os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.05)

    def how(self):
        return "control group" if self.path else "process tree"


def tree_seconds(root):
    ticks, parents = {}, {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = open(path).read().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.split("/")[2])
        parents[pid] = int(fields[1])
        ticks[pid] = sum(map(int, fields[11:15]))
    total = 0
    for pid in ticks:
        at = pid
        while at and at != root:
            at = parents.get(at, 0)
        total += ticks[pid] if at == root else 0
    return total / os.sysconf("SC_CLK_TCK")


def thread_seconds(pid, name):
    """Processor time of a process's threads of that name."""
    total = 0
    for path in glob.glob("/proc/%d/task/[0-9]*" % pid):
        try:
            if open(path + "/comm").read().strip() == name:
                total += int(open(path + "/schedstat").read().split()[0])
        except OSError:  # ended since
            continue
    return total / 1e9


def resident_bytes(pid):
    for line in open("/proc/%d/status" % pid):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failed("process %d is gone" % pid)


# --- Others on the machine -----------------------------------------------------------------------

def machine_seconds():
    """Processor time that went to anything, of all there was."""
    fields = [int(word) for word in open("/proc/stat").readline().split()[1:9]]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - fields[3] - fields[4]) / ticks, sum(fields) / ticks


def own_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Elsewhere:
    """The part of the machine's processors that went neither to a server's group nor to us."""

    def __init__(self, group):
        self.group, self.before = group, (machine_seconds(), group.seconds(), own_seconds())

    def share(self):
        (busy, total), group, own = self.before
        now_busy, now_total = machine_seconds()
        ours = self.group.seconds() - group + own_seconds() - own
        return max(0.0, now_busy - busy - ours) / max(0.01, now_total - total)


def await_idle(seconds):
    """Until nine tenths of the machine were idle for a second, or so long has passed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        busy, total = machine_seconds()
        time.sleep(1)
        now_busy, now_total = machine_seconds()
        if now_busy - busy < 0.1 * (now_total - total):
            return


# --- The machine ---------------------------------------------------------------------------------

def sync_seconds(directory, n=300):
    """Median of fdatasync after an append of 4 KiB."""
    times = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(n):
            os.write(file.fileno(), b"x" * 4096)
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return statistics.median(times)


def paced_syncs(directory, rate, seconds=10):
    """(p50, p99) of fdatasync in seconds, after 4 KiB were written into room that is there already, `rate` times a second:
    what no server that syncs before it says 250 can be faster than."""
    times = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        os.write(file.fileno(), bytes(rate * seconds * 4096))
        os.fsync(file.fileno())
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        due = time.monotonic()
        for _ in range(rate * seconds):
            due += 1 / rate
            time.sleep(max(0, due - time.monotonic()))
            os.write(file.fileno(), b"x" * 4096)
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def writing_rate(directory, mib=1000):
    """MiB a second that the disk takes from one who writes in one go and syncs at the end: nobody's mail is faster."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        piece, began = b"x" * (1 << 20), time.monotonic()
        for _ in range(mib):
            os.write(file.fileno(), piece)
        os.fdatasync(file.fileno())
        return mib / (time.monotonic() - began)


def signature_seconds(processes=1):
    """One RSA-2048 signature by `openssl speed`, on one processor while others of that number sign as well: they may share
    what a processor alone has for itself."""
    multi = ["-multi", str(processes)] if processes > 1 else []
    done = subprocess.run(["openssl", "speed", "-mr", "-seconds", "1", *multi, "rsa2048"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("+F2:"):
            return processes / float(line.split(":")[3])
    raise Failed("openssl speed: %s%s" % (done.stdout, done.stderr))


def touch_memory(most_gib=8):
    """A virtual machine pays for each page of memory once, when it is first used: five times what it costs later
    (13 us and 2.6 us here). Who comes first in a row would pay for all. So half of what is free is used once,
    before anything is measured. Returns how much, in GiB."""
    free = int(re.search(r"MemFree: *(\d+)", open("/proc/meminfo").read()).group(1)) << 10
    size = min(free // 2, most_gib << 30) // mmap.PAGESIZE * mmap.PAGESIZE
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()
    return round(size / 2**30, 1)


def machine(directory):
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True).stdout.strip()
    return {"cores": os.cpu_count(), "model": model, "memory_gib": round(memory / 2**30, 1), "kernel": platform.release(),
            "file_system": kind, "fdatasync_ms": round(sync_seconds(directory) * 1000, 3),
            "load_before": round(os.getloadavg()[0], 2), "touched_gib": touch_memory()}
