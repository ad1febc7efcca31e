#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new program takes over 3 times under load."""
import reexec

reexec.main(3, "tests/e2e/quick-reexec.py")
