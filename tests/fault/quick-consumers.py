#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of events is not well, for a moment each."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import consumers

consumers.main(0.5, 0, "tests/fault/quick-consumers.py", ("huge", "half", "dead"))
