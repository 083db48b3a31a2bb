#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Throughput, latency, memory and cold start of sightd, its peers and the limit of the machine, as Markdown tables.

usage: bench/run.py [--quick] [--out FILE.json]    (scripts/bench calls it; SIGHT_BUILD, SIGHT_SHARED as for the tests)

All servers of a model are up at once and are loaded in turns, in rounds of short slices, so that what disturbs the
machine disturbs all of them; the limit takes its turn like a server. Throughputs are over all rounds, percentiles the
median of the rounds', ratios the median of the ratios within a round, with the least and the most behind them.
"""
from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import verify
from servers import BUILD, MODELS, ROOT, SHARED, Model, Server, peers, sightd

PHOTOS = ["bus.jpg", "car_12mp.jpg", "street_couple_dog.jpg", "road_traffic.jpg"]
SIZES = ["640x480", "1280x720", "1920x1080", "3840x2160"]
NAIVE_WAIT = "2s"  # it serves one client; those who wait are given up after so long


@dataclass
class Plan:
    """How much is measured."""

    seconds: float  # of a slice, at least
    rounds: int
    cells: list[tuple[str, str]]  # model, size
    connections: list[int]
    cold_starts: int
    turnover: float  # longest wait, in seconds, for all queues to turn over


FULL = Plan(1.0, 3, [(m, s) for m in MODELS for s in SIZES], [1, 4, 16, 64], 5, 5.0)
QUICK = Plan(0.6, 2, [("small", "640x480"), ("small", "1920x1080"), ("middling", "1920x1080")], [1, 16, 64], 1, 1.5)
CROWD = 16  # connections at which throughput is held against the limit


@dataclass
class Figures:
    """Of one server at one number of connections, over the rounds."""

    results: int = 0
    seconds: float = 0.0
    errors: int = 0
    rates: list[float] = field(default_factory=list)  # of each round
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rss: int = 0

    def add(self, found: dict) -> None:
        self.results += found["results"]
        self.seconds += found["seconds"]
        self.errors += found["errors"]
        self.rates.append(found["throughput"])
        for name in ("p50", "p95", "p99"):
            getattr(self, name).append(found["latency_us"][name] / 1000)
        self.rss = found["process"]["rss_after"]

    @property
    def throughput(self) -> float:
        return self.results / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict:
        return {"throughput": self.throughput, "errors": self.errors, "rss": self.rss, "rates": self.rates,
                "p50s": self.p50,
                **{n: statistics.median(getattr(self, n)) for n in ("p50", "p95", "p99")}}


def bench(server: Server, pictures: Path, connections: int, seconds: float, warm: float) -> dict:
    timeout = NAIVE_WAIT if server.name.startswith("naive") else "60s"
    command = [str(BUILD / "sight"), "bench", server.target, "-i", str(pictures), "-c", str(connections), "--json",
               "--duration", f"{int(seconds * 1000)}ms", "--warmup", f"{int(warm * 1000)}ms", "--timeout", timeout,
               "--pid", str(server.process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if not done.stdout:
        sys.exit(f"{server.name}: {done.stderr}")
    report = json.loads(done.stdout)
    return {**report["targets"][0], "generator_cores": report["generator_cores"]}


def limit(model: Model, pictures: Path, seconds: float, part: str) -> dict:
    images = map(str, sorted(pictures.glob("*.jpg")))
    command = [str(BUILD / "limit_bench"), str(model.path), str(seconds), part, *images]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)[part]


def cold_start(make: Server, data: bytes) -> float:
    """Seconds from starting the process to the first result; the caller repeats it with the file cache warm."""
    began = time.monotonic()
    make.start_unready()
    try:
        while time.monotonic() - began < 60:
            try:
                verify.ask(make, data)
                return time.monotonic() - began
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                time.sleep(0.002)
        sys.exit(f"{make.name}: no answer within 60 s")
    finally:
        make.stop()


def cold_starts(model: Model, data: bytes, count: int) -> dict[str, float]:
    names = [server.name for server in (sightd(model), *peers(model))]
    times = {}
    for i, name in enumerate(names):
        runs = [cold_start([sightd(model), *peers(model)][i], data) for _ in range(count + 1)]
        times[name] = statistics.median(runs[1:])
    return times


def measure_cell(servers: list[Server], model: Model, pictures: Path, plan: Plan) -> dict:
    figures = {(s.name, c): Figures() for s in servers for c in plan.connections}
    limits = {"model": [limit(model, pictures, plan.seconds, "model")], "frames": [], "frames_lone": []}
    cores = []
    for server in servers:
        server.pause()
    rate = limit(model, pictures, plan.seconds, "frames")["per_second"]
    for _ in range(plan.rounds):
        for connections in plan.connections:
            part = {1: "frames_lone", CROWD: "frames"}.get(connections)
            if part:
                limits[part].append(limit(model, pictures, 2 * plan.seconds, part))
            # Everyone's queue must have turned over once before counting starts, and twice while counting.
            turnover = min(connections / max(rate, 1.0), plan.turnover)
            for server in servers:
                naive = server.name.startswith("naive")  # its queue never turns over
                server.resume()
                verify.ask(server, next(pictures.glob("*.jpg")).read_bytes())  # what it still had to do is done
                found = bench(server, pictures, connections, plan.seconds if naive else max(plan.seconds, 2 * turnover),
                              0.2 if naive else max(0.2, 1.2 * turnover))
                server.pause()
                cores.append(found["generator_cores"])
                figures[server.name, connections].add(found)
    return {"limits": limits, "generator_cores": max(cores),
            "servers": {s.name: {str(c): figures[s.name, c].as_dict() for c in plan.connections} for s in servers}}


def ratio(first: list[float], second: list[float]) -> str:
    ratios = [a / b for a, b in zip(first, second) if b > 0]
    if not ratios:
        return "no figure"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def print_cell(model: Model, size: str, cell: dict, plan: Plan) -> None:
    limits, crowd, most = cell["limits"], str(CROWD), str(plan.connections[-1])
    print(f"\n### {model.note}, {size}\n")
    print("| results/s at | " + " | ".join(f"{c} conn." for c in plan.connections) + " | p50 alone, ms | "
          f"p50 / p95 / p99 at {crowd}, ms | at {most}, ms | MiB |")
    print("|---|" + "---|" * (len(plan.connections) + 4))
    for name, by_connections in cell["servers"].items():
        alone, middle, last = (by_connections[c] for c in ("1", crowd, most))
        rates = " | ".join(f"{by_connections[str(c)]['throughput']:.1f}" for c in plan.connections)
        print(f"| {name} | {rates} | {alone['p50']:.1f} | {percentiles(middle)} | {percentiles(last)} | "
              f"{last['rss'] / 2**20:.0f} |")
    ours = cell["servers"]["sightd"]
    frames = [run["per_second"] for run in limits["frames"]]
    lone = [run["p50_us"] / 1000 for run in limits["frames_lone"]]
    stages = {stage: statistics.median(run["stages_us"][stage] for run in limits["frames"])
              for stage in limits["frames"][0]["stages_us"]}
    print(f"\n- in process, all cores: {statistics.median(frames):.1f} frames/s; the model alone "
          f"{limits['model'][0]['per_second']:.1f}/s; a lone frame {statistics.median(lone):.1f} ms\n"
          f"- of a frame on one core, ms: " +
          ", ".join(f"{k} {v / 1000:.2f}" for k, v in stages.items() if v >= 5 and k != "total") +
          f"\n- sightd at {CROWD} against the limit: {ratio(ours[crowd]['rates'], frames)}; alone, p50 against the "
          f"in-process time: {ratio(ours['1']['p50s'], lone)}\n- sightd at {CROWD} against " +
          ", ".join(f"{name} {ratio(ours[crowd]['rates'], by[crowd]['rates'])}"
                    for name, by in cell["servers"].items() if name != "sightd") +
          f"\n- p99 / p50 at {most}: " + ", ".join(f"{name} {by[most]['p99'] / max(by[most]['p50'], 1e-9):.2f}"
                                                   for name, by in cell["servers"].items()), flush=True)


def percentiles(figures: dict) -> str:
    return " / ".join(f"{figures[n]:.0f}" for n in ("p50", "p95", "p99"))


def make_pictures(folder: Path) -> None:
    photos = [str(SHARED / "assets/images" / name) for name in PHOTOS]
    subprocess.run(["/usr/bin/python3", str(ROOT / "bench/pictures.py"), str(folder), *photos], check=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    if not all(model.path.exists() for model in MODELS.values()):
        print(f"skipped: no models to measure in {SHARED} (set SIGHT_SHARED)")
        return 0
    report = {"cells": {}, "cold_start_s": {}}
    with tempfile.TemporaryDirectory(prefix="sightd-bench-") as folder:
        pictures = Path(folder)
        make_pictures(pictures)
        for name in dict.fromkeys(model for model, _ in plan.cells):
            model = MODELS[name]
            photo = (pictures / "1920x1080" / PHOTOS[0]).read_bytes()
            report["cold_start_s"][name] = cold_starts(model, photo, plan.cold_starts)
            with ExitStack() as stack:
                servers = [stack.enter_context(server) for server in (sightd(model), *peers(model))]
                for size in (s for m, s in plan.cells if m == name):
                    cell = measure_cell(servers, model, pictures / size, plan)
                    report["cells"][f"{name} {size}"] = cell
                    print_cell(model, size, cell, plan)
    print("\n| start to first result, warm file cache, s | " + " | ".join(report["cold_start_s"]["small"]) + " |")
    print("|---|" + "---|" * len(report["cold_start_s"]["small"]))
    for name, times in report["cold_start_s"].items():
        print(f"| {MODELS[name].note} | " + " | ".join(f"{t:.2f}" for t in times.values()) + " |")
    cores = max(cell["generator_cores"] for cell in report["cells"].values())
    print(f"\nThe load generator used {100 * cores:.1f} % of one core at the most.")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
