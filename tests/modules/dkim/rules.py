# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of ours for test-verify.py: messages, some of them made to hurt, with the results that dkim.so has to give."""
import base64
import re
import subprocess

import corpus
from corpus import DOMAIN, FROM, HEAD, MESSAGES, edit_body, edit_field, edit_fields, is_signature, sign_dkimpy

PLAIN = MESSAGES["plain"]


class Rule:
    """`wanted`: (result, words of the reason or None) of each result in the order of Authentication-Results."""

    def __init__(self, name, message, wanted, lookups=None, zone=(), first=None):
        self.name, self.message, self.wanted, self.lookups, self.zone, self.first = name, message, wanted, lookups, zone, first


def tag(message, name, value):
    """The signature with another value of a tag (None: without it; a new one goes to the front)."""
    def change(field):
        head, _, rest = field.partition(b":")
        tags = [t.strip() for t in rest.split(b";") if t.strip()]
        kept = [t for t in tags if not t.startswith(name + b"=")]
        if value is not None:
            kept.insert(1 if kept and kept[0].startswith(b"v=") else 0, name + b"=" + value)
        return head + b": " + b"; ".join(kept) + b"\r\n"
    return edit_fields(message, lambda fields: [change(f) if is_signature(f) else f for f in fields])


def txt(selector, text, domain=DOMAIN):
    return "%s._domainkey.%s\tTXT\t%s" % (selector, domain, text)


def pkcs1(keys, selector):
    der = subprocess.run(["openssl", "rsa", "-in", keys.files[selector], "-RSAPublicKey_out", "-outform", "DER"], check=True, capture_output=True).stdout
    return base64.b64encode(der).decode()


def signature_rules(keys, good):
    """What a signature says."""
    yield Rule("no signature", PLAIN, [("none", None)], 0)
    yield Rule("a signature", good, [("pass", None)], 1, first={"header.d": DOMAIN, "header.s": "r1", "header.a": "rsa-sha256", "header.i": "@" + DOMAIN})
    yield Rule("no list of tags", b"DKIM-Signature: what?\r\n" + PLAIN, [("neutral", "no list of tags")], 0)
    yield Rule("an empty field", b"DKIM-Signature:\r\n" + PLAIN, [("neutral", "no list of tags")], 0)
    for name, words in ((b"v", "no v="), (b"a", "no a="), (b"b", "no b="), (b"bh", "no bh="), (b"d", "no d="), (b"s", "no s="), (b"h", "no h=")):
        yield Rule("without %s=" % name.decode(), tag(good, name, None), [("neutral", words)], 0)
    for name, value, words in ((b"v", b"2", "v= is not 1"), (b"a", b"rsa-md5", "a= is no"), (b"c", b"relaxed/nofws", "c= is no"), (b"c", b"Relaxed", "c= is no"),
                               (b"q", b"http", "q= names no"), (b"t", b"now", "t= is no"), (b"x", b"-1", "x= is no"), (b"l", b"all", "l= is no"),
                               (b"d", b"exa mple.org", "d= is no"), (b"d", b"org", "d= is no"), (b"d", b"example.org.", "d= is no"), (b"s", b"r 1", "s= is no"),
                               (b"s", b"r1..x", "s= is no"), (b"h", b"from:a b", "h= is no"), (b"h", b"from::to", "h= is no"), (b"b", b"!!!!", "b= is not"),
                               (b"bh", b"AAAA", "bh= is not"), (b"i", b"x@example.com", "another domain"), (b"i", b"x@notexample.org", "another domain"),
                               (b"i", b"example.org", "no domain"), (b"i", b"a=@example.org", "not well-formed"),
                               (b"i", b"@example.org=", "not well-formed"), (b"i", b"@example.org=4", "not well-formed"), (b"i", b"=zz@example.org", "not well-formed"), (b"xb", b"1", "not known"), (b"n", b"gr\xc3\xbcn", "not in ASCII")):
        yield Rule("%s=%s" % (name.decode(), value.decode()), tag(good, name, value), [("neutral", words)], 0)
    yield Rule("a tag twice", good.replace(b"v=1;", b"v=1; v=1;", 1), [("neutral", "no list of tags")], 0)
    yield Rule("x= before t=", tag(tag(good, b"t", b"2000000000"), b"x", b"1900000000"), [("neutral", "not after")], 0)
    yield Rule("x= is over", tag(tag(good, b"t", b"1000000000"), b"x", b"1000000001"), [("policy", "has expired")], 0)
    yield Rule("t= is to come", tag(good, b"t", b"4000000000"), [("policy", "from the future")], 0)
    yield Rule("From is not signed", tag(good, b"h", b"to:subject:date"), [("policy", "From is not signed")], 0)
    yield Rule("rsa-sha1", tag(tag(good, b"a", b"rsa-sha1"), b"bh", b"2jmj7l5rSw0yVb/vlWAYkK/YBwk="), [("policy", "rsa-sha1")], 0)
    yield Rule("256 names", sign_dkimpy(keys, PLAIN, headers="from:" + ":".join("x" * 3 + "%d" % (i + 100) for i in range(255))), [("pass", None)], 1)
    yield Rule("257 names", sign_dkimpy(keys, PLAIN, headers="from:" + ":".join("x" * 3 + "%d" % (i + 100) for i in range(256))),
               [("neutral", "too many fields")], 0)
    yield Rule("a signature of 32 KiB", tag(good, b"z", b"x" * 33000), [("neutral", "too large")], 0)
    yield Rule("unknown tags are not minded", sign_dkimpy(keys, PLAIN), [("pass", None)], 1)


def body_rules(keys, good):
    length = sign_dkimpy(keys, PLAIN, length=True)
    yield Rule("l= of all", length, [("pass", None)])
    yield Rule("l= of a part", edit_body(length, lambda b: b + b"and more\r\n"), [("policy", "l= leaves")])
    yield Rule("l= of more than there is", edit_body(length, lambda b: b[:8] + b"\r\n"), [("permerror", "")])
    nothing = corpus.OpenDkim().sign(keys, PLAIN, flags=4, length=0)
    yield Rule("l= of nothing", nothing, [("policy", "l= leaves")])
    yield Rule("another body", edit_body(good, lambda b: b"x" + b), [("fail", "body is not the one")])
    yield Rule("no line end at the end", good[:-2], [("pass", None)])
    yield Rule("a bare LF", edit_body(good, lambda b: b.replace(b"\r\n", b"\n", 1)), [("permerror", "no line end")])
    yield Rule("a bare CR", edit_body(good, lambda b: b.replace(b"one", b"o\rne", 1)), [("permerror", "no line end")])
    yield Rule("a bare CR at the end", good + b"\r", [("permerror", "no line end")])
    yield Rule("CRLF on the edge of pieces", *edge(keys))
    yield Rule("NUL in the body", edit_body(good, lambda b: b.replace(b"one", b"o\0ne", 1)), [("fail", "body is not the one")])


def edge(keys):
    """A line end on each place about the piece of 64 KiB that is read at once."""
    body = b"".join(b"%s\r\n" % (b"x" * (65536 - 2 - k)) for k in (1, 0, 2)) + b"end \r\n\r\n"
    return sign_dkimpy(keys, HEAD + b"\r\n" + body, canon="relaxed/simple"), [("pass", None)]


def header_rules(keys, good):
    yield Rule("two From", FROM + good, [("permerror", "2 fields From")], 0)
    yield Rule("no From", edit_fields(good, lambda fields: [f for f in fields if not f.startswith(b"From")]), [("permerror", "no field From")], 0)
    yield Rule("no Date", edit_fields(good, lambda fields: [f for f in fields if not f.startswith(b"Date")]), [("permerror", "no field Date")], 0)
    for name in (b"To", b"Subject", b"Date", b"Cc", b"Sender", b"Reply-To", b"Message-ID", b"In-Reply-To", b"References", b"Bcc"):
        twice = edit_fields(good, lambda fields: fields + [name + b": x\r\n"] * 2)
        yield Rule("two fields %s" % name.decode(), twice, [("permerror", "fields " + name.decode())], 0)
    yield Rule("a line that is no field", edit_fields(good, lambda fields: fields + [b"From : eve@example.com\r\n"]), [("permerror", "no field")], 0)
    for what, octet in (("NUL", b"\0"), ("VT", b"\v"), ("FF", b"\f")):
        yield Rule("%s in a signed field" % what, edit_field(good, b"subject", lambda f: f.replace(b"words", b"wor" + octet + b"ds")),
                   [("permerror", "must not stand")])
    for value in (b"nobody", b"", b"<>", b"a@b@c <", b'"', b"((((", b"x: a@b, c@d;", b"\\"):
        changed = edit_field(good, b"from", lambda f: b"From: " + value + b"\r\n")
        yield Rule("From: %r" % value, changed, [("permerror|fail", "")])
    # libopendkim writes behind its list of fields when all of them are named, and one more.
    for n in range(1, 12):
        small = FROM + corpus.DATE + b"".join(b"X-%d: y\r\n" % i for i in range(n)) + b"\r\nHi.\r\n"
        names = "from:date:" + ":".join("x-%d" % i for i in range(n))
        yield Rule("all of %d fields are named" % (n + 3), sign_dkimpy(keys, small, headers=names + ":from:date:to:cc"), [("pass", None)])
        # Nobody takes one that names itself.
        yield Rule("the signature and all of %d fields are named" % (n + 3), sign_dkimpy(keys, small, headers=names + ":dkim-signature:from:date:to:cc"),
                   [("fail", "does not fit")])


def key_rules(keys, good, rsa):
    """What the DNS says. `good` is signed by selector r1, whose record is given here each time."""
    r1 = lambda *texts: ["r1._domainkey.%s\tTXT\t%s" % (DOMAIN, text) for text in texts]
    p = rsa.partition("p=")[2]
    yield Rule("no such name", sign_dkimpy(keys, PLAIN, selector="r3").replace(b"s=r3", b"s=gone"), [("permerror", "no such name")], 1)
    yield Rule("a name without TXT", good, [("permerror", "no TXT record")], 1, zone=["r1._domainkey.%s\tA\t192.0.2.1" % DOMAIN])
    yield Rule("no answer in time", good, [("temperror", "timeout")], 1, zone=["r1._domainkey.%s\tFAIL\ttimeout" % DOMAIN])
    yield Rule("SERVFAIL", good, [("temperror", "SERVFAIL")], 1, zone=["r1._domainkey.%s\tFAIL\tSERVFAIL" % DOMAIN])
    for what, text, result, words in (
            ("without v= and k=", "p=" + p, "pass", None), ("with spaces in p=", "v=DKIM1; p=" + p[:50] + " " + p[50:], "pass", None),
            ("with notes in UTF-8", "v=DKIM1; n=cl\u00e9; p=" + p, "pass", None), ("as PKCS#1", "v=DKIM1; p=" + pkcs1(keys, "r1"), "pass", None),
            ("for SHA-1 and SHA-256", "v=DKIM1; h=sha1:sha256; p=" + p, "pass", None), ("for mail", "v=DKIM1; s=email; p=" + p, "pass", None),
            ("for tests", "v=DKIM1; t=y; p=" + p, "pass", "marked as a test"), ("for all hosts", "v=DKIM1; t=x:s; p=" + p, "pass", None),
            ("revoked", "v=DKIM1; p=", "permerror", "revoked"), ("without p=", "v=DKIM1; k=rsa", "permerror", "no p="),
            ("for SHA-1", "v=DKIM1; h=sha1; p=" + p, "permerror", "SHA-256"), ("not for mail", "v=DKIM1; s=tlsrpt; p=" + p, "permerror", "allow mail"),
            ("of another version", "v=DKIM2; p=" + p, "permerror", "version"), ("with v= not first", "p=" + p + "; v=DKIM1", "permerror", "version"),
            ("of another kind", "v=DKIM1; k=dsa; p=" + p, "permerror", "not known"), ("that is none", "v=spf1 -all", "permerror", "no p="),
            ("with a tag twice", "v=DKIM1; p=%s; p=%s" % (p, p), "permerror", "no list of tags"), ("not in base64", "v=DKIM1; p=" + p[:-2] + "?=", "permerror", "base64"),
            ("that is cut", "v=DKIM1; p=" + p[:100], "permerror", "RSA key"), ("of Ed25519", keys.texts["e1"], "permerror", "another type"),
            ("of Ed25519, short", "v=DKIM1; k=ed25519; p=AAAA", "permerror", "Ed25519 key"), ("of another", keys.texts["r2"], "fail", "does not fit"),
            ("that is too large", "v=DKIM1; n=%s; p=%s" % ("x" * 4096, p), "permerror", "too large"), ("empty", " ", "permerror", "no list of tags")):
        yield Rule("a record " + what, good, [(result, words)], 1, zone=r1(text))
    short = sign_dkimpy(keys, PLAIN, selector="r2").replace(b"s=r2", b"s=r2", 1)
    yield Rule("1024 bits", short, [("pass", None)], 1)
    yield Rule("768 bits", sign_dkimpy(keys, PLAIN, selector="short"), [("policy", "fewer than 1024")], 1)
    yield Rule("4096 bits", sign_dkimpy(keys, PLAIN, selector="r4"), [("pass", None)], 1)
    yield Rule("more than 4096 bits", sign_dkimpy(keys, PLAIN, selector="r5"), [("policy", "more than 4096")], 1)
    sub = sign_dkimpy(keys, PLAIN, identity="x@mail.example.org")
    yield Rule("i= of a subdomain", sub, [("pass", None)], 1, zone=r1(rsa), first={"header.i": "x@mail.example.org"})
    yield Rule("i= of a subdomain, t=s", sub, [("permerror", "subdomain")], 1, zone=r1("v=DKIM1; t=s; p=" + p))
    # Several records at one name: all are tried, up to four.
    yield Rule("the second record", good, [("pass", None)], 1, zone=r1("v=spf1 -all", rsa))
    yield Rule("a revoked and a good one", good, [("pass", None)], 1, zone=r1("v=DKIM1; p=", rsa))
    yield Rule("the fourth record", good, [("pass", None)], 1, zone=r1(keys.texts["r2"], keys.texts["r3"], keys.texts["r2"], rsa))
    yield Rule("the fifth record", good, [("fail", None)], 1, zone=r1(keys.texts["r2"], keys.texts["r3"], keys.texts["r2"], keys.texts["r3"], rsa))
    both = sign_dkimpy(keys, PLAIN, selector="e1").replace(b"s=e1", b"s=e1", 1)
    yield Rule("two kinds of key at one selector", both, [("pass", None)], 1, zone=["e1._domainkey.%s\tTXT\t%s" % (DOMAIN, t) for t in (rsa, keys.texts["e1"])])


def many_rules(keys, good):
    field = corpus.fields_of(corpus.split(good)[0])[0]
    yield Rule("10 signatures", field * 10 + PLAIN, [("pass", None)] * 10, 1)
    yield Rule("11 signatures", field * 11 + PLAIN, [("pass", None)] * 10 + [("policy", "1 signatures more")], 1)
    hostile = b"".join(re.sub(rb"s=r1", b"s=q%d" % i, field, 1) for i in range(1000))
    yield Rule("1000 signatures, each with a key of its own", hostile + PLAIN,
               [("permerror", "no such name")] * 10 + [("policy", "990 signatures more")], 10)
    other = sign_dkimpy(keys, sign_dkimpy(keys, PLAIN, selector="r2", domain="example.net"))
    zone = [txt("r2", keys.texts["r2"], "example.net")]
    yield Rule("the one of From's domain decides", sign_dkimpy(keys, other, selector="r2", domain="example.net"),
               [("pass", None)] * 3, 2, zone=zone, first={"header.d": DOMAIN})
    spoilt = re.sub(rb"s=r1", b"s=gone", field, 1) + good
    yield Rule("a pass decides", spoilt, [("pass", None), ("permerror", "no such name")], 2)
    late = ["late._domainkey.%s\tFAIL\ttimeout" % DOMAIN]
    yield Rule("what may yet pass decides over what cannot", re.sub(rb"s=r1", b"s=gone", field, 1) + re.sub(rb"s=r1", b"s=late", field, 1) + PLAIN,
               [("temperror", "timeout"), ("permerror", "no such name")], 2, zone=late)
    signed = sign_dkimpy(keys, sign_dkimpy(keys, PLAIN, selector="r2"), headers="from:date:dkim-signature")
    yield Rule("a signature that is signed", signed, [("pass", None)] * 2, 2)
    spoilt = tag(good, b"i", b"@example.org=")
    both = sign_dkimpy(keys, spoilt, headers="from:date:dkim-signature")
    yield Rule("something else that is signed as a signature", both, [("permerror", "signature that is none"), ("neutral", "not well-formed")], 1)
    yield Rule("a signature that is signed, among too many", signed.replace(b"\r\nFrom:", b"\r\n" + field * 9 + b"From:", 1),
               [("pass", None)] * 9 + [("policy", "too many")] + [("policy", "1 signatures more")])


def all_rules(keys):
    good = sign_dkimpy(keys, PLAIN)
    yield Rule("RFC 6376 appendix A", corpus.RFC6376, [("pass", None)], 1, first={"header.d": "example.com", "header.i": "joe@football.example.com", "header.b": "AuUoFEfD"})
    yield Rule("RFC 8463 appendix A", corpus.RFC8463, [("pass", None)] * 2, 2, first={"header.a": "ed25519-sha256", "header.s": "brisbane"})
    for rules in (signature_rules(keys, good), body_rules(keys, good), header_rules(keys, good), key_rules(keys, good, keys.texts["r1"]),
                  many_rules(keys, good)):
        yield from rules
