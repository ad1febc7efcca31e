# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory's virtual clock: the page that relaisd --clock shares with us (its layout is described in
core/loop/clock-virtual-private.h), and how it is moved so that everything happens at its time."""
import mmap
import os
import struct
import time

MAGIC, VERSION, SIZE = 0x4b434c52, 2, 72
NEVER = (1 << 63) - 1
UNITS = {"ms": 1000, "s": 1000000, "m": 60 * 1000000, "h": 3600 * 1000000, "d": 86400 * 1000000}
MONO, WALL, SEEN, DUE, TURNS, SLEEPING, JOBS, WAITING, PID = 8, 16, 24, 32, 40, 48, 52, 56, 60


class Stuck(Exception):
    pass


def duration(text):
    """As in the configuration: 250ms, 30s, 5m, 2h, 4d; in microseconds."""
    number = text.rstrip("smhd")
    unit = text[len(number):]
    if not number.isdigit() or unit not in UNITS:
        raise ValueError("expected a duration such as 30s, 5m, 2h or 4d, not %r" % text)
    return int(number) * UNITS[unit]


def create(path):
    """A clock that shows the machine's time, unless there is one already: time never goes back."""
    if os.path.exists(path):
        return
    page = struct.pack("=IIqqqqQiiiiii", MAGIC, VERSION, time.monotonic_ns() // 1000, time.time_ns() // 1000,
                       0, NEVER, 0, 0, 0, 0, 0, 0, 0)
    with open(path + ".new", "wb") as file:
        file.write(page)
    os.rename(path + ".new", path)


class Clock:
    def __init__(self, path, alive):
        """`alive` says whether the daemon that has the clock runs."""
        self.path, self.alive = path, alive
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), SIZE)
        if self.read("I", 0) != MAGIC or self.read("I", 4) != VERSION:
            raise Stuck("%s is no clock of this version" % path)

    def read(self, kind, offset):
        return struct.unpack_from("=" + kind, self.page, offset)[0]

    @property
    def mono_us(self):
        return self.read("q", MONO)

    @property
    def wall_us(self):
        return self.read("q", WALL)

    def move_to(self, mono_us):
        """Puts the clock there, the wall clock by as much, and wakes the daemon."""
        step = mono_us - self.mono_us
        if step > 0:
            struct.pack_into("=q", self.page, WALL, self.wall_us + step)
            struct.pack_into("=q", self.page, MONO, mono_us)
        try:
            fifo = os.open(self.path + ".wake", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return  # nobody listens: who starts next looks at the page
        try:
            os.write(fifo, b"1")
        except BlockingIOError:
            pass  # full of such octets: it is awake
        finally:
            os.close(fifo)

    def at_rest(self):
        if not (self.read("i", SLEEPING) == 1 and self.read("q", SEEN) == self.mono_us):
            return False
        return self.read("i", JOBS) == 0 and self.read("i", WAITING) == 0 and self.read("q", DUE) > self.mono_us

    def wait_for_rest(self, patience, until):
        """Until the daemon has done all that is to be done at this time. A peer that says nothing for `patience`
        seconds is not waited for: its time-out is the next thing to happen."""
        turns, since = None, time.monotonic()
        pause = 0.00005
        while True:
            now, turned = time.monotonic(), self.read("Q", TURNS)
            if turned != turns:
                turns, since = turned, now
            elif self.at_rest():
                return
            elif now - since > patience and self.read("i", SLEEPING) == 1 and self.read("q", SEEN) == self.mono_us:
                return
            if now > until:
                raise Stuck("the daemon does not come to rest")
            if not self.alive():
                raise Stuck("the daemon does not run")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.002)

    def advance(self, step_us, patience=5.0, limit=600.0, tell=lambda done, total: None):
        """Goes from one timer of the daemon to the next. Returns the number of stops."""
        began, until = self.mono_us, time.monotonic() + limit
        target, stops = began + step_us, 0
        self.move_to(began)
        self.wait_for_rest(patience, until)
        while self.mono_us < target:
            due = self.read("q", DUE)
            self.move_to(min(max(due, self.mono_us + 1), target))
            self.wait_for_rest(patience, until)
            stops += 1
            tell(self.mono_us - began, step_us)
        return stops
