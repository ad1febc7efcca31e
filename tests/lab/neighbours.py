# SPDX-License-Identifier: GPL-3.0-or-later
"""The three peers as neighbours of a laboratory: each takes mail for NAME.test and plain.NAME.test at a loopback address
of its own, with a throw-away certificate and all extensions it has, keeps it in a maildir of its root, and sends all
other mail on from that address: by STARTTLS where it is offered, but mail for plain.sender.test in clear, to another port.

Of NAME.test nobody@ is refused, full@ is taken and then returned, and later@ is put off while hold () says so. Exim
takes mail for far.test, too, from who has logged in (ACCOUNT, PASSWORD), and keeps what it has for queuedN@ elsewhere
until retry (). Mail for away.test it and OpenSMTPD send on logged in, by that name and password.
"""
import glob
import os
import shutil
import subprocess
import time

from roots import inside

ADDRESSES = {"postfix": "127.0.1.1", "exim": "127.0.1.2", "opensmtpd": "127.0.1.3"}
MAILBOX = "var/mail/all"  # all recipients' in one: a field of each message says whose it is
ACCOUNT, PASSWORD = "relay", "throw-away, of no use"
LIMIT = 20480000
MAIL = 8  # user and group mail of Debian's base-passwd


def write(root, path, text, mode=0o644):
    with open(os.path.join(root, path), "w") as file:
        file.write(text)
    os.chmod(os.path.join(root, path), mode)


def make_certificate(root, name, certificate, key):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=mx." + name, "-addext", "subjectAltName=DNS:mx." + name, "-keyout", os.path.join(root, key),
                    "-out", os.path.join(root, certificate)], check=True, capture_output=True)


def empty_mailbox(root):
    home = os.path.join(root, MAILBOX)
    shutil.rmtree(home, ignore_errors=True)
    for folder in ("", "new", "cur", "tmp"):
        os.makedirs(os.path.join(home, folder), exist_ok=True)
        os.chown(os.path.join(home, folder), MAIL, MAIL)


# --- Postfix -------------------------------------------------------------------------------------

POSTFIX = """\
myhostname=postfix.test
inet_interfaces=loopback-only
inet_protocols=ipv4
smtpd_peername_lookup=no
mynetworks=127.0.0.1/32
mydestination=
relayhost=[{hop}
smtp_bind_address={address}
transport_maps=texthash:/etc/postfix/transport
virtual_mailbox_domains=postfix.test, plain.postfix.test
virtual_mailbox_base=/var/mail
virtual_mailbox_maps=static:all/
virtual_minimum_uid=1
virtual_uid_maps=static:{user}
virtual_gid_maps=static:{user}
refused=check_recipient_access texthash:/etc/postfix/refused
later=check_recipient_access $default_database_type:/etc/postfix/later
smtpd_recipient_restrictions=$refused, $later, permit_mynetworks, reject_unauth_destination
smtpd_tls_cert_file=/etc/postfix/neighbour.pem
smtpd_tls_key_file=/etc/postfix/neighbour.key
smtpd_tls_security_level=may
smtpd_tls_received_header=yes
smtp_tls_security_level=may
message_size_limit={limit}
minimal_backoff_time=1s
maximal_backoff_time=2s
queue_run_delay=1s
smtpd_hard_error_limit=3
default_destination_concurrency_limit=1
smtputf8_enable=yes
"""


def configure_postfix(root, port, address, hop, clear):
    master = open(os.path.join(root, "etc/postfix/master.cf")).read()
    was, wanted = "127.0.0.1:%d inet" % port, "%s:%d inet" % (address, port)
    write(root, "etc/postfix/master.cf", master.replace(was, wanted) + "broken unix - n n - - pipe user=mail argv=/bin/sh -c { exit 77 }\n")
    write(root, "etc/postfix/transport", "full@postfix.test broken:\n"
          "plain.sender.test smtp:[%s]:%s\n" % tuple(clear.rsplit(":", 1)))
    write(root, "etc/postfix/refused", "nobody@postfix.test 550 5.1.1 no such mailbox\n")
    make_certificate(root, "postfix.test", "etc/postfix/neighbour.pem", "etc/postfix/neighbour.key")
    text = POSTFIX.format(address=address, hop=hop.replace(":", "]:"), user=MAIL, limit=LIMIT)
    inside(root, "postconf", "-e", *text.splitlines())
    hold_postfix(root, False)


def hold_postfix(root, on):
    write(root, "etc/postfix/later", "later@postfix.test 450 4.7.1 come back later\n" if on else "")
    inside(root, "postmap", "/etc/postfix/later")
    for path in glob.glob(os.path.join(root, "etc/postfix/later.*")):  # a change is seen by its second, at the next session
        os.utime(path, (time.time(), time.time() + (0 if on else 10)))


# --- Exim ----------------------------------------------------------------------------------------

EXIM = """\
primary_hostname = exim.test
local_interfaces = {address}
daemon_smtp_ports = {port}
disable_ipv6
domainlist own_domains = exim.test : plain.exim.test : far.test
acl_smtp_rcpt = check_rcpt
tls_advertise_hosts = *
tls_certificate = /etc/exim4/neighbour.pem
tls_privatekey = /etc/exim4/neighbour.key
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = {limit}
log_selector = +tls_cipher +smtp_connection
remote_max_parallel = 1
smtp_accept_queue_per_connection = 0
dkim_verify_signers =
keep_environment =

begin acl
check_rcpt:
  deny    local_parts = nobody
          message = 550 5.1.1 no such mailbox
  defer   local_parts = later
          condition = ${{if exists{{/var/spool/exim4/later}}}}
          message = 450 4.7.1 come back later
  accept  authenticated = *
  deny    domains = far.test
          message = 550 5.7.1 log in first
  accept  domains = +own_domains
  warn    local_parts = ^queued
          control = queue
  accept  hosts = 127.0.0.1
  deny    message = 550 5.7.1 no relay

begin routers
broken:
  driver = redirect
  domains = exim.test
  local_parts = full
  allow_fail
  data = :fail: mailbox is broken
kept:
  driver = accept
  domains = +own_domains
  transport = kept
plain:
  driver = manualroute
  domains = plain.sender.test
  route_list = * {clear} byname
  self = send
  transport = in_clear
away:
  driver = manualroute
  domains = away.test
  route_list = * {hop} byname
  self = send
  transport = logged_in
hop:
  driver = manualroute
  route_list = * {hop} byname
  self = send
  transport = out

begin transports
kept:
  driver = appendfile
  directory = /var/mail/all
  maildir_format
  envelope_to_add
  return_path_add
  user = mail
  group = mail
out:
  driver = smtp
  interface = {address}
logged_in:
  driver = smtp
  interface = {address}
  hosts_require_auth = *
  hosts_require_tls = *
in_clear:
  driver = smtp
  interface = {address}
  hosts_avoid_tls = *

begin retry
* * F,2h,1s

begin rewrite

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{account}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
  client_send = ^{account}^{password}
"""


def configure_exim(root, port, address, hop, clear):
    make_certificate(root, "exim.test", "etc/exim4/neighbour.pem", "etc/exim4/neighbour.key")
    owner = next(line.split(":") for line in open(os.path.join(root, "etc/passwd")) if line.startswith("Debian-exim:"))
    os.chown(os.path.join(root, "etc/exim4/neighbour.key"), int(owner[2]), int(owner[3]))
    write(root, "etc/exim4/exim4.conf", EXIM.format(
        address=address, port=port, limit=LIMIT, hop=hop.replace(":", "::"), clear=clear.replace(":", "::"),
        account=ACCOUNT, password=PASSWORD))
    hold_exim(root, False)


def hold_exim(root, on):
    path = os.path.join(root, "var/spool/exim4/later")
    if on:
        open(path, "w").close()
    elif os.path.exists(path):
        os.unlink(path)


# --- OpenSMTPD -----------------------------------------------------------------------------------

OPENSMTPD = """\
pki opensmtpd.test cert "/etc/neighbour.pem"
pki opensmtpd.test key "/etc/neighbour.key"
smtp max-message-size {limit}
table later file:/etc/later
table catch {{ "@" = "mail" }}
filter "later" phase rcpt-to match rcpt-to <later> reject "450 4.7.1 come back later"
filter "nobody" phase rcpt-to match rcpt-to {{ "nobody@opensmtpd.test" }} reject "550 5.1.1 no such mailbox"
filter "both" chain {{ "later", "nobody" }}
listen on {address} port {port} tls pki opensmtpd.test hostname opensmtpd.test filter "both"
action "kept" maildir "/var/mail/all" virtual <catch>
action "broken" mda "exit 77" virtual <catch>
action "plain" relay host smtp+notls://{clear} src {address} helo opensmtpd.test
table logins {{ "us" = "{account}:{password}" }}
action "away" relay host smtp+tls://us@{hop} tls no-verify auth <logins> src {address} helo opensmtpd.test
action "out" relay host smtp://{hop} src {address} helo opensmtpd.test
match from any for rcpt-to "full@opensmtpd.test" action "broken"
match from any for domain {{ "opensmtpd.test", "plain.opensmtpd.test" }} action "kept"
match from any for domain "away.test" action "away"
match from any for domain "plain.sender.test" action "plain"
match from any for any action "out"
"""


NOBODY = "nobody@nowhere.test\n"  # a table that was empty takes no entries later


def configure_opensmtpd(root, port, address, hop, clear):
    make_certificate(root, "opensmtpd.test", "etc/neighbour.pem", "etc/neighbour.key")
    write(root, "etc/later", NOBODY)
    write(root, "etc/smtpd.conf", OPENSMTPD.format(address=address, port=port, limit=LIMIT, hop=hop, clear=clear, account=ACCOUNT,
                                                  password=PASSWORD))


def hold_opensmtpd(root, on):
    write(root, "etc/later", "later@opensmtpd.test\n" if on else NOBODY)
    inside(root, "smtpctl", "update", "table", "later")


# --- Each by its name ----------------------------------------------------------------------------

CONFIGURE = {"postfix": configure_postfix, "exim": configure_exim, "opensmtpd": configure_opensmtpd}
HOLD = {"postfix": hold_postfix, "exim": hold_exim, "opensmtpd": hold_opensmtpd}
RETRY = {"exim": ("exim4", "-qqff"), "opensmtpd": ("smtpctl", "schedule", "all"), "postfix": ("postqueue", "-f")}
QUEUE = {"exim": ("exim4", "-bpc"), "opensmtpd": ("smtpctl", "show", "queue"), "postfix": ("postqueue", "-j")}


def configure(name, root, port, hop, clear):
    """After the peer's own configuration; `hop` and `clear` are HOST:PORT."""
    empty_mailbox(root)
    CONFIGURE[name](root, port, ADDRESSES[name], hop, clear)


def hold(name, root, on):
    """later@ is put off from now on, or no longer."""
    HOLD[name](root, on)


def retry(name, root):
    """What waits in its queue is tried now."""
    inside(root, *RETRY[name])


def waiting(name, root):
    """What its queue holds, in its own words; empty if nothing."""
    found = inside(root, *QUEUE[name]).strip()
    return "" if name == "exim" and found == "0" else found
