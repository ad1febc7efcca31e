# SPDX-License-Identifier: GPL-3.0-or-later
"""What quick-contain.py and full-contain.py share: a laboratory with the module that does everything wrong
(contain.c), mail that makes it do so, and what is left afterwards."""
import os
import re
import smtplib
import time

import harness

RESTART_S = 5


class Lab(harness.Lab):
    """A laboratory that is expected to crash."""

    def __init__(self, *arguments, watchdog="500ms"):
        super().__init__("--module", "contain", "--set", "relais.watchdog=" + watchdog, *arguments)

    def set(self, text):
        path = os.path.join(self.facts["conf_dir"], "z-contain.conf")
        with open(path, "w") as file:
            file.write(text)

    def send(self, *recipients):
        """Sends one message for each; what was answered."""
        codes = []
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as smtp:
            for recipient in recipients:
                try:
                    smtp.sendmail("ann@sender.test", [recipient + "@one.rcpt.test"],
                                  "From: ann@sender.test\r\nTo: x@one.rcpt.test\r\nSubject: %s\r\n\r\nText\r\n" % recipient)
                    codes.append(250)
                except smtplib.SMTPRecipientsRefused as error:
                    codes.append(list(error.recipients.values())[0][0])
        return codes

    def is_gone(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        with open("/proc/%d/stat" % self.pid) as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"

    def crash(self, recipient, seconds=20):
        """Sends what ends it; what the daemon said then."""
        before = len(self.log())
        try:
            self.send(recipient)
        except (smtplib.SMTPException, OSError):
            pass
        return self.wait_crash(before, seconds)

    def wait_crash(self, before, seconds=20):
        self.wait(self.is_gone, seconds, "crash")
        said = self.wait(lambda: re.search(r"relaisd: ended by signal .*", self.log()[before:]), 5, "last line")
        return said.group(0)

    def again(self, settle=0.1):
        """Starts it again, as a service manager does, until it stays: what is queued may end it before it is ready, or
        within `settle` seconds. How long the last start took, and how often it was started."""
        for n in range(1, 5):
            began = time.monotonic()
            try:
                self.up()
            except RuntimeError as error:
                if "ended by signal" not in str(error):
                    raise
                continue
            took = time.monotonic() - began
            time.sleep(settle)
            if not self.is_gone():
                return took, n
        raise RuntimeError("it does not stay up:\n" + self.log())

    def stop(self):
        os.kill(self.pid, 15)
        self.wait(self.is_gone, 15, "end")

    def held(self):
        return [row for row in self.rows("queue", "list") if row.get("state") == "held"]

    def delivered(self):
        """Subjects of what arrived."""
        return sorted(re.search(rb"(?m)^Subject: (\S+)", message).group(1).decode() for _, message in self.sunk())

    def wait_delivered(self, *subjects, seconds=20):
        return self.wait(lambda: set(subjects) <= set(self.delivered()), seconds, "delivery of %s" % (subjects,))
