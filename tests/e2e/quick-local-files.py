#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the machine finds, and what he may plant: modes of all that the daemon makes, each open of a file of its own (strace, from
the start over a delivery, commands and a reload to the end), the descriptors of its children, foreign things in the
spool, and in the full run what `make install` would set up."""
import glob
import os
import re
import shutil
import signal
import smtplib
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()
OPEN = re.compile(r'^\d+ +(?:openat|open|openat2|creat)\((?:(AT_FDCWD)(?:<[^>]*>)?, |(\d+)<([^>]*)>, )?"([^"]*)", (\S+?)(?:, 0\d+)?\) += (.*)$')
TRACED = "trace=open,openat,openat2,creat"
BODY = b"x" * 70 + b"\r\n"


def send(port, recipient, body=BODY):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
        smtp.sendmail("ann@sender.test", [recipient], b"From: ann@sender.test\r\nSubject: x\r\n\r\n" + body)


def own_places(lab):
    return [os.path.join(lab.directory, name) for name in ("spool", "state", "log", "run", "users")]


# --- Modes ---------------------------------------------------------------------------------------

def test_modes(lab):
    wrong = []
    for top in own_places(lab):
        for folder, names, files in os.walk(top):
            for name in [""] + names + files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                mode, kept = stat.S_IMODE(status.st_mode), not top.endswith(("log", "run"))
                if mode & 0o7022 or (kept and mode & 0o077) or (path.rstrip("/") == top and os.path.isdir(top) and mode != 0o700):
                    wrong.append("%s %o" % (path, mode))
    tap.equal(wrong, [], "spool, state, log and run are 0700, and nothing of theirs is anybody else's")


# --- Opens ---------------------------------------------------------------------------------------

def traced(lab, path):
    """Starts the laboratory's daemon again, under strace, which stays its own process."""
    plain = laboratory.program
    laboratory.program = lambda state, name: (["strace", "-D", "-f", "-qq", "-y", "-s", "4096", "-o", path, "-e", TRACED] if name == "relaisd" else []) + plain(state, name)
    try:
        pids = laboratory.Pids(lab.directory)
        laboratory.start_relais(laboratory.read_state(lab.directory), lab.directory, pids)
        lab.pid = pids.alive("relaisd")
    finally:
        laboratory.program = plain


def work(lab):
    """A little of everything that opens files."""
    for i in range(3):
        send(lab.port, "x%d@one.rcpt.test" % i)
    send(lab.port, "big@one.rcpt.test", BODY * 20000)
    lab.wait_sunk(4)
    lab.ctl("suppress", "add", "gone@rcpt.test")
    subprocess.run([lab.facts["relaisctl"], "user", "add", "anna", "--tenant=sender"], input="secret\n", text=True, check=True, capture_output=True)
    lab.ctl("reload")
    send(lab.port, "after@one.rcpt.test")
    lab.wait_sunk(5)
    lab.ctl("queue", "list")
    lab.ctl("spool", "verify", lab.facts["spool_dir"])


def opens(path):
    """Each open that succeeded or was tried: its name, the full path, flags."""
    for line in open(path, errors="replace"):
        found = OPEN.match(line)
        if found:
            _, _, folder, name, flags, _ = found.groups()
            yield name, os.path.normpath(os.path.join(folder or "/", name)), flags.split("|")


def follows(name, flags):
    return "O_NOFOLLOW" not in flags and "O_EXCL" not in flags and "O_TMPFILE" not in flags and name != "."


# What is opened by libraries, which leave that to programs: it goes to no program of ours all the same (core/
# module/helper.c), which is looked at below.
FOREIGN = r"/(etc|usr|lib|dev|proc|sys)/|.*/(cert|key)\.pem$"


def test_opens(lab, path):
    places, tops = own_places(lab), set(own_places(lab))
    inherited, foreign, followed, n, own = [], set(), [], 0, 0
    for name, full, flags in opens(path):
        n += 1
        mine = any(full == top or full.startswith(top + "/") for top in places)
        if "O_CLOEXEC" not in flags and not ("O_EXCL" in flags and full.rpartition(".")[2].isalnum() and mine):  # GLib's, renamed when it is written
            (foreign.add if re.match(FOREIGN, full) and not mine else inherited.append)(full)
        if mine:
            own += 1
            # The places themselves were named by the administrator.
            if follows(name, flags) and full not in tops:
                followed.append("%s %s" % (full, "|".join(flags)))
    tap.note("%d opens, %d of them of files in spool, state, log and run; left to be inherited by libraries: %s" % (n, own, " ".join(sorted(foreign))))
    tap.ok(own >= 20, "the trace has them", own)
    tap.equal(sorted(set(followed)), [], "every open of a file of ours follows no link")
    tap.equal(sorted(set(inherited)), [], "and is closed to programs that are started")


def run_opens():
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "trace")
        with harness.Lab("--set", "relais.confine=basic") as lab:
            lab.kill()
            traced(lab, path)
            work(lab)
            tap.case(test_modes, lab)
            pids = laboratory.Pids(lab.directory)
            pids.end("relaisd")
            tap.case(test_opens, lab, path)


# --- Children ------------------------------------------------------------------------------------

def children(pid):
    out = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = open(path).read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            out.append(int(path.split("/")[2]))
    return out


def descriptors(pid):
    """What a process has open."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found.append("%s %s" % (name, os.readlink("/proc/%d/fd/%s" % (pid, name))))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def test_children():
    if not os.path.exists(os.path.join(harness.BUILD, "modules/spf-check/.libs/spf-check-libspf2")):
        tap.skip("descriptors of a helper", "built without libspf2")
        return
    with harness.Lab("--module", "spf-check", "--set", "spf-check.evaluator=libspf2") as lab:
        lab.wait(lambda: [row for row in lab.rows("spf", "eval", "192.0.2.1", "a@sender.test", "helo.test") if row.get("evaluator") == "libspf2"], 20, "the library")
        child = lab.wait(lambda: children(lab.pid), 20, "a helper")[0]
        found = {int(name): os.readlink("/proc/%d/fd/%s" % (child, name)) for name in os.listdir("/proc/%d/fd" % child)}
        tap.ok(sorted(found) == [0, 1, 2] and found[0].startswith("socket:") and found[1] == "/dev/null" and found[2].endswith("relaisd.log"),
               "a helper has its socket, nothing to write to and the log, and no other descriptor", found)


def test_new_program():
    """What takes over the daemon's process has what one that was started has."""
    with harness.Lab() as lab:
        send(lab.port, "x@one.rcpt.test")
        lab.wait_sunk(1)
        counts = []
        for _ in range(3):
            said = lab.log().count("a new program takes over")
            os.kill(lab.pid, signal.SIGUSR2)
            lab.wait(lambda: lab.log().count("a new program takes over") > said, 20, "a new program")
            lab.wait(lambda: lab.ctl("status", check=False).returncode == 0, 20, "its answer")
            send(lab.port, "x@one.rcpt.test")
            lab.wait(lambda: lab.status()["smtp.sessions"] == 0 and lab.status()["queue.deliveries"] == 0, 20, "rest")
            counts.append(len(descriptors(lab.pid)))
        tap.note("descriptors after each: %s" % counts)
        tap.ok(max(counts[1:]) <= counts[0] + 2, "three programs one after another have the same descriptors", "%s\n%s" % (counts, "\n".join(descriptors(lab.pid))))


# --- What is planted -----------------------------------------------------------------------------

def plant(folder, names, victim):
    for i, name in enumerate(names):
        path = os.path.join(folder, name)
        [lambda: os.symlink(victim, path), lambda: os.link(victim, path), lambda: os.mkfifo(path, 0o600), lambda: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
         lambda: os.mkdir(path)][i % 5]()


def test_planted():
    with harness.Lab() as lab:
        send(lab.port, "first@one.rcpt.test")
        lab.wait_sunk(1)
        lab.kill()
        spool, victim = lab.facts["spool_dir"], os.path.join(lab.directory, "victim")
        with open(victim, "wb") as file:
            file.truncate(16 << 20)  # as long as a segment, so that it might pass for one
            file.write(b"nobody's mail")
        before = open(victim, "rb").read()
        for kind in ("segment-000000e%d", "blank-000000f%d"):
            plant(spool, [kind % i for i in range(5)], victim)
        plant(os.path.join(spool, "bodies"), ["00000000000000a%d" % i for i in range(5)], victim)
        plant(os.path.join(spool, "quarantine"), ["segment-000000e%d" % i for i in range(5)], victim)
        plant(spool, ["notes%d" % i for i in range(5)], victim)
        lab.up()
        send(lab.port, "second@one.rcpt.test", BODY * 20000)
        lab.wait_sunk(2)
        log = lab.log()
        missing = [name for name in ["segment-000000e%d" % i for i in (0, 2, 3, 4)] + ["blank-000000f%d" % i for i in range(5)] + ["bodies/00000000000000a%d" % i for i in (0, 2, 3, 4)] +
                   ["notes%d" % i for i in range(5)] if name not in log]
        tap.equal(missing, [], "links, pipes, devices and directories in the spool are told of")
        tap.ok(open(victim, "rb").read() == before, "what they lead to is untouched")
        tap.equal(os.lstat(victim).st_mode & 0o777, 0o644, "in its mode, too")
        lab.kill_and_restart()
        send(lab.port, "third@one.rcpt.test")
        tap.ok(lab.wait_sunk(3), "and mail flows")


# --- What is installed ---------------------------------------------------------------------------

def test_installed():
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["make", "-s", "-C", harness.BUILD, "install", "DESTDIR=" + home], capture_output=True, text=True)
        found = [os.path.join(folder, name) for folder, names, files in os.walk(home) for name in names + files]
        tap.ok(done.returncode == 0 and len(found) > 100, "make install", done.stderr[-2000:])
        modes = {path[len(home):]: stat.S_IMODE(os.lstat(path).st_mode) for path in found if not os.path.islink(path)}
        tap.equal([path for path, mode in modes.items() if mode & 0o6000], [], "installs nothing setuid or setgid")
        tap.equal([path for path, mode in modes.items() if mode & 0o022], [], "and nothing that others may write to")


if shutil.which("strace") is None:
    tap.skip("opens", "strace is not there")
else:
    tap.case(run_opens)
tap.case(test_children)
tap.case(test_new_program)
tap.case(test_planted)
if harness.FULL:
    tap.case(test_installed)
tap.end()
