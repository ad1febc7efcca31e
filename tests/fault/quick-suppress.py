#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suppression list's kill loop of the quick set: 20 kills."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suppress_killer

suppress_killer.main(20)
