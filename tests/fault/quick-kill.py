#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill loop of the quick set: 20 cycles."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import killer

killer.main(20, "tests/fault/quick-kill.py")
