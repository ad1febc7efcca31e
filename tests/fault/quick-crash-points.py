#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at some calls of a life: each twenty-third."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crash_points

crash_points.main(23, "tests/fault/quick-crash-points.py", ("alone",))
