#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mails that tracking is tested with: in the manner of the big mail builders, out of packages of
builders (npm), and one oddity each. Run as a program it prints which mail holds what:

    mails.py [FOLDER WITH node_modules] [--write DIR]

Which constructs a mail holds is looked for in its octets, not claimed. One that no mail holds is a failure.
"""
import json
import os
import re
import subprocess
import sys

import check
import corpus
import templates
from mime import Mail, attachment, b64, html, image, message, multi, plain, qp

HERE = os.path.dirname(os.path.abspath(__file__))


# --- Where mails come from -----------------------------------------------------------------------

def in_forms(name, text, number, charset="utf-8"):
    """A builder's HTML as it is sent: each in another encoding and structure."""
    short = all(len(line.encode(charset, "replace")) < 980 for line in text.split("\n"))
    forms = (("8bit", {"encoding": "8bit"}) if short else ("qp", {"encoding": "quoted-printable"}),
             ("qp", {"encoding": "quoted-printable"}), ("base64", {"encoding": "base64"}),
             ("qp-lower", {"encoding": "quoted-printable", "encode": lambda d: qp(d, lower=True, cut=(b"href=", b"&amp;"))}),
             ("b64-60", {"encoding": "base64", "encode": lambda d: b64(d, 60)}))
    label, more = forms[number % len(forms)]
    part = html(text, charset, **more)
    shape = number % 4
    if shape == 0:
        entity = part
    elif shape == 1:
        entity = multi("alternative", plain(), part, boundary="----=_Part_%d.%d" % (number, number * 7919))
    elif shape == 2:
        entity = multi("alternative", plain(), multi("related", part, image(), boundary="r%d" % number), boundary="a%d" % number)
    else:
        entity = multi("mixed", multi("alternative", plain(), part, boundary="_000_%d_" % number),
                       attachment("text/html", text[:2000], "copy.html"), boundary="_004_%d_" % number)
    return Mail("%s-%s" % (name, label), message("%s-%s" % (name, label), entity), "track", "leave")


def by_templates():
    for n, template in enumerate(templates.ALL):
        text = template()
        charset = "windows-1252" if template is templates.word else "utf-8"
        yield in_forms(template.__name__.replace("_", "-"), text, n, charset)
        yield in_forms(template.__name__.replace("_", "-") + "-2", text, n + 2, charset)


def by_packages(home):
    """Of what npm has; nothing where it is not installed."""
    if not home or not os.path.isdir(os.path.join(home, "node_modules")):
        return
    done = subprocess.run(["node", os.path.join(HERE, "npm", "render.js"), home], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("render.js: %s" % done.stderr.decode(errors="replace")[-1000:])
    for n, (name, text) in enumerate(sorted(json.loads(done.stdout).items())):
        yield in_forms("npm-" + name, text, n)


def collect(home=None):
    mails = list(by_templates()) + list(by_packages(home)) + list(corpus.all_of_them())
    names = [m.name for m in mails]
    assert len(set(names)) == len(names), "names stand twice"
    return mails


# --- What they hold ------------------------------------------------------------------------------

# Looked for in the decoded HTML of parts that are to be tracked (as latin-1).
MARKUP = {
    "href unquoted": r"<a\b[^>]*\shref=[^\s\"'>]", "href in single quotes": r"<a\b[^>]*\shref='http", "href in double quotes": r'<a\b[^>]*\shref="http',
    "href over several lines": r'href="\s*http[^">]*\n[^">]*"', "blanks around href's value": r'href="\s+http[^"]*\s+"',
    "upper-case attribute name": r"<[aA]\b[^>]*\sHREF", "upper-case element name": r"<A\b[^>]*href", "blanks around =": r"(?i)href\s+=\s*",
    "two hrefs in one tag": r"<a\b[^>]*\shref=[^>]*\shref=", "href without a value": r"<a href>", "tag over several lines": r"<a\s*\n\s*href",
    "/ before an attribute": r"<a/href", "&amp;": r'href="http[^"]*&amp;', "&#38;": r"href=[\"'][^\"']*&#38;", "&#x26;": r"href=[\"'][^\"']*&#x26;",
    "&AMP;": r'href="[^"]*&AMP;', "&copy without semicolon in a query": r'href="[^"]*&copy=', "&amp without semicolon": r'href="[^"]*&amp[^;]',
    "bare &": r'href="http[^"]*&[a-z]=', "named reference for a letter": r'href="[^"]*&uuml;', "decimal reference": r'href="[^"]*&#233;',
    "@ in the path": r'href="https://[^"/@]*/[^"]*@', "#gr\u00fcn": r'href="[^"]*#gr\u00c3\u00bcn', "IDN host": r'href="https?://[^"/]*[\u0080-\u00ff][^"/]*[/"]',
    "A-label host": r"href=\"http[^\"/]*//xn--", "%7B": r"href=['\"][^\"']*%7B", "blank in a URL": r'href="http[^"\n]*[^ "] [^ "]',
    "non-ASCII path": r'href="https?://[^"/]*/[^"?#]*[\u0080-\u00ff]', "port": r'href="https?://[^"/]*:\d', "user name": r'href="https://user:',
    "dot segments": r'href="[^"]*/\.\./', "backslashes": r'href="https:[^"]*\\', "upper-case scheme": r'href="HTTPS:', "no path": r'href="https://[a-z.]+"',
    "{{x}}": r'href="[^"]*\{\{', "*|X|*": r'href="[^"]*\*\|', "%%x%%": r'href="[^"]*%%', "[[x]]": r'href="[^"]*\[\[',
    "mailto:": r'href="mailto:', "tel:": r'href="tel:', "sms:": r'href="sms:', "cid:": r'href="cid:', "data:": r'href="data:', "javascript:": r'href="javascript:',
    "relative": r'href="[a-z/]+\.html"', "# alone": r'href="#"', "// host": r'href="//', "base href": r"<base href", "area": r"(?i)<area\b[^>]*href",
    "v:roundrect": r"<v:roundrect\b[^>]*href", "v:rect": r"<v:rect\b[^>]*href", "[if mso]": r"<!--\[if mso", "condition that others read": r"<!--\[if !mso\]><!-",
    "downlevel-revealed": r"<!\[if ", "a in a condition": r"<!--\[if mso\]>[^\0]{,600}<a ", "link in style": r"<style>[^<]*(<a href=[^<]*)",
    "link in script": r"<script>[^<]*<a href", "link in a comment": r"<!-- <a href", "link in textarea": r"<textarea[^>]*><a href", "link in title": r"<title>[^<]*<a href",
    "data-no-track": r"data-no-track", "text is a URL": r"<a [^>]*>\s*(<b>)?https?://", "image as link": r"<a [^>]*>\s*<img", "300 links": None,
    "URL of 2 000 octets": r'href="https?://[^"\s]{2000}', "nested links": r"<a [^>]*>[^<]*<a ", "link in svg": r"<svg[^>]*><a ", "no </body>": None,
    "several </body>": r"</body>[^\0]*</body>", "</body> in a comment": r"<!--[^>]*</body>", "</body> in a script": r"<script>[^<]*</body>",
    "upper-case </BODY >": r"</BODY >", "no html tag": None, "empty html": None, "meta charset": r"<meta charset", "List-Unsubscribe's URL in the body": None,
}
# Looked for in the message (as latin-1).
RAW = {
    "7bit": r"(?i)html[^\0]{0,90}encoding: 7bit", "8bit": r"(?i)html[^\0]{0,90}encoding: 8bit", "quoted-printable": r"Encoding: quoted-printable",
    "soft break in an attribute": r"=3D=?\r?\n?\"https?:[^\"<>]*=\r\n", "soft break in an entity": r"&[a-z#]+=\r\n[a-z0-9]*;", "lower-case hex": r"=[0-9][a-f]",
    "blanks behind =": r"=[ \t]+\r\n", "base64 in 76 columns": r"\r\n[A-Za-z0-9+/]{76}\r\n", "base64 in 60 columns": r"\r\n[A-Za-z0-9+/]{60}\r\n",
    "base64 in 64 columns": r"\r\n[A-Za-z0-9+/]{64}\r\n", "base64 in one line": r"\r\n[A-Za-z0-9+/]{700}", "no encoding named": r"Content-Type: text/html[^\r]*\r\n\r\n",
    "utf-8": "charset=utf-8", "iso-8859-1": "charset=iso-8859-1\r", "windows-1252": "charset=windows-1252", "iso-8859-15": "charset=iso-8859-15",
    "koi8-r": "charset=koi8-r", "shift_jis": "charset=shift_jis", "gb18030": "charset=gb18030", "iso-2022-jp": "charset=iso-2022-jp", "utf-16": "charset=utf-16",
    "unknown charset": "charset=x-unknown", "no charset": r"text/html\r\n", "meta charset differs": r"charset=utf-8\r\n[^\0]*<meta charset=\"iso",
    "single part": r"(?m)^Content-Type: text/html[^\0]*\Z", "alternative": "multipart/alternative", "related": "multipart/related", "mixed": "multipart/mixed",
    "nested three deep": r"multipart/mixed[^\0]{,300}multipart/alternative[^\0]{,400}multipart/related", "attached html": r"text/html[^\r]*\r\n(?:[^\r]+\r\n)*Content-Disposition: attachment",
    "message/rfc822": "message/rfc822", "S/MIME signed": r"multipart/signed[^\0]*pkcs7-signature", "S/MIME opaque": "application/pkcs7-mime",
    "PGP signed": r"multipart/signed[^\0]*pgp-signature", "PGP encrypted": r"multipart/encrypted", "text/x-amp-html": "text/x-amp-html",
    "preamble": "multi-part message; see", "epilogue": "The epilogue", "boundary with odd characters": r"boundary=\"=_'\(\)", "uuencode": r"begin 644",
    "two HTML parts": r"text/html[^\0]+text/html", "List-Unsubscribe": r"\r\nList-Unsubscribe: ", "no Date or Message-ID": None, "no final line end in a part": None,
    "of a package": r"X-Corpus: npm-",
}


def holds(mail):
    """Names of the constructs in a mail."""
    leaves = [x for x in check.leaves(mail.raw) if x.type == "text/html"]
    wanted = mail.verdicts + ["track"] * len(leaves)
    texts = [x.text.decode("latin-1") for x, verdict in zip(leaves, wanted) if verdict != "leave"]
    raw = mail.raw.decode("latin-1")
    found = {name for name, pattern in MARKUP.items() if pattern and any(re.search(pattern, t) for t in texts)}
    found |= {name for name, pattern in RAW.items() if pattern and re.search(pattern, raw)}
    bodies = [t.lower() for t in texts if t.strip()]
    special = {
        "no </body>": any("</body" not in t for t in bodies), "no html tag": any("<html" not in t for t in bodies),
        "empty html": any(not t for t in texts), "300 links": any(t.count("<a ") >= 300 for t in texts), "no Date or Message-ID": "\r\nDate:" not in raw,
        "no final line end in a part": any(t and not t.endswith("\n") for t in texts),
        "List-Unsubscribe's URL in the body": any(u.startswith("http") and any(u.replace("&", "&amp;") in t for t in texts)
                                                  for u in check.unsubscribe_urls(mail.raw)),
    }
    return found | {name for name, there in special.items() if there}


def coverage(mails):
    """Construct -> how many mails hold it."""
    table = dict.fromkeys(list(MARKUP) + list(RAW), 0)
    for mail in mails:
        for name in holds(mail):
            table[name] += 1
    return table


if __name__ == "__main__":
    plainly = [a for a in sys.argv[1:] if not a.startswith("-")]
    all_mails = collect(plainly[0] if plainly else None)
    if "--write" in sys.argv:
        for one in all_mails:
            with open(os.path.join(plainly[-1], one.name + ".eml"), "wb") as file:
                file.write(one.raw)
    counts = coverage(all_mails)
    for key, count in counts.items():
        print("%-40s %d" % (key, count))
    print("%d mails, %d constructs" % (len(all_mails), len(counts)))
    missing = [key for key, count in counts.items() if not count]
    if missing:
        sys.exit("no mail holds: " + ", ".join(missing))
