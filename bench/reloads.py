#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reloads of settings and all models under load: none may lose a request, and memory must stay where it was.

usage: bench/reloads.py [--reloads 1000] [--default-models]

Three processes of `sight bench` keep 2 connections each busy, over seed frames, v2 and HTTP, while POST /v1/reload is
sent again and again. Every request must be answered with a result that has the objects it had at first. Memory is that
of a tenth of the reloads and that of the end, each the median of ten looks between reloads.
"""
from __future__ import annotations

import argparse
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import make_pictures
from servers import BUILD, MODELS, Server, sightd


def rss_mib(server: Server) -> float:
    text = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def load(target: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen([str(BUILD / "sight"), "bench", target, "-i", str(folder), "-c", "2", "--warmup", "0",
                             "--duration", "2h", "--json"], stdout=subprocess.PIPE, text=True)


def reload(port: int) -> float:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    link.request("POST", "/v1/reload")
    answer = link.getresponse()
    said = answer.read()
    link.close()
    if answer.status != 200:
        sys.exit(f"reload failed: {said!r}")
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--default-models", action="store_true", help="all default pipelines, not one small model")
    options = parser.parse_args()
    if options.default_models:
        server = Server("sightd", [str(BUILD / "sight"), "serve", "--listen", "127.0.0.1:PORT"])
    else:
        server = sightd(MODELS["small"])
    times, seen, missed = [], [], []
    with tempfile.TemporaryDirectory() as folder, server:
        make_pictures(Path(folder))
        photos = Path(folder) / "640x480"
        address = f"127.0.0.1:{server.port}"
        loads = [load(t, photos) for t in (address, f"v2://{address}", f"http://{address}/v1/infer")]
        try:
            time.sleep(1)
            for _ in range(options.reloads):
                times.append(reload(server.port))
                seen.append(rss_mib(server))
        finally:
            for one in loads:
                one.send_signal(signal.SIGINT)  # prints what there was
        totals = [json.loads(one.communicate(timeout=60)[0])["targets"][0] for one in loads]
    tenth = max(1, len(seen) // 10)
    early, end = statistics.median(seen[tenth:tenth + 10] or seen), statistics.median(seen[-10:])
    errors = {total["protocol"]: total["codes"] for total in totals if total["errors"]}
    changed = sum(total["changed"] for total in totals)
    print(f"{options.reloads} reloads, {statistics.median(times):.3f} s each (median; most {max(times):.3f}), "
          f"{sum(total['results'] for total in totals)} results over seed, v2 and HTTP meanwhile, errors: "
          f"{errors or 'none'}, results that changed: {changed}\nmemory after {tenth} reloads {early:.1f} MiB, at the "
          f"end {end:.1f} MiB ({100 * (end / early - 1):+.1f} %), most {max(seen):.1f} MiB")
    if errors or changed:
        missed.append("a request was lost or answered otherwise")
    if end > 1.05 * early:
        missed.append("memory grew by more than 5 %")
    print("\n".join(f"missed: {what}" for what in missed) or "every goal was met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
