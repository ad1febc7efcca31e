# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the benchmark: each gives its servers the same work in turn (A B A B), takes medians and
judges them by its target. What was not measured is not in a row. Rows of the trackers: trackers.py.
"""
import contextlib
import itertools
import os
import statistics
import subprocess
import tempfile
import time

import measure
import servers
import trackers
from turns import Bench, PEER_MESSAGES, median, ratios, result, spread, tell


# --- Accept and deliver --------------------------------------------------------------------------

# name: connections, size, messages of Relais, of a peer (each run)
WORK = {
    "c1": ("1 connection, 4 KiB", 1, 4096, 0.1, 0.3),
    "c20": ("20 connections, 4 KiB", 20, 4096, 0.5, 1),
    "c200": ("200 connections, 4 KiB", 200, 4096, 1, 1),
    "c1000": ("1 000 connections, 4 KiB", 1000, 4096, 1, 1),
    "50k": ("20 connections, 50 KiB", 20, 50 << 10, 0.2, 0.6),
    "1m": ("20 connections, 1 MiB", 20, 1 << 20, 0.05, 0.1),
}


def plain_work(bench, wanted):
    """The work of the rows wanted that no row before had done, on one pair of servers."""
    wanted = [name for name in wanted if name not in bench.done]
    if not wanted:
        return
    with contextlib.ExitStack() as stack:
        relais = stack.enter_context(bench.relais())
        postfix = stack.enter_context(servers.Postfix(bench.build, bench.sink_port))
        others = servers.others(bench.build) if "c200" in wanted else []  # in the main row alone, for time
        others = [stack.enter_context(kind(bench.build, bench.sink_port)) for kind in others]
        for name in wanted:
            try:
                bench.done[name] = one_work(bench, name, relais, [postfix] + (others if name == "c200" else []))
            except measure.Failed as failure:
                tell("%s failed: %s" % (name, failure))
                bench.done[name] = failure


def work_done(bench, name):
    plain_work(bench, [name])
    if isinstance(bench.done[name], measure.Failed):
        raise bench.done[name]
    return bench.done[name]


def one_work(bench, name, relais, peers):
    if name == "latency":
        arguments = ["--rate", 150, "--connections", 20, "--size", 4096]
        return bench.in_turn(name, [(relais, 1500, arguments)] + [(peer, PEER_MESSAGES // bench.runs, arguments) for peer in peers])
    _, connections, size, share, peer_share = WORK[name]
    arguments = ["--connections", connections, "--size", size]
    mine, theirs = int(bench.messages * share), int(PEER_MESSAGES / bench.runs * peer_share)
    return bench.in_turn(name, [(relais, mine, arguments)] + [(peer, int(theirs * peer.share), arguments + peer.takes) for peer in peers],
                         warm_up=1000)


def rate_row(bench, name):
    runs = work_done(bench, name)
    relais, postfix = median(runs["Relais"], "delivered_per_s"), median(runs["Postfix"], "delivered_per_s")
    slow_disk = bench.facts["fdatasync_ms"] > 2
    if name == "c200":
        target = ">= 20x" + ("" if slow_disk else ", >= 10 000/s")
        met = relais >= 20 * postfix and (slow_disk or relais >= 10000)
    else:
        least = 1 if name == "c1" else 5
        target, met = ">= %dx" % least, relais >= least * postfix
    titles = {kind.__name__: kind.title or kind.__name__ for kind in servers.others(bench.build)}
    note = ", ".join("%s %.0f/s" % (titles[other], median(runs[other], "delivered_per_s")) for other in runs if other in titles)
    if name == "1m":
        note = "the disk alone, one writer, one sync at the end: %.0f MiB/s" % measure.writing_rate(bench.build)
    return [result(name, WORK[name][0], "/s", relais, postfix, target, met, note, runs)]


def cpu_row(bench):
    runs = work_done(bench, "c200")
    relais, postfix = median(runs["Relais"], "cpu_us"), median(runs["Postfix"], "cpu_us")
    return [result("cpu", "CPU a message, whole tree", "us", relais, postfix, "<= 0.05x", relais <= postfix / 20)]


def latency_row(bench):
    runs = work_done(bench, "latency")
    out = []
    for part, most, alone in zip(("p50", "p99"), (0.5, 0.33), measure.paced_syncs(bench.build, 150)):
        relais, postfix = (median(runs[name], "start_to_delivered_ms", part) for name in ("Relais", "Postfix"))
        note = "one sync of 4 KiB by itself, 150 a second: %.2f ms" % (alone * 1000)
        out.append(result("latency", "latency at 150/s, %s, to delivery" % part, "ms", relais, postfix, "<= %gx" % most,
                          relais <= most * postfix, note, runs if part == "p50" else None))
    return out


# --- TLS, signatures, syncs ----------------------------------------------------------------------

def tls_row(bench):
    with bench.relais() as relais:
        relais.ctl("user", "add", "ann", "--tenant=sender", text="secret\n")
        work = ["--tls", "--auth", "ann:secret", "--per-connection", 1, "--connections", 50]
        runs = bench.in_turn("tls", [(relais, 2000, work)])
    rate = median(runs["Relais"], "delivered_per_s")
    return [result("tls", "1 connection a message, STARTTLS + AUTH", "/s", rate, None, ">= 500/s", rate >= 500, runs=runs)]


def dkim_row(bench):
    work = ["--connections", 200, "--size", 10 << 10]
    mine, theirs = bench.messages // 2, PEER_MESSAGES // bench.pairs
    with bench.relais() as plain, bench.relais("--module", "dkim") as relais, \
            servers.SigningPostfix(bench.build, bench.sink_port) as postfix:
        for server in (plain, relais, postfix):
            bench.warm_up(server, "--messages", 500 if server is postfix else 2000, *work)
        # In this order, and back: unsigned and openssl are right before and behind the signed run.
        runs = bench.in_pairs({
            "unsigned": lambda: bench.one("dkim, unsigned", plain, mine, *work),
            "Relais": lambda: bench.one("dkim", relais, mine, *work),
            "openssl": lambda: {"signature_us": measure.signature_seconds() * 1e6,
                                "both_us": measure.signature_seconds(os.cpu_count()) * 1e6},
            "Postfix": lambda: bench.one("dkim", postfix, theirs, *work)})
    rates = [median(runs[name], "delivered_per_s") for name in ("Relais", "Postfix")]
    cpu, before, one = median(runs["Relais"], "cpu_us"), median(runs["unsigned"], "cpu_us"), median(runs["openssl"], "signature_us")
    parts = [signed["cpu_us"] / (unsigned["cpu_us"] + 1.25 * openssl["signature_us"])
             for signed, unsigned, openssl in zip(runs["Relais"], runs["unsigned"], runs["openssl"])]
    times = [run["signature_us"] for run in runs["openssl"]]
    state = "one signature by openssl speed: %.0f us (%.0f to %.0f), %.0f us where all processors sign" % (
        one, min(times), max(times), median(runs["openssl"], "both_us"))
    return [
        result("dkim", "RSA-2048 signed, 200 connections, 10 KiB", "/s", *rates, ">= 3 500/s, >= 12x",
               rates[0] >= 3500 and rates[0] >= 12 * rates[1], "Postfix with opendkim as milter; " + state, runs),
        result("dkim", "CPU a signed message", "us", cpu, median(runs["Postfix"], "cpu_us"), "<= %.0f us" % (before + 1.25 * one),
               statistics.median(parts) <= 1, "unsigned %.0f us + 1.25 x %.0f us (openssl speed); in turn, %.2f of that (%s)" % (
                   before, one, statistics.median(parts), spread(parts))),
    ]


def syncs_row(bench):
    many = median(work_done(bench, "c200")["Relais"], "syncs")
    lone = []
    with bench.relais() as relais, measure.Sink(bench.build, bench.sink_port, "--slow", 3000, "--messages", 100):
        for _ in range(max(3, bench.runs)):  # its delivery's sync comes 50 ms after the sink's answer
            time.sleep(4)
            before = relais.syncs()
            measure.load(bench.build, "--connect", "127.0.0.1:%d" % relais.port, "--messages", 1)
            lone.append(relais.syncs() - before)
    return [result("syncs", "syncs a message, 200 connections", "", many, None, "<= 0.05", many <= 0.05),
            result("syncs", "syncs of a lone message until its 250", "", statistics.median(lone), None, "1",
                   statistics.median(lone) == 1, runs={"lone": lone})]


# --- Idle connections ----------------------------------------------------------------------------

def p99_of_good_client(bench, relais):
    work = ["--rate", 150, "--connections", 10, "--size", 4096, "--messages", 900]
    return statistics.median(measure.load(bench.build, *relais.ends(), *work)["start_to_accepted_ms"]["p99"] for _ in range(bench.runs))


def idle_row(bench):
    out = []
    for word, most, more in (("plaintext", 4, []), ("TLS", 24, ["--tls"])):
        with bench.relais("--set", "limits.sessions_per_client=20000") as relais:
            # Memory first: what load once took would be there for idle sessions to take again.
            measure.load(bench.build, *relais.ends(), "--messages", 1, "--connections", 1)
            before = measure.resident_bytes(relais.pid)
            with measure.Background(bench.build, "--connect", "127.0.0.1:%d" % relais.port, "--idle", 5000, *more) as idle:
                said = idle.line()
                if said != "idle 5000 of 5000":
                    raise measure.Failed("the load tool said %r" % said)
                each = (measure.resident_bytes(relais.pid) - before) / 5000 / 1024
                beside = p99_of_good_client(bench, relais)
            time.sleep(1)
            alone = p99_of_good_client(bench, relais)
        tell("idle, %s: %.1f KiB each, p99 %.2f ms alone, %.2f ms beside" % (word, each, alone, beside))
        out.append(result("idle", "5 000 idle connections, %s, each" % word, "KiB", each, None, "<= %d KiB" % most, each <= most))
        out.append(result("idle", "a good client's p99 beside those", "ms", beside, None, "< 2x of alone", beside < 2 * alone,
                          "%.2f ms alone" % alone))
    return out


# --- Fairness ------------------------------------------------------------------------------------

def read_log(path):
    """(number, start, accepted, received) of each message."""
    return [tuple(map(int, line.split())) for line in open(path)]


def fair_load(bench, bulk, transactional, *more):
    """Transactional mail behind waiting bulk, through one connection that takes 10 ms a message: the log."""
    with tempfile.TemporaryDirectory() as directory, bench.relais("--set", "route.next-hop.connections=1") as relais:
        log = os.path.join(directory, "log")
        measure.load(bench.build, *relais.ends(), "--bulk", bulk, "--messages", bulk + transactional, "--size", 256,
                     "--slow", 10, "--connections", 100, "--log", log, *more)
        return read_log(log)


def fair_row(bench):
    bulk = 100000
    lone = fair_load(bench, bulk, 50, "--rate", 10)
    receipts = sorted(line[3] for line in lone if line[3])
    turns = [sum(accepted < at < received for at in receipts) for _, _, accepted, received in lone[bulk:]]
    waiting = sum(1 for line in lone[:bulk] if not line[3] or line[3] > lone[bulk][2])
    tell("fair: at most %d turns passed, %d bulk waiting" % (max(turns), waiting))
    burst = fair_load(bench, bulk, 400)
    begin, end = max(line[2] for line in burst[bulk:]), max(line[3] for line in burst[bulk:])
    order = [number >= bulk for received, number in sorted((line[3], line[0]) for line in burst) if begin < received <= end]
    bulk_turns = order.count(False)
    longest = max(len(list(group)) for transactional, group in itertools.groupby(order) if transactional)
    return [
        result("fair", "turns of others before a transactional", "", max(turns), None, "<= 4", max(turns) <= 4,
               "50 one by one, %d bulk waiting for the same connection" % waiting, {"turns": turns}),
        result("fair", "bulk's share beside transactional", "", bulk_turns / len(order), None, ">= 1 turn in 5",
               bulk_turns >= len(order) // 5,
               "400 transactional at once; %d of %d turns, at most %d others in a row" % (bulk_turns, len(order), longest)),
    ]


# --- A full queue --------------------------------------------------------------------------------

NEW_MAIL = ["--connections", 200, "--size", 1024]


def fill(bench, relais, n):
    """n deliveries that the next hop put off, each a message of its own."""
    began = time.monotonic()
    with measure.Sink(bench.build, bench.sink_port, "--fail", 100):
        measure.load(bench.build, "--connect", "127.0.0.1:%d" % relais.port, "--messages", n, *NEW_MAIL, timeout=2400)
        accepted = time.monotonic() - began
        while any(int(relais.status()["queue." + figure]) > 0 for figure in ("due", "active")):
            time.sleep(0.5)
    tell("deferred: %d accepted in %.0f s, put off in %.0f s" % (n, accepted, time.monotonic() - began))


def restart(bench, relais, cold=False):
    """Seconds until a message got through the daemon that was started anew. Warm is the median of three:
    the first one meets a disk that still writes what the fill left."""
    if not cold:
        return statistics.median(restart_once(bench, relais) for _ in range(3))
    return restart_once(bench, relais, cold=True)


def restart_once(bench, relais, cold=False):
    relais.stop()
    if cold and not drop_caches():
        return None
    began = time.monotonic()
    relais.up()
    measure.load(bench.build, *relais.ends(), "--messages", 1, "--connections", 1)
    return time.monotonic() - began - 0.3  # relais-load lingers so long for copies


def drop_caches():
    subprocess.run(["sync"])
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3\n")
    except OSError:
        return False
    return True


def deferred_row(bench):
    million, burst = 1000000, bench.messages // 2
    settings = ["--set", "class.transactional.retry=12h", "--set", "spool.min_free=1G"]
    with bench.relais(*settings) as relais, bench.relais(*settings) as small, bench.relais(*settings) as empty:
        fresh = measure.resident_bytes(relais.pid)
        fill(bench, small, 1000)
        fill(bench, relais, million)
        waiting = relais.status().get("queue.deliveries", 0)
        warm = restart(bench, relais)
        each = (measure.resident_bytes(relais.pid) - fresh) / million
        # Before the cold start, which leaves nothing of the segments in memory that are written to.
        for server in (empty, relais, small):
            bench.warm_up(server, "--messages", 20000, *NEW_MAIL)
        runs = bench.in_pairs({
            "empty": lambda: bench.one("deferred, empty queue", empty, burst, *NEW_MAIL),
            "million": lambda: bench.one("deferred, 1 000 000 waiting", relais, burst, *NEW_MAIL),
            "thousand": lambda: bench.one("deferred, 1 000 waiting", small, burst, *NEW_MAIL)})
        cold = restart(bench, relais, cold=True)
    note = "%s waiting" % waiting
    rate, cost = ratios(runs["million"], runs["empty"], "delivered_per_s"), ratios(runs["million"], runs["thousand"], "cpu_us")
    return [
        result("deferred", "1 000 000 deferred, memory of each", "bytes", each, None, "<= 150 bytes", each <= 150, note),
        result("deferred", "start to delivery of new mail, warm", "s", warm, None, "<= 5 s", warm <= 5,
               "" if cold is None else "cold %.1f s" % cold),
        result("deferred", "new mail beside them", "/s", median(runs["million"], "delivered_per_s"), None, ">= 0.9x empty",
               statistics.median(rate) >= 0.9,
               "%.0f/s with an empty queue, in turn; %s" % (median(runs["empty"], "delivered_per_s"), spread(rate)),
               runs, statistics.median(rate)),
        result("cost", "CPU a message, queue of 1M, not 1k", "us", median(runs["million"], "cpu_us"), None, "<= 1.2x",
               statistics.median(cost) <= 1.2,
               "%.0f us at 1k, in turn; %s" % (median(runs["thousand"], "cpu_us"), spread(cost)), ratio=statistics.median(cost)),
    ]


# Each row: what makes it, and the plain work it takes its figures from.
ROWS = {
    "c200": (lambda bench: rate_row(bench, "c200"), "c200"),
    "c1": (lambda bench: rate_row(bench, "c1"), "c1"),
    "c20": (lambda bench: rate_row(bench, "c20"), "c20"),
    "c1000": (lambda bench: rate_row(bench, "c1000"), "c1000"),
    "50k": (lambda bench: rate_row(bench, "50k"), "50k"),
    "1m": (lambda bench: rate_row(bench, "1m"), "1m"),
    "cpu": (cpu_row, "c200"),
    "latency": (latency_row, "latency"),
    "tls": (tls_row, None),
    "dkim": (dkim_row, None),
    "syncs": (syncs_row, "c200"),
    "idle": (idle_row, None),
    "fair": (fair_row, None),
    "pixels": (trackers.pixel_row, None),
    "beside": (trackers.beside_row, None),
    "stuck": (trackers.stuck_row, None),
    "rewrite": (trackers.rewrite_row, None),
    "deferred": (deferred_row, None),
}
FULL = ["deferred"]  # with --full, or by name


def run(bench, names):
    """All results, in order; a row that failed says so and is missed."""
    plain = [ROWS[name][1] for name in names if ROWS[name][1]]
    plain_work(bench, list(dict.fromkeys(plain)))
    results = []
    for name in names:
        began = time.monotonic()
        try:
            results.extend(ROWS[name][0](bench))
        except (measure.Failed, servers.lab.Trouble, subprocess.TimeoutExpired) as failure:
            tell("%s failed: %s" % (name, failure))
            results.append(result(name, "failed", "", None, met=False, note=str(failure)[:200]))
        tell("%s done in %.0f s" % (name, time.monotonic() - began))
    return results
