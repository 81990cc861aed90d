#!/usr/bin/env python3
"""Kills the daemon of real Storm clusters for a while, and says what Nimbus moved. tools/outages starts it."""
import argparse
import json
import platform
import queue
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import date
from pathlib import Path

STORM = Path("tests/storm")
WORKERS = 4
# After the start, a worker that lives has been back for long, and Nimbus has looked at it twice.
WATCH_SECONDS = 50
# Until a worker that died must have been noticed: see docs/OPERATING.md.
WATCH_DEAD_SECONDS = 110
JVM_SECONDS = 24 * 3600
PORT = 16699
LOCK = threading.Lock()


def main():
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = queue.Queue()
    for job in planned(options):
        jobs.put(job)
    threads = [threading.Thread(target=play, args=(index, jobs, options)) for index in range(options.clusters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print_tables(read(options.out))


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    numbers = lambda text: [int(word) for word in text.split()]
    parser.add_argument("--outages", type=numbers, default=[25, 35, 45, 60, 100])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--dead", type=numbers, default=[45])
    parser.add_argument("--warm-ups", type=str.split, default=["20s", "0ms"])
    parser.add_argument("--clusters", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benches/runs/outages"))
    parser.add_argument("--daemon", type=Path, required=True)
    return parser.parse_args()


def planned(options):
    """The longest first, so that all clusters end at about the same time."""
    kinds = [(seconds, False) for seconds in options.outages] + [(seconds, True) for seconds in options.dead]
    kinds.sort(key=lambda kind: -kind[0] - (WATCH_DEAD_SECONDS - WATCH_SECONDS if kind[1] else 0))
    return [{"seconds": seconds, "dies": dies, "warm_up": warm_up}
            for seconds, dies in kinds for _ in range(options.times) for warm_up in options.warm_ups]


def play(index, jobs, options):
    """One cluster after another; a cluster lives as long as its Nimbus does."""
    cluster = None
    while True:
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            break
        try:
            cluster = cluster or Cluster(index, options)
            result = cluster.trial(job)
        except Exception as error:  # One lost trial must not end the others.
            result = {**job, "failed": repr(error)}
        # Once it has moved executors, a LocalCluster may end itself: threads of workers that were stopped find no queue.
        if result.get("moved") != 0:
            cluster = cluster and cluster.stop()
        keep(options.out, result)
    if cluster:
        cluster.stop()


class ClusterEnded(Exception):
    """Its JVM has gone."""


class Cluster:
    """A daemon at an address of its own, and a JVM with a cluster that has its heartbeats there."""

    def __init__(self, index, options):
        # The daemon's two ports are free: no other program uses this address.
        self.host = f"127.0.77.{index + 1}"
        self.options = options
        self.daemon = None
        self.jvm = None
        self.log = open(options.out / f"cluster-{index + 1}.log", "a")
        self.start_daemon("20s")
        class_path = (STORM / "target/classpath/cluster-2.8.3.txt").read_text().strip()
        self.jvm = subprocess.Popen(
            ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path,
             "pacemaker.cluster.Main", "outages", "--servers", f"{self.host}:{PORT}",
             "--deadline-seconds", str(JVM_SECONDS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def start_daemon(self, warm_up):
        command = [self.options.daemon, "--bind", self.host, "--port", str(PORT), "--shards", "2",
                   "--admin", f"{self.host}:{PORT - 1}"]
        command += [] if warm_up is None else ["-c", f"server.warm_up={warm_up}"]
        self.daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.daemon.stdout.readline()
        if not line.startswith("listening on"):
            raise RuntimeError(f"the daemon does not serve: {line!r}")

    def kill_daemon(self):
        if self.daemon:
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.wait()
            self.daemon = None

    def say(self, line):
        try:
            print(line, file=self.jvm.stdin, flush=True)
        except BrokenPipeError:
            raise ClusterEnded(self.exit_code()) from None

    def expect(self, *words):
        for line in self.jvm.stdout:
            if line.split(" ")[0].strip() in words:
                return line.strip()
        raise ClusterEnded(self.exit_code())

    def exit_code(self):
        code = self.jvm.wait()
        return "Nimbus exited (20)" if code == 20 else f"the cluster ended with {code} as it stopped workers"

    def trial(self, job):
        self.say("SETTLE")
        self.expect("READY")
        killed = time.monotonic()
        self.kill_daemon()
        if job["dies"]:
            self.say("DIE")
            self.expect("DEAD")
        watch = WATCH_DEAD_SECONDS if job["dies"] else WATCH_SECONDS
        self.say(f"WATCH {job['seconds'] + watch}")
        time.sleep(max(0, killed + job["seconds"] - time.monotonic()))
        self.start_daemon(job["warm_up"])
        up = time.monotonic()
        answer = {}
        reader = threading.Thread(target=lambda: answer.update(self.answer(up)))
        reader.start()
        seen = self.observe(up, reader, WORKERS - job["dies"])
        reader.join()
        return {**job, **seen, **answer}

    def answer(self, up):
        try:
            line = self.expect("KEPT", "MOVED")
        except ClusterEnded as ended:
            return {"ended": str(ended)}
        if line.startswith("KEPT"):
            return {"moved": 0}
        moved, executors = re.findall(r"\d+", line)
        # The cluster waits 3 s until it counts.
        return {"moved": int(moved), "executors": int(executors), "moved_at": round(time.monotonic() - up - 3, 1)}

    def observe(self, up, reader, keys):
        """When the first read came, and when every living worker's key was back; the daemon counts once a second."""
        seen = {"first_read": None, "back": None}
        # A cluster that has moved executors answers before all keys are back.
        while reader.is_alive() or (seen["back"] is None and time.monotonic() - up < WATCH_SECONDS):
            time.sleep(0.1)
            counts = self.counts()
            now = round(time.monotonic() - up, 1)
            if seen["first_read"] is None and counts["reads"] > 0:
                seen["first_read"] = now
            if seen["back"] is None and counts["keys"] >= keys:
                seen["back"] = now
        return seen

    def counts(self):
        with urllib.request.urlopen(f"http://{self.host}:{PORT - 1}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        total = lambda start, also="": sum(float(line.split(" ")[-1]) for line in lines
                                           if line.startswith(start + "{") and also in line)
        return {"keys": total("pacemaker_keys"),
                "reads": total("pacemaker_requests_total", 'kind="get_pulse"') + total("pacemaker_reads_kept_total")}

    def stop(self):
        if self.jvm:
            self.jvm.kill()
            self.jvm.wait()
        self.kill_daemon()
        self.log.close()


# ── Results ──

def keep(out, result):
    with LOCK, open(out / "trials.jsonl", "a") as file:
        file.write(json.dumps(result) + "\n")
    print(json.dumps(result), file=sys.stderr)


def read(out):
    return [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]


def print_tables(trials):
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    print(f"{model.group(1) if model else platform.machine()}, {platform.release()}, {date.today()}\n")
    print("| daemon away | " + " | ".join(title(warm_up) for warm_up in warm_ups(trials)) + " |")
    print("|---" * (1 + len(warm_ups(trials))) + "|")
    for dies in (False, True):
        for seconds in sorted({trial["seconds"] for trial in trials if trial["dies"] == dies}):
            of = [[trial for trial in trials if (trial["seconds"], trial["dies"], trial["warm_up"]) == (seconds, dies, warm_up)]
                  for warm_up in warm_ups(trials)]
            cells = [summary_of_dead(found) if dies else summary(found) for found in of]
            print(f"| {seconds} s" + (", one worker dies" if dies else "") + " | " + " | ".join(cells) + " |")


def warm_ups(trials):
    found = {trial["warm_up"] for trial in trials}
    return sorted(found, key=lambda warm_up: warm_up == "0ms")


def title(warm_up):
    return "reads do not wait (`0ms`)" if warm_up == "0ms" else f"reads wait ({warm_up})"


def summary(trials):
    # Without a read nothing could be moved: the machine was too late to start the daemon while the cluster was watched.
    done = [trial for trial in trials if "moved" in trial and trial["first_read"] is not None]
    moved = [trial for trial in done if trial["moved"]]
    text = f"{len(moved)} of {len(done)} moved"
    if moved:
        text += " (executors: " + ", ".join(f"{trial['moved']} of {trial['executors']}" for trial in moved) + ")"
    text += "; keys back after " + span(done, "back") + ", first read after " + span(done, "first_read")
    return text + others(trials)


def summary_of_dead(trials):
    noticed = [trial for trial in trials if trial.get("moved")]
    text = f"noticed in {len(noticed)} of {len([trial for trial in trials if 'moved' in trial])}, " \
        f"{span(noticed, 'moved_at')} after the start"
    if noticed:
        text += " (executors moved: " + ", ".join(f"{trial['moved']} of {trial['executors']}" for trial in noticed) + ")"
    return text + others(trials)


def others(trials):
    lost = [trial.get("ended") or trial.get("failed") or "never read" for trial in trials
            if "moved" not in trial or (not trial["dies"] and trial["first_read"] is None)]
    return "".join(f"; {why}" for why in lost)


def span(trials, name):
    values = [trial[name] for trial in trials if trial.get(name) is not None]
    if not values:
        return "-"
    return f"{statistics.median(values):.0f} s ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    main()
