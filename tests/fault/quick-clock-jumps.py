#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall clock jumps."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import clock_jumps

clock_jumps.main("tests/fault/quick-clock-jumps.py")
