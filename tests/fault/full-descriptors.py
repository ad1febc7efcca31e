#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors run out: eleven limits."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import descriptors

descriptors.main(20, "tests/fault/full-descriptors.py")
