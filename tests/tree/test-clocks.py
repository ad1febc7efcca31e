#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules ask Relais for the time and for addresses, and never wait by themselves: what tests cannot put forward, fake or end
is not called. The templates that authors begin with are held to it, too. TAP."""
import glob
import os
import re

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CALLS = re.compile(r"\b(time|gettimeofday|clock_gettime|timespec_get|ftime|g_get_real_time|g_get_monotonic_time|g_get_current_time|"
                   r"g_date_time_new_now\w*|getaddrinfo|gethostbyname\w*|getnameinfo|res_query|res_search|sleep|usleep|nanosleep|"
                   r"clock_nanosleep|g_usleep|g_timeout_add\w*) ?\(")
# A program of its own that the module starts, has no Relais to ask: modules/NAME/helper.
PATTERNS = ["modules/*/*.[ch]", "tests/abi/header-policy/*.[ch]", "tests/abi/recipient-callout/*.[ch]"]
# What may, all the same: a wait on a condition (g_cond_wait_until) goes by the machine's clock, and no test's.
EXEMPT = {("modules/store-gdbm", "g_get_monotonic_time"), ("modules/unsubscribe/answer.c", "g_get_monotonic_time")}
CASES = {"  x = time (NULL);": True, "  g_usleep (5);": True, "getaddrinfo (a, b, c, &d)": True, "a->time (x)": False,
         "relais_module_wall_us (m)": False, "last_time (x)": False, '"time (s)"': False}


def found(line):
    code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
    if code.lstrip().startswith(("*", "/*")):
        return False
    return any(not code[:match.start()].endswith(("->", ".")) for match in CALLS.finditer(code))


def exempt(path, line, used):
    for place, call in EXEMPT:
        if path.startswith(place) and call in line:
            used.add((place, call))
            return True
    return False


def main():
    wrong = [line for line, wanted in CASES.items() if found(line) != wanted]
    print("%sok 1 - the search finds what it should" % ("not " if wrong else ""))
    for line in wrong:
        print("# " + line)
    paths = sorted({path for pattern in PATTERNS for path in glob.glob(os.path.join(SOURCE, pattern))})
    bad, used = [], set()
    for path in paths:
        short = os.path.relpath(path, SOURCE)
        with open(path, errors="replace") as file:
            bad += ["%s:%d: %s" % (short, n, line.strip()) for n, line in enumerate(file, 1) if found(line) and not exempt(short, line, used)]
    print("%sok 2 - no module has a clock, a resolver or a rest of its own (%d files)" % ("not " if bad or len(paths) < 50 else "", len(paths)))
    for line in bad:
        print("# %s: ask Relais (relais/timer.h, relais/dns.h)" % line)
    print("%sok 3 - every exemption is needed" % ("" if used == EXEMPT else "not "))
    for place, call in EXEMPT - used:
        print("# %s %s" % (place, call))
    print("1..3")


main()
