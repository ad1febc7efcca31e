#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that ends the daemon each time, among others."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import poison

poison.main(1, "tests/fault/quick-poison.py")
