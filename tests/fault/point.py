# SPDX-License-Identifier: GPL-3.0-or-later
"""The other side of point.c: the page in which it is told at which call the daemon is to die, or which calls are to fail;
and the scenario of both tests that use it."""
import mmap
import os
import re
import struct
import subprocess
import time

import case
import harness
import traffic

LAYOUT = "=QQQQIiiI"  # calls, kill_at, site, hits, torn, error, times, pid
CALLS, KILL_AT, SITE, HITS, TORN, ERROR, TIMES, PID = range(8)
MESSAGES = 5


def site_hash(text):
    h = 0xcbf29ce484222325
    for octet in text.encode():
        h = (h ^ octet) * 0x100000001b3 & (1 << 64) - 1
    return h


class Page:
    def __init__(self, directory):
        self.path, self.log = os.path.join(directory, "point.page"), os.path.join(directory, "point.log")
        with open(self.path, "wb") as file:
            file.write(bytes(struct.calcsize(LAYOUT)))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), struct.calcsize(LAYOUT))
        self.directory = directory

    def environment(self, log=False):
        env = {"LD_PRELOAD": os.path.join(harness.BUILD, "tests/fault/.libs/point.so"), "RELAIS_POINT_PAGE": self.path,
               "RELAIS_POINT_DIR": self.directory}
        return dict(env, RELAIS_POINT_LOG=self.log) if log else env

    def order(self, kill_at=0, torn=False, site=None, error=0, times=0):
        """For the next life."""
        struct.pack_into(LAYOUT, self.map, 0, 0, kill_at, site_hash(site) if site else 0, 0, torn, error, times, 0)

    def calm(self):
        """Nothing fails any more, in this life."""
        struct.pack_into("=i", self.map, struct.calcsize("=QQQQIi"), 0)

    def read(self, field):
        return struct.unpack_from(LAYOUT, self.map)[field]

    def sites(self):
        """What was logged: site -> how many calls; in the order in which they were first made."""
        found = {}
        with open(self.log) as file:
            for line in file:
                site = line.rstrip("\n").partition(" ")[2]
                found[site] = found.get(site, 0) + 1
        return found


def place(site):
    """A site for people: the call, the source line, the file."""
    call, where, kind = site.split(" ", 2)
    name, _, offset = where.partition("+")
    path = os.path.join(harness.BUILD, ".libs", name)
    if os.path.exists(path):
        argv = ["addr2line", "-i", "-e", path, hex(int(offset, 16) - 1)]
        lines = subprocess.run(argv, capture_output=True, text=True).stdout.split("\n")
        ours = [re.search(r"(core|modules)/[^ ]*", line) for line in lines]
        where = next((found.group() for found in ours if found), where)
    return "%s %s %s" % (call, where, kind)


def refuse(tries):
    """Of each five messages the fourth bounces for one of its three, the fifth is put off once."""
    def answer(recipient):
        found = re.match(r"u(\d+)-(\d)@", recipient)
        if not found:
            return None  # a report to the sender
        number, nth = int(found.group(1)), int(found.group(2))
        if number % 10 == 3 and nth == 1:
            return "550 5.1.1 no such user"
        if number % 5 == 4 and recipient not in tries:
            tries.add(recipient)
            return "450 4.2.1 not now"
        return None
    return answer


class Laboratory(case.Lab):
    """With a page; its daemon can be started so that it dies or fails at a point."""

    def __init__(self, *settings, modules=()):
        super().__init__("relais.confine=basic", *settings, modules=modules)  # the shim has files of its own
        self.page = Page(self.directory)

    def stop(self, patience=15):
        """An end in good order, if it still runs; whether it came in time."""
        pid = case.lab_tools.Pids(self.directory).alive("relaisd")
        if pid is None:
            return True
        os.kill(pid, 15)
        until = time.time() + patience
        while self.is_alive() and time.time() < until:
            time.sleep(0.01)
        return not self.is_alive()

    def live(self, log=False):
        """Starts it with what the page orders; false if it died before it was there."""
        try:
            self.start(self.page.environment(log))
        except case.lab_tools.Trouble:
            if self.is_alive():
                raise
            return False
        return True

    def scenario(self, flow, patience=3, more=0):
        """Five messages, one with a body in a file, one that bounces for somebody, one that is put off, and `more` of 59 000
        octets; then until all are delivered that can be, or it died, or no call was made for a while. The replies."""
        replies = []
        for nth in range(MESSAGES + more):
            message = flow.source_book.next(large_every=5, lines=900 if nth >= MESSAGES else None)
            replies.append(traffic.submit(flow.source_book, self.port, message))
            if not replies[-1] and not self.is_alive():
                return replies
        calls, since, until = -1, time.time(), time.time() + patience
        while self.is_alive() and time.time() - since < 0.15 and time.time() < until:
            if calls != self.page.read(CALLS):
                calls, since = self.page.read(CALLS), time.time()
            time.sleep(0.01)
        return replies
