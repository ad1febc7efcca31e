#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hundred messages, a quarter of them with a reply that is lost."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lost_reply

lost_reply.main(300, "tests/fault/quick-lost-reply.py")
