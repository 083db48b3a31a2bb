#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The loop over 1920x1080 BGR frames in process, in Python and in C (build/infer_bench), in turns: C Python Python C.
A figure is the median time of a frame, the result as JSON text included on both sides.

usage: bench/python_in_process.py MODEL.onnx PICTURE [ROUNDS] [FRAMES]
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
import sightd  # noqa: E402

BUILD = Path(os.environ.get("SIGHT_BUILD") or ROOT / "build")


def main() -> None:
    model, picture = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    frames = int(sys.argv[4]) if len(sys.argv) > 4 else 40
    pixels = cv2.resize(cv2.imread(picture), (1920, 1080), interpolation=cv2.INTER_AREA)
    with tempfile.NamedTemporaryFile(suffix=".raw") as raw, sightd.Pipeline(model=model) as pipeline:
        pixels.tofile(raw.name)

        def in_c() -> float:
            done = subprocess.run([BUILD / "infer_bench", model, str(frames), "1920", "1080", raw.name],
                                  capture_output=True, text=True, check=True)
            return float(json.loads(done.stdout)["p50_us"])

        def in_python() -> float:
            took_us = []
            for k in range(-10, frames):
                began = time.perf_counter_ns()
                result = pipeline.infer(pixels)
                if k >= 0:
                    took_us.append((time.perf_counter_ns() - began) / 1e3)
                    outside_us.append(took_us[-1] - result.timing_us["total"])
            time.sleep(0.05)  # what is still busy behind a frame must not fall on the other
            return sorted(took_us)[frames // 2]

        outside_us: list[float] = []  # of a frame, not the pipeline's: Python, ctypes, JSON text
        ratios, us = [], []
        for _ in range(rounds):
            a, p, q, b = in_c(), in_python(), in_python(), in_c()
            us.append(((a + b) / 2, (p + q) / 2))
            ratios.append((p + q) / (a + b))
    print(f"ms a frame, median of {rounds} rounds of 4 x {frames}: C {statistics.median(c for c, _ in us) / 1e3:.3f}, "
          f"Python {statistics.median(p for _, p in us) / 1e3:.3f}; Python / C {statistics.median(ratios):.4f} "
          f"({min(ratios):.4f} to {max(ratios):.4f}); outside the pipeline "
          f"{statistics.median(outside_us):.0f} us a frame")


if __name__ == "__main__":
    main()
