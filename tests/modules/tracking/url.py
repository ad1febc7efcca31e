# SPDX-License-Identifier: GPL-3.0-or-later
"""What a browser requests for a link, after the URL standard (WHATWG), for http and https: the
expectation of tests that have no browser at hand. The end-to-end tests ask Chromium, and ask whether it
agrees with this."""
import re
import unicodedata

CONTROL = frozenset(map(chr, range(0x20)))
FRAGMENT = CONTROL | frozenset(' "<>`')
QUERY = CONTROL | frozenset(" \"#<>'")
PATH = CONTROL | frozenset(' "#<>?`{}^|')  # "|" as Chromium has it, not the standard
USER = PATH | frozenset("/:;=@[\\]|")
BAD_HOST = CONTROL | frozenset(" #/:<>?@[\\]^|%\x7f")
PORTS = {"http": "80", "https": "443"}


def escape(text, unsafe, encoding="utf-8"):
    """Percent-encodes what may not stand as it is. What the document's charset has no octets for becomes
    an escaped character reference, as in a form."""
    out = []
    for character in text:
        if character not in unsafe and " " <= character <= "~":
            out.append(character)
            continue
        try:
            octets = character.encode(encoding)
        except UnicodeEncodeError:
            out.append("%%26%%23%d%%3B" % ord(character))
            continue
        out.extend(chr(o) if 0x20 < o < 0x7f and chr(o) not in unsafe else "%%%02X" % o for o in octets)
    return "".join(out)


def unescape(text):
    octets = bytearray()
    for piece in re.findall(r"%[0-9A-Fa-f]{2}|.", text, re.DOTALL):
        octets += bytes([int(piece[1:], 16)]) if len(piece) == 3 else piece.encode("utf-8", "surrogatepass")
    return octets.decode("utf-8", "replace")


def host_of(text):
    """The host as it is asked for, or None if there is none by that name."""
    name = unescape(text)
    if not name.isascii():
        labels = []
        for label in re.split("[.\u3002\uff0e\uff61]", unicodedata.normalize("NFKC", name.casefold() if "ß" not in name else name.lower())):
            labels.append(label if label.isascii() else "xn--" + label.encode("punycode").decode())
        name = ".".join(labels)
    name = name.lower()
    if not name or BAD_HOST & set(name):
        return None
    last = name.rstrip(".").rpartition(".")[2]
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        numbers = name.rstrip(".").split(".")
        if len(numbers) != 4 or any(not re.fullmatch(r"0|[1-9][0-9]{0,2}", n) or int(n) > 255 for n in numbers):
            return None
        return ".".join(numbers)
    return name


def path_of(text):
    out = []
    pieces = re.split(r"[/\\]", text)[1:] if text else [""]
    for n, piece in enumerate(pieces):
        plain, last = piece.lower().replace("%2e", "."), n == len(pieces) - 1
        if plain == "..":
            del out[-1:]
        elif plain != ".":
            out.append(escape(piece, PATH))
            continue
        if last:
            out.append("")
    return "/" + "/".join(out)


def resolve(value, encoding="utf-8"):
    """The URL that a browser takes an absolute link for, serialized; None for any other link."""
    text = re.sub("[\t\n\r]", "", value.strip("".join(map(chr, range(0x21)))))
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in PORTS:
        return None
    rest, hash_, fragment = rest.partition("#")
    rest, mark, query = rest.partition("?")
    rest = rest.lstrip("/\\")
    cut = re.search(r"[/\\]|$", rest).start()
    authority, path = rest[:cut], rest[cut:]
    user, at, host = authority.rpartition("@")
    host, port = re.fullmatch(r"(.*?)(?::([0-9]*))?", host, re.DOTALL).groups()
    host = host_of(host)
    if host is None or (port and int(port) > 65535):
        return None
    out = scheme + "://"
    if at:
        name, _, word = user.partition(":")
        out += escape(name, USER) + (":" + escape(word, USER) if word else "") + ("@" if name or word else "")
    out += host
    if port and str(int(port)) != PORTS[scheme]:
        out += ":%d" % int(port)
    out += path_of(path)
    if mark:
        out += "?" + escape(query, QUERY, encoding)
    if hash_:
        out += "#" + escape(fragment, FRAGMENT)
    return out
