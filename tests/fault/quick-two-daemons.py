#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several daemons and one spool: three races."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import two_daemons

two_daemons.main(3, "tests/fault/quick-two-daemons.py")
