# SPDX-License-Identifier: GPL-3.0-or-later
"""What all rows of the benchmark share: runs in turn, pairs, medians, and what a result is.

A result is a dictionary: row, what, unit, relais, postfix (or None), ratio, target, met (True, False or
None where only reported), note, and the runs it comes from.
"""
import statistics
import sys

import measure
import servers

PEER_MESSAGES = 3000  # of a row, all its runs together: a peer may be slow


def tell(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def value(run, path):
    for key in path:
        run = run[key]
    return run


def median(runs, *path):
    return statistics.median(value(run, path) for run in runs)


def ratios(runs, others, *path):
    """Of each pair."""
    return [value(run, path) / value(other, path) for run, other in zip(runs, others)]


def spread(values):
    """For a note: how far the pairs' ratios lie apart."""
    return "in %d pairs %.2f to %.2f" % (len(values), min(values), max(values))


def result(row, what, unit, relais, postfix=None, target="", met=None, note="", runs=None, ratio=None):
    """`ratio` is given where it is not Relais beside Postfix."""
    ratio = relais / postfix if postfix else ratio
    return {"row": row, "what": what, "unit": unit, "relais": relais, "postfix": postfix, "ratio": ratio,
            "target": target, "met": None if met is None else bool(met), "note": note, "runs": runs or {}}


class Bench:
    """What all rows share: the options, a sink port, and runs that were made already."""

    def __init__(self, options, facts):
        self.build, self.runs, self.messages, self.wait_idle = options.build, options.runs, options.messages, options.wait_idle
        self.facts = facts
        self.sink_port = servers.lab.free_port()
        self.done, self.elsewhere = {}, []
        # A machine may change its speed within a run: what is compared closely is measured in pairs, one right
        # after the other, and judged by the median of the pairs' ratios.
        self.pairs = 2 * self.runs - 1

    def relais(self, *options):
        return servers.Relais(self.build, self.sink_port, *options)

    def in_turn(self, name, parties, warm_up=200):
        """Runs A B A B; parties are (server, messages, arguments). Runs by the server's name."""
        for server, messages, arguments in parties:
            measure.load(self.build, *server.ends(), "--messages", min(warm_up, messages), *arguments)
        out = {server.name: [] for server, _, _ in parties}
        for i in range(self.runs):
            for server, messages, arguments in parties:
                measure.await_idle(self.wait_idle)
                figures = server.measure("--messages", messages, *arguments)
                out[server.name].append(figures)
                self.elsewhere.append(figures["elsewhere"])
                tell("%s, run %d of %d, %s: %.0f/s, %.0f us of CPU a message, %.0f %% elsewhere" % (
                    name, i + 1, self.runs, server.name, figures["delivered_per_s"], figures["cpu_us"], figures["elsewhere"] * 100))
        return out

    def one(self, name, server, messages, *arguments):
        """A short run, of those that are taken in pairs."""
        measure.await_idle(self.wait_idle)
        figures = server.measure("--messages", messages, *arguments)
        self.elsewhere.append(figures["elsewhere"])
        tell("%s, %s: %.0f/s, %.0f us of CPU a message, %.0f %% elsewhere" % (
            name, server.name, figures["delivered_per_s"], figures["cpu_us"], figures["elsewhere"] * 100))
        return figures

    def warm_up(self, server, *arguments):
        """To a steady state: a daemon that was just started has its memory still to get from the system."""
        measure.load(self.build, *server.ends(), *arguments)

    def in_pairs(self, parties):
        """Calls what the dictionary holds by name, all in turn and then all in the opposite order, and so on:
        a list for each name, of which those of the same place belong together."""
        out = {name: [] for name in parties}
        for i in range(self.pairs):
            for name in list(parties)[::-1 if i % 2 else 1]:
                out[name].append(parties[name]())
        return out
