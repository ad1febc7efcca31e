#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hundred kills."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import killer

killer.main(300, "tests/fault/full-kill.py")
