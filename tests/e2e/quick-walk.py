#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random walks through sessions of the running daemon beside a model of them: a short one. See walk.py;
--steps N and --seed N for another."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import walk

walk.main(2000)
