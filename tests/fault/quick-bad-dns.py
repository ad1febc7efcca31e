#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS that says now and then that a domain does not exist."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bad_dns

bad_dns.main(("flap",), "tests/fault/quick-bad-dns.py", 1)
