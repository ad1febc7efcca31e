#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""dkim.so as verifier beside others: messages signed by dkimpy, libopendkim, Mail::DKIM and dkim.so itself, each changed on its way
in many ways, are verified by dkim.so, dkimpy and Mail::DKIM, and the verdicts must be the same. Where ours is another on
purpose, LAXER says why. TAP."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import corpus
import rules

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
VERIFY, SIGN = (os.path.join(BUILD, "tests/modules/dkim", name) for name in ("verify", "sign"))
MODULES = os.path.join(BUILD, "modules/dkim/.libs")

# Where others say pass and we do not: (who, message, mutation, why); None is any.
LAXER = [
    (None, None, "a second From", "a reader may be shown the From that is not signed"),
    (None, None, "a second Subject below", "a reader may be shown the Subject that is not signed"),
    (None, None, "Date taken out", "a message without Date is none"),
    (None, "dkimpy: l= of all", "a line more", "l= leaves it unsigned"),
    (None, "dkimpy: l= of all", "empty lines at the end", "l= leaves it unsigned"),
]


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def ok(self, good, name, why=""):
        self.n += 1
        self.bad += not good
        print("%sok %d - %s" % ("" if good else "not ", self.n, name.replace("#", "")), flush=True)
        if not good:
            print("# " + str(why)[:3000].replace("\n", "\n# "), flush=True)

    def skip(self, name, reason):
        self.n += 1
        print("ok %d - %s # SKIP %s" % (self.n, name, reason), flush=True)

    def end(self):
        print("1..%d" % self.n)
        sys.exit(1 if self.bad else 0)


# --- Verifiers ----------------------------------------------------------------------------------

def write(home, messages):
    paths = []
    for i, message in enumerate(messages):
        paths.append(os.path.join(home, "m%d" % i))
        with open(paths[-1], "wb") as file:
            file.write(message)
    return paths


def parse_results(text):
    """[(result, reason, {property: value})] of what Authentication-Results tells."""
    out = []
    for part in re.findall(r'dkim=(\w+)((?:"(?:[^"\\]|\\.)*"|[^;"])*)', text):
        reason = re.search(r'reason="?((?:[^"\\]|\\.)*)"', part[1])
        properties = dict(re.findall(r'(header\.\w)="?([^\s";]+)', part[1]))
        out.append((part[0], reason.group(1) if reason else None, properties))
    return out


def ours(home, zone, messages):
    """For each message (lookups, results)."""
    path = os.path.join(home, "zone")
    with open(path, "w") as file:
        file.write(zone)
    out = []
    for start in range(0, len(messages), 500):
        done = subprocess.run([VERIFY, MODULES, path] + write(home, messages[start:start + 500]), capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr or "ended with %d" % done.returncode)
        for line in done.stdout.splitlines():
            lookups, _, text = line.partition("\t")
            out.append((int(lookups), parse_results(text)))
    return out


def b_of(message):
    """The first octets of b= of each signature, as header.b tells them."""
    out = []
    for field in corpus.fields_of(corpus.split(message)[0]):
        if corpus.is_signature(field):
            found = re.search(rb"[;\s]b=([^;]*)", re.sub(rb"\s+", b"", field.replace(b";", b"; ")).replace(b";", b"; "))
            out.append(found.group(1)[:8].decode() if found else None)
    return out


def passes_of(message, results):
    """Whether each signature passes, in the order in which they stand."""
    left, out = list(results), []
    for b in b_of(message):
        found = next((r for r in left if r[2].get("header.b") == b), None)
        if found is not None:
            left.remove(found)
        out.append(found is not None and found[0] == "pass")
    return out


def by_dkimpy(keys, message):
    import dkim
    out = []
    for i in range(len(b_of(message))):
        try:
            out.append(bool(dkim.DKIM(message).verify(idx=i, dnsfunc=lambda name, timeout=5: (keys.first(name.decode()) or "").encode() or None)))
        except Exception:  # also what it does not catch itself
            out.append(False)
    return out


def by_mail_dkim(home, messages):
    done = subprocess.run(["perl", os.path.join(corpus.HERE, "mail-dkim.pl"), "verify", os.path.join(home, "zone")] + write(home, messages),
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [[word == "pass" for word in line.split()] for line in done.stdout.splitlines()]


# --- Comparison -----------------------------------------------------------------------------------

def is_laxer(who, message, mutation):
    return any(w in (None, who) and m in (None, message) and c in (None, mutation) for w, m, c, _ in LAXER)


def is_ed25519(message):
    return [b"ed25519" in field for field in corpus.fields_of(corpus.split(message)[0]) if corpus.is_signature(field)]


def differences(who, name, cases, ours_found, theirs, skip=lambda message: None):
    out = []
    for (mutation, message), (_, results), their in zip(cases, ours_found, theirs):
        mine, left_out = passes_of(message, results), skip(message) or [False] * 99
        for i, (a, b) in enumerate(zip(mine, their)):
            if a != b and not left_out[i] and not (b and is_laxer(who, name, mutation)):
                out.append("%s, signature %d: ours %s, %s says %s" % (mutation, i + 1, results, who, "pass" if b else "no pass"))
        if len(mine) != len(their):
            out.append("%s: %d signatures, %s sees %d" % (mutation, len(mine), who, len(their)))
    return out


def compare(tap, home, keys):
    signed = corpus.sign_all(home, keys)
    signed.update(corpus.sign_own(home, keys, SIGN, MODULES))
    tap.ok(len(signed) >= 40, "%d messages are signed" % len(signed))
    everything = [(name, mutation, change(message)) for name, message in signed.items() for mutation, change in corpus.MUTATIONS.items()]
    found = ours(home, keys.zone(), [message for _, _, message in everything])
    perl = by_mail_dkim(home, [message for _, _, message in everything])
    n_pass, step = 0, len(corpus.MUTATIONS)
    for k, name in enumerate(signed):
        part = slice(k * step, (k + 1) * step)
        cases = [(mutation, message) for _, mutation, message in everything[part]]
        unchanged = passes_of(cases[0][1], found[part][0][1])
        n_pass += sum(any(passes_of(message, results)) for (_, message), (_, results) in zip(cases, found[part]))
        theirs = [by_dkimpy(keys, message) for _, message in cases]
        bad = differences("dkimpy", name, cases, found[part], theirs)
        bad += differences("Mail::DKIM", name, cases, found[part], perl[part], skip=is_ed25519)
        if not unchanged or not all(unchanged):
            bad.append("as it was: no pass: %s" % found[part][0][1])
        tap.ok(not bad, "%s: %d verdicts are those of the others" % (name, step), "\n".join(bad))
    print("# %d of %d messages have a signature that passes" % (n_pass, len(everything)))


# --- Rules ----------------------------------------------------------------------------------------

def fits(rule, lookups, results):
    if len(results) != len(rule.wanted) or (rule.lookups is not None and lookups != rule.lookups):
        return False
    for (result, reason, _), (wanted, words) in zip(results, rule.wanted):
        if not re.fullmatch(wanted, result) or (words is not None and words not in (reason or "")) or (words is None and result == "pass" and reason):
            return False
    return all(results[0][2].get(name) == value for name, value in (rule.first or {}).items())


def zone_of(keys, rule):
    """The common zone, but for the names that the rule has records of."""
    own = {line.partition("\t")[0] for line in rule.zone}
    return "\n".join([line for line in keys.zone().split("\n") if line.partition("\t")[0] not in own] + list(rule.zone))


def check_rules(tap, home, keys):
    plain = [rule for rule in rules.all_rules(keys)]
    for zone in sorted({zone_of(keys, rule) for rule in plain}):
        some = [rule for rule in plain if zone_of(keys, rule) == zone]
        for rule, (lookups, results) in zip(some, ours(home, zone, [rule.message for rule in some])):
            tap.ok(fits(rule, lookups, results), "%s: %s" % (rule.name, rule.wanted[0][0]),
                   "%d lookups, %s\nwanted %s, %s" % (lookups, results, rule.lookups, rule.wanted))


def main():
    tap = Tap()
    home = tempfile.mkdtemp(prefix="relais-verify-")
    try:
        import dkim  # noqa: F401
        import nacl  # noqa: F401
        keys = corpus.Keys(home)
        check_rules(tap, home, keys)
        compare(tap, home, keys)
    except ImportError as trouble:
        tap.skip("comparison with others", str(trouble))
    finally:
        shutil.rmtree(home)
    tap.end()


main()
