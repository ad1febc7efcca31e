# SPDX-License-Identifier: GPL-3.0-or-later
"""A small internet of documentation addresses in two network namespaces: the server that is provoked in one
(192.0.2.25), its clients (203.0.113.*), the DNS and the sinks in the other. Everything ends with its command."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
SERVER, CLIENT, LISTED, NAMELESS, FORGED, DNS = ("192.0.2.25", "203.0.113.10", "203.0.113.66", "203.0.113.77",
                                                 "203.0.113.88", "203.0.113.53")
SINKS = {"sink": "203.0.113.25", "refuses": "203.0.113.26", "busy": "203.0.113.27", "closed": "203.0.113.28",
         "nosender": "203.0.113.29", "nodata": "203.0.113.30", "nodot": "203.0.113.31", "badtls": "203.0.113.32",
         "noehlo": "203.0.113.33", "cuts": "203.0.113.34", "plain": "203.0.113.36", "small": "203.0.113.37"}
RESOLVER = "nameserver %s\noptions timeout:3 attempts:1\n" % DNS
HOSTS = "127.0.0.1 localhost\n%s mx.example.net mx\n" % SERVER


class Trouble(Exception):
    pass


def run(*argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise Trouble("%s: %s" % (" ".join(argv), (done.stdout + done.stderr)[-2000:]))
    return done.stdout


# --- Namespaces ----------------------------------------------------------------------------------

def enter(argv):
    """This command again, with network, mounts, names and processes of its own."""
    return subprocess.run(["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
                           "nice", "-n", "10", *argv]).returncode


def build():
    run("mount", "--make-rprivate", "/")
    for path, text in (("/etc/resolv.conf", RESOLVER), ("/etc/hosts", HOSTS)):  # what does not live in a root sees these
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        run("mount", "--bind", file.name, os.path.realpath(path))
        os.unlink(file.name)
    os.makedirs("/run/netns", exist_ok=True)
    run("mount", "-t", "tmpfs", "none", "/run/netns")
    socket.sethostname("mx.example.net")
    run("ip", "netns", "add", "mx")
    run("ip", "link", "add", "name", "outside", "type", "veth", "peer", "name", "inside", "netns", "mx")
    for address in sorted({CLIENT, LISTED, NAMELESS, FORGED, DNS, *SINKS.values()}):
        run("ip", "address", "add", address + "/24", "dev", "outside")
    run("ip", "link", "set", "outside", "up")
    run("ip", "link", "set", "lo", "up")
    run("ip", "route", "add", "192.0.2.0/24", "dev", "outside", "src", CLIENT)
    run("ip", "-n", "mx", "link", "set", "lo", "up")
    run("ip", "-n", "mx", "address", "add", SERVER + "/24", "dev", "inside")
    run("ip", "-n", "mx", "link", "set", "inside", "up")
    run("ip", "-n", "mx", "route", "add", "203.0.113.0/24", "dev", "inside")
    names = threading.Thread(target=serve_names, daemon=True)
    names.start()


def spawn(argv, log, **more):
    """In the server's namespace."""
    with open(log, "ab") as file:
        return subprocess.Popen(["nsenter", "--net=/run/netns/mx", *argv], stdin=subprocess.DEVNULL, stdout=file,
                                stderr=file, start_new_session=True, **more)


def end(process):
    if process is None:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(8)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def wait_for(what, check, seconds=120, process=None):
    until = time.time() + seconds
    while time.time() < until:
        found = check()
        if found:
            return found
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.1)
    raise Trouble("%s: waited in vain" % what)


def greets(address=SERVER, port=25):
    try:
        with socket.create_connection((address, port), 2) as s:
            s.settimeout(30)
            return s.recv(3) != b""
    except OSError:
        return False


# --- DNS -----------------------------------------------------------------------------------------

def zone():
    records = {
        "example.net": [("MX", (10, "mx.example.net")), ("TXT", "v=spf1 mx -all")], "mx.example.net": [("A", SERVER)],
        "example.com": [("MX", (10, "mail.example.com")), ("TXT", "v=spf1 ip4:203.0.113.0/24 -all")],
        "_dmarc.example.com": [("TXT", "v=DMARC1; p=none")],
        "mail.example.com": [("A", SINKS["sink"])], "client.example.com": [("A", CLIENT)],
        "listed.example.com": [("A", LISTED)], "forged.example.com": [("A", "203.0.113.99")],
        "10.113.0.203.in-addr.arpa": [("PTR", "client.example.com")],
        "66.113.0.203.in-addr.arpa": [("PTR", "listed.example.com")],
        "88.113.0.203.in-addr.arpa": [("PTR", "forged.example.com")],
        "25.113.0.203.in-addr.arpa": [("PTR", "mail.example.com")],
        "25.2.0.192.in-addr.arpa": [("PTR", "mx.example.net")],
        "66.113.0.203.bl.example.org": [("A", "127.0.0.2"), ("TXT", "Listed, see https://bl.example.org/?q=203.0.113.66")],
        "listed.test.dbl.example.org": [("A", "127.0.1.2"), ("TXT", "https://dbl.example.org/?q=listed.test")],
        "listed.test": [("MX", (10, "mail.example.com"))],
        "strict.test": [("MX", (10, "mail.example.com")), ("TXT", "v=spf1 ip4:198.51.100.1 -all")],
        "broken-spf.test": [("MX", (10, "mail.example.com")), ("TXT", "v=spf1 ip4:what -all")],
        "dmarc.test": [("MX", (10, "mail.example.com")), ("TXT", "v=spf1 -all")],
        "_dmarc.dmarc.test": [("TXT", "v=DMARC1; p=reject")],
        "nullmx.test": [("MX", (0, ""))], "lost.test": [("FAIL", None)], "lost-spf.test": [("MX", (10, "mail.example.com")), ("TXTFAIL", None)],
        "nomx.test": [("TXT", "no mail here")], "badmx.test": [("MX", (10, "void.test"))],
        "loop.test": [("MX", (10, "mx.example.net"))], "away.test": [("A", "198.51.100.7")],
    }
    for name, address in SINKS.items():
        records[name + ".test"] = [("MX", (10, "mx." + name + ".test"))]
        records["mx.%s.test" % name] = [("A", address)]
        records[".".join(reversed(address.split("."))) + ".in-addr.arpa"] = [("PTR", "mx.%s.test" % name)]
    return records


TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16}


def name_bytes(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def rdata(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "PTR":
        return name_bytes(value)
    if kind == "MX":
        return struct.pack(">H", value[0]) + name_bytes(value[1])
    return bytes([len(value)]) + value.encode()


def answer_name(query, records):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1: at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    question, asked = query[12: at + 5], struct.unpack(">H", query[at + 1: at + 3])[0]
    name = ".".join(labels).lower()
    known = records.get(name)
    code = 3 if known is None and not any(other.endswith("." + name) for other in records) else 0
    if any(kind == "FAIL" or (kind == "TXTFAIL" and asked == 16) for kind, _ in known or []):
        code = 2
    answers = [rdata(kind, value) for kind, value in known or [] if TYPES.get(kind) == asked] if code == 0 else []
    head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(answers), 0 if answers or code == 2 else 1, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", asked, 1, 60, len(data)) + data for data in answers)
    if not answers and code != 2:
        soa = name_bytes("ns.test") + name_bytes("hostmaster.test") + struct.pack(">IIIII", 1, 60, 60, 60, 1)
        body = b"\0" + struct.pack(">HHIH", 6, 1, 60, len(soa)) + soa
    return head + question + body


def serve_names():
    records = zone()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((DNS, 53))
        while True:
            query, peer = s.recvfrom(4096)
            try:
                s.sendto(answer_name(query, records), peer)
            except (IndexError, struct.error):
                continue


# --- A server's root -----------------------------------------------------------------------------

class Server:
    """One server that is provoked. A subclass has name, packages, port 25, configure () and command ()."""
    packages = ()
    beside = ()  # unpacked alone: what they depend on is there, or not needed

    def __init__(self, root):
        self.root, self.home = root, os.path.dirname(root)
        self.log = root + ".out"
        self.running = []

    def make(self):
        sys.path.insert(0, os.path.join(SOURCE, "tests/lab"))
        import importlib.machinery
        import importlib.util
        loader = importlib.machinery.SourceFileLoader("peer", os.path.join(SOURCE, "tests/lab/peer"))
        peer = importlib.util.module_from_spec(importlib.util.spec_from_loader("peer", loader))
        loader.exec_module(peer)
        if os.path.exists(os.path.join(self.root, ".made")):
            return
        peer.make_root(self.root, self.packages)
        for package in self.beside:
            archive = run("chroot", self.root, "sh", "-c", "cd /tmp && apt-get -qq download %s && ls /tmp/%s_*.deb" % (package, package)).split()[-1]
            # Not dpkg -x: that would put folders where the root has /lib and /bin as links.
            run("sh", "-c", "dpkg-deb --fsys-tarfile '%s' | tar -x --keep-directory-symlink -C '%s'" % (self.root + archive, self.root))

    def inside(self, *argv):
        return run("nsenter", "--net=/run/netns/mx", "chroot", self.root, *argv)

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def write_common(self):
        self.write("etc/resolv.conf", RESOLVER)
        self.write("etc/hosts", HOSTS)
        self.write("etc/mailname", "example.net\n")
        self.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        passwd = open(os.path.join(self.root, "etc/passwd")).read()
        for number, user in enumerate(("anna", "full", "bert"), 2001):
            if "\n%s:" % user not in passwd:
                with open(os.path.join(self.root, "etc/passwd"), "a") as file:
                    file.write("%s:x:%d:100::/home/%s:/bin/sh\n" % (user, number, user))
                with open(os.path.join(self.root, "etc/shadow"), "a") as file:
                    file.write("%s:*:19000:0:99999:7:::\n" % user)
            os.makedirs(os.path.join(self.root, "home", user), exist_ok=True)
            os.chown(os.path.join(self.root, "home", user), number, 100)
            os.chmod(os.path.join(self.root, "home", user), 0o755)
        mail = os.path.join(self.root, "var/mail")
        os.makedirs(mail, exist_ok=True)
        os.chmod(mail, 0o1777)
        null = os.path.join(self.root, "dev/null")
        if not os.path.exists(null):
            run("mknod", "-m", "666", null, "c", "1", "3")
        if not os.path.isdir(os.path.join(self.root, "proc/self")):
            run("mount", "-t", "proc", "proc", os.path.join(self.root, "proc"))
        certificate = os.path.join(self.root, "etc/mx.pem")
        if not os.path.exists(certificate):
            make_certificate(certificate, "mx.example.net")

    def start(self, name):
        self.write_common()
        self.configure(name)
        process = spawn(["chroot", self.root, *self.command(name)], self.log)
        self.running.append(process)
        wait_for("%s with %s" % (self.name, name), greets, process=process)

    def also(self, *argv):
        """A helper beside it: a policy server, a milter."""
        self.running.append(spawn(["chroot", self.root, *argv], self.log))

    def stop(self):
        for process in reversed(self.running):
            end(process)
        self.running = []


def make_certificate(path, name):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=" + name,
        "-keyout", path + ".key", "-out", path)
    with open(path, "a") as file:
        file.write(open(path + ".key").read())


def clear(*folders):
    for folder in folders:
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            whole = os.path.join(folder, name)
            shutil.rmtree(whole) if os.path.isdir(whole) and not os.path.islink(whole) else os.unlink(whole)
