#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mutants still are mutants of this tree; mutants.py catches them."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mutants

mutants.main(["apply"])
