#!/usr/bin/env python3
"""Prints the table of the project's budgets from the results of tools/compare.

Usage: budgets.py DIRECTORY
Also removes the seconds from the results, which no table needs.
"""
import json
import statistics
import sys
from pathlib import Path


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: budgets.py DIRECTORY")
    results = Path(sys.argv[1])
    lines = [
        "| what | ours | Storm's | ratio (least to most) | budget | floor |",
        "|---|---|---|---|---|---|",
    ]
    compared = {name: load(results, name) for name in
                ["pulses", "cluster", "saturated", "saturated-1k", "reads"]}
    floors = {name: load(results, f"floor-{name}") for name in ["pulses", "saturated", "saturated-1k"]}

    def row(what, run, quantity, budget="", floor=""):
        found = find(compared[run], quantity)
        if found is None:
            lines.append(f"| {what} | not measured | | | {budget} | {floor} |")
            return
        ratio = found["ratio"]
        shown = "" if ratio is None else (
            f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})")
        a, b = (show(found[side], found["unit"]) for side in "ab")
        lines.append(f"| {what} | **{a}** | {b} | {shown} | {budget} | {floor} |")

    def floor(run):
        server = (floors[run] or {}).get("server")
        if not server or not server["cpu_us_per_pulse"]:
            return ""
        cpu = server["cpu_us_per_pulse"]
        ours = find(compared[run], "CPU for each pulse")
        share = f", ours {ours['a'] / cpu:.2f} times it" if ours and ours["a"] else ""
        return f"{cpu:.1f} µs{share}"

    row("3 000 supervisors, pulses alone: CPU for each", "pulses", "CPU for each pulse", "≤ 0.25", floor("pulses"))
    row("with Nimbus's passes: CPU for each pulse", "cluster", "CPU for each pulse")
    row("resident memory", "cluster", "resident memory", "≤ 81 MiB")
    for what in ["pulse", "get", "list", "pass"]:
        for statistic in ["p50", "p99", "max"]:
            row(f"{what} {statistic}", "cluster", f"{what} {statistic}")
    row("errors in all", "cluster", "errors")
    row("saturated, 4 KiB: pulses/s", "saturated", "pulses acknowledged", "≥ 3")
    row("saturated, 4 KiB: CPU for each", "saturated", "CPU for each pulse", "≤ 1.3 times the floor", floor("saturated"))
    row("saturated, 1 KiB: pulses/s", "saturated-1k", "pulses acknowledged", "≥ 3")
    row("saturated, 1 KiB: CPU for each", "saturated-1k", "CPU for each pulse", "≤ 1.3 times the floor", floor("saturated-1k"))
    row("GET p50 while 500 connections write flat out", "reads", "get p50")
    row("GET p99 while 500 connections write flat out", "reads", "get p99", "≤ 0.1")
    lines.append(ready(results))
    print("\n".join(lines))
    print()
    doubts = sorted({why for run in compared.values() if run
                     for report in run["reports"] for why in report["invalid_because"]})
    if doubts:
        print("Runs in which the generator was the limit:")
        print("\n".join(f"- {why}" for why in doubts))
        print()
    zookeeper(results)
    for name in compared:
        thin(results, name)


def load(results, name):
    file = results / f"{name}.json"
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def find(comparison, quantity):
    rows = comparison["rows"] if comparison else []
    return next((row for row in rows if row["name"] == quantity), None)


def show(value, unit):
    if value is None:
        return "-"
    if unit == "microseconds":
        for limit, factor, name in [(1e3, 1, "µs"), (1e6, 1e3, "ms"), (float("inf"), 1e6, "s")]:
            if value < limit:
                return f"{value / factor:.3g} {name}"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "per_second":
        return f"{value:,.0f}/s".replace(",", " ")
    return f"{value:.3g}" if unit == "cores" else f"{value:.0f}"


def ready(results):
    times = {"ours": [], "java": []}
    for line in (results / "ready.txt").read_text().splitlines():
        kind, us = line.split()
        times[kind].append(int(us))
    ours, java = (statistics.median(times[kind]) for kind in ["ours", "java"])
    return (f"| from start to listening, looked at every 10 ms | **{ours / 1e3:.0f} ms** | {java / 1e3:.0f} ms "
            f"| {ours / java:.2f} | ≤ 50 ms | |")


def zookeeper(results):
    found = load(results, "zookeeper")
    if not found:
        return
    bound = "at least " if found["lower_bound"] else ""
    print("ZooKeeper, standalone, one znode per worker on a disk with fsync, a pulse of 4 KiB every 3 s:")
    print(f"it carries {bound}{found['last_good_supervisors']} supervisors before a write takes over 1 s "
          f"({found['first_bad_supervisors']} are too many). {found['gave_out']}")
    print()
    print("| supervisors | writes/s | p50 | p99 | max | GET p50 | pass | share of its core | CPU per write | memory |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for step in sorted(found["steps"], key=lambda step: step["supervisors"]):
        def us(times, what):
            return show(step[times][what], "microseconds") if step[times] else "-"
        server = step["server"]
        busy, cpu, resident = (server.get(name) for name in ["busy", "cpu_us_per_pulse", "resident_bytes"])
        print(f"| {step['supervisors']}{'' if step['good'] else ', too many'} | {step['pulses_per_second']:.0f} "
              f"| {us('pulse', 'p50_us')} | {us('pulse', 'p99_us')} | {us('pulse', 'max_us')} "
              f"| {us('get', 'p50_us')} | {us('pass', 'max_us')} "
              f"| {'-' if busy is None else f'{busy:.0%}'} | {show(cpu, 'microseconds')} | {show(resident, 'bytes')} |")


def thin(results, name):
    comparison = load(results, name)
    if comparison:
        for report in comparison["reports"]:
            report["seconds"] = []
        (results / f"{name}.json").write_text(json.dumps(comparison, indent=1) + "\n")


main()
