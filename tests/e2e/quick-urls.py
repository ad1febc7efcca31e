#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules/click-redirector makes of links is what Chromium makes of them, octet for octet: the table of
tests/modules/click-redirector/url-table.h, and generated links. Where it makes nothing of a link nothing is
asked: that one is left as it is."""
import html
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
TOOL = os.path.join(harness.BUILD, "tests/modules/click-redirector/url")
GENERATED = 50000 if harness.FULL else 5000
PAGE = """<!DOCTYPE html><meta charset="utf-8"><pre id="out"></pre><script>
const link = document.createElement("a"), found = [];
for (const href of %s) { link.setAttribute("href", href); found.push(/^https?:$/.test(link.protocol) ? link.href : null); }
document.getElementById("out").textContent = JSON.stringify(found);
</script>"""
HOSTS = ["h.test", "www.H.Test", "a_b.test", "x-y.test", "h.test.", "1.2.3.4", "1.2.3", "01.2.3.4", "0x7f.1", "h.1", "h..test", "",
         "gr\u00fcn.test", "Stra\u00dfe.test", "GRU\u0308N.TEST", "xn--grn-ioa.test", "xn--zz.test", "\u65e5\u672c\u3002test", "\uff45\uff58.test",
         "\u043f\u0440\u0438\u043c\u0435\u0440.test", "\u0645\u062b\u0627\u0644.test", "\u0645\u062b.1a.test", "\u05d0\u05d1-.test", "a\u200d.test",
         "\u2603.test", "[::1]", "u@h.test", "u:p@h.test", "h%2etest", "h test", "h!.test", "\u1e9e.test"]
PORTS = [""] * 12 + [":", ":80", ":443", ":8080", ":0", ":00443", ":65535", ":65536", ":x", ":8\n0"]
PATHS = ["/", "//", "\\", "a", "B1", ".", "..", "%2e", "%2E%2e", "...", "%41", "%zz", "%", "%C3%BC", "\u00fc", "\u65e5", "\U0001f600", " ", "\"", "<",
         ">", "`", "{", "}", "'", "[", "]", "@", ":", ";", "=", "&", "&amp;", "+", "$", "!", "*", "(", ")", ",", "~", "-", "_", "\t", "\n", "\r\n",
         "\x01", "\x7f", "\u00a0", "\u202e", "\ufeff"]
TAILS = PATHS + ["?", "|", "^", "#", "/../", "http://i.test/"]
MARGINS = [""] * 8 + [" ", "\n", "\t ", "\x01", "\f"]
LETTERS = [chr(c) for r in ((0xc0, 0x250), (0x370, 0x700), (0x900, 0xd00), (0x1e00, 0x2000), (0x3040, 0x3100), (0x4e00, 0x4f00), (0x10800, 0x10900))
           for c in range(*r)] + list("abcxyz019-_")


def generate(chance):
    def some(words, most):
        return "".join(chance.choice(words) for _ in range(chance.randint(0, most)))

    scheme = chance.choice(["http://"] * 6 + ["https://"] * 4 + ["HTTP://", "hTTps://", "ht\ntp://", "http:", "http:/", "http:///", "http:\\\\"])
    host = chance.choice(HOSTS) if chance.random() < 0.8 else ".".join(some(LETTERS, 6) for _ in range(chance.randint(1, 3)))
    out = chance.choice(MARGINS) + scheme + host + chance.choice(PORTS)
    if chance.random() < 0.8:
        out += chance.choice("///\\") + some(PATHS, 8)
    if chance.random() < 0.4:
        out += "?" + some(TAILS, 6)
    if chance.random() < 0.4:
        out += "#" + some(TAILS, 6)
    return out + chance.choice(MARGINS)


def ours(hrefs):
    done = subprocess.run([TOOL], input=b"".join(h.encode() + b"\0" for h in hrefs), stdout=subprocess.PIPE, timeout=60, check=True)
    return [None if line == "-" else line for line in done.stdout.decode("ascii").split("\n")[:-1]]


def theirs(hrefs):
    home = tempfile.mkdtemp(prefix="relais-urls-")
    try:
        page = os.path.join(home, "page.html")
        with open(page, "w") as file:
            file.write(PAGE % json.dumps(hrefs).replace("<", "\\u003c"))
        argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--user-data-dir=" + os.path.join(home, "profile"), "--dump-dom", "file://" + page]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
        if found is None:
            raise RuntimeError("Chromium ended with %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[-2000:]))
        return json.loads(html.unescape(found.group(1)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def compare(hrefs, found, wanted, least, name):
    """Whether each result is Chromium's, and at least so many of the links have one."""
    wrong = ["%a: found %s, wanted %s" % (h, f, w) for h, f, w in zip(hrefs, found, wanted) if f is not None and f != w]
    some = sum(f is not None for f in found)
    tap.note("%s: %d links, %d with a result" % (name, len(hrefs), some))
    tap.ok(len(found) == len(wanted) == len(hrefs) and some >= least and not wrong, name, "\n".join(wrong) or "%d results" % some)


def run():
    listed = subprocess.run([TOOL, "--table"], stdout=subprocess.PIPE, timeout=60, check=True).stdout.split(b"\0")[:-1]
    table = []
    for href in listed:
        try:
            table.append(href.decode())
        except UnicodeDecodeError:
            pass  # no text, so there is nothing to ask a browser; test-url holds that it has no result
    chance = random.Random(4)
    hrefs = table + [generate(chance) for _ in range(GENERATED)]
    found, wanted = ours(hrefs), theirs(hrefs)
    n = len(table)
    compare(table, found[:n], wanted[:n], 80, "the table")
    compare(hrefs[n:], found[n:], wanted[n:], GENERATED // 4, "generated links")


tap.case(run)
tap.end()
