#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some allocations fail."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import allocations

allocations.run(900, "tests/fault/quick-allocations.py", 150)
