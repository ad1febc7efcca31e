#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places at which files are used fail: each fifth with its error."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import error_sites

error_sites.main(7, "tests/fault/full-error-sites.py")
