#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Twice the load that the server can carry, over v2 and over HTTP, each request with a deadline. Prints a table and
what goal was missed.

usage: bench/overload.py [--seconds 60] [--size 1280x720] [--deadline 500] [--only v2|http]

For each protocol: the most that a closed loop gives, then an open loop at twice that rate, then one request after the
burst beside one before it. The generator runs on the same cores, so times of refusals are told twice: as the client saw
them, and by the server's own histogram (sightd_refusal_seconds), from the arrival of a request to its refusal.
"""
from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from pictures import SIZES
from run import make_pictures
from servers import BUILD, MODELS, Server, sightd

REFUSAL_MS = 5


def bench(server: Server, target: str, pictures: Path, *flags: str) -> dict:
    command = [str(BUILD / "sight"), "bench", target, "-i", str(pictures), "--json", "--pid", str(server.process.pid),
               *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def metrics(server: Server) -> str:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    link.request("GET", "/metrics")
    return link.getresponse().read().decode()


def refusals(server: Server, protocol: str) -> dict[float, float]:
    pattern = rf'sightd_refusal_seconds_bucket\{{protocol="{protocol}",le="([^"]+)"\}} (\S+)'
    return {float(bound): float(count) for bound, count in re.findall(pattern, metrics(server))}


def lone_ms(server: Server, picture: bytes, count: int) -> list[float]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        link.request("POST", "/v1/infer", picture)
        answer = link.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append(1000 * (time.perf_counter() - began))
    link.close()
    return times


class Memory(threading.Thread):
    """Resident memory of a process, looked at four times a second until `stop` is set."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.status, self.seen, self.stop = Path(f"/proc/{pid}/status"), [], threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stop.wait(0.25):
            text = self.status.read_text(encoding="ascii")
            self.seen.append(int(text.split("VmRSS:")[1].split()[0]) / 1024)

    def quarters(self) -> tuple[float, float]:
        """The most in the second and in the last quarter of the time."""
        self.stop.set()
        self.join()
        quarter = max(1, len(self.seen) // 4)
        return max(self.seen[quarter:2 * quarter] or self.seen), max(self.seen[-quarter:])


def measure(server: Server, protocol: str, folder: Path, seconds: int, deadline: int) -> tuple[dict, list[str]]:
    address = f"127.0.0.1:{server.port}"
    target = f"v2://{address}" if protocol == "v2" else f"http://{address}/v1/infer"
    picture = next(iter(sorted(folder.iterdir()))).read_bytes()
    lone_ms(server, picture, 5)
    before = statistics.median(lone_ms(server, picture, 11))
    most = bench(server, target, folder, "-c", "16", "--warmup", "2s", "--duration", f"{max(5, seconds // 4)}s")
    limit = most["targets"][0]["throughput"]
    at_first = refusals(server, protocol)
    memory = Memory(server.process.pid)
    burst = bench(server, target, folder, "--rate", f"{2 * limit:.1f}", "-c", "400", "--deadline", f"{deadline}ms",
                  "--warmup", "2s", "--duration", f"{seconds}s")
    early, end = memory.quarters()
    first = lone_ms(server, picture, 1)[0]
    at_last = refusals(server, protocol)
    found, codes = burst["targets"][0], burst["targets"][0]["codes"]
    refused = at_last[float("inf")] - at_first[float("inf")]
    slow = refused - (at_last[REFUSAL_MS / 1000] - at_first[REFUSAL_MS / 1000])
    row = {
        "limit/s": f"{limit:.1f}", "offered/s": f"{2 * limit:.1f}", "results/s": f"{found['throughput']:.1f}",
        "goodput": f"{(found['throughput'] - found['late'] / seconds) / limit:.3f}",
        "p50, p99 of results, ms": "{p50:.0f}, {p99:.0f}".format(
            **{k: v / 1000 for k, v in found["latency_us"].items()}),
        "late": str(found["late"]), "refused": str(refused), "errors": ", ".join(f"{k} {v}" for k, v in codes.items()),
        "refusals, client, p50, p99, ms": "{p50:.1f}, {p99:.1f}".format(
            **{k: v / 1000 for k, v in found["error_latency_us"].items()}),
        f"refusals in the server above {REFUSAL_MS} ms": f"{slow:.0f}",
        "MiB in the 2nd, in the last quarter of the burst": f"{early:.1f}, {end:.1f}",
        "lone before, first after, ms": f"{before:.1f}, {first:.1f}",
        "generator, cores": f"{burst['generator_cores']:.2f}",
    }
    missed = []
    if float(row["goodput"]) < 0.95:
        missed.append("goodput under 0.95 of the most")
    if found["latency_us"]["p99"] > deadline * 1000:
        missed.append("p99 of results above the deadline")
    if slow > 0:
        missed.append(f"{slow:.0f} refusals took the server more than {REFUSAL_MS} ms")
    if found["error_latency_us"]["p99"] > REFUSAL_MS * 1000:
        missed.append(f"p99 of refusals as the client saw them above {REFUSAL_MS} ms")
    if end > 1.05 * early:
        missed.append("memory grew by more than 5 %")
    if first > 2 * before:
        missed.append("the first request after the burst was slow")
    if set(codes) - {"deadline_exceeded", "busy", "too_many_requests"}:
        missed.append(f"other errors: {codes}")
    return row, [f"{protocol}: {what}" for what in missed]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--size", default="1280x720", choices=list(SIZES))
    parser.add_argument("--deadline", type=int, default=500)
    parser.add_argument("--only", choices=["v2", "http"])
    options = parser.parse_args()
    protocols = [options.only] if options.only else ["v2", "http"]
    rows, missed = {}, []
    with tempfile.TemporaryDirectory() as folder, sightd(MODELS["small"]) as server:
        make_pictures(Path(folder))
        for protocol in protocols:
            rows[protocol], more = measure(server, protocol, Path(folder) / options.size, options.seconds,
                                           options.deadline)
            missed += more
    print(f"\n{MODELS['small'].note}, {options.size}, {options.seconds} s at twice the most, deadline "
          f"{options.deadline} ms\n\n| | {' | '.join(protocols)} |\n|---|{'---|' * len(protocols)}")
    for what in rows[protocols[0]]:
        print(f"| {what} | {' | '.join(rows[protocol][what] for protocol in protocols)} |")
    print("\n" + ("\n".join(f"missed: {what}" for what in missed) or "every goal was met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
