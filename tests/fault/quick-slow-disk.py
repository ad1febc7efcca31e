#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow disk does not hold up the loop; on a machine that does other things as well."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import slow_disk

slow_disk.main(4, 500, "tests/fault/quick-slow-disk.py", False)
