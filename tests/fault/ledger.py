#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All modules together, mixed outcomes, and kill -9: the events must tell what the sending and the receiving side saw.

Each recipient's local part says what becomes of its mail. The peer gives every final answer a ticket ("250 2.0.0 taken
T17"), writes it down with who it was for, and only then sends it; the daemon keeps the answer in its event. So the two
ledgers are joined answer by answer. In the end, for every message that was acknowledged, and for every other that the
log has: one final event for each recipient; each delivered, bounced or deferred event has the ticket of such an answer
about this recipient; each answer has its event, but what stood open at a kill. Reports and complaints that were taken
with 250 are in the log, of the right delivery; nobody is suppressed who lives.

    tests/fault/ledger.py [MESSAGES [KILLS]]      (TAP)
"""
import asyncio
import collections
import os
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness
import lab as lab_tools
import sink as peer
import traffic
from reports import arf, dsn

MODULES = ("dkim", "spf-check", "dmarc", "throttle", "bounce", "dnsbl-monitor", "open-tracker", "click-redirector",
           "unsubscribe", "store-gdbm")
SITES, CONNECTIONS, LANE = 8, 16, 10
CALM = 500  # messages after the last kill, at least: of these nothing may be missing
# What becomes of mail, and how often of a thousand.
KINDS = {"ok": 700, "dead": 60, "later": 60, "full": 20, "spam": 30, "lost": 15, "cut": 15, "returned": 40, "complains": 20, "opens": 20, "again": 20}
DEAD = {"dead", "returned", "complains"}  # the list may have these, and no others
TEXT = ("<html><body><p>Hello %d</p><a href=\"https://example.com/a?n=%d&amp;b=2\">one</a> <a href=\"https://example.com/b\">two</a>"
        + "<p>" + "It is long enough to be read.\r\n" * 20 + "</p></body></html>\r\n")
HEAD = ("From: News <news@sender.test>\r\nTo: you\r\nSubject: number %d\r\nMessage-ID: <n%d@sender.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/html; charset=utf-8\r\nX-Relais-Campaign: c%d\r\nX-Relais-Unsubscribe: yes\r\nX-Number: %d\r\n\r\n")


def kind_of(address):
    return address.partition("-")[0]


class Answer:
    """A final answer of the peer's: the ticket, what it was (taken, lost, refused, put-off), to which message of ours."""
    __slots__ = ("what", "number", "recipient", "text")

    def __init__(self, what, number, recipient, text):
        self.what, self.number, self.recipient, self.text = what, number, recipient, text


class Peer:
    """The receiving side: what it answers, its ledger, and the mail and visits it has still to give back."""

    def __init__(self):
        self.script = peer.Script(None)
        self.answers, self.tries, self.give_back, self.tickets = {}, collections.Counter(), asyncio.Queue(), 0

    def note(self, what, number, recipient, text):
        self.tickets += 1
        ticket = "T%d." % self.tickets
        text = "%s %s" % (text, ticket)
        self.answers[ticket] = Answer(what, number, recipient, text)
        return text


class Session(peer.Session):
    def do_rcpt(self, argument):
        recipient, parameters = self.path(argument)
        kind, tries = kind_of(recipient), self.sink.tries
        first = {"later": 2, "full": 1}.get(kind, 0)
        if kind == "dead":
            self.say(self.sink.note("refused", None, recipient, "550 5.1.1 no such user"))
        elif tries[recipient] < first:
            tries[recipient] += 1
            text = "451 4.3.2 try later" if kind == "later" else "552 5.2.2 mailbox full"
            self.say(self.sink.note("put-off", None, recipient, text))
        else:
            self.recipients.append([recipient, parameters])
            self.say("250 2.1.5 ok")

    def end_of_data(self, wire):
        data = wire.replace(b"\r\n..", b"\r\n.")
        found = re.search(rb"(?m)^X-Number: (\d+)\r?$", data.partition(b"\r\n\r\n")[0])
        number = int(found.group(1)) if found else None
        (recipient, _), = self.recipients  # bounce has but one in a transaction
        self.answer_data(number, recipient, bytes(data))
        self.reset()

    def answer_data(self, number, recipient, data):
        kind, tries = kind_of(recipient), self.sink.tries
        tries[recipient] += 1
        if kind == "spam":
            self.say(self.sink.note("refused", number, recipient, "554 5.7.1 message content rejected"))
        elif kind in ("cut", "lost") and tries[recipient] == 1:
            if kind == "lost":
                self.sink.note("lost", number, recipient, "250 2.0.0 taken")
            self.dead = True
            self.transport.close()
        else:
            self.say(self.sink.note("taken", number, recipient, "250 2.0.0 taken"))
            if kind in ("returned", "complains", "opens") and number is not None:
                self.sink.give_back.put_nowait((kind, number, recipient, self.sender, data))


class Sending:
    """The sending side and its ledger: number -> (queue id or None, recipients that were taken)."""

    def __init__(self, port, wanted):
        self.port, self.number, self.acked = port, 0, {}
        self.wanted, self.sent, self.dead, self.refused, self.killed, self.calm = wanted, {}, [], 0, 0, False

    def is_done(self):
        return self.calm and len(self.acked) >= self.wanted

    def draw(self, rng, number):
        kind = rng.choices(list(KINDS), KINDS.values())[0]
        if kind == "again" and self.dead:
            return rng.choice(self.dead)
        kind = "ok" if kind == "again" else kind
        address = "%s-%d-%d@d%d.rcpt.test" % (kind, number, rng.randrange(1 << 30), rng.randrange(SITES))
        return address

    def content(self, number):
        """The octets of message NUMBER."""
        return (HEAD % (number, number, number % 5, number) + TEXT % (number, number)).encode()

    @staticmethod
    async def reply(reader):
        while True:
            line = await reader.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionError(line)
            if line[3:4] != b"-":
                return line.decode()

    async def message(self, reader, writer, rng):
        self.number += 1
        number = self.number
        recipients = [self.draw(rng, number) for _ in range(rng.choice((1, 1, 1, 1, 2, 4)))]
        recipients = list(dict.fromkeys(recipients))
        writer.write(b"MAIL FROM:<news@sender.test>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients))
        await traffic.reply(reader, b"250")
        taken = [r for r in recipients if not self.is_refused(await self.reply(reader))]
        if not taken:
            writer.write(b"RSET\r\n")
            await traffic.reply(reader, b"250")
            return
        writer.write(b"DATA\r\n")
        await traffic.reply(reader, b"354")
        self.sent[number] = (None, taken)
        writer.write(self.content(number) + b".\r\n")
        answer = await self.reply(reader)
        if not answer.startswith("250"):
            raise ConnectionError(answer)
        self.sent[number] = (answer.split()[-1], taken)
        self.acked[number] = taken
        self.dead.extend(r for r in taken if kind_of(r) == "dead")

    def is_refused(self, reply):
        """A recipient that is on the list is; everybody else must be taken."""
        if reply.startswith("250"):
            return False
        if not reply.startswith("550 5.7.1"):
            raise ConnectionError(reply)
        self.refused += 1
        return True

    async def connection(self, index):
        while not self.is_done():
            await self.one(index)

    async def one(self, index):
        rng, writer = random.Random(index * 1000003 + self.number), None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await traffic.reply(reader, b"220")
            writer.write(b"EHLO source.test\r\n")
            await traffic.reply(reader, b"250")
            while not self.is_done():
                await self.message(reader, writer, rng)
        except (ConnectionError, OSError):
            await asyncio.sleep(0.03)
        finally:
            if writer:
                writer.close()


class GivenBack:
    """Reports, complaints and visits: kind, number, recipient of each that the daemon took."""

    def __init__(self, lab, receiving):
        self.lab, self.receiving, self.taken, self.lost, self.visits, self.untracked = lab, receiving, [], [], {}, 0

    async def run(self):
        while True:
            kind, number, recipient, sender, data = await self.receiving.give_back.get()
            if kind == "opens" and self.pixel(data) is None:  # sent before the tracking host was checked
                self.untracked += 1
                self.receiving.give_back.task_done()
                continue
            for _ in range(240):  # the log knows a delivery a second later, and a kill takes its time
                try:
                    good = await (self.visit(data) if kind == "opens" else self.mail(kind, recipient, sender, data))
                except (ConnectionError, OSError, asyncio.IncompleteReadError) as trouble:
                    good = trouble
                if good is True:
                    self.taken.append((kind, number, recipient))
                    if kind == "opens":
                        self.visits[number] = time.time()
                    break
                await asyncio.sleep(0.25)
            else:
                self.lost.append((kind, number, recipient, good))
            self.receiving.give_back.task_done()

    async def mail(self, kind, recipient, sender, data):
        to, report = (sender, dsn(recipient)) if kind == "returned" else ("fbl@bounces.sender.test", arf(data))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.lab.port, local_addr=("127.0.0.2", 0))
        try:
            for text, code in ((b"", "220"), (b"EHLO mx.rcpt.test\r\n", "250"), (b"MAIL FROM:<>\r\n", "250"),
                               (b"RCPT TO:<%s>\r\n" % to.encode(), "250"), (b"DATA\r\n", "354"), (report + b".\r\n", "250")):
                writer.write(text)
                answer = await Sending.reply(reader)
                if not answer.startswith(code):
                    return answer
            return True
        finally:
            writer.close()

    @staticmethod
    def pixel(data):
        found = re.search(rb"http://track\.sender\.test:\d+(/o/[A-Za-z0-9_-]+)", data.replace(b"=\r\n", b""))
        return found and found.group(1)

    async def visit(self, data):
        path = self.pixel(data)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.lab.facts["http_port"]))
        try:
            writer.write(b"GET %s HTTP/1.1\r\nHost: track.sender.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) "
                         b"Gecko/20100101 Firefox/130.0\r\nConnection: close\r\n\r\n" % path)
            answer = await reader.readline()
            return answer.startswith(b"HTTP/1.1 200") or answer
        finally:
            writer.close()


# --- The run --------------------------------------------------------------------------------------

async def kills(lab, sending, n, tap):
    """Kills at moments spread over the messages, each under load."""
    rng, loop, longest = random.Random(5), asyncio.get_running_loop(), 0
    for number in range(n):
        at = sending.wanted * (number + 1) // (n + 1)
        while len(sending.acked) < at:
            await asyncio.sleep(0.02)
        await asyncio.sleep(rng.random())
        await loop.run_in_executor(None, lab.kill)
        began = sending.killed = time.time()
        await loop.run_in_executor(None, lab.up)
        longest = max(longest, time.time() - began)
    tap.note("%d kills; longest restart %.2f s" % (n, longest))
    sending.wanted, sending.calm = max(sending.wanted, len(sending.acked) + CALM), True


def figure(lab):
    try:
        return lab.status()["queue.deliveries"]
    except RuntimeError:
        return None


async def drained(lab, patience=60):
    """Until nothing waits, or no more goes out for so many seconds."""
    least, since = None, time.time()
    while least != 0 and time.time() - since < patience:
        now = await asyncio.get_running_loop().run_in_executor(None, figure, lab)
        if now is not None and (least is None or now < least):
            least, since = now, time.time()
        await asyncio.sleep(0.2)


async def everything(lab, port, wanted, n_kills, tap):
    receiving, sending = Peer(), Sending(lab.port, wanted)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(receiving), "127.0.0.1", port, backlog=1024)
    back = GivenBack(lab, receiving)
    helpers = [asyncio.ensure_future(back.run()) for _ in range(8)]
    began = time.time()
    senders = [asyncio.ensure_future(sending.connection(i)) for i in range(CONNECTIONS)]
    await kills(lab, sending, n_kills, tap)
    await asyncio.gather(*senders)
    tap.note("%d messages acknowledged in %.0f s" % (len(sending.acked), time.time() - began))
    await drained(lab)
    await asyncio.wait_for(receiving.give_back.join(), 300)
    tap.note("all delivered after %.0f s" % (time.time() - began))
    for task in helpers:
        task.cancel()
    server.close()
    return receiving, sending, back


# --- The comparison -------------------------------------------------------------------------------

FINAL = ("delivered", "bounced", "expired", "suppressed")
MEANS = {"delivered": "taken", "bounced": "refused", "deferred": "put-off"}


def read_events(lab):
    """Events by id, each once; how many came twice; ids that came with different content."""
    events, twice, differ = {}, 0, []
    for event in lab.events():
        event.pop("seq")
        if event["id"] not in events:
            events[event["id"]] = event
            continue
        twice += 1
        if event != events[event["id"]]:
            differ.append((event, events[event["id"]]))
    return events, twice, differ


def by_recipient(events):
    found = collections.defaultdict(list)
    for event in events.values():
        if event.get("recipient_number") is not None and event["type"] in FINAL + ("deferred",):
            found[event["queue_id"], event["recipient"]].append(event)
    return found


def check_accepted(tap, sending, events, found):
    accepted = {event["queue_id"]: event for event in events.values() if event["type"] == "accepted"}
    ids = {queue_id: number for number, (queue_id, _) in sending.sent.items() if queue_id}
    tap.ok(len(ids) == len(sending.acked) >= sending.wanted, "every acknowledgement has an id of its own")
    lost = [(ids[i], i) for i in ids if i not in accepted]
    tap.ok(not lost, "every acknowledged message is in the log", lost[:10])
    numbers = {i: int(event["message_id"].strip("<>")[1:].partition("@")[0]) for i, event in accepted.items()
               if event.get("message_id", "").strip("<>").endswith("@sender.test")}
    wrong = [i for i in ids if numbers.get(i) != ids[i]]
    tap.ok(not wrong, "under the id that its sender was told", wrong[:10])
    alien = [i for i, number in numbers.items() if number not in sending.sent]
    tap.ok(not alien, "and none is there that nobody sent", alien[:10])
    tap.note("%d messages in the log, %d of them never acknowledged" % (len(numbers), len(numbers) - len(ids)))
    missing, many = [], []
    for i, number in numbers.items():
        for recipient in sending.sent[number][1]:
            final = [event for event in found[i, recipient] if event["type"] in FINAL]
            if len(final) != 1:
                (many if final else missing).append((i, recipient, [event["id"] for event in final]))
    tap.ok(not missing, "every recipient of every message has a final event", missing[:10])
    tap.ok(not many, "and only one", many[:10])
    return numbers


def check_answers(tap, receiving, events, numbers, n_kills):
    """Joins the two ledgers by the tickets."""
    used, wrong = collections.defaultdict(list), []
    for event in events.values():
        what = MEANS.get(event["type"])
        found = re.search(r"T\d+\.$", event.get("reply", ""))
        if what is None or not found or event["queue_id"] not in numbers:
            if what in ("taken", "refused") and event["queue_id"] in numbers:
                wrong.append(event)
            continue
        answer = receiving.answers.get(found.group())
        used[found.group()].append(event)
        if (answer is None or answer.what != what or answer.recipient != event["recipient"]
                or answer.number not in (None, numbers[event["queue_id"]])):
            wrong.append((event, answer and answer.text))
    tap.ok(not wrong, "each delivery, refusal and deferral in the log is an answer of the peer to this recipient", wrong[:10])
    tap.ok(all(len(of) == 1 for of in used.values()), "and each answer is that of one event",
           [of for of in used.values() if len(of) != 1][:5])
    unused = collections.Counter(a.what for ticket, a in receiving.answers.items()
                                 if ticket not in used and a.what != "lost" and "-" in a.recipient)
    tap.note("answers without an event, cut off by a kill: %s; the peer had %d answers" % (dict(unused), len(receiving.answers)))
    tap.ok(sum(unused.values()) <= n_kills * SITES * LANE, "each answer has its event, but those that were open at a kill", unused)


def check_takings(tap, receiving, events, numbers):
    delivered = {(numbers[e["queue_id"]], e["recipient"]) for e in events.values()
                 if e["type"] == "delivered" and e["queue_id"] in numbers}
    taken = collections.Counter((a.number, a.recipient) for a in receiving.answers.values() if a.what in ("taken", "lost") and a.number)
    tap.ok(delivered <= set(taken), "nothing is called delivered that the peer does not have", list(delivered - set(taken))[:10])
    tap.equal(sorted(set(taken) - delivered)[:10], [], "and the peer has nothing that is not called so")
    tap.note("%d deliveries, %d of them taken more than once (%d without an answer)"
             % (len(delivered), sum(n > 1 for n in taken.values()), sum(a.what == "lost" for a in receiving.answers.values())))


def check_given_back(tap, back, events, numbers, killed):
    tap.ok(not back.lost, "every report, complaint and visit was taken in the end", back.lost[:10])
    kinds = {"returned": "bounce", "complains": "complaint"}
    of = {number: queue_id for queue_id, number in numbers.items()}
    told = collections.defaultdict(set)
    for event in events.values():
        if event["type"] in ("bounce", "complaint", "opened"):
            told[event["type"]].add((event.get("queue_id"), event.get("recipient")))
    for kind, kept in kinds.items():
        wanted = {(of[number], recipient) for k, number, recipient in back.taken if k == kind}
        tap.ok(wanted, "there was a %s" % kept)
        tap.equal(sorted(wanted - told[kept])[:10], [], "each %s that was taken with 250 is in the log, of its delivery" % kept)
        tap.equal(sorted(told[kept] - wanted)[:10], [], "and no other %s" % kept)
    visited = {of[number] for k, number, _ in back.taken if k == "opens"}
    tap.ok({i for i, _ in told["opened"]} <= visited, "nobody is said to have opened who did not")
    late = {of[number] for number, when in back.visits.items() if when > killed}
    tap.ok(late and late <= {i for i, _ in told["opened"]}, "and everybody who did since the last kill", late)
    tap.note("%d visits, %d opens in the log; %d mails had no pixel, as the tracking host was not checked yet"
             % (len(visited), len(told["opened"]), back.untracked))


def check_list(tap, lab, events, back):
    listed = {row["address"] for row in lab.rows("suppress", "export", "--format=ndjson") if "address" in row}
    tap.ok({a for a in listed if kind_of(a) not in DEAD} == set(), "nobody is on the list who lives",
           [a for a in listed if kind_of(a) not in DEAD][:10])
    dead = {e["recipient"] for e in events.values() if e["type"] == "bounced" and kind_of(e["recipient"]) == "dead"}
    dead |= {recipient for kind, _, recipient in back.taken if kind in DEAD}
    tap.equal(sorted(dead - listed)[:10], [], "and everybody is who was refused, returned or complained")


def check_reports(tap, events, numbers):
    """A report for each message that bounced for somebody, and none else."""
    reported = {event["report_of"] for event in events.values() if "report_of" in event}
    bounced = {event["queue_id"] for event in events.values() if event["type"] in ("bounced", "expired") and event["queue_id"] in numbers}
    tap.equal((sorted(bounced - reported)[:5], sorted(reported - bounced)[:5]), ([], []), "every message that bounced has its report, no other has one")


def main(wanted, n_kills):
    tap, port = harness.Tap(), lab_tools.free_port()
    arguments = [word for module in MODULES for word in ("--module", module)]
    settings = ("queue.smtp_port=%d" % port, "queue.sleep_first=1s", "queue.sleep_last=1s", "class.transactional.retry=1s",
                "throttle.min_rate=2000/s")
    arguments += [word for setting in settings for word in ("--set", setting)]
    with harness.Lab(*arguments) as lab:
        receiving, sending, back = asyncio.run(everything(lab, port, wanted, n_kills, tap))
        time.sleep(5)  # hits are looked at together for 3 s, and the log is written a second after
        events, twice, differ = read_events(lab)
        tap.note("%s; %d lines twice, %d recipients refused at RCPT"
                 % (dict(collections.Counter(e["type"] for e in events.values())), twice, sending.refused))
        tap.ok(not differ, "an event that is written again says the same", differ[:3])
        found = by_recipient(events)
        numbers = check_accepted(tap, sending, events, found)
        check_answers(tap, receiving, events, numbers, n_kills)
        check_takings(tap, receiving, events, numbers)
        check_given_back(tap, back, events, numbers, sending.killed)
        check_list(tap, lab, events, back)
        check_reports(tap, events, numbers)
        tap.equal(figure(lab), 0, "nothing waits")
        tap.ok(lab.ctl("spool", "verify", lab.facts["spool_dir"], check=False).returncode == 0, "spool verify finds nothing wrong")
        lab.clean(tap)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100000, int(sys.argv[2]) if len(sys.argv) > 2 else 50)
