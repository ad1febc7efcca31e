#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: its octets, in the middle of a message, its inodes."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import full_disk

full_disk.main(3, command="tests/fault/quick-full-disk.py")
