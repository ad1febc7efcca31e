# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSMTPD: what it says by itself. Its built-in filters say only what their owner writes, so few of them are here."""
import os

import world
from dialogue import MESSAGE, body, header, letter, mail

TEMPLATE = """table aliases file:/etc/aliases
pki mx.example.net cert "/etc/mx.crt"
pki mx.example.net key "/etc/mx.key"
smtp max-message-size 20K
%(main)s
%(filters)s
listen on {address} port 25 hostname mx.example.net %(listen)s
action "local" mbox alias <aliases>
action "out" relay
%(match)s
""".replace("{address}", world.SERVER)
DEFAULTS = {"main": "", "filters": "", "listen": "tls pki mx.example.net", "match": 'match from any for domain "example.net" action "local"'}

CONFIGURATIONS = {
    "plain": ({"main": "smtp limit max-rcpt 3"}, [
        ("unknown-user", mail("nosuch@example.net")), ("no-telling", mail("someone@example.org")), ("too-big", mail(parameters=" SIZE=99999999")),
        ("too-big", letter(body(("y" * 70 + "\r\n") * 400))), ("too-many-recipients", mail() + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "RCPT TO:<anna@example.net>", "RCPT TO:<full@example.net>"]),
        ("protocol", ["EHLO client.example.com", "FROB"]), ("protocol", ["EHLO"]), ("protocol", ["MAIL FROM:<sender@example.com>"]), ("protocol", ["EHLO client.example.com", "RCPT TO:<anna@example.net>"]),
        ("protocol", ["EHLO client.example.com", "DATA"]), ("protocol", ["EHLO client.example.com", "MAIL sender@example.com"]), ("protocol", mail(parameters=" FROB=1")),
        ("protocol", mail(parameters=" BODY=FROB")), ("sender-syntax", mail(sender="a@@b..c")), ("bad-recipient-syntax", mail("a@@example..net")), ("sender-syntax", mail(sender="alone@")),
        ("line-too-long", ["EHLO client.example.com", "NOOP " + "x" * 70000]), ("line-too-long", letter(body("x" * 70000))), ("no-utf8", ["EHLO client.example.com", "MAIL FROM:<s\u00e9nder@example.com>"]),
        ("helo-syntax", ["EHLO under%score"]), ("loop", letter("".join("Received: from a.example.org by b.example.org; Thu, 1 Jan 2026 12:00:00 +0000\r\n" for _ in range(110)) + MESSAGE)),
        ("malformed-message", letter(MESSAGE.replace("From:", "X-From:").replace("Date:", "X-Date:"))), ("malformed-message", letter(header("From: twice@example.com"))),
        ("protocol", ["EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="]), ("protocol", mail() + ["STARTTLS"]), ("protocol", mail(rcpt=" NOTIFY=FROB"))]),
    "tls": ({"listen": "tls-require pki mx.example.net"}, [("tls-required", mail())]),
    "login": ({"listen": "tls pki mx.example.net auth"}, [("login-required", ["EHLO client.example.com", "STARTTLS", "EHLO client.example.com"] + mail()[1:]),
        ("bad-login", ["EHLO client.example.com", "STARTTLS", "EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="])]),
    "rejecting": ({"match": 'match from src %s reject\nmatch from any mail-from "spammer@example.com" for any reject\nmatch from any for rcpt-to "boss@example.net" reject\nmatch from any for domain "example.net" action "local"' % world.FORGED}, [
        ("no-telling", mail(), {"source": world.FORGED}), ("no-telling", mail(sender="spammer@example.com")), ("no-telling", mail("boss@example.net"))]),
    "filters": ({"filters": 'filter "rdns" phase connect match !rdns disconnect "550 no rDNS is so 80s"\nfilter "fcrdns" phase connect match !fcrdns disconnect "550 no FCrDNS is so 80s"\n'
                 'filter "src" phase connect match src %s disconnect "554 Your address is blocked here"\nfilter "from" phase mail-from match mail-from regex "@listed.test$" reject "550 5.7.1 Sender not wanted"\nfilter "all" chain { "rdns", "fcrdns", "src", "from" }' % world.LISTED,
                 "listen": 'tls pki mx.example.net filter "all"'}, [
        ("no-ptr", [], {"source": world.NAMELESS}), ("no-ptr", [], {"source": world.FORGED}), ("access-denied-client", [], {"source": world.LISTED}), ("sender-refused", mail(sender="a@listed.test"))]),
    "sending": ({"main": "queue ttl 14s\nbounce warn-interval 4s", "match": 'match from src %s for any action "out"\nmatch from local for any action "out"' % world.CLIENT,
                 "listen": "tls pki mx.example.net"}, []),
}


class OpenSmtpd(world.Server):
    name = "opensmtpd"
    packages = ("opensmtpd",)

    def receiving(self):
        return [(name, causes) for name, (_, causes) in CONFIGURATIONS.items() if causes]

    def configure(self, name):
        values = dict(DEFAULTS, **CONFIGURATIONS[name][0])
        if name == "sending":
            values["match"] = 'match from any for domain "example.net" action "local"\n' + values["match"]
        self.write("etc/smtpd.conf", TEMPLATE % values, 0o600)
        pem = open(os.path.join(self.root, "etc/mx.pem")).read()
        at = pem.index("-----BEGIN PRIVATE")
        self.write("etc/mx.crt", pem[:at], 0o600)
        self.write("etc/mx.key", pem[at:], 0o600)
        self.write("etc/maybe", "someone@example.com\n")
        self.write("etc/aliases", "team: anna, bert\nforward: nobody@sink.test\n")
        os.makedirs(os.path.join(self.root, "var/spool/smtpd"), exist_ok=True)
        os.chmod(os.path.join(self.root, "var/spool/smtpd"), 0o711)
        for folder in ("queue", "incoming", "purge", "temporary", "corrupt", "offline"):
            world.clear(os.path.join(self.root, "var/spool/smtpd", folder))

    def command(self, name):
        return ("/usr/sbin/smtpd", "-d")

    def version(self):
        return self.inside("dpkg-query", "-W", "-f", "${Version}", "opensmtpd").strip().split("-")[0]
