#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cut at each flush of three disks, of 40 messages each."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import flushes

flushes.main(["40"], "tests/fault/full-flushes.py")
