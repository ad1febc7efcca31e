#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of the store is damaged: 5 lives."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_damage

store_damage.run(5, "tests/fault/quick-store-damage.py")
