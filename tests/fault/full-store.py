#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's kill loop of the long set: 200 kills."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_killer

store_killer.run(200)
