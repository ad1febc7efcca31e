#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocations fail, one of twenty."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import allocations

allocations.run(20, "tests/fault/full-allocations.py")
