#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An outage is over, for which much has waited."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import outage

outage.main(200000, "tests/fault/full-outage.py")
