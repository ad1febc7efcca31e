#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped rules make of a labelled collection of replies: usage: confusion.py [--rows] [FILE.tsv], by default the one that
lies beside the tree or in RELAIS_CORPORA. Prints how many are right, how classes come to scopes (the confusion table), and with --rows what is wrong."""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("RELAIS_BUILDDIR") or os.path.join(SOURCE, "build")
FOLDERS = [os.environ.get("RELAIS_CORPORA"), os.path.join(SOURCE, "../shared/corpora"), "/work/shared/corpora"]
CORPUS = next((path for path in (os.path.join(folder, "replies/replies.tsv") for folder in FOLDERS if folder) if os.path.exists(path)), None)
SCOPES = ["recipient", "domain", "content", "ip", "auth", "policy", "quota", "network", "local", "unknown"]
# Which scopes are right for a class, as the collection's README has it; undecided: any.
RIGHT = {
    "hard": "recipient domain", "disabled": "recipient", "quota": "quota", "soft": "recipient domain network local policy",
    "throttle": "policy ip", "greylist": "policy ip", "block": "ip policy", "auth": "auth", "policy": "policy content ip",
    "spam": "content policy", "content": "content policy", "size": "content policy", "protocol": "local network policy",
    "undecided": " ".join(SCOPES),
}
LASTING = {"hard": "permanent", "disabled": "permanent", "quota": "temporary", "soft": "temporary", "throttle": "temporary", "greylist": "temporary"}


def permanences(row):
    if row.get("retry"):
        return {"no": ["permanent"], "yes": ["temporary"]}.get(row["retry"])
    wanted = LASTING.get(row["class"])
    return [wanted] if wanted else None


def judge(texts, build=BUILD):
    """One verdict a text, of relaisctl bounce replay."""
    top = tempfile.mkdtemp(prefix="relais-bounce-")
    try:
        conf = os.path.join(top, "conf.d")
        os.makedirs(conf)
        for name in ("bounce-rules.conf",):
            shutil.copy(os.path.join(SOURCE, "conf.d", name), conf)
        with open(os.path.join(conf, "zz.conf"), "w") as file:
            file.write("[module bounce]\nenable = yes\n")
        path = os.path.join(top, "replies")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(text.replace("\n", " ") + "\n" for text in texts))
        argv = [os.path.join(build, "relaisctl"), "--conf=" + conf, "--module-dir=" + os.path.join(build, "modules/bounce/.libs"),
                "--json", "bounce", "replay", path]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]
    finally:
        shutil.rmtree(top)


def compare(row, verdict):
    """What is wrong: of scope, permanence, suppress."""
    out = []
    if verdict["scope"] not in RIGHT[row["class"]].split():
        out.append("scope")
    lasting = permanences(row)
    if lasting is not None and verdict["permanence"] not in lasting:
        out.append("permanence")
    if row["suppress"] in ("yes", "no") and verdict["suppress"] != (row["suppress"] == "yes"):
        out.append("suppress")
    return out


def disputed():
    """Rows of the collections whose labels we do not take."""
    with open(os.path.join(SOURCE, "tests/modules/bounce/disputed.tsv"), encoding="utf-8") as file:
        return {line.split("\t")[0] for line in file if not line.startswith("#")} - {"row"}


def tell(rows, wrong):
    """How many are right, with those in dispute and without: `rows` are their names."""
    skipped = disputed()
    kept = [what for name, what in zip(rows, wrong) if name not in skipped]
    good, sure = sum(not what for what in wrong), sum(not what for what in kept)
    return "%d of %d (%.1f %%); without those in dispute %d of %d (%.1f %%)" % (
        good, len(wrong), 100 * good / max(len(wrong), 1), sure, len(kept), 100 * sure / max(len(kept), 1))


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["class"] in RIGHT]


def table(rows, verdicts):
    counts = {}
    for row, verdict in zip(rows, verdicts):
        key = (row["class"], verdict["scope"])
        counts[key] = counts.get(key, 0) + 1
    yield "%-10s" % "class" + "".join("%10s" % scope for scope in SCOPES)
    for name in RIGHT:
        if any(key[0] == name for key in counts):
            yield "%-10s" % name + "".join("%10s" % (counts.get((name, scope)) or ".") for scope in SCOPES)


def main():
    rest = [word for word in sys.argv[1:] if word != "--rows"]
    path = rest[0] if rest else CORPUS
    if path is None:
        print("no corpus of replies here")
        return 1
    rows = read(path)
    verdicts = judge([row["reply"] for row in rows])
    wrong = [compare(row, verdict) for row, verdict in zip(rows, verdicts)]
    if "--rows" in sys.argv:
        for row, verdict, what in zip(rows, verdicts, wrong):
            if what:
                print("\t".join([row.get("id") or "-", row["class"], row.get("retry") or "-", row["suppress"], "+".join(what), verdict["scope"],
                                 verdict["permanence"], str(verdict["suppress"]).lower(), verdict["rule"], row["reply"]]))
    print("\n".join(table(rows, verdicts)))
    good = sum(not {"scope", "permanence"} & set(what) for what in wrong)
    print("%d rows: scope and permanence right in %d (%.1f %%), scope wrong in %d, permanence in %d; suppressed and should not be: %d, not "
          "suppressed and should be: %d" % (
              len(rows), good, 100 * good / max(len(rows), 1), sum("scope" in what for what in wrong), sum("permanence" in what for what in wrong),
              sum("suppress" in what and verdict["suppress"] for what, verdict in zip(wrong, verdicts)),
              sum("suppress" in what and not verdict["suppress"] for what, verdict in zip(wrong, verdicts))))
    print("right: " + tell([row.get("id") for row in rows], [{"scope", "permanence"} & set(what) for what in wrong]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
