#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reload: the whole new configuration is in force, or nothing of it; mail flows meanwhile."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import lab as laboratory
from harness import Dialogue

tap = harness.Tap()
RELOADS = 200


def write(lab, text):
    """The administrator's file, read after the laboratory's own."""
    path = os.path.join(lab.facts["conf_dir"], "z-admin.conf")
    with open(path + ".tmp", "w") as file:
        file.write(text)
    os.rename(path + ".tmp", path)


def reload(lab):
    """The rows of a reload that is done."""
    return [row for row in lab.rows("reload") if "result" in row]


def hup(lab, words):
    """Sends SIGHUP and waits for the words in what is logged from then on."""
    before = len(lab.log())
    os.kill(lab.pid, signal.SIGHUP)
    return lab.wait(lambda: words in lab.log()[before:] and lab.log()[before:], 20, words)


def running(lab, section, key):
    return next(row["value"] for row in lab.rows("conf", "running") if (row["section"], row["key"]) == (section, key))


def rcpt(lab, recipient="there@one.rcpt.test", sender="ann@sender.test", ehlo="client.test"):
    """Code of RCPT for a relayed recipient in a new session, and what EHLO said."""
    d = Dialogue(lab.port)
    d.reply()
    text = d.ask("EHLO " + ehlo)[1]
    d.ask("MAIL FROM:<%s>" % sender)
    answer = d.ask("RCPT TO:<%s>" % recipient)
    d.close()
    return answer[0], text


def test_applied(lab):
    old = Dialogue(lab.port)  # a session that begins under the old configuration
    old.reply()
    write(lab, "[listener lab]\ntrusted_nets = 192.0.2.0/24\n[limits]\nmessage_size = 1M\n"
               "[tenant sender]\nweight = 5\n[queue]\nconnections = 3\n")
    rows = reload(lab)
    tap.equal({(r["section"], r["key"]): (r["result"], r["old"], r["new"]) for r in rows},
              {("[listener lab]", "trusted_nets"): ("applied", "127.0.0.1", "192.0.2.0/24"),
               ("[limits]", "message_size"): ("applied", "50M", "1M"),
               ("[tenant sender]", "weight"): ("applied", "1", "5"),
               ("[queue]", "connections"): ("applied", "10", "3")}, "each change is told, with old and new value")
    tap.ok(all(":" in r["origin"] and r["origin"].split(":")[0].endswith("z-admin.conf") for r in rows), "and where it stands", rows)
    code, text = rcpt(lab)
    tap.equal((code, "SIZE 1048576" in text), (550, True), "a new session has the new networks and limits")
    tap.ok("SIZE 52428800" in old.ask("EHLO client.test")[1] and old.ask("MAIL FROM:<ann@sender.test>")[0] == 250
           and old.ask("RCPT TO:<there@one.rcpt.test>")[0] == 250, "one that was there goes on under the old ones")
    old.close()
    write(lab, "[tenant sender]\nweight = 7\n[tenant other]\ndomains = other.test\n[queue]\nconnections = 3\n")
    log = hup(lab, "the configuration was read again")
    tap.ok("[tenant sender] weight: 7 (was 5): applied" in log, "SIGHUP does the same, and the log tells it", log)
    tap.equal(rcpt(lab)[0], 250, "what a file sets no more is the default of the file before again")
    tap.equal((running(lab, "[tenant sender]", "weight"), running(lab, "[tenant other]", "domains")), ("7", "other.test"),
              "`conf running` shows what is in force")
    write(lab, "[tls-policy]\nreport_contact = tls@sender.test\nreport_organization = Ours\n[tenant other]\ndomains = other.test\n")
    tap.equal(sorted((r["key"], r["result"]) for r in reload(lab) if r["section"] == "[tls-policy]"),
              [("report_contact", "applied"), ("report_organization", "applied")], "a contact for TLS reports is taken over")
    tap.ok("Nothing is counted" not in lab.ctl("tls", "reports").stdout, "from then on sessions are counted")
    write(lab, "[tls-policy]\nreport_contact = nobody\n[tenant other]\ndomains = other.test\n")
    refused = lab.ctl("reload", check=False)
    tap.ok(refused.returncode == 1 and "is no mail address" in refused.stdout + refused.stderr, "one that is no address is refused", refused)
    checked = lab.ctl("conf", "check", check=False)
    tap.ok(checked.returncode == 1 and "is no mail address" in checked.stdout + checked.stderr, "as it is by a check", checked)
    write(lab, "")
    tap.equal({r["section"]: (r["key"], r["new"]) for r in reload(lab) if r["key"] is None}, {"[tenant other]": (None, "absent")},
              "a tenant goes as it came")
    tap.equal(reload(lab), [], "and a reload without any change says so")


def test_restart(lab):
    write(lab, "[listener lab]\nport = 7\n[tenant sender]\nweight = 2\n[listener second]\nport = 8\n"
               "[module dkim]\nenable = yes\n[relais]\nworkers = 3\n")
    rows = {(r["section"], r["key"]): (r["result"], r["old"], r["new"]) for r in reload(lab)}
    wanted = {("[listener lab]", "port"): ("needs a restart", str(lab.port), "7"),
              ("[listener second]", None): ("needs a restart", "absent", "there"),
              ("[module dkim]", "enable"): ("needs a restart", "no", "yes"),
              ("[relais]", "workers"): ("needs a restart", "0", "3"),
              ("[tenant sender]", "weight"): ("applied", "1", "2")}
    tap.equal(rows, wanted, "what only a restart applies is named, the rest applies")
    tap.equal((running(lab, "[listener lab]", "port"), running(lab, "[tenant sender]", "weight")), (str(lab.port), "2"),
              "and keeps its old value")
    again = {(r["section"], r["key"]) for r in reload(lab)}
    tap.equal(again, {key for key in wanted if key[1] != "weight"}, "a second reload names it again")
    tap.ok("z-admin.conf:2: [listener lab] port: 7 (was %d): needs a restart" % lab.port in lab.log(), "as the log does")
    write(lab, "")
    reload(lab)


def test_refused(lab):
    before = running(lab, "[queue]", "connections")
    write(lab, "[queue]\nconnections = 4\n[tenant sender]\nwieght = 3\n")
    done = lab.ctl("--json", "reload", check=False)
    tap.equal(done.returncode, 1, "a configuration with an error is refused")
    tap.ok("z-admin.conf" in done.stdout and '"line":4' in done.stdout and "did you mean 'weight'" in done.stdout,
           "with file, line and the nearest name", done.stdout + done.stderr)
    log = hup(lab, "the one in force stays")
    tap.ok("z-admin.conf:4: error: unknown key 'wieght'" in log, "so does SIGHUP, into the log", log)
    tap.equal(running(lab, "[queue]", "connections"), before, "and nothing of it is in force")
    laboratory.put_beside(os.path.join(harness.BUILD, "modules/dkim/.libs/dkim.so"), os.path.join(harness.BUILD, "lab-modules/dkim.so"))
    write(lab, "[module dkim]\nenable = no\n[dkim-key s9]\nselektor = s1\n")
    done = lab.ctl("--json", "reload", check=False)
    tap.ok(done.returncode == 1 and "did you mean 'selector'" in done.stdout, "sections of a module that is off are checked, too",
           done.stdout)
    write(lab, "[listener lab]\ncertificate = /nowhere/cert.pem\n")
    done = lab.ctl("--json", "reload", check=False)
    tap.ok(done.returncode == 1 and "/nowhere/cert.pem" in done.stdout, "a part that cannot prepare refuses for all", done.stdout)
    tap.equal(rcpt(lab)[0], 250, "mail flows as before")
    write(lab, "")
    reload(lab)


class Sender(threading.Thread):
    """Sends one message after the other until it is told to stop."""

    def __init__(self, lab, number):
        super().__init__()
        self.lab, self.number, self.sent, self.stop, self.trouble = lab, number, 0, False, None

    def run(self):
        try:
            while not self.stop:
                d = Dialogue(self.lab.port)
                d.reply()
                d.ask("EHLO client.test")
                for _ in range(5):
                    d.ask("MAIL FROM:<ann@sender.test>")
                    d.ask("RCPT TO:<n%d-%d@flow.rcpt.test>" % (self.number, self.sent))
                    d.ask("DATA")
                    d.send(b"From: <ann@sender.test>\r\nSubject: flow\r\n\r\nx\r\n.\r\n")
                    answer = d.reply()
                    if answer is None or answer[0] != 250:
                        raise RuntimeError("not taken: %r" % (answer,))
                    self.sent += 1
                d.close()
                time.sleep(0.02)
        except Exception as trouble:
            self.trouble = trouble


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_many(lab):
    reload(lab)
    lab.wait(lambda: lab.status()["queue.messages"] == 0, 30, "an empty queue")
    already = len(lab.sunk())
    before = descriptors(lab.pid)
    senders = [Sender(lab, n) for n in range(2)]
    for sender in senders:
        sender.start()
    for i in range(RELOADS):
        write(lab, "[tenant sender]\nweight = %d\n[listener lab]\ntrusted_nets = 127.0.0.1 192.0.2.%d\n" % (i % 9 + 1, i % 250))
        if i % 4 == 3:
            reload(lab)
        else:
            os.kill(lab.pid, signal.SIGHUP)
            time.sleep(0.005)
    tap.ok(not [r for r in lab.ctl("--json", "reload").stdout.splitlines() if "restart\"" in r], "the last reload is done")
    for sender in senders:
        sender.stop = True
    for sender in senders:
        sender.join(60)
    sent = sum(sender.sent for sender in senders)
    tap.equal([s.trouble for s in senders if s.trouble], [], "through %d reloads every message is taken" % RELOADS)
    lab.wait(lambda: len(lab.sunk()) >= already + sent, 60, "all messages in the sink")
    found = sorted(r[0] for facts, _ in lab.sunk()[already:] for r in facts["recipients"])
    tap.equal(found, sorted("n%d-%d@flow.rcpt.test" % (s.number, i) for s in senders for i in range(s.sent)),
              "and delivered once (%d of them)" % sent)
    lab.wait(lambda: lab.status()["queue.connections"] == 0 and lab.status()["smtp.sessions"] == 0, 30, "no connections")
    lab.wait(lambda: descriptors(lab.pid) <= before + 2, 10, "as few descriptors as before (%d, now %d)" % (before, descriptors(lab.pid)))
    tap.ok(True, "no descriptor is left behind")


with harness.Lab() as lab:
    for test in (test_applied, test_restart, test_refused, test_many):
        tap.case(test, lab)
tap.end()
