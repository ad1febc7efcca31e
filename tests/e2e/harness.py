# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end tests share: a laboratory as a context, TAP, raw SMTP dialogues, DKIM verifiers
that are not ours."""
import glob
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RELAIS_BUILDDIR") or os.path.join(SOURCE, "build")
FULL = os.environ.get("RELAIS_TEST_MODE") == "full"
SANITIZED = os.path.exists(os.path.join(BUILD, "config.h")) and "define RELAIS_SANITIZED 1" in open(os.path.join(BUILD, "config.h")).read()
sys.path.insert(0, os.path.join(SOURCE, "tests", "lab"))
import lab as laboratory


class Tap:
    def __init__(self):
        self.n, self.bad = 0, 0

    def ok(self, good, name, detail=""):
        self.n += 1
        self.bad += not good
        print("%sok %d - %s" % ("" if good else "not ", self.n, name.replace("#", "")), flush=True)
        if not good and detail:
            for line in str(detail).splitlines()[:40]:
                print("# " + line, flush=True)
        return good

    def equal(self, found, wanted, name):
        return self.ok(found == wanted, name, "found %r\nwanted %r" % (found, wanted))

    def note(self, text):
        print("# " + text, flush=True)

    def skip(self, name, reason):
        self.n += 1
        print("ok %d - %s # SKIP %s" % (self.n, name, reason), flush=True)

    def case(self, function, *arguments):
        """Runs one test function; an exception is a failure of that case, not of the file."""
        try:
            function(*arguments)
        except Exception:
            self.ok(False, function.__name__, traceback.format_exc())

    def end(self):
        print("1..%d" % self.n)
        sys.exit(1 if self.bad else 0)


class Lab:
    """A laboratory in a directory of its own, taken down and removed at the end."""

    def __init__(self, *arguments, env=None):
        self.directory = tempfile.mkdtemp(prefix="relais-lab-")
        self.arguments, self.env = list(arguments), env
        self.up()

    def up(self, *more, env=None):
        argv = [os.path.join(SOURCE, "tests/lab/up"), self.directory, "--build", BUILD] + self.arguments + list(more)
        done = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ, **(env or self.env or {})))
        if done.returncode != 0:
            raise RuntimeError("lab up: %s%s" % (done.stdout, done.stderr))
        self.facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.pid = int(self.facts["pid"])
        self.port = int(self.facts["smtp_port"])
        return self

    def down(self):
        # What a sanitizer said is only complete once the daemon has ended.
        subprocess.run([os.path.join(SOURCE, "tests/lab/down"), self.directory], check=False, stdout=subprocess.DEVNULL)
        self.last_log = self.log() or getattr(self, "last_log", "")
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self):
        laboratory.kill(self.pid)

    def kill_and_restart(self):
        self.kill()
        return self.up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def log(self):
        path = os.path.join(self.directory, "relaisd.log")
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def ctl(self, *arguments, check=True):
        done = subprocess.run([self.facts["relaisctl"], *arguments], capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError("relaisctl %s: %d %s%s" % (" ".join(arguments), done.returncode, done.stdout, done.stderr))
        return done

    def rows(self, *arguments):
        return [json.loads(line) for line in self.ctl("--json", *arguments).stdout.splitlines() if line.strip()]

    def status(self, *arguments):
        return {row["figure"]: row["value"] for row in self.rows("status", *arguments) if "figure" in row}

    def script(self, text):
        path = self.facts["sink_script"]
        with open(path + ".tmp", "w") as file:
            file.write(text)
        os.rename(path + ".tmp", path)

    def sunk(self):
        """All messages the sink holds: (facts, bytes), oldest first."""
        out = []
        for path in sorted(glob.glob(os.path.join(self.facts["sink_dir"], "*.eml"))):
            out.append((json.load(open(path[:-4] + ".json")), open(path, "rb").read()))
        return out

    def wait(self, check, seconds=30, what="condition"):
        until = time.time() + seconds
        while time.time() < until:
            value = check()
            if value:
                return value
            time.sleep(0.02)
        raise RuntimeError("%s not met in %d s; log:\n%s" % (what, seconds, self.log()[-2000:]))

    def wait_sunk(self, n, seconds=30):
        self.wait(lambda: len(glob.glob(os.path.join(self.facts["sink_dir"], "*.eml"))) >= n, seconds, "%d messages in the sink" % n)
        return self.sunk()

    def events(self):
        out = []
        for path in sorted(glob.glob(self.facts["events"])):
            out.extend(json.loads(line) for line in open(path, errors="replace") if line.endswith("\n"))
        return out

    def complaints(self, expected=None):
        """Takes the laboratory down and looks at what the daemon said until its end: lines that a sanitizer, an assertion
        or GLib complained in, but for those with what was expected."""
        self.down()
        words = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "CRITICAL", "WARNING", "assertion", "blocking call")
        return [line for line in self.last_log.splitlines() if any(w in line for w in words) and not (expected and expected in line)]

    def clean(self, tap, expected=None):
        """The same as a test."""
        tap.ok(not self.complaints(expected), "the daemon ended well and its log is clean", self.last_log[-3000:])


def sockets(pid):
    """How many a process has open."""
    directory, count = "/proc/%d/fd" % pid, 0
    for name in os.listdir(directory):
        try:
            count += os.readlink(os.path.join(directory, name)).startswith("socket:")
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


class Dialogue:
    """A raw SMTP connection: what is sent is sent as it is."""

    def __init__(self, port, timeout=20, address="127.0.0.1"):
        self.sock = socket.create_connection((address, port), timeout)
        self.file = self.sock.makefile("rb")
        self.tls = False

    def reply(self):
        """Next reply as (code, text), or None at the end of the connection."""
        lines = []
        while True:
            try:
                line = self.file.readline()
            except (ConnectionError, ssl.SSLError, TimeoutError, socket.timeout):
                return None
            if not line.endswith(b"\n"):
                return None
            lines.append(line[4:].strip().decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def ask(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def starttls(self):
        answer = self.ask("STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.tls = True
        return answer

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def verify_dkimpy(message, dns_port):
    """Verdict of dkimpy on every signature: list of (domain, algorithm, good)."""
    import dkim
    import dns.message
    import dns.query

    def txt(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        answer = dns.query.udp(dns.message.make_query(name, "TXT"), "127.0.0.1", port=dns_port, timeout=timeout)
        for rrset in answer.answer:
            for rdata in rrset:
                if hasattr(rdata, "strings"):
                    return b"".join(rdata.strings)
        return None

    out = []
    verifier = dkim.DKIM(message)
    count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
    for i in range(count):
        verifier = dkim.DKIM(message)
        try:
            good = verifier.verify(idx=i, dnsfunc=txt)
        except dkim.DKIMException as trouble:
            good = False
            out.append((str(trouble), "", False))
            continue
        out.append((verifier.domain.decode(), verifier.signature_fields.get(b"a", b"").decode(), good))
    return out


def verify_opendkim(message, records, directory):
    """Verdict of opendkim's test mode, with the key records given to it in a file: (good, text)."""
    binary = next((p for p in (os.path.join(BUILD, "lab-tools/usr/sbin/opendkim"), "/usr/sbin/opendkim") if os.path.exists(p)), None)
    if binary is None:
        return None, "opendkim is not there"
    home = tempfile.mkdtemp(dir=directory)
    with open(os.path.join(home, "keys"), "w") as file:
        for name, value in records:
            file.write("%s %s\n" % (name, value))
    with open(os.path.join(home, "conf"), "w") as file:
        file.write("Mode v\nSyslog no\nTestDNSData %s/keys\nFixCRLF no\n" % home)
    with open(os.path.join(home, "message"), "wb") as file:
        file.write(message)
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(glob.glob(os.path.join(BUILD, "lab-tools/usr/lib/*-linux-gnu*"))))
    done = subprocess.run([binary, "-x", home + "/conf", "-t", home + "/message", "-vv"], capture_output=True, text=True, env=env)
    text = done.stdout + done.stderr
    return "verification (s=" in text and "succeeded" in text and "failed" not in text, text
