#!/usr/bin/env python3
"""Tables and plots of what tools/capacity has measured.

Usage: capacity.py DIRECTORY
Prints Markdown; writes DIRECTORY/*.svg with `loadgen chart`.
"""
import json
import subprocess
import sys
from pathlib import Path

SIZES = [600, 4096, 20480, 61440]
WORKERS_PER_SUPERVISOR = 4
INTERVAL_S = 3
LINK_BYTES_PER_S = 1e9 / 8
# A key, the message around it, and what Ethernet, IP and TCP add to each segment of 1448 bytes.
MESSAGE_BYTES = 150
SEGMENT_BYTES, HEADER_BYTES = 1448, 66
MOST_WORDS = 120


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: capacity.py DIRECTORY")
    out = Path(sys.argv[1])
    ours = {size: load(out / f"ours-{size}.json") for size in SIZES}
    java = {size: load(out / f"java-{size}.json") for size in SIZES}
    quartered = {size: load(out / f"java-{size}-quartered.json") for size in SIZES}
    print("| pulse | link alone | ours | gave out first | Storm's | gave out first |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        print(f"| {size} B | {link(size)} | {limit(ours[size])} | {cause(ours[size])} "
              f"| {limit(java[size])} | {cause(java[size])} |")
    print()
    for size in SIZES:
        for name, found in [("ours", ours[size]), ("Storm's", java[size]),
                            ("Storm's, four pulses for one", quartered[size])]:
            if found:
                steps(f"{name}, {size} B", found)
    limits = [[size, link(size), good(ours[size]), good(java[size])] for size in SIZES]
    chart(out / "limits", ["bytes", "what the link holds", "ours", "Storm's"], limits,
          "Supervisors carried, by pulse", "--x", "bytes", "--log-x", "--log-y")
    for name, field, title, y in [
            ("cpu", lambda step: step["server_busy"], "Server CPU, in cores", "number"),
            ("pulse-p99", lambda step: (step["pulse"] or {}).get("p99_us"), "Pulse p99", "time"),
            ("pass", lambda step: (step["pass"] or {}).get("max_us"), "Nimbus's longest pass", "time"),
            ("memory", lambda step: step["server_resident_bytes"], "Server's resident memory", "bytes")]:
        for size in SIZES:
            series = [(label, found) for label, found in [("ours", ours[size]), ("Storm's", java[size])] if found]
            rows = {}
            for index, (_, found) in enumerate(series):
                for step in found["steps"]:
                    row = rows.setdefault(step["supervisors"], [None] * len(series))
                    row[index] = field(step)
            if series:
                chart(out / f"{name}-{size}", ["supervisors"] + [label for label, _ in series],
                      [[x] + rows[x] for x in sorted(rows)], f"{title}, {size} B pulses", "--y", y,
                      *(["--log-y"] if y == "time" else []))


def load(file):
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def link(size):
    """Supervisors whose pulses fill the link."""
    message = size + MESSAGE_BYTES
    segments = -(-message // SEGMENT_BYTES)
    pulses = LINK_BYTES_PER_S / (message + segments * HEADER_BYTES)
    return round(pulses * INTERVAL_S / WORKERS_PER_SUPERVISOR / 100) * 100


def good(found):
    return found["last_good"] if found else None


def limit(found):
    if not found:
        return "not measured"
    if found["last_good"] is None:
        return "none"
    return f"**{found['last_good']}**" + ("" if found["first_bad"] else " or more")


def cause(found):
    if not found:
        return ""
    because = found["gave_out"]["because"]
    if len(because) > MOST_WORDS:
        because = because[:MOST_WORDS].rsplit(" ", 1)[0] + " …"
    return f"{found['gave_out']['what'].replace('_', ' ')}: {because}"


def steps(title, found):
    print(f"{title}:")
    print()
    print("| supervisors | pulses/s | to the server | pulse p99 | max | get p99 | pass | CPU | memory | errors |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for step in found["steps"]:
        def ms(times, what):
            return time(step[times][what]) if step[times] else "-"
        busy, resident = step["server_busy"], step["server_resident_bytes"]
        print(f"| {step['supervisors']} | {step['pulses_per_second']:.0f} "
              f"| {step['sent_per_second'] / 1e6:.0f} MB/s | {ms('pulse', 'p99_us')} | {ms('pulse', 'max_us')} "
              f"| {ms('get', 'p99_us')} | {ms('pass', 'max_us')} "
              f"| {'-' if busy is None else f'{busy * 100:.0f}%'} "
              f"| {'-' if resident is None else f'{resident / 2**20:.0f} MiB'} | {step['errors']} |")
    print()


def time(us):
    if us < 1e3:
        return f"{us} µs"
    return f"{us / 1e3:.3g} ms" if us < 1e6 else f"{us / 1e6:.3g} s"


def chart(file, names, rows, title, *options):
    def field(value):
        return "" if value is None else str(value)
    table = file.with_suffix(".tsv")
    table.write_text("\n".join("\t".join(map(field, row)) for row in [names] + rows) + "\n")
    try:
        svg = subprocess.run(["target/release/loadgen", "chart", str(table), "--title", title, *options],
                             check=True, capture_output=True, text=True).stdout
    finally:
        table.unlink()
    file.with_suffix(".svg").write_text(svg)


main()
