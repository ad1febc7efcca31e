#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What neighbours really answered and reported (tests/modules/bounce/neighbours) is read rightly by `relaisctl bounce
replay` and `bounce parse`: at least 98 of 100. Each miss is said. TAP."""
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("RELAIS_BUILDDIR") or os.path.join(SOURCE, "build")
HERE = os.path.join(SOURCE, "tests/modules/bounce/neighbours")
LEAST, REASONS, SERVERS = 0.98, 0.80, {"postfix", "exim", "opensmtpd", "sendmail", "haraka"}
count = bad = 0


def ok(good, name, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if detail:
        print("# " + str(detail)[:20000].replace("\n", "\n# "), flush=True)


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        head = file.readline().rstrip("\n").split("\t")
        return [dict(zip(head, line.rstrip("\n").split("\t"))) for line in file]


def ctl(top, *words):
    conf = os.path.join(top, "conf.d")
    if not os.path.isdir(conf):
        os.makedirs(conf)
        shutil.copy(os.path.join(SOURCE, "conf.d/bounce-rules.conf"), conf)
        with open(os.path.join(conf, "zz.conf"), "w") as file:
            file.write("[module bounce]\nenable = yes\n")
    argv = [os.path.join(BUILD, "relaisctl"), "--conf=" + conf, "--module-dir=" + os.path.join(BUILD, "modules/bounce/.libs"), "--json", "bounce", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def among(value, wanted):
    return wanted == "any" or value in wanted.split("|")


def judge(row, verdict):
    """What is wrong with it."""
    wrong = [key for key in ("scope", "permanence") if not among(verdict.get(key), row[key])]
    if row["suppress"] in ("yes", "no") and bool(verdict.get("suppress")) != (row["suppress"] == "yes"):
        wrong.append("suppress")
    return wrong


def told(row, verdict, wrong, what):
    return "%s: %s; %s %s %s %s (%s), expected %s %s %s %s" % (
        "+".join(wrong), what, verdict.get("scope"), verdict.get("permanence"), verdict.get("reason"), verdict.get("suppress"), verdict.get("rule"),
        row["scope"], row["permanence"], row["reason"], row["suppress"])


def check_judged(pairs, name):
    """pairs of (row, verdict, what it is called)."""
    misses = [(row, verdict, judge(row, verdict), what) for row, verdict, what in pairs]
    misses = [miss for miss in misses if miss[2]]
    lines = "\n".join(told(*miss) for miss in misses)
    good = sum(not {"scope", "permanence"} & set(wrong) for _, _, wrong, _ in misses) + len(pairs) - len(misses)
    ok(pairs and good >= LEAST * len(pairs), "%s: scope and permanence of %d of %d" % (name, good, len(pairs)), lines)
    living = [what for row, verdict, wrong, what in misses if "suppress" in wrong and row["suppress"] == "no"]
    ok(pairs and not living, "%s: none that lives is suppressed" % name, "\n".join(living))
    dead = [what for row, verdict, wrong, what in misses if "suppress" in wrong and row["suppress"] == "yes"]
    ok(pairs and len(dead) <= (1 - LEAST) * len(pairs), "%s: what is dead is, but for %d" % (name, len(dead)), "\n".join(dead))


def check_replies(top):
    rows = read("replies.tsv")
    ok(SERVERS == {row["mta"] for row in rows} and len(rows) >= 150, "%d replies of %s" % (len(rows), ", ".join(sorted(SERVERS))))
    path = os.path.join(top, "replies")
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join("-\t%s\t%s\n" % (row["phase"], row["reply"]) for row in rows))
    done, verdicts = ctl(top, "replay", path)
    ok(done.returncode == 0 and len(verdicts) == len(rows), "each is judged", "%d %s" % (len(verdicts), done.stderr))
    pairs = [(row, verdict, "%s/%s: %s" % (row["mta"], row["cause"], row["reply"])) for row, verdict in zip(rows, verdicts)]
    check_judged(pairs, "replies")
    other = ["%s for %s" % (verdict.get("reason"), what) for row, verdict, what in pairs if not among(verdict.get("reason"), row["reason"])]
    ok(len(other) <= (1 - REASONS) * len(rows), "replies: the reason itself of %d of %d" % (len(rows) - len(other), len(rows)), "\n".join(other))


def check_reports(top):
    rows = read("expected.tsv")
    names = sorted({row["file"] for row in rows})
    ok(names == sorted(name for name in os.listdir(HERE) if name.endswith(".eml")), "%d reports, each in the table" % len(names))
    done, found = ctl(top, "parse", *[os.path.join(HERE, name) for name in names])
    by_file = collections.defaultdict(list)
    for row in found:
        by_file[os.path.basename(row.get("file", ""))].append(row)
    pairs, misses = [], []
    for row in rows:
        said = [one for one in by_file[row["file"]] if (one.get("recipient") or "").lower() == row["recipient"].lower()]
        if not said:
            misses.append("%s: %s is not among %s" % (row["file"], row["recipient"], [one.get("recipient") for one in by_file[row["file"]]]))
            continue
        one = said[0]
        wrong = [key for key in ("kind", "action", "status", "message_id") if row[key] and not among(one.get(key), row[key])]
        if row["code"] not in ("0", "-") and not (one.get("diagnostic") or "").startswith(row["code"]):
            wrong.append("code")
        if wrong:
            misses.append("%s: %s" % (row["file"], ", ".join("%s is %s, not %s" % (key, one.get("diagnostic" if key == "code" else key), row[key]) for key in wrong)))
        if row["action"] in ("failed", "delayed"):
            pairs.append((row, one, "%s: %s %s" % (row["file"], row["recipient"], one.get("diagnostic"))))
    more = sum(len(by_file[name]) for name in names) - len(rows)
    ok(len(misses) <= (1 - LEAST) * len(rows), "%d of %d rows of reports are read" % (len(rows) - len(misses), len(rows)), "\n".join(misses))
    ok(more <= 0, "and nobody else is seen in them", more or "")
    check_judged(pairs, "reports")


with tempfile.TemporaryDirectory(prefix="relais-neighbours-") as home:
    check_replies(home)
    check_reports(home)
print("1..%d" % count)
sys.exit(1 if bad else 0)
