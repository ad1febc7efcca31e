#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator against suites of cases: ours (cases.yml), and the public one for RFC 7208 where it is there.
Result and explanation must be what the suite says; there are no exceptions. TAP."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suite

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
PROGRAM = os.environ.get("SPF_EVALUATE") or os.path.join(BUILD, "tests/modules/spf-check/evaluate")
count = bad = 0


def report(good, name, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name))
    if not good:
        print("# " + detail)


def unhex(text):
    return "" if text == "-" else bytes.fromhex(text).decode("latin-1")


def run(path):
    documents = suite.load(path)
    done = subprocess.run([PROGRAM], input="\n".join(suite.lines(documents)) + "\n", capture_output=True, text=True, timeout=120)
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    report(done.returncode == 0, "%s: the program ended well" % os.path.basename(path), done.stderr)
    for number, (_, _, cases) in enumerate(documents):
        for case in cases:
            result, terms, voids, questions, explanation, why = found.get("%d.%s" % (number, case.name), ["-"] * 6)
            explanation, why = unhex(explanation), unhex(why)
            wanted = None if case.explanation is None else "" if case.explanation == "DEFAULT" else case.explanation
            good = result in case.wanted and wanted in (None, explanation)
            if "terms" in case.data:
                good = good and terms == case.data["terms"]
            if "questions" in case.data:
                good = good and questions == case.data["questions"]
            report(good, case.name, "%s (%s), %s terms, %s voids, %s questions, explanation %r; wanted %s, %r"
                   % (result, why, terms, voids, questions, explanation, case.wanted, wanted))


run(os.path.join(suite.HERE, "cases.yml"))
if suite.corpus():
    run(suite.corpus())
else:
    count += 1
    print("ok %d - the public suite # SKIP no suite of RFC 7208 cases here" % count)
print("1..%d" % count)
sys.exit(1 if bad else 0)
