# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix as receiver, under configurations that each refuse in their own way, and as sender that gives up."""
import os

import world
from dialogue import MESSAGE, body, header, letter, mail

BASE = {
    "myhostname": "mx.example.net", "mydomain": "example.net", "mydestination": "example.net", "inet_interfaces": world.SERVER,
    "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "compatibility_level": "3.6",
    "smtpd_client_restrictions": "", "smtpd_helo_restrictions": "", "smtpd_sender_restrictions": "", "smtpd_recipient_restrictions": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "", "alias_maps": "texthash:/etc/postfix/aliases", "alias_database": "",
    "smtpd_tls_cert_file": "/etc/mx.pem", "smtpd_tls_key_file": "/etc/mx.pem", "smtpd_tls_security_level": "may",
    "relay_domains": "relay.example.net", "relay_recipient_maps": "inline:{known@relay.example.net=x}",
    "virtual_alias_domains": "alias.example.net", "virtual_alias_maps": "inline:{known@alias.example.net=anna@example.net}",
    "virtual_mailbox_domains": "box.example.net", "virtual_mailbox_maps": "inline:{known@box.example.net=known}",
    "relocated_maps": "inline:{moved@example.net=new@example.org}",
    "local_recipient_maps": "inline:{{anna=x}, {full=x}, {team=x}, {forward=x}, {postmaster=x}, {bert=x}}",
    "smtpd_client_event_limit_exceptions": "", "smtpd_error_sleep_time": "0", "anvil_rate_time_unit": "60s",
    "smtpd_client_connection_count_limit": "50", "smtp_tls_security_level": "may", "notify_classes": "",
    "address_verify_map": "", "smtpd_reject_unlisted_sender": "no",
}
UTF8 = "MAIL FROM:<s\u00e9nder@example.com>"


def access(settings, **more):
    return dict({"smtpd_recipient_restrictions": settings}, **more)


CONFIGURATIONS = {
    "plain": ({"message_size_limit": "20000", "smtpd_recipient_limit": "3", "smtpd_helo_required": "yes", "disable_vrfy_command": "yes",
               "header_checks": "regexp:/etc/postfix/header_checks", "body_checks": "regexp:/etc/postfix/body_checks",
               "mailbox_size_limit": "30000", "smtputf8_enable": "yes", "line_length_limit": "512", "smtpd_hard_error_limit": "4",
               "hopcount_limit": "10", "strict_rfc821_envelopes": "yes", "smtpd_reject_unlisted_sender": "yes"}, [
        ("unknown-user", mail("nosuch@example.net")), ("unknown-user", mail("nobody@relay.example.net")),
        ("unknown-user", mail("nobody@alias.example.net")), ("unknown-user", mail("nobody@box.example.net")),
        ("user-moved", mail("moved@example.net")), ("relaying-denied", mail("someone@example.org")),
        ("too-big", mail(parameters=" SIZE=99999999")), ("too-big", letter(body("x" * 70 + "\r\n") + ("y" * 70 + "\r\n") * 400)),
        ("too-many-recipients", mail() + ["RCPT TO:<full@example.net>", "RCPT TO:<bert@example.net>", "RCPT TO:<team@example.net>"]),
        ("content", letter(header("Subject: cheap pills"))), ("content", letter(header("X-Spam-Flag: YES"))), ("content", letter(body("click here to win"))),
        ("virus", letter(header("Content-Type: application/x; name=invoice.exe"))),
        ("loop", letter("".join("Received: from a.example.org by b.example.org; Thu, 1 Jan 2026 12:00:00 +0000\r\n" for _ in range(12)) + MESSAGE)),
        ("protocol", ["MAIL FROM:<sender@example.com>"]), ("protocol", ["EHLO client.example.com", "RCPT TO:<anna@example.net>"]),
        ("protocol", ["EHLO client.example.com", "DATA"]), ("protocol", ["EHLO client.example.com", "FROB"]),
        ("protocol", ["EHLO client.example.com", "MAIL sender@example.com"]), ("protocol", mail(parameters=" FROB=1")),
        ("protocol", ["EHLO client.example.com", "BDAT x"]), ("protocol", ["EHLO"]), ("protocol", ["EHLO client.example.com", "VRFY anna"]),
        ("protocol", mail(parameters=" BODY=FROB")), ("protocol", mail(parameters=" RET=FROB")), ("protocol", mail(rcpt=" NOTIFY=FROB")),
        ("sender-syntax", mail(sender="sender@")), ("bad-recipient-syntax", mail("anna@@example.net")),
        ("sender-refused", mail(sender="nosuch@example.net")),
        ("line-too-long", ["EHLO client.example.com", "NOOP " + "x" * 5000]), ("too-many-errors", ["EHLO client.example.com"] + ["FROB"] * 5),
        ("no-utf8", ["EHLO client.example.com", UTF8]), ("unknown-user", mail()[:2] + ["RCPT TO:<\u00e4nna@example.net>"]),
        ("protocol", ["EHLO client.example.com", "AUTH PLAIN AGFubmEAd3Jvbmc="])]),
    "names": ({"smtpd_delay_reject": "no", "smtpd_helo_restrictions": "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname",
               "smtpd_client_restrictions": "reject_unknown_client_hostname", "smtpd_sender_restrictions":
               "reject_non_fqdn_sender, reject_unknown_sender_domain, check_sender_access inline:{spammer@example.com=REJECT}, check_sender_mx_access cidr:{{198.51.100.0/24 REJECT}}",
               "smtpd_recipient_restrictions": "reject_non_fqdn_recipient, reject_unknown_recipient_domain", "mynetworks": world.CLIENT,
               "smtpd_helo_required": "yes"}, [
        ("helo-syntax", ["EHLO -x-.example"]), ("bad-helo", ["EHLO client"]), ("helo-syntax", ["HELO [what]"]), ("bad-helo", ["EHLO no.such.invalid"]),
        ("no-ptr", [], {"source": world.NAMELESS}), ("no-ptr", [], {"source": world.FORGED}),
        ("sender-domain", mail(sender="a@nowhere.invalid")), ("sender-domain", mail(sender="a@nullmx.test")), ("sender-syntax", mail(sender="a@host")),
        ("lookup-failure", mail(sender="a@lost.test")), ("sender-domain", mail(sender="a@away.test")),
        ("sender-refused", mail(sender="spammer@example.com")), ("bad-recipient-syntax", mail("someone@host")),
        ("unknown-domain", mail("someone@nowhere.invalid")), ("null-mx", mail("someone@nullmx.test")), ("lookup-failure", mail("someone@lost.test"))]),
    "strict-codes": ({"unknown_client_reject_code": "550", "unknown_address_reject_code": "550", "unknown_hostname_reject_code": "550",
                      "smtpd_client_restrictions": "reject_unknown_reverse_client_hostname, check_client_access inline:{%s=REJECT}" % world.LISTED,
                      "smtpd_helo_restrictions": "reject_unknown_helo_hostname, check_helo_access inline:{{liar.example.com=REJECT Do not use our name}}",
                      "smtpd_sender_restrictions": "reject_unknown_sender_domain, check_sender_access inline:{example.org=REJECT, {listed.test=554 5.7.1 We do not want your mail}}",
                      "smtpd_recipient_restrictions": "reject_unknown_recipient_domain, check_recipient_access inline:{boss@example.net=REJECT, {bert@example.net=DEFER Come back later}, {full@example.net=552 5.2.2 Mailbox is full}}"}, [
        ("no-ptr", mail(), {"source": world.NAMELESS}), ("access-denied-client", mail(), {"source": world.LISTED}), ("bad-helo", mail(helo="no.such.invalid")),
        ("bad-helo", mail(helo="liar.example.com")), ("sender-domain", mail(sender="a@nowhere.invalid")), ("sender-refused", mail(sender="a@example.org")),
        ("sender-refused", mail(sender="a@listed.test")), ("recipient-restricted", mail("boss@example.net")), ("recipient-temporary", mail("bert@example.net")),
        ("quota", mail("full@example.net"))]),
    "lists": (access("reject_rbl_client bl.example.org, reject_rhsbl_sender dbl.example.org, reject_rhsbl_helo dbl.example.org"), [
        ("blocklisted-ip", mail(), {"source": world.LISTED}), ("blocklisted-sender", mail(sender="a@listed.test")), ("blocklisted-sender", mail(helo="listed.test"))]),
    "soft": ({"soft_bounce": "yes", "header_checks": "regexp:/etc/postfix/header_checks"}, [
        ("unknown-user", mail("nosuch@example.net")), ("relaying-denied", mail("someone@example.org")), ("content", letter(header("Subject: cheap pills")))]),
    "lookups": ({"local_recipient_maps": "tcp:127.0.0.1:9", "smtpd_client_restrictions": "check_client_access inline:{{%s=DEFER_IF_PERMIT Try again later}}" % world.FORGED}, [
        ("lookup-failure", mail("nosuch@example.net")), ("refused", mail(), {"source": world.FORGED})]),
    "no-policy-server": (access("check_policy_service inet:127.0.0.1:9", smtpd_policy_service_max_idle="1s", smtpd_policy_service_try_limit="1"), [
        ("server-trouble", mail())]),
    "no-milter": ({"smtpd_milters": "inet:127.0.0.1:9", "milter_default_action": "tempfail"}, [("server-trouble", mail())]),
    "bad-configuration": (access("reject_frob"), [("server-trouble", mail())]),
    "disk": ({"queue_minfree": "9000000000000", "message_size_limit": "1000000"}, [("disk-low", mail())]),
    "tls": ({"smtpd_tls_security_level": "encrypt"}, [("tls-required", mail())]),
    "broken-tls": ({"smtpd_tls_cert_file": "/etc/none.pem", "smtpd_tls_key_file": "/etc/none.pem"}, [("tls-trouble", ["EHLO client.example.com", "STARTTLS"])]),
    "login": ({"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "inet:127.0.0.1:9",
               "smtpd_client_restrictions": "permit_sasl_authenticated, reject"}, [("login-required", mail()), ("login-required", letter())]),
    "postgrey": (access("reject_unauth_destination, check_policy_service inet:127.0.0.1:10023"), [("greylisting", mail())]),
    "spf": (access("reject_unauth_destination, check_policy_service unix:private/policyd-spf"), [
        ("spf", mail(sender="a@strict.test")), ("spf", mail(sender="a@broken-spf.test")), ("spf", mail(sender="a@lost-spf.test"))]),
    "dmarc": ({"smtpd_milters": "inet:127.0.0.1:8893"}, [
        ("dmarc", letter(MESSAGE.replace("sender@example.com", "sender@dmarc.test"))), ("malformed-message", letter(MESSAGE.replace("From:", "X-From:")))]),
    "too-many": ({"smtpd_client_connection_count_limit": "2"}, [("too-many-connections", [], {"times": 6, "keep": True})]),
    "too-quick": ({"smtpd_client_connection_rate_limit": "6"}, [("rate-limit", [], {"times": 12})]),
    "too-much": ({"smtpd_client_message_rate_limit": "2", "smtpd_client_recipient_rate_limit": "50"}, [("rate-limit", mail(), {"times": 5})]),
    "too-many-new": ({"smtpd_client_recipient_rate_limit": "2"}, [("rate-limit", mail() + ["RCPT TO:<anna@example.net>"] * 4)]),
    "slow": ({"smtpd_timeout": "3s", "stress": "yes", "smtpd_hard_error_limit": "1", "smtpd_soft_error_limit": "1"}, [
        ("time-out", ["EHLO client.example.com", "LISTEN"])]),
    "verify": ({"smtpd_recipient_restrictions": "reject_unverified_recipient", "smtpd_sender_restrictions": "check_sender_access inline:{sink.test=reject_unverified_sender}",
                "mynetworks": world.CLIENT, "address_verify_poll_count": "3", "address_verify_poll_delay": "2s", "unverified_recipient_reject_code": "550",
                "unverified_sender_reject_code": "550", "address_verify_map": "btree:/var/lib/postfix/verify_cache"}, [
        ("unknown-user", mail("nobody@sink.test")), ("quota", mail("full@sink.test")), ("recipient-temporary", mail("later@sink.test")),
        ("sender-refused", mail("anna@example.net", sender="nobody@sink.test")), ("unknown-domain", mail("a@nowhere.invalid")), ("unknown-user", mail("forward@example.net"))]),
    "data": ({"smtpd_data_restrictions": "reject_unauth_pipelining, reject_multi_recipient_bounce", "smtpd_end_of_data_restrictions":
              "check_sender_access inline:{{late@example.com=REJECT Content is not wanted here}}", "strict_8bitmime": "yes", "strict_7bit_headers": "yes",
              "smtpd_forbid_bare_newline": "yes"}, [
        ("protocol", mail(sender="") + ["RCPT TO:<bert@example.net>", "DATA"]), ("refused", letter(sender="late@example.com")),
        ("no-8bit", letter(header("Subject: acc\u00e9nts"))), ("malformed-message", letter(MESSAGE.replace("Hello.\r\n", "Hello.\n\r\n")))]),
    "no-utf8": ({"smtputf8_enable": "no"}, [("no-utf8", mail(parameters=" SMTPUTF8"))]),
    "postscreen": ({"postscreen_greet_action": "enforce", "postscreen_greet_wait": "2s", "postscreen_dnsbl_sites": "bl.example.org", "postscreen_dnsbl_action": "enforce",
                    "postscreen_bare_newline_enable": "yes", "postscreen_access_list": "cidr:{{%s reject}}" % world.FORGED, "postscreen_denylist_action": "enforce",
                    "postscreen_cache_map": "btree:/var/lib/postfix/ps", "postscreen_pipelining_enable": "yes", "postscreen_client_connection_count_limit": "3"}, [
        ("greylisting", mail()), ("early-talker", ["LISTEN"] + mail()[1:], {"source": world.NAMELESS, "early": True}),
        ("blocklisted-ip", mail(), {"source": world.LISTED}), ("access-denied-client", mail(), {"source": world.FORGED}),
        ("too-many-connections", [], {"times": 6, "keep": True})]),
    "postscreen-drop": ({"postscreen_dnsbl_sites": "bl.example.org", "postscreen_dnsbl_action": "drop", "postscreen_access_list": "cidr:{{%s reject}}" % world.FORGED,
                         "postscreen_denylist_action": "drop", "postscreen_greet_action": "drop", "postscreen_greet_wait": "2s"}, [
        ("blocklisted-ip", [], {"source": world.LISTED}), ("access-denied-client", [], {"source": world.FORGED}),
        ("early-talker", ["LISTEN"], {"source": world.NAMELESS, "early": True})]),
    "transports": ({"transport_maps": "inline:{{bert@example.net=error:5.2.1 Mailbox disabled for inactivity}, {team@example.net=retry:4.3.0 Mail for this list is on hold}, {shut.example.net=error:mail for this domain is no longer taken}}",
                    "relay_domains": "shut.example.net", "relay_recipient_maps": ""}, [
        ("user-disabled", mail("bert@example.net")), ("recipient-temporary", mail("team@example.net")), ("unknown-domain", mail("any@shut.example.net"))]),
    "sending": ({"mynetworks": world.CLIENT + " 127.0.0.0/8", "maximal_queue_lifetime": "16s", "bounce_queue_lifetime": "600s", "minimal_backoff_time": "2s",
                 "maximal_backoff_time": "4s", "queue_run_delay": "2s", "delay_warning_time": "3s", "mailbox_size_limit": "25000", "message_size_limit": "24000",
                 "smtp_connect_timeout": "4s", "smtp_tls_policy_maps": "inline:{{badtls.test=encrypt}}",
                 "smtp_host_lookup": "dns", "smtp_destination_concurrency_failed_cohort_limit": "0", "smtp_connection_cache_on_demand": "no",
                 "default_destination_concurrency_failed_cohort_limit": "0"}, []),
}


class Postfix(world.Server):
    name = "postfix"
    packages = ("postfix", "postgrey", "postfix-policyd-spf-python", "redis-server")
    beside = ("opendmarc", "libopendmarc2", "libmilter1.0.1", "libspf2-2", "publicsuffix")

    def receiving(self):
        return [(name, causes) for name, (_, causes) in CONFIGURATIONS.items() if causes]

    def configure(self, name):
        for path in ("main.cf", "master.cf"):
            whole = os.path.join(self.root, "etc/postfix", path)
            if not os.path.exists(whole + ".shipped"):
                if not os.path.exists(whole):
                    self.write("etc/postfix/" + path, open(os.path.join(self.root, "usr/share/postfix/" + ("main.cf.debian" if path == "main.cf" else "master.cf.dist"))).read())
                os.rename(whole, whole + ".shipped")
        master = open(os.path.join(self.root, "etc/postfix/master.cf.shipped")).read()
        if name.startswith("postscreen"):
            master = master.replace("#smtp      inet  n       -       y       -       1       postscreen", "SCREEN inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy")
            master = "\n".join(line for line in master.splitlines() if not line.startswith("smtp      inet")).replace("SCREEN", "smtp") + "\n"
        self.write("etc/postfix/master.cf", master + "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf\n")
        settings = dict(BASE, **CONFIGURATIONS[name][0])
        self.write("etc/postfix/main.cf", "".join("%s = %s\n" % item for item in settings.items()))
        self.write("etc/postfix/aliases", "team: anna, bert\nforward: nobody@sink.test\npostmaster: anna\n")
        self.write("etc/postfix/header_checks", "/^Subject: cheap pills/ REJECT\n/^X-Spam-Flag: YES/ REJECT Spam is not welcome here\n/name=.*\\.exe/ REJECT Attachments of this kind are not allowed\n")
        self.write("var/mail/full", "From anna Thu Jan  1 12:00:00 2026\n\n" + "Old mail.\n" * 2000)
        os.chown(os.path.join(self.root, "var/mail/full"), 2002, 100)
        self.write("etc/postfix/body_checks", "/click here to win/ REJECT Message looks like spam\n")
        self.inside("postconf", "-F", "*/*/chroot=n")
        self.inside("postfix", "check")
        self.inside("postsuper", "-d", "ALL")  # this may not write the log that the others share
        with open(os.path.join(self.root, "etc/postfix/main.cf"), "a") as file:
            file.write("maillog_file = /var/log/postfix.log\n")
        world.clear(os.path.join(self.root, "var/lib/postfix"))
        if name == "postgrey":
            self.also("/usr/sbin/postgrey", "--inet=127.0.0.1:10023", "--dbdir=/var/lib/postgrey", "--hostname=example.net", "--syslog-facility=mail")
        if name == "dmarc":
            self.write("etc/opendmarc.conf", "AuthservID mx.example.net\nRejectFailures true\nRequiredHeaders true\nSPFIgnoreResults true\nSPFSelfValidate true\n"
                       "Socket inet:8893@127.0.0.1\nPublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n")
            self.also("/usr/sbin/opendmarc", "-f", "-c", "/etc/opendmarc.conf")

    def command(self, name):
        return ("/usr/lib/postfix/sbin/master", "-s")

    def stop(self):
        super().stop()
        pid = os.path.join(self.root, "var/spool/postfix/pid/master.pid")
        if os.path.exists(pid):
            os.unlink(pid)

    def version(self):
        return self.inside("postconf", "-h", "mail_version").strip()
