#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One Python process with client.map against `sight bench`, on one server, in turns: bench Python Python bench.

The server's most is what `sight bench` reaches with 16 clients. Pictures are sent as JPEG (and, with "raw", as pixels).
usage: bench/python_network.py PORT PICTURE [ROUNDS] [SECONDS] [raw | records]
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
import sightd  # noqa: E402

SIGHT = Path(os.environ.get("SIGHT_BUILD") or ROOT / "build") / "sight"
WARMUP_S = 0.5


def most(port: int, picture: str, seconds: float) -> float:
    done = subprocess.run([SIGHT, "bench", f"127.0.0.1:{port}", "--images", picture, "-c", "16", "--json",
                           "--duration", f"{int(seconds * 1000)}ms", "--warmup", f"{int(WARMUP_S * 1000)}ms"],
                          capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["targets"][0]["throughput"])


def in_python(client: sightd.Client, image: Any, seconds: float) -> tuple[float, float]:
    """Results a second, and microseconds of processor time that this process took for each."""
    began = time.perf_counter()
    end = began + WARMUP_S + seconds

    def pictures() -> Iterator[Any]:
        while time.perf_counter() < end:
            yield image

    count, first, cpu, last = 0, 0.0, 0.0, 0.0
    for result in client.map(pictures(), window=None):
        assert result.objects is not None  # parsed, as a program would
        last = time.perf_counter()
        if last - began < WARMUP_S:
            continue
        if not first:
            first, cpu = last, time.process_time()
        elif last < end:
            count += 1
            spent = time.process_time() - cpu
    return count / (end - first), spent / count * 1e6


def main() -> None:
    port, picture = int(sys.argv[1]), sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 6
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 3
    how = sys.argv[5] if len(sys.argv) > 5 else ""
    image: Any = Path(picture).read_bytes()
    if how == "raw":
        import cv2

        image = cv2.imread(picture)
    ratios, rates, costs = [], [], []
    with sightd.Client(port=port, records=how == "records") as client:
        for _ in range(rounds):
            a = most(port, picture, seconds)
            p, cost = in_python(client, image, seconds)
            q, _ = in_python(client, image, seconds)
            b = most(port, picture, seconds)
            ratios.append((p + q) / (a + b))
            rates.append(((a + b) / 2, (p + q) / 2))
            costs.append(cost)
    print(f"results/s, median of {rounds} rounds: sight bench {statistics.median(a for a, _ in rates):.1f}, "
          f"client.map {statistics.median(p for _, p in rates):.1f}; ratio {statistics.median(ratios):.3f} "
          f"({min(ratios):.3f} to {max(ratios):.3f}); Python takes {statistics.median(costs):.0f} us a result")


if __name__ == "__main__":
    main()
