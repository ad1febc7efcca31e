#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking hosts as the operator sees them: `relaisctl track check` names the step that fails and what to
do about it, `track hosts` and the log tell of each change, a setting that cannot be is refused."""
import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
# Far apart, so that every check is one that this test asked for: but the first, which comes by itself.
QUIET = ["--set", "tracking.check_interval=1h", "--set", "tracking.retry_interval=1h"]


class Web:
    """A web server on a port of 127.0.0.1 that stays the same."""

    def __init__(self):
        self.port, self.server = 0, None

    def start(self):
        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        http.server.HTTPServer.allow_reuse_address = True
        self.server = http.server.HTTPServer(("127.0.0.1", self.port), Answers)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def check(lab, host):
    """Exit status, and the rows by step."""
    done = lab.ctl("--json", "track", "check", host, check=False)
    rows = [harness.json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, {r["step"]: r for r in rows if "step" in r}


def results(steps):
    return {name: row["result"] for name, row in steps.items()}


def state(lab):
    return lab.rows("track", "hosts")[0]


def walk(lab, web):
    host = "track.sender.test"
    lab.wait(lambda: state(lab)["state"] == "good", 20, "the check at start")
    status, steps = check(lab, host)
    tap.equal((status, results(steps)), (0, {"configuration": "ok", "dns": "ok", "connect": "ok"}), "a good host")
    tap.equal(steps["dns"]["found"], "127.0.0.1", "its address is shown")
    tap.equal((state(lab)["domains"], state(lab)["failing_step"]), ("sender.test", ""), "track hosts shows it")

    web.stop()
    status, steps = check(lab, host)
    tap.equal((status, results(steps)), (1, {"configuration": "ok", "dns": "ok", "connect": "failed"}), "nobody listens")
    tap.ok("Connection refused" in steps["connect"]["found"] and "port %d" % web.port in steps["connect"]["advice"],
           "what was found, and what to do", steps)
    tap.equal((state(lab)["state"], state(lab)["failing_step"]), ("good", "connect"), "one failure untracks nothing")
    check(lab, host)
    tap.equal(state(lab)["state"], "failing", "a second one in a row does")
    web.start()
    status, steps = check(lab, host)
    tap.equal((status, state(lab)["state"]), (0, "good"), "one good check is enough")
    log = lab.log()
    tap.ok("step connect failed: found: 127.0.0.1 port %d: Connection refused" % web.port in log
           and "mail goes out untracked" in log and "all steps are good; mail is tracked" in log, "the log tells it", log)

    status, steps = check(lab, "nowhere.sender.test")
    tap.equal((status, results(steps)), (1, {"configuration": "skipped", "dns": "failed", "connect": "skipped",
                                             "certificate": "skipped"}), "a host that is not there, nor configured")
    tap.ok("no A or AAAA record" in steps["dns"]["found"] and "CNAME" in steps["dns"]["advice"]
           and "relais.test" in steps["dns"]["advice"], "what to publish", steps)
    status, steps = check(lab, "http://sender.test:%d" % web.port)
    tap.equal((status, results(steps)["dns"]), (1, "failed"), "a private address of a host that is not configured")
    tap.equal(lab.ctl("track", "check", "https://a.test/path", check=False).returncode, 2, "no host is a usage error")


def refused(lab):
    path = os.path.join(lab.facts["conf_dir"], "zz-bad.conf")
    with open(path, "w") as file:
        file.write("[domain other.test]\ntracking = https://track.other.test/path\n")
    done = lab.ctl("--json", "conf", "check", check=False)
    os.unlink(path)
    rows = [harness.json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    tap.ok(done.returncode == 1 and any(r.get("file") == path and r["line"] == 2 and "tracking" in r["text"] for r in rows),
           "a setting that cannot be: file and line", done.stdout + done.stderr)


def main():
    web = Web()
    web.start()
    try:
        with harness.Lab("--set", "domain.sender.test.tracking=http://track.sender.test:%d" % web.port, *QUIET) as lab:
            tap.case(walk, lab, web)
            tap.case(refused, lab)
        tap.ok("ERROR: " not in lab.last_log and "runtime error" not in lab.last_log, "the daemon had nothing to regret",
               lab.last_log[-2000:])
    finally:
        web.stop()
    tap.end()


main()
