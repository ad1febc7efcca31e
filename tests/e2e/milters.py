#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A milter on libmilter (python3-milter) for the end-to-end tests: milters.py ADDRESS LOG NAME. What it does with a mail
is said by its sender's local part; each connection and message is a line of LOG. A sender's mail to later@in.sender.test is put off twice,
that to lateatend@ there once, when it is complete."""
import collections
import sys
import time

import Milter


class Filter(Milter.Base):
    times = collections.Counter()  # in the process

    def put_off(self, recipient, times):
        self.times[self.sender, recipient] += 1
        return self.times[self.sender, recipient] <= times

    def tell(self, *words):
        with open(sys.argv[2], "a") as file:
            file.write(" ".join(str(word) for word in words) + "\n")

    def connect(self, name, family, address):
        self.tell("connect", name, address[0], self.getsymval("{daemon_name}"), self.getsymval("j"),
                  *(self.getsymval("{client_%s}" % word) for word in ("name", "ptr", "resolve")))
        return Milter.CONTINUE

    def hello(self, name):
        self.tell("helo", name)
        return Milter.CONTINUE

    def envfrom(self, sender, *_):
        self.what = sender.strip("<>").partition("@")[0]
        self.sender, self.size, self.fields, self.late = sender, 0, [], False
        return Milter.TEMPFAIL if self.what == "later" else Milter.CONTINUE

    def envrcpt(self, recipient, *_):
        if recipient == "<gone@in.sender.test>":
            self.setreply("550", "5.1.1", "gone, says the milter")
            return Milter.REJECT
        if recipient == "<later@in.sender.test>" and self.put_off(recipient, 2):
            return Milter.TEMPFAIL
        self.late = recipient == "<lateatend@in.sender.test>"
        return Milter.CONTINUE

    def header(self, name, value):
        self.fields.append(name)
        return Milter.CONTINUE

    def body(self, chunk):
        self.size += len(chunk)
        return Milter.CONTINUE

    def eom(self):
        self.tell("message", self.what, self.size, ",".join(self.fields), self.getsymval("i"))
        if self.what == "spam":
            self.setreply("550", "5.7.1", "100%% spam, says the milter")
            return Milter.REJECT
        if self.late and self.put_off("", 1):
            return Milter.TEMPFAIL
        if self.what == "slow":
            time.sleep(3)
        if self.what == "drop":
            return Milter.DISCARD
        if self.what == "hold":
            self.quarantine("looks odd")
        if self.what == "edit":
            self.addheader("X-Added", sys.argv[3])
            self.addheader("X-Inserted", sys.argv[3], 0)
            self.chgheader("Subject", 1, "changed by " + sys.argv[3])
            self.chgheader("X-Gone", 2, "")
        return Milter.ACCEPT

    def close(self):
        self.tell("close")
        return Milter.CONTINUE


Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS + Milter.QUARANTINE)
Milter.runmilter("relais-test", sys.argv[1], 30)
