#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relais-inspect: what it says of a module, as text and as JSON, which has the members that its manual names; and what of files that
are refused, and of one that ends the process when it is loaded. TAP."""
import json
import os
import re
import shutil
import subprocess
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
N = 0


def ok(good, name, detail=""):
    global N
    N += 1
    print("%sok %d - %s" % ("" if good else "not ", N, name))
    if not good:
        for line in str(detail).splitlines():
            print("# " + line)


def inspect(*arguments):
    # A sanitizer counts what an aborted child held.
    env = dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0:handle_abort=0")
    return subprocess.run([os.path.join(BUILD, "relais-inspect"), *arguments], capture_output=True, text=True, timeout=120, env=env)


def documented():
    """Members of the manual: {"": [...], "hooks": [...], ...}"""
    with open(os.path.join(SOURCE, "man/relais-inspect.1")) as file:
        text = re.search(r"with the members (.*?)\. What is not there", " ".join(file.read().split())).group(1)
    inner = {name: re.split(r", ", members) for name, members in re.findall(r"(\w+) \(([^()]*)\)", text) if name != "conflicts"}
    outer = re.sub(r" \([^()]*\)", "", text).replace(" and ", ", ").split(", ")
    return dict(inner, **{"": [name for name in outer if name]})


def place(top, path, name):
    target = os.path.join(top, name + ".so")
    shutil.copy(os.path.join(BUILD, path), target)
    os.chmod(target, 0o755)
    return target


def test_json(top):
    place(top, "modules/dkim/.libs/dkim.so", "dkim")
    done = inspect("--module-dir", top, "--json", "dkim")
    facts = json.loads(done.stdout)
    ok(done.returncode == 0 and facts["name"] == "dkim" and facts["abi"] == "0.1", "JSON says what a module is", done.stdout + done.stderr)
    wanted = documented()
    for part, members in wanted.items():
        if part == "services":  # dkim publishes none
            ok(facts[part] == [], "no services")
            continue
        found = sorted(facts if part == "" else facts[part][0])
        ok(found == sorted(members), "%s has the members that are documented" % (part or "it"), "found %s\nwanted %s" % (found, sorted(members)))
    hooks = {(hook["hook"], hook["stage"]) for hook in facts["hooks"]}
    ok({"seal", "message"} <= {name for name, _ in hooks} and all((name == "message") == (stage is not None) for name, stage in hooks), "its hooks", hooks)
    ok(any("tenant" in option["flags"] or "reloadable" in option["flags"] for option in facts["options"]), "and the flags of its options")
    file = place(top, "modules/store-gdbm/.libs/store-gdbm.so", "store-gdbm")
    facts = json.loads(inspect("--module-dir", top, "--json", "store-gdbm").stdout)
    os.unlink(file)
    ok({option["key"]: option["flags"] for option in facts["options"]}["dir"] == ["written"], "that it writes to a directory, too", facts["options"])


def test_text(top):
    file = place(top, "tests/abi/.libs/guest.so", "guest")
    done = inspect("--module-dir", top, "guest")
    ok(done.returncode == 0 and done.stdout.startswith("guest 1: a fixture\n"), "text, by name", done.stdout + done.stderr)
    ok(inspect(file).stdout == done.stdout, "and by file")
    ok(inspect("--module-dir", top, "guest", "dkim").stdout.count(" ABI ") == 2, "several at once")


def test_refused(top):
    place(top, "tests/abi/.libs/guest.so", "renamed")
    done = inspect("--module-dir", top, "renamed")
    ok(done.returncode == 1 and "found 'guest', wanted 'renamed'" in done.stderr and done.stdout == "", "a refusal says why", done.stdout + done.stderr)
    place(top, "tests/abi/.libs/crash.so", "crash")
    done = inspect("--module-dir", top, "crash")
    ok(done.returncode == 1 and "crash: loading it ended the process: Aborted" in done.stderr, "so does a crash", done.stderr)
    done = inspect("--module-dir", top, "--all", "--json")
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    ok(done.returncode == 1 and names == ["dkim", "guest"], "--all goes on behind them, and ends with 1", (done.returncode, names))


def test_usage(top):
    for arguments in ((), ("--all", "guest"), ("--nonsense",)):
        ok(inspect(*arguments).returncode == 2, "usage: relais-inspect %s" % " ".join(arguments))
    ok(inspect("--module-dir", os.path.join(top, "nowhere"), "--all").returncode == 1, "a directory that is not there is an error")


def main():
    with tempfile.TemporaryDirectory(prefix="relais-inspect-") as top:
        for case in (test_json, test_text, test_refused, test_usage):
            case(top)
    print("1..%d" % N)


main()
