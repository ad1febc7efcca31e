#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes relais-api(3), the reference of the module API, from the comments of the public headers.

    man/reference.py HEADER...      the page, to standard output

A comment describes the declarations that follow it, up to the next empty line or comment. A comment that begins with
"---" opens a section. What is indented in a comment is a table, and stays as it is."""
import os
import re
import sys

FIRST = ["types.h", "version.h", "module.h", "option.h", "hook.h", "message.h"]  # read first; the harness last
SKIPPED = re.compile(r"^(#|G_BEGIN_DECLS|G_END_DECLS|G_DEFINE_AUTOPTR_CLEANUP_FUNC)")
TOP = r"""
.SH DESCRIPTION
This is what a module may include, header by header, as
.B include/relais
says it; how it goes together is in
.BR relais\-module (7),
and the first steps in
.BR relais\-module\-tutorial (7).
.PP
Where a thread is named: the
.I loop
is the daemon's one thread for all that never waits; a
.I worker
may wait; "any thread" is meant. [w] marks what the hooks that run on workers (rewrite, seal) may call, too. Strings
and structs that are returned are borrowed until the function that was called by Relais returns, unless it says
"owned" (free it with g_free, or with the function of its type) or "counted".
"""


def order(paths):
    def key(path):
        name = os.path.basename(path)
        return (name == "test.h", FIRST.index(name) if name in FIRST else len(FIRST), name)
    return sorted(paths, key=key)


# --- Reading --------------------------------------------------------------------------------------

def comment_lines(text):
    """Lines of a comment without its marks; an indent that is its own stays."""
    body = text.strip()[2:-2]
    lines = [re.sub(r"^\s*\* ?", "", line) for line in body.split("\n")]
    lines[0] = lines[0].strip()
    return [line.rstrip() for line in lines]


def take_statement(text, at):
    """End of the declaration that begins at `at`: its semicolon outside of braces, and a comment behind it."""
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            at = text.index("*/", at) + 2
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
        if text[at - 1] == ";" and depth == 0:
            break
    behind = re.compile(r"[ \t]*/\*.*?\*/", re.S).match(text, at)
    return behind.end() if behind else at


def take_macro(text, at):
    while True:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text[end - 1] != "\\":
            return end
        at = end + 1


def items(text):
    """("comment", lines), ("code", text) and ("gap", None) of a header, in order."""
    at = 0
    while at < len(text):
        if text.startswith("\n\n", at):
            yield "gap", None
            at += 2
        elif text[at].isspace():
            at += 1
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
            yield "comment", comment_lines(text[at:end])
            at = end
        elif SKIPPED.match(text[at:]):
            end = take_macro(text, at)
            if re.match(r"#define RELAIS_\w+(\(| [^_\n]*\d)", text[at:]):
                yield "code", text[at:end]
            at = end
        else:
            end = take_statement(text, at)
            yield "code", text[at:end]
            at = end


def groups(text):
    """The header's opening comment, then (comment or None, [declarations]) in order."""
    opening, found = None, []
    comment, codes = None, []

    def close():
        if comment is not None or codes:
            found.append((comment, list(codes)))
    for kind, value in items(text):
        if kind == "code":
            codes.append(value)
            continue
        if codes or kind == "comment":
            if opening is None and kind == "comment":
                opening = value
                continue
            close()
            comment, codes = (value if kind == "comment" else None), []
    close()
    return opening or [], found


# --- Writing --------------------------------------------------------------------------------------

def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def prose(lines):
    """Paragraphs, tables (what is indented) as they stand; `words` in italics."""
    out, paragraph, table = [], [], []

    def flush():
        if paragraph:
            text = escape(" ".join(paragraph))
            out.append(re.sub(r"`([^`]+)`", r"\\fI\1\\fR", text))
            paragraph.clear()
        if table:
            out.extend([".EX", *map(escape, table), ".EE"])
            table.clear()
    for line in lines:
        if line.startswith("  "):
            if paragraph:
                flush()
            table.append(line)
        elif line == "":
            flush()
            out.append(".PP")
        else:
            if table:
                flush()
            paragraph.append(line)
    flush()
    while out and out[-1] == ".PP":
        out.pop()
    return out


def code(text):
    text = text.strip("\n")
    if text.startswith("RELAIS_API "):
        text = re.sub(r"\n {11}", "\n", text[len("RELAIS_API "):])
    text = re.sub(r"\bRELAIS_API\s+", "", text)
    return [".EX", *(escape(line.rstrip()) if line.strip() else "\\&" for line in text.split("\n")), ".EE"]


def heading(lines):
    """Title and rest of a comment that opens a section."""
    first = lines[0].lstrip("- ").rstrip(" -")
    text = " ".join([first, *[line.rstrip(" -") for line in lines[1:]]]).strip()
    title, _, rest = text.partition(". ")
    return (title.rstrip("."), [rest] if rest else []) if len(title) <= 60 else ("More", [text])


def page(paths):
    out = ['.\\" Written by man/reference.py from include/relais.', '.TH RELAIS\\-API 3 "" "Relais" "Module interface"', ".SH NAME",
           "relais\\-api \\- what modules for the Relais mail transfer agent may call", ".SH SYNOPSIS"]
    out += [line for path in order(paths) for line in (".B #include <relais/%s>" % escape(os.path.basename(path)), ".br")]
    out += TOP.strip("\n").split("\n")
    for path in order(paths):
        with open(path, encoding="utf-8") as file:
            opening, found = groups(file.read())
        out += ['.SH "relais/%s"' % os.path.basename(path), *prose([line for line in opening if not line.startswith("SPDX")])]
        for comment, codes in found:
            if comment and comment[0].startswith("---"):
                title, comment = heading(comment)
                out.append('.SS "%s"' % escape(title))
            out += [".PP", *[line for text in codes for line in code(text)]]
            if comment:
                out += [".RS 4", *prose(comment), ".RE"]
    out += [".SH SEE ALSO", ".BR relais\\-module (7),", ".BR relais\\-module\\-tutorial (7),", ".BR relais\\-inspect (1)"]
    return "\n".join(line for i, line in enumerate(out) if not (line == ".PP" and i + 1 < len(out) and out[i + 1].startswith(".S"))) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: man/reference.py HEADER...")
    sys.stdout.write(page(sys.argv[1:]))
