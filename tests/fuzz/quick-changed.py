#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes what changed: each target of whose parsers one changed since the commit of its last line in RESULTS, 60 s, or less
where they are so many that all would take more than four minutes.

    tests/fuzz/quick-changed.py [BUILD]

TAP. With the driver of BUILD; the same commit gives the same mutations. tests/fuzz/run, which goes on for longer, writes
the lines of RESULTS.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from targets import FUZZ, TOP, targets

EACH_S, ALL_S = 60, 240


def git(*arguments):
    return subprocess.run(["git", "-C", TOP, *arguments], capture_output=True, text=True)


def fuzzed():
    """The commit that each target was fuzzed at last."""
    rows = (line.split() for line in open(os.path.join(FUZZ, "RESULTS")) if not line.startswith("#"))
    return {row[2]: row[1] for row in rows}


def has_changed(name, parsers, commit):
    """Also if there is no such commit, as in a clone without history, or none that the target was fuzzed at."""
    return commit is None or git("diff", "--quiet", commit, "HEAD", "--", *parsers).returncode != 0


def fuzz(build, name, seconds, seed):
    """How many executions there were, or None, and what it said, if it ended badly."""
    environment = dict(os.environ, G_DEBUG="fatal-criticals", RELAIS_SRCDIR=TOP)
    done = subprocess.run(["tests/fuzz/" + name, "--seconds", str(seconds), "--seed", str(seed)], cwd=build, env=environment,
                          capture_output=True, text=True, errors="replace")
    found = re.findall(r"# (\d+) executions", done.stdout)
    return (int(found[-1]) if done.returncode == 0 and found else None), done.stdout + done.stderr


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RELAIS_BUILDDIR", os.path.join(TOP, "build")))
    head = git("rev-parse", "HEAD")
    if head.returncode != 0:
        print("1..0 # SKIP no history to tell what changed by")
        return
    known = fuzzed()
    changed = [name for name, parsers in targets().items() if has_changed(name, parsers, known.get(name))]
    seconds = min(EACH_S, ALL_S // max(len(changed), 1))
    print("ok 1 - what changed is known: %s" % (", ".join(changed) or "nothing"), flush=True)
    good = True
    for number, name in enumerate(changed, 2):
        executions, text = fuzz(build, name, seconds, int(head.stdout[:7], 16))
        good = good and executions is not None
        print("%s %d - %s, %d s: %s" % ("not ok" if executions is None else "ok", number, name, seconds,
                                       "ended badly" if executions is None else "%d executions" % executions), flush=True)
        if executions is None:
            print("".join("# %s\n" % line for line in text.splitlines()[-20:]), end="", flush=True)
    print("1..%d" % (len(changed) + 1))
    sys.exit(not good)


main()
