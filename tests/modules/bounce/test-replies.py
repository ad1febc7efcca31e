#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped rules make of replies, through relaisctl as it is called: own replies with what they mean, the forms that a
file of them may have, and a labelled collection where one lies beside the tree. TAP."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import confusion  # noqa: E402

HERE = os.path.join(confusion.SOURCE, "tests/modules/bounce")
THROTTLE = os.path.join(confusion.SOURCE, "tests/modules/throttle")
count = bad = 0


def ok(good, name, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        print("# " + str(detail)[:5000].replace("\n", "\n# "), flush=True)


def ctl(conf, *words):
    argv = [os.path.join(confusion.BUILD, "relaisctl"), "--conf=" + conf,
            "--module-dir=" + os.path.join(confusion.BUILD, "modules/bounce/.libs"), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines(*names):
    for name in names:
        with open(name, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    yield line.rstrip("\n").split("\t")


def check_replies(name, wanted):
    """`wanted`: scope, permanence, reason, class, provider, phase, reply."""
    verdicts = confusion.judge(["\t".join(row[4:7]) for row in wanted])
    wrong = ["%s: %s, but %s" % (row[6], row[:4], verdict) for row, verdict in zip(wanted, verdicts)
             if (row[0], row[1], row[2], row[3] == "hard") !=
             (verdict["scope"], verdict["permanence"], verdict["reason"], verdict["suppress"])]
    ok(not wrong and len(verdicts) == len(wanted), "%s: %d replies mean what they say" % (name, len(wanted)), "\n".join(wrong))


def of_throttle():
    """The recorded replies of throttle's tests, with what replies-providers.tsv says of each, in the same order."""
    recorded = [row[2:] for row in lines(*(os.path.join(THROTTLE, "replies-%s.tsv" % name)
                                           for name in ("google", "microsoft", "orange", "others", "yahoo")))]
    meant = list(lines(os.path.join(HERE, "replies-providers.tsv")))
    ok(len(recorded) == len(meant) and len(meant) >= 150, "each of throttle's replies has a meaning here", (len(recorded), len(meant)))
    return [meaning[:4] + reply for meaning, reply in zip(meant, recorded)]


def check_forms(conf, top):
    path = os.path.join(top, "replies")
    with open(path, "wb") as file:
        file.write(b"# recorded\n550 5.1.1 no such user\n\ngoogle\trcpt\t550 x p=NoSuchUser\nno such user\n#5.1.1 bad\n550 5.1.1 no\tsuch\tuser\n"
                   b"550 5.1.1 \xff\xfe\n"
                   + json.dumps({"type": "bounced", "code": 550, "enhanced": "5.1.1", "stage": "rcpt", "reply": "no"}).encode() + b"\n"
                   + json.dumps({"type": "delivered", "code": 250, "reply": "ok"}).encode() + b"\n"
                   + json.dumps({"type": "queued"}).encode() + b"\n552 " + b"x" * 70000 + b" mailbox full\r\n552 mailbox full")
    done = ctl(conf, "--json", "bounce", "replay", path)
    found = rows(done)
    ok(done.returncode == 0 and all(list(row) == ["scope", "permanence", "reason", "suppress", "rule"] for row in found),
       "an object a reply, and nothing else", done.stdout + done.stderr)
    wanted = [("recipient", True), ("unknown", False), ("recipient", True), ("recipient", False), ("recipient", True), ("recipient", True),
              ("recipient", True), ("recipient", True), ("unknown", False), ("quota", False)]
    ok([(row["scope"], row["suppress"]) for row in found] == wanted, "every line but comments and other events is a reply", found)
    done = ctl(conf, "bounce", "replay", path)
    ok(done.returncode == 0 and "no-such-user" in done.stdout and "{" not in done.stdout, "a table for people", done.stdout + done.stderr)
    done = ctl(conf, "bounce", "replay", path, "--provider=gogle")
    ok(done.returncode == 1 and "there is no [provider gogle]" in done.stderr, "a provider that does not exist", done.stderr)
    done = ctl(conf, "bounce", "replay")
    ok(done.returncode == 2, "no file is a mistake in the call", done.stderr)


def check_explain(conf):
    done = ctl(conf, "--json", "bounce", "explain", "550 5.1.1 no such user", "--phase=rcpt", "--provider=google")
    row = rows(done)[0]
    ok((row["scope"], row["permanence"], row["reason"], row["suppress"], row["class"], row["action"]) ==
       ("recipient", "permanent", "no-such-user", True, "hard", "keep") and "bounce-rules.conf:" in row["place"], "a reply is explained", done.stdout)
    ok(rows(done)[-1].get("note", "").startswith("no-such-user: "), "with what the reason means", done.stdout)
    row = rows(ctl(conf, "--json", "bounce", "explain", "550 5.1.1 no such user", "--phase=banner"))[0]
    ok(row["scope"] == "ip" and not row["suppress"], "before RCPT no reply is about a recipient", row)
    done = ctl(conf, "bounce", "explain", "550 x", "--phase=nowhere")
    ok(done.returncode == 2, "a phase that does not exist", done.stderr)


def check_lint(conf, top):
    done = ctl(conf, "bounce", "lint")
    ok(done.returncode == 0 and "can apply" in done.stdout, "no shipped rule is dead", done.stdout + done.stderr)
    wrong = os.path.join(top, "wrong")
    os.makedirs(wrong)
    with open(os.path.join(wrong, "a.conf"), "w") as file:
        file.write("[module bounce]\nenable = yes\n[bounce-rule a]\ntext = x\nscope = policy\nsuppress = hard\n")
    done = ctl(wrong, "bounce", "lint")
    ok(done.returncode == 1 and "says nothing against an address" in done.stdout + done.stderr, "a rule that cannot be is told", done.stdout)
    done = ctl(wrong, "bounce", "explain", "550 x")
    ok(done.returncode == 1 and "a.conf:" in done.stderr, "and nothing is judged by it", done.stderr)


def check_corpus():
    if not os.path.exists(confusion.CORPUS):
        global count
        count += 1
        print("ok %d - the collection # SKIP no corpus of replies here" % count)
        return
    corpus = confusion.read(confusion.CORPUS)
    verdicts = confusion.judge([row["reply"] for row in corpus])
    wrong = [confusion.compare(row, verdict) for row, verdict in zip(corpus, verdicts)]
    good = sum(not {"scope", "permanence"} & set(what) for what in wrong)
    ok(good * 100 >= 98 * len(corpus), "98 % of the collection is right in scope and permanence", "%d of %d" % (good, len(corpus)))
    taken = [row["id"] for row, verdict in zip(corpus, verdicts) if row["suppress"] == "no" and verdict["suppress"]]
    ok(not taken, "and no living address is suppressed", taken)


def main():
    top = tempfile.mkdtemp(prefix="relais-bounce-")
    try:
        conf = os.path.join(top, "conf.d")
        os.makedirs(conf)
        for name in ("bounce-rules.conf", "throttle-providers.conf"):
            shutil.copy(os.path.join(confusion.SOURCE, "conf.d", name), conf)
        with open(os.path.join(conf, "zz.conf"), "w") as file:
            file.write("[module bounce]\nenable = yes\n")
        check_replies("families", list(lines(os.path.join(HERE, "replies-families.tsv"))))
        check_replies("providers", of_throttle())
        check_forms(conf, top)
        check_explain(conf)
        check_lint(conf, top)
        check_corpus()
    finally:
        shutil.rmtree(top)
    print("1..%d" % count)
    sys.exit(1 if bad else 0)


main()
