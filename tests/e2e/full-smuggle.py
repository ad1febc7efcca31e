#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP smuggling: the whole product. More ends, NUL and doubled dots, DATA and BDAT, cut at every place within and around."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import smuggle

smuggle.main(smuggle.ENDS + smuggle.MORE_ENDS, smuggle.DOTS + smuggle.MORE_DOTS, ("DATA", "BDAT"), 2)
