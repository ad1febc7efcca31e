#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units as systemd reads them: nothing to complain of, and the service shut in as far as a mail transfer agent can
be. With the programs of this build, since a unit whose program is missing is no good one. TAP."""
import os
import re
import shutil
import subprocess
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
MOST = 1.6  # exposure, as systemd counts it
SOCKETS = ("relais.socket", "relais-submission.socket")


def ok(number, good, name, detail=""):
    print("%sok %d - %s" % ("" if good else "not ", number, name))
    for line in "" if good else detail.splitlines():
        print("# " + line)


def main():
    if shutil.which("systemd-analyze") is None:
        print("1..0 # SKIP systemd-analyze is not there")
        return
    with tempfile.TemporaryDirectory() as folder:
        text = open(os.path.join(BUILD, "core/systemd/relais.service")).read()
        for program in ("relaisd", "relaisctl"):
            text = re.sub(r"(?m)^(Exec\w+=)\S+/%s\b" % program, r"\g<1>" + os.path.join(BUILD, program), text)
        service = os.path.join(folder, "relais.service")
        open(service, "w").write(text)
        for name in SOCKETS:
            shutil.copy(os.path.join(SOURCE, "core/systemd", name), folder)
        files = [service] + [os.path.join(folder, name) for name in SOCKETS]
        verify = subprocess.run(["systemd-analyze", "verify", "--man=no"] + files, capture_output=True, text=True)
        said = verify.stdout + verify.stderr
        ok(1, verify.returncode == 0 and not said.strip(), "systemd-analyze verify has nothing to say", said)
        security = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", service], capture_output=True,
                                  text=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
        found = re.search(r"exposure level for relais.service: ([0-9.]+)", security.stdout)
        ok(2, found is not None and float(found.group(1)) <= MOST, "exposure of at most %s" % MOST,
           "\n".join(line for line in security.stdout.splitlines() if "✗" in line or "→" in line) + security.stderr)
        names = re.findall(r"(?m)^FileDescriptorName=(\S+)$", "".join(open(path).read() for path in files[1:]))
        ok(3, names == ["mx", "submission"], "each socket names the listener that it is for", str(names))
        temporary = os.path.join(BUILD, "core/systemd/relais.tmpfiles")
        left = re.findall(r"@\w+@", text.replace("@system-service", "") + open(temporary).read())
        ok(4, not left, "no placeholder is left", str(left))
    print("1..4")


main()
