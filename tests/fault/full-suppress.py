#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suppression list's kill loop of the long set: 500 kills."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suppress_killer

suppress_killer.main(500)
