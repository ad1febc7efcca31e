# SPDX-License-Identifier: GPL-3.0-or-later
"""Sendmail: the features of its own m4 that refuse, and its queue that gives up."""
import os
import re

import world
from dialogue import MESSAGE, body, letter, mail

MASTER = """divert(-1)dnl
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confDOMAIN_NAME', `mx.example.net')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confREFUSE_LA', `500')dnl
define(`confQUEUE_LA', `500')dnl
define(`confALIAS_WAIT', `0')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
define(`confSERVER_CERT', `/etc/mx.pem')dnl
define(`confSERVER_KEY', `/etc/mx.pem')dnl
define(`confTLS_SRV_OPTIONS', `V')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupReadableKeyFile,AssumeSafeChown,GroupWritableDirPathSafe')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`local_lmtp', `/usr/libexec/sendmail/mail.local')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=%s, Port=25')dnl
%%s
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Cwexample.net
%%s
""" % world.SERVER
ACCESS = "FEATURE(`access_db', `hash -o /etc/mail/access.db')dnl\nFEATURE(`blocklist_recipients')dnl\n"

CONFIGURATIONS = {
    "plain": ("define(`confMAX_MESSAGE_SIZE', `20000')dnl\ndefine(`confMAX_RCPTS_PER_MESSAGE', `3')dnl\ndefine(`confMAX_HOP', `8')dnl\ndefine(`confPRIVACY_FLAGS', `needmailhelo,novrfy')dnl\ndefine(`confMAX_HEADERS_LENGTH', `2000')dnl\n", "", [
        ("unknown-user", mail("nosuch@example.net")), ("relaying-denied", mail("someone@example.org")), ("relaying-denied", mail("someone@example.org"), {"source": world.NAMELESS}),
        ("relaying-denied", mail("someone@example.org"), {"source": world.FORGED}), ("too-big", mail(parameters=" SIZE=99999999")), ("too-big", letter(body(("y" * 70 + "\r\n") * 400))),
        ("too-many-recipients", mail() + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "RCPT TO:<team@example.net>"]),
        ("loop", letter("".join("Received: from a.example.org by b.example.org; Thu, 1 Jan 2026 12:00:00 +0000\r\n" for _ in range(12)) + MESSAGE)),
        ("malformed-message", letter("X-Long: " + "x" * 800 + "\r\nX-Long: " + "x" * 800 + "\r\nX-Long: " + "x" * 800 + "\r\n" + MESSAGE)),
        ("protocol", ["EHLO client.example.com", "FROB"]), ("protocol", ["EHLO"]), ("bad-helo", ["MAIL FROM:<sender@example.com>"]), ("protocol", ["EHLO client.example.com", "RCPT TO:<anna@example.net>"]),
        ("protocol", ["EHLO client.example.com", "DATA"]), ("protocol", ["EHLO client.example.com", "MAIL sender@example.com"]), ("protocol", mail(parameters=" FROB=1")), ("protocol", mail(parameters=" BODY=FROB")),
        ("protocol", mail(rcpt=" NOTIFY=FROB")), ("protocol", mail(parameters=" RET=FROB")), ("protocol", mail() + ["MAIL FROM:<b@example.com>"]), ("helo-syntax", ["EHLO under%score)"]), ("sender-syntax", mail(sender="a@@b")), ("sender-syntax", mail(sender="alone")),
        ("bad-recipient-syntax", mail("a@@example.net")), ("bad-recipient-syntax", mail("<x")), ("line-too-long", ["EHLO client.example.com", "MAIL FROM:<" + "x" * 5000 + "@example.com>"]),
        ("sender-domain", mail(sender="a@nowhere.invalid")), ("lookup-failure", mail(sender="a@lost.test")), ("sender-domain", mail(sender="a@badmx.test")), ("no-utf8", ["EHLO client.example.com", "MAIL FROM:<s\u00e9nder@example.com>"]),
        ("protocol", ["EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="]), ("relaying-denied", mail("someone@[198.51.100.9]"))]),
    "access": (ACCESS, "", [
        ("access-denied-client", mail(), {"source": world.LISTED}), ("access-denied-client", mail(), {"source": world.FORGED}), ("sender-refused", mail(sender="spammer@example.com")), ("sender-refused", mail(sender="a@listed.test")),
        ("user-disabled", mail("boss@example.net")), ("user-disabled", mail("bert@example.net")), ("quota", mail("full@example.net")), ("recipient-temporary", mail("team@example.net")),
        ("unknown-domain", mail("someone@nowhere.invalid")), ("sender-refused", mail(sender="spam@strict.test"))]),
    "delayed-access": (ACCESS + "FEATURE(`delay_checks')dnl\n", "", [("access-denied-client", mail(), {"source": world.LISTED}), ("sender-refused", mail(sender="spammer@example.com"))]),
    "lists": ("FEATURE(`dnsbl', `bl.example.org')dnl\n", "", [("blocklisted-ip", mail(), {"source": world.LISTED})]),
    "lists-with-text": ("FEATURE(`enhdnsbl', `bl.example.org', `\"550 5.7.1 Spam blocked see: https://bl.example.org/?q=\"$&{client_addr}', `t')dnl\nFEATURE(`delay_checks')dnl\n", "", [("blocklisted-ip", mail(), {"source": world.LISTED})]),
    "names": ("FEATURE(`require_rdns')dnl\nFEATURE(`block_bad_helo')dnl\nFEATURE(`badmx')dnl\n", "", [
        ("no-ptr", mail(), {"source": world.NAMELESS}), ("no-ptr", mail(), {"source": world.FORGED}), ("bad-helo", mail(helo="mx.example.net")), ("bad-helo", mail(helo="client")), ("bad-helo", mail(helo="[127.0.0.1]"))]),
    "greeting": (ACCESS + "FEATURE(`greet_pause', `3000')dnl\n", "", [("early-talker", ["EHLO client.example.com", "MAIL FROM:<a@example.com>"], {"early": True})]),
    "rates": (ACCESS + "FEATURE(`ratecontrol', `nodelay', `terminate')dnl\nFEATURE(`conncontrol', `nodelay', `terminate')dnl\n", "", [
        ("rate-limit", mail(), {"times": 8})]),
    "connections": (ACCESS + "FEATURE(`conncontrol', `nodelay', `terminate')dnl\n", "", [("too-many-connections", [], {"times": 6, "keep": True, "source": world.NAMELESS})]),
    "too-many": ("define(`confMAX_DAEMON_CHILDREN', `2')dnl\n", "", [("too-many-connections", [], {"times": 5, "keep": True})]),
    "errors": ("define(`confBAD_RCPT_THROTTLE', `1')dnl\ndefine(`confBAD_RCPT_SHUTDOWN', `2')dnl\n", "", [("too-many-errors", ["EHLO client.example.com", "MAIL FROM:<sender@example.com>", "BURST"])]),
    "disk": ("define(`confMIN_FREE_BLOCKS', `2000000000')dnl\n", "", [("disk-low", mail())]),
    "no-aliases": ("", "Kbroken hash /etc/mail/none\nLOCAL_RULESETS\nSLocal_check_rcpt\nR$*\t$: <> $(broken x $: <TMPF> $)\nR<> $* <TMPF>\t$#error $@ 4.3.0 $: \"451 Temporary system failure. Please try again later.\"\n", [("server-trouble", mail())]),
    "no-milter": ("INPUT_MAIL_FILTER(`lost', `S=inet:9@127.0.0.1, F=T')dnl\n", "", [("server-trouble", mail())]),
    "no-milter-reject": ("INPUT_MAIL_FILTER(`lost', `S=inet:9@127.0.0.1, F=R')dnl\n", "", [("server-trouble", mail())]),
    "no-milter-421": ("INPUT_MAIL_FILTER(`lost', `S=inet:9@127.0.0.1, F=4')dnl\n", "", [("server-trouble", mail())]),
    "headers": ("", "LOCAL_RULESETS\nHSubject: $>+CheckSubject\nSCheckSubject\nRcheap pills\t$#error $@ 5.7.1 $: \"553 Header error\"\nHMessage-Id: $>CheckMessageId\nSCheckMessageId\nR< $+ @ $+ >\t$@ OK\nR$*\t$#error $: 553 Header Error\n", [
        ("content", letter(MESSAGE.replace("Subject: provoked", "Subject: cheap pills"))), ("malformed-message", letter(MESSAGE.replace("<provoked@example.com>", "none")))]),
    "tls": (ACCESS + "", "", [("tls-required", mail(), {"source": world.NAMELESS})]),
    "slow": ("define(`confTO_COMMAND', `3s')dnl\n", "", [("time-out", ["EHLO client.example.com", "LISTEN"])]),
    "sending": (ACCESS + "define(`confTO_QUEUEWARN', `4s')dnl\ndefine(`confTO_QUEUERETURN', `14s')dnl\ndefine(`confMIN_QUEUE_AGE', `0')dnl\ndefine(`confTO_ICONNECT', `4s')dnl\ndefine(`confTO_CONNECT', `4s')dnl\n", "", []),
}
TABLE = """Connect:203.0.113.66 REJECT
Connect:203.0.113.88 ERROR:5.7.1:550 Your network is not welcome here
From:spammer@example.com REJECT
From:listed.test ERROR:5.7.1:550 We do not take mail from there
From:spam@strict.test DISCARD
To:boss@example.net REJECT
To:bert@example.net ERROR:5.2.1:550 Mailbox disabled for this recipient
To:full@example.net ERROR:5.2.2:552 Mailbox full
To:team@example.net ERROR:4.2.1:450 Mailbox is being moved, try again later
ClientRate: 3
ClientConn: 2
TLS_Clt:203.0.113.77 ENCR:112
TLS_Srv:mx.badtls.test ENCR:112
TLS_Srv:203.0.113.32 ENCR:112
"""


class Sendmail(world.Server):
    name = "sendmail"
    packages = ("sendmail-bin", "sendmail-cf", "m4", "sensible-mda", "rmail")

    def receiving(self):
        return [(name, causes) for name, (_, _, causes) in CONFIGURATIONS.items() if causes]

    def configure(self, name):
        features, rules, _ = CONFIGURATIONS[name]
        os.makedirs(os.path.join(self.root, "etc/mail"), exist_ok=True)
        self.write("etc/mail/sendmail.mc", MASTER % (features, rules))
        self.write("etc/mail/sendmail.cf", self.inside("m4", "/etc/mail/sendmail.mc"))
        table = TABLE + ("Connect:203.0.113.10 RELAY\n" if name == "sending" else "")
        if name == "sending":
            table = "\n".join(line for line in table.splitlines() if not line.startswith(("To:", "Client"))) + "\n"
        self.write("etc/mail/access", re.sub(r"^(\S+) ", r"\1\t", table, flags=re.M))
        self.write("etc/mail/aliases", "@: @\npostmaster: anna\nMAILER-DAEMON: postmaster\nteam: anna, bert\nforward: nobody@sink.test\n")
        self.write("etc/mail/local-host-names", "example.net\n")
        self.write("etc/mail/trusted-users", "root\n")
        self.inside("sh", "-c", "cd /etc/mail && /usr/libexec/sendmail/makemap hash access < access && sed 's/: */ /' aliases | /usr/libexec/sendmail/makemap hash aliases")
        for folder in ("var/spool/mqueue", "var/spool/mqueue-client", "var/run/sendmail/mta", "var/lib/sendmail/host_status"):
            os.makedirs(os.path.join(self.root, folder), exist_ok=True)
        os.chmod(os.path.join(self.root, "var/spool/mqueue"), 0o700)
        world.clear(os.path.join(self.root, "var/spool/mqueue"))
        os.chmod(os.path.join(self.root, "etc/mx.pem"), 0o600)

    def command(self, name):
        return ("/usr/libexec/sendmail/sendmail", "-bD", "-q3s", "-C/etc/mail/sendmail.cf")

    def version(self):
        return self.inside("sh", "-c", "/usr/libexec/sendmail/sendmail -d0.1 -bt -C/etc/mail/sendmail.cf < /dev/null | head -1").split()[1]
