#!/usr/bin/env python3
"""Prints the table of tools/planes, and keeps the numbers of each round.

Usage: planes.py RUNS OUT
RUNS has one report of loadgen for each run: ROUND.PLANE.WAIT.NAME.json.
"""
import json
import statistics
import sys
from pathlib import Path

# What is divided by what: each variant by the ring with the kernel's minimum wait.
REFERENCE = ("io_uring", "5ms")
NAMES = {
    ("io_uring", "5ms"): "io_uring, the kernel's minimum wait",
    ("io_uring", "0ms"): "io_uring, no minimum wait",
    ("emulated", "5ms"): "io_uring, emulated minimum wait",
    ("epoll", "5ms"): "epoll, emulated minimum wait",
    ("epoll", "0ms"): "epoll, no minimum wait",
    ("java", ""): "Storm's daemon",
}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rounds = read(Path(sys.argv[1]))
    out = Path(sys.argv[2])
    (out / "rounds.json").write_text(json.dumps(rounds, indent=1) + "\n")
    lines = [
        "| | cluster: CPU per pulse | ratio | GET p50 | GET p99 | pulse p99 | errors | saturated: CPU per pulse | ratio | pulses/s |",
        "|---" * 10 + "|",
    ]
    variants = {(run["plane"], run["wait"]) for run in rounds}
    for variant in (variant for variant in NAMES if variant in variants):
        cells = [NAMES[variant]]
        for name, quantities in [
            ("cluster", ["cpu_us", "ratio", "get_p50_us", "get_p99_us", "pulse_p99_us", "errors"]),
            ("saturated", ["cpu_us", "ratio", "per_second"]),
        ]:
            for quantity in quantities:
                if quantity == "ratio":
                    cells.append(spread(ratios(rounds, variant, name), "{:.2f}"))
                else:
                    cells.append(spread(values(rounds, variant, name, quantity), form(quantity)))
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    (out / "table.md").write_text(table)
    print(table)


def read(runs):
    """The numbers of each run that has a report."""
    rounds = []
    for file in sorted(runs.glob("*.*.*.json")):
        number, plane, wait, name, _ = file.name.split(".")
        try:
            report = json.loads(file.read_text())
        except ValueError:
            continue
        times = report["times"]
        rounds.append({
            "round": int(number), "plane": plane, "wait": wait, "name": name,
            "cpu_us": report["server"]["cpu_us_per_pulse"],
            "per_second": report["pulses"]["per_second"],
            "get_p50_us": times["get"] and times["get"]["p50_us"],
            "get_p99_us": times["get"] and times["get"]["p99_us"],
            "pulse_p99_us": times["pulse"] and times["pulse"]["p99_us"],
            "errors": report["errors"]["total"],
            "invalid_because": report["invalid_because"],
        })
    return rounds


def runs_of(rounds, variant, name):
    return [run for run in rounds if (run["plane"], run["wait"], run["name"]) == (*variant, name)]


def values(rounds, variant, name, quantity):
    found = [run[quantity] for run in runs_of(rounds, variant, name)]
    return [value for value in found if value is not None]


def ratios(rounds, variant, name):
    """To the reference of the same round."""
    reference = {run["round"]: run["cpu_us"] for run in runs_of(rounds, REFERENCE, name)}
    return [run["cpu_us"] / reference[run["round"]] for run in runs_of(rounds, variant, name)
            if reference.get(run["round"])]


def form(quantity):
    return {"cpu_us": "{:.1f} µs", "errors": "{:.0f}", "per_second": "{:.0f}"}.get(quantity, "{:.0f} µs")


def spread(found, form):
    """The median, the least and the most."""
    if not found:
        return "-"
    median, least, most = (form.format(value) for value in (statistics.median(found), min(found), max(found)))
    return median if least == most else f"{median} ({least} to {most})"


main()
