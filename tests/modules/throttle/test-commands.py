#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relaisctl throttle lint and replay, as they are called: over what is shipped and over mistakes, of files in each of their forms. TAP."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR", ".")
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
HERE = os.path.join(SOURCE, "tests/modules/throttle")
count = bad = 0


def ok(good, name, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        print("# " + str(detail)[:3000].replace("\n", "\n# "), flush=True)


def ctl(top, *words):
    argv = [os.path.join(BUILD, "relaisctl"), "--conf=" + top, "--module-dir=" + os.path.join(BUILD, "modules/throttle/.libs"), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def conf(top, name, files, text=""):
    home = os.path.join(top, name)
    os.makedirs(home)
    for path in files:
        shutil.copy(path, home)
    with open(os.path.join(home, "zz.conf"), "w") as file:
        file.write("[module throttle]\nenable = yes\n" + text)
    return home


def check_lint(top, shipped):
    done = ctl(shipped, "throttle", "lint")
    ok(done.returncode == 0 and "can apply" in done.stdout, "nothing that is shipped is dead", done.stdout + done.stderr)
    mistakes = conf(top, "mistakes", [os.path.join(HERE, "mistakes/mistakes.conf")])
    done = ctl(mistakes, "--json", "throttle", "lint")
    with open(os.path.join(HERE, "mistakes/findings.tsv")) as file:
        wanted = [line.rstrip("\n").split("\t") for line in file]
    found = [[row["place"].replace(mistakes + "/mistakes.conf:", ""), row["what"].replace(mistakes + "/", ""), row["do"]]
             for row in rows(done) if "place" in row]
    ok(found == wanted, "each mistake is found", found)
    ok(done.returncode == 1 and "20 findings" in done.stdout + done.stderr, "and the command fails", "%d %s" % (done.returncode, done.stderr))


def check_replay(top, shipped):
    path = os.path.join(top, "replies")
    with open(path, "w") as file:
        file.write("# recorded\n421 4.7.28 unusual rate of unsolicited mail\n"
                   "orange\tbanner\t421 Too many connections, slow down. OFR005_104 [104]\n"
                   "yahoo\trcpt\t554 5.7.9 Message not accepted for policy reasons\nwhat?\n"
                   + json.dumps({"type": "deferred", "site": "google", "code": 421, "enhanced": "4.7.26", "stage": "body", "reply": "Rate limited"}) + "\n"
                   + json.dumps({"type": "deferred", "site": "mx.test", "code": 421, "stage": "banner", "reply": "go away"}) + "\n"
                   + json.dumps({"type": "queued"}) + "\n")
    done = ctl(shipped, "--json", "throttle", "replay", path, "--provider=google")
    found = rows(done)
    wanted = [(2, "google", "google.rate", "slow", "30m", None), (3, "orange", "orange.connections", "connections", "1h", None),
              (4, "yahoo", None, None, None, None), (5, None, None, "(no reply)", None, None), (6, "google", "google.auth", "none", None, None),
              (7, None, "all.busy", "slow", "15m", "3/10m")]
    ok([tuple(row.get(key) for key in ("line", "provider", "rule", "action", "for", "hits")) for row in found if "line" in row] == wanted,
       "each line comes to its rule", done.stdout + done.stderr)
    notes = [row["note"] for row in found if "note" in row]
    ok(notes == ["5 replies: 3 with a rule that acts (60 %), 1 known and left alone (20 %), 1 without a rule; 1 lines were no reply."],
       "and the coverage is told", notes)
    done = ctl(shipped, "throttle", "replay", path)
    ok(done.returncode == 0 and "all.rate" in done.stdout, "without a provider the rules for all are asked", done.stdout + done.stderr)
    done = ctl(shipped, "throttle", "replay", path, "--provider=gogle")
    ok(done.returncode == 1 and "there is no [provider gogle]" in done.stderr, "a provider that does not exist", done.stderr)
    done = ctl(shipped, "throttle", "replay")
    ok(done.returncode == 2 and "Unknown" not in done.stderr, "no file is a mistake in the call", "%d %s" % (done.returncode, done.stderr))
    wrong = conf(top, "wrong", [], "[throttle-rule x]\ncode = 421\ntext = (\naction = slow\n")
    done = ctl(wrong, "throttle", "replay", path)
    ok(done.returncode == 1 and "[throttle-rule x] text: the pattern is wrong at its octet 2" in done.stderr, "a rule that cannot be is told", done.stderr)


def main():
    top = tempfile.mkdtemp(prefix="relais-throttle-")
    try:
        shipped = conf(top, "shipped", [os.path.join(SOURCE, "conf.d/throttle-providers.conf")])
        check_lint(top, shipped)
        check_replay(top, shipped)
    finally:
        shutil.rmtree(top)
    print("1..%d" % count)
    sys.exit(1 if bad else 0)


main()
