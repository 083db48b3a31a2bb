#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What server and protocol add to a request over v2 on loopback: the server's total less decode, preprocess, detect,
postprocess, classify and read, at the median; and the whole round trip less the same, seen by this client.

usage: bench/overhead.py PORT PICTURE [REQUESTS] [PIPELINE]
"""
from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from pathlib import Path

spec = importlib.util.spec_from_file_location("client_v2", Path(__file__).parent.parent / "examples" / "client_v2.py")
assert spec and spec.loader
v2 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(v2)

WORK = ("decode", "preprocess", "detect", "postprocess", "classify", "read")


def main() -> None:
    port, image = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    pipeline = sys.argv[4] if len(sys.argv) > 4 else ""
    inside, outside, parts = [], [], {"queue": [], "encode": []}
    with v2.Client("127.0.0.1", port) as client:
        for i in range(count + 20):
            began = time.perf_counter_ns()
            client.send(image, pipeline=pipeline, records=True)
            frame = client.read_frame()
            took_us = (time.perf_counter_ns() - began) / 1000
            timing = v2.parse_records(frame[3])["timing_us"]
            if i < 20:
                continue
            work = sum(timing[stage] for stage in WORK)
            inside.append(timing["total"] - work)
            outside.append(took_us - work)
            for part, values in parts.items():
                values.append(timing[part])
    print(f"{count} requests of {len(image)} bytes: server total less work, median {statistics.median(inside):.0f} us, "
          f"p95 {sorted(inside)[count * 95 // 100]:.0f} us (queue {statistics.median(parts['queue']):.0f}, "
          f"encode {statistics.median(parts['encode']):.0f}); round trip less work, median "
          f"{statistics.median(outside):.0f} us")


if __name__ == "__main__":
    main()
