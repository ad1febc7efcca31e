#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""rspamd, as it is and with the configuration that Debian ships, is a milter of Relais: its proxy scans mail itself, and
each of its actions comes to what it should; it is told who the client is, over IPv4 and IPv6; a hundred sessions leave it no
connection. Our rules are a local.d and a rspamd.local.lua, as an administrator writes them; nothing leaves the machine."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import filters
import harness
import inbound

tap = harness.Tap()
post = inbound.Post()
FOUR, SIX, OTHER = "192.0.2.7", "2001:db8::7", "192.0.2.9"  # clients, of which SPF allows the first two
NAMED = "127.0.0.3"  # the laboratory's DNS names what is sent from: s1.sender.test
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
WORDS = ("soft", "mark", "subject", "discard", "quarantine")  # of X-Test, each a symbol TEST_WORD
LUA = """
for _, word in ipairs({%s}) do
  rspamd_config:register_symbol{
    name = 'TEST_' .. word:upper(), score = 0, type = 'normal',
    callback = function(task) return task:get_header('X-Test') == word end,
  }
end
""" % ", ".join("'%s'" % word for word in WORDS)
LOCAL = {
    "options.inc": 'dns { nameserver = ["127.0.0.1:%(dns)d:10"]; timeout = 0.5s; retransmits = 1; }\n'
                   'filters = "dkim,regexp"; disable_hyperscan = true;\n',
    "worker-proxy.inc": 'bind_socket = "%(home)s/socket mode=0600"; upstream "local" { default = yes; self_scan = yes; }\n',
    "worker-normal.inc": "enabled = false;\n",
    "worker-controller.inc": "enabled = false;\n",
    "force_actions.conf": 'rules {\n'
                          ' A { action = "soft reject"; expression = "TEST_SOFT"; message = "Come back later, says rspamd"; }\n'
                          ' B { action = "add header"; expression = "TEST_MARK"; }\n'
                          ' C { action = "rewrite subject"; subject = "[marked] %%s"; expression = "TEST_SUBJECT"; }\n'
                          ' D { action = "discard"; expression = "TEST_DISCARD"; }\n'
                          ' E { action = "quarantine"; expression = "TEST_QUARANTINE"; }\n}\n',
    "milter_headers.conf": 'use = ["authentication-results", "x-spam-level", "ours", "gone"]; skip_local = false; skip_authenticated = false;\n'
                           "custom {\n"
                           " ours = 'return function(task) return nil, {[\"X-Ours\"] = \"seen from \" .. tostring(task:get_from_ip()) .. \" \" .. tostring(task:get_hostname())}, {}, {} end';\n"
                           " gone = 'return function(task) return nil, {}, {[\"X-Gone\"] = 2}, {} end';\n}\n",
    "actions.conf": "discard = 1000; quarantine = 2000;\n",
    "dkim.conf": "check_local = true;\n",
}
# What asks, or is fetched, elsewhere.
OFF = ("asn", "dmarc", "fuzzy_check", "mx_check", "phishing", "rbl", "multimap", "maillist", "bayes_expiry", "emails", "url_redirector", "hfilter")


def start(rspamd, lab):
    values = {"dns": int(lab.facts["dns_port"]), "home": rspamd.home}
    for name, text in LOCAL.items():
        rspamd.write("local.d/" + name, text % values)
    for name in OFF:
        rspamd.write("local.d/%s.conf" % name, "enabled = false;\n")
    rspamd.write("rspamd.local.lua", LUA)
    share = filters.find("usr/share/rspamd")
    places = {"CONFDIR": filters.find("etc/rspamd"), "LOCAL_CONFDIR": rspamd.home, "RUNDIR": rspamd.home, "DBDIR": rspamd.home,
              "LOGDIR": rspamd.home, "SHAREDIR": share, "PLUGINSDIR": share + "/plugins", "RULESDIR": share + "/rules",
              "LUALIBDIR": share + "/lualib", "WWWDIR": share + "/www"}
    return rspamd.start("usr/bin/rspamd", "-f", "-i", "-c", places["CONFDIR"] + "/rspamd.conf",
                        *("--var=%s=%s" % place for place in places.items()), ready="socket")


def proxied(lab, client):
    """A session whose client has that address."""
    session = harness.Dialogue(lab.port, timeout=60)
    session.send("PROXY TCP%d %s %s 1000 25\r\n" % (6 if ":" in client else 4, client, "::1" if ":" in client else "127.0.0.1"))
    session.reply()
    session.ask("EHLO client.test")
    return session


def send(lab, data, client=FOUR):
    """The last reply."""
    session = proxied(lab, client)
    for command in ("MAIL FROM:<ann@signer.test>", "RCPT TO:<x@in.sender.test>", "DATA"):
        code, text = session.ask(command)
        if code >= 400:
            break
    else:
        session.send(data + b"\r\n.\r\n")
        code, text = session.reply()
    session.close()
    return "%d %s" % (code, text)


def deliver(lab, data, client=FOUR):
    said = send(lab, data, client)
    if not tap.equal(said[:3], "250", "it is taken"):
        tap.note(said)
    return inbound.arrived(lab, data)


def test_clean(lab, secret):
    for client, spf in ((FOUR, "pass"), (SIX, "pass"), (OTHER, "fail")):
        found = deliver(lab, inbound.sign(secret, post.message("ann@signer.test", "X-Gone: stays", "X-Gone: goes"), "signer.test"), client)
        tap.equal(filters.header(found, "X-Ours"), ["seen from " + client + " nil"], "our rule's field, with the client's address, which has no name")
        theirs = [line for line in inbound.results(found) if "dkim=pass" in line]
        tap.ok(len(theirs) == 1 and "spf=" + spf in theirs[0], "its results: dkim=pass, spf=" + spf, found)
        tap.equal(filters.header(found, "X-Gone"), ["stays"], "the second of two fields is removed")
    broken = inbound.sign(secret, post.message("ann@signer.test"), "signer.test").replace(b"Hello", b"Hallo")
    tap.ok(any("dkim=fail" in line for line in inbound.results(deliver(lab, broken))), "what was changed on the way is dkim=fail")
    large = post.message("ann@signer.test", body="line with some words in it\r\n" * 30000)
    found = deliver(lab, inbound.sign(secret, large, "signer.test"))
    tap.ok(any("dkim=pass" in line for line in inbound.results(found)), "a large one was shown octet for octet")


def test_name(lab):
    found = deliver(lab, post.message("ann@other.test"), NAMED)
    tap.equal(filters.header(found, "X-Ours"), ["seen from %s s1.sender.test" % NAMED], "a name that leads back is the client's")


def test_actions(lab):
    tap.equal(send(lab, post.message("ann@other.test", body=GTUBE + "\r\n")), "554 5.7.1 Gtube pattern", "GTUBE is refused with its text")
    tap.equal(send(lab, post.message("ann@other.test", "X-Test: soft")), "451 4.7.1 Come back later, says rspamd", "soft reject is put off, with its text")
    found = deliver(lab, post.message("ann@other.test", "X-Test: mark"))
    tap.equal(filters.header(found, "X-Spam"), ["Yes"], "add header")
    message = post.message("ann@other.test", "X-Test: subject")
    send(lab, message)
    mark = b"Subject: [marked] mail %d." % post.count
    found = lab.wait(lambda: next((found for _, found in lab.sunk() if mark in found), None), 30, "the rewritten subject")
    tap.equal(len(filters.header(found, "Subject")), 1, "rewrite subject: one subject, theirs")


def test_gone(lab):
    tap.equal(send(lab, post.message("ann@other.test", "X-Test: discard"))[:3], "250", "what it discards is taken")
    tap.equal(send(lab, post.message("ann@other.test", "X-Test: quarantine"))[:3], "250", "and what it quarantines")
    lab.wait(lambda: "quarantined by milter" in lab.ctl("--json", "queue", "list").stdout, 30, "the message that is held")
    deliver(lab, post.message("ann@other.test"))
    tap.ok(not any(b"X-Test: discard" in found or b"X-Test: quarantine" in found for _, found in lab.sunk()), "neither goes out")


def connections(rspamd):
    """Established ones of its workers, over its socket."""
    with open("/proc/net/unix") as file:
        return sum(line.split()[5] == "03" and line.rstrip().endswith(rspamd.path("socket")) for line in file)


def test_many(lab, rspamd, n):
    for i in range(n):
        session = proxied(lab, FOUR)
        session.ask("MAIL FROM:<a@signer.test>")
        if i % 2:
            session.ask("QUIT")
        session.close()
    lab.wait(lambda: connections(rspamd) == 0, 30, "the end of all connections")
    tap.ok(True, "%d sessions leave no connection" % n)
    open_one = proxied(lab, FOUR)
    tap.equal(connections(rspamd), 1, "and one that is open has one")
    open_one.close()


def main():
    filters.need(tap, "usr/bin/rspamd")
    with filters.Filters() as rspamd:
        secret, record = inbound.make_key(rspamd.home)
        zone = rspamd.write("zone", "k1._domainkey.signer TXT %s\nsigner TXT \"v=spf1 ip4:%s ip6:%s -all\"\n" % (record, FOUR, SIX))
        with harness.Lab("--module", "milter", "--zone", zone, "--source", NAMED, "--set", "listener.proxy=yes",
                         "--set", "milter-filter.rspamd.address=unix:" + rspamd.path("socket")) as lab:
            start(rspamd, lab)
            tap.case(test_clean, lab, secret)
            tap.case(test_name, lab)
            tap.case(test_actions, lab)
            tap.case(test_gone, lab)
            tap.case(test_many, lab, rspamd, 100)
            if tap.bad:
                tap.note(rspamd.read("rspamd.log")[-3000:])
            lab.clean(tap)
    tap.end()


main()
