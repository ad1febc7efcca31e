# SPDX-License-Identifier: GPL-3.0-or-later
"""The two books of every fault test and the one comparison of them.

The source writes down what it is about to send and every 250 it got; the sink every 250 it is about to give. Both are
files of lines that are only ever appended to, so that a test goes on where it was cut off, and that another MTA, or one
in another machine, can be held against the same books. Whatever was done to the MTA meanwhile, compare () says which of
the invariants hold: I1 what was acknowledged is delivered, queued or bounced; I2 delivered octets are those that were
sent; I3 duplicates are at most the deliveries that were open when it was cut off, and one for each reply that was lost;
I4 what was not acknowledged is delivered whole or not at all; I5 it is there again within 5 s and a second for each
100 000 queued; I6 nothing is left over; I7 each outcome has its event, and each event its outcome.

    source's lines:  sent NUMBER SHA-256 RECIPIENT[,RECIPIENT...]      acked NUMBER QUEUE-ID
    sink's lines:    gave NUMBER SHA-256 250|lost RECIPIENT[,RECIPIENT...]
"""
import collections
import hashlib
import os

DOMAINS = 2
LARGE_LINES = 5000  # 330 000 octets: a body that Relais keeps in a file of its own


class Message:
    """What message NUMBER is: its recipients, its octets and the digest of its body follow from the number alone."""

    def __init__(self, number, large_every=50, lines=None, domains=DOMAINS):
        lines = lines or (LARGE_LINES if number % large_every == 2 else 1 + number * 37 % 100)
        body = (hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\r\n") * lines
        count = 3 if number % 10 == 3 else 1
        self.number, self.sender = number, "news@sender.test"
        self.recipients = ["u%d-%d@d%d.rcpt.test" % (number, i, number % domains) for i in range(count)]
        self.sha = hashlib.sha256(body).hexdigest()
        self.data = (b"From: <news@sender.test>\r\nSubject: %d\r\nMessage-ID: <n%d@sender.test>\r\nX-Number: %d\r\n\r\n"
                     % (number, number, number)) + body


def number_and_sha(data):
    """Of what arrived: its number, or None, and the digest of its body."""
    head, _, body = data.partition(b"\r\n\r\n")
    numbers = [line[9:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"x-number:")]
    number = int(numbers[0]) if len(numbers) == 1 and numbers[0].isdigit() else None
    return number, hashlib.sha256(bytes(body)).hexdigest()


class Book:
    """A file of lines; each is whole or, the last, cut off and then not counted."""

    def __init__(self, path):
        self.path = path
        for line in self.lines():
            self.learn(line.split())
        self.file = open(path, "ab", buffering=0)

    def lines(self):
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line.decode()

    def write(self, *words):
        line = " ".join(str(word) for word in words) + "\n"
        self.file.write(line.encode())
        self.learn(line.split())


class SourceBook(Book):
    """sent: number -> (digest, recipients); acked: number -> queue id."""

    def __init__(self, path):
        self.sent, self.acked, self.last, self.pairs_acked, self.domains = {}, {}, 0, 0, DOMAINS
        super().__init__(path)

    def learn(self, words):
        number = int(words[1])
        self.last = max(self.last, number)
        if words[0] == "sent":
            self.sent[number] = words[2], words[3].split(",")
        else:
            self.acked[number] = words[2]
            self.pairs_acked += len(self.sent[number][1])

    def next(self, large_every=50, lines=None):
        self.last += 1
        return Message(self.last, large_every, lines, self.domains)

    def is_about_to_send(self, message):
        self.write("sent", message.number, message.sha, ",".join(message.recipients))

    def got_250(self, message, queue_id):
        self.write("acked", message.number, queue_id or "-")

    def pairs(self):
        """Of all that was acknowledged: message and recipient."""
        return {(number, r) for number in self.acked for r in self.sent[number][1]}


class SinkBook(Book):
    """gave: (number, recipient) -> list of (digest, what was given)."""

    def __init__(self, path):
        self.gave, self.pairs_given, self.unknown = collections.defaultdict(list), 0, []
        super().__init__(path)

    def learn(self, words):
        if words[1] == "None":
            self.unknown.append(" ".join(words))
            return
        for recipient in words[4].split(","):
            self.gave[int(words[1]), recipient].append((words[2], words[3]))
            self.pairs_given += words[3] == "250"

    def is_about_to_give(self, data, recipients, what="250"):
        number, sha = number_and_sha(data)
        self.write("gave", number, sha, what, ",".join(recipients))


class Outcome:
    """What is known of the MTA's side at the end. Pairs are (number, recipient)."""

    def __init__(self):
        self.queued, self.bounced = set(), set()  # pairs
        self.delivered = None                     # pairs that its log calls delivered; None: it has no such log
        self.cuts = []                            # for each cut, deliveries that were open
        self.restarts = []                        # (seconds, messages queued) of each
        self.leftovers = []                       # files that should be gone


Finding = collections.namedtuple("Finding", "good name detail")


def duplicates(sink):
    """Deliveries too many: those of several recipients go as one."""
    extra = collections.Counter()
    for (number, _), of in sink.gave.items():
        extra[number] = max(extra[number], len(of) - 1)
    return sum(extra.values())


def lost_replies(sink):
    return sum(what != "250" for of in sink.gave.values() for _, what in of)


def compare(source, sink, outcome):
    """One Finding for each invariant that can be judged from what is known."""
    given = {pair for pair, of in sink.gave.items() if any(what == "250" for _, what in of)}
    known = given | outcome.queued | outcome.bounced
    lost = sorted(source.pairs() - known)
    wrong = sorted(pair for pair, of in sink.gave.items() if pair[0] not in source.sent or pair[1] not in source.sent[pair[0]][1]
                   or any(sha != source.sent[pair[0]][0] for sha, _ in of))
    half = sorted((number, r) for number, _ in set(sink.gave) if number in source.sent and number not in source.acked
                  for r in source.sent[number][1] if (number, r) not in known)
    allowed = sum(outcome.cuts) + lost_replies(sink)
    slow = [r for r in outcome.restarts if r[0] > 5 + r[1] / 100000]
    found = [Finding(not lost, "I1 nothing that was acknowledged is lost", lost[:20]),
             Finding(not wrong and not sink.unknown, "I2 what arrived has the octets that were sent", (wrong[:20], sink.unknown[:5])),
             Finding(duplicates(sink) <= allowed, "I3 duplicates are at most what was open at the cuts",
                     "%d, allowed %d" % (duplicates(sink), allowed)),
             Finding(not half, "I4 what was not acknowledged arrived whole or not at all", half[:20]),
             Finding(not slow, "I5 it is there again in time", slow[:20]),
             Finding(not outcome.leftovers, "I6 nothing is left over", outcome.leftovers[:20])]
    if outcome.delivered is not None:
        silent, invented = sorted(given - outcome.delivered), sorted(outcome.delivered - set(sink.gave))
        found.append(Finding(not silent and not invented, "I7 each outcome has its event, each event its outcome",
                             (silent[:10], invented[:10])))
    return found


def summary(source, sink, outcome):
    cuts = outcome.cuts
    return ("%d messages acknowledged, %d recipients delivered, %d lost, %d duplicates%s"
            % (len(source.acked), len(sink.gave), len(source.pairs() - set(sink.gave) - outcome.queued - outcome.bounced),
               duplicates(sink), "; %d cuts, %.2f duplicates a cut" % (len(cuts), duplicates(sink) / len(cuts)) if cuts else ""))
