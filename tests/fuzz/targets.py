# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fuzz targets declare: the parsers that each is for, behind "Parsers:" in its opening comment."""
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FUZZ = os.path.join(TOP, "tests/fuzz")


def targets():
    """The parsers of each target, by its name."""
    declared = {}
    for path in sorted(glob.glob(os.path.join(FUZZ, "*.c"))):
        text = open(path).read()
        if "\nLLVMFuzzerTestOneInput (" not in text or path.endswith("/driver.c"):
            continue
        name = os.path.basename(path)[:-2]
        comment = " ".join(re.sub(r"(?m)^ \*", "", text[:text.index("*/")]).split())
        match = re.search(r"Parsers: ((?:\S+\.c,? )*\S+\.c)\.(?: |$)", comment)
        if match is None:
            sys.exit("tests/fuzz/%s.c names no parsers" % name)
        declared[name] = match.group(1).split(", ")
        for parser in declared[name]:
            if not os.path.exists(os.path.join(TOP, parser)):
                sys.exit("tests/fuzz/%s.c: there is no %s" % (name, parser))
    return declared
