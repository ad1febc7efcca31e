# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of a test script as TAP lines."""

count = 0


def ok(good, what, detail=""):
    global count
    count += 1
    print(("ok" if good else "not ok"), count, "-", what)
    if not good:
        for line in repr(detail)[:3000].split("\n"):
            print("#", line)


def end():
    print("1..%d" % count)
