#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""dkim.so's signatures as others see them: bodies and headers of the kinds that broke other signers, signed
through the harness by four keys at once, verified by dkimpy and by libopendkim with the records from
memory. Also who gets no signature. TAP."""
import base64
import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
SIGN = os.path.join(BUILD, "tests/modules/dkim/sign")
MODULES = os.path.join(BUILD, "modules/dkim/.libs")
CONTINUE, DEFER = 0, 6
KEYS = [  # selector, algorithm, canonicalization
    ("r1", "RSA", "relaxed/relaxed"),
    ("r2", "RSA", "simple/simple"),
    ("e1", "ED25519", "relaxed/simple"),
    ("e2", "ED25519", "simple/relaxed"),
]
FROM = b"From: A <a@example.org>\r\n"
BASE = FROM + b"To: b@example.net\r\nSubject: s\r\nDate: Tue, 24 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
LONG = b"References: " + b"\r\n ".join(b"<%s@example.org>" % (b"%04d" % i * 10) for i in range(24)) + b"\r\n"
MESSAGES = {
    "a plain body": BASE + b"\r\nHi.\r\n",
    "an empty body": BASE + b"\r\n",
    "a header alone": BASE,
    "a body of white space": BASE + b"\r\n \t \r\n  \r\n",
    "a body of empty lines": BASE + b"\r\n\r\n\r\n\r\n",
    "leading dots": BASE + b"\r\n.\r\n..\r\n.a\r\n",
    "no final line end": BASE + b"\r\nHi.\r\nno end",
    "trailing blank lines": BASE + b"\r\nHi. \t \r\n\r\n \r\n\r\n",
    "a megabyte of short lines": BASE + b"\r\n" + b"".join(b"line  %d\t \r\n" % i for i in range(80000)),
    "folded fields": BASE + LONG + b"X-Folded:\r\n\ta\r\n  b \r\n\r\nHi.\r\n",
    "a folded Subject": FROM + b"Subject: one\r\n two\t \r\n\tthree\r\n\r\nHi.\r\n",
    "fields that stand twice": FROM + b"To: b@example.net\r\nTo: c@example.net\r\nSubject: s\r\nSubject: t\r\n\r\nHi.\r\n",
    "odd spelling": b"fROM: a@example.org\r\nSUBJECT:s\r\nmime-version: 1.0\r\nContent-type: text/plain\r\n\r\nHi.\r\n",
    "eight-bit octets": BASE + b"X: \xc3\xa9\r\n\r\n\xc3\xa9\xff\x00\x01\r\n",
    "list fields": BASE + b"List-Unsubscribe: <https://example.org/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                   b"List-Id: <l.example.org>\r\nSender: s@example.org\r\n\r\nHi.\r\n",
}


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def case(self, good, name, skip=None, why=""):
        self.n += 1
        self.bad += not good
        print("%sok %d - %s%s" % ("" if good else "not ", self.n, name, " # SKIP " + skip if skip else ""))
        if not good:
            print("# " + str(why).replace("\n", "\n# "))

    def end(self):
        print("1..%d" % self.n)
        sys.exit(1 if self.bad else 0)


def make_keys(home):
    """Key files, the configuration, and the records as {name: text}."""
    lines, records = ["[module dkim]\nenable = yes\n[tenant one]\ndomains = example.org\n"], {}
    for selector, algorithm, canon in KEYS:
        path = os.path.join(home, selector + ".pem")
        bits = ["-pkeyopt", "rsa_keygen_bits:2048"] if algorithm == "RSA" else []
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", algorithm, "-out", path] + bits, check=True, capture_output=True)
        os.chmod(path, 0o600)
        der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        public = der if algorithm == "RSA" else der[-32:]
        records["%s._domainkey.example.org" % selector] = "v=DKIM1; k=%s; p=%s" % (algorithm.lower(), base64.b64encode(public).decode())
        lines.append("[dkim-key %s]\ndomain = example.org\nselector = %s\ntenant = one\nfile = %s\ncanonicalization = %s\n"
                     % (selector, selector, path, canon))
    return "".join(lines), records


def sign(home, config, tenant, messages):
    """(verdict, text, bytes) of each message."""
    with open(os.path.join(home, "config"), "w") as file:
        file.write(config)
    argv = [SIGN, MODULES, os.path.join(home, "config"), tenant]
    for i, message in enumerate(messages):
        with open(os.path.join(home, "in%d" % i), "wb") as file:
            file.write(message)
        argv += [os.path.join(home, "in%d" % i), os.path.join(home, "out%d" % i)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return done.stderr
    out = []
    for i, line in enumerate(done.stdout.splitlines()):
        verdict, _, text = line.partition(" ")
        out.append((int(verdict), text, open(os.path.join(home, "out%d" % i), "rb").read()))
    return out


def dkimpy_verdicts(message, records):
    import dkim
    verdicts = {}
    for i in range(len(KEYS)):
        verifier = dkim.DKIM(message)
        try:
            good = verifier.verify(idx=i, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode())
        except dkim.DKIMException as trouble:
            good = str(trouble)
        verdicts[verifier.signature_fields.get(b"s", b"?").decode()] = good
    return verdicts


class OpenDkim:
    """libopendkim through its C interface; the key lookup is answered from memory."""
    PASSED, BODY_MATCH = 0x02, 0

    def __init__(self, records):
        self.lib = lib = ctypes.CDLL("libopendkim.so.11")
        pointer = ctypes.c_void_p
        for name in ("dkim_init", "dkim_verify"):
            getattr(lib, name).restype = pointer
        for name in ("dkim_sig_getselector", "dkim_sig_getdomain"):
            getattr(lib, name).restype = ctypes.c_char_p
            getattr(lib, name).argtypes = [pointer]
        lib.dkim_init.argtypes = [pointer, pointer]
        lib.dkim_verify.argtypes = [pointer, ctypes.c_char_p, pointer, ctypes.POINTER(ctypes.c_int)]
        lib.dkim_header.argtypes = lib.dkim_body.argtypes = [pointer, ctypes.c_char_p, ctypes.c_size_t]
        lib.dkim_eoh.argtypes = lib.dkim_free.argtypes = lib.dkim_close.argtypes = [pointer]
        lib.dkim_eom.argtypes = [pointer, pointer]
        lib.dkim_sig_process.argtypes = [pointer, pointer]
        lib.dkim_sig_getflags.argtypes = lib.dkim_sig_getbh.argtypes = [pointer]
        lib.dkim_getsiglist.argtypes = [pointer, ctypes.POINTER(ctypes.POINTER(pointer)), ctypes.POINTER(ctypes.c_int)]
        lookup_type = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, pointer, ctypes.c_size_t)
        lib.dkim_set_key_lookup.argtypes = [pointer, lookup_type]

        def lookup(handle, signature, buffer, size):
            name = "%s._domainkey.%s" % (lib.dkim_sig_getselector(signature).decode(), lib.dkim_sig_getdomain(signature).decode())
            text = records.get(name, "").encode() + b"\0"
            if len(text) == 1 or len(text) > size:
                return 3
            ctypes.memmove(buffer, text, len(text))
            return 0
        self.lookup = lookup_type(lookup)
        self.library = lib.dkim_init(None, None)
        lib.dkim_set_key_lookup(self.library, self.lookup)

    def verdicts(self, message):
        lib, status = self.lib, ctypes.c_int()
        header, _, body = message.partition(b"\r\n\r\n") if b"\r\n\r\n" in message else (message[:-2], b"", b"")
        handle = lib.dkim_verify(self.library, b"test", None, ctypes.byref(status))
        fields = []
        for line in header.split(b"\r\n"):
            if line[:1] in (b" ", b"\t"):
                fields[-1] += b"\r\n" + line
            else:
                fields.append(line)
        for field in fields:
            lib.dkim_header(handle, field, len(field))
        lib.dkim_eoh(handle)
        if body:
            lib.dkim_body(handle, body, len(body))
        lib.dkim_eom(handle, None)
        signatures, n = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_int()
        lib.dkim_getsiglist(handle, ctypes.byref(signatures), ctypes.byref(n))
        out = {}
        for i in range(n.value):
            lib.dkim_sig_process(handle, signatures[i])
            out[lib.dkim_sig_getselector(signatures[i]).decode()] = bool(
                lib.dkim_sig_getflags(signatures[i]) & self.PASSED and lib.dkim_sig_getbh(signatures[i]) == self.BODY_MATCH)
        lib.dkim_free(handle)
        return out


def try_verifiers(records):
    """[(name, function, reason why not)]"""
    out = []
    try:
        import dkim  # noqa: F401
        import nacl  # noqa: F401
        out.append(("dkimpy", lambda message: dkimpy_verdicts(message, records), None))
    except ImportError as trouble:
        out.append(("dkimpy", None, str(trouble)))
    try:
        other = OpenDkim(records)
        out.append(("libopendkim", other.verdicts, None))
    except OSError as trouble:
        out.append(("libopendkim", None, str(trouble)))
    return out


def check_verifiers(tap, signed, records):
    good_for_all = {selector: True for selector, _, _ in KEYS}
    for name, verify, missing in try_verifiers(records):
        for (what, _), (verdict, text, message) in zip(MESSAGES.items(), signed):
            title = "%s: %s" % (name, what)
            # libopendkim refuses to look at a body without final line end.
            if missing or (name == "libopendkim" and what == "no final line end"):
                tap.case(True, title, skip=missing or "it takes no such body")
                continue
            verdicts = verify(message)
            tap.case(verdict == CONTINUE and verdicts == good_for_all, title, why=(verdict, text, verdicts, message[:1500]))
        if not missing:
            spoiled = signed[0][2].replace(b"\r\nHi.", b"\r\nHo.")
            tap.case(not any(v is True for v in verify(spoiled).values()), "%s: a changed body is no pass" % name)
            added = signed[0][2].replace(b"\r\nTo:", b"\r\nFrom: x@example.com\r\nTo:", 1)
            tap.case(not any(v is True for v in verify(added).values()), "%s: an added From is no pass" % name)


def check_rights(tap, home, config):
    plain = MESSAGES["a plain body"]
    cases = [
        ("mail without tenant is not signed", config, "", plain, CONTINUE, "", False),
        ("mail of another tenant is deferred", config, "two", plain, DEFER, "no DKIM key of tenant two for domain example.org", False),
        ("another domain is deferred", config, "one", plain.replace(b"a@example.org", b"a@mail.example.org"), DEFER,
         "no DKIM key of tenant one for domain mail.example.org", False),
        ("a report of our own waits for no key", config, "two:own", plain, CONTINUE, "", False),
        ("and is signed where there is one", config, "one:own", plain, CONTINUE, "", True),
        ("missing_key = send lets it go", config + "[dkim]\nmissing_key = send\n", "two", plain, CONTINUE, "", False),
        ("From in capitals is the same domain", config, "one", plain.replace(b"a@example.org", b"a@EXAMPLE.org"), CONTINUE, "", True),
    ]
    for title, text, tenant, message, verdict, reply, is_signed in cases:
        done = sign(home, text, tenant, [message])
        if isinstance(done, str):
            tap.case(False, title, why=done)
            continue
        got = done[0]
        tap.case(got[:2] == (verdict, reply) and (b"DKIM-Signature" in got[2]) == is_signed, title, why=got)


def check_refusals(tap, home, config):
    open(os.path.join(home, "open.pem"), "w").write(open(os.path.join(home, "r1.pem")).read())
    os.chmod(os.path.join(home, "open.pem"), 0o644)
    cases = [
        ("a key that others can read", config.replace("r1.pem", "open.pem"), "mode 0644"),
        ("a key that is not there", config.replace("r1.pem", "none/r1.pem"), "/none: No such file"),
        ("two keys at one selector", config.replace("selector = r2", "selector = r1"), "same domain and selector"),
        ("a list without From", config + "headers = To\n", "From is missing"),
        ("a domain that is none", config.replace("domain = example.org", "domain = ex ample.org", 1), "no domain name"),
    ]
    for title, text, words in cases:
        done = sign(home, text, "one", [MESSAGES["a plain body"]])
        tap.case(isinstance(done, str) and words in done, title + " stops start-up", why=done)


def main():
    tap = Tap()
    home = tempfile.mkdtemp(prefix="relais-dkim-")
    try:
        config, records = make_keys(home)
        signed = sign(home, config, "one", list(MESSAGES.values()))
        tap.case(not isinstance(signed, str), "the harness signs", why=signed)
        if not isinstance(signed, str):
            check_verifiers(tap, signed, records)
        check_rights(tap, home, config)
        check_refusals(tap, home, config)
    finally:
        shutil.rmtree(home)
    tap.end()


main()
