#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two thousand flipped octets of a spool."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import flips

flips.main(2000, "tests/fault/full-flips.py")
