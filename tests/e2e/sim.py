# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end tests of the simulated internet share: a scenario is run as people run it, and each of its
expectations is a case."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness


def run(tap, scenario, *options, seconds=900):
    argv = [os.path.join(harness.SOURCE, "tests/sim/run"), scenario, "--build", harness.BUILD, "--json", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
    if done.returncode == 2 or not done.stdout.startswith("{"):
        raise RuntimeError("%s: %s%s" % (scenario, done.stdout[-2000:], done.stderr[-2000:]))
    found = json.loads(done.stdout)
    figures = found["figures"]
    tap.note("%s: %d messages, %.2f h of virtual time, %.1f s of real time" % (
        found["title"], figures["messages"], figures["virtual_h"], figures["real_s"]))
    for verdict in found["verdicts"]:
        tap.ok(verdict["met"], "%s: %s" % (found["title"], verdict["expect"]),
               "found %r\n%s" % (verdict["found"], json.dumps(found["result"])[:3000]))
    return found
