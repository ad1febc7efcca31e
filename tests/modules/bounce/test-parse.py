#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relaisctl bounce parse, as it is called: members, several files, what suppresses and what does not; and, where it lies beside the
tree, a labelled collection of reports. With --rows FILE... it tells what is wrong of the collection and tests nothing. TAP."""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import confusion

SOURCE = os.environ.get("RELAIS_SRCDIR", ".")
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
REPORTS = os.path.join(SOURCE, "tests/modules/bounce/reports")
MEMBERS = ["file", "kind", "recipient", "status", "scope", "permanence", "reason", "suppress", "rule", "action", "diagnostic",
           "reporting_mta", "message_id"]
# The collection's words for kinds. What is half a status notification may be read as either.
KINDS = {"dsn": ["dsn"], "dsn-misframed": ["dsn", "freetext"], "dsn-nostatus": ["freetext", "dsn"], "freeform": ["freetext", "dsn"],
         "arf": ["feedback"], "complaint-nonarf": ["feedback"], "autoreply": ["autoreply"]}
FORMS = os.path.join(SOURCE, "tests/modules/bounce/forms")
MISJUDGED = 0.02  # of the collection's rows may be read or judged otherwise
# Classes of what says nothing against an address.
LIVING = ("quota", "soft", "throttle", "greylist", "block", "auth", "policy", "spam", "content", "size", "protocol", "delivered", "autoreply")
count = bad = 0


def ok(good, name, detail=""):
    global count, bad
    count += 1
    bad += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        print("# " + str(detail)[:3000].replace("\n", "\n# "), flush=True)


def skip(name, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why), flush=True)


def parse(top, files, *words, give=None):
    argv = [os.path.join(BUILD, "relaisctl"), "--conf=" + top, "--module-dir=" + os.path.join(BUILD, "modules/bounce/.libs"),
            *words, "bounce", "parse", *files]
    return subprocess.run(argv, capture_output=True, timeout=300, input=give, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="C"))


def rows(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def own(name):
    return os.path.join(REPORTS, name + ".eml")


def check_command(top):
    done = parse(top, [own("dsn-two"), own("letter"), own("arf-redacted")], "--json")
    got = rows(done)
    ok(done.returncode == 0 and [row["kind"] for row in got] == ["dsn", "dsn", "other", "feedback"],
       "an object for each report and recipient, one for a report without", done.stdout + done.stderr)
    ok(all(list(row) == MEMBERS for row in got), "the members are there, in order", got[0])
    ok(got[0]["file"] == own("dsn-two") and got[0]["recipient"] == "ann@example.net" and got[0]["scope"] == "recipient" and
       got[0]["permanence"] == "permanent" and got[0]["suppress"] is True and got[0]["message_id"] == "<m-1@example.org>",
       "a dead mailbox is judged by the rules", got[0])
    ok(got[2]["recipient"] is None and got[2]["suppress"] is False and got[2]["scope"] == "unknown", "a letter means nothing", got[2])
    done = parse(top, [own("dsn-two")])
    ok(done.returncode == 0 and b"ann@example.net" in done.stdout and not done.stdout.startswith(b"{"), "a table without --json", done.stdout)
    with open(own("exim"), "rb") as file:
        done = parse(top, ["-"], "--json", give=file.read())
    ok([row["recipient"] for row in rows(done)] == ["ann@example.net", "bob@example.com"], "- is standard input", done.stdout)
    done = parse(top, [os.path.join(top, "nothing")], "--json")
    ok(done.returncode == 1 and b"nothing" in done.stderr, "a file that is not there is named", done.stderr)
    done = parse(top, [top], "--json")
    ok(done.returncode == 1 and top.encode() in done.stderr, "nor is a directory a file", done.stderr)
    ok(parse(top, []).returncode == 2, "no file is a mistake of usage")


def check_evidence(top):
    """Only what failed for good, complaints and wishes are evidence."""
    want = {"dsn-two": [True, False], "dsn-actions": [False] * 4, "exim-delay": [False], "sendmail-warning": [False],
            "notice-complaint": [True], "notice-delay": [False], "arf": [True], "arf-not-spam": [False], "arf-opt-out": [True], "auto-vacation": [False],
            "challenge-confirm": [False], "letter-quotes": [False], "relayed-text": [False]}
    got = rows(parse(top, [own(name) for name in want], "--json"))
    for name, suppress in want.items():
        ok([row["suppress"] for row in got if row["file"] == own(name)] == suppress, "%s: what suppresses" % name,
           [row for row in got if row["file"] == own(name)])
    delayed = [row for row in got if row["action"] == "delayed"]
    ok(len(delayed) >= 3 and all(row["permanence"] == "temporary" for row in delayed), "what waits is temporary", delayed)


def check_sender_domain(top):
    """A domain that is not there is the sender's where the words name it: nothing against the recipient, as it is where they name his."""
    with open(own("dsn-two"), encoding="utf-8") as file:
        text = file.read()
    head, _, rest = text.partition("Diagnostic-Code:")
    for domain, suppress in (("bounce.example.org", False), ("example.net", True)):
        path = os.path.join(top, "sender-" + domain)
        with open(path, "w", encoding="utf-8") as file:
            file.write(head + "Diagnostic-Code: smtp; 550 Domain %s does not exist\n" % domain + rest.partition("\n")[2].lstrip(" \t"))
        got = rows(parse(top, [path], "--json"))[0]
        ok(got["recipient"] == "ann@example.net" and got["suppress"] is suppress and
           got["scope"] == ("domain" if suppress else "auth"), "domain %s does not exist" % domain, got)


def collection():
    for folder in (os.environ.get("RELAIS_CORPORA"), os.path.join(SOURCE, "../shared/corpora"), "/work/shared/corpora"):
        if folder and os.path.exists(os.path.join(folder, "bounces/expected.tsv")):
            return os.path.join(folder, "bounces")
    return None


def wrong(row, got):
    """What is wrong with what was read of a row's file."""
    if not got or got[0]["kind"] not in KINDS[row["kind"]]:
        return ["kind"]
    addresses = row["recipient"].lower().split("|")
    matching = [one for one in got if (one["recipient"] or "").lower() in addresses]
    if not matching:
        return ["recipient"]
    if row["class"] not in confusion.RIGHT:
        return []
    n = min(int(row["n"]), len(matching)) - 1 if len(addresses) > 1 else 0
    verdict = matching[n]
    return [what for what in confusion.compare(dict(row, suppress=""), verdict)]


def compare(top, home, names=None):
    with open(os.path.join(home, "expected.tsv"), encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file, delimiter="\t") if names is None or row["file"] in names]
    paths = {row["file"]: os.path.join(home, "eml", row["file"]) for row in table}
    got = {}
    for row in rows(parse(top, sorted(paths.values()), "--json")):
        got.setdefault(os.path.basename(row["file"]), []).append(row)
    return [(row, wrong(row, got.get(row["file"])), got.get(row["file"])) for row in table]


def check_collection(top):
    home = collection()
    if home is None:
        skip("collection", "no collection of reports here")
        return
    done = compare(top, home)
    unread = [(row["file"], what) for row, what, _ in done if "kind" in what or "recipient" in what]
    misses = [(row["file"], what) for row, what, _ in done if what]
    ok(len(unread) <= 0.02 * len(done), "%d of %d rows of the collection: kind and recipient" % (len(done) - len(unread), len(done)), unread)
    ok(len(misses) <= MISJUDGED * len(done), "the collection: " + confusion.tell([row["file"] for row, _, _ in done], [what for _, what, _ in done]),
       misses)
    living = [row["file"] for row, _, got in done if row["class"] in LIVING
              for one in got or [] if one["suppress"] and (one["recipient"] or "").lower() in row["recipient"].lower().split("|") and row["of"] == "1"]
    ok(not living, "and no address is given up for what is no fault of its own", living)


def fits(want, got):
    """A row of forms/expected.tsv: "-" is any, "a|b" either."""
    return all(want[member] in ("-", str(got[member] if got[member] is not None else "")) or str(got[member]) in want[member].split("|")
               for member in ("kind", "recipient", "action", "scope", "permanence")) and want["suppress"] in ("-", str(got["suppress"]).lower())


def check_forms(top):
    """What the programs write and say, from our knowledge of them: who writes it, and what it means."""
    with open(os.path.join(FORMS, "expected.tsv"), encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = sorted({row["file"] for row in table})
    got = {}
    for row in rows(parse(top, [os.path.join(FORMS, name) for name in names], "--json")):
        got.setdefault(os.path.basename(row["file"]), []).append(row)
    ok(sorted(name for name in os.listdir(FORMS) if name.endswith(".eml")) == names and len(table) >= 400,
       "%d recipients in %d forms have a meaning" % (len(table), len(names)), names)
    extra = [name for name in names if len(got.get(name, [])) != sum(row["file"] == name for row in table)]
    ok(not extra, "and no more are read in them", extra)
    for writer in sorted({row["mta"] for row in table}):
        of = [row for row in table if row["mta"] == writer]
        wrong = [(row, got.get(row["file"])) for row in of if not any(fits(row, one) for one in got.get(row["file"], []))]
        ok(not wrong, "%s: %d recipients" % (writer, len(of)), wrong)


def main():
    top = tempfile.mkdtemp(prefix="relais-parse-")
    try:
        shutil.copy(os.path.join(SOURCE, "conf.d/bounce-rules.conf"), top)
        with open(os.path.join(top, "zz.conf"), "w") as file:
            file.write("[module bounce]\nenable = yes\n")
        if sys.argv[1:2] == ["--rows"]:
            names = open(sys.argv[2]).read().split() if len(sys.argv) > 2 else None
            done = compare(top, collection(), names)
            for row, what, got in done:
                if what:
                    print(",".join(what), row["file"], row["n"], row["recipient"], row["status"], row["reply"], row["reason"], row["class"])
                    for one in got or []:
                        print("    ", *(one[member] for member in MEMBERS[1:]))
            print("right: " + confusion.tell([row["file"] for row, _, _ in done], [what for _, what, _ in done]))
            return 0
        check_command(top)
        check_evidence(top)
        check_sender_domain(top)
        check_forms(top)
        check_collection(top)
    finally:
        shutil.rmtree(top)
    print("1..%d" % count)
    return bad > 0


sys.exit(main())
