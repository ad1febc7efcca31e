# SPDX-License-Identifier: GPL-3.0-or-later
"""Letters that every server is given to send on, what the sinks answer to them, and so what its reports must say."""
import collections

import world

# address, cause (causes.py), SMTP code that the sink gave (0: there was none), action
Fate = collections.namedtuple("Fate", "address cause code action")
Letter = collections.namedtuple("Letter", "name fates mail rcpt text")

SCRIPTS = {
    "sink": """rcpt nobody@* 550 5.1.1 <nobody@sink.test>: Recipient address rejected: User unknown
rcpt gone@* 550 No such user here
rcpt bare@* 550
rcpt lines@* 550-5.1.1 We looked for this mailbox,\\n550-5.1.1 in every drawer, but\\n550 5.1.1 there is none of that name
rcpt closed@* 550 5.2.1 This account has been disabled
rcpt moved@* 551 5.1.6 User not local; please try <new@example.org>
rcpt full@* 552 5.2.2 Mailbox is full
rcpt over@* 452 4.2.2 The mailbox is over its quota
rcpt grey@* 451 4.7.1 Greylisted, please come back in 300 seconds
rcpt later@* 450 4.3.2 System is going down, try again later
rcpt listed@* 554 5.7.1 Service unavailable; Client host [192.0.2.25] blocked using bl.example.org
rcpt spf@* 550 5.7.23 SPF validation failed for example.com
rcpt relay@* 550 5.7.1 <relay@sink.test>: Relay access denied
rcpt accents@* 550 5.1.1 Bo\u00eete aux lettres inconnue \u2014 v\u00e9rifiez l'adresse
rcpt syntax@* 501 5.1.3 Bad recipient address syntax
rcpt many@* 452 4.5.3 Too many recipients
""",
    "refuses": "connect * 554 5.7.1 mx.refuses.test: your address 192.0.2.25 has a poor reputation here\n",
    "busy": "connect * 421 4.3.2 mx.busy.test is busy, please try again later\n",
    "nosender": "mail *@* 553 5.7.1 Sender address rejected: not wanted here\n",
    "nodata": "data * 554 5.5.1 No, thank you\n",
    "nodot": "dot *@* 550 5.7.1 This message looks like spam and was not taken\n",
    "badtls": "starttls * 454 4.7.0 TLS is not available right now\n",
    "noehlo": "ehlo * 550 5.7.1 Helo command rejected: your name does not resolve\n",
    "cuts": "dot *@* close\n", "plain": "caps -dsn -enhancedstatuscodes\n", "small": "caps size=1000\n",
}


def one(name, address, cause, code, action="failed", mail="", rcpt="", text=None):
    return Letter(name, [Fate(address, cause, code, action)], mail, rcpt, text)


ACCENTS = "Subject: =?utf-8?q?Acc=C3=A9nts?=\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
LONG = "\r\n".join(["A line of a letter that is too long for where it goes."] * 60)
LETTERS = [
    one("unknown-user", "nobody@sink.test", "unknown-user", 550),
    one("no-enhanced-code", "gone@sink.test", "unknown-user", 550),
    one("no-text", "bare@sink.test", None, 550),
    one("many-lines", "lines@sink.test", "unknown-user", 550),
    one("disabled", "closed@sink.test", "user-disabled", 550),
    one("moved", "moved@sink.test", "user-moved", 551),
    one("full", "full@sink.test", "quota", 552),
    one("over-quota", "over@sink.test", "quota", 452),
    one("greylisted", "grey@sink.test", "greylisting", 451),
    one("going-down", "later@sink.test", "server-trouble", 450),
    one("blocklist", "listed@sink.test", "blocklisted-ip", 554),
    one("spf", "spf@sink.test", "spf", 550),
    one("relaying", "relay@sink.test", "relaying-denied", 550),
    one("reply-in-utf8", "accents@sink.test", "unknown-user", 550),
    one("bad-syntax", "syntax@sink.test", "bad-recipient-syntax", 501),
    one("too-many", "many@sink.test", "too-many-recipients", 452),
    Letter("several", [Fate("ok@sink.test", None, 0, None), Fate("nobody@sink.test", "unknown-user", 550, "failed"),
                       Fate("full@sink.test", "quota", 552, "failed"), Fate("spf@sink.test", "spf", 550, "failed")], "", "", None),
    Letter("several-domains", [Fate("nobody@sink.test", "unknown-user", 550, "failed"), Fate("one@nodot.test", "content", 550, "failed"),
                               Fate("two@nullmx.test", "null-mx", 0, "failed")], "", "", None),
    one("refused-at-connect", "any@refuses.test", "access-denied-client", 554),
    one("busy-at-connect", "any@busy.test", "server-trouble", 421),
    one("refused-at-ehlo", "any@noehlo.test", "bad-helo", 550),
    one("refused-at-mail", "any@nosender.test", "sender-refused", 553),
    one("refused-at-data", "any@nodata.test", "refused", 554),
    one("refused-at-dot", "any@nodot.test", "content", 550),
    one("cut-at-dot", "any@cuts.test", "connection", 0),
    one("tls-trouble", "any@badtls.test", "tls-trouble", 454),
    one("connection-refused", "any@closed.test", "connection", 0),
    one("null-mx", "any@nullmx.test", "null-mx", 0),
    one("unknown-domain", "any@nowhere.invalid", "unknown-domain", 0),
    one("lookup-failure", "any@lost.test", "lookup-failure", 0),
    one("mx-without-address", "any@badmx.test", "unknown-domain", 0),
    one("too-big", "any@small.test", "too-big", 0, text=LONG),
    one("success-relayed", "any@plain.test", None, 0, "relayed", rcpt=" NOTIFY=SUCCESS,FAILURE"),
    one("success-local", "anna@example.net", None, 0, "delivered", rcpt=" NOTIFY=SUCCESS"),
    one("success-alias", "team@example.net", None, 0, "expanded", rcpt=" NOTIFY=SUCCESS"),
    one("headers-only", "nobody@sink.test", "unknown-user", 550, mail=" RET=HDRS ENVID=order+2D17", rcpt=" NOTIFY=FAILURE ORCPT=rfc822;Someone+2BElse@sink.test"),
    one("full-return", "nobody@sink.test", "unknown-user", 550, mail=" RET=FULL"),
    one("utf8-letter", "nobody@sink.test", "unknown-user", 550, mail=" BODY=8BITMIME", text="ACCENTS"),
    one("local-unknown", "forward@example.net", "unknown-user", 0),
    one("local-full", "full@example.net", "quota", 0, text="LONGER"),
]


def compose(letter, number):
    lines = ["From: Sender <sender@example.com>", "To: %s" % ", ".join(fate.address for fate in letter.fates), "Subject: %s" % letter.name,
             "Date: Thu, 1 Jan 2026 12:00:00 +0000", "Message-ID: <%s.%d@example.com>" % (letter.name, number),
             "X-Relais-Trace: trace-of-%s" % letter.name]
    text = letter.text or "Hello."
    if text == "ACCENTS":
        lines[2:3] = ACCENTS.split("\r\n")
        text = "D\u00e9j\u00e0 vu."
    elif text == "LONGER":
        text = "\r\n".join(["Much more than a small mailbox can hold."] * 300)
    return ("\r\n".join(lines) + "\r\n\r\n" + text + "\r\n").encode()


def message_id(letter, number):
    return "<%s.%d@example.com>" % (letter.name, number)


def start_sinks(home, directory):
    """The laboratory's sink on each address. The folder that bounces come to, each a file."""
    import asyncio
    import os
    import ssl
    import sys
    import threading
    sys.path.insert(0, os.path.join(world.SOURCE, "tests/lab"))
    import sink
    certificate = os.path.join(home, "sink.pem")
    if not os.path.exists(certificate):
        world.make_certificate(certificate, "mx.badtls.test")
    world.clear(directory)
    ready = threading.Event()

    async def serve():
        loop = asyncio.get_running_loop()
        for name, address in world.SINKS.items():
            if name == "closed":
                continue
            script = os.path.join(directory, name + ".script")
            os.makedirs(os.path.join(directory, name), exist_ok=True)
            with open(script, "w") as file:
                file.write(SCRIPTS.get(name, ""))
                if name == "badtls":
                    file.write("tls %s %s.key\n" % (certificate, certificate))
            one_sink = sink.Sink(os.path.join(directory, name), script)
            await loop.create_server(lambda s=one_sink: sink.Session(s), address, 25, reuse_address=True)
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    if not ready.wait(20):
        raise world.Trouble("the sinks did not come up")
    return os.path.join(directory, "sink")
