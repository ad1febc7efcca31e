#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What relaisd --check and relaisctl conf check say of modules that are on: one that cannot be loaded stops the start unless it is
to go on without it, and one that declares a command of Relais' own is refused, both being named. And what only the core's rooms can
tell of their options, that README's and conf.d's examples are good, and that the manual has all commands. Nothing is started. TAP."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
SOURCE = os.environ.get("RELAIS_SRCDIR", os.path.join(os.path.dirname(__file__), "..", ".."))
CHECKS = []


def ok(good, name, detail=""):
    CHECKS.append(name)
    print("%sok %d - %s" % ("" if good else "not ", len(CHECKS), name))
    if not good:
        for line in str(detail).splitlines():
            print("# " + line)


class Place:
    """A conf.d and a module directory of its own."""

    def __init__(self, top):
        self.conf, self.modules = os.path.join(top, "conf.d"), os.path.join(top, "modules")
        for path in (self.conf, self.modules):
            os.mkdir(path)
            os.chmod(path, 0o755)

    def put(self, fixture, directory="tests/abi"):
        path = os.path.join(self.modules, fixture + ".so")
        shutil.copyfile(os.path.join(BUILD, directory, ".libs", fixture + ".so"), path)
        os.chmod(path, 0o644)
        return path

    def write(self, text):
        with open(os.path.join(self.conf, "test.conf"), "w") as file:
            file.write(text)

    def run(self, program, *arguments):
        return subprocess.run([os.path.join(BUILD, program), *(["--conf", self.conf] if program != "relais-inspect" else []), "--module-dir", self.modules, *arguments],
                              capture_output=True, text=True, timeout=120, env=dict(os.environ, LC_ALL="C"))

    def check(self):
        """Both say the same; what they say, and whether it was good."""
        daemon, ctl = self.run("relaisd", "--check"), self.run("relaisctl", "conf", "check")
        ok((daemon.returncode == 0) == (ctl.returncode == 0), "relaisd and relaisctl agree", daemon.stderr + ctl.stdout + ctl.stderr)
        return daemon.returncode == 0, daemon.stderr, ctl.stdout + ctl.stderr


def test_owner(place):
    for line, what in (("user = nobody-is-called-this", "there is no user 'nobody-is-called-this'"),
                       ("user = nobody\ngroup = no-group-is-called-this", "there is no group 'no-group-is-called-this'"),
                       ("user = nobody", None), ("user = root", None)):
        place.write("[relais]\n%s\n" % line)
        done = place.run("relaisd", "--check")
        ok(done.returncode == 0 and (what in done.stdout if what else "root" not in done.stdout),
           "--check tells whether this machine has whom the daemon becomes: " + line.replace("\n", ", "), done.stdout + done.stderr)


def test_missing(place):
    place.write("[module ghost]\nenable = yes\n")
    good, said, _ = place.check()
    ok(not good and "ghost.so: found No such file or directory" in said, "a module that is on and not there stops the start", said)
    ok("test.conf:2: " in said and "did you mean" not in said, "where it was enabled is told", said)
    place.put("spf-check", "modules/spf-check")
    place.write("[module spf-chek]\nenable = yes\n")
    _, said, ctl = place.check()
    ok("did you mean 'spf-check'?" in said and "did you mean 'spf-check'?" in ctl, "and the name that was probably meant", said + ctl)
    place.write("[module ghost]\nenable = yes\non_failure = bypass\n[ghost]\nzone = list.test\n[listener smtp]\nghost.limit = 5\n")
    good, said, ctl = place.check()
    for text in (said, ctl):
        ok(good and "warning" in text and "ghost.so: found No such file" in text and "going on without module 'ghost', as its on_failure says" in text,
           "unless its on_failure lets it: then it is a warning, and what else the files say of it is left alone", text)
    with open(os.path.join(place.conf, "test2.conf"), "w") as file:
        file.write("[module ghost]\non_failure = default\n")
    ok(not place.check()[0], "the last file counts")
    os.unlink(os.path.join(place.conf, "test2.conf"))


def test_broken(place):
    place.put("major")
    place.put("guest")
    place.write("[module major]\nenable = yes\non_failure = bypass\n[module guest]\nenable = yes\non_failure = bypass\n")
    good, said, _ = place.check()
    ok(good and "major.so: api_major: found 1, wanted 0" in said and "guest" not in said.replace("guest.so", ""), "so is one of another Relais, and the others are loaded", said)
    place.put("cycle-a")
    place.write("[module cycle-a]\nenable = yes\n[module cycle-b]\nenable = yes\non_failure = bypass\n")
    good, said, _ = place.check()
    ok(not good and "found no module 'cycle-b' loaded" in said, "who needs one that is missing stops the start", said)


def test_off(place):
    place.put("spf-check", "modules/spf-check")
    place.write("[module spf-check]\nenable = no\n[spf-check]\nbogus = 1\n")
    good, said, ctl = place.check()
    for text in (said, ctl):
        ok(not good and "unknown key 'bogus' in [spf-check]" in text, "the sections of a module that is off are looked at", text)
    place.write("[module spf-check]\nenable = no\n[spf-check]\nfail = reject\n")
    ok(place.check()[0], "and may be right")


def test_command(place):
    path = place.put("ours")
    place.write("[module ours]\nenable = yes\n")
    good, said, ctl = place.check()
    wanted = "%s: commands: found 'status' declared by module 'ours' and by Relais itself, wanted it once; disable the module" % path
    ok(not good and wanted in said, "a command of Relais' own is refused", said)
    ok(wanted in ctl, "by relaisctl, too", ctl)
    place.write("")
    done = place.run("relaisctl", "module", "enable", "ours")
    ok(done.returncode != 0 and wanted in done.stdout + done.stderr, "and by relaisctl module enable", done.stdout + done.stderr)
    done = place.run("relaisctl", "help")
    words = {tuple(line.split()[:2]) for line in done.stdout.splitlines()}
    ok(any(word[:1] == ("status",) for word in words), "relaisctl has its own all the same", done.stdout)


UNUSABLE = (
    ("[relais]\npostmaster = root\n", "test.conf:2: [] postmaster: is no address"),
    ("[tenant shop]\ndomains = a.test b@c.test\n", 'test.conf:2: [shop] domains: "b@c.test" is no domain'),
    ("\n[domain a_b.test]\n", "test.conf:2: [domain a_b.test]: the name is no domain"),
    ("[destination x]\ndomains = @a.test\ntls = require\n", 'test.conf:2: domains: "@a.test": expected example.org, *.example.org or *'),
)


def test_unusable(place):
    """What the daemon would not start with, as its rooms say; files are the daemon's to read."""
    for text, wanted in UNUSABLE:
        place.write(text)
        good, said, ctl = place.check()
        ok(not good and wanted in said and wanted in ctl, "found before the start: " + wanted, said + ctl)
    place.write("[listener a]\ntls = required\ncertificate = /nonexistent/c.pem\nkey = /nonexistent/k.pem\n")
    ok(place.check()[0], "a certificate is not looked for")


def words_of_manual():
    """(word, its verbs) of each entry of relaisctl(1)."""
    with open(os.path.join(SOURCE, "man", "relaisctl.1")) as file:
        lines = file.read().split(".SH COMMANDS")[1].split(".SH EXIT STATUS")[0].splitlines()
    for tag in (line for before, line in zip(lines, lines[1:]) if before == ".TP"):
        words = re.findall(r"[a-z][a-z-]*", re.sub(r'^\.[A-Z]+|"|\\f.', " ", tag))
        yield words[0], words[1:]


def put_all(place):
    """All modules that Relais comes with, switched on by what is returned."""
    names = sorted(name for name in os.listdir(os.path.join(BUILD, "modules")) if os.path.exists(os.path.join(BUILD, "modules", name, ".libs", name + ".so")))
    for name in names:
        place.put(name, "modules/" + name)
    return "".join("[module %s]\nenable = yes\n" % name for name in names)


def test_readme(place):
    """What README gives as configuration can be taken as it stands. conf dump reads it by what modules declare, and starts none."""
    with open(os.path.join(place.conf, "all.conf"), "w") as file:
        file.write(put_all(place))
    with open(os.path.join(SOURCE, "README")) as file:
        examples = [text for text in re.findall(r"(?:^    .*\n|^\n(?=    ))+", file.read(), re.M) if re.search(r"^    \[", text, re.M)]
    ok(len(examples) > 4, "README has examples of configuration", examples)
    for text in examples:
        place.write(re.sub("^    ", "", text, flags=re.M))
        done = place.run("relaisctl", "conf", "dump")
        ok(done.returncode == 0, "README: " + re.search(r"\[.*", text).group(), text + done.stdout[:500] + done.stderr)


def test_samples(place):
    """relais.conf(5) sends its reader to conf.d/NAME.conf for what a module takes: each option stands there, as an example that can be read."""
    with open(os.path.join(place.conf, "zz.conf"), "w") as file:
        file.write(put_all(place))
    done = place.run("relais-inspect", "--json", "--all")
    for facts in map(json.loads, done.stdout.splitlines()):
        files = glob.glob(os.path.join(SOURCE, "conf.d", facts["name"] + "*.conf"))
        text = "".join(open(path).read() for path in files)
        keys = sorted({option["key"] for option in facts["options"]})
        missing = [key for key in keys if not re.search(r"^#?(%s\.)?%s =" % (facts["name"], key), text, re.M)]
        ok(missing == [], "conf.d of %s has every option" % facts["name"], missing)
        place.write(re.sub(r"^#(?=\S)", "", text, flags=re.M))
        dumped = place.run("relaisctl", "conf", "dump")
        ok(dumped.returncode == 0, "and its examples can be read", dumped.stdout[:1000] + dumped.stderr)


def test_manual(place):
    """Every command that Relais and its modules have stands in the manual."""
    place.write(put_all(place))
    said = place.run("relaisctl", "help").stdout
    shown = [line.split()[:2] for line in said.splitlines() if re.match("  [a-z]", line)]
    manual = list(words_of_manual())
    ok(["dkim", "keygen"] in shown and ["status", "[--heap]"] in shown, "relaisctl help shows the commands of modules", said)
    missing = [words for words in shown if not any(word == words[0] and (words[1] in verbs or not re.match("[a-z]+$", words[1]))
                                                   for word, verbs in manual)]
    ok(missing == [], "relaisctl(1) has them all", missing)


def main():
    for case in (test_owner, test_missing, test_broken, test_off, test_command, test_unusable, test_readme, test_samples,
                 test_manual):
        with tempfile.TemporaryDirectory(prefix="relais-modules-") as top:
            case(Place(top))
    print("1..%d" % len(CHECKS))


main()
sys.exit(0)
