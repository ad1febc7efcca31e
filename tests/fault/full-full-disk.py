#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that fills up and is freed: 15 times."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import full_disk

full_disk.main(15, "ext4", "tests/fault/full-full-disk.py")
