# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules compile in beside their own files, below modules/: names without their ending."""
import glob
import os

SHARES = {"bounce": "replies/*", "click-redirector": "tracking/*", "open-tracker": "tracking/*", "throttle": "replies/*", "unsubscribe": "tracking/life"}


def files(source, module):
    return glob.glob(os.path.join(source, "modules", SHARES[module] + ".[ch]")) if module in SHARES else []
