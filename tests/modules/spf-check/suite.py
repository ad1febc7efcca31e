# SPDX-License-Identifier: GPL-3.0-or-later
"""Suites of SPF cases in YAML, in the form of the public one for RFC 7208: documents with `tests` and
`zonedata`. A record of type SPF stands for TXT, unless its name has TXT records or "TXT: NONE"; TIMEOUT is
what happens to questions for all that has no record before it."""
import ipaddress
import os

NUMBERS = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
SOURCE = os.environ.get("RELAIS_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HERE = os.path.join(SOURCE, "tests/modules/spf-check")


def corpus():
    """Where the public suite is, or None: it is not part of the tree."""
    for folder in (os.environ.get("RELAIS_CORPORA"), os.path.join(SOURCE, "../shared/corpora"), "/work/shared/corpora"):
        path = folder and os.path.join(folder, "spf/rfc7208-tests.yml")
        if path and os.path.exists(path):
            return path
    return None


class Zone:
    """records: {(name, type): [octets, ...]}, names and types as DNS has them; lost: {name}."""

    def __init__(self, data):
        self.records, self.lost, self.names = {}, set(), {}
        for name, entries in (data or {}).items():
            self.add(name.lower().rstrip("."), entries)

    def add(self, name, entries):
        self.names[name] = name
        has_text = any(isinstance(e, dict) and "TXT" in e for e in entries)
        for entry in entries:
            if entry == "TIMEOUT":
                self.lost.add(name)
                continue
            (kind, value), = entry.items()
            if kind == "SPF" and has_text or value == "NONE":
                continue
            kind = "TXT" if kind == "SPF" else kind
            self.records.setdefault((name, kind), []).append(self.octets(kind, value))

    def octets(self, kind, value):
        if kind in ("A", "AAAA"):
            return ipaddress.ip_address(value).packed
        if kind == "TXT":
            return [piece.encode("latin-1") for piece in (value if isinstance(value, list) else [value])]
        if kind == "MX":
            return int(value[0]), value[1].rstrip(".").encode("latin-1")
        return value.rstrip(".").encode("latin-1")


class Case:
    def __init__(self, name, data, zone):
        self.name, self.zone = name, zone
        self.ip, self.helo, self.sender = data["host"], data["helo"], data["mailfrom"]
        wanted = data["result"]
        self.wanted = wanted if isinstance(wanted, list) else [wanted]
        self.explanation = data.get("explanation")
        self.data = data


def load(path):
    """A list of (description, zone, [case, ...])."""
    import yaml
    out = []
    with open(path, encoding="utf-8") as file:
        for document in yaml.load_all(file, Loader=yaml.BaseLoader):
            zone = Zone(document["zonedata"])
            cases = [Case(name, data, zone) for name, data in document["tests"].items()]
            out.append((document["description"], zone, cases))
    return out


def hexed(octets):
    return octets.hex() or "-"


def lines(documents):
    """What evaluate reads."""
    for number, (_, zone, cases) in enumerate(documents):
        yield "zone"
        for (name, kind), values in zone.records.items():
            for value in values:
                if kind == "TXT":
                    value = b"".join(value)
                elif kind == "MX":
                    value = value[1]
                yield "record %s %d %s" % (hexed(name.encode("latin-1")), NUMBERS[kind], hexed(value))
        for name in zone.lost:
            yield "fail %s 0" % hexed(name.encode("latin-1"))
        for case in cases:
            yield "case %d.%s %s %s %s" % (number, case.name, case.ip, hexed(case.sender.encode("latin-1")), hexed(case.helo.encode("latin-1")))
