#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R6: a disk that fills up and is freed, under load: below what is to stay free, to the last octet in the middle of a message,
and to the last inode; spool, log and state stand on it. Or the spool's quota is used up, between messages and in the middle of
one (shim.c: with EDQUOT no file grows). Mail is refused with 452 4.3.1, before DATA where that can be known; what waits is
delivered meanwhile; once there is room mail is taken again by itself, without a restart. In the end the books must agree.

    tests/fault/full_disk.py [CYCLES] [tmpfs|ext4|quota]      (TAP; with RELAIS_RECORD set also into RESULTS)

Runs in a mount namespace of its own.
"""
import errno
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import books
import case
import harness
import traffic

MB = 1 << 20
BACK_S, DRAIN_S = 11, 30  # it probes each 10 s
LIMITS = ("spool.segment_size=1M", "spool.min_free=8M", "spool.min_free_inodes=300", "queue.connections=10",
          "limits.connections_per_client=1000000")


class Lab(case.Lab):
    """Its spool, log and state on a small file system."""

    def __init__(self, kind):
        self.kind, self.small = kind, "/mnt"
        settings, env = LIMITS, None
        if kind == "quota":
            settings, env = (*LIMITS, "relais.confine=basic"), self.shim()
        if kind != "ext4":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M,nr_inodes=1000", "tmpfs", self.small], check=True)
        else:
            image = os.path.join("/run", "image")  # a tmpfs of this namespace, see main ()
            with open(image, "wb") as file:
                file.truncate(64 * MB)
            subprocess.run(["mkfs.ext4", "-q", "-N", "1000", "-m", "0", image], check=True)
            subprocess.run(["mount", "-o", "loop", image, self.small], check=True)
        folders = ["relais.%s_dir=%s/%s" % (name, self.small, name) for name in ("spool", "log", "state")]
        super().__init__(*settings, *folders, env=env)

    def shim(self):
        self.control = "/run/control"
        return {"LD_PRELOAD": os.path.join(harness.BUILD, "tests/fault/.libs/shim.so"), "RELAIS_SHIM_DIR": self.small + "/spool",
                "RELAIS_SHIM_CONTROL": self.control}

    def up(self, *more, env=None):
        super().up(*more, env=env)
        self.facts.update(spool_dir=self.small + "/spool", log_dir=self.small + "/log", events=self.small + "/log/events-*.jsonl")
        return self


class Filler:
    """Uses up what there is of `lab`."""

    def __init__(self, lab):
        self.lab, self.folder = lab, os.path.join(lab.small, "filler")
        os.makedirs(self.folder)

    def quota(self):
        with open(self.lab.control + ".new", "w") as file:
            file.write("fail-grow %d\n" % errno.EDQUOT)
        os.rename(self.lab.control + ".new", self.lab.control)

    def bytes(self, left):
        """Takes all but so many octets."""
        fs = os.statvfs(self.folder)
        size = fs.f_bavail * fs.f_frsize - left
        with open(os.path.join(self.folder, "file"), "ab", buffering=0) as file:
            block = bytes(1 << 16)
            while size > 0:
                try:
                    size -= file.write(block[:size])
                except OSError:
                    return

    def inodes(self):
        n = 0
        try:
            while True:
                os.close(os.open(os.path.join(self.folder, str(n)), os.O_CREAT | os.O_EXCL, 0o600))
                n += 1
        except OSError:
            return

    def free(self):
        if self.lab.kind == "quota":
            os.unlink(self.lab.control)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))


def in_the_middle(lab, flow, fill):
    """A message with a large body during which the disk fills up; its reply."""
    message, book = flow.source_book.next(lines=60000), flow.source_book  # 3.9 MB
    with socket.create_connection(("127.0.0.1", lab.port), 30) as connection:
        file = connection.makefile("rwb")
        traffic.read_reply(file)
        for line in ["EHLO source.test", "MAIL FROM:<%s>" % message.sender, *("RCPT TO:<%s>" % r for r in message.recipients), "DATA"]:
            file.write(line.encode() + b"\r\n")
            file.flush()
            if not (answer := traffic.read_reply(file)).startswith(("2", "3")):
                return answer
        file.write(message.data[:len(message.data) // 2])
        file.flush()
        fill()
        book.is_about_to_send(message)
        file.write(message.data[len(message.data) // 2:] + b".\r\n")
        file.flush()
        answer = traffic.read_reply(file)
        if answer.startswith("250"):
            book.got_250(message, answer.split()[-1])
        return answer


def next_message(lab, flow):
    """Within a quota there may be room for small ones for ever: in segments that were emptied."""
    return flow.source_book.next(lines=books.LARGE_LINES if lab.kind == "quota" else None)


def first_refusal(lab, flow, seconds=10):
    """Until a message is refused: the reply, and whether that was before its data."""
    until = time.time() + seconds
    while time.time() < until:
        message = next_message(lab, flow)
        answer = traffic.submit(flow.source_book, lab.port, message)
        if not answer.startswith("250"):
            return answer, message.number not in flow.source_book.sent
        time.sleep(0.02)
    return "250", False


def cycle(lab, flow, filler, kind):
    pid, found, during = lab.pid, [], None
    flow.sink.delay = 0.1
    flow.send(lab.port, 10)
    until = time.time() + 10
    while flow.waiting < 50 and time.time() < until:
        time.sleep(0.01)
    if kind == "low":
        filler.bytes(4 * MB)
    elif kind == "inodes":
        filler.inodes()
    elif kind == "quota":
        filler.quota()
    else:
        fill = filler.quota if lab.kind == "quota" else lambda: filler.bytes(0)
        during = in_the_middle(lab, flow, fill)
        found.append(books.Finding(during.startswith(("250", "452 4.3.1")), "a message in the middle of which it fills up gets 452 or is kept", during))
    answer, early = first_refusal(lab, flow)
    found.append(books.Finding(answer.startswith("452 4.3.1"), "mail is refused with 452 4.3.1", "%s: %s" % (kind, answer)))
    if kind in ("low", "inodes"):
        time.sleep(1.2)  # it looks once a second
        answer, early = first_refusal(lab, flow)
        found.append(books.Finding(early and answer.startswith("452 4.3.1"), "before its data, once the daemon has looked", "%s: %s" % (kind, answer)))
    flow.finish(5)
    before, until = len(flow.sink_book.gave), time.time() + DRAIN_S
    while flow.waiting > 0 and time.time() < until:
        time.sleep(0.02)
    found.append(books.Finding(flow.waiting <= 0, "what waits is delivered meanwhile", "%s: %d wait, %d went"
                               % (kind, flow.waiting, len(flow.sink_book.gave) - before)))
    filler.free()
    began = time.time()
    while not traffic.submit(flow.source_book, lab.port, next_message(lab, flow)).startswith("250") and time.time() < began + 20:
        time.sleep(0.05)
    back = time.time() - began
    found.append(books.Finding(back <= BACK_S, "mail is taken again by itself", "%s: %.1f s" % (kind, back)))
    found.append(books.Finding(lab.is_alive() and case.lab_tools.Pids(lab.directory).alive("relaisd") == pid, "without a restart", kind))
    return found, back


def run(cycles, kind, command):
    tap, progress = case.Recorded("%s %d %s" % (command, cycles, kind)), case.Progress("full-disk-%d-%s" % (cycles, kind))
    with Lab(kind) as lab, traffic.Traffic(lab.directory, lab.sink_port) as flow:
        filler, kinds = Filler(lab), ("quota", "none") if kind == "quota" else ("low", "none", "inodes")
        for nth in range(cycles):
            found, back = cycle(lab, flow, filler, kinds[nth % len(kinds)])
            progress.note(found, "cycle %d" % nth)
            progress.top(back_ms=int(back * 1000))
        flow.sink.delay = 0
        lab.drain()
        progress.learn(lab, flow, "all")
        said = [line for line in lab.complaints() if "WARNING" not in line]
        progress.note([books.Finding(not said, "its log is clean, but for warnings", said)], "all")
    tap.note("%d cycles; %d messages acknowledged, %d duplicates; taken again after %.1f s at most"
             % (cycles, progress.sums["acknowledged"], progress.sums["duplicates"], progress.tops["back_ms"] / 1000))
    progress.report(tap)
    tap.end()


def main(cycles, kind="tmpfs", command="tests/fault/full_disk.py"):
    code = ("import sys, subprocess; sys.path.insert(0, %r); subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/run'], check=True); "
            "import full_disk; full_disk.run(%d, %r, %r)" % (os.path.dirname(os.path.abspath(__file__)), cycles, kind, command))
    users = [] if os.getuid() == 0 else ["--map-root-user"]
    done = subprocess.run(["unshare", *users, "--mount", "--propagation", "private", sys.executable, "-c", code], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2] if len(sys.argv) > 2 else "tmpfs")
