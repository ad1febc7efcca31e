#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""store-gdbm in the daemon: it comes up, its commands answer, a second daemon on its directory is refused,
and what a SIGKILL left is read again."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory

tap = harness.Tap()


def status(lab):
    return {row["figure"]: row["value"] for row in lab.rows("store", "status")}


def test_commands(lab):
    lab.wait(lambda: status(lab)["state"] == "up", 20, "the store")
    figures = status(lab)
    tap.ok(figures["keys"] == 0 and figures["damages"] == 0 and figures["journal"] == 1, "an empty store", figures)
    done = lab.ctl("--json", "store", "get", "nobody", "a", "b", check=False)
    tap.ok(done.returncode == 1 and done.stdout.count('"absent"') == 2, "keys that are not there", done.stdout + done.stderr)
    tap.equal(lab.ctl("store", "get", "nobody", check=False).returncode, 2, "get wants a key")
    tap.equal(lab.ctl("store", "status", "x", check=False).returncode, 2, "status wants no argument")
    lab.ctl("store", "compact")
    lab.wait(lambda: status(lab)["snapshot"] == 2 and status(lab)["compaction"] == "idle", 20, "the snapshot")
    done = lab.ctl("store", "verify")
    tap.ok("0 changes were read" in done.stdout, "verify finds nothing wrong", done.stdout)


def test_second_daemon(lab):
    """Another daemon with a spool of its own, but the same store."""
    state = laboratory.read_state(lab.directory)
    conf = os.path.join(lab.directory, "second")
    os.makedirs(conf)
    with open(os.path.join(conf, "second.conf"), "w") as file:
        file.write("[relais]\nuser = root\nhostname = second.test\n")
        for kind in ("spool", "run", "log"):
            file.write("%s_dir = %s\n" % (kind, os.path.join(lab.directory, "second-" + kind)))
        file.write("state_dir = %s\n[listener default]\nport = 0\n[module store-gdbm]\nenable = yes\n" % os.path.join(lab.directory, "state"))
    argv = laboratory.program(state, "relaisd") + ["--conf", conf, "--module-dir", state["module_dir"]]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=laboratory.environment(state))
    tap.ok(done.returncode == 1 and "another process has this store (pid %d)" % lab.pid in done.stderr,
           "a second daemon on the same store is refused", done.stderr)
    tap.equal(status(lab)["state"], "up", "the first one goes on")


def test_restart(lab):
    lab.kill_and_restart()
    lab.wait(lambda: status(lab)["state"] == "up", 20, "the store")
    tap.equal(status(lab)["damages"], 0, "it comes up after SIGKILL")
    path = sorted(glob.glob(os.path.join(lab.directory, "state", "store", "snapshot-*")))[-1]
    with open(path, "r+b") as file:
        file.seek(20)
        file.write(b"\xff")
    done = lab.ctl("store", "verify", check=False)
    tap.ok(done.returncode == 1 and "the snapshot is damaged" in done.stdout, "verify tells what is damaged", done.stdout + done.stderr)


def main():
    if not os.path.exists(os.path.join(harness.BUILD, "modules/store-gdbm/.libs/store-gdbm.so")):
        print("1..0 # SKIP built --without-gdbm")
        return
    with harness.Lab("--module", "store-gdbm") as lab:
        tap.case(test_commands, lab)
        tap.case(test_second_daemon, lab)
        tap.case(test_restart, lab)
        lab.clean(tap)
    tap.end()


main()
