#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spf-check, dkim and dmarc together, from the wire to the header: one Authentication-Results with all three results however
many were forged, in the message and in the accepted event; a policy that is enforced and one that is not; what a
trusted client sends is not judged; `relaisctl dmarc test`. Other clients than 127.0.0.1 are not trusted by the laboratory."""
import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "modules/spf-check")]
import harness
import inbound
import suite
import zonedns

tap = harness.Tap()
HOME = tempfile.mkdtemp(prefix="relais-dmarc-")
post = inbound.Post()


def make_zone(data):
    """Below test.: author.test is hard, with a subdomain that signs; other.test sends from 127.0.0.2, too."""
    path = os.path.join(HOME, "zone")
    with open(path, "w") as file:
        file.write('_dmarc.author TXT "v=DMARC1; p=reject; sp=quarantine"\n'
                   'bounce.author TXT "v=spf1 ip4:127.0.0.2 -all"\n'
                   "k1._domainkey.news.author TXT %s\n"
                   'other TXT "v=spf1 ip4:127.0.0.2 -all"\n'
                   '_dmarc.twice TXT "v=DMARC1; p=none"\n_dmarc.twice TXT "v=DMARC1; p=reject"\n'
                   '_dmarc.odd TXT "v=DMARC1; " "p=rejct"\n' % data)
    return path


def deliver(lab, data, sender="b@other.test", client="127.0.0.2"):
    return inbound.deliver(lab, data, sender, client)


def sign(secret, data):
    return inbound.sign(secret, data, "news.author.test")


def results_of(field):
    return dict(re.findall(r"\b(spf|dkim|dmarc)=([a-z]+)", field))


def test_together(lab, secret):
    for n in (0, 1, 50):
        forged = ["Authentication-Results: relais.TEST; dmarc=pass header.from=bank.test"] * n
        found = deliver(lab, sign(secret, post.message("ann@author.test", *forged)))
        tap.ok(len(found) == 1 and found[0].startswith("relais.test;"), "%d forged: one field, ours" % n, found)
        tap.equal(results_of(found[0]), {"spf": "pass", "dkim": "pass", "dmarc": "pass"}, "with the results of all three")
    tap.ok("dmarc=pass header.from=author.test polrec.p=reject" in found[0], "a signature of the organisation vouches for the author", found)
    tap.ok(lab.ctl("counters").stdout.count("dmarc") >= 1, "and it is counted")
    events = [event for event in lab.events() if event.get("type") == "accepted"]
    tap.equal(events[-1].get("auth"), "dkim=pass spf=pass dmarc=pass", "the event of its acceptance has them")


def test_alignment(lab):
    found = deliver(lab, post.message("ann@author.test"), sender="b@bounce.author.test")
    tap.equal(results_of(found[0]), {"spf": "pass", "dkim": "none", "dmarc": "pass"}, "an aligned envelope sender is enough")
    found = deliver(lab, post.message("ann@author.test"))
    tap.equal(results_of(found[0]), {"spf": "pass", "dkim": "none", "dmarc": "fail"}, "a stranger's is not; nothing is enforced unless told to")
    found = deliver(lab, post.message("ann@other.test"))
    tap.equal(results_of(found[0])["dmarc"], "none", "no record, no judgement")
    found = deliver(lab, post.message("ann@author.test"), client="127.0.0.1")
    tap.ok(not any("dmarc=" in field for field in found), "a trusted client's mail is not judged", found)
    found = deliver(lab, post.message("ann@other.test>, Bob <bob@author.test"))
    tap.ok('dmarc=none reason="no single author"' in found[0], "two authors: nobody to ask about, which is told", found)


def refusal(lab, data):
    try:
        inbound.send(lab, data, "b@other.test", "127.0.0.2")
    except smtplib.SMTPDataError as error:
        return "%d %s" % (error.smtp_code, error.smtp_error.decode())
    return None


def test_enforced(lab, secret):
    said = refusal(lab, post.message("ann@author.test"))
    tap.ok(said is not None and said.startswith("550 5.7.26 ") and "author.test" in said, "p=reject: refused, with the domain", said)
    tap.equal(refusal(lab, post.message("ann@shop.author.test")), None, "sp=quarantine: taken")
    lab.wait(lambda: "quarantined by dmarc" in lab.ctl("--json", "queue", "list").stdout, 30, "the message that is held")
    tap.ok(True, "and held")
    tap.equal(results_of(deliver(lab, sign(secret, post.message("ann@author.test")))[0])["dmarc"], "pass", "what is vouched for passes")


def test_no_author(lab):
    """Whom no policy can be asked for: refused where that is configured; without it, see test_alignment."""
    for what, data in (("two authors", post.message("ann@other.test>, Bob <bob@author.test")),
                       ("no From field", post.message("ann@other.test").replace(b"From: ", b"X-From: "))):
        said = refusal(lab, data)
        tap.ok(said is not None and said.startswith("550 5.7.1 ") and "DMARC" in said, "%s: refused" % what, said)


def test_published(lab):
    """`relaisctl dmarc test` by the laboratory's own DNS."""
    def test(domain):
        done = lab.ctl("--json", "dmarc", "test", domain, check=False)
        row = json.loads(done.stdout.splitlines()[0])
        return row["name"], row["state"], row["policy"], row["publish"], done.returncode

    tap.equal(lab.rows("dmarc", "test", "sender.test"),
              [{"name": "_dmarc.sender.test", "policy": "reject", "state": "good", "reason": None, "publish": None}], "dmarc test: our policy is published")
    tap.equal(test("news.author.test"), ("_dmarc.author.test", "good", "quarantine", None, 0), "one that stands above, as it is meant below")
    proposed = "v=DMARC1; p=none; rua=mailto:postmaster@other.test"
    tap.equal(test("other.test"), ("_dmarc.other.test", "missing", None, proposed, 1), "none: what to publish at least")
    done = lab.ctl("dmarc", "test", "other.test", check=False)
    tap.ok("Publish at _dmarc.other.test as TXT:\n" + proposed in done.stdout and "1 of 1 records" in done.stderr, "the same for people", done.stdout + done.stderr)
    tap.equal([test(name + ".test")[1] for name in ("twice", "odd")], ["ambiguous", "unusable"], "other states")
    tap.equal([lab.ctl("dmarc", "test", *words, check=False).returncode for words in ((), ("a.test", "b.test"), ("no name",))], [2, 2, 2], "usage")


def test_published_late():
    """What is not known is not missing; the daemon ends while a call waits."""
    server = zonedns.Server(suite.Zone({"_dmarc.lost.test": ["TIMEOUT"]}), silent=("silent.test", "late.test"))
    with harness.Lab("--module", "dmarc", "--set", "dns.server=127.0.0.1@%d" % server.port) as lab:
        for domain, name in (("lost.test", "_dmarc.lost.test"), ("a.lost.test", "_dmarc.lost.test"), ("late.test", "_dmarc.late.test")):
            done = lab.ctl("--json", "dmarc", "test", domain, check=False)
            row = json.loads(done.stdout.splitlines()[0])
            tap.equal((row["name"], row["state"], row["publish"], done.returncode), (name, "unknown", None, 1), "%s: not missing" % domain)
        call = subprocess.Popen([lab.facts["relaisctl"], "dmarc", "test", "silent.test"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait(lambda: ("_dmarc.silent.test", "TXT") in server.asked, 20, "the question")
        lab.clean(tap)
        tap.ok(call.wait(60) != 0, "the daemon ends though a call waits, and so does that")


def main():
    secret, data = inbound.make_key(HOME)
    arguments = ["--module", "spf-check", "--module", "dkim", "--module", "dmarc", "--zone", make_zone(data)]
    try:
        with harness.Lab(*arguments) as lab:
            tap.case(test_together, lab, secret)
            tap.case(test_alignment, lab)
            tap.case(test_published, lab)
            lab.clean(tap)
        with harness.Lab(*arguments, "--set", "dmarc.enforce=reject", "--set", "dmarc.no_author=reject") as lab:
            tap.case(test_enforced, lab, secret)
            tap.case(test_no_author, lab)
            lab.clean(tap)
        tap.case(test_published_late)
    finally:
        subprocess.run(["rm", "-rf", HOME], check=False)
    tap.end()


main()
