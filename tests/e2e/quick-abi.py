#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outsiders make of Relais: header-policy and recipient-callout (tests/abi) are built from an installed copy alone, pass
their tests there, and do to real mail what they say. `relaisctl module new` writes a module that does, too, and the tutorial's
listings are compiled and run. The same by autotools: full-abi.py."""
import http.server
import os
import re
import smtplib
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests/abi"))
os.environ["RELAIS_BUILDDIR"] = harness.BUILD
import installed

tap = harness.Tap()
PROJECTS = ["header-policy", "recipient-callout"]
SANITIZERS = ["-fsanitize=address,undefined"] if installed.sanitized() else []


# --- Building -------------------------------------------------------------------------------------

def build(copy, home, name, source, test):
    copy.build_module(home, name, [source], SANITIZERS)
    said = copy.run_test(home, os.path.splitext(test)[0], test, SANITIZERS)
    tap.ok("not ok" not in said and re.search(r"^(ok \d+|# End of)", said, re.M), "%s: built from the installed copy, its test passes" % name, said)


def test_projects(copy):
    for name in PROJECTS:
        home = os.path.join(harness.SOURCE, "tests/abi", name)
        work = os.path.join(copy.top, "src-" + name)
        os.makedirs(work)
        for file in ("%s.c" % name, "test-%s.c" % name):
            os.symlink(os.path.join(home, file), os.path.join(work, file))
        with open(os.path.join(home, name + ".c")) as file:
            n = sum(1 for _ in file)
        tap.ok(n <= 250, "%s: %d lines" % (name, n))
        build(copy, work, name, name + ".c", "test-%s.c" % name)


def ctl(copy, *arguments, **options):
    empty = os.path.join(copy.top, "empty.d")
    os.makedirs(empty, exist_ok=True)
    return installed.run([os.path.join(copy.bin, "relaisctl"), "--conf", empty, *arguments], env=copy.env, **options)


def test_new(copy):
    templates = "--templates=" + os.path.join(copy.top, "share/relais/skeleton")
    done = ctl(copy, "module", "new", "guest-list", templates, cwd=copy.top)
    tap.equal(done.returncode, 0, "relaisctl module new writes a module")
    home = os.path.join(copy.top, "guest-list")
    written = sorted(os.path.relpath(os.path.join(at, file), home) for at, _, files in os.walk(home) for file in files)
    tap.equal(written, ["Makefile.am", "README", "configure.ac", "debian/changelog", "debian/control", "debian/copyright", "debian/rules",
                        "debian/source/format", "guest-list.c", "guest-list.conf", "test-guest-list.c"], "with all its files")
    text = "".join(open(os.path.join(home, file)).read() for file in written)
    tap.ok("@MODULE" not in text and "guest_list_la_SOURCES" in text, "and no mark is left")
    tap.ok(os.access(os.path.join(home, "debian/rules"), os.X_OK), "debian/rules can be run")
    build(copy, home, "guest-list", "guest-list.c", "test-guest-list.c")
    before = os.stat(os.path.join(home, "README")).st_mtime_ns
    for arguments, wanted, name in ((["guest-list"], "is there already", "a directory that is there is left alone"),
                                    (["Guest"], "is no name for a module", "a name of other characters is refused"),
                                    (["-x", "x"], "", "so is one that begins with -"), (["core"], "is no name for a module", "so is the core's own"),
                                    (["x", "nowhere/x"], "nowhere/x: ", "a place that is not there is told"),
                                    (["y", "y", "--templates=/nowhere"], "install librelais-dev", "so are templates that are not")):
        done = ctl(copy, "module", "new", *arguments, *([] if "--templates=/nowhere" in arguments else [templates]), cwd=copy.top)
        tap.ok(done.returncode != 0 and wanted in done.stderr, name, "%d: %s" % (done.returncode, done.stderr))
    tap.ok(not os.path.exists(os.path.join(copy.top, "y")) and os.stat(os.path.join(home, "README")).st_mtime_ns == before, "and nothing is left of it")


def test_tutorial(copy):
    with open(os.path.join(harness.SOURCE, "man/relais-module-tutorial.7")) as file:
        text = file.read()
    listings = re.findall(r'^\.\\" listing: (\S+)\n\.EX\n(.*?)^\.EE$', text, re.M | re.S)
    tap.ok(len(listings) >= 4, "the tutorial has listings", [name for name, _ in listings])
    for name, code in listings:
        path = os.path.join(copy.top, "tutorial", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(re.sub(r"^\\&", "", code, flags=re.M).replace("\\-", "-").replace("\\e", "\\"))
    for step in sorted({os.path.dirname(name) for name, _ in listings}):
        home = os.path.join(copy.top, "tutorial", step)
        test, = (file for file in os.listdir(home) if file.startswith("test-"))
        build(copy, home, test[5:-2], test[5:], test)


def test_inspect(copy):
    done = installed.run([os.path.join(copy.bin, "relais-inspect"), "--module-dir", copy.modules, "--json", "--all"], env=copy.env)
    tap.ok(done.returncode == 0 and '"name":"recipient-callout"' in done.stdout and '"hook":"rewrite"' in done.stdout, "relais-inspect knows them", done.stdout + done.stderr)


# --- Mail -----------------------------------------------------------------------------------------

class Service(http.server.ThreadingHTTPServer):
    """Says who exists: a* does, b* does not, and who begins with c must wait for ever."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked, self.gate = [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        address = self.path.partition("=")[2]
        self.server.asked.append(address)
        if address.startswith("c"):
            self.server.gate.wait(60)
        self.send_response(200 if address.startswith("a") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def rcpt(lab, *recipients):
    dialogue = harness.Dialogue(lab.port)
    dialogue.reply()
    for line in ("EHLO client.test", "MAIL FROM:<news@sender.test>"):
        dialogue.ask(line)
    codes = [dialogue.ask("RCPT TO:<%s>" % recipient)[0] for recipient in recipients]
    dialogue.close()
    return codes


def send(lab, *fields):
    head = ["From: News <news@sender.test>", "To: a1@a.rcpt.test", *fields]
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as smtp:
        try:
            smtp.sendmail("news@sender.test", ["a1@a.rcpt.test"], "\r\n".join(head) + "\r\n\r\nText\r\n")
        except smtplib.SMTPDataError as error:
            return error.smtp_code
    return 250


def test_callout(lab, service):
    tap.equal(rcpt(lab, "a1@a.rcpt.test", "b1@a.rcpt.test", "a1@a.rcpt.test"), [250, 550, 250], "who exists is taken, who does not is refused")
    tap.equal(service.asked, ["a1%40a.rcpt.test", "b1%40a.rcpt.test"], "and who is known is not asked about again")
    began = time.monotonic()
    tap.equal(rcpt(lab, "c1@a.rcpt.test"), [451], "no answer in time: later")
    tap.note("after %.1f s" % (time.monotonic() - began))
    dialogue = harness.Dialogue(lab.port)
    dialogue.reply()
    for line in ("EHLO client.test", "MAIL FROM:<news@sender.test>"):
        dialogue.ask(line)
    dialogue.send("RCPT TO:<c2@a.rcpt.test>\r\n")
    lab.wait(lambda: any(asked.startswith("c2") for asked in service.asked), 20, "the question")
    dialogue.close()
    service.gate.set()
    tap.equal(rcpt(lab, "a2@a.rcpt.test"), [250], "a client that goes meanwhile harms nobody")


def test_policy(lab):
    tap.equal(send(lab, "Subject: You have WON"), 550, "a message is refused by its header")
    tap.equal(send(lab, "X-Internal: 1", "Subject: plain", "x-internal: 2"), 250, "another one is taken")
    facts, data = lab.wait_sunk(1, 20)[0]
    head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    tap.ok(b"X-Processed-By: relais" in head, "and goes out with the field that is added", data)
    tap.ok(b"Subject: Checked" in head and b"Subject: plain" not in head, "with the one that is replaced", data)
    tap.ok(b"x-internal" not in data.lower(), "and without those that are removed", data)


def test_mail(copy):
    service = Service()
    sets = ["recipient-callout.url=http://127.0.0.1:%d/exists?a=" % service.server_address[1], "recipient-callout.domains=a.rcpt.test",
            "recipient-callout.timeout=1s", "http-client.allow=127.0.0.0/8", "header-policy-rule.won.header=Subject",
            "header-policy-rule.won.contains=you have won", "header-policy-rule.won.action=reject", "header-policy-edit.mark.header=X-Processed-By", "header-policy-edit.mark.value=relais",
            "header-policy-edit.away.header=X-Internal", "header-policy-edit.away.action=remove", "header-policy-edit.other.header=Subject",
            "header-policy-edit.other.action=replace", "header-policy-edit.other.value=Checked"]
    arguments = ["--module-dir", copy.modules] + [word for name in PROJECTS for word in ("--module", name)] + [word for pair in sets for word in ("--set", pair)]
    with harness.Lab(*arguments) as lab:
        tap.case(test_callout, lab, service)
        tap.case(test_policy, lab)
    service.shutdown()


with tempfile.TemporaryDirectory(prefix="relais-abi-") as top:
    copy = installed.Installed(os.path.join(top, "prefix"))
    for case in (test_projects, test_new, test_tutorial, test_inspect, test_mail):
        tap.case(case, copy)
tap.end()
