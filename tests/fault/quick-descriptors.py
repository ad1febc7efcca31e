#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors run out: the lowest limit."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import descriptors

descriptors.main(250, "tests/fault/quick-descriptors.py")
