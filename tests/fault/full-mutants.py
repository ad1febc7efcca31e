#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test of abuse fails on a build that lets it happen: mutants.py abuse."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mutants

mutants.main(["abuse"])
