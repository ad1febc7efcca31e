# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the trackers: what pixels cost, what they and handlers that are stuck cost others, and what it
costs to rewrite a message. All compare in pairs (turns.py); nothing here has a counterpart in Postfix.
"""
import contextlib
import glob
import os
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request

import measure
import servers
from turns import median, ratios, result, spread, tell

TRACKED = ["--html", "--links", 1, "--size", 4096]
PIXELS = 1000  # different ones; each is asked for in turn
BESIDE = 2000  # requests a second
STUCK = 50
SETTLED = 4    # seconds until a hit has been told and counted: open-tracker's window, and a moment
PATH = re.compile(rb'src="http://track\.sender\.test:\d+(/o/[A-Za-z0-9_-]+)"')


# --- Pixels to ask for ---------------------------------------------------------------------------

class Keeper:
    """The laboratory's sink in the place of the fast one: it keeps what it gets."""

    def __init__(self, port, directory):
        self.directory = directory
        self.process = subprocess.Popen([servers.lab.PYTHON, os.path.join(servers.lab.HERE, "sink.py"), str(port), directory],
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()  # it listens

    def messages(self, n):
        found = servers.lab.wait_for("tracked mail", lambda: self.found(n), self.process, seconds=60)
        return [open(path, "rb").read() for path in found]

    def found(self, n):
        found = glob.glob(os.path.join(self.directory, "*.eml"))
        return found if len(found) >= n else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=60)


@contextlib.contextmanager
def pixels(bench, relais, n=PIXELS):
    """A file with the paths of the pixels in n messages that Relais delivers to the sink's port."""
    with tempfile.TemporaryDirectory(dir=bench.build) as directory:
        with Keeper(bench.sink_port, os.path.join(directory, "sink")) as keeper:
            measure.load(bench.build, "--connect", "127.0.0.1:%d" % relais.port, "--messages", n, "--connections", 20, *TRACKED)
            found = [PATH.search(message) for message in keeper.messages(n)]
        if None in found:
            raise measure.Failed("a message has no pixel")
        path = os.path.join(directory, "paths")
        with open(path, "wb") as file:
            file.writelines(match.group(1) + b"\n" for match in found)
        yield path


def ask(bench, relais, paths, requests, *arguments):
    """One run: what relais-load says, and processor time of it, of the HTTP thread and of the whole daemon."""
    measure.await_idle(bench.wait_idle)
    elsewhere, cpu, http = measure.Elsewhere(relais.group), relais.group.seconds(), measure.thread_seconds(relais.pid, "http")
    figures = measure.ask(bench.build, relais.http_port, paths, "--requests", requests, *arguments)
    figures["http_us"] = (measure.thread_seconds(relais.pid, "http") - http) * 1e6 / requests
    figures["cpu_us"] = (relais.group.seconds() - cpu) * 1e6 / requests
    figures["elsewhere"] = elsewhere.share()
    bench.elsewhere.append(figures["elsewhere"])
    tell("pixels: %.0f/s, %.0f us of CPU a request (HTTP thread %.0f), p99 %.2f ms, %.0f %% elsewhere" % (
        figures["answered_per_s"], figures["cpu_us"], figures["http_us"], figures["start_to_answered_ms"]["p99"], figures["elsewhere"] * 100))
    return figures


# --- The rows ------------------------------------------------------------------------------------

def pixel_row(bench):
    """Each run begins with as many hits waiting as it leaves: the HTTP thread notes them, the loop and the store
    have most of their work with them some seconds later."""
    work = ["--connections", 64]
    with bench.relais("--module", "open-tracker") as relais, pixels(bench, relais) as paths:
        ask(bench, relais, paths, 4 * bench.messages, *work)
        runs = [ask(bench, relais, paths, 3 * bench.messages, *work) for _ in range(bench.runs)]
    rate, http = median(runs, "answered_per_s"), median(runs, "http_us")
    return [
        result("pixels", "pixel requests, no mail", "/s", rate, None, ">= 20 000/s", rate >= 20000,
               "the load tool, the hits' events and the store on the same cores", {"pixels": runs}),
        result("pixels", "CPU of the HTTP thread a pixel request", "us", http, None, "<= 50 us", http <= 50,
               "%.0f/s of one core; %.1f us of the whole daemon, with event and counts" % (1e6 / http, median(runs, "cpu_us"))),
    ]


def beside_row(bench):
    work = ["--connections", 200, "--size", 4096]
    served = []
    with bench.relais("--module", "open-tracker") as relais, pixels(bench, relais) as paths:
        bench.warm_up(relais, "--messages", bench.messages, *work)

        def beside():
            requests = measure.Requests(bench.build, relais.http_port, paths, "--requests", 1000000, "--rate", BESIDE,
                                        "--connections", 50)
            with requests:
                time.sleep(SETTLED)
                figures = relais.measure("--messages", bench.messages, *work)
            time.sleep(SETTLED)
            served.append(requests.figures["answered_per_s"])
            tell("mail with pixels beside it: %.0f/s, %.0f pixels/s" % (figures["delivered_per_s"], served[-1]))
            return figures

        runs = bench.in_pairs({"alone": lambda: bench.one("mail alone", relais, bench.messages, *work), "beside": beside})
    if min(served) < 0.95 * BESIDE:
        raise measure.Failed("%.0f pixel requests/s, not %d" % (min(served), BESIDE))
    rate = ratios(runs["beside"], runs["alone"], "delivered_per_s")
    return [result("beside", "mail with 2 000 pixel requests/s beside", "/s", median(runs["beside"], "delivered_per_s"), None,
                   ">= 0.9x alone", statistics.median(rate) >= 0.9,
                   "%.0f/s alone, in turn; %s" % (median(runs["alone"], "delivered_per_s"), spread(rate)),
                   runs, statistics.median(rate))]


@contextlib.contextmanager
def stuck_handlers(bench, relais, directory, n=STUCK):
    """n handlers of bench-stuck hold a thread each until the end."""
    def waiting():
        return int(fetch(relais, "/stuck/waiting"))

    path = os.path.join(directory, "stuck")
    with open(path, "w") as file:
        file.write("/stuck/wait\n")
    with measure.Requests(bench.build, relais.http_port, path, "--requests", n, "--connections", n, "--timeout", 100) as requests:
        try:
            servers.lab.wait_for("stuck handlers", lambda: waiting() == n)
            yield
        finally:
            fetch(relais, "/stuck/go")
            requests.process.wait(timeout=60)  # it ends with the last answer


def fetch(relais, path):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (relais.http_port, path), timeout=20) as answer:
        return answer.read()


def stuck_row(bench):
    work = ["--rate", 1000, "--connections", 20]
    options = ["--module", "open-tracker", "--module", "bench-stuck", "--set", "limits.http_threads=%d" % STUCK,
               "--set", "limits.http_deadline=10m"]
    with bench.relais(*options) as relais, pixels(bench, relais) as paths, tempfile.TemporaryDirectory() as directory:
        ask(bench, relais, paths, 2000, *work)

        def stuck():
            with stuck_handlers(bench, relais, directory):
                return ask(bench, relais, paths, 3000, *work)

        runs = bench.in_pairs({"alone": lambda: ask(bench, relais, paths, 3000, *work), "stuck": stuck})
    p99 = ratios(runs["stuck"], runs["alone"], "start_to_answered_ms", "p99")
    return [result("stuck", "a pixel's p99 beside %d stuck handlers" % STUCK, "ms",
                   median(runs["stuck"], "start_to_answered_ms", "p99"), None, "< 2x of alone", statistics.median(p99) < 2,
                   "%.2f ms alone, 1 000/s, in turn; %s" % (median(runs["alone"], "start_to_answered_ms", "p99"), spread(p99)),
                   runs, statistics.median(p99))]


def rewrite_row(bench):
    work = ["--connections", 50, "--html", "--size", 50 << 10]
    n = bench.messages // 8
    trackers = ["--module", "click-redirector", "--module", "open-tracker"]
    with bench.relais("--module", "dkim") as signing, bench.relais("--module", "dkim", *trackers) as both:
        for server in (signing, both):
            bench.warm_up(server, "--messages", n, *work)
        runs = bench.in_pairs({"signed": lambda: bench.one("rewrite, signed alone", signing, n, *work),
                               "both": lambda: bench.one("rewrite, 40 links, pixel, signed", both, n, *work)})
    cost = ratios(runs["both"], runs["signed"], "cpu_us")
    return [result("rewrite", "CPU of 50 KiB HTML rewritten and signed", "us", median(runs["both"], "cpu_us"), None,
                   "<= 1.3x signed alone", statistics.median(cost) <= 1.3,
                   "%.0f us signed alone, in turn; %s" % (median(runs["signed"], "cpu_us"), spread(cost)),
                   runs, statistics.median(cost))]
