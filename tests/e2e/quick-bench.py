#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark stands on does what it says: the options of relais-load, the module bench-stuck, the table,
and tests/lab/peer up to the point where it would make a root. Nothing here judges a time."""
import email
import os
import subprocess
import sys
import tempfile
import types

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "bench"))
import lab
import measure
import report
import trackers

tap = harness.Tap()
PROGRAM = os.path.join(harness.BUILD, "tests/bench/relais-load")


def ends(lab, sink=True):
    return ["--connect", "127.0.0.1:%d" % lab.port] + (["--listen", lab.hop] if sink else [])


def load(lab, *arguments, **more):
    return measure.load(harness.BUILD, *ends(lab), *arguments, **more)


def raw(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_pace(lab, directory):
    log = os.path.join(directory, "log")
    load(lab, "--messages", 40, "--rate", 200, "--connections", 3, "--log", log)
    lines = [list(map(int, line.split())) for line in open(log)]
    tap.equal({b[1] - a[1] for a, b in zip(lines, lines[1:])}, {5000000}, "paced messages are timed from when they are due")
    tap.ok(all(start < received for _, start, _, received in lines), "the log has all receipts", lines)


def test_bulk(lab, directory):
    log = os.path.join(directory, "log")
    load(lab, "--messages", 30, "--bulk", 20, "--connections", 4, "--log", log)
    lines = [list(map(int, line.split())) for line in open(log)]
    tap.ok(max(line[2] for line in lines[:20]) <= min(line[1] for line in lines[20:]), "bulk is accepted before the rest starts", lines)


def test_slow(lab):
    figures = load(lab, "--messages", 30, "--slow", 5, "--connections", 5)
    tap.equal((figures["deliveries"], figures["duplicates"]), (30, 0), "a slow sink gets all, once")


def test_refused(lab):
    before = lab.status()["queue.deferred_total"]
    with measure.Sink(harness.BUILD, int(lab.hop.split(":")[1]), "--fail", 100):
        measure.load(harness.BUILD, *ends(lab, sink=False), "--messages", 10, "--connections", 2)
        lab.wait(lambda: lab.status()["queue.deferred_total"] >= before + 10, what="ten deferrals")
    tap.equal(lab.status()["queue.deferred_total"], before + 10, "what the sink answers 450 to is put off")
    lab.ctl("queue", "delete", "--all")


def test_login(lab):
    subprocess.run([lab.facts["relaisctl"], "user", "add", "ann", "--tenant=sender"], input="secret\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)
    work = ["--messages", 12, "--per-connection", 1, "--connections", 3]
    figures = load(lab, "--tls", "--auth", "ann:secret", *work)
    tap.ok(figures["connects"] >= 12, "a connection a message, with STARTTLS and AUTH", figures)
    status, text = raw(*ends(lab), "--messages", "1", "--connections", "1", "--tls", "--auth", "ann:wrong")
    tap.ok(status == 1 and "AUTH refused: 535" in text, "a wrong password ends the tool", text)
    status, text = raw(*ends(lab), "--messages", "1", "--connections", "1", "--auth", "ann:secret")
    tap.ok(status == 1 and "AUTH refused" in text, "a login in clear is not taken", text)


def test_idle(lab):
    for more in ([], ["--tls"]):
        idle = measure.Background(harness.BUILD, *ends(lab, sink=False), "--idle", 25, *more)
        tap.equal(idle.line(), "idle 25 of 25", "idle connections stand %s" % " ".join(more))
        lab.wait(lambda: int(lab.status()["smtp.sessions"]) == 25, what="25 sessions")
        idle.end()
        tap.equal(idle.process.returncode, 0, "and they end when told to")
        lab.wait(lambda: int(lab.status()["smtp.sessions"]) == 0, what="no session")


def test_html(lab, directory):
    sink = os.path.join(directory, "html")
    with trackers.Keeper(int(lab.hop.split(":")[1]), sink) as keeper:
        measure.load(harness.BUILD, *ends(lab, sink=False), "--messages", 1, "--html", "--links", 7, "--size", 6000)
        message = keeper.messages(1)[0]
    body = message.partition(b"\r\n\r\n")[2]
    tap.equal((email.message_from_bytes(message).get_content_type(), len(body), body.count(b"<a href=")), ("text/html", 6000, 7),
              "a newsletter of the size that was asked for, with its links")
    tap.ok(body.count(b"</body>") == 1 and max(map(len, body.split(b"\r\n"))) < 998, "its lines are short", body)


def test_requests(lab, directory):
    bench = types.SimpleNamespace(build=harness.BUILD, sink_port=int(lab.hop.split(":")[1]))
    relais = types.SimpleNamespace(port=lab.port, http_port=int(lab.facts["http_port"]))
    with trackers.pixels(bench, relais, 12) as paths:
        tap.equal(len(set(open(paths))), 12, "each message has a pixel of its own")
        before = lab.status()["http.requests"]
        figures = measure.ask(harness.BUILD, relais.http_port, paths, "--requests", 60, "--connections", 3)
        tap.equal((figures["answered"], figures["refused"], figures["connects"] <= 3), (60, 0, True), "60 requests on three connections")
        figures = measure.ask(harness.BUILD, relais.http_port, paths, "--requests", 30, "--rate", 300, "--connections", 3)
        tap.equal((figures["answered"], lab.status()["http.requests"] >= before + 90), (30, True), "30 more at their pace, and the server saw all")
        with trackers.stuck_handlers(bench, relais, directory, 8):
            figures = measure.ask(harness.BUILD, relais.http_port, paths, "--requests", 20, "--connections", 2)
            tap.equal(figures["answered"], 20, "pixels are answered while eight handlers are stuck")
        tap.equal(int(trackers.fetch(relais, "/stuck/waiting")), 0, "who then are let go")
        with measure.Requests(harness.BUILD, relais.http_port, paths, "--requests", 1000000, "--rate", 50, "--connections", 2) as requests:
            lab.wait(lambda: lab.status()["http.requests"] >= before + 150, what="requests in the background")
        tap.ok(0 < requests.figures["answered"] < 1000000, "requests that are ended early are reported", requests.figures)
        with open(paths, "a") as file:
            file.write("/nothing\n")
        status, text = raw("--connect", "127.0.0.1:%d" % relais.http_port, "--requests", "13", "--connections", "2", "--paths", paths)
        tap.ok(status == 1 and "12 answered, 1 refused" in text and "HTTP/1.1 404" in text, "an answer that is no good one is told", text)


def test_usage():
    for words in (["--idle", "3"], ["--connect", "127.0.0.1:1", "--auth", "nobody"], ["--connect", "127.0.0.1:1", "--fail", "101"],
                  ["--connect", "127.0.0.1:1", "--requests", "3"], ["--connect", "127.0.0.1:1", "--html", "--links", "9", "--size", "5000"]):
        status, text = raw(*words)
        tap.equal(status, 2, "relais-load refuses " + " ".join(words))


def test_peer(directory):
    peer = os.path.join(harness.SOURCE, "tests/lab/peer")
    for words, wanted in ((["up", "postfix"], 1), (["up", "sendmail"], 2), (["down", "postfix"], 0)):
        done = subprocess.run([peer, *words, "--directory", directory], capture_output=True, text=True)
        tap.equal(done.returncode, wanted, "peer " + " ".join(words) + " without a next hop or a root")
    tap.equal(os.listdir(directory), [], "nothing was made")


def test_report(directory):
    run = os.path.join(harness.SOURCE, "tests/bench/run")
    done = subprocess.run([run, "--rows", "nothing"], capture_output=True, text=True)
    tap.equal(done.returncode, 2, "bench refuses a row it does not know")
    facts = {"cores": 2, "model": "x", "memory_gib": 1, "kernel": "y", "file_system": "ext4", "fdatasync_ms": 1,
             "load_before": 0, "touched_gib": 1, "postfix": "3", "runs": 3, "cpu": "control group",
             "elsewhere": 10, "elsewhere_most": 20}
    row = {"row": "a", "what": "words " * 20, "unit": "us", "relais": 123456.5, "postfix": 99999.5, "ratio": 0.123, "target": ">= 10 000/s, >= 20x",
           "met": False, "note": "a note " * 30, "runs": {}}
    text = report.table("tests/bench/run", facts, [row, dict(row, relais=None, postfix=None, ratio=None, met=None)])
    tap.ok(max(map(len, text.splitlines())) <= 100, "the table fits 100 columns", text)
    tap.ok("0 met, 1 missed" in text, "what is only reported is neither met nor missed", text)


with tempfile.TemporaryDirectory() as directory:
    tap.case(test_usage)
    tap.case(test_peer, directory)
    tap.case(test_report, directory)
    hop = "127.0.0.1:%d" % lab.free_port()
    with harness.Lab("--next-hop", hop) as laboratory:
        laboratory.hop = hop
        for test in (test_pace, test_bulk, test_html):
            tap.case(test, laboratory, directory)
        for test in (test_slow, test_login, test_idle, test_refused):
            tap.case(test, laboratory)
        laboratory.clean(tap)
    with harness.Lab("--next-hop", hop, "--module", "open-tracker", "--module", "bench-stuck", "--set", "limits.http_threads=8") as laboratory:
        laboratory.hop = hop
        tap.case(test_requests, laboratory, directory)
        laboratory.clean(tap)
tap.end()
