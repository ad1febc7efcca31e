#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""DANE and MTA-STS: the rows that every change has to keep, with a signed zone (tls_policy.py)."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import tls_policy

tap = harness.Tap()


def rows(world):
    with world.lab() as relais:
        tls_policy.send_and_check(tap, world, relais, world.cases)
        relais.clean(tap)


home = tempfile.mkdtemp(prefix="relais-tls-policy-")
world = tls_policy.World(home, tls_policy.CORE)
try:
    tap.case(rows, world)
finally:
    world.stop()
    shutil.rmtree(home, ignore_errors=True)
tap.end()
