# SPDX-License-Identifier: GPL-3.0-or-later
"""DANE and MTA-STS end to end: a signed zone on nsd (and one that is not), a receiving server a domain with a
certificate of its own, a web server with policies; what quick-tls-policy.py and full-tls-policy.py share."""
import hashlib
import os
import re
import socket
import ssl
import subprocess
import threading

import harness
import lab

ZONE_HEAD = "$ORIGIN %s.\n$TTL 300\n@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ NS ns.test.\n"


class Case:
    """One domain: what it publishes, what its server shows, what has to become of its mail."""

    def __init__(self, name, wanted, cert="good", dane=None, sts=None, mx=None, zone="test", tls=True, second=None, alias=False,
                 words="", policy="", rua=None):
        self.name, self.wanted, self.cert, self.dane, self.sts, self.zone = name, wanted, cert, dane, sts, zone
        self.mx, self.tls, self.second, self.alias, self.words, self.policy, self.rua = mx, tls, second, alias, words, policy, rua
        self.domain = "%s.%s" % (name, zone)
        self.host = "mx.%s" % self.domain


# dane: (usage, selector, certificate that the record is made of; "tampered": it is changed after it was signed). sts: the
# policy's mode, or a number for an HTTP status. policy: who decides, as relaisctl tls show has it.
CORE = [
    Case("valid", "delivered", cert="self", dane=(3, 1, "self"), policy="dane", rua="mailto:tls@plain.test"),
    Case("mismatch", "deferred", cert="good", dane=(3, 1, "self"), words="certificate was refused", policy="dane"),
    Case("unusable", "delivered", cert="self", dane=(1, 1, "good"), policy="dane"),
    Case("bogus", "deferred", cert="self", dane=(3, 1, "tampered"), words="DNSSEC validation failed"),
    Case("expired", "deferred", cert="expired", sts="enforce", words="certificate was refused", policy="mta-sts"),
    Case("enforced", "delivered", sts="enforce", policy="mta-sts"),
    Case("testing", "delivered", cert="self", sts="testing", policy="queue", rua="mailto:tls@plain.test"),
    Case("unfetched", "delivered", cert="self", sts=404, policy="queue"),
    Case("refused", "deferred", cert="self", sts="enforce", words="certificate was refused", policy="mta-sts",
         rua="mailto:tls@nomail.test?x,https://mta-sts.refused.test:%d/v1"),
]
MORE = [
    Case("anchor", "delivered", dane=(2, 0, "ca"), policy="dane"),
    Case("anchored", "deferred", cert="expired", dane=(2, 0, "ca"), words="certificate was refused", policy="dane"),
    Case("old", "delivered", cert="expired", dane=(3, 0, "expired"), policy="dane"),
    Case("inclear", "deferred", dane=(3, 1, "good"), tls=False, words="STARTTLS", policy="dane"),
    Case("unusableclear", "deferred", dane=(1, 1, "good"), tls=False, words="STARTTLS", policy="dane"),
    Case("stsclear", "deferred", sts="enforce", tls=False, words="STARTTLS", policy="mta-sts"),
    Case("plain", "delivered", tls=False, policy="queue"),
    Case("unsigned", "delivered", cert="self", dane=(3, 1, "good"), zone="insecure.test", policy="queue"),
    Case("unnamed", "deferred", sts="enforce", mx="other.test", words="no place for this host", policy="mta-sts"),
    Case("both", "delivered", cert="self", dane=(3, 1, "self"), sts="enforce", mx="other.test", policy="dane"),
    Case("bothwrong", "deferred", dane=(3, 1, "self"), sts="enforce", words="certificate was refused", policy="dane"),
    Case("second", "delivered", cert="good", dane=(3, 1, "self"), second="self", policy="dane"),
    Case("alias", "delivered", cert="self", dane=(3, 1, "self"), alias=True, policy="dane"),
    # The alias is signed, what it leads to is not: the records at the alias count.
    Case("halfalias", "delivered", cert="self", dane=(3, 1, "self"), alias="insecure.test", policy="dane"),
    Case("halfwrong", "deferred", cert="good", dane=(3, 1, "self"), alias="insecure.test", words="certificate was refused", policy="dane"),
    Case("broken", "delivered", cert="self", sts="nonsense", policy="queue"),
    Case("moved", "delivered", cert="self", sts=301, policy="queue"),
]


def run(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, **more)


class Certificates:
    """ca; good (for every MX host), expired (the same), web (for every policy host), self (for nobody)."""

    def __init__(self, home, cases):
        self.home = home
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=authority", "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=nobody", "-addext", "subjectAltName=DNS:nobody.test", "-keyout", self.path("self.key"), "-out", self.path("self.pem"))
        hosts = [case.host for case in cases]
        self.issue("good", hosts, "30")
        self.issue("expired", hosts, "-1")
        self.issue("web", ["mta-sts." + case.domain for case in cases], "30")

    def path(self, name):
        return os.path.join(self.home, name)

    def issue(self, name, hosts, days):
        with open(self.path(name + ".ext"), "w") as file:
            file.write("subjectAltName=" + ",".join("DNS:" + host for host in hosts))
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        run("openssl", "x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
            "-CAcreateserial", "-days", days, "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".pem"))
        with open(self.path(name + ".pem"), "a") as file:
            file.write(open(self.path("ca.pem")).read())

    def digest(self, name, selector):
        if name == "tampered":
            return "ab" * 32
        pem = self.path(name + ".pem")
        if selector == 0:
            return hashlib.sha256(run("openssl", "x509", "-in", pem, "-outform", "DER").stdout).hexdigest()
        key = run("openssl", "x509", "-in", pem, "-noout", "-pubkey").stdout
        return hashlib.sha256(run("openssl", "pkey", "-pubin", "-outform", "DER", input=key).stdout).hexdigest()

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        return context


class Server:
    """Threads behind one listening socket."""

    def __init__(self, address, port):
        self.socket = socket.create_server((address, port))
        self.open = True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while self.open:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.guard, args=(connection,), daemon=True).start()

    def guard(self, connection):
        connection.settimeout(20)
        try:
            self.serve(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def stop(self):
        self.open = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Mailbox(Server):
    """Takes mail; notes for each whether it came under TLS."""

    def __init__(self, address, port, context):
        self.context, self.got, self.names = context, [], []
        if context is not None:
            context.sni_callback = lambda sock, name, _: self.names.append(name)
        super().__init__(address, port)

    def serve(self, connection):
        tls, data, sender = False, None, None
        file = connection.makefile("rb")
        connection.sendall(b"220 ready\r\n")
        for line in iter(lambda: file.readline(), b""):
            word = line.strip().upper()
            if data is not None:
                if word == b".":
                    self.got.append((tls, b"".join(data)))
                    data, answer = None, b"250 2.0.0 taken"
                else:
                    data.append(line)
                    continue
            elif word.startswith(b"EHLO"):
                answer = b"250-here\r\n250 STARTTLS" if self.context is not None and not tls else b"250 here"
            elif word == b"STARTTLS":
                connection.sendall(b"220 2.0.0 go\r\n")
                connection = self.context.wrap_socket(connection, server_side=True)
                file, tls = connection.makefile("rb"), True
                continue
            elif word == b"DATA":
                data, answer = [], b"354 go"
            else:
                answer = b"250 2.0.0 fine"
            connection.sendall(answer + b"\r\n")


class Web(Server):
    """Policies, by the host that is asked for."""

    def __init__(self, port, context, cases):
        self.context, self.cases, self.asked = context, {"mta-sts." + case.domain: case for case in cases}, []
        self.posted = []
        super().__init__("127.0.0.1", port)

    def body(self, case):
        if case.sts == "nonsense":
            return "<html>no policy</html>"
        return "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 86400\r\n" % (case.sts, case.mx or "*." + case.domain)

    def serve(self, connection):
        connection = self.context.wrap_socket(connection, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096) or b"\r\n\r\n"
        host = re.search(rb"\r\nHost: ([^:\r]*)", request).group(1).decode()
        case = self.cases[host]
        if request.startswith(b"POST"):
            head, _, body = request.partition(b"\r\n\r\n")
            size = int(re.search(rb"\r\nContent-Length: (\d+)", head).group(1))
            while len(body) < size:
                body += connection.recv(65536)
            self.posted.append((head, body))
            connection.sendall(b"HTTP/1.1 201 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.asked.append(host)
        status = case.sts if isinstance(case.sts, int) else 200
        body = "" if status != 200 else self.body(case)
        connection.sendall(("HTTP/1.1 %d x\r\nContent-Type: text/plain\r\nLocation: https://mta-sts.enforced.test/\r\nContent-Length: %d\r\n"
                            "Connection: close\r\n\r\n%s" % (status, len(body), body)).encode())


class World:
    def __init__(self, home, cases):
        self.home, self.cases = home, cases
        self.port, self.web_port, self.dns_port = lab.free_port(), lab.free_port(), lab.free_dns_port()
        self.certificates = Certificates(home, cases)
        self.addresses = {case.name: "127.0.77.%d" % n for n, case in enumerate(cases, 1)}
        self.mailboxes, self.servers = {}, []
        self.sign()
        self.start_dns()
        for case in cases:
            context = self.certificates.context(case.cert) if case.tls else None
            self.mailboxes[case.name] = self.serve(Mailbox(self.addresses[case.name], self.port, context))
            if case.second:
                self.mailboxes[case.name + "2"] = self.serve(
                    Mailbox(self.addresses[case.name].replace(".77.", ".78."), self.port, self.certificates.context(case.second)))
        self.web = self.serve(Web(self.web_port, self.certificates.context("web"), cases))

    def serve(self, server):
        self.servers.append(server)
        return server

    # --- The zones

    def records(self, case):
        out = ["%s. MX 10 %s." % (case.domain, case.host)]
        target = "real." + case.domain if case.alias is True else case.host
        if case.alias is not True and case.alias:
            out.append("%s. CNAME %s.%s." % (case.host, case.name, case.alias))
        elif case.alias:
            out.append("%s. CNAME %s." % (case.host, target))
        if case.alias in (True, False):
            out.append("%s. A %s" % (target, self.addresses[case.name]))
        if case.dane:
            usage, selector, certificate = case.dane
            out.append("_%d._tcp.%s. TLSA %d %d 1 %s" % (self.port, target, usage, selector, self.certificates.digest(certificate, selector)))
        if case.second:
            out += ["%s. MX 20 mx2.%s." % (case.domain, case.domain),
                    "mx2.%s. A %s" % (case.domain, self.addresses[case.name].replace(".77.", ".78.")),
                    "_%d._tcp.mx2.%s. TLSA 3 1 1 %s" % (self.port, case.domain, self.certificates.digest(case.second, 1))]
        if case.sts:
            out += ['_mta-sts.%s. TXT "v=STSv1; id=1;"' % case.domain, "mta-sts.%s. A 127.0.0.1" % case.domain]
        if case.rua:
            rua = case.rua % self.web_port if "%d" in case.rua else case.rua
            out.append('_smtp._tls.%s. TXT "v=TLSRPTv1; rua=%s"' % (case.domain, rua))
        return out

    def write_zone(self, name, extra):
        lines = [line for case in self.cases if case.zone == name for line in self.records(case)]
        with open(os.path.join(self.home, name + ".zone"), "w") as file:
            file.write(ZONE_HEAD % name + "\n".join(extra + lines) + "\n")

    def sign(self):
        self.write_zone("insecure.test", ["%s.%s. A %s" % (case.name, case.alias, self.addresses[case.name])
                                          for case in self.cases if case.alias not in (True, False)])
        self.write_zone("test", ["ns A 127.0.0.1", "insecure NS ns.test.", "sink A 127.0.0.1", "sender MX 10 sink.test.",
                                 "sender A 127.0.0.1"])
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "test.", cwd=self.home).stdout.decode().strip()
        self.anchor = os.path.join(self.home, key + ".key")
        run("ldns-signzone", "-f", "signed", "test.zone", key, cwd=self.home)
        path = os.path.join(self.home, "signed")
        text = open(path).read()
        with open(path, "w") as file:  # what was signed is not what is there
            file.write(text.replace("ab" * 32, "cd" * 32))

    def start_dns(self):
        conf = os.path.join(self.home, "nsd.conf")
        with open(conf, "w") as file:
            file.write("""server:
    ip-address: 127.0.0.1@%d
    username: ""
    chroot: ""
    zonesdir: "%s"
    database: ""
    pidfile: "%s/nsd.pid"
    xfrdfile: "%s/xfrd.state"
    zonelistfile: "%s/zone.list"
    xfrdir: "%s"
    server-count: 1
    reuseport: no
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "test."
    zonefile: "signed"
zone:
    name: "insecure.test."
    zonefile: "insecure.test.zone"
""" % ((self.dns_port,) + (self.home,) * 5))
        self.nsd = subprocess.Popen(["timeout", "-k", "5", "600", lab.tool(harness.BUILD, "nsd"), "-d", "-c", conf],
                                    env=dict(os.environ, LD_LIBRARY_PATH=":".join(
                                        lab.glob.glob(os.path.join(harness.BUILD, "lab-tools/usr/lib/*-linux-gnu*")))),
                                    stdout=subprocess.DEVNULL, stderr=open(os.path.join(self.home, "nsd.log"), "w"))

    # --- The daemon

    def lab(self, *more):
        return harness.Lab("--module", "dkim", "--set", "dns.server=127.0.0.1@%d" % self.dns_port, "--set", "dns.trust_anchor=" + self.anchor,
                           "--set", "queue.smtp_port=%d" % self.port, "--set", "queue.sleep_first=1h",
                           "--set", "tls-policy.mta_sts_port=%d" % self.web_port, "--set", "http-client.ca_file=" + self.certificates.path("ca.pem"),
                           "--set", "http-client.allow=127.0.0.0/8", "--set", "class.transactional.retry=1h", *more,
                           env={"SSL_CERT_FILE": self.certificates.path("ca.pem")})

    def send(self, relais, cases):
        dialogue = harness.Dialogue(relais.port)
        dialogue.reply()
        dialogue.ask("EHLO here.test")
        for case in cases:
            dialogue.ask("MAIL FROM:<a@sender.test>")
            dialogue.ask("RCPT TO:<x@%s>" % case.domain)
            dialogue.ask("DATA")
            dialogue.send("From: a@sender.test\r\nTo: x@%s\r\nSubject: %s\r\n\r\nhello\r\n.\r\n" % (case.domain, case.name))
            answer = dialogue.reply()
            if answer is None or answer[0] != 250:
                raise RuntimeError("not taken: %r" % (answer,))
        dialogue.close()

    def stop(self):
        for server in self.servers:
            if server.open:
                server.stop()
        self.nsd.terminate()
        self.nsd.wait(10)


def outcomes(relais):
    """The last outcome of each recipient."""
    return {event.get("recipient"): event for event in relais.events() if event["type"] in ("delivered", "deferred", "bounced")}


def check(tap, world, relais, case):
    event = outcomes(relais)["x@" + case.domain]
    box = world.mailboxes[case.name + "2" if case.second else case.name]
    tap.ok(event["type"] == case.wanted, "%s: %s" % (case.name, case.wanted), event)
    tap.equal([tls for tls, _ in box.got], [case.tls] if case.wanted == "delivered" else [], "%s: what its server took" % case.name)
    if case.policy:
        row = [row for row in relais.rows("tls", "show", case.domain) if "host" in row][0]
        tap.equal(row["by"], case.policy, "%s: whose policy it is" % case.name)
    if case.wanted == "deferred":
        tap.equal(event["enhanced"], "4.7.5", "%s: the status says that it is about TLS" % case.name)
    if case.words:
        tap.ok(case.words in str(event), "%s: the reason is told" % case.name, event)
    if case.dane and case.dane[2] != "tampered" and case.tls and case.zone == "test" and not case.second:
        base = ("real." if case.alias is True else "mx.") + case.domain
        if case.dane[0] >= 2:
            tap.equal(set(box.names), {base}, "%s: SNI is the TLSA base domain" % case.name)


def send_and_check(tap, world, relais, cases):
    world.send(relais, cases)
    wanted = {"x@" + case.domain for case in cases}
    relais.wait(lambda: wanted <= set(outcomes(relais)), 60, "an outcome of each")
    for case in cases:
        check(tap, world, relais, case)
