#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All modules together: 1 000 messages, 3 kills."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger

ledger.main(1000, 3)
