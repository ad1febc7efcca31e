#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon is confined: a module's bad manners meet a refusal, what the daemon itself needs goes on. Each refusal is
looked for without the confinement, too: there the deed is done."""
import ctypes
import errno
import os
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Dialogue

tap = harness.Tap()
OUTSIDE = tempfile.mkdtemp(prefix="relais-outside-")  # beside the laboratory, not in it
SECRET = os.path.join(OUTSIDE, "shadow")
LAYERS, TAKEN = 16, 14  # where landlock ends; this process has so many before it starts the first daemon
REEXECS = 3  # with a layer each there would be one too many


def plant():
    shutil.rmtree(OUTSIDE, ignore_errors=True)
    os.makedirs(OUTSIDE)
    with open(SECRET, "w") as file:
        file.write("root:x\n")


def deed(lab, name, path="-"):
    return lab.rows("confine", "try", name, path)[0]["error"]


# What is tried, at which path, and by which error it is refused. What is mounted and traced is not there: a kernel that looks
# says so, and a machine that lets nobody do either has not answered for us.
DEEDS = [("read", SECRET, errno.EACCES), ("list", OUTSIDE, errno.EACCES), ("write", OUTSIDE + "/new", errno.EACCES),
         ("mkdir", OUTSIDE + "/dir", errno.EACCES), ("truncate", SECRET, errno.EACCES), ("run", "/bin/true", errno.EACCES),
         ("unlink", SECRET, errno.EACCES), ("mount", OUTSIDE + "/not-there", errno.EPERM), ("unshare", "-", errno.EPERM),
         ("ptrace", "-", errno.EPERM), ("signal", "-", errno.EPERM)]
FREE = {"mount", "ptrace", "unshare"}  # not done to this machine, nor by everybody


def send(lab, mark):
    d = Dialogue(lab.port)
    d.reply()
    for line in ("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<x@ok.rcpt.test>", "DATA"):
        answer = d.ask(line)
    d.send("From: ann@sender.test\r\nSubject: %s\r\n\r\n%s\r\n.\r\n" % (mark, "t\r\n" * 200000))  # more than memory keeps
    answer = d.reply()
    d.close()
    return answer[0]


def write(lab, text):
    path = os.path.join(lab.facts["conf_dir"], "z-admin.conf")
    with open(path + ".tmp", "w") as file:
        file.write(text)
    os.rename(path + ".tmp", path)


def test_refused(lab):
    status = lab.status()
    tap.ok(status["confined.files"].startswith("landlock ABI "), "files are confined, and status says so", status["confined.files"])
    tap.equal(status["confined.calls"], "seccomp", "so are system calls")
    tap.ok("confined: files: landlock" in lab.log(), "the log says it")
    for name, path, wanted in DEEDS:
        tap.equal(errno.errorcode.get(deed(lab, name, path)), errno.errorcode[wanted], "a module is refused: " + name)
    tap.equal(deed(lab, "write", os.path.join(lab.facts["spool_dir"], "mine")), 0, "where the daemon writes, it may")
    os.unlink(os.path.join(lab.facts["spool_dir"], "mine"))


def test_reload(lab):
    write(lab, "[module confine]\nfile = %s\n" % SECRET)
    said = lab.ctl("reload")
    tap.ok("lies outside: it needs a restart" in said.stdout + said.stderr, "reload says that a new path needs a restart", said.stdout + said.stderr)
    tap.ok("lies outside: it needs a restart" in lab.log(), "and so does the log")
    write(lab, "[module confine]\nfile = %s\n" % os.path.join(lab.facts["conf_dir"], "z-admin.conf"))
    said = lab.ctl("reload")
    tap.ok("needs a restart" not in said.stdout + said.stderr.replace("that need a restart: 0", ""), "one that is within reach does not", said.stdout + said.stderr)


def layers(lab):
    return int(next(line for line in open("/proc/%d/status" % lab.pid) if line.startswith("Seccomp_filters:")).split()[1])


def started(lab):
    return lab.log().count("confined: files: landlock")


def test_reexec(lab):
    before = layers(lab)
    for n in range(REEXECS):
        seen = started(lab)
        os.kill(lab.pid, signal.SIGUSR2)
        lab.wait(lambda: started(lab) > seen, 20, "a new program")
        lab.wait(lambda: lab.ctl("status", check=False).returncode == 0, 20, "its control socket")
    tap.equal(layers(lab), before, "%d programs took over, and none added a filter" % REEXECS)
    tap.ok(lab.status()["confined.files"].endswith("since an earlier program"), "they found themselves confined", lab.status()["confined.files"])
    tap.equal(deed(lab, "read", SECRET), errno.EACCES, "and are")
    tap.ok("off: landlock: " not in lab.log(), "no layer too many")
    tap.equal(send(lab, "after"), 250, "mail is taken after all of them")
    lab.wait(lambda: any(b"Subject: after" in mail for _, mail in lab.sunk()), 20, "mail")


def test_off(lab):
    tap.equal((lab.status()["confined.files"], lab.status()["confined.calls"]), ("off", "off"), "confine = off: status says so")
    for name, path, _ in DEEDS:
        if name not in FREE:
            tap.equal(deed(lab, name, path), 0, "the deed is done without it: " + name)
    lab.ctl("reload")


def test_basic(lab):
    tap.equal((lab.status()["confined.files"], lab.status()["confined.calls"]), ("off", "seccomp"), "confine = basic: system calls alone")
    tap.equal((deed(lab, "read", SECRET), deed(lab, "unshare")), (0, errno.EPERM), "and so it is")


def take_layers(n):
    """Of this process and what it starts: they forbid next to nothing, but leave less room for ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    rights = ctypes.c_uint64(1 << 11)  # to make block devices
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    ruleset = libc.syscall(444, ctypes.byref(rights), ctypes.c_size_t(8), 0)
    for _ in range(n):
        libc.syscall(446, ruleset, 0)
    os.close(ruleset)


def without_landlock():
    """0 if the daemon serves where landlock is not to be had, and does not start where it is required."""
    take_layers(LAYERS)
    with harness.Lab("--module", "confine") as lab:
        status = lab.status()
        if not status["confined.files"].startswith("off: landlock: ") or status["confined.calls"] != "seccomp" or send(lab, "mail") != 250:
            return 1
    try:
        harness.Lab("--set", "relais.confine=required").down()
    except RuntimeError as refusal:
        return 0 if "confine = required in [relais], but files: off: landlock" in str(refusal) else 2
    return 3


def test_missing():
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(without_landlock())
        finally:
            os._exit(9)
    tap.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "where the kernel has none the daemon serves and says so, but not if it is required")


if harness.SANITIZED:
    tap.skip("confinement", "a sanitizer's build is not confined to files")
    tap.end()
try:
    plant()
    take_layers(TAKEN)
    with harness.Lab("--module", "confine", "--module", "dkim", "--set", "relais.confine=required") as laboratory:
        tap.case(test_refused, laboratory)
        tap.case(test_reload, laboratory)
        tap.equal(send(laboratory, "before"), 250, "mail is taken")
        laboratory.wait(lambda: any(b"Subject: before" in mail and b"DKIM-Signature" in mail for _, mail in laboratory.sunk()), 20, "mail")
        tap.case(test_reexec, laboratory)
        laboratory.clean(tap, "lies outside")
    with harness.Lab("--module", "confine", "--set", "relais.confine=basic") as laboratory:
        tap.case(test_basic, laboratory)
    with harness.Lab("--module", "confine", "--set", "relais.confine=off") as laboratory:
        tap.case(test_off, laboratory)
    tap.case(test_missing)
finally:
    shutil.rmtree(OUTSIDE, ignore_errors=True)
tap.end()
