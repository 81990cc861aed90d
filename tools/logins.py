"""Prints the tables of tools/login-cost from its results, and removes from them what no table needs."""

import json
import statistics
import sys
from pathlib import Path

METHODS = ["none", "digest", "kerberos"]


def main():
    results = Path(sys.argv[1])
    logins(results)
    pulses(results)
    crowds(results)


def logins(results):
    print("| method | server CPU per connection (least to most) | of this the login | of the least | login p50 | p99 |")
    print("|---|---|---|---|---|---|")
    runs = {method: rounds(results, f"login-{method}") for method in METHODS}
    cpu = {method: [run["server"]["cpu_us_per_connection"] for run in runs[method]] for method in METHODS}
    for method in METHODS:
        # Each round has its own baseline, because other load on the machine affects both.
        extra = [more - none for more, none in zip(cpu[method], cpu["none"])]
        times = [run["login"] for run in runs[method] if run["login"]]
        row = [method.upper(), spread(cpu[method], "µs")]
        if times:
            # Other load only adds to the time, so the least of all rounds is the closest.
            row.append(f"{statistics.median(extra):.0f} µs")
            row.append(f"{min(cpu[method]) - min(cpu['none']):.0f} µs")
            row += [f"{statistics.median(time[which] for time in times):.0f} µs" for which in ["p50_us", "p99_us"]]
        else:
            row += ["-", "-", "-", "-"]
        print("| " + " | ".join(row) + " |")
    print()


def pulses(results):
    print("| method | pulses/s | server CPU per pulse (least to most) | ratio to NONE (least to most) |")
    print("|---|---|---|---|")
    runs = {method: rounds(results, f"pulses-{method}") for method in METHODS}
    cpu = {method: [run["server"]["cpu_us_per_pulse"] for run in runs[method]] for method in METHODS}
    for method in METHODS:
        rate = statistics.median(run["pulses"]["per_second"] for run in runs[method])
        ratios = [one / none for one, none in zip(cpu[method], cpu["none"])]
        print(f"| {method.upper()} | {rate:.0f} | {spread(cpu[method], 'µs')} | {spread(ratios, '', 2)} |")
        invalid = [why for run in runs[method] for why in run["invalid_because"]]
        if invalid:
            print(f"\n{method}: {'; '.join(invalid)}\n")
    print()


def crowds(results):
    print("| crowd | logins | failed | login p50 | p99 | max | all pulse after | slowest pulse | over 1 s, or unsent |")
    print("|---|---|---|---|---|---|---|---|---|")
    for file in sorted(results.glob("crowd-*.json")):
        run = read(file)
        times = run["times"]
        login = times["login"] or {"count": 0}
        cells = [file.stem[6:], str(login["count"]), str(run["errors"]["kinds"]["login_failed"])]
        cells += [f"{login[which] / 1e3:.0f} ms" if which in login else "-" for which in ["p50_us", "p99_us", "max_us"]]
        acknowledged = [second["acknowledged"] for second in run["seconds"]]
        cells += [all_pulse_after(acknowledged, run["run"]), f"{times['pulse']['max_us'] / 1e3:.0f} ms"]
        cells.append(str(sum(run["errors"]["kinds"][kind] for kind in ["over_1s", "unanswered", "unsent"])))
        print("| " + " | ".join(cells) + " |")
        run["seconds"] = [{"acknowledged": count} for count in acknowledged]
        write(file, run)


def all_pulse_after(acknowledged, run):
    """The first second after which an interval has a pulse of nearly every worker."""
    interval = run["interval_us"] // 1_000_000
    for second in range(len(acknowledged) - interval):
        if sum(acknowledged[second:second + interval]) >= 0.99 * run["workers"]:
            return f"{second} s"
    return f"not within {len(acknowledged)} s"


def rounds(results, name):
    runs = []
    for file in sorted(results.glob(f"{name}-*.json")):
        run = read(file)
        if "seconds" in run:
            run["seconds"] = []
            write(file, run)
        runs.append(run)
    return runs


def read(file):
    return json.loads(file.read_text())


def write(file, run):
    file.write_text(json.dumps(run, indent=1) + "\n")


def spread(values, unit, digits=1):
    middle, least, most = (f"{value:.{digits}f}" for value in
                           [statistics.median(values), min(values), max(values)])
    return f"{middle} {unit} ({least} to {most})".replace("  ", " ")


main()
