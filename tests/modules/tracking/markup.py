# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML as html5lib's tokenizer reads it, and what tracking may have done to it: other values of href, one
pixel. Not one line of what Relais reads HTML with is used here."""
import html5lib.constants
from html5lib._tokenizer import HTMLTokenizer

START, END, COMMENT = (html5lib.constants.tokenTypes[name] for name in ("StartTag", "EndTag", "Comment"))
TEXTS = {html5lib.constants.tokenTypes[name] for name in ("Characters", "SpaceCharacters")}
ERROR = html5lib.constants.tokenTypes["ParseError"]
RAW = {"style", "xmp", "iframe", "noembed", "noframes"}
NO_TRACK = "data-no-track"


class Link:
    """A link of a document: where it stands, and the value of its first href."""

    def __init__(self, element, value, attributes, conditional):
        self.element, self.value, self.conditional = element, value, conditional
        self.no_track = NO_TRACK in attributes

    def __repr__(self):
        return "<%s href=%r%s>" % (self.element, self.value[:120], " in a condition" if self.conditional else "")


def attributes_of(token):
    """Of attributes that stand twice in a tag the first one counts."""
    data = token["data"]
    pairs = data.items() if hasattr(data, "items") else data
    out = {}
    for name, value in pairs:
        out.setdefault(name, value)
    return out


def tokens(text, conditional=False):
    """(kind, name, attributes) of tags, (COMMENT, text), (text,): texts that touch are one. The
    comments in which Outlook reads markup hold tokens themselves."""
    out, tokenizer = [], HTMLTokenizer(text)
    for token in tokenizer:
        kind = token["type"]
        if kind == ERROR:
            continue
        if kind in TEXTS:
            if out and out[-1][0] == "text":
                out[-1] = ("text", out[-1][1] + token["data"])
            else:
                out.append(("text", token["data"]))
        elif kind == START:
            name = token["name"].lower()
            out.append((START, name, attributes_of(token)))
            if name in ("title", "textarea"):
                tokenizer.state = tokenizer.rcdataState
            elif name in RAW:
                tokenizer.state = tokenizer.rawtextState
            elif name == "script":
                tokenizer.state = tokenizer.scriptDataState
            elif name == "plaintext":
                tokenizer.state = tokenizer.plaintextState
        elif kind == END:
            out.append((END, token["name"].lower(), {}))
        elif kind == COMMENT and not conditional and token["data"].startswith("[if") and "]>" in token["data"]:
            condition, _, inside = token["data"].partition("]>")
            out.append(("condition", condition, tokens(inside, True)))
        else:
            out.append(("other", kind, repr(token.get("data")), token.get("name"), token.get("publicId")))
    return out


def is_link(token):
    return token[0] == START and (token[1] in ("a", "area") or token[1].startswith("v:")) and "href" in token[2]


def links_of(stream, conditional=False):
    out = []
    for token in stream:
        if token[0] == "condition":
            out.extend(links_of(token[2], True))
        elif is_link(token):
            out.append(Link(token[1], token[2]["href"], token[2], conditional))
    return out


def without(stream, is_pixel):
    """The stream without pixels, and these as (attributes, where): how many tags </body> are before and
    behind."""
    out, pixels = [], []
    ends = [n for n, token in enumerate(stream) if token[0] == END and token[1] == "body"]
    for n, token in enumerate(stream):
        if token[0] == START and token[1] == "img" and is_pixel(token[2].get("src", "")):
            pixels.append((token[2], sum(at < n for at in ends), sum(at > n for at in ends)))
        elif token[0] == "text" and out and out[-1][0] == "text":
            out[-1] = ("text", out[-1][1] + token[1])
        else:
            out.append(token)
    return out, pixels


def same_but_links(before, after):
    """None if both are the same but for the values of links' href (and data-no-track, which may go);
    else the first that is not."""
    if len(before) != len(after):
        for n, (a, b) in enumerate(zip(before, after)):
            if a[0] != b[0] or a[1] != b[1]:
                return "token %d: %r is %r" % (n, a, b)
        return "%d tokens are %d" % (len(before), len(after))
    for n, (a, b) in enumerate(zip(before, after)):
        if a == b:
            continue
        if a[0] == b[0] == "condition" and a[1] == b[1]:
            trouble = same_but_links(a[2], b[2])
            if trouble:
                return "in a condition: " + trouble
            continue
        if is_link(a) and is_link(b) and a[1] == b[1]:
            one, other = dict(a[2]), dict(b[2])
            one.pop("href"), other.pop("href")
            if NO_TRACK not in other:
                one.pop(NO_TRACK, None)
            if one == other:
                continue
        return "token %d: %r is %r" % (n, a, b)
    return None
