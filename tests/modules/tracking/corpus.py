# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails that hold one oddity each, or a few: of markup, of links, of encodings, of structure."""
from mime import Mail, attachment, b64, html, image, lines, message, multi, part, plain, qp


def page(body, head="", end="</body></html>\n"):
    return ("<!DOCTYPE html>\n<html><head><title>Test</title>%s</head>\n<body>\n<p>Dear reader,</p>\n%s\n%s" % (head, body, end))


def link(href, text="a link", more=""):
    return '<p><a href="%s"%s>%s</a></p>' % (href, more, text)


FORMS = page("""<p><a href=https://forms.example/unquoted?a=1&amp;b=2>one</a>
<a href='https://forms.example/single?a="1"'>two</a> <a class=x href="https://forms.example/double?a='1'">three</a>
<a href="https://forms.example/over
   two
	lines?a=1&amp;
b=2">four</a> <a href="
   https://forms.example/blanks/around
   ">five</a> <A HREF = "https://forms.example/upper" >six</A>
<a HrEf='https://forms.example/first' href="https://forms.example/second">seven</a>
<a href=first.html href="https://forms.example/never">eight</a> <a href>nine</a> <a href="">ten</a>
<a title="href=https://forms.example/title" href = https://forms.example/slash/ >eleven</a>
<a href="https://forms.example/gt?a>b"title=x>twelve</a> <a
href="https://forms.example/newline"
>thirteen</a> <a/href="https://forms.example/solidus">fourteen</a> <a href="HTTPS://FORMS.example/UPPER">fifteen</a></p>""")

REFERENCES = page("\n".join(link("https://ref.example/%d?a=1%sb=2" % (n, r)) for n, r in enumerate(
    ("&amp;", "&#38;", "&#x26;", "&AMP;", "&#X26;", "&#038;", "&amp", "&#38", "&"))) +
    link("https://ref.example/?a=1&copy=2&reg=3&not=4&para=5&lang=6&trade=7&sect=8") +
    link("https://ref.example/twice?q=%26amp%3B&amp;amp;r=&amp;lt;") +
    link("https://ref.example/?q=&quot;x&quot;&amp;t=&lt;b&gt;&nbsp;&eacute;&#233;&#xE9;&#128;") +
    link("https://ref.example/gr&uuml;n#gr&uuml;n") + link("https://ref.example/&notit;&hellip;x&bigstar;"))

ADDRESSES = page("\n".join(link(h) for h in (
    "https://maps.example/@52.52,13.405,12z", "https://medium.example/@ann/post", "https://url.example/grün#grün",
    "http://url.example/#grün", "https://müller.example/", "https://bücher.example:8443/ä?ö=ü#é", "https://xn--mller-kva.example/x",
    "http://例え.example/テスト", "https://url.example/%7Bid%7D?x=%7b%7D&amp;y=%41%2e%2F", "https://url.example/a b c?d e#f g",
    "https://url.example", "https://url.example?x=1", "https://url.example#top", "https://url.example:443/default",
    "http://url.example:80/", "http://url.example:8080/port", "https://URL.Example/Case", "https://url.example/a/../b/./c",
    "https://url.example/a//b///c", "https://url.example\\back\\slash", "https://url.example/q?a=b;c|d^e`f[g]", "https://url.example/?",
    "https://url.example/#", "https://url.example/\"quote'".replace('"', "&quot;"), "https://url.example/tab\tand\nline",
    "http://192.0.2.7/ip", "https://user:word@url.example/", "https://url.example/*~!$'()+,;=:@-._", "https://url.example./dot",
    "https://url.example/?u=https://other.example/?v=1&amp;w=2", "https://url.example/100%", "https://url.example/%zz?%",
    "https://sub.url.example/\u200bzero", "https://url.example/?q=a+b%20c", "hTTp://url.example/mixed")))

OTHERS = page("\n".join(link(h) for h in (
    "mailto:a@b.example?subject=x&amp;body=y", "tel:+49-30-1", "sms:+491;?&amp;body=x", "cid:image001.png@01D9.1", "data:text/plain,hi",
    "javascript:void(0)", "ftp://files.example/x", "webcal://cal.example/x.ics", "whatsapp://send?text=hi", "about:blank",
    "relative.html", "/absolute/path?a=1", "../up", "?query=1", "#fragment", "#", "", "//host.example/protocol", "MAILTO:A@B.example",
    "x-app://open", "file:///etc/hosts", "blob:https://url.example/1", "http://", "https:///", "http://[", "https://a b.example/",
    "https://url.example:99999/")) +
    "\n".join(link(h) for h in ("{{ unsubscribe }}", "https://x.example/{{id}}", "https://x.example/*|EMAIL|*", "*|LINK|*",
                              "https://x.example/?e=%%email%%", "%%url%%", "[[link]]", "https://x.example/[[id]]?a=1")))

HIDDEN = page("""<style>
/* <a href="https://hidden.example/style">x</a> */ a { background: url(https://hidden.example/css) }
</style>
<script type="application/ld+json">{"@type": "EmailMessage", "url": "https://hidden.example/ld", "x": "<a href='https://hidden.example/script'>"}</script>
<script>var s = '<a href="https://hidden.example/js">x</a>'; // </body>
</script>
<!-- <a href="https://hidden.example/comment">x</a> </body> -->
<textarea rows="2"><a href="https://hidden.example/textarea">x</a></textarea>
<form action="https://hidden.example/form"><input type=submit value=go></form><img src="https://hidden.example/image.png" width=1 height=9>
<p title="<a href='https://hidden.example/title'>">seen: <a href="https://seen.example/1">one</a> &lt;a href="https://hidden.example/text"&gt;</p>
<link rel=stylesheet href="https://hidden.example/x.css"><blockquote cite="https://hidden.example/cite">q</blockquote>""",
              head="""<title>T <a href="https://hidden.example/in-title">x</a></title><base target="_blank">""")

OUTLOOK = page("""<!--[if mso]>
<v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" href="https://vml.example/round?a=1&amp;b=2" style="height:40px;width:200px" arcsize="10%"><center>x</center></v:roundrect>
<v:rect href='https://vml.example/rect' style="width:9px"></v:rect><v:oval HREF=https://vml.example/oval></v:oval><v:shape href="mailto:a@b.example"/>
<a href="https://vml.example/a">only there</a>
<![endif]-->
<!--[if !mso]><!--><p><a href="https://vml.example/others">others</a></p><!--<![endif]-->
<![if !mso]><p><a href="https://vml.example/revealed">revealed</a></p><![endif]>
<!--[if gte mso 9]><table><tr><td><![endif]--><p><a href="https://vml.example/between">between</a></p><!--[if gte mso 9]></td></tr></table><![endif]-->
<!--[if (gte mso 9)|(IE)]><a href='https://vml.example/or' data-no-track>or</a><![endif]-->
<!-- [if mso]><a href="https://vml.example/not-a-condition">no</a><![endif] -->""")

NO_TRACK = page("""<p><a href="https://nt.example/1" data-no-track>1</a> <a data-no-track="true" href="https://nt.example/2">2</a>
<a DATA-NO-TRACK='' href=https://nt.example/3>3</a> <a href="https://nt.example/yes" data-no-tracks>4</a> <a href="https://nt.example/yes2" title="data-no-track">5</a></p>""")

TEXTS = page("""<p><a href="https://text.example/path?a=1&amp;b=2">https://text.example/path?a=1&amp;b=2</a>
<a href="https://text.example/"><b>https://text</b>.example/</a> and https://text.example/bare, www.text.example</p>""")

BASE = page('<p><a href="https://base.example/absolute">one</a> <a href="relative/1">two</a> <a href="//base.example/x">three</a> <a href="?a=1">four</a></p>',
            head='<base href="https://base.example/dir/">')

LONG = page("".join(link("https://long.example/%d?d=%s&amp;e=%d" % (n, ("%x" % (n * 7919 + 65537)) * 500, n)) for n in (1, 2)) +
            link("https://long.example/?x=" + "a1b2%20" * 280))

MANY = page("\n".join('<a href="https://many.example/%d?a=%d&amp;b=%d">%d</a>' % (n, n, n * n, n) for n in range(300)))

NESTED = page("""<p><a href="https://nest.example/1">one <a href="https://nest.example/2">two</a></p><table><a href="https://nest.example/3">three</a><tr><td><b><a href="https://nest.example/4">four</td></tr></table>
<p><svg width="9" height="9"><a href="https://nest.example/5"><rect width="9" height="9"/></a></svg> <a name="x" id=y>anchor</a> <button>b</button></p>""")

SHORT = page(link("https://one.example/only?a=1&amp;b=2") + link("mailto:x@y.example"))


def markup():
    """The oddities of markup and links, each in an encoding that suits it."""
    yield Mail("forms-8bit", message("forms-8bit", html(FORMS)))
    yield Mail("forms-qp", message("forms-qp", html(FORMS, encoding="quoted-printable")))
    yield Mail("forms-base64", message("forms-base64", multi("alternative", plain(), html(FORMS, encoding="base64"))))
    yield Mail("references-7bit", message("references-7bit", html(REFERENCES, "us-ascii" if REFERENCES.isascii() else "utf-8", "7bit")))
    yield Mail("references-utf8", message("references-utf8", html(REFERENCES, "utf-8", "7bit")))
    yield Mail("references-qp", message("references-qp", multi("alternative", plain(), html(
        REFERENCES, encoding="quoted-printable", encode=lambda d: qp(d, cut=(b"&amp;", b"&#x26;", b"&copy", b"&uuml;"))))))
    yield Mail("addresses-8bit", message("addresses-8bit", html(ADDRESSES)))
    yield Mail("addresses-qp", message("addresses-qp", multi("alternative", plain(), html(ADDRESSES, encoding="quoted-printable"))))
    yield Mail("addresses-base64", message("addresses-base64", html(ADDRESSES, encoding="base64")))
    yield Mail("others-8bit", message("others-8bit", html(OTHERS)))
    yield Mail("others-base64", message("others-base64", multi("alternative", plain(), html(OTHERS, encoding="base64"))))
    yield Mail("hidden-8bit", message("hidden-8bit", html(HIDDEN)))
    yield Mail("hidden-qp", message("hidden-qp", html(HIDDEN, encoding="quoted-printable")))
    yield Mail("outlook-8bit", message("outlook-8bit", html(OUTLOOK)))
    yield Mail("outlook-qp", message("outlook-qp", multi("alternative", plain(), html(OUTLOOK, encoding="quoted-printable"))))
    yield Mail("outlook-base64", message("outlook-base64", html(OUTLOOK, encoding="base64", encode=lambda d: b64(d, 60))))
    yield Mail("no-track", message("no-track", html(NO_TRACK)))
    yield Mail("no-track-qp", message("no-track-qp", html(NO_TRACK, encoding="quoted-printable")))
    yield Mail("texts", message("texts", multi("alternative", plain(), html(TEXTS))))
    yield Mail("base", message("base", html(BASE)))
    yield Mail("long-qp", message("long-qp", html(LONG, encoding="quoted-printable")))
    yield Mail("long-base64", message("long-base64", html(LONG, encoding="base64")))
    yield Mail("many-qp", message("many-qp", html(MANY, encoding="quoted-printable")))
    yield Mail("many-8bit", message("many-8bit", html(MANY)))
    yield Mail("nested", message("nested", html(NESTED)))


def bodies():
    """Where the pixel may stand."""
    inner = link("https://body.example/1?a=1&amp;b=2")
    yield Mail("no-body-end", message("no-body-end", html("<html><body>" + inner + "\n<p>the end")))
    yield Mail("no-final-line", message("no-final-line", multi("alternative", plain(), html(lines("<p>" + inner + "</p>").encode()))))
    yield Mail("two-body-ends", message("two-body-ends", html("<html><body>" + inner + "</body></html>\n<html><body>" + inner + "</body></html>\n<!-- </body> -->\n")))
    yield Mail("body-end-hidden", message("body-end-hidden", html("<html><body><script>'</body>'</script><!-- </body> -->" + inner + "</BODY ></html><style>/*</body>*/</style>\n")))
    yield Mail("no-html-tag", message("no-html-tag", html(inner + "<p>and so on</p>\n")))
    yield Mail("empty-html", message("empty-html", multi("alternative", plain(), html(b""))), "may")
    yield Mail("text-only-html", message("text-only-html", html("Just words, no tags.\n")))
    yield Mail("unclosed", message("unclosed", html("<body>" + inner + "<b><i><font color=red>never closed\n")))


def encodings():
    """Transfer encodings with their quirks."""
    text = page(link("https://enc.example/a?x=1&amp;y=2") + "<p>D\u00e9j\u00e0 vu = \u00a1ol\u00e9! \t </p>  \n" + link("https://enc.example/b?x=\u00e9#\u00fc") + "<p>" + "tail " * 60 + "</p>")
    cuts = (b"href=", b"https://enc", b"&amp;", b"</body>")
    for name, encode in (
            ("qp-soft-breaks", lambda d: qp(d, cut=cuts)), ("qp-lower", lambda d: qp(d, lower=True)),
            ("qp-blanks", lambda d: qp(d, cut=cuts, blanks=b" \t")), ("qp-full-lines", lambda d: qp(d, 76, cut=(b"tail tail",))),
            ("qp-narrow", lambda d: qp(d, 20)), ("qp-all-coded", lambda d: b"=\r\n".join(b"".join(b"=%02X" % o for o in d[i:i + 24]) for i in range(0, len(d), 24)))):
        yield Mail(name, message(name, html(text, encoding="quoted-printable", encode=encode)))
        yield Mail(name + "-part", message(name + "-part", multi("alternative", plain(), html(text, encoding="quoted-printable", encode=encode))))
    for name, width, final in (("b64-76", 76, True), ("b64-60", 60, True), ("b64-64-open", 64, False), ("b64-one-line", 996, False)):
        yield Mail(name, message(name, multi("mixed", html(text[:700] if width > 900 else text, encoding="base64",
                                                           encode=lambda d, w=width, f=final: b64(d, w, f)), plain())))
    yield Mail("b64-single", message("b64-single", html(text, encoding="base64")))
    yield Mail("no-encoding", message("no-encoding", html(SHORT, "us-ascii", None)))
    wide = "<p>" + "x" * 500 + '<a href="https://enc.example/in-a-long-line">x</a>' + "y" * 400 + "</p>"
    yield Mail("wide-8bit", message("wide-8bit", html(page(wide + "\n" + link("https://enc.example/short")))))
    yield Mail("wide-qp", message("wide-qp", html(page(wide), encoding="quoted-printable")))


CHARSETS = (("utf-8", "Gr\u00fc\u00dfe, \u65e5\u672c\u8a9e", "track"), ("iso-8859-1", "Gr\u00fc\u00dfe", "track"),
            ("windows-1252", "Gr\u00fc\u00dfe \u201ezwei\u201c \u20ac", "track"), ("iso-8859-15", "Gr\u00fc\u00dfe \u20ac", "track"),
            ("koi8-r", "\u041f\u0440\u0438\u0432\u0435\u0442", "track"), ("shift_jis", "\u65e5\u672c\u8a9e\u30bd\u8868", "track"),
            ("gb18030", "\u4f60\u597d\u4e16\u754c", "track"), ("euc-jp", "\u65e5\u672c\u8a9e", "track"), ("big5", "\u4f60\u597d\u529f", "track"),
            ("iso-2022-jp", "\u65e5\u672c\u8a9e", "leave"), ("utf-16", "Gr\u00fc\u00dfe", "leave"), ("utf-16le", "Gr\u00fc\u00dfe", "leave"),
            ("utf-7", "Gruesse", "leave"), ("x-unknown", "Gr\u00fc\u00dfe", "leave"))


def charsets():
    for charset, words, verdict in CHARSETS:
        body = page("<p>" + words + "</p>" + link("https://set.example/%s?a=1&amp;b=2" % charset, words) +
                    link("https://set.example/" + words.split()[0], words) + link("https://set.example/?q=" + words.split()[0], words))
        name = "charset-" + charset
        yield Mail(name, message(name, multi("alternative", plain(), html(
            body, charset, "base64" if charset.startswith("utf-16") else "quoted-printable" if charset == "koi8-r" else "8bit"))), verdict)
    body = page("<p>words</p>" + link("https://set.example/x?a=1&amp;b=2"), head='<meta charset="iso-8859-1">')
    yield Mail("charset-none", message("charset-none", html(body, None, "7bit")))
    yield Mail("charset-meta-differs", message("charset-meta-differs", html(body.replace("words", "Gr\u00fc\u00dfe") + "<!-- x -->", "utf-8", "8bit")))
    yield Mail("charset-quoted", message("charset-quoted", part('text/html; charset="UTF-8"; format=flowed', lines(body).encode(), None, "7bit")))



def structures():
    """Trees of parts, and parts that nobody may touch."""
    page1 = html(SHORT)
    alternative = multi("alternative", plain(), page1, boundary="alt")
    related = multi("related", html(SHORT, encoding="quoted-printable"), image(), boundary="rel", parameters='; type="text/html"')
    yield Mail("single", message("single", html(SHORT, "us-ascii", "7bit")))
    yield Mail("unstamped", message("unstamped", html(SHORT), stamp=False))
    yield Mail("alternative", message("alternative", alternative))
    yield Mail("related", message("related", related))
    yield Mail("nested-tree", message("nested-tree", multi(
        "mixed", multi("alternative", plain(), related, boundary="alt"), attachment("application/pdf", b"%PDF-1.4 x" * 90, "a.pdf", charset=None, encoding="base64"),
        boundary="mix")))
    yield Mail("two-html", message("two-html", multi("mixed", page1, plain("between\n"), page1, html(TEXTS, encoding="base64"))))
    yield Mail("attached-html", message("attached-html", multi("mixed", alternative, attachment("text/html", SHORT, "page.html"),
                                                             attachment("text/html", SHORT, "p2.html", encoding="base64"))), "track", "leave", "leave")
    inner = message("inner", multi("alternative", plain(), page1, boundary="in"))
    yield Mail("rfc822", message("rfc822", multi("mixed", alternative, b"Content-Type: message/rfc822\r\n\r\n" + inner, boundary="out")), "track", "leave")
    signature = part("application/pkcs7-signature", bytes(range(256)) * 4, None, "base64", ["Content-Disposition: attachment; filename=smime.p7s"])
    yield Mail("smime-signed", message("smime-signed", multi("signed", alternative, signature, boundary="sig", parameters='; protocol="application/pkcs7-signature"; micalg=sha-256')), "leave")
    yield Mail("smime-opaque", message("smime-opaque", part("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", SHORT.encode() * 3, None, "base64")))
    pgp = part("application/pgp-signature", b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----\r\n", None, "7bit")
    yield Mail("pgp-signed", message("pgp-signed", multi("signed", page1, pgp, boundary="sig", parameters="; protocol=\"application/pgp-signature\"; micalg=pgp-sha512")), "leave")
    yield Mail("pgp-signed-inside", message("pgp-signed-inside", multi(
        "mixed", multi("signed", alternative, pgp, boundary="sig", parameters="; protocol=\"application/pgp-signature\""), html(TEXTS), boundary="mix")), "leave", "track")
    yield Mail("pgp-encrypted", message("pgp-encrypted", multi(
        "encrypted", part("application/pgp-encrypted", b"Version: 1\r\n", None, "7bit"),
        part("application/octet-stream", b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n-----END PGP MESSAGE-----\r\n", None, "7bit"),
        boundary="enc", parameters='; protocol="application/pgp-encrypted"')))
    yield Mail("amp", message("amp", multi("alternative", plain(), part("text/x-amp-html", SHORT), page1)))
    yield Mail("preamble", message("preamble", multi("alternative", plain(), page1, boundary="p", preamble=b"This is a multi-part message; see https://pre.example/.",
                                                     epilogue=b'The epilogue: <a href="https://epi.example/">x</a>\r\n')))
    yield Mail("odd-boundary", message("odd-boundary", multi("alternative", plain(), page1, boundary="=_'()+_,-./:=? x;b=1", parameters="; charset=utf-8")))
    yield Mail("dashed-boundary", message("dashed-boundary", multi("mixed", multi("alternative", plain(), page1, boundary="--a"), plain(), boundary="--a--b", quoted=False)))
    yield Mail("uuencoded", message("uuencoded", multi("mixed", page1, part(
        "text/plain", b"begin 644 a.html\r\n#86)C\r\n`\r\nend\r\n", "us-ascii", "7bit"), html(SHORT, "us-ascii", "x-uuencode", encode=lambda d: b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n"))), "track", "leave")
    yield Mail("calendar", message("calendar", multi("mixed", alternative, part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\nURL:https://cal.example/x\nEND:VCALENDAR\n"),
                                                     part("text/css", "a { background: url(https://css.example/) }\n"))))
    yield Mail("plain-only", message("plain-only", plain()))
    yield Mail("xhtml", message("xhtml", multi("alternative", plain(), part("application/xhtml+xml", SHORT), html(SHORT, head=["Content-Disposition: inline", "Content-Language: en"]))))
    unsubscribe = "https://list.example/u?id=7&t=abc"
    yield Mail("unsubscribe", message("unsubscribe", multi("alternative", plain(), html(page(
        link("https://list.example/read?id=7&amp;t=abc") + link("https://list.example/u?id=7&amp;t=abc", "Unsubscribe") + link("https://list.example/u?id=7&#38;t=abc", "here")))),
        ["List-Unsubscribe: <mailto:leave@list.example?subject=7>,\r\n <%s>" % unsubscribe, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]))


def doubtful():
    """HTML of which readers may differ on where its tags are."""
    inner = link("https://doubt.example/1")
    for name, text in (("open-comment", inner + "<!-- never closed " + inner), ("open-tag", inner + '<a href="https://doubt.example/2'),
                       ("open-script", inner + "<script>" + inner), ("plaintext", inner + "<plaintext>" + inner)):
        yield Mail("doubt-" + name, message("doubt-" + name, html(text + "\n")), "leave")


def all_of_them():
    for maker in (markup, bodies, encodings, charsets, structures, doubtful):
        yield from maker()
