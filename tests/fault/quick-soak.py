#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the soak once, in minutes of 0.5 s; but that of the DNS, after which a domain waits for half a minute."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import soak

soak.main(["--minutes", "9", "--minute", "0.5", "--measure", "0", "--rate", "150", "--without", "dead DNS"])
