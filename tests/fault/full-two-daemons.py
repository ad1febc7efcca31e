#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several daemons and one spool: forty races."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import two_daemons

two_daemons.main(40, "tests/fault/full-two-daemons.py")
