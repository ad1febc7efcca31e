# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules compile in beside their own files, below modules/: names without their ending."""
import glob
import os

SHARES = {"bounce": "replies/*", "click-redirector": "tracking/*", "dmarc": "calls/*", "open-tracker": "tracking/*", "spf-check": "calls/*", "throttle": "replies/*",
          "unsubscribe": "tracking/life tracking/repeats"}


def files(source, module):
    return [path for name in SHARES.get(module, "").split() for path in glob.glob(os.path.join(source, "modules", name + ".[ch]"))]
