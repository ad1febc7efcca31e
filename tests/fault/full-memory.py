#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that is allowed little memory, for a minute each."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import memory

memory.run(60, memory.LIMITS, "tests/fault/full-memory.py")
