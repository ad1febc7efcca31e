# SPDX-License-Identifier: GPL-3.0-or-later
"""Haraka of npm with its own plugins, a few at a time. Greylisting and limits keep their state in a Redis that
stands in Postfix's root."""
import json
import os
import shutil

import world
from dialogue import MESSAGE, body, header, letter, mail

FILES = {
    "smtp.ini": "listen=%s:25\nnodes=0\nmain.port=25\n" % world.SERVER, "me": "mx.example.net\n", "host_list": "example.net\n",
    "log.ini": "[main]\nlevel=INFO\n", "connection.ini": "[max]\nbytes=20000\nline_length=512\ndata_line_length=1000\nmime_parts=5\n[headers]\nmax_received=8\nmax_lines=40\n[message]\nhelo=Haraka is at your service.\nclose=closing connection. Have a jolly good day.\n[uuid]\nbanner_chars=6\ndeny_chars=0\n[haproxy]\nhosts[] =\n",
    "tls.ini": "key=/mx.pem\ncert=/mx.pem\n", "redis.ini": "[server]\nhost=127.0.0.1\nport=6379\n",
}
BASIC = "rcpt_to.in_host_list\nqueue/discard\n"
DNSLIST = "[main]\nperiodic_checks=0\nsearch=first\nzones=bl.example.org\n[bl.example.org]\n"

CONFIGURATIONS = {
    "plain": ({}, BASIC, [
        ("relaying-denied", mail("someone@example.org")), ("too-big", mail(parameters=" SIZE=99999999")), ("too-big", letter(body(("y" * 70 + "\r\n") * 400))),
        ("loop", letter("".join("Received: from a.example.org by b.example.org; Thu, 1 Jan 2026 12:00:00 +0000\r\n" for _ in range(12)) + MESSAGE)),
        ("protocol", ["EHLO client.example.com", "FROB"]), ("protocol", ["EHLO"]), ("protocol", ["HELO"]), ("protocol", ["MAIL FROM:<sender@example.com>"]),
        ("protocol", ["EHLO client.example.com", "RCPT TO:<anna@example.net>"]), ("protocol", ["EHLO client.example.com", "DATA"]), ("protocol", ["EHLO client.example.com", "MAIL sender@example.com"]),
        ("sender-syntax", mail(sender="a@@b..c")), ("bad-recipient-syntax", mail("a@@example..net")), ("sender-syntax", mail(sender="alone")),
        ("line-too-long", ["EHLO client.example.com", "NOOP " + "x" * 5000]), ("no-utf8", ["EHLO client.example.com", "MAIL FROM:<s\u00e9nder@example.com>"]),
        ("protocol", ["EHLO client.example.com", "STARTTLS"]), ("protocol", ["EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="]), ("malformed-message", letter("".join("X-Line: %d\r\n" % n for n in range(60)) + MESSAGE)),
        ("protocol", mail(parameters=" FROB"))]),
    "senders": ({"mail_from.is_resolvable.ini": "[main]\nallow_mx_ip=false\n[reject]\nno_mx=true\n"}, "mail_from.is_resolvable\n" + BASIC, [
        ("sender-domain", mail(sender="a@nowhere.invalid")), ("sender-domain", mail(sender="a@nullmx.test")), ("lookup-failure", mail(sender="a@lost.test")), ("sender-domain", mail(sender="a@badmx.test"))]),
    "helo": ({"helo.checks.ini": "[check]\nvalid_hostname=true\nmatch_re=false\nbare_ip=true\ndynamic=true\nbig_company=true\nliteral_mismatch=2\nrdns_match=true\nmismatch=true\nforward_dns=true\nproto_mismatch=true\nhost_mismatch=true\n"
              "[reject]\nvalid_hostname=true\nbare_ip=true\ndynamic=true\nbig_company=true\nliteral_mismatch=true\nrdns_match=true\nmismatch=true\nforward_dns=true\nhost_mismatch=true\nproto_mismatch=true\n"}, "helo.checks\n" + BASIC, [
        ("bad-helo", mail(helo="client")), ("bad-helo", mail(helo="no.such.invalid")), ("bad-helo", mail(helo="203.0.113.10")), ("bad-helo", mail(helo="[203.0.113.66]")), ("bad-helo", mail(helo="yahoo.com")),
        ("bad-helo", mail(helo="host-203-0-113-10.dyn.example.com")), ("bad-helo", mail(helo="listed.example.com"))]),
    "names": ({"fcrdns.ini": "[reject]\nno_rdns=true\nno_fcrdns=true\ninvalid_tld=true\ngeneric_rdns=true\n"}, "fcrdns\n" + BASIC, [
        ("no-ptr", mail(), {"source": world.NAMELESS}), ("no-ptr", mail(), {"source": world.FORGED})]),
    "lists": ({"dns-list.ini": DNSLIST, "dnsbl.zones": "bl.example.org\n"}, "dns-list\n" + BASIC, [("blocklisted-ip", mail(), {"source": world.LISTED})]),
    "uribl": ({"uribl.ini": "[main]\nmax_uris_per_list=20\n[dbl.example.org]\nrdns=1\nhelo=1\nenvfrom=1\nfrom=1\nmsgid=1\nbody=1\nno_ip_lookups=1\ncustom_msg={uri} listed in {zone}; see https://dbl.example.org/?q={uri}\n"}, "uribl\n" + BASIC, [
        ("blocklisted-sender", mail(sender="a@listed.test")), ("blocklisted-content", letter(body("see http://listed.test/offer"))), ("blocklisted-sender", mail(helo="listed.test"))]),
    "access": ({"access.ini": "[check]\nany=true\nconn=true\nhelo=true\nmail=true\nrcpt=true\n[rcpt]\naccept=false\n", "connect.rdns_access.blacklist": "listed.example.com\n%s\n" % world.LISTED,
                "mail_from.access.blacklist": "spammer@example.com\n", "rcpt_to.access.blacklist": "boss@example.net\n", "helo.checks.regexps": "", "access.domains": "listed.test\n"}, "access\n" + BASIC, [
        ("access-denied-client", [], {"source": world.LISTED}), ("sender-refused", mail(sender="spammer@example.com")), ("recipient-restricted", mail("boss@example.net")), ("sender-refused", mail(sender="a@listed.test"))]),
    "spf": ({"spf.ini": "[relay]\ncontext=sender\n[deny]\nhelo_fail=true\nmfrom_fail=true\nmfrom_softfail=true\nmfrom_permerror=true\nopenspf_text=true\n[defer]\nmfrom_temperror=true\nhelo_temperror=true\n"}, "spf\n" + BASIC, [
        ("spf", mail(sender="a@strict.test")), ("spf", mail(sender="a@lost-spf.test")), ("spf", mail(sender="a@broken-spf.test"))]),
    "spf-plain": ({"spf.ini": "[deny]\nhelo_fail=true\nmfrom_fail=true\nmfrom_permerror=true\nopenspf_text=false\n"}, "spf\n" + BASIC, [
        ("spf", mail(sender="a@strict.test")), ("spf", mail(helo="strict.test")), ("spf", mail(sender="a@broken-spf.test"))]),
    "headers": ({"headers.ini": "required=From,Date\nsingular=Date,From,Subject\ndate_future_days=2\ndate_past_days=15\n[check]\nduplicate_singular=true\nmissing_required=true\ninvalid_return_path=true\ninvalid_date=true\nuser_agent=true\ndirect_to_mx=true\nfrom_match=true\nfrom_phish=true\nmailing_list=true\n"
                 "[reject]\nduplicate_singular=true\nmissing_required=true\ninvalid_return_path=true\ninvalid_date=true\nfrom_phish=true\n"}, "headers\n" + BASIC, [
        ("malformed-message", letter(header("Subject: again"))), ("malformed-message", letter(MESSAGE.replace("Date:", "X-Date:"))), ("malformed-message", letter(MESSAGE.replace("Thu, 1 Jan 2026", "Thu, 1 Jan 2099"))),
        ("malformed-message", letter(MESSAGE.replace("Thu, 1 Jan 2026", "Mon, 1 Jan 2001"))), ("malformed-message", letter(MESSAGE.replace("From:", "X-From:")))]),
    "attachments": ({"attachment.ini": "timeout=5\ndisallowed_extensions=exe,bat\n[archive]\n", "attachment.ctype.regex": "^application/x-frob\n", "attachment.filename.regex": "^invoice-\n"}, "attachment\n" + BASIC, [
        ("virus", letter(MESSAGE.replace("\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/octet-stream; name=run.exe\r\nContent-Disposition: attachment; filename=run.exe\r\n\r\nMZ\r\n--b--\r\n", 1))),
        ("virus", letter(MESSAGE.replace("\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/x-frob; name=a.frob\r\nContent-Disposition: attachment; filename=a.frob\r\n\r\nMZ\r\n--b--\r\n", 1))),
        ("virus", letter(MESSAGE.replace("\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; name=invoice-1.txt\r\nContent-Disposition: attachment; filename=invoice-1.txt\r\n\r\nMZ\r\n--b--\r\n", 1)))]),
    "early": ({"early_talker.ini": "[main]\npause=2\nreject=true\n"}, "early_talker\n" + BASIC, [("early-talker", ["LISTEN"], {"early": True})]),
    "bounces": ({"bounce.ini": "[check]\nsingle_recipient=true\nbad_rcpt=true\nempty_return_path=true\nnon_local_msgid=true\nreject_all=false\n[reject]\nsingle_recipient=true\nbad_rcpt=true\nall_bounces=false\nhash_validation=true\nempty_return_path=true\n",
                 "bounce_bad_rcpt": "anna@example.net\n"}, "bounce\n" + BASIC, [
        ("refused", letter(sender="")), ("refused", mail(sender="") + ["RCPT TO:<bert@example.net>", "DATA", MESSAGE.encode() + b".\r\n"])]),
    "no-bounces": ({"bounce.ini": "[check]\nreject_all=true\n[reject]\nall_bounces=true\n"}, "bounce\n" + BASIC, [("refused", letter(sender=""))]),
    "greylisting": ({"greylist.ini": "text = Greylisted. Please come back later.\n[redis]\nhost=127.0.0.1\ndb=11\n[skip]\n[period]\nblack=850\ngrey=90000\nwhite=3024000\n"}, "redis\ngreylist\n" + BASIC, [("greylisting", mail())]),
    "limits": ({"limit.ini": "[redis]\nhost=127.0.0.1\ndatabase=4\n[concurrency]\nenabled=true\nmax=2\ndefault=2\ndisconnect_delay=0\nreject=Too many concurrent connections\n"}, "redis\nlimit\n" + BASIC, [("too-many-connections", [], {"times": 6, "keep": True})]),
    "limits-rcpt": ({"limit.ini": "tarpit_delay=0\n[redis]\nhost=127.0.0.1\ndatabase=4\n[recipients]\nenabled=true\nmax=2\n[errors]\nenabled=true\nmax=2\n[unrecognized_commands]\nenabled=true\nmax=2\n"}, "redis\nlimit\n" + BASIC, [
        ("too-many-recipients", mail() + ["RCPT TO:<b%d@example.net>" % n for n in range(5)])]),
    "limits-rates": ({"limit.ini": "tarpit_delay=0\n[redis]\nhost=127.0.0.1\ndatabase=4\n[rate_rcpt_host]\nenabled=true\ndefault=2/5m\n[rate_rcpt]\nenabled=true\ndefault=2/5m\n"}, "redis\nlimit\n" + BASIC, [("rate-limit", mail(), {"times": 6})]),
    "limits-connections": ({"limit.ini": "tarpit_delay=0\n[redis]\nhost=127.0.0.1\ndatabase=4\n[rate_conn]\nenabled=true\ndefault=3/5m\n"}, "redis\nlimit\n" + BASIC, [("rate-limit", [], {"times": 8})]),
    "login": ({"auth_flat_file.ini": "[core]\nmethods=PLAIN,LOGIN\n[users]\nanna=secret\n"}, "tls\nauth/flat_file\n" + BASIC, [("bad-login", ["EHLO client.example.com", "STARTTLS", "EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="])]),
    "tls": ({"tls.ini": "key=/none.pem\ncert=/none.pem\n"}, "tls\n" + BASIC, [("tls-trouble", ["EHLO client.example.com", "STARTTLS"])]),
    "forwarding": ({"smtp_forward.ini": "host=203.0.113.25\nport=25\ncheck_recipient=true\ncheck_sender=true\n[sink.test]\nhost=203.0.113.25\n", "host_list": "example.net\nsink.test\n"}, "rcpt_to.in_host_list\nqueue/smtp_forward\n", [
        ("unknown-user", mail("nobody@sink.test")), ("quota", mail("full@sink.test")), ("quota", mail("over@sink.test")), ("user-disabled", mail("closed@sink.test"))]),
    "forwarding-late": ({"smtp_forward.ini": "host=203.0.113.31\nport=25\n"}, "rcpt_to.in_host_list\nqueue/smtp_forward\n", [("content", letter())]),
    "forwarding-lost": ({"smtp_forward.ini": "host=203.0.113.28\nport=25\nconnect_timeout=3\n"}, "rcpt_to.in_host_list\nqueue/smtp_forward\n", [("server-trouble", letter())]),
    "no-queue": ({}, "rcpt_to.in_host_list\n", [("server-trouble", letter())]),
    "no-recipients": ({}, "queue/discard\n", [("relaying-denied", mail())]),
    "sending": ({"relay_acl_allow": "203.0.113.10/32\n", "relay.ini": "[relay]\nacl=true\n", "outbound.ini": "temp_fail_intervals=2s,3s\nenable_tls=true\nlocal_mx_ok=true\n",
                 "connection.ini": FILES["connection.ini"].replace("bytes=20000", "bytes=200000")}, "relay\nrcpt_to.in_host_list\nqueue/discard\n", []),
}


class Haraka(world.Server):
    name = "haraka"
    release = "3.3.4"

    def make(self):
        if os.path.exists(os.path.join(self.root, "node_modules/Haraka")):
            return
        os.makedirs(self.root, exist_ok=True)
        with open(os.path.join(self.root, "package.json"), "w") as file:
            json.dump({"name": "neighbour", "private": True}, file)
        world.run("npm", "install", "--no-audit", "--no-fund", "Haraka@" + self.release, cwd=self.root)

    def receiving(self):
        return [(name, causes) for name, (_, _, causes) in CONFIGURATIONS.items() if causes]

    def start(self, name):
        files, plugins, _ = CONFIGURATIONS[name]
        top = os.path.join(self.root, "home")
        shutil.rmtree(top, ignore_errors=True)
        os.makedirs(os.path.join(top, "queue"))
        os.makedirs(os.path.join(top, "config"))
        certificate = os.path.join(self.root, "mx.pem")
        if not os.path.exists(certificate):
            world.make_certificate(certificate, "mx.example.net")
        for path, text in dict(FILES, plugins=plugins, **files).items():
            with open(os.path.join(top, "config", path), "w") as file:
                file.write(text.replace("/mx.pem", certificate))
        redis = os.path.join(self.home, "postfix/usr/bin/redis-server")
        if "redis" in plugins:
            if not os.path.exists(redis):
                raise world.Trouble("there is no redis-server in Postfix's root")
            self.running.append(world.spawn(["chroot", os.path.join(self.home, "postfix"), "/usr/bin/redis-server", "--save", "", "--bind", "127.0.0.1"], self.log))
        environment = dict(os.environ, HARAKA=top, HOME=self.root)
        self.running.append(world.spawn(["node", os.path.join(self.root, "node_modules/Haraka/bin/haraka"), "-c", top], self.log, env=environment, cwd=top))
        world.wait_for("haraka with " + name, world.greets, process=self.running[-1])

    def version(self):
        with open(os.path.join(self.root, "node_modules/Haraka/package.json")) as file:
            return json.load(file)["version"]
