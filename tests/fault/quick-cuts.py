#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that are cut after some octets, in and out."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cuts

cuts.main(97, "tests/fault/quick-cuts.py", ("DATA", "out"))
