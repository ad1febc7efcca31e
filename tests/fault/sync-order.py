#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""250 is said after the sync, and a failed one is never tried again: run under shim.c, which logs the
order of writes, syncs and replies and makes them slow or fail.

Runs against the spool's driver program; against its three mutants, each of which must be caught; and,
where it is built, against relaisd as tests/lab brings it up.
"""
import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("RELAIS_BUILDDIR", "build")
SOURCE = os.environ.get("RELAIS_SRCDIR", ".")
SHIM = os.path.join(BUILD, "tests/fault/.libs/shim.so")
DELAY_MS = 200


class Call:
    def __init__(self, line):
        began, ended, self.what, self.name, result, error = line.split()
        self.began, self.ended = int(began), int(ended)
        self.good, self.errno = int(result) >= 0, int(error)


class Shimmed:
    """Log and control file of one shimmed program."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="relais-sync-")
        self.spool = os.path.join(self.dir, "watched")
        self.log = os.path.join(self.dir, "log")
        self.control = os.path.join(self.dir, "control")
        self.read = 0
        self.environment = dict(os.environ, LD_PRELOAD=SHIM, RELAIS_SHIM_DIR=self.spool,
                                RELAIS_SHIM_LOG=self.log, RELAIS_SHIM_CONTROL=self.control,
                                TMPDIR=self.dir, ASAN_OPTIONS="verify_asan_link_order=0")

    def order(self, text):
        with open(self.control + ".new", "w") as file:
            file.write(text + "\n")
        os.rename(self.control + ".new", self.control)

    def no_orders(self):
        if os.path.exists(self.control):
            os.unlink(self.control)

    def calls(self):
        """What was logged since the last time."""
        if not os.path.exists(self.log):
            return []
        with open(self.log) as file:
            lines = file.readlines()
        new, self.read = lines[self.read:], len(lines)
        return [Call(line) for line in new]

    def rest(self):
        """Forgets what was logged once all that was written is synced, else after two seconds (a mutant
        may never sync). What comes then finds a syncer that has nothing to do: a sync of earlier
        messages, begun late, would cover the next one as well."""
        calls = []
        until = time.monotonic() + 2
        while time.monotonic() < until:
            calls += self.calls()
            writes = [c for c in calls if c.what == "write"]
            if not writes or [c for c in calls if c.what == "sync" and c.name == writes[-1].name
                              and c.began >= writes[-1].ended]:
                return
            time.sleep(0.01)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Driver(Shimmed):
    """tests/fault/spool-driver or one of its mutants."""

    def __init__(self, program):
        super().__init__()
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests/fault", program), self.spool, "200"], env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.answer().startswith("220")

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        return self.answer()

    def accept(self):
        return self.ask("accept 3000")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.remove()


class Relaisd(Shimmed):
    """relaisd in the lab."""

    def __init__(self):
        super().__init__()
        text = subprocess.run([os.path.join(SOURCE, "tests/lab/up"), self.spool, "--build", BUILD,
                               "--set", "relais.confine=basic"],  # the shim has files of its own
                              env=self.environment, check=True, capture_output=True, text=True).stdout
        facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        self.port = int(facts["smtp_port"])
        self.n = 0

    def accept(self):
        self.n += 1
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            file = connection.makefile("rwb")

            def say(line):
                file.write(line + b"\r\n")
                file.flush()
                return self.reply(file)
            self.reply(file)
            for line in (b"EHLO sync.test", b"MAIL FROM:<a@sender.test>",
                         b"RCPT TO:<r%d@x.rcpt.test>" % self.n, b"DATA"):
                last = say(line)
                if last[:1] not in "23":
                    return last
            return say(b"From: <a@sender.test>\r\nSubject: %d\r\n\r\nx\r\n." % self.n)

    @staticmethod
    def reply(file):
        while True:
            line = file.readline().decode("latin-1").strip()
            if line[3:4] != "-":
                return line

    def stop(self):
        subprocess.run([os.path.join(SOURCE, "tests/lab/down"), self.spool], env=dict(os.environ),
                       capture_output=True)
        self.remove()


class Wrong(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Wrong(text)


# --- What must hold ------------------------------------------------------------------------------

def covered(calls):
    """The last reply comes after a good sync of a segment that began after a write to it."""
    replies = [c for c in calls if c.what == "reply" and c.name == "250"]
    demand(replies, "there is no 250 in the log")
    for write in (c for c in calls if c.what == "write" and c.good):
        for sync in (c for c in calls if c.what == "sync" and c.good and c.name == write.name):
            if write.ended <= sync.began and sync.ended <= replies[-1].began:
                return True
    return False


def slow_sync(program):
    """No 250 before the sync returned, however long that takes."""
    demand(program.accept().startswith("250"), "a message is not accepted")
    program.rest()
    program.order("delay %d" % DELAY_MS)
    for _ in range(3):
        program.rest()
        began = time.monotonic()
        answer = program.accept()
        took = time.monotonic() - began
        demand(answer.startswith("250"), "a message is not accepted: " + answer)
        demand(covered(program.calls()), "250 was said before the sync returned")
        demand(took >= DELAY_MS / 1000, "250 came within %.0f ms" % (took * 1000))
    program.no_orders()


def failed_sync(program):
    """EIO is a 451, that segment is never synced again, the next message goes to another one."""
    program.accept()
    program.calls()
    program.order("fail-sync %d" % errno.EIO)
    answer = program.accept()
    demand(answer.startswith("451"), "a failed sync was answered with: " + answer)
    until = time.monotonic() + 20
    while not (answer := program.accept()).startswith("250"):
        demand(time.monotonic() < until, "nothing is accepted after a failed sync: " + answer)
        time.sleep(0.1)
    calls = program.calls()
    failed = [c for c in calls if c.what == "sync" and not c.good]
    demand(len(failed) == 1, "%d syncs failed, not one" % len(failed))
    later = [c for c in calls if c.began >= failed[0].ended]
    demand(not [c for c in later if c.what in ("sync", "write") and c.name == failed[0].name],
           "the segment whose sync failed was used again")
    demand([c for c in later if c.what == "write" and c.name.startswith("segment-")],
           "no other segment was written")
    demand(covered(later), "250 was said before the sync returned")


def full_disk(program):
    """ENOSPC is a 452, and mail is taken again once there is room."""
    program.accept()
    program.order("fail-write %d" % errno.ENOSPC)
    answer = program.accept()
    demand(answer.startswith("452"), "a full disk was answered with: " + answer)
    program.no_orders()
    until = time.monotonic() + 20
    while not (answer := program.accept()).startswith("250"):
        demand(time.monotonic() < until, "nothing is accepted after there is room: " + answer)
        time.sleep(0.1)


def outcomes_kept(program):
    """An outcome whose sync failed is written again and reported without an error; a restart does
    not see its message."""
    answer = program.accept()
    program.order("fail-sync %d" % errno.EIO)
    outcome = program.ask("lazy")
    demand(outcome == answer, "the outcome of %s was answered with: %s" % (answer, outcome))


def dead_disk(program):
    """While nothing can be written, nothing is accepted; then everything goes on."""
    program.accept()
    program.order("fail-all %d" % errno.EIO)
    demand(program.accept().startswith("451"), "accepted on a dead disk")
    demand(program.ask("stopped") == "250 stopped", "the spool did not stop")
    demand(program.ask("refusal") != "250 none", "the spool refuses nothing")
    for _ in range(3):
        demand(program.accept().startswith("451"), "accepted on a dead disk")
    program.no_orders()
    until = time.monotonic() + 20
    while program.ask("stopped") != "250 running":
        demand(time.monotonic() < until, "the spool never came back")
        time.sleep(0.05)
    demand(program.accept().startswith("250"), "nothing is accepted on a good disk")


# --- TAP -----------------------------------------------------------------------------------------

number = 0


def report(good, name, trouble=None):
    global number
    number += 1
    print("%s %d - %s" % ("ok" if good else "not ok", number, name), flush=True)
    if trouble and not good:
        print("# " + str(trouble), flush=True)


def trouble_of(make, check):
    """Why `check` does not hold for a program, or None."""
    try:
        program = make()
    except subprocess.CalledProcessError as error:
        return "%s %s" % (error, error.stderr)
    try:
        check(program)
        return None
    except (Wrong, OSError, ValueError) as wrong:
        return wrong
    finally:
        program.no_orders()
        program.stop()


def main():
    for check in (slow_sync, failed_sync, full_disk, outcomes_kept, dead_disk):
        trouble = trouble_of(lambda: Driver("spool-driver"), check)
        report(trouble is None, "driver: " + check.__name__, trouble)
    for mutant, check in (("no-sync", slow_sync), ("early-reply", slow_sync),
                          ("sync-retry", failed_sync)):
        trouble = trouble_of(lambda: Driver("spool-driver-" + mutant), check)
        report(trouble is not None, "mutant %s is caught by %s" % (mutant, check.__name__))
        if trouble is not None:
            print("# %s: %s" % (mutant, trouble), flush=True)
    ready = os.access(os.path.join(BUILD, "relaisd"), os.X_OK) and any(
        os.path.exists(path) for path in (os.path.join(BUILD, "lab-tools/usr/sbin/nsd"),
                                          "/usr/sbin/nsd"))
    if not ready:
        print("# relaisd or the lab's nsd is missing (tests/lab/install): relaisd is left out")
    for check in (slow_sync, failed_sync, full_disk) if ready else ():
        trouble = trouble_of(Relaisd, check)
        report(trouble is None, "relaisd: " + check.__name__, trouble)
    print("1..%d" % number)


if __name__ == "__main__":
    main()
