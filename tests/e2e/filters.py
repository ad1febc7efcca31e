# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that others wrote, for the end-to-end tests: programs as Debian ships them, installed or unpacked under the build
folder (tests/lab/install), each in the foreground with its files in a directory of the test's."""
import glob
import os
import subprocess
import sys
import tempfile

import harness

TOOLS = os.path.join(harness.BUILD, "lab-tools")


def find(path):
    """Where "usr/sbin/clamd" or a directory of a package lies; None if it is nowhere."""
    return next((place for place in (os.path.join(TOOLS, path), "/" + path) if os.path.exists(place)), None)


def need(tap, *paths):
    """Ends the test, which says so, where a program is not there."""
    for path in paths:
        if find(path) is None:
            tap.skip(os.path.basename(path), "%s is not there" % os.path.basename(path))
            tap.end()


class Filters:
    """Processes with a directory for their files; all end with it."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="relais-filters-")
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        subprocess.run(["rm", "-rf", self.home], check=False)

    def path(self, name):
        return os.path.join(self.home, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def start(self, program, *arguments, ready):
        """Starts it, and waits until the socket of the name `ready` is there."""
        libraries = glob.glob(os.path.join(TOOLS, "usr/lib/*-linux-gnu*")) + [os.path.join(TOOLS, "usr/lib/rspamd")]
        log = self.path(os.path.basename(program) + ".out")
        with open(log, "w") as out:
            process = subprocess.Popen([find(program), *arguments], env=dict(os.environ, LD_LIBRARY_PATH=":".join(libraries)),
                                       stdout=out, stderr=subprocess.STDOUT)
        self.processes.append(process)
        harness.laboratory.wait_for(program, lambda: os.path.exists(self.path(ready)), process, 60, log)
        return process

    def read(self, name):
        with open(self.path(name), errors="replace") as file:
            return file.read()


def header(data, name):
    """The values of a field in a delivered message, unfolded, from above."""
    head = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n\t", b" ").replace(b"\n ", b" ")
    return [line.partition(b":")[2].strip().decode() for line in head.split(b"\n") if line.lower().startswith(name.lower().encode() + b":")]
