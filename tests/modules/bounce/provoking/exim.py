# SPDX-License-Identifier: GPL-3.0-or-later
"""Exim: a configuration of one's own for each way of refusing. Where an access rule has no message, the words are
Exim's; where it has one, they are those of its documentation's examples or of what administrators write."""
import os
import re

import world
from dialogue import MESSAGE, body, header, letter, mail

MAIN = """primary_hostname = mx.example.net
local_interfaces = %s
domainlist local_domains = example.net
domainlist relay_domains = relay.example.net
hostlist relay_hosts = %%(relay)s
qualify_domain = example.net
never_users = root
host_lookup = *
rfc1413_query_timeout = 0s
dns_dnssec_ok = 0
tls_advertise_hosts = *
tls_certificate = /etc/mx.pem
tls_privatekey = /etc/mx.pem
log_file_path = /var/log/exim4/%%%%slog
acl_smtp_connect = acl_connect
acl_smtp_helo = acl_helo
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
smtp_accept_max_per_host = %%(per_host)s
%%(main)s
begin acl
acl_connect:
%%(connect)s
  accept
acl_helo:
%%(helo)s
  accept
acl_mail:
%%(mail)s
  accept
acl_rcpt:
%%(rcpt)s
  accept hosts = +relay_hosts
  require message = relay not permitted
          domains = +local_domains : +relay_domains
  require verify = recipient
  accept
acl_data:
%%(data)s
  accept
begin routers
%%(routers)s
outside:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  ignore_target_hosts = 0.0.0.0 : 127.0.0.0/8
  no_more
aliases:
  driver = redirect
  allow_fail
  allow_defer
  data = ${lookup{$local_part}lsearch{/etc/aliases}}
  pipe_transport = address_pipe
users:
  driver = accept
  check_local_user
  transport = local_delivery
  cannot_route_message = Unknown user
begin transports
remote_smtp:
  driver = smtp
  connect_timeout = 4s
  message_linelength_limit = 1G
  hosts_require_tls = mx.badtls.test
  dnssec_request_domains =
  tls_tempfail_tryclear = false
local_delivery:
  driver = appendfile
  file = /var/mail/$local_part_data
  group = mail
  mode = 0660
  quota = ${if eq{$local_part_data}{full}{20K}{0}}
  quota_is_inclusive = true
address_pipe:
  driver = pipe
begin retry
* quota F,6s,2s
* * F,12s,3s
begin rewrite
""" % world.SERVER
DEFAULTS = {"relay": "127.0.0.1", "per_host": "50", "main": "", "connect": "", "helo": "", "mail": "", "rcpt": "", "data": "", "routers": ""}

CONFIGURATIONS = {
    "plain": ({"main": "message_size_limit = 20K\nrecipients_max = 3\nrecipients_max_reject = false\nsmtp_max_unknown_commands = 3\nreceived_headers_max = 10\n"
               "acl_smtp_vrfy = deny", "helo": "", "data": "  deny condition = ${if > {$max_received_linelength}{998}}\n       message = maximum allowed line length is 998 octets, got $max_received_linelength\n"
               "  deny !verify = header_syntax\n       message = header syntax\n  deny condition = ${if match{$message_body}{click here}}\n       message = This message was classified as SPAM\n"
               "  deny condition = ${if match{$h_subject:}{pills}}\n  deny condition = ${if match{$h_content-type:}{\\\\.exe}}\n       message = This message contains an attachment of a type which we do not accept (.exe)\n  deny condition = ${if eq{$h_date:}{}}\n       message = RFC2822 says that all mail SHOULD have a Date header"}, [
        ("unknown-user", mail("nosuch@example.net")), ("relaying-denied", mail("someone@example.org")), ("user-moved", mail("moved@example.net")),
        ("user-disabled", mail("shut@example.net")), ("recipient-temporary", mail("hold@example.net")),
        ("unknown-domain", mail("someone@relay.example.net")),
        ("too-big", mail(parameters=" SIZE=99999999")), ("too-big", letter(body(("y" * 70 + "\r\n") * 400))),
        ("too-many-recipients", mail() + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "RCPT TO:<team@example.net>"]),
        ("content", letter(body("click here to win"))), ("content", letter(header("Subject: pills"))), ("virus", letter(header("Content-Type: application/x; name=a.exe"))),
        ("malformed-message", letter(header("Cc: <<broken"))), ("malformed-message", letter(MESSAGE.replace("Date:", "X-Date:"))), ("line-too-long", letter(body("x" * 1500))),
        ("loop", letter("".join("Received: from a.example.org by b.example.org; Thu, 1 Jan 2026 12:00:00 +0000\r\n" for _ in range(12)) + MESSAGE)),
        ("protocol", ["EHLO client.example.com", "FROB"]), ("protocol", ["EHLO client.example.com", "RCPT TO:<anna@example.net>"]),
        ("protocol", ["EHLO client.example.com", "DATA"]), ("protocol", ["EHLO client.example.com", "MAIL sender@example.com"]), ("protocol", mail() + ["MAIL FROM:<b@example.com>"]),
        ("protocol", mail(parameters=" FROB=1")), ("helo-syntax", ["EHLO under_score%"]),
        ("helo-syntax", ["HELO"]), ("sender-syntax", mail(sender="a@@b")), ("sender-syntax", mail(sender="alone")),
        ("bad-recipient-syntax", mail("a@@example.net")), ("bad-recipient-syntax", mail("someone@-bad-.example..net")), ("line-too-long", ["EHLO client.example.com", "MAIL FROM:<" + "x" * 20000 + "@example.com>"]),
        ("no-utf8", ["EHLO client.example.com", "MAIL FROM:<s\u00e9nder@example.com>"]), ("protocol", ["EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="]),
        ("early-talker", ["EHLO client.example.com", b"MAIL FROM:<a@example.com>\r\nDATA\r\nfrob\r\n"]), ("early-talker", ["LISTEN"], {"early": True})]),
    "hard-limit": ({"main": "recipients_max = 2\nrecipients_max_reject = true\nsmtp_max_synprot_errors = 1\nhelo_verify_hosts = *"}, [
        ("too-many-recipients", letter()[:3] + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "DATA"]), ("bad-helo", mail(helo="no.such.invalid")),
        ("bad-helo", ["MAIL FROM:<a@example.com>"])]),
    "senders": ({"mail": "  deny senders = *@listed.test\n  deny senders = spammer@example.com\n       message = sender envelope address $sender_address is locally blacklisted here",
                 "rcpt": "  deny recipients = boss@example.net\n  require message = Sender verification failed\n          sender_domains = !*.invalid\n  require verify = sender"}, [
        ("sender-refused", mail(sender="a@listed.test")), ("sender-refused", mail(sender="spammer@example.com")), ("recipient-restricted", mail("boss@example.net")),
        ("sender-domain", mail(sender="a@nowhere.invalid")), ("sender-domain", mail(sender="a@nowhere.test")), ("sender-domain", mail(sender="a@nullmx.test")),
        ("lookup-failure", mail(sender="a@lost.test")), ("sender-domain", mail(sender="a@badmx.test")), ("sender-refused", mail(sender="nosuch@example.net"))]),
    "callouts": ({"rcpt": "  require verify = sender/callout=10s\n  accept hosts = %s\n         verify = recipient/callout=10s,defer_ok\n  deny hosts = %s\n       verify = recipient\n       !verify = recipient/callout=10s" % (world.NAMELESS, world.CLIENT)}, [
        ("sender-refused", mail(sender="nobody@sink.test")), ("callout", mail(sender="a@closed.test")), ("sender-refused", mail(sender="a@refuses.test"))]),
    "recipient-callouts-required": ({"relay": world.CLIENT, "rcpt": "  require verify = recipient/callout=10s"}, [
        ("unknown-user", mail("nobody@sink.test")), ("quota", mail("full@sink.test")), ("user-disabled", mail("closed@sink.test")),
        ("callout", mail("over@sink.test")), ("callout", mail("a@closed.test")), ("unknown-domain", mail("a@nowhere.invalid")),
        ("null-mx", mail("a@nullmx.test")), ("lookup-failure", mail("a@lost.test")), ("unknown-domain", mail("a@badmx.test"))]),
    "quota": ({"rcpt": "  require verify = recipient/quota"}, [("quota", mail("full@example.net"))]),
    "lists": ({"connect": "", "rcpt": "  deny dnslists = bl.example.org\n       message = rejected because $sender_host_address is in a black list at $dnslist_domain\\n$dnslist_text\n"
               "  deny dnslists = dbl.example.org/$sender_address_domain\n       message = $sender_address_domain is listed at $dnslist_domain\n  deny hosts = %s" % world.FORGED}, [
        ("blocklisted-ip", mail(), {"source": world.LISTED}), ("blocklisted-sender", mail(sender="a@listed.test")), ("access-denied-client", mail(), {"source": world.FORGED})]),
    "connections": ({"connect": "  deny hosts = %s\n  drop dnslists = bl.example.org\n       message = DNSBL listed at $dnslist_domain\n  deny !verify = reverse_host_lookup\n       message = Reverse DNS lookup failed for host $sender_host_address" % world.FORGED}, [
        ("access-denied-client", [], {"source": world.FORGED}), ("blocklisted-ip", [], {"source": world.LISTED}), ("no-ptr", [], {"source": world.NAMELESS})]),
    "reject-hosts": ({"main": "host_reject_connection = %s" % world.FORGED, "helo": "  deny condition = ${if match{$sender_helo_name}{\\N^\\[\\N}}\n       message = HELO must be a name\n  deny condition = ${if eq{$sender_helo_name}{mx.example.net}}"}, [
        ("access-denied-client", [], {"source": world.FORGED}), ("bad-helo", ["EHLO [203.0.113.10]"]), ("bad-helo", ["EHLO mx.example.net"])]),
    "spf": ({"rcpt": "  deny spf = fail\n       message = [SPF] $sender_host_address is not allowed to send mail from $sender_address_domain\n  defer spf = temperror\n       message = Temporary DNS error while checking SPF record.  Try again later.\n  deny spf = permerror"}, [
        ("spf", mail(sender="a@strict.test")), ("spf", mail(sender="a@lost-spf.test")), ("spf", mail(sender="a@broken-spf.test"))]),
    "rates": ({"rcpt": "  defer ratelimit = 2 / 5m / per_rcpt / $sender_host_address\n        message = Sender rate $sender_rate / $sender_rate_period exceeded"}, [
        ("rate-limit", mail() + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "RCPT TO:<team@example.net>"])]),
    "hard-rates": ({"mail": "  deny ratelimit = 1 / 1h / strict"}, [("refused", mail(), {"times": 4})]),
    "greylisting": ({"rcpt": "  defer condition = ${if eq{$sender_address}{sender@example.com}}\n        message = Greylisting in action, please come back later\n  defer condition = yes"}, [
        ("greylisting", mail()), ("recipient-temporary", mail(sender="other@example.com"))]),
    "too-many": ({"per_host": "2"}, [("too-many-connections", [], {"times": 6, "keep": True})]),
    "too-many-in-all": ({"main": "smtp_accept_max = 2"}, [("too-many-connections", [], {"times": 6, "keep": True})]),
    "too-many-mails": ({"main": "smtp_accept_max_per_connection = 2\nsmtp_accept_max_nonmail = 3"}, [
        ("rate-limit", letter() + mail()[1:3] + letter()[3:] + mail()[1:]), ("too-many-errors", ["EHLO client.example.com"] + ["NOOP"] * 6 + ["RSET"] * 6)]),
    "disk": ({"main": "check_spool_space = 9000G"}, [("disk-low", mail(parameters=" SIZE=1000"))]),
    "tls": ({"mail": "  deny !encrypted = *\n       message = TLS required"}, [("tls-required", mail())]),
    "tls-stock": ({"rcpt": "  require encrypted = *"}, [("tls-required", mail())]),
    "login": ({"rcpt": "  require authenticated = *\n  accept"}, [("login-required", mail())]),
    "lookups": ({"rcpt": "  deny condition = ${lookup{x}lsearch{/etc/none}}", "routers": "broken:\n  driver = redirect\n  domains = example.net\n  data = ${lookup{$local_part}lsearch{/etc/none}}\n"}, [("server-trouble", mail())]),
    "router-lookups": ({"routers": "broken:\n  driver = redirect\n  domains = example.net\n  data = ${lookup{$local_part}lsearch{/etc/none}}\n"}, [("server-trouble", mail())]),
    "slow": ({"main": "smtp_receive_timeout = 3s"}, [("time-out", ["EHLO client.example.com", "LISTEN"]), ("time-out", mail() + ["DATA", "LISTEN"])]),
    "sending": ({"relay": world.CLIENT, "main": "delay_warning = 4s\nqueue_run_max = 3\nretry_interval_max = 5s\nignore_bounce_errors_after = 1s\nbounce_return_size_limit = 20K\ndsn_advertise_hosts = *\nsmtp_accept_queue_per_connection = 100"}, []),
}


class Exim(world.Server):
    name = "exim"
    packages = ("exim4-daemon-heavy",)

    def receiving(self):
        return [(name, causes) for name, (_, causes) in CONFIGURATIONS.items() if causes]

    def configure(self, name):
        values = dict(DEFAULTS, **CONFIGURATIONS[name][0])
        for key in ("connect", "helo", "mail", "rcpt", "data"):
            values[key] = values[key].replace("\\\\.", "\\.")
        self.write("etc/exim4/exim4.conf", MAIN % values)
        self.write("etc/aliases", "team: anna, bert\nforward: nobody@sink.test\nmoved: :fail: User has moved to new@example.org\n"
                   "shut: :fail: This mailbox is disabled\nhold: :defer: Mailbox is being moved, try again later\n")
        self.write("var/mail/full", "From anna Thu Jan  1 12:00:00 2026\n\n" + "Old mail.\n" * 2300)
        os.chown(os.path.join(self.root, "var/mail/full"), 2002, 8)
        for folder in ("input", "msglog", "db"):
            world.clear(os.path.join(self.root, "var/spool/exim4", folder))

    def command(self, name):
        return ("/usr/sbin/exim4", "-bdf", "-q3s")

    def version(self):
        return re.match(r"Exim version (\S+)", self.inside("exim4", "-bV")).group(1)
