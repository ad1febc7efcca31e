#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unsubscribing from the message to the suppression list: which mail says how, signed; that a POST of either form acts
and a GET never does; mail to the address; the page in a browser, in two languages; and that what is forged or too old
changes nothing. The tracking host has TLS, as RFC 8058 wants it."""
import email
import email.policy
import http.client
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "modules", "tracking"))
import lab as laboratory

tap = harness.Tap()
HOST = "track.sender.test"
ONE_CLICK = b"List-Unsubscribe=One-Click"
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": 'multipart/form-data; boundary="7f"'}
PARTS = b'--7f\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--7f--\r\n'
COUNT = 0


def send(lab, *fields, recipients=("x@a.rcpt.test",)):
    """The delivered messages, as octets, of one that is sent."""
    global COUNT
    COUNT += 1
    head = ["From: News <news@sender.test>", "To: list@a.rcpt.test", "Subject: mail %d." % COUNT, *fields]
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as smtp:
        smtp.sendmail("news@sender.test", recipients, "\r\n".join(head) + "\r\n\r\nText\r\n")
    mark = b"Subject: mail %d." % COUNT

    def arrived():
        found = [(facts, data) for facts, data in lab.sunk() if mark in data]
        return found if len(found) >= len(recipients) else None
    return [data for _, data in lab.wait(arrived, 20, "delivery")]


def fields(data, name):
    return [str(value) for value in email.message_from_bytes(data, policy=email.policy.compat32).get_all(name, [])]


def ways(data):
    """Path of the link and address of a message."""
    value = fields(data, "List-Unsubscribe")[0]
    link = re.search(r"<https://%s:\d+(/u/[A-Za-z0-9_-]+)>" % re.escape(HOST), value)
    address = re.search(r"<mailto:(u-[a-z0-9]+@sender\.test)>", value)
    return link and link.group(1), address and address.group(1)


def bulk(lab, recipient, *more):
    return ways(send(lab, "Precedence: bulk", *more, recipients=(recipient,))[0])


def ask(lab, path, method="GET", body=None, **headers):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", int(lab.facts["http_port"]), timeout=20, context=context)
    connection.request(method, path, body, dict({"Host": HOST}, **{k.replace("_", "-"): v for k, v in headers.items()}))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def post(lab, path, body=ONE_CLICK, headers=URLENCODED):
    return ask(lab, path, "POST", body, **headers)[0].status


def rcpt(lab, recipient, sender="news@sender.test"):
    """What RCPT is answered."""
    dialogue = harness.Dialogue(lab.port)
    dialogue.reply()
    for line in ("EHLO client.test", "MAIL FROM:<%s>" % sender):
        dialogue.ask(line)
    answer = dialogue.ask("RCPT TO:<%s>" % recipient)
    dialogue.ask("QUIT")
    dialogue.close()
    return answer[0]


def unsubscribed(lab):
    return [event for event in lab.events() if event["type"] == "unsubscribe"]


def counted(lab, name):
    return {row.get("value", ""): row["count"] for row in lab.rows("counters") if row["counter"] == name}


# --- The fields -----------------------------------------------------------------------------------

def test_fields(lab):
    one, other = send(lab, "Precedence: bulk", "X-Relais-Campaign: c1", recipients=("f1@a.rcpt.test", "f2@a.rcpt.test"))
    for data in (one, other):
        tap.equal(len(fields(data, "List-Unsubscribe")), 1, "one List-Unsubscribe")
        tap.ok(all(ways(data)), "with link and address", fields(data, "List-Unsubscribe"))
        tap.equal(fields(data, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"], "one List-Unsubscribe-Post")
        tap.ok(max(len(line) for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")) <= 998, "no line of the header is too long")
        verdict = harness.verify_dkimpy(data, int(lab.facts["dns_port"]))
        tap.equal([good for _, _, good in verdict], [True], "dkimpy takes the signature")
        signed = re.sub(r"\s", "", fields(data, "DKIM-Signature")[0]).lower()
        names = re.search(r";h=([^;]*)", signed).group(1).split(":")
        tap.equal((names.count("list-unsubscribe"), names.count("list-unsubscribe-post")), (1, 1), "which covers both")
        tap.ok(b"X-Relais" not in data, "no field of ours goes out")
    tap.ok(ways(one)[0] != ways(other)[0] and ways(one)[1] != ways(other)[1], "each recipient has his own")


def test_which(lab):
    for name, wanted, more in (("transactional mail has none", 0, []), ("X-Relais-Unsubscribe: yes", 1, ["X-Relais-Unsubscribe: yes"]),
                               ("bulk, X-Relais-Unsubscribe: no", 0, ["Precedence: bulk", "X-Relais-Unsubscribe: no"]),
                               ("mail with a field of its own keeps it", 1, ["List-Unsubscribe: <https://own.test/>"])):
        data = send(lab, *more)[0]
        tap.equal((len(fields(data, "List-Unsubscribe")), b"X-Relais" in data), (wanted, False), name)
    tap.equal((fields(data, "List-Unsubscribe"), fields(data, "List-Unsubscribe-Post")), (["<https://own.test/>"], []), "as it was")


# --- The link -------------------------------------------------------------------------------------

def test_get(lab):
    link, _ = bulk(lab, "get@a.rcpt.test")
    before = len(unsubscribed(lab))
    statuses = {ask(lab, link + ("?x=1" if i % 3 == 0 else ""), "HEAD" if i % 2 else "GET", User_Agent="scanner")[0].status for i in range(100)}
    tap.equal(statuses, {200}, "a hundred GET and HEAD are answered with the page")
    tap.equal((rcpt(lab, "get@a.rcpt.test"), len(unsubscribed(lab)) - before), (250, 0), "and change nothing")


def test_page(lab):
    link, _ = bulk(lab, "john.doe@a.rcpt.test")
    answer, text = ask(lab, link)
    policy = answer.getheader("Content-Security-Policy")
    tap.equal(answer.getheader("Content-Type"), "text/html; charset=utf-8", "the page is HTML")
    tap.ok("default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, "with a strict policy", policy)
    tap.equal([answer.getheader(name) for name in ("Cache-Control", "Referrer-Policy", "X-Robots-Tag", "X-Content-Type-Options")],
              ["no-store", "no-referrer", "noindex, nofollow", "nosniff"], "kept by nobody, told to nobody, found by nobody")
    tap.ok("j\u2026@a.rcpt.test" in text and "john.doe" not in text, "it shows whose it is and no more of him")
    tap.ok("news@sender.test" in text, "and who sends")
    tap.ok("<script" not in text and "src=" not in text and "http:" not in text, "it loads nothing")
    for accept, language, word in ((None, "en", ">Unsubscribe<"), ("fr-CA,fr;q=0.9,en;q=0.8", "fr", ">Se désabonner<"), ("de,en;q=0.1,fr;q=0.01", "en", ">Unsubscribe<")):
        answer, text = ask(lab, link, **({"Accept_Language": accept} if accept else {}))
        tap.equal((answer.getheader("Content-Language"), '<html lang="%s">' % language in text, word in text), (language, True, True), "Accept-Language: %s" % accept)


def test_one_click(lab):
    for recipient, body, headers, how in (("urlencoded@a.rcpt.test", ONE_CLICK, URLENCODED, "one-click"), ("multipart@a.rcpt.test", PARTS, MULTIPART, "one-click"),
                                          ("page@a.rcpt.test", ONE_CLICK + b"&how=page", URLENCODED, "page")):
        link, _ = bulk(lab, recipient, "X-Relais-Campaign: c2")
        tap.equal(rcpt(lab, recipient), 250, "%s gets mail" % recipient)
        tap.equal(post(lab, link, body, headers), 200, "a POST is answered with 200")
        tap.equal(rcpt(lab, recipient), 550, "and then RCPT with 550")
        found = lab.wait(lambda: [event for event in unsubscribed(lab) if event["recipient"] == recipient], 20, "the event")
        event = found[0]
        tap.equal((len(found), event["how"], event["tenant"], event["campaign"], len(event["queue_id"]), event["recipient_number"]),
                  (1, how, "sender", "c2", 13, 0), "it is told")
        tap.equal(post(lab, link, body, headers), 200, "once more is well, too")
    tap.equal(counted(lab, "unsubscribed"), {"one-click": 4, "page": 2}, "and counted")


def test_refused(lab):
    link, _ = bulk(lab, "refused@a.rcpt.test")
    before = len(unsubscribed(lab))
    tap.equal({post(lab, link, body) for body in (b"", b"List-Unsubscribe=", b"x=y")}, {400}, "a POST that does not say it is none")
    forged = [link[:i] + ("A" if link[i] != "A" else "B") + link[i + 1:] for i in range(3, len(link))]
    answers = [ask(lab, path, "POST", ONE_CLICK, **URLENCODED) for path in forged[::5] + [link[:-1], link + "A", "/u/", "/u/x"]]
    tap.equal({answer.status for answer, _ in answers}, {404}, "%d forged links are 404" % len(answers))
    tap.ok(all("refused" not in text for _, text in answers), "which tell nothing")
    tap.equal({ask(lab, path)[0].status for path in forged[::7]}, {404}, "nor do they have a page")
    tap.equal((rcpt(lab, "refused@a.rcpt.test"), len(unsubscribed(lab)) - before), (250, 0), "nothing has changed")
    tap.equal(ask(lab, link, "PUT")[0].status in (405, 501), True, "other methods there are none")


# --- The address ----------------------------------------------------------------------------------

def mail(lab, address, sender="mailto@a.rcpt.test", *more):
    """What a message to it is answered, by the reply that ended it."""
    dialogue = harness.Dialogue(lab.port)
    dialogue.reply()
    replies = [dialogue.ask(line) for line in ("EHLO client.test", "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % address)]
    if replies[-1][0] == 250:
        dialogue.ask("DATA")
        replies.append(dialogue.ask("\r\n".join(["From: mailto@a.rcpt.test", "Date: Mon, 1 Jan 2024 00:00:00 +0000", "Message-ID: <%d@a>" % len(address),
                                                 *more, "", "please", "."])))
    dialogue.close()
    return replies[-1][0]


def test_address(lab):
    _, address = bulk(lab, "mailto@a.rcpt.test")
    before = len(unsubscribed(lab))
    forged = [address[:i] + ("a" if address[i] != "a" else "b") + address[i + 1:] for i in range(2, address.index("@"), 6)]
    tap.equal({mail(lab, other) for other in forged}, {550}, "%d forged addresses are refused" % len(forged))
    tap.equal(mail(lab, address, "mailto@a.rcpt.test", "Auto-Submitted: auto-replied"), 250, "what a machine wrote is taken")
    tap.equal(mail(lab, address, ""), 250, "and what nobody wrote")
    tap.equal((rcpt(lab, "mailto@a.rcpt.test"), len(unsubscribed(lab)) - before), (250, 0), "and changes nothing")
    lab.wait(lambda: mail(lab, address.upper()) == 250, 20, "a reply that is not 451: the delivery is in the log")
    tap.ok(True, "a person's mail is taken, in whatever case")
    tap.equal(rcpt(lab, "mailto@a.rcpt.test"), 550, "and he gets no more")
    found = lab.wait(lambda: unsubscribed(lab)[before:], 20, "the event")
    tap.equal([(e["how"], e["recipient"], e["tenant"]) for e in found], [("mail", "mailto@a.rcpt.test", "sender")], "it is told")
    tap.ok(not any(b"please" in data for _, data in lab.sunk()), "the mail itself goes nowhere")


def test_kill(lab):
    link, _ = bulk(lab, "kill@a.rcpt.test")
    tap.equal(post(lab, link), 200, "a wish that was kept")
    lab.kill_and_restart()
    tap.equal(rcpt(lab, "kill@a.rcpt.test"), 550, "is kept over kill -9")
    link, _ = bulk(lab, "after@a.rcpt.test")
    tap.equal((post(lab, link), rcpt(lab, "after@a.rcpt.test")), (200, 550), "and the next one is, too")


# --- A browser ------------------------------------------------------------------------------------

def luminance(color):
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def styles(chromium, selector, *names):
    return [chromium.evaluate("getComputedStyle(document.querySelector('%s')).getPropertyValue('%s')" % (selector, name)) for name in names]


def show(chromium, url, language):
    chromium.call("Network.enable")
    chromium.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
    chromium.open_network, chromium.events = True, []
    chromium.call("Page.navigate", url=url)
    chromium.wait("Page.loadEventFired")


def press(chromium, key, code, text=None):
    more = {"text": text} if text else {}
    chromium.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
    chromium.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def spoken(chromium):
    """Role and name of what assistive technology is told of."""
    nodes = chromium.call("Accessibility.getFullAXTree")["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]


def browse(lab, chromium, recipient, language, heading, button, done):
    link, _ = bulk(lab, recipient)
    show(chromium, "https://%s:%s%s" % (HOST, lab.facts["http_port"], link), language)
    tree = spoken(chromium)
    code = language[:2]
    tap.equal(chromium.evaluate("document.documentElement.lang"), code, "%s: the page says its language" % code)
    tap.ok(("heading", heading) in tree and ("button", button) in tree and any(role == "main" for role, _ in tree), "%s: a heading, a main part, a button" % code, tree)
    tap.equal(chromium.evaluate("document.title"), heading, "%s: a title" % code)
    text, ground = styles(chromium, "html", "color", "background-color")
    label, face = styles(chromium, "button", "color", "background-color")
    tap.ok(contrast(text, ground) >= 7 and contrast(label, face) >= 7, "%s: the style is let through, and contrasts are 7 and more" % code,
           "%s on %s, %s on %s" % (text, ground, label, face))
    press(chromium, "Tab", 9)
    tap.equal(chromium.evaluate("document.activeElement.localName"), "button", "%s: the first key gets to the button" % code)
    width, = styles(chromium, "button", "outline-width")
    tap.ok(float(width.rstrip("px")) >= 2, "%s: which shows it" % code, width)
    tap.ok(chromium.evaluate("document.documentElement.scrollWidth <= innerWidth"), "%s: nothing runs out of the window" % code)
    tap.equal(rcpt(lab, recipient), 250, "%s: a look changes nothing" % code)
    chromium.events = []
    press(chromium, "Enter", 13, "\r")
    chromium.wait("Page.loadEventFired")
    tap.ok(("heading", done) in spoken(chromium), "%s: Enter does it, and the page says so" % code, spoken(chromium))
    tap.equal(rcpt(lab, recipient), 550, "%s: it is done" % code)


def test_browser(lab):
    if shutil.which("chromium") is None:
        tap.skip("the page in a browser", "chromium is not installed")
        return
    import browser
    with browser.Browser("MAP %s 127.0.0.1" % HOST) as chromium:
        browse(lab, chromium, "browser-fr@a.rcpt.test", "fr-CA,fr;q=0.9,en;q=0.5", "Se désabonner ?", "Se désabonner", "Désabonnement effectué")
        browse(lab, chromium, "browser-en@a.rcpt.test", "en-GB,en;q=0.9,fr;q=0.5", "Unsubscribe?", "Unsubscribe", "You are unsubscribed")


# --- Time -----------------------------------------------------------------------------------------

def test_expired():
    """What is too old says so and does nothing. Without TLS, as the lab has it by itself."""
    with harness.Lab("--clock", "virtual", "--module", "unsubscribe", "--set", "unsubscribe.life=60d") as lab:
        data = send(lab, "Precedence: bulk")[0]
        path = re.search(r"<http://%s:\d+(/u/[^>]+)>" % re.escape(HOST), fields(data, "List-Unsubscribe")[0]).group(1)
        address = re.search(r"<mailto:([^>]+)>", fields(data, "List-Unsubscribe")[0]).group(1)
        subprocess.run([os.path.join(harness.SOURCE, "tests/lab/clock"), lab.directory, "advance", "61d"], check=True, stdout=subprocess.DEVNULL)

        def plain(method, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", int(lab.facts["http_port"]), timeout=20)
            connection.request(method, path, body, dict(URLENCODED, Host=HOST))
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status
        tap.equal((plain("GET"), plain("POST", ONE_CLICK)), (410, 410), "an old link is 410")
        tap.equal(mail(lab, address), 550, "an old address is refused")
        tap.equal((rcpt(lab, "x@a.rcpt.test"), unsubscribed(lab)), (250, []), "nothing has changed")


def main():
    home = tempfile.mkdtemp(prefix="relais-cert-")
    port = laboratory.free_port()
    try:
        cert, key = os.path.join(home, "cert.pem"), os.path.join(home, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=" + HOST, "-addext", "subjectAltName=DNS:" + HOST, "-keyout", key, "-out", cert], check=True, capture_output=True)
        lab = harness.Lab("--module", "unsubscribe", "--module", "dkim", "--module", "open-tracker", "--http-port", str(port),
                          "--set", "http.tracker.certificate=" + cert, "--set", "http.tracker.key=" + key, "--set", "unsubscribe.plain_http=no",
                          "--set", "domain.sender.test.tracking=https://%s:%d" % (HOST, port), "--set", "http-client.ca_file=" + cert)
        with lab:
            for case in (test_fields, test_which, test_get, test_page, test_one_click, test_refused, test_address, test_kill, test_browser):
                tap.case(case, lab)
            lab.clean(tap)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    tap.case(test_expired)


main()
tap.end()
