#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""As quick-track-mails.py, with all mails painted by Chromium and verified by opendkim."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import track

track.run(full=True)
