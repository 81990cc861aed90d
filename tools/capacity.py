#!/usr/bin/python3
"""Tables and plots of the results of tools/capacity.

Usage: tools/capacity.py DIRECTORY
Prints the tables as Markdown and draws the plots of docs/CAPACITY.md into DIRECTORY/*.svg.
"""
import json
import sys
from pathlib import Path

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator
except ImportError:
    sys.exit(f"capacity.py: {sys.executable} has no matplotlib, which draws the plots; "
             "on Debian: apt-get install python3-matplotlib")

SIZES = [600, 4096, 20480, 61440]
WORKERS_PER_SUPERVISOR = 4
INTERVAL_S = 3
LINK_BYTES_PER_S = 1e9 / 8
# The key and the message around the details; next, what Ethernet, IP and TCP add to each segment.
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
    draw_limits(out / "limits.svg", ours, java)
    draw_steps(out / "cpu-4096.svg", ours[4096], java[4096], "Server CPU, in cores; pulses of 4 KB",
               lambda step: step["server_busy"])
    draw_steps(out / "pulse-p99-4096.svg", ours[4096], java[4096], "Pulse p99; pulses of 4 KB",
               lambda step: (step["pulse"] or {}).get("p99_us"), unit="µs", log=True)
    draw_steps(out / "pass-600.svg", ours[600], java[600], "Nimbus's longest pass; pulses of 0.6 KB",
               lambda step: (step["pass"] or {}).get("max_us"), unit="µs")


def load(file):
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def link(size):
    """The number of supervisors whose pulses fill the link."""
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


def draw_limits(file, ours, java):
    figure, axes = begin("Supervisors carried, by the size of a pulse")
    for (name, style), value in zip(
            [("what the link holds", "C7--"), ("ours", "C0o-"), ("Storm's", "C1s-")],
            [link, lambda size: good(ours[size]), lambda size: good(java[size])]):
        known = [(size, value(size)) for size in SIZES if value(size)]
        if known:
            axes.plot(*zip(*known), style, label=name)
    axes.set(xscale="log", yscale="log", xlabel="bytes of a pulse", ylabel="supervisors")
    axes.xaxis.set_major_locator(FixedLocator(SIZES))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}".replace(",", " ")))
    save(figure, axes, file)


def draw_steps(file, ours, java, title, field, unit="", log=False):
    """A quantity of each step over the number of supervisors; `unit` is that of the results."""
    figure, axes = begin(title)
    scale = 1e-6 if unit == "µs" else 1
    for name, style, found in [("ours", "C0o-", ours), ("Storm's", "C1s-", java)]:
        known = [(step["supervisors"], field(step) * scale) for step in (found or {"steps": []})["steps"]
                 if field(step) is not None]
        if known:
            axes.plot(*zip(*known), style, label=name)
    axes.set(xlabel="supervisors", xlim=(0, None))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}".replace(",", " ")))
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
    if unit == "µs":
        axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
    save(figure, axes, file)


def begin(title):
    # Text stays text; equal data make an equal file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "capacity", "font.size": 10,
                                "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = pyplot.subplots(figsize=(7, 3.4), layout="constrained")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.grid(color="#dddddd", linewidth=0.8)
    return figure, axes


def save(figure, axes, file):
    if axes.lines:
        axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None}, facecolor="white")
    pyplot.close(figure)


main()
