#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated internet at a middle scale. At full scale: tests/sim/run NAME; what that printed is in tests/sim/RESULTS."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import sim

tap = harness.Tap()
for name, scale in (("campaign-million", "0.06"), ("stall", "0.2"), ("greylist", "0.3"), ("learn", "0.3"), ("slow-day", "1"),
                    ("listed", "0.3")):
    tap.case(sim.run, tap, name, "--scale", scale)
tap.end()
