# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed messages for test-verify.py: what is signed, by whom, how, and what happens to it on its way."""
import base64
import ctypes
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "example.org"
NOW = 1700000000
FROM = b"From: Ann <ann@example.org>\r\n"
DATE = b"Date: Tue, 24 Nov 2026 00:00:00 +0000\r\n"
HEAD = FROM + b"To: Bob <bob@example.net>\r\nSubject: a subject of words\r\n" + DATE + b"Message-ID: <1@example.org>\r\n"
LONG = b"References: " + b"\r\n ".join(b"<%s@example.org>" % (b"%04d" % i * 10) for i in range(24)) + b"\r\n"
LIST = (b"List-Unsubscribe: <https://example.org/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        b"List-Id: <l.example.org>\r\nSender: s@example.org\r\n")
MIME = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
MESSAGES = {
    "plain": HEAD + b"\r\nHello Bob, one two.\r\n\r\nAnn\r\n",
    "empty body": HEAD + b"\r\n",
    "blank lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "trailing blanks": HEAD + b"\r\nHello Bob. \t \r\n\r\n \r\n\r\n",
    "white space": HEAD + b"\r\n \t \r\n  \r\n",
    "folded": HEAD + LONG + b"X-Folded:\r\n\ta\r\n  b \r\n\r\nHello Bob, one two.\r\n",
    "folded subject": FROM + DATE + b"To: bob@example.net\r\nSubject: one\r\n two\t \r\n\tthree of words\r\n\r\nHello one two.\r\n",
    "long lines": HEAD + b"\r\n" + b"word " * 4000 + b"\r\nlast one two.\r\n",
    "many lines": HEAD + b"\r\n" + b"".join(b"line  %d\t one two \r\n" % i for i in range(9000)),
    "eight bits": HEAD + MIME + b"X-Name: \xc3\xa9\r\n\r\nGr\xc3\xbc\xc3\x9fe one two.\r\n",
    "list": HEAD + LIST + b"\r\nHello list, one two.\r\n",
    "dots": HEAD + b"\r\n.\r\n..\r\n.a one two\r\n",
    "odd spelling": b"fROM: ann@example.org\r\nSUBJECT:a subject of words\r\nto:bob@example.net\r\nDATE: Tue, 24 Nov 2026 00:00:00 +0000\r\n\r\nHello one two.\r\n",
    "subject without words": FROM + DATE + b"To: bob@example.net\r\nSubject:\r\n\r\nHello one two.\r\n",
    "twice the same field": HEAD + b"X-Part: a\r\nX-Part: b\r\nX-Part: c\r\n\r\nHello one two.\r\n",
}


# --- Keys ---------------------------------------------------------------------------------------

KEYS = [("r1", "RSA", 2048), ("r2", "RSA", 1024), ("r3", "RSA", 3072), ("r4", "RSA", 4096), ("r5", "RSA", 4104), ("short", "RSA", 768), ("e1", "ED25519", 0), ("e2", "ED25519", 0)]


def make_key(home, selector, algorithm, bits):
    path = os.path.join(home, selector + ".pem")
    more = ["-pkeyopt", "rsa_keygen_bits:%d" % bits] if bits else []
    subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", algorithm, "-out", path] + more, check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    public = der if algorithm == "RSA" else der[-32:]
    if algorithm == "RSA":
        # dkimpy and Mail::DKIM know PKCS#1 alone.
        subprocess.run(["openssl", "rsa", "-in", path, "-traditional", "-out", path + ".rsa"], check=True, capture_output=True)
    else:
        secret = subprocess.run(["openssl", "pkey", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout[-32:]
        with open(path + ".secret", "wb") as file:
            file.write(base64.b64encode(secret))
    return path, "v=DKIM1; k=%s; p=%s" % (algorithm.lower(), base64.b64encode(public).decode())


class Keys:
    def __init__(self, home):
        self.files, self.texts, self.records = {}, {}, list(PUBLISHED)
        for selector, algorithm, bits in KEYS:
            self.files[selector], text = make_key(home, selector, algorithm, bits)
            self.texts[selector] = text
            self.add(selector, text)

    def add(self, selector, text, domain=DOMAIN):
        self.records.append(("%s._domainkey.%s" % (selector, domain), text))

    def zone(self):
        return "\n".join("%s\tTXT\t%s" % record for record in self.records)

    def first(self, name):
        return next((text for known, text in self.records if known == name.lower().rstrip(".")), None)


# --- Signers ------------------------------------------------------------------------------------

def sign_dkimpy(keys, message, selector="r1", domain=DOMAIN, canon="relaxed/relaxed", headers=None, identity=None, length=False):
    import dkim
    header, body = canon.encode().split(b"/")
    algorithm = b"ed25519-sha256" if selector.startswith("e") else b"rsa-sha256"
    path = keys.files[selector] + (".secret" if selector.startswith("e") else ".rsa")
    names = [h.encode() for h in headers.split(":")] if headers else None
    with open(path, "rb") as file:
        secret = file.read()
    signer = dkim.DKIM(message, signature_algorithm=algorithm)
    signer.should_not_sign = set()  # what is signed is ours to say
    field = signer.sign(selector.encode(), domain.encode(), secret, identity=identity.encode() if identity else None,
                        canonicalize=(header, body), include_headers=names, length=length)
    return field + message


class OpenDkim:
    """libopendkim as signer, through its C interface."""
    SIMPLE, RELAXED, RSA_SHA256, ED25519 = 0, 1, 1, 2

    def __init__(self):
        self.lib = lib = ctypes.CDLL("libopendkim.so.11")
        pointer, text, size, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
        lib.dkim_init.restype = lib.dkim_sign.restype = pointer
        lib.dkim_init.argtypes = [pointer, pointer]
        lib.dkim_sign.argtypes = [pointer, text, pointer, text, text, text, number, number, number, ctypes.c_ssize_t, ctypes.POINTER(number)]
        lib.dkim_header.argtypes = lib.dkim_body.argtypes = [pointer, text, size]
        lib.dkim_eoh.argtypes = lib.dkim_free.argtypes = [pointer]
        lib.dkim_eom.argtypes = [pointer, pointer]
        lib.dkim_set_signer.argtypes = [pointer, text]
        lib.dkim_signhdrs.argtypes = [pointer, ctypes.POINTER(text)]
        lib.dkim_options.argtypes = [pointer, number, number, pointer, size]
        lib.dkim_getsighdr_d.argtypes = [pointer, size, ctypes.POINTER(text), ctypes.POINTER(size)]

    def library(self, ttl, flags):
        """One for a set of options: they are the library's, not the handle's."""
        library = self.lib.dkim_init(None, None)
        now, ttl, flags = ctypes.c_uint64(NOW), ctypes.c_uint64(ttl), ctypes.c_uint(flags)
        self.lib.dkim_options(library, 1, 8, ctypes.byref(now), ctypes.sizeof(now))
        if flags.value:
            self.lib.dkim_options(library, 1, 0, ctypes.byref(flags), ctypes.sizeof(flags))
        if ttl.value:
            self.lib.dkim_options(library, 1, 11, ctypes.byref(ttl), ctypes.sizeof(ttl))
        return library

    def sign(self, keys, message, selector="r1", domain=DOMAIN, canon="relaxed/relaxed", identity=None, ttl=0, flags=0, length=-1, headers=None):
        lib, status = self.lib, ctypes.c_int()
        with open(keys.files[selector], "rb") as file:
            pem = file.read()
        header, body = (self.RELAXED if part == "relaxed" else self.SIMPLE for part in canon.split("/"))
        algorithm = self.ED25519 if selector.startswith("e") else self.RSA_SHA256
        handle = lib.dkim_sign(self.library(ttl, flags), b"test", None, pem, selector.encode(), domain.encode(), header, body, algorithm, length,
                               ctypes.byref(status))
        if not handle:
            raise RuntimeError("dkim_sign: %d" % status.value)
        if identity:
            lib.dkim_set_signer(handle, identity.encode())
        if headers:
            names = [name.encode() for name in headers.split(":")]
            lib.dkim_signhdrs(handle, (ctypes.c_char_p * (len(names) + 1))(*names, None))
        head, rest = split(message)
        for field in fields_of(head):
            lib.dkim_header(handle, field[:-2], len(field) - 2)
        lib.dkim_eoh(handle)
        if rest:
            lib.dkim_body(handle, rest, len(rest))
        done = lib.dkim_eom(handle, None)
        text, size = ctypes.c_char_p(), ctypes.c_size_t()
        if done != 0 or lib.dkim_getsighdr_d(handle, 16, ctypes.byref(text), ctypes.byref(size)) != 0:
            raise RuntimeError("dkim_eom: %d" % done)
        field = b"DKIM-Signature: " + re.sub(b"\r?\n", b"\r\n", text.value[:size.value]) + b"\r\n"
        lib.dkim_free(handle)
        return field + message


class MailDkim:
    """perl's Mail::DKIM; it signs all that was asked for at once."""

    def __init__(self, home):
        self.home, self.jobs = home, []

    def sign(self, keys, message, selector="r1", domain=DOMAIN, canon="relaxed/relaxed", identity="", headers="", time="", expires=""):
        n = len(self.jobs)
        source, target = (os.path.join(self.home, "perl%d.%s" % (n, end)) for end in ("in", "out"))
        with open(source, "wb") as file:
            file.write(message)
        self.jobs.append([source, target, keys.files[selector] + ".rsa", selector, domain, canon, identity, headers, str(time), str(expires)])
        return target

    def run(self):
        path = os.path.join(self.home, "jobs")
        with open(path, "w") as file:
            file.write("\n".join("\t".join(job) for job in self.jobs))
        done = subprocess.run(["perl", os.path.join(HERE, "mail-dkim.pl"), "sign", path], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)


def sign_own(home, keys, sign, modules):
    """dkim.so itself, by way of the harness: two signatures on each message."""
    config, names = os.path.join(home, "own.conf"), [name for name, message in MESSAGES.items()]
    lines = ["[module dkim]\nenable = yes\n[tenant one]\ndomains = %s\n" % DOMAIN]
    for selector, canon in (("r1", "relaxed/relaxed"), ("e1", "simple/simple")):
        os.chmod(keys.files[selector], 0o600)
        lines.append("[dkim-key %s]\ndomain = %s\nselector = %s\ntenant = one\nfile = %s\ncanonicalization = %s\n"
                     % (selector, DOMAIN, selector, keys.files[selector], canon))
    with open(config, "w") as file:
        file.write("".join(lines))
    argv = [sign, modules, config, "one"]
    for i, name in enumerate(names):
        with open(os.path.join(home, "own%d.in" % i), "wb") as file:
            file.write(MESSAGES[name])
        argv += [os.path.join(home, "own%d.%s" % (i, end)) for end in ("in", "out")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    out = {}
    for i, name in enumerate(names):
        with open(os.path.join(home, "own%d.out" % i), "rb") as file:
            out["dkim.so: " + name] = file.read()
    return out


def sign_all(home, keys):
    """{name: bytes}, at least 40 of them."""
    opendkim, perl, out = OpenDkim(), MailDkim(home), {}

    def dkimpy(name, message, **options):
        out["dkimpy: " + name] = sign_dkimpy(keys, MESSAGES[message] if isinstance(message, str) else message, **options)

    def libopendkim(name, message, **options):
        out["opendkim: " + name] = opendkim.sign(keys, MESSAGES[message], **options)

    def mail_dkim(name, message, **options):
        out["Mail::DKIM: " + name] = perl.sign(keys, MESSAGES[message], **options)

    canons = ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]
    for canon in canons:
        dkimpy("plain " + canon, "plain", canon=canon)
        libopendkim("plain " + canon, "plain", canon=canon)
        mail_dkim("plain " + canon, "plain", canon=canon)
    for i, message in enumerate(m for m in MESSAGES if m != "plain"):
        dkimpy(message, message, canon=canons[i % 4])
        libopendkim(message, message, canon=canons[(i + 1) % 4])
        mail_dkim(message, message, canon=canons[(i + 2) % 4])
    for canon in canons:
        dkimpy("Ed25519 " + canon, "folded", selector="e1", canon=canon)
    for canon in canons[:2]:  # its Ed25519 signatures of simple headers are good for nobody
        libopendkim("Ed25519 " + canon, "trailing blanks", selector="e2", canon=canon)
    dkimpy("From oversigned", "plain", headers="from:from:to:subject:date")
    dkimpy("From alone", "plain", headers="from")
    dkimpy("each of three fields", "twice the same field", headers="from:x-part:x-part:date")
    dkimpy("identity of a subdomain", "plain", identity="x@mail.example.org")
    dkimpy("1024 bits", "plain", selector="r2")
    dkimpy("3072 bits", "plain", selector="r3")
    dkimpy("l= of all", "plain", length=True)
    libopendkim("x= far away", "plain", ttl=2000000000)
    libopendkim("z=", "folded", flags=0x10)
    libopendkim("identity", "plain", identity="ann@example.org")
    mail_dkim("identity of a subdomain", "plain", identity="ann@lists.example.org")
    mail_dkim("t= and x=", "plain", time=NOW, expires=4000000000)
    mail_dkim("many fields", "list", headers="from:list-id:sender:list-unsubscribe")
    perl.run()
    for name, value in out.items():
        if isinstance(value, str):
            with open(value, "rb") as file:
                out[name] = file.read()
    two = sign_dkimpy(keys, sign_dkimpy(keys, MESSAGES["plain"], selector="e1"), selector="r1", canon="simple/simple")
    out["two signatures"] = two
    three = opendkim.sign(keys, sign_dkimpy(keys, sign_dkimpy(keys, MESSAGES["folded"], selector="r2"), selector="r3", canon="simple/relaxed"))
    out["three signatures"] = three
    signed = sign_dkimpy(keys, MESSAGES["plain"], selector="r2")
    out["a signature that is signed"] = sign_dkimpy(keys, signed, headers="from:to:subject:date:dkim-signature")
    return out


# --- Published examples --------------------------------------------------------------------------

JOE = (b"From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\n"
       b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n")
GAME = b"\r\nHi.\r\n\r\nWe lost the game.%s Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC6376 = b"""DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
""".replace(b"\n", b"\r\n") + JOE + GAME % b""
RFC8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
""".replace(b"\n", b"\r\n") + JOE + GAME % b" "
PUBLISHED = [
    ("brisbane._domainkey.example.com",
     "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq63"
     "1uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"),
    ("brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    ("test._domainkey.football.example.com",
     "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb"
     "3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"),
]


# --- What happens on the way ----------------------------------------------------------------------

def split(message):
    head, gap, body = message.partition(b"\r\n\r\n")
    return (head + b"\r\n", body) if gap else (message, b"")


def fields_of(head):
    out = []
    for line in head.split(b"\r\n")[:-1]:
        if line[:1] in (b" ", b"\t"):
            out[-1] += line + b"\r\n"
        else:
            out.append(line + b"\r\n")
    return out


def edit_fields(message, change):
    head, body = split(message)
    return b"".join(change(fields_of(head))) + b"\r\n" + body


def edit_field(message, name, change):
    return edit_fields(message, lambda fields: [change(f) if f.lower().startswith(name + b":") else f for f in fields])


def edit_body(message, change):
    head, body = split(message)
    return head + b"\r\n" + change(body)


def is_signature(field):
    return field.lower().startswith(b"dkim-signature:")


def swap(fields):
    """The first two fields that are no signatures change places."""
    places = [i for i, field in enumerate(fields) if not is_signature(field)][:2]
    fields[places[0]], fields[places[1]] = fields[places[1]], fields[places[0]]
    return fields


def fold_subject(field):
    return field.replace(b"subject of", b"subject\r\n\tof", 1) if b"subject of" in field else field.replace(b":", b":\r\n ", 1)


def change_b(field):
    return re.sub(rb"(\sb=\s*)(.)", lambda m: m.group(1) + (b"A" if m.group(2) != b"A" else b"B"), field, 1)


MUTATIONS = {
    "as it was": lambda m: m,
    "another octet in the body": lambda m: edit_body(m, lambda b: b.replace(b"one", b"0ne", 1) if b"one" in b else b"x" + b),
    "a line more": lambda m: edit_body(m, lambda b: b + b"one more\r\n"),
    "empty lines at the end": lambda m: edit_body(m, lambda b: b + b"\r\n\r\n"),
    "two blanks for one": lambda m: edit_body(m, lambda b: b.replace(b"one two", b"one  two", 1)),
    "blanks at a line's end": lambda m: edit_body(m, lambda b: b.replace(b"two.\r\n", b"two. \t\r\n", 1)),
    "the body cut": lambda m: edit_body(m, lambda b: b[:len(b) // 2] + b"\r\n"),
    "another octet in Subject": lambda m: edit_field(m, b"subject", lambda f: f.replace(b"\r\n", b"x\r\n", 1)),
    "Subject folded": lambda m: edit_field(m, b"subject", fold_subject),
    "Subject in capitals": lambda m: edit_field(m, b"subject", lambda f: b"SUBJECT" + f[7:]),
    "blanks in To": lambda m: edit_field(m, b"to", lambda f: f.replace(b"\r\n", b"  \r\n", 1)),
    "a second From": lambda m: b"From: Eve <eve@example.com>\r\n" + m,
    "a second Subject below": lambda m: edit_fields(m, lambda fields: fields + [b"Subject: buy\r\n"]),
    "To taken out": lambda m: edit_fields(m, lambda fields: [f for f in fields if not f.lower().startswith(b"to:")]),
    "fields change places": lambda m: edit_fields(m, swap),
    "a field nobody signed": lambda m: edit_fields(m, lambda fields: fields + [b"X-Seen: yes\r\n"]),
    "Received on top": lambda m: b"Received: from a by b;\r\n Tue, 24 Nov 2026 00:00:00 +0000\r\n" + m,
    "another octet in b=": lambda m: edit_fields(m, lambda fields: [change_b(f) if is_signature(f) else f for f in fields]),
    "the signature folded": lambda m: edit_fields(m, lambda fields: [f.replace(b"; ", b";\r\n  ", 1) if is_signature(f) else f for f in fields]),
    "another selector": lambda m: edit_fields(m, lambda fields: [re.sub(rb"([; \t])s=\s*\w+", rb"\1s=none", f, 1) if is_signature(f) else f for f in fields]),
    "Date taken out": lambda m: edit_fields(m, lambda fields: [f for f in fields if not f.lower().startswith(b"date:")]),
}
