#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS that does not answer, answers late, or lies."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bad_dns

bad_dns.main(command="tests/fault/full-bad-dns.py")
