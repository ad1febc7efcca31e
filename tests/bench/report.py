# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's figures as a table of at most 100 columns, as JSON and as a plot. Prints what was
measured and nothing else."""
import json
import statistics
import textwrap

VERDICTS = {True: "met", False: "missed", None: "-"}


def number(value, unit=""):
    if value is None:
        return "-"
    text = "%d" % value if value == int(value) and abs(value) < 1e6 else \
        "%.0f" % value if abs(value) >= 100 else "%.2f" % value if abs(value) >= 1 else "%.3f" % value
    return text + (unit if unit == "/s" else " " + unit if unit else "")


def ratio(value):
    return "" if value is None else "%.0fx" % value if value >= 20 else "%.1fx" % value if value >= 1 else "%.3fx" % value


def table(command, facts, results):
    lines = [
        *textwrap.wrap("$ " + command, 96, subsequent_indent="    "),
        "%(cores)d cores, %(model)s, %(memory_gib)s GiB, Linux %(kernel)s, %(file_system)s" % facts,
        "fdatasync of 4 KiB appended: %(fdatasync_ms)s ms (median); load average before: %(load_before)s; "
        "%(touched_gib)s GiB of memory used once before" % facts,
        "Postfix %(postfix)s as Debian ships it; medians of %(runs)d runs, in turn; processor time by %(cpu)s" % facts,
        "other work on the machine took %(elsewhere)d %% of the processors (median of runs), at most %(elsewhere_most)d %%" % facts,
        "",
        "%-38s %11s %10s %7s %19s %s" % ("", "Relais", "Postfix", "ratio", "target", ""),
        "-" * 100,
    ]
    for r in results:
        first, *rest = textwrap.wrap(r["what"], 38) or [""]
        lines.append("%-38s %11s %10s %7s %19s %s" % (first, number(r["relais"], r["unit"]), number(r["postfix"], r["unit"]),
                                                     ratio(r["ratio"]), r["target"], VERDICTS[r["met"]]))
        lines += rest
        lines += textwrap.wrap(r["note"], 96, initial_indent="    ", subsequent_indent="    ")
    met = sum(r["met"] is True for r in results)
    missed = sum(r["met"] is False for r in results)
    lines += ["-" * 100, "%d met, %d missed" % (met, missed)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_json(command, facts, results):
    return json.dumps({"command": command, "machine": facts, "results": results}, indent=1) + "\n"


def series(results):
    """By server: (connections, delivered a second, p50 and p99 of acceptance) of the rows that differ in connections alone."""
    out = {}
    for row, connections in (("c1", 1), ("c20", 20), ("c200", 200), ("c1000", 1000)):
        for result in results:
            if result["row"] != row:
                continue
            for server, runs in result["runs"].items():
                middle = [statistics.median(run["delivered_per_s"] for run in runs)]
                middle += [statistics.median(run["start_to_accepted_ms"][part] for run in runs) for part in ("p50", "p99")]
                out.setdefault(server, []).append((connections, *middle))
    return out


def plot(path, results, facts):
    """False where there is no matplotlib, or nothing to draw."""
    points = series(results)
    try:
        import matplotlib
    except ImportError:
        return False
    if not points:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for server, rows in points.items():
        x = [row[0] for row in rows]
        line, = left.plot(x, [row[1] for row in rows], marker="o", label=server)
        right.plot(x, [row[2] for row in rows], marker="o", color=line.get_color(), label=server + ", p50")
        right.plot(x, [row[3] for row in rows], marker="o", linestyle=":", color=line.get_color(), label=server + ", p99")
    for axes, title, unit in ((left, "Delivered", "messages a second"), (right, "From MAIL to 250", "milliseconds")):
        axes.set(title=title, ylabel=unit, xlabel="connections", xscale="log", yscale="log")
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
    figure.suptitle("4 KiB, synced; %(cores)d cores, fdatasync %(fdatasync_ms)s ms" % facts)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return True
