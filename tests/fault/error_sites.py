#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5: every place at which relaisd opens, writes, syncs, renames, removes or closes a file fails, one after the other, with
EIO, with ENOSPC and with EDQUOT, at each call until it is told to work again. What was written since the last good sync is gone then
(point.c). In each trial the daemon stays up (or says why it does not start), answers 250, 451 4.3.0 or, where there is no
room, 452 4.3.1 and nothing else, never 250 where the record or body could not be kept, says something in its log, and takes mail
again by itself within 15 s. Each trial ends with kill -9. In the end the books must agree (books.py).

    tests/fault/error_sites.py [STEP]      every STEP-th place only (TAP; with RELAIS_RECORD set also into RESULTS)
"""
import errno
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import case
import point
import traffic

PIECE, MORE = 20, 25
SETTINGS, MODULES = ("spool.segment_size=1M",), ("store-gdbm", "bounce", "dkim")
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EDQUOT": errno.EDQUOT}
# Where nothing can be kept: a record or a body is not written or not synced.
VITAL = re.compile(r"(pwritev|fdatasync) core/spool/(segment|syncer)\S* segment-#$|(openat|pwrite|fdatasync) core/spool/body-file\S* #$")
BACK_S = 15
# The suppression list is read once, at start: while it could not be, mail is put off, until it is started again.
ONCE = re.compile(r"open(at)? core/suppress/load")


def sites():
    """All of two lives, the second of which recovers what the first left when it was killed."""
    with point.Laboratory(*SETTINGS, modules=MODULES) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        flow.sink.refuse = point.refuse(set())
        lab.stop()
        for nth in range(3):
            lab.page.order()
            lab.live(log=True)
            lab.scenario(flow, more=MORE)
            if nth == 0:
                lab.kill()
            else:
                lab.stop()
        return [site for site in lab.page.sites() if not site.endswith(" socket")]


def comes_back(lab, flow):
    """Seconds until mail is taken again, or None."""
    began = time.time()
    while time.time() - began < BACK_S + 10:
        if traffic.submit(flow.source_book, lab.port, flow.source_book.next(large_every=1)).startswith("250"):
            return time.time() - began
        time.sleep(0.1)
    return None


class Trial:
    def __init__(self, site, error):
        self.site, self.place, self.error, self.bad, self.replies = site, point.place(site), error, [], []
        self.hits, self.back, self.started, self.said = 0, 0.0, True, ""

    def demand(self, good, text):
        if not good:
            self.bad.append(text)

    def run(self, lab, flow):
        before = len(lab.log())
        lab.page.order(site=self.site, error=ERRORS[self.error], times=-1)
        self.started = lab.live()
        if self.started:
            self.replies = lab.scenario(flow, more=MORE)
            self.demand(lab.is_alive(), "the daemon died")
        self.hits = lab.page.read(point.HITS)
        lab.page.calm()
        if not self.started:
            lab.page.order()
            self.demand(lab.live(), "it does not start once the call works again")
        if self.started and ONCE.search(self.place):
            self.demand(not any(r.startswith("250") for r in self.replies) and "WARNING" in lab.log()[before:], "it goes on unread")
            lab.kill()
            lab.page.order()
            lab.live()
        self.back = comes_back(lab, flow)
        if self.hits == 0 and lab.is_alive():  # made only at its end
            lab.page.order(site=self.site, error=ERRORS[self.error], times=-1)
            self.demand(lab.stop(), "it does not end")
            self.hits = lab.page.read(point.HITS)
        elif lab.is_alive():
            opened = flow.sink.sessions
            lab.kill()
            lab.outcome.cuts.append(max(opened, 1))
        self.said = lab.log()[before:]
        self.judge()

    def judge(self):
        allowed = {"250", "451 4.3.0", "452 4.3.1"} if self.error != "EIO" else {"250", "451 4.3.0"}
        kinds = {reply[:3] if reply.startswith("250") else reply[:9] for reply in self.replies}
        self.demand(kinds <= allowed, "it answered %s" % sorted(kinds))
        self.demand(self.back is not None and self.back <= BACK_S, "it takes no mail again")
        self.demand(self.started or os.strerror(ERRORS[self.error]) in self.said, "it does not start and does not say why")
        if self.hits and self.started and VITAL.search(self.place):
            self.demand(kinds - {"250"}, "it answered 250 although it could not keep it")
        if kinds - {"250"}:
            self.demand("WARNING" in self.said, "it refuses and says nothing in its log")
        self.demand(not re.search("CRITICAL|assertion|Sanitizer", self.said), "its log: " + self.said[-500:])

    def row(self):
        kinds = {}
        for reply in self.replies:
            kinds[reply[:3]] = kinds.get(reply[:3], 0) + 1
        return "%s %s: %d failed; %s%s%s" % (self.error, self.place, self.hits, "does not start; " if not self.started else "",
                                             " ".join("%dx%s" % (n, k or "-") for k, n in sorted(kinds.items())),
                                             "; says nothing" if self.hits and "WARNING" not in self.said else "")


def piece(progress, tap, trials):
    with point.Laboratory(*SETTINGS, modules=MODULES) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        flow.sink.refuse = point.refuse(set())
        lab.stop()
        for site, error in trials:
            trial = Trial(site, error)
            trial.run(lab, flow)
            tap.note("%s; back in %.1f s" % (trial.row(), trial.back or -1), keep=False)
            progress.note([case.books.Finding(not trial.bad, "each place fails as it should", "; ".join(trial.bad))], trial.row())
            progress.add(failed=int(trial.hits > 0), refused=sum(not r.startswith("250") for r in trial.replies),
                         not_started=int(not trial.started))
            progress.top(back_ms=int(1000 * (trial.back or 0)))
        lab.start()
        lab.drain()
        progress.learn(lab, flow, "%s to %s" % (trials[0][0], trials[-1][0]))
        progress.add(len(trials))


def main(step, command="tests/fault/error_sites.py"):
    tap, progress = case.Recorded("%s %d" % (command, step)), case.Progress("error-sites-%d" % step)
    trials = [(site, error) for site in sites() for error in ERRORS][::step]
    while progress.done < len(trials):
        piece(progress, tap, trials[progress.done:progress.done + PIECE])
    sums = progress.sums
    tap.note("%d places with errors, %d of them were come to; %d messages acknowledged, %d refused; %d times it did not start; "
             "longest until mail was taken again %.1f s" % (len(trials), sums["failed"], sums["acknowledged"], sums["refused"],
                                                            sums["not_started"], progress.tops["back_ms"] / 1000))
    progress.report(tap)
    tap.ok(sums["failed"] > len(trials) * 0.6, "most places were come to", sums)
    tap.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
