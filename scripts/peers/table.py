#!/usr/bin/env python3
"""Keeps the runs of scripts/bench-peers, and writes the tables of results/peers.md from them.

    table.py add RUNS SECTION ROUND TOOL RATE CLIENTS WORK RESULT     RESULT: what watch.py printed
    table.py page RUNS PAGE HEAD MISSING TOOLS SETTINGS
"""
import csv, json, pathlib, re, statistics, sys

TOOLS = {
    "tokenstorm": "tokenstorm",
    "tsung": "tsung",
    "locust": "Locust",
    "mqtt-js": "MQTT.js, in a loop",
    "mqtt-benchmark": "mqtt-benchmark",
}
REPORTS = {  # what a tool's own figure covers
    "tokenstorm": "`connack`: CONNECT handed over to CONNACK read",
    "tsung": "transaction: opening TCP to CONNACK; a mean, no percentiles",
    "locust": "`connect` of its MQTT client: always 0",
    "mqtt-js": "our loop: `connect()` to the event `connect`; the library reports none",
    "mqtt-benchmark": "none",
}
BEGIN, END = "<!-- measured: written by scripts/bench-peers -->", "<!-- end of measured -->"


# ---- what the tools report, in milliseconds


def reported_tokenstorm(work):
    summary = json.loads((work / "tokenstorm/summary.json").read_text())
    phase = summary["phases"]["connack"]
    return {"p50": phase["p50_us"] / 1000, "p99": phase["p99_us"] / 1000, "mean": phase["mean_us"] / 1000}


def reported_tsung(work):
    # The last dump: of the last ten seconds count and mean, ..., of all before them mean and count.
    lines = [line.split() for log in work.glob("tsung/*/tsung.log") for line in log.read_text().splitlines()
             if line.startswith("stats: tr_mqtt_connect ")]
    count, mean, _, _, _, mean_before, before = map(float, lines[-1][2:9])
    return {"mean": (count * mean + before * mean_before) / (count + before)}


def reported_locust(work):
    for row in csv.DictReader((work / "locust/out_stats.csv").open()):
        if row["Name"] == "connect":
            return {"p50": float(row["50%"]), "p99": float(row["99%"]), "mean": float(row["Average Response Time"])}
    raise ValueError("no row `connect` in its CSV")


def reported_mqtt_js(work):
    line = json.loads((work / "mqtt-js.out").read_text().splitlines()[-1])
    return {key: line[f"{key}_ms"] for key in ("p50", "p99", "mean")}


def add(runs, section, round_, tool, rate, clients, work, result):
    work, result = pathlib.Path(work), json.loads(result)
    if not result or "rate" not in result:
        raise ValueError("no connection was seen")
    record = {"section": section, "round": int(round_), "tool": tool, "asked": int(rate), "clients": int(clients), **result}
    if section == "truth":
        record["reported"] = globals()["reported_" + tool.replace("-", "_")](work)
        true = json.loads((work / "responder.json").read_text())
        record["true"] = {key.removeprefix("delay_").removesuffix("_us"): value / 1000 for key, value in true.items()
                          if key.startswith("delay_")}
        record["connects"] = true["connects"]
    if record["connects"] < 0.99 * record["clients"]:
        raise ValueError(f"{record['connects']} connects of {clients}")
    with open(runs, "a") as f:
        print(json.dumps(record), file=f)
    keys = ("first", "ended", "connects", "rate", "cpu_us", "bytes", "reported", "true")
    shown = {k: round(record[k], 1) if isinstance(record[k], float) else record[k] for k in keys if k in record}
    print(f"  {section} round {round_} {tool}: {shown}", file=sys.stderr)


# ---- the page


def number(value, digits=0):
    return f"{value:,.{digits}f}".replace(",", " ")


def cell(values, digits=0):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    spread = f" ({number(min(values), digits)} - {number(max(values), digits)})" if len(values) > 1 else ""
    return number(statistics.median(values), digits) + spread


class Runs:
    def __init__(self, path):
        self.all = [json.loads(line) for line in open(path)]

    def of(self, section, tool):
        return {run["round"]: run for run in self.all if (run["section"], run["tool"]) == (section, tool)}

    def values(self, section, tool, key):
        return [run.get(key) for run in self.of(section, tool).values()]

    def ratios(self, section, tool, key):
        """To tokenstorm, within a round, where both had the same neighbours."""
        ours, theirs = self.of(section, "tokenstorm"), self.of(section, tool)
        return [theirs[r][key] / ours[r][key] for r in sorted(ours.keys() & theirs.keys()) if ours[r].get(key) and theirs[r].get(key)]


def asked_of(tool, s):
    return {"tokenstorm": "64 in flight", "mqtt-js": "64 in flight", "tsung": f"{number(int(s['tsung_fast']))}/s",
            "locust": "all in one second", "mqtt-benchmark": "all at once"}[tool]


def storm_tables(runs, tools, s):
    yield f"## As fast as each goes\n\n{number(int(s['fast']))} clients of Mosquitto.\n"
    yield "| generator | asked | connects/s reached | CPU us a connect | to tokenstorm | CPU before the first connect, s | KB an open connection |"
    yield "|---|---|---|---|---|---|---|"
    for tool in tools:
        kb = [b and b / 1000 for b in runs.values("fast", tool, "bytes")]
        ratio = "1" if tool == "tokenstorm" else cell(runs.ratios("fast", tool, "cpu_us"), 1)
        yield (f"| {TOOLS[tool]} | {asked_of(tool, s)} | {cell(runs.values('fast', tool, 'rate'))} | "
               f"{cell(runs.values('fast', tool, 'cpu_us'))} | {ratio} | {cell(runs.values('fast', tool, 'start_up_cpu_s'), 2)} | "
               f"{cell(kb, 1)} |")
    yield f"\n## At the same rate\n\n{number(int(s['paced']))} clients of the same Mosquitto, {s['paced_rate']} a second asked.\n"
    yield "| generator | connects/s reached | CPU us a connect | to tokenstorm | KB an open connection |\n|---|---|---|---|---|"
    for tool in tools:
        kb = [b and b / 1000 for b in runs.values("paced", tool, "bytes")]
        ratio = "1" if tool == "tokenstorm" else cell(runs.ratios("paced", tool, "cpu_us"), 1)
        yield (f"| {TOOLS[tool]} | {cell(runs.values('paced', tool, 'rate'))} | {cell(runs.values('paced', tool, 'cpu_us'))} | "
               f"{ratio} | {cell(kb, 1)} |")


def truth_table(runs, tools, s):
    delay, slow, share = float(s["delay"][:-2]), float(s["slow_delay"][:-2]), float(s["slow_share"])
    yield (f"\n## What is reported, and what was\n\nA responder (`tokenstorm calibrate --serve`) that answers CONNECT after {s['delay']}, and {share:.0%} of them after "
           f"{s['slow_delay']}; {number(int(s['truth']))} clients, {s['truth_rate']} a second asked. `true` is the responder's own log of the same run, "
           f"from the arrival of a CONNECT to its answer. Its mean is, by its settings, {(1 - share) * delay + share * slow:.1f} ms. In ms.\n")
    yield "| generator | its figure | p50 reported | p50 true | p99 reported | p99 true | mean reported | p50 off by | p99 off by |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for tool in tools:
        done = runs.of("truth", tool).values()
        said = {key: [run["reported"].get(key) for run in done] for key in ("p50", "p99", "mean")}
        true = {key: [run["true"].get(key) for run in done] for key in ("p50", "p99")}
        off = {key: [a - b for a, b in zip(said[key], true[key]) if a is not None] for key in true}
        yield (f"| {TOOLS[tool]} | {REPORTS[tool]} | " + " | ".join(cell(values, 2) for values in
               (said["p50"], true["p50"], said["p99"], true["p99"], said["mean"], off["p50"], off["p99"])) + " |")


def sentences(runs, tools, missing, s):
    if "mqtt-benchmark" in tools and "mqtt-benchmark" not in missing:
        yield ("mqtt-benchmark has no rate, keeps no connection open (each client publishes ten messages and leaves; its CPU contains "
               "them), sends no user name and no password though it takes both, and reports no latency of a connect.")
    for name, why in missing.items():
        yield f"{TOOLS.get(name, name)}: {why.rstrip('.')}."
    for tool in tools:
        for section in ("fast", "paced", "truth"):
            got, want = len(runs.of(section, tool)), int(s["rounds"])
            expected = tool not in missing and (tool, section) not in (("mqtt-benchmark", "paced"), ("mqtt-benchmark", "truth"))
            if got < want and expected and not (section == "truth" and "responder" in missing):
                yield f"{TOOLS[tool]}, {section}: {got} of {want} runs could be used."


def page(runs, page, head, missing, tools, settings):
    runs, tools = Runs(runs), tools.split()
    s = dict(pair.split("=") for pair in settings.split())
    missing = dict(line.rstrip("\n").split("\t") for line in open(missing))
    lines = [open(head).read(), *storm_tables(runs, tools, s), *truth_table(runs, tools, s), ""]
    lines += [f"- {sentence}" for sentence in sentences(runs, tools, missing, s)]
    measured = f"{BEGIN}\n" + "\n".join(lines).rstrip() + f"\n{END}"
    path = pathlib.Path(page)
    old = path.read_text() if path.exists() else ""
    if BEGIN in old and END in old:
        new = old[: old.index(BEGIN)] + measured + old[old.index(END) + len(END):]
    else:
        new = f"# Beside other generators\n\n{measured}\n"
    path.write_text(new)


if __name__ == "__main__":
    try:
        {"add": add, "page": page}[sys.argv[1]](*sys.argv[2:])
    except (OSError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError) as error:
        sys.exit(f"  {' '.join(sys.argv[3:6])}: {type(error).__name__}: {error}")
