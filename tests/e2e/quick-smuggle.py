#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP smuggling: the strings around one dot, in a DATA, cut at every place within."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import smuggle

smuggle.main()
