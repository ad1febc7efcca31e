# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails through open-tracker and click-redirector, and what people who are not of the house say of what
arrived: Python's email package, html5lib, dkimpy, opendkim, Chromium. Used by quick-track-mails.py and
full-track-mails.py."""
import collections
import http.client
import http.server
import os
import re
import socket
import ssl
import sys
import threading
import urllib.parse

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "modules", "tracking"))
import browser
import check
import mails
import markup
from mime import Mail, html, message

HOST = "track.sender.test"
PACKAGES = os.path.join(harness.BUILD, "lab-tools", "npm")
LAND = "land.example"


# --- To Relais and back --------------------------------------------------------------------------

def submit(lab, some):
    """All in one connection; each reply is looked at."""
    d = harness.Dialogue(lab.port, 60)
    d.reply()
    d.ask("EHLO client.test")
    refused = []
    for mail in some:
        for line in ("MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@one.rcpt.test>", "DATA"):
            answer = d.ask(line)
        d.send(re.sub(rb"(^|\r\n)\.", rb"\1..", mail.raw) + b".\r\n")
        answer = d.reply()
        if not answer or answer[0] != 250:
            refused.append((mail.name, answer))
            d.ask("RSET")
    d.close()
    return refused


def arrived(lab, some):
    """Name -> octets, of what is in the sink."""
    out = {}
    for _, data in lab.wait_sunk(len(some), 300):
        found = re.search(rb"\r\nX-Corpus: ([^\r]+)\r\n", data)
        if found:
            out[found.group(1).decode()] = data
    return out


class Asker:
    """Asks the tracking host, wherever it listens, without following."""

    def __init__(self, port):
        self.port, self.tls, self.connection = port, self.speaks_tls(port), None

    @staticmethod
    def speaks_tls(port):
        context = ssl._create_unverified_context()
        try:
            with socket.create_connection(("127.0.0.1", port), 20) as s, context.wrap_socket(s, server_hostname=HOST):
                return True
        except (ssl.SSLError, ConnectionError, socket.timeout, TimeoutError):
            return False

    def request(self, url, method="GET"):
        parts = urllib.parse.urlsplit(url)
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=ssl._create_unverified_context())
                                   if self.tls else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30))
            try:
                self.connection.request(method, parts.path + ("?" + parts.query if parts.query else ""),
                                        headers={"Host": parts.netloc, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"})
                answer = self.connection.getresponse()
                return answer.status, answer.getheader("Location"), dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
            except (http.client.HTTPException, ConnectionError):  # a kept connection may have ended meanwhile
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise

    def __call__(self, url):
        return self.request(url)[:2]


# --- A place to land -----------------------------------------------------------------------------

class Land(http.server.ThreadingHTTPServer):
    """Where the clicked link leads: keeps what was asked for."""
    daemon_threads = True

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.headers.get("Host", ""), self.path))
                body = b"<title>landed</title>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Front:
    """TLS in front of a tracker that has none, as an operator's proxy: octets go through as they are."""

    def __init__(self, port, certificate, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.behind = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        try:
            with self.context.wrap_socket(client, server_side=True) as inside:
                request = b""
                while b"\r\n\r\n" not in request:
                    data = inside.recv(65536)
                    if not data:
                        return
                    request += data
                with socket.create_connection(("127.0.0.1", self.behind), 20) as server:
                    server.sendall(re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", request).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                    while True:
                        data = server.recv(65536)
                        if not data:
                            return
                        inside.sendall(data)
        except OSError:
            return

    def close(self):
        self.listener.close()


# --- The tests -----------------------------------------------------------------------------------

def collect(tap):
    home = PACKAGES if os.path.isdir(os.path.join(PACKAGES, "node_modules")) else None
    some = mails.collect(home)
    if home is None:
        tap.skip("mails out of packages", "npm was not reached when the tools were installed")
    table = mails.coverage(some)
    for construct, n in table.items():
        tap.note("%-42s %d" % (construct, n))
    missing = [c for c, n in table.items() if n == 0 and not (home is None and c == "of a package")]
    tap.ok(len(some) >= 80 and not missing, "%d mails hold all of %d constructs" % (len(some), len(table)), missing)
    return some


def test_checked(tap, lab, some, found, chromium, ask):
    """Octets, parts, tags, links: of all mails."""
    checker = check.Check(HOST, ask, chromium)
    total, tracked = collections.Counter(), []
    for mail in some:
        if mail.name not in found:
            tap.ok(False, mail.name + ": arrived")
            continue
        report = checker.message(mail.raw, found[mail.name], mail.verdicts)
        total.update(report.count)
        tracked += report.tracked
        tap.ok(not report.wrong, mail.name + ": nothing but links and a pixel changed, and each link leads where it led", "\n".join(report.wrong))
    for name, n in sorted(total.items()):
        tap.note("%-60s %d" % (name, n))
    tap.ok(total["tracked links"] >= 700 and total["pixels"] >= 100, "links were tracked, and pixels put in", dict(total))
    return tracked


def test_signed(tap, lab, some, found, thorough):
    """Both verifiers, dkimpy on all, opendkim on `thorough`."""
    record = "".join(re.findall(r'"([^"]*)"', open(os.path.join(lab.directory, "dkim", "s1.record")).read()))
    bad = []
    for mail in some:
        verdicts = harness.verify_dkimpy(found.get(mail.name, b""), int(lab.facts["dns_port"])) if mail.name in found else []
        if not verdicts or not all(good for _, _, good in verdicts):
            bad.append((mail.name, verdicts))
    tap.ok(not bad, "dkimpy says pass of %d messages" % len(some), bad)
    bad = []
    for mail in thorough:
        good, text = harness.verify_opendkim(found.get(mail.name, b""), [("s1._domainkey.sender.test", record)], lab.directory)
        if not good:
            bad.append((mail.name, text[-300:]))
    tap.ok(not bad, "opendkim says pass of %d messages" % len(thorough), bad)


PIXEL = re.compile(r"https?://" + re.escape(HOST) + r"(?::\d+)?/o/").match


def differs(chromium, before, after, ways=(None, PIXEL)):
    """None if Chromium paints both alike, whether pixels are fetched or not; where it does not, else."""
    chromium.open(before.text, before.charset)
    wanted, extent = chromium.picture(), chromium.extent()
    for fetched in ways:
        chromium.open(after.text, after.charset, fetched)
        trouble = browser.same_pixels(wanted, chromium.picture())
        if not trouble and chromium.extent() != extent:
            trouble = "the page is %dx%d and was %dx%d" % (chromium.extent() + extent)
        if trouble:
            return trouble + (" with the pixel fetched" if fetched else "")
    return None


def test_painted(tap, some, found, chromium, both):
    """With the pixel fetched and without; or with each of these in every other mail."""
    painted = 0
    for n, mail in enumerate(some):
        ways = (None, PIXEL) if both else (PIXEL,) if n % 2 else (None,)
        pairs = [(a, b) for a, b in zip(check.leaves(mail.raw), check.leaves(found.get(mail.name, b""))) if a.type == b.type == "text/html" and a.raw != b.raw]
        # A machine under load may paint too soon for once; what was edited wrongly stays wrong.
        trouble = [t for t in (differs(chromium, a, b, ways) and differs(chromium, a, b, ways) for a, b in pairs) if t]
        painted += len(pairs)
        tap.ok(not trouble, mail.name + ": Chromium paints what arrived like what was sent", trouble)
    tap.ok(painted > 0, "%d parts were painted" % painted)


def test_readings(tap, some, chromium):
    """What unit tests expect without a browser is what Chromium does."""
    bad, n = [], 0
    checker, oracle = check.Check(HOST, None), check.PythonOracle()
    for mail in some:
        for leaf in (x for x in check.leaves(mail.raw) if x.type == "text/html"):
            links = markup.links_of(markup.tokens(leaf.unicode()))
            theirs = chromium.resolve(leaf.text, leaf.charset, [])
            for link in links:
                if checker.expectation(link, theirs.get(link.value), leaf.charset, ())[0] == "track":
                    n += 1
                    ours = oracle.resolve(leaf.text, leaf.charset, [link.value])[link.value]
                    if ours != theirs[link.value]:
                        bad.append((mail.name, link.value, ours, theirs[link.value]))
    tap.ok(n > 700 and not bad, "url.py takes %d links for what Chromium takes them for" % n, bad)


def test_asked(tap, ask, tracked):
    """HEAD answers as GET does; a changed token leads nowhere."""
    url, _, _, location = tracked[0]
    status, there, _, body = ask.request(url, "HEAD")
    tap.ok((status, there, body) == (302, location, b""), "HEAD of a link says the same as GET", (status, there))
    for n in range(len(url) - 12, len(url)):
        changed = url[:n] + ("A" if url[n] != "A" else "B") + url[n + 1:]
        status, there, _, _ = ask.request(changed)
        if not tap.ok(status == 404 and there is None, "a token changed at %d is 404" % (n - len(url)), (status, there)):
            break


def test_pixel(tap, ask, found):
    data = next(d for name, d in sorted(found.items()) if name.startswith("forms-8bit"))
    url = re.search(rb"https?://" + re.escape(HOST.encode()) + rb"(?::\d+)?/o/[A-Za-z0-9_.~-]+", data).group().decode()
    status, _, fields, body = ask.request(url)
    tap.ok(status == 200 and fields.get("content-type") == "image/gif" and body[:3] == b"GIF" and len(body) == 43, "the pixel is a GIF of 43 octets", (status, fields, len(body)))
    tap.ok("no-store" in fields.get("cache-control", ""), "that nobody keeps", fields)


CLICKED = Mail("clicked", message("clicked", html(
    '<!DOCTYPE html><html><body><p><a href="http://%s/first">first</a></p><p style="height:300px">and</p>\n'
    "<p><a href='http://%s/p%%7Bx%%7D/@2?a=1&amp;b=%%26&copy=3#gr\u00fcn'>second</a></p></body></html>\n" % (LAND, LAND))))


def test_click(tap, found, chromium, land):
    leaf = next(x for x in check.leaves(found["clicked"]) if x.type == "text/html")
    place = chromium.click(leaf.text, leaf.charset, 1)
    tap.equal(place, "http://%s/p%%7Bx%%7D/@2?a=1&b=%%26&copy=3#gr%%C3%%BCn" % LAND, "a click on the second link lands where it should")
    tap.ok((LAND, "/p%7Bx%7D/@2?a=1&b=%26&copy=3") in land.asked, "and that was asked for, octet for octet", land.asked)


def run(full):
    tap = harness.Tap()
    some = collect(tap)
    painted = some if full else some[::max(1, len(some) // 20)][:20]
    with harness.Lab("--module", "dkim", "--module", "open-tracker", "--module", "click-redirector") as lab:
        land, ask, front = Land(), Asker(int(lab.facts["http_port"])), None
        port = ask.port
        refused = submit(lab, some + [CLICKED])
        tap.ok(not refused, "all mails are accepted", refused)
        found = arrived(lab, some + [CLICKED])
        if not ask.tls and re.search(rb"https://" + HOST.encode(), found.get("clicked", b"")):
            front = Front(port, lab.facts["certificate"], os.path.join(lab.directory, "key.pem"))
            port = front.port
        rules = "MAP %s 127.0.0.1:%d, MAP %s 127.0.0.1:%d, MAP * ~NOTFOUND" % (HOST, port, LAND, land.server_port)
        with browser.Browser(rules) as chromium:
            tracked = []
            tap.case(lambda: tracked.extend(test_checked(tap, lab, some + [CLICKED], found, chromium, ask)))
            tap.case(test_signed, tap, lab, some, found, some if full else painted)
            if not harness.SANITIZED:
                tap.case(test_painted, tap, painted, found, chromium, full)
            if full:
                tap.case(test_readings, tap, some, chromium)
            tap.case(test_click, tap, found, chromium, land)
        tap.case(test_asked, tap, ask, tracked)
        tap.case(test_pixel, tap, ask, found)
        land.shutdown()
        if front:
            front.close()
        lab.clean(tap)
    tap.end()
