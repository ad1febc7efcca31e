#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking changes nothing else: every link of every mail leads where it led, no other octet changed, the
signatures are good; 20 of the mails are painted by Chromium, before and after."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import track

track.run(full=False)
