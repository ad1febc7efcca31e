#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated internet in small: a campaign to two providers that are told as they are, over a reload, a restart and a
kill -9; four days of warm-up. And that the judge sees what is there to see."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import sim

tap = harness.Tap()
INTERNET = os.path.join(harness.BUILD, "tests/sim/relais-internet")
SCENARIOS = os.path.join(harness.SOURCE, "tests/sim/scenarios")


def told_too_much():
    """The same campaign, but Relais was told ten times what the providers take, and has no rules: it must be seen."""
    with open(os.path.join(SCENARIOS, "small.scenario")) as file:
        text = file.read().partition("[actions]")[0].replace("small.conf", "much.conf").replace("messages = 2000", "messages = 300")
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "much.scenario"), "w") as file:
            file.write(text + "[expect]\nviolations.alpha > 20\nviolations.beta > 20\nblocks = 0\nmissing = 0\n")
        with open(os.path.join(directory, "much.conf"), "w") as file:
            file.write("[throttle]\nrate = 600/m burst 100\n")
        sim.run(tap, os.path.join(directory, "much.scenario"))


def refused(line, wanted):
    """What is not understood is refused, with file and line."""
    with tempfile.NamedTemporaryFile("w", suffix=".scenario") as file:
        file.write("[scenario]\n[source s1]\n[campaign c]\nmessages = 1\n[provider p]\n" + line + "\n")
        file.flush()
        done = subprocess.run([INTERNET, file.name, "--dump"], capture_output=True, text=True)
        tap.ok(done.returncode == 2 and "%s:6: %s" % (file.name, wanted) in done.stderr, "refused: " + line, done.stderr)


if not os.path.exists(INTERNET):
    raise SystemExit("Bail out! %s is not built" % INTERNET)
for line, wanted in (("limit = 20", "expected a limit"), ("limit = 0/h", "a limit of nothing"), ("limit = 5/h burst", "expected a limit"),
                     ("colour = red", "[provider] has no"), ("[planet]", "there is no [planet]"), ("[provider]", "[provider] needs a name"),
                     ("stall = 1h", "expected a time"), ("defer = 2", "expected a share"), ("on_limit = go away", "expected a reply"),
                     ("block = 4h", "expected a block"), ("limit_at = dinner", "expected connect"), ("greylist = 5", "expected a time"),
                     ("just words", "expected KEY = VALUE")):
    tap.case(refused, line, wanted)
tap.case(sim.run, tap, "small")
tap.case(sim.run, tap, "small-warmup")
tap.case(told_too_much)
tap.end()
