#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An outage of which little waits is over."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import outage

outage.main(800, "tests/fault/quick-outage.py", 2)
