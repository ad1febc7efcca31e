#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator against libspf2, where that library is right, on generated domains: 3 000 checks must come out alike.

Not generated is what it gets wrong: prefixes of /0, redirect before other terms, faults in a record, modifiers that
nobody knows, macros that keep as many parts as there are, names too long to ask for. Left out after the fact is what it has no budget for: checks that end for
too many terms, void lookups or hosts. TAP."""
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suite

BUILD = os.environ.get("RELAIS_BUILDDIR", os.getcwd())
HERE = os.path.join(BUILD, "tests/modules/spf-check")
EVALUATE = os.environ.get("SPF_EVALUATE") or os.path.join(HERE, "evaluate")
ORACLE = os.environ.get("SPF_ORACLE") or os.path.join(HERE, "oracle")
SEED = os.environ.get("RELAIS_TEST_SEED", "spf")
ZONES, CASES, DOMAINS = 100, 30, 8
FOUR = ["192.0.2.%d" % i for i in (1, 2, 3, 77)] + ["198.51.100.%d" % i for i in (1, 200)]
SIX = ["2001:db8::%x" % i for i in (1, 2, 0x77)] + ["2001:db8:1::1"]
MACROS = ["%{d}", "%{o}", "%{l}.%{d}", "%{ir}.%{v}.%{d}", "%{i}.%{d}", "%{h}", "%{d1}.%{d}", "%{d1r}.%{o}", "%{lr-}.%{o}", "%{dr}.test", "%{L}.%{d}"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def prefix(self, six):
        return self.random.choice(["", "", "/%d" % self.random.randint(1, 128 if six else 32)])

    def dual(self):
        return self.prefix(False) + self.random.choice(["", "//%d" % self.random.randint(1, 128)])

    def name(self, below):
        """A domain whose record cannot lead back here, or a host."""
        return self.random.choice(["d%d.test" % i for i in range(below + 1, DOMAINS)] + ["h%d.test" % self.random.randrange(6)])

    def target(self, number):
        return self.random.choice([self.name(number), self.name(number), self.random.choice(MACROS)])

    def term(self, number):
        kind = self.random.choice(["ip4", "ip4", "ip6", "a", "a", "mx", "mx", "ptr", "exists", "include", "include"])
        if kind == "include" and number + 1 == DOMAINS:
            kind = "a"
        sign = self.random.choice(["", "", "", "+", "-", "~", "?"])
        if kind == "ip4":
            return sign + "ip4:" + self.random.choice(FOUR) + self.prefix(False)
        if kind == "ip6":
            return sign + "ip6:" + self.random.choice(SIX) + self.prefix(True)
        if kind in ("a", "mx"):
            return sign + kind + self.random.choice(["", ":" + self.target(number)]) + self.dual()
        if kind == "ptr":
            return sign + "ptr" + self.random.choice(["", ":" + self.name(number)])
        if kind == "exists":
            return sign + "exists:" + self.target(number)
        return sign + "include:d%d.test" % self.random.randint(number + 1, DOMAINS - 1)

    def record(self, number):
        terms = [self.term(number) for _ in range(self.random.randint(0, 5))]
        end = self.random.choice(["-all", "~all", "?all", "all", "", "redirect"])
        if end == "redirect":
            end = "redirect=d%d.test" % self.random.randint(number + 1, DOMAINS - 1) if number + 1 < DOMAINS else "-all"
        blanks = self.random.choice([" ", "  "])
        return blanks.join(["v=spf1"] + terms + [end] * bool(end))

    def addresses(self):
        return [{"A": a} for a in self.random.sample(FOUR, self.random.randint(0, 3))] + [{"AAAA": a} for a in self.random.sample(SIX, self.random.randint(0, 2))]

    def zone(self):
        data = {}
        for i in range(DOMAINS):
            entries = self.addresses() + [{"MX": [str(n), "h%d.test" % self.random.randrange(6)]} for n in range(self.random.randint(0, 3))]
            if self.random.random() < 0.92:
                entries.append({"TXT": self.record(i)})
            if self.random.random() < 0.3:
                entries.append({"TXT": "another record"})
            data["d%d.test" % i] = entries or [{"TXT": "no policy"}]
        for i in range(6):
            data["h%d.test" % i] = self.addresses() or [{"TXT": "no address"}]
        for i in range(3):
            data["%s.d%d.test" % (self.random.choice(["local", "192.0.2.1", "local.part"]), self.random.randrange(DOMAINS))] = [{"A": "127.0.0.2"}]
        for a in FOUR[:3]:
            data[".".join(reversed(a.split("."))) + ".in-addr.arpa"] = [{"PTR": self.random.choice(["h1.test", "h2.test", "d3.test"])} for _ in range(self.random.randint(1, 2))]
        return suite.Zone(data)

    def case(self, number, zone):
        return suite.Case("c%d" % number, {
            "host": self.random.choice(FOUR + SIX), "helo": "h%d.test" % self.random.randrange(6), "result": [],
            "mailfrom": self.random.choice(["", "local@d0.test", "local@d0.test", "local-part@d1.test", "x@d2.test"])}, zone)


def run(program, lines):
    done = subprocess.run([program], input=lines, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError("%s: %d %s" % (program, done.returncode, done.stderr))
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}


def over_budget(found):
    why = bytes.fromhex(found[5]).decode() if found[5] != "-" else ""
    return found[0] == "permerror" and why.startswith("more than") or "has more than" in why


def main():
    if not os.path.exists(ORACLE):
        print("1..0 # SKIP built without libspf2")
        return 0
    maker = Maker(SEED)
    documents = []
    for _ in range(ZONES):
        zone = maker.zone()
        documents.append(("", zone, [maker.case(i, zone) for i in range(CASES)]))
    lines = "\n".join(suite.lines(documents)) + "\n"
    ours, theirs = run(EVALUATE, lines), run(ORACLE, lines)
    left = [name for name in ours if not over_budget(ours[name])]
    differ = [name for name in left if ours[name][0] != theirs[name][0]]
    results = sorted({ours[name][0] for name in left})
    print("# seed %r: %d checks, %d within budgets, results %s" % (SEED, len(ours), len(left), " ".join(results)))
    print("%sok 1 - libspf2 says the same" % ("not " if differ else ""))
    for name in differ[:20]:
        number, _, case_name = name.partition(".")
        case = documents[int(number)][2][int(case_name[1:])]
        print("# %s: ours %s, theirs %s: %s from %s helo %s" % (name, ours[name][0], theirs[name][0], case.sender, case.ip, case.helo))
        for key, values in case.zone.records.items():
            print("#     %s %s %s" % (*key, values))
    enough = len(left) > len(ours) // 2 and {"pass", "fail", "softfail", "neutral", "none", "permerror"} <= set(results)
    print("%sok 2 - enough was compared, of every result" % ("" if enough else "not "))
    print("1..2")
    return 1 if differ or not enough else 0


sys.exit(main())
