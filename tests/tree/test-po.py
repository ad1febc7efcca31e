#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read by people can be read in French: po/POTFILES.in lists the files with marked text and no
others, and each translation is complete, sure and fits its format. Works on a template extracted anew. TAP."""
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = ["xgettext", "msgmerge", "msgfmt", "msgattrib"]


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=SOURCE, env=dict(os.environ, LC_ALL="C"))
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (argv[0], done.stderr.strip()))
    return done.stdout


def words(name):
    with open(os.path.join(SOURCE, "po", name), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def options():
    """As the rules of po/ call xgettext."""
    for line in words("Makevars"):
        if line.startswith("XGETTEXT_OPTIONS"):
            return shlex.split(line.split("=", 1)[1])
    raise RuntimeError("po/Makevars sets no XGETTEXT_OPTIONS")


def extract(files, top):
    pot = os.path.join(top, "new.pot")
    run("xgettext", *options(), "--add-location=file", "-o", pot, *files)
    return pot


def sources():
    for room in ("core", "modules", "include"):
        for path in glob.glob(os.path.join(SOURCE, room, "**", "*.[ch]"), recursive=True):
            yield os.path.relpath(path, SOURCE)


def listed(top):
    found = set()
    with open(extract(sorted(sources()), top), encoding="utf-8") as file:
        for line in file:
            if line.startswith("#: "):
                found.update(line[3:].split())
    named = words("POTFILES.in")
    if not found:
        yield "no file has marked text, which cannot be"
    for path in sorted(found - set(named)):
        yield "%s has marked text, but po/POTFILES.in does not list it" % path
    for path in sorted(set(named) - found):
        yield "po/POTFILES.in lists %s, which has no marked text" % path
    if named != sorted(set(named)):
        yield "po/POTFILES.in is not sorted, or names a file twice"


def messages(po, *which):
    """The texts of a catalogue that are as `which` says, without its header."""
    text = run("msgattrib", "--no-wrap", "--force-po", "--no-location", *which, po)
    for entry in text.split("\n\n"):
        found = re.search(r'^(?:#~ )?msgid (".*?)^(?:#~ )?msg', entry, re.M | re.S)
        if found and found.group(1).strip() != '""':
            yield found.group(1).strip()


def complete(language, top):
    po, merged = "po/%s.po" % language, os.path.join(top, language + ".po")
    pot = extract(sorted(sources()), top)
    run("msgmerge", "-q", "--no-fuzzy-matching", "-o", merged, po, pot)
    for why, which in (("no translation", "--untranslated"), ("a fuzzy translation", "--only-fuzzy"),
                       ("a translation, but is gone from the sources", "--only-obsolete")):
        for message in messages(merged, which):
            yield "%s: %s has %s" % (po, message, why)
    if len(list(messages(merged, "--translated"))) < 100:
        yield "%s: hardly a message is translated" % po


def fits(language, top):
    po = "po/%s.po" % language
    try:
        run("msgfmt", "-c", "-o", os.path.join(top, language + ".mo"), po)
    except RuntimeError as error:
        yield str(error)
    with open(os.path.join(SOURCE, po), encoding="utf-8") as file:
        head = file.read().split("\n\n")[0]
    for field in ("Project-Id-Version: relais", "Language: " + language, "Plural-Forms: nplurals="):
        if field not in head:
            yield "%s: the header lacks '%s'" % (po, field)


def main():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print("1..0 # SKIP not installed: " + ", ".join(missing))
        return 0
    with tempfile.TemporaryDirectory() as top:
        checks = [("POTFILES.in lists every file with text for people", listed, (top,))]
        for language in words("LINGUAS"):
            checks.append(("%s: every message is translated" % language, complete, (language, top)))
            checks.append(("%s: header and formats are right" % language, fits, (language, top)))
        bad = 0
        print("1..%d" % len(checks))
        for n, (what, check, arguments) in enumerate(checks, 1):
            problems = list(check(*arguments))
            bad += bool(problems)
            print("%sok %d - %s" % ("not " if problems else "", n, what))
            for problem in problems:
                print("# " + problem.replace("\n", "\n# "))
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
