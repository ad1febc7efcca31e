#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that is allowed 128 MiB, for a moment."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import memory

memory.run(3, (128,), "tests/fault/quick-memory.py")
