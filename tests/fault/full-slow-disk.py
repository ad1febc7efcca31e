#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow disk, for a minute."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import slow_disk

slow_disk.main(60, 500, "tests/fault/full-slow-disk.py")
