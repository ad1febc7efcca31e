#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the soak once, in minutes of 0.8 s."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import soak

soak.main(["--minutes", "10", "--minute", "0.8", "--measure", "1", "--rate", "150"])
