#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at calls of a life: each third, also with torn writes and with modules."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crash_points

crash_points.main(3, "tests/fault/full-crash-points.py")
