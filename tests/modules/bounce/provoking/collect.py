# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what was provoked: replies in a table, reports as they came with what they must be read as."""
import email
import glob
import json
import os
import re
import shutil
import sys
import time

import causes
import dialogue
import letters
import world

REPLY_COLUMNS = ("mta", "version", "cause", "phase", "reply", "scope", "permanence", "reason", "suppress")
REPORT_COLUMNS = ("file", "kind", "recipient", "action", "status", "code", "message_id", "scope", "permanence", "reason", "suppress")
PATIENCE = 150  # for all reports of one server, seconds
DAYS, MONTHS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DATE = re.compile(r"%s,[ ]+\d{1,2} %s 20\d\d \d\d:\d\d:\d\d" % (DAYS, MONTHS))
CTIME = re.compile(r"%s %s [ \d]\d \d\d:\d\d:\d\d 20\d\d" % (DAYS, MONTHS))


def neutral(text):
    """All days are one: the day on which it was made says nothing about it."""
    text = DATE.sub("Thu, 01 Jan 2026 12:00:00", text)
    text = CTIME.sub("Thu Jan  1 12:00:00 2026", text)
    text = re.sub(r"\b1[78]\d{8}\b", "1767268800", text)  # boundaries and names of messages have the second in them
    text = re.sub(r"<20\d{12}\.", "<20260101120000.", text)
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "2026-01-01T12:00:00Z", text)


class Collection:
    def __init__(self, server, fresh, inbox, adds):
        self.server, self.fresh, self.inbox = server, fresh, inbox
        self.found, self.seen, self.rows, self.files = [], set(), [], {}
        if adds:
            self.take_up()

    def take_up(self):
        """What was found before, to add to it."""
        paths = [os.path.join(self.fresh, "%s-%s.tsv" % (kind, self.server.name)) for kind in ("replies", "reports")]
        self.found, self.rows = [read_table(path) if os.path.exists(path) else [] for path in paths]
        self.seen = {tuple(row[2:5]) for row in self.found}
        for path in glob.glob(os.path.join(self.fresh, self.server.name + "-*.eml")):
            self.files[os.path.basename(path)] = open(path, "rb").read()

    def replies(self, provoked):
        for cause, commands, *more in provoked:
            options = more[0] if more else {}
            kept = [] if options.get("keep") else None
            got = None
            for _ in range(options.get("times", 1)):
                got = dialogue.provoke(commands, options.get("source", world.CLIENT), kept, options.get("early", False))
                if got:
                    break
            for talk in kept or []:
                talk.close()
            if got is None:
                print("provoke: %s: %s: nothing was refused (%s)" % (self.server.name, cause, str(commands)[:200]), file=sys.stderr)
                continue
            phase, reply = got
            self.keep_reply(cause, phase, neutral(reply).replace("\t", " "))

    def keep_reply(self, cause, phase, reply):
        if (cause, phase, reply) not in self.seen:
            self.seen.add((cause, phase, reply))
            self.found.append((self.server.name, self.server.version(), cause, phase, reply, *causes.expected(cause, int(reply[:3]))))

    # --- Reports ---------------------------------------------------------------------------------

    def reports(self):
        before = set(os.listdir(self.inbox))
        self.rows, self.files = [], {}
        self.server.start("sending")
        waiting = {}
        for number, letter in enumerate(letters.LETTERS, 1):
            refused = self.submit(letter, number)
            if refused:
                print("provoke: %s does not take %s: %s" % (self.server.name, letter.name, refused), file=sys.stderr)
            else:
                waiting[letter.name] = (letter, number)
        self.gather(before, waiting)

    def submit(self, letter, number):
        talk = dialogue.Talk()
        try:
            steps = ["EHLO client.example.com", "MAIL FROM:<r-%s@example.com>%s" % (letter.name, letter.mail)]
            steps += ["RCPT TO:<%s>%s" % (fate.address, letter.rcpt) for fate in letter.fates]
            steps += ["DATA", letters.compose(letter, number) + b".\r\n"]
            code, words = talk.reply()
            for step in steps:
                if code >= 400:
                    return words
                code, words = talk.say(step)
            return words if code >= 400 else None
        except dialogue.Lost:
            return "lost"
        finally:
            talk.close()

    def gather(self, before, waiting):
        until, times, missing = time.time() + PATIENCE, {}, set(waiting)
        while time.time() < until and (missing or time.time() < until - PATIENCE + 75):
            for name in sorted(set(os.listdir(self.inbox)) - before):
                if not name.endswith(".eml"):
                    continue
                before.add(name)
                facts = json.load(open(os.path.join(self.inbox, name[:-4] + ".json")))
                to = facts["recipients"][0][0].split("@")[0]
                if to.startswith("r-") and to[2:] in waiting:
                    times[to] = times.get(to, 0) + 1
                    missing.discard(to[2:])
                    self.keep_report(*waiting[to[2:]], times[to], os.path.join(self.inbox, name))
            time.sleep(0.5)
        for name in sorted(missing):
            print("provoke: %s: no report about %s" % (self.server.name, name), file=sys.stderr)

    def keep_report(self, letter, number, nth, path):
        data = open(path, "rb").read()
        name = "%s-%s%s.eml" % (self.server.name, letter.name, "" if nth == 1 else "-%d" % nth)
        data = neutral(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        rows = read_report(name, data, letter, number)
        if rows and (nth < 3 or rows[0][3] != "delayed"):
            self.files[name] = data
            self.rows.extend(rows)

    def write(self):
        for path in glob.glob(os.path.join(self.fresh, self.server.name + "-*.eml")):
            os.unlink(path)
        for name, data in self.files.items():
            with open(os.path.join(self.fresh, name), "wb") as file:
                file.write(data)
        write_table(os.path.join(self.fresh, "reports-%s.tsv" % self.server.name), None, self.rows)
        write_table(os.path.join(self.fresh, "replies-%s.tsv" % self.server.name), None, self.found)


def read_report(name, data, letter, number):
    """Rows of one report: who is in it is the report's word, what it is about is what was provoked."""
    message = email.message_from_bytes(data)
    groups = [group for part in message.walk() if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
              for group in part.get_payload()]
    rows = []
    for group in [group for group in groups if group["Final-Recipient"]]:
        address = group["Final-Recipient"].partition(";")[2].strip().strip("<>")
        original = (group["Original-Recipient"] or "").partition(";")[2].strip()
        fate = next((fate for fate in letter.fates if fate.address.lower() in (address.lower(), original.lower())), letter.fates[0])
        action = (group["Action"] or fate.action or "").strip().lower().split(" ")[0]
        said = str(group["Diagnostic-Code"] or "") or told_people(message, address)
        row = row_of(name, address, action, group, said, data.decode("utf-8", "replace"), fate, letters.message_id(letter, number))
        rows += [row] if row not in rows else []
    if not groups:
        text = data.decode("utf-8", "replace")
        for fate in [fate for fate in letter.fates if fate.action]:
            verdict = expect(fate, fate.action, str(fate.code) in text)
            rows.append((name, "freetext", fate.address, fate.action, "", str(fate.code), letters.message_id(letter, number), *verdict))
    return rows


def told_people(message, address):
    """What stands beside the address in the part for people: some write it nowhere else."""
    texts = [part.get_payload() for part in message.walk() if part.get_content_type() == "text/plain"]
    lines = texts[0].splitlines() if texts else []
    at = next((n for n, line in enumerate(lines) if address.lower() in line.lower()), len(lines))
    beside = lines[at:at + 1]
    return "\n".join(beside if beside and ": " in beside[0] else lines[at:at + 4])


def row_of(name, address, action, group, said, text, fate, message_id):
    status = (group["Status"] or "").split(" ")[0]
    told = str(fate.code) in said if fate.code else bool(group["Diagnostic-Code"] or action == "failed") and not re.search("expired|retry timeout", said)
    statuses = [status]
    owns = re.findall(r"\b[45]\.\d{1,3}\.\d{1,3}\b", said)[:1]
    if fate.code:
        owns += re.findall(r"\b%d[ -]([45]\.\d{1,3}\.\d{1,3})\b" % fate.code, text)[:1]
    for own in owns:  # the peer's own word, or the report writer's
        statuses += [own] if own not in statuses else []
    statuses = "|".join(statuses)
    code = str(fate.code) if told and action in ("failed", "delayed") else "-"
    return (name, "dsn", address, action, statuses, code, message_id, *expect(fate, action, told))


def expect(fate, action, told):
    """Where a report does not pass on what it was told, less can be known: a way that is not there, or nothing."""
    if action not in ("failed", "delayed") or not fate.cause:
        return ("any", "any", "any", "either" if action == "failed" else "no")
    scope, permanence, reason, suppress = causes.expected(fate.cause, 400 if action == "delayed" else fate.code or 500)
    if told:
        return scope, permanence, reason, suppress
    return "|".join(dict.fromkeys(scope.split("|") + ["network", "unknown"])), "any", "any", "either" if suppress == "yes" else suppress


def write_table(path, head, rows):
    with open(path + ".tmp", "w") as file:
        if head:
            file.write("\t".join(head) + "\n")
        for row in rows:
            file.write("\t".join(row) + "\n")
    os.rename(path + ".tmp", path)


def read_table(path):
    return [line.rstrip("\n").split("\t") for line in open(path)]


def put_together(fresh, output):
    """The tables of all servers as one, and the reports beside them; what is there already of a server that was not
    provoked anew stays."""
    os.makedirs(output, exist_ok=True)
    for kind, target, head, column in (("replies", "replies.tsv", REPLY_COLUMNS, 0), ("reports", "expected.tsv", REPORT_COLUMNS, 0)):
        path, rows = os.path.join(output, target), []
        anew = {re.match(r".*/%s-(\w+)\.tsv" % kind, found).group(1) for found in glob.glob(os.path.join(fresh, kind + "-*.tsv"))}
        if os.path.exists(path):
            rows = [row for row in read_table(path)[1:] if re.split("-", row[column])[0] not in anew]
        for name in sorted(anew):
            rows += read_table(os.path.join(fresh, "%s-%s.tsv" % (kind, name)))
        write_table(path, head, sorted(rows) if kind == "reports" else rows)
        if kind == "reports":
            for name in anew:
                for old in glob.glob(os.path.join(output, name + "-*.eml")):
                    os.unlink(old)
                for new in glob.glob(os.path.join(fresh, name + "-*.eml")):
                    shutil.copy(new, output)
