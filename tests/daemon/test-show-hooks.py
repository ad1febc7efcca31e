#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""relaisd --show-hooks: the chains as they are asked, from the configuration alone; nothing is started. TAP."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
MODULES = ("open-tracker", "click-redirector", "throttle", "spf-check")


def place_modules(conf):
    """As they are installed: beside each other, for nobody else to write."""
    os.mkdir(os.path.join(conf, "modules"))
    os.chmod(os.path.join(conf, "modules"), 0o755)
    for name in MODULES:
        path = os.path.join(conf, "modules", name + ".so")
        shutil.copyfile(os.path.join(BUILD, "modules", name, ".libs", name + ".so"), path)
        os.chmod(path, 0o644)


def relaisd(conf, *options):
    return subprocess.run([os.path.join(BUILD, "relaisd"), "--conf", conf, "--module-dir", os.path.join(conf, "modules"),
                           "--show-hooks", *options], capture_output=True, text=True, timeout=120, env=dict(os.environ, LC_ALL="C"))


def chain(rows, hook):
    return [row["function"] for row in rows if row["hook"] == hook]


def main():
    checks = []
    with tempfile.TemporaryDirectory() as conf:
        place_modules(conf)
        done = relaisd(conf)
        checks.append(("without modules it says so", done.returncode == 0 and done.stdout == "No module is asked on any hook.\n"))
        done = relaisd(conf, "--json")
        checks.append(("and as JSON nothing", done.returncode == 0 and done.stdout == ""))
        with open(os.path.join(conf, "modules.conf"), "w") as file:
            for name in MODULES:
                file.write("[module %s]\nenable = yes\n" % name)
            for name in ("open-tracker", "click-redirector"):
                file.write("[%s]\nrules = %s\n" % (name, os.path.join(conf, "rules")))
        open(os.path.join(conf, "rules"), "w").close()
        done = relaisd(conf, "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        rewrite = [name.split(".")[0] for name in chain(rows, "rewrite")]
        checks.append(("links are rewritten before the pixel is put in", rewrite == ["click-redirector", "open-tracker"]))
        checks.append(("places are counted from 1 on each hook",
                       all(row["place"] == 1 + chain(rows, row["hook"]).index(row["function"]) for row in rows)))
        admit = [row for row in rows if row["hook"] == "admit"]
        checks.append(("what a late answer counts as stands there, where a hook may wait",
                       [row["on_timeout"] for row in admit] == ["WAIT"] and
                       all(row["on_timeout"] == "" for row in rows if row["thread"] == "worker")))
        checks.append(("only message has stages", {row["hook"] for row in rows if row["stage"]} <= {"message"}))
        done = relaisd(conf)
        lines = done.stdout.splitlines()
        checks.append(("the table has a head and a line a function",
                       done.returncode == 0 and lines[0].split()[:3] == ["HOOK", "PLACE", "FUNCTION"] and len(lines) == 1 + len(rows)))
        with open(os.path.join(conf, "modules.conf"), "a") as file:
            file.write("[module throttle]\nnonsense = 1\n")
        done = relaisd(conf)
        checks.append(("a configuration that is refused shows none", done.returncode == 2 and done.stdout == "" and "nonsense" in done.stderr))
    print("1..%d" % len(checks))
    for number, (what, good) in enumerate(checks, 1):
        print("%sok %d - %s" % ("" if good else "not ", number, what))
    return 0 if all(good for _, good in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
