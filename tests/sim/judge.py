# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the simulated internet shows: figures, what the scenario expects of them, a table, a plot."""
import math

OPERATORS = {"=": lambda a, b: a == b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
             "<": lambda a, b: a < b, ">": lambda a, b: a > b}


def read_minutes(path):
    with open(path) as file:
        names = file.readline().split()
        rows = [line.split() for line in file]
    return [{n: v if n in ("provider", "source") else int(v) for n, v in zip(names, row)} for row in rows]


def lanes(provider):
    return [lane for lane in provider["lanes"] if lane["source"] != "other" or lane["connections"] > 0]


def ratio(part, whole):
    return part / whole if whole > 0 else math.nan


def of_provider(provider):
    own = lanes(provider)
    out = {"violations": sum(l["violations"] for l in own), "blocks": sum(l["blocks"] for l in own),
           "blocks_at_end": sum(l["blocked"] for l in own), "deferred": sum(l["deferred"] for l in own),
           "delivered": provider["delivered"], "refused": provider["refused"], "duplicates": provider["duplicates"],
           "missing": provider["messages"] - provider["delivered"] - provider["refused"],
           "violations_per_hour": max([l["worst_hour"] for l in own] or [0]),
           "finished_h": provider["last_s"] / 3600, "ideal_h": provider["ideal_s"] / 3600}
    if provider["messages"]:
        out["deferred_share"] = ratio(out["deferred"], provider["messages"])
    if provider["ideal_s"] > 0:
        out["time_ratio"] = ratio(provider["last_s"], provider["ideal_s"])
    caps = sum(l["cap_sum"] for l in own)
    if caps:
        out["cap_use"] = sum(l["cap_used"] for l in own) / caps
    for lane in own:
        for name in ("accepted", "violations", "stage"):
            out["%s.%s" % (name, lane["source"])] = lane[name]
    return out


def others_ratio(result, other):
    """How much later the last of those finished that do not stall, than in the run without the stall."""
    before = {p["provider"]: p["last_s"] for p in other["providers"]}
    slower = {p["provider"]: ratio(p["last_s"], before[p["provider"]]) for p in result["providers"]}
    stalled = max(slower, key=slower.get)
    return stalled, max(v for k, v in slower.items() if k != stalled)


def figures(result, other=None):
    """Name -> number; those of one provider end in .PROVIDER."""
    own = {p["provider"]: of_provider(p) for p in result["providers"]}
    out = {name: sum(f[name] for f in own.values()) for name in
           ("violations", "blocks", "blocks_at_end", "deferred", "delivered", "refused", "duplicates", "missing")}
    out["violations_per_hour"] = max(f["violations_per_hour"] for f in own.values())
    last = max(p["last_s"] for p in result["providers"])
    ideal = max(p["ideal_s"] for p in result["providers"])
    never = min(p["ideal_s"] for p in result["providers"]) < 0
    out.update(messages=result["messages"], broken=result["broken"], refused_in=result["refused_in"], impatient=result["impatient"],
               virtual_h=result["virtual_s"] / 3600, finished_h=last / 3600, real_s=result["real_s"],
               per_real_second=ratio(result["done"], result["real_s"]), moves=result["moves"],
               ideal_h=math.nan if never else ideal / 3600, time_ratio=math.nan if never else ratio(last, ideal),
               actions_failed=sum(not a["done"] for a in result["actions"]), complaints=len(result["log"]))
    accepted = {}
    for p in result["providers"]:
        for lane in lanes(p):
            accepted[lane["source"]] = accepted.get(lane["source"], 0) + lane["accepted"]
    out.update({"share.%s" % name: ratio(n, sum(accepted.values())) for name, n in accepted.items()})
    uses = [f["cap_use"] for f in own.values() if "cap_use" in f]
    if uses:
        out["cap_use"] = min(uses)
    if other:
        stalled, worst = others_ratio(result, other)
        out["others_ratio"] = worst
        out["others_violations"] = sum(of_provider(p)["violations"] for p in other["providers"])
    for name, f in own.items():
        out.update({"%s.%s" % (k, name): v for k, v in f.items()})
    return out


def verdicts(expected, found):
    """Of those that the scenario names, and of those that hold always."""
    always = [{"name": n, "op": "=", "value": "0", "line": 0} for n in ("impatient", "actions_failed", "complaints", "refused_in")]
    out = []
    for e in expected + always:
        value = found.get(e["name"])
        met = value is not None and not math.isnan(value) and OPERATORS[e["op"]](round(value, 6), float(e["value"]))
        out.append({"expect": "%(name)s %(op)s %(value)s" % e, "found": value, "met": met})
    return out


def number(value):
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return "%d" % value if value == int(value) else "%.3f" % value if abs(value) < 10 else "%.1f" % value


def table(command, title, result, found, judged):
    lines = ["$ tests/sim/run " + command, title, "",
             "%s messages in %s h of virtual time (ideal %s h, ratio %s); %s s of real time, %s a second, %s moves of the clock"
             % tuple(map(number, (found["messages"], found["finished_h"], found["ideal_h"], found["time_ratio"], found["real_s"],
                                  found["per_real_second"], found["moves"]))), "",
             "%-12s %-8s %9s %9s %8s %6s %6s %6s %8s %8s %6s" % ("provider", "source", "accepted", "deferred", "refused", "viol.",
                                                              "blocks", "conns", "last h", "ideal h", "ratio"), "-" * 100]
    for p in result["providers"]:
        f = of_provider(p)
        lines.append("%-12s %-8s %9d %9d %8d %6d %6d %6d %8s %8s %6s" % (
            p["provider"], "all", p["delivered"], f["deferred"], p["refused"], f["violations"], f["blocks"],
            sum(l["connections"] for l in lanes(p)), number(f["finished_h"]), number(f["ideal_h"]), number(f.get("time_ratio"))))
        for l in lanes(p):
            kinds = " ".join("%s %d" % item for item in l["kinds"].items() if item[1])
            lines.append("%-12s %-8s %9d %9d %8d %6d %6d %6d  %s" % (
                "", l["source"], l["accepted"], l["deferred"], l["refused"], l["violations"], l["blocks"], l["connections"],
                "%sblocked " % kinds if l["blocked"] else kinds))
    lines += ["-" * 100]
    lines += ["action: %s%s" % (a["action"], "" if a["done"] else ": FAILED: " + a["why"]) for a in result["actions"]]
    lines += ["log: " + line for line in result["log"]]
    lines += ["%-4s %s%s" % ("met" if v["met"] else "MISSED", v["expect"], " (found %s)" % number(v["found"])) for v in judged]
    return "\n".join(line.rstrip() for line in lines) + "\n"


# --- The plot --------------------------------------------------------------------------------------

def plot(path, title, result):
    """Messages an hour (or a minute, in a short run) by provider and source; violations as dots. False: no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot
    names = [p["provider"] for p in result["providers"]]
    last = max([row["minute"] for row in result["minutes"]] or [1])
    bin_minutes = 1440 if last > 20 * 1440 else 60 if last > 1440 else 10 if last > 300 else 1
    unit = {1440: "day", 60: "hour", 10: "10 minutes", 1: "minute"}[bin_minutes]
    axis, scale = ("days", 1440) if last > 2 * 1440 else ("hours", 60)
    columns = 2 if len(names) > 1 else 1
    figure, grid = pyplot.subplots(math.ceil(len(names) / columns), columns, figsize=(10, 2 * math.ceil(len(names) / columns) + 0.6),
                                   squeeze=False, sharex=True)
    for axes, name in zip(grid.flat, names):
        for source in sorted({r["source"] for r in result["minutes"] if r["provider"] == name}):
            sent = [0] * (last // bin_minutes + 1)
            bad = [0] * (last // bin_minutes + 1)
            for row in result["minutes"]:
                if row["provider"] == name and row["source"] == source:
                    sent[row["minute"] // bin_minutes] += row["accepted"]
                    bad[row["minute"] // bin_minutes] += row["violations"]
            x = [i * bin_minutes / scale for i in range(len(sent))]
            line, = axes.plot(x, sent, linewidth=0.9, label=source, drawstyle="steps-post")
            axes.plot([x[i] for i in range(len(x)) if bad[i]], [sent[i] for i in range(len(x)) if bad[i]], ".", color=line.get_color())
        axes.set_ylim(bottom=0)
        axes.set_title(name, fontsize=9, pad=3)
        axes.tick_params(labelsize=7)
        axes.grid(True, alpha=0.3)
        axes.legend(fontsize=7)
    for axes in list(grid.flat)[len(names):]:
        axes.set_visible(False)
    figure.suptitle("%s: accepted a %s; dots: limit exceeded" % (title, unit), fontsize=10)
    figure.supxlabel(axis, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    return True
