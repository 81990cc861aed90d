#!/usr/bin/env python3
"""Keeps the results of tools/abuse, and prints them as tables.

Usage: abuse.py add RESULTS SERVER KIND RAW    takes one run from the directory RAW
       abuse.py table RESULTS                  a table for each server
       abuse.py summary RESULTS                the worst of our daemon beside Storm's
"""
import json
import sys
from pathlib import Path

SERVERS = {
    "none-1": "NONE, 1 shard",
    "none-8": "NONE, 8 shards on the one core",
    "digest-1": "DIGEST, 1 shard",
    "digest-8": "DIGEST, 8 shards on the one core",
    "java": "Storm's daemon, NONE, -Xmx1024m",
    "generator": "The generator's own: the attacker has a daemon of its own on core 1",
}
OURS = ["none-1", "none-8", "digest-1", "digest-8"]

# Cores that other processes of the machine used, from which a run is not to be trusted.
DISTURBED = 0.1


def main():
    match sys.argv[1:]:
        case ["add", results, server, kind, raw]:
            add(Path(results), server, kind, Path(raw))
        case ["table", results]:
            print_tables(Path(results))
        case ["summary", results]:
            print_summary(Path(results))
        case _:
            sys.exit(__doc__)


def add(results, server, kind, raw):
    """One file for each server, so that a part can be measured again."""
    runs = runs_of(results, server)
    runs[kind] = {
        "honest": honest(read(raw / "honest.json")),
        "health": read(raw / "health.json"),
        "attacker": read(raw / "attacker.json"),
        "peak_kib": read(raw / "peak_kib.txt"),
        "others_cores": read(raw / "others.txt"),
    }
    (results / f"{server}.json").write_text(json.dumps(runs, indent=1) + "\n")
    print(row(kind, runs[kind]), file=sys.stderr)


def runs_of(results, server):
    return read(results / f"{server}.json") or {}


def honest(report):
    """What the tables need, and what explains it."""
    if not report:
        return None
    return {
        "seconds": report["run"]["window_us"] / 1e6,
        "errors": report["errors"]["total"],
        "kinds": {kind: count for kind, count in report["errors"]["kinds"].items() if count},
        "reasons": report["errors"]["reasons"],
        "pulses": report["pulses"],
        "times": report["times"],
        "server": report["server"],
        "generator": report["generator"],
        "invalid_because": report["invalid_because"],
    }


# ── Tables ──

HEAD = ["attacker", "honest errors", "pulse p99", "max", "GET p99", "max", "list max", "/healthz worst", "not 200",
        "peak memory"]


def print_tables(results):
    for server, title in SERVERS.items():
        runs = runs_of(results, server)
        if not runs:
            continue
        print(f"**{title}**\n")
        print_head(HEAD)
        for kind, run in runs.items():
            print(row(kind, run))
        print()


def print_head(names):
    print("| " + " | ".join(names) + " |")
    print("|---" * len(names) + "|")


def row(kind, run):
    found = run["honest"]
    cells = [kind + (" (disturbed)" if (run.get("others_cores") or 0) > DISTURBED else "")]
    cells.append(errors(found) if found else "no report")
    for time, which in [("pulse", "p99_us"), ("pulse", "max_us"), ("get", "p99_us"), ("get", "max_us"),
                        ("list", "max_us")]:
        cells.append(show_us(time_of(run, time, which)))
    health = run["health"]
    cells.append(show_us(health["worst_us"]) if health else "-")
    cells.append(f"{not_200(health)} of {health['asked']}" if health else "-")
    cells.append(show_kib(run["peak_kib"]))
    return "| " + " | ".join(cells) + " |"


def print_summary(results):
    """For each attacker the worst of our daemon's runs, and Storm's beside it."""
    ours = {server: runs_of(results, server) for server in OURS}
    java = runs_of(results, "java")
    kinds = list(dict.fromkeys(kind for runs in [*ours.values(), java] for kind in runs))
    print_head(["attacker", "errors", "pulse p99, max", "GET p99, max", "list max", "/healthz worst, not 200", "memory",
                "Storm's: errors", "pulse p99, max", "GET max", "memory"])
    for kind in kinds:
        runs = [runs[kind] for runs in ours.values() if kind in runs]
        theirs = [java[kind]] if kind in java else []
        cells = [kind, total_errors(runs), pair(runs, "pulse"), pair(runs, "get"),
                 show_us(worst(runs, "list", "max_us")), healths(runs), show_kib(most(run["peak_kib"] for run in runs))]
        cells += [total_errors(theirs), pair(theirs, "pulse"), show_us(worst(theirs, "get", "max_us")),
                  show_kib(most(run["peak_kib"] for run in theirs))]
        print("| " + " | ".join(cells) + " |")


def healths(runs):
    found = [run["health"] for run in runs if run["health"]]
    if not found:
        return "-"
    return f"{show_us(most(health['worst_us'] for health in found))}, {sum(map(not_200, found))}"


def not_200(health):
    return health["other_status"] + health["unanswered"]


def pair(runs, time):
    return f"{show_us(worst(runs, time, 'p99_us'))}, {show_us(worst(runs, time, 'max_us'))}"


def worst(runs, time, which):
    return most(time_of(run, time, which) for run in runs)


def most(values):
    return max((value for value in values if value is not None), default=None)


def time_of(run, time, which):
    times = run["honest"] and run["honest"]["times"][time]
    return times[which] if times else None


def errors(found):
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items())
    return f"{found['errors']} ({kinds})" if kinds else "0"


def total_errors(runs):
    if not runs:
        return "-"
    if not all(run["honest"] for run in runs):
        return "no report"
    return str(sum(run["honest"]["errors"] for run in runs))


def show_us(us):
    if us is None:
        return "-"
    if us < 1000:
        return f"{us} µs"
    return f"{us / 1e3:.3g} ms" if us < 1e6 else f"{us / 1e6:.3g} s"


def show_kib(kib):
    return f"{kib / 1024:.0f} MiB" if kib else "-"


def read(file):
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


main()
