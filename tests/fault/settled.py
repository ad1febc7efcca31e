# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of ledger.py made while the run goes on, for runs whose books would not fit in memory: the event log is read
as it grows, each event is held against the peer's answer that it names, and a message of which all is known is forgotten
but for its id."""
import collections
import glob
import json
import re
import time

import ledger

SETTLE_S = 10  # the sender may hear its 250 after the log has the delivery, where the disk is slow
KEPT = ("bounce", "complaint", "opened", "bounced", "expired")


class Tail:
    """The whole lines that were added to the files of a pattern."""

    def __init__(self, pattern):
        self.pattern, self.at = pattern, {}

    def lines(self):
        for path in sorted(glob.glob(self.pattern)):
            with open(path, "rb") as file:
                file.seek(self.at.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.at[path] = self.at.get(path, 0) + len(line)
                    yield line


class Settled:
    """What is open, and what was found wrong. `numbers` and `events` are what the checks of ledger.py at the end still need."""

    def __init__(self, events, receiving, sending):
        self.tail, self.receiving, self.sending = Tail(events), receiving, sending
        self.open, self.closing, self.done = {}, collections.deque(), set()
        self.ids, self.old_ids, self.turned = set(), set(), time.time()
        self.events, self.numbers, self.began = {}, {}, {}
        self.wrong, self.many, self.twice, self.never_acked, self.settled = [], [], 0, 0, 0
        self.counts = collections.Counter()

    def read(self):
        """All that the log has by now."""
        if time.time() - self.turned > 120:
            self.ids, self.old_ids, self.turned = set(), self.ids, time.time()
        for line in self.tail.lines():
            event = json.loads(line)
            if event["id"] in self.ids or event["id"] in self.old_ids:
                self.twice += 1
                continue
            self.ids.add(event["id"])
            self.learn(event)
        self.settle(time.time() - SETTLE_S)

    def learn(self, event):
        kind, queue_id = event["type"], event.get("queue_id")
        self.counts[kind] += 1
        if kind == "accepted":
            self.accepted(queue_id, event)
        elif event.get("recipient_number") is not None and kind in ledger.FINAL + ("deferred",):
            self.outcome(kind, queue_id, event)
        if (kind in KEPT or "report_of" in event) and len(self.wrong) < 1000:
            self.events[event["id"]] = {k: event[k] for k in ("type", "queue_id", "recipient", "report_of") if k in event}

    def accepted(self, queue_id, event):
        name = event.get("message_id", "").strip("<>")
        if not re.fullmatch(r"n\d+@sender\.test", name):
            return
        number = int(name[1:].partition("@")[0])
        if number not in self.sending.sent or queue_id in self.open or int(queue_id, 36) in self.done:
            self.wrong.append(("accepted", event))
            return
        recipients = set(self.sending.sent[number][1])
        self.open[queue_id] = number, recipients
        if any(ledger.kind_of(r) in ("returned", "complains", "opens") for r in recipients):
            self.numbers[queue_id] = number

    def outcome(self, kind, queue_id, event):
        if queue_id not in self.open:
            if int(queue_id, 36) in self.done and kind in ledger.FINAL:
                self.many.append(event)
            return
        number, left = self.open[queue_id]
        self.join(kind, number, event)
        if kind not in ledger.FINAL:
            return
        if event["recipient"] not in left:
            self.many.append(event)
        left.discard(event["recipient"])
        if kind != "delivered":
            self.numbers[queue_id] = number
        if not left:
            self.closing.append((time.time(), queue_id, number))

    def join(self, kind, number, event):
        """The answer that an event tells of is the peer's to this recipient, and of no other event."""
        what, found = ledger.MEANS.get(kind), re.search(r"T\d+\.$", event.get("reply", ""))
        if what is None or (found is None and what == "put-off"):
            return
        answer = self.receiving.answers.pop(found.group(), None) if found else None
        if answer is None or answer.what != what or answer.recipient != event["recipient"] or answer.number not in (None, number):
            self.wrong.append((event, answer and answer.text))

    def settle(self, before):
        while self.closing and self.closing[0][0] < before:
            _, queue_id, number = self.closing.popleft()
            if queue_id not in self.open:
                continue
            del self.open[queue_id]
            self.done.add(int(queue_id, 36))
            told, recipients = self.sending.sent.pop(number)
            acked = self.sending.acked.pop(number, None) is not None
            self.settled += acked
            self.never_acked += not acked
            if acked and told != queue_id:
                self.wrong.append(("told", number, told, queue_id))
            for recipient in recipients:
                self.receiving.tries.pop(recipient, None)
            self.began.pop(number, None)

    @property
    def acknowledged(self):
        return self.settled + len(self.sending.acked)

    def lost(self):
        """Acknowledged, and the log does not know it or not its end."""
        return sorted(set(self.sending.acked))

    def unfinished(self):
        return [(queue_id, number, sorted(left)) for queue_id, (number, left) in self.open.items() if left]

    def unused(self):
        """Answers to our mail that no event tells of: how many of each kind."""
        return collections.Counter(a.what for a in self.receiving.answers.values() if "-" in a.recipient)

    def knows(self, back):
        """Whether the log has as many openings, reports and complaints as were taken."""
        taken = collections.Counter(kind for kind, _, _ in back.taken)
        return all(self.counts[name] >= taken[kind] for kind, name in (("opens", "opened"), ("returned", "bounce"), ("complains", "complaint")))

    def check(self, tap, back, lab, cut):
        """The end; `cut` answers at most stood open where sessions were cut off."""
        self.settle(time.time() + 1)
        unused = self.unused()
        tap.note("%d messages acknowledged, %d lost, %d deliveries too many; %d more were in the log, never acknowledged; %s; %d lines twice"
                 % (self.acknowledged, len(self.lost()), unused["taken"] + unused["lost"], self.never_acked, dict(self.counts), self.twice))
        tap.ok(not self.lost(), "nothing that was acknowledged is lost: each has its events, under the id its sender was told", self.lost()[:10])
        tap.ok(not self.unfinished(), "every recipient of every message in the log has a final event", self.unfinished()[:10])
        tap.ok(not self.many, "and only one", self.many[:10])
        tap.ok(not self.wrong, "each delivery, refusal and deferral in the log is an answer of the peer to this recipient, of no other event",
               self.wrong[:10])
        tap.ok(unused["taken"] + unused["refused"] + unused["put-off"] <= cut,
               "each answer has its event, but at most those that stood open where sessions were cut off", (dict(unused), cut))
        ledger.check_given_back(tap, back, self.events, self.numbers, self.sending.killed)
        ledger.check_list(tap, lab, self.events, back)
        ledger.check_reports(tap, self.events, self.numbers)
