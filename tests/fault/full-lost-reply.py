#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five thousand messages, a quarter of them with a reply that is lost."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lost_reply

lost_reply.main(5000, "tests/fault/full-lost-reply.py")
