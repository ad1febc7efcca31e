#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutants of Relais, each with one fault: mutants/NAME.patch against this tree loses mail or delivers it wrong, and
mutants/abuse/NAME.patch lets somebody do what he must not; it names the test that shows it. They are built in an overlay
over the tree, which only the processes that build them see, so neither the tree nor its build folder is touched; what is
made of the first kind lies in BUILD/fault/mutants/NAME.

    tests/fault/mutants.py apply            whether all patches still apply (TAP)
    tests/fault/mutants.py abuse [NAME...]  whether each of the second kind is caught by its test (TAP; recorded as below)
    tests/fault/mutants.py build NAME       prints where it is
    tests/fault/mutants.py catch [NAME...]  whether each is caught: by power cuts, at most 60, or, where a disk has to fail
                                            and not the power, by sync-order.py (TAP; with RELAIS_RECORD also into RESULTS)
"""
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness

PATCHES = os.path.join(HERE, "mutants")
# Run in a mount namespace of its own: SOURCE, BUILD, where to, patch.
MAKE = """set -e
mkdir "$3/upper" "$3/work"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" "$1"
cd "$1"
patch -s -p1 <"$4"
cd "$2"
make -s librelais.la relaisd relaisctl tests/fault/spool-driver >"$3/log" 2>&1 || { tail -20 "$3/log" >&2; exit 1; }
mkdir "$3/made" "$3/made/.libs"
cp -a .libs/librelais.so* .libs/relaisd .libs/relaisctl "$3/made/.libs/"
cp -a tests/fault/spool-driver "$3/made/"
"""
# The same for a mutant that a test of the tree is to catch: the test sees the overlay. SOURCE, BUILD, work, patch, targets, test.
CATCH = """set -e
mkdir "$3/upper" "$3/work"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" "$1"
cd "$1"
patch -s -p1 <"$4"
cd "$2"
make -s $5 >"$3/log" 2>&1 || { tail -20 "$3/log" >&2; exit 99; }
export RELAIS_SRCDIR="$1" RELAIS_BUILDDIR="$2"
case $6 in
*.py) exec timeout -k 10 1200 /usr/bin/python3 "$1/$6" ;;
*) exec timeout -k 10 1200 sh "$1/tests/runner" "./$6" ;;
esac
"""
PROGRAMS = "librelais.la relaisd relaisctl"
# What a script asks besides.
ASKED = {"tests/message/test-dsn.py": "tests/message/report", "tests/e2e/quick-local-files.py": "modules/spf-check/spf-check-libspf2"}
CUTS = 60
OF_FILES = ("truncated-body", "unlink-before-done")  # show with bodies in files of their own only
BY_A_FAILED_SYNC = ("sync-error-ignored", "sync-retried")


def names():
    return sorted(os.path.basename(path)[:-len(".patch")] for path in glob.glob(os.path.join(PATCHES, "*.patch")))


def abuse_names():
    return sorted("abuse/" + os.path.basename(path)[:-len(".patch")] for path in glob.glob(os.path.join(PATCHES, "abuse", "*.patch")))


def patch_of(name):
    return os.path.join(PATCHES, name + ".patch")


def test_of(name):
    """The test that a patch of the second kind names, and what of the test's own has to be built."""
    with open(patch_of(name)) as file:
        test = re.search(r"(?m)^Caught by (tests/\S+)$", file.read()).group(1)
    if not test.endswith(".py"):
        return test, test
    return test, ASKED.get(test, "")


def built(name):
    """The build folder to take programs from: the mutant's, or the tree's own for None."""
    if name is None:
        return harness.BUILD
    source, build = os.path.realpath(harness.SOURCE), os.path.realpath(harness.BUILD)
    where = os.path.join(build, "fault", "mutants", name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(os.path.dirname(where), exist_ok=True)
    if not build.startswith(source + "/"):
        raise RuntimeError("the build folder has to be inside the tree")
    # The overlay cannot have its upper layer inside itself.
    work = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        subprocess.run(["unshare", "-m", "sh", "-c", MAKE, "sh", source, build, work, patch_of(name)], check=True)
        shutil.move(os.path.join(work, "made"), where)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return where


def applies(name):
    done = subprocess.run(["patch", "-p1", "--dry-run", "-i", patch_of(name)], cwd=harness.SOURCE, capture_output=True, text=True)
    fuzz = "fuzz" in done.stdout
    return done.returncode == 0 and not fuzz, done.stdout + done.stderr


def sync_order():
    """The module: its file name is that of a command."""
    spec = importlib.util.spec_from_file_location("sync_order", os.path.join(HERE, "sync-order.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def catch_by_failed_sync(tap, name):
    """A sync is made to fail, and what the mutant answers is looked at."""
    order = sync_order()
    driver = os.path.join(built(name), "spool-driver")
    trouble = order.trouble_of(lambda: order.Driver(driver), order.failed_sync)
    if trouble is not None:
        tap.note("caught by: %s" % trouble)
    tap.ok(trouble is not None, "mutant %s is caught by a failed sync (tests/fault/sync-order.py)" % name)


def catch(wanted):
    import case
    tap = case.Recorded("tests/fault/mutants.py catch " + " ".join(wanted))
    for name in wanted:
        if name in BY_A_FAILED_SYNC:
            catch_by_failed_sync(tap, name)
            continue
        done = subprocess.run([sys.executable, os.path.join(HERE, "power.py"), str(CUTS), "--mutant", name], capture_output=True,
                              text=True, env={k: v for k, v in os.environ.items() if k != "RELAIS_RECORD"})
        for line in done.stdout.splitlines():
            if line.startswith("# ") and done.returncode == 0:
                tap.note(line[2:])
        good = done.returncode == 0 and "# SKIP" not in done.stdout
        tap.ok(good, "mutant %s is caught by power cuts" % name, done.stdout + done.stderr)
    tap.end()


def run_against(name, test, targets):
    """What the test makes of the mutant: status and TAP; 99 where it could not be built."""
    source, build = os.path.realpath(harness.SOURCE), os.path.realpath(harness.BUILD)
    work = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        done = subprocess.run(["unshare", "-m", "sh", "-c", CATCH, "sh", source, build, work, patch_of(name), PROGRAMS + " " + targets, test],
                              capture_output=True, text=True, errors="replace")
        return done.returncode, done.stdout + done.stderr
    finally:
        shutil.rmtree(work, ignore_errors=True)


def catch_abuse(wanted):
    import case
    names_given = [] if wanted == abuse_names() else [os.path.basename(name) for name in wanted]
    tap = case.Recorded(" ".join(["tests/fault/mutants.py abuse"] + names_given))
    for name in wanted:
        test, targets = test_of(name)
        status, said = run_against(name, test, targets)
        bad = [line for line in said.splitlines() if re.match(r"not ok|Bail out!|.*ERROR:", line)]
        if bad:
            tap.note("%s: %s" % (name, bad[0]))
        tap.ok(status not in (77, 99) and bad, "mutant %s is caught by %s" % (name, test), "status %d\n%s" % (status, said[-3000:]))
    tap.end()


def main(arguments):
    if arguments == ["apply"]:
        tap = harness.Tap()
        for name in names() + abuse_names():
            good, said = applies(name)
            tap.ok(good, "mutant %s applies" % name, said)
        tap.end()
    elif len(arguments) == 2 and arguments[0] == "build":
        print(built(arguments[1]))
    elif arguments[:1] == ["catch"] and set(arguments[1:]) <= set(names()):
        catch(arguments[1:] or names())
    elif arguments[:1] == ["abuse"] and {"abuse/" + name for name in arguments[1:]} <= set(abuse_names()):
        catch_abuse(["abuse/" + name for name in arguments[1:]] or abuse_names())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
