# SPDX-License-Identifier: GPL-3.0-or-later
"""The log that uml-disk-log.c writes of a machine's disk, and the disk built up again from it: as it was at each sync, and
as a disk may have been that was cut off before the next one, which does what it was told in between in whatever order it
likes."""
import collections
import struct
import subprocess

HEAD = struct.Struct("<IIQQQ")
MAGIC = 0x4c444d55
WRITTEN, SYNCED, ZEROED = 1, 2, 3

Entry = collections.namedtuple("Entry", "what time offset length octets")
# Until its time (in s) the disk is only certain to have done what came before the sync that was the last then.
Mark = collections.namedtuple("Mark", "number time pending")


def read(path):
    """Its entries; the last may be cut off, and is none then."""
    with open(path, "rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            magic, what, time_ns, offset, length = HEAD.unpack(head)
            if magic != MAGIC:
                raise ValueError("%s is no log of a disk" % path)
            octets = file.read(length) if what == WRITTEN else b""
            if what == WRITTEN and len(octets) < length:
                return
            yield Entry(what, time_ns / 1e9, offset, length, octets)


def copy(image, to):
    """With its holes."""
    subprocess.run(["cp", "--sparse=auto", image, to], check=True)


def apply(file, entry):
    file.seek(entry.offset)
    file.write(entry.octets if entry.what == WRITTEN else bytes(entry.length))


def choose(pending, rng):
    """A part of what waits for a sync, little or most of it."""
    share = rng.random()
    return [entry for entry in pending if rng.random() < share]


class Replay:
    """The disk in a file of its own that goes from sync to sync."""

    def __init__(self, base, log, image):
        self.log, self.image = log, image
        copy(base, image)

    def marks(self):
        """After each the image is brought to the sync that it told of; the last is the cut."""
        pending, number = [], 0
        for entry in read(self.log):
            if entry.what != SYNCED:
                pending.append(entry)
                continue
            yield Mark(number, entry.time, pending)
            self.bring(pending)
            pending, number = [], number + 1
        yield Mark(number, float("inf"), pending)
        self.bring(pending)

    def bring(self, entries, image=None):
        with open(image or self.image, "r+b") as file:
            for entry in entries:
                apply(file, entry)

    def is_like(self, image):
        return subprocess.run(["cmp", "-s", image, self.image], check=False).returncode == 0
