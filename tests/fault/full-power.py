#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four power cuts."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power

power.main(["4"], "tests/fault/full-power.py")
