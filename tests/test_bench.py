# SPDX-License-Identifier: MIT
"""`sight bench` against the real server: what it counts is what was sent, and it refuses what it should."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import sight
from conftest import BIN, Server


def bench(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(BIN), "bench", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr + done.stdout
    return done


def test_counts_results_objects_and_errors(server: Server, tmp_path: Path, images: Path) -> None:
    target, histogram = f"127.0.0.1:{server.port}", tmp_path / "histogram"
    shown = len(sight.detect(images / "people_two.jpeg")[0]["objects"])  # another way to the same pipeline
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"not a picture")
    done = bench(target, "-i", str(images / "people_two.jpeg"), "-i", str(damaged), "-n", "40", "-c", "4", "--warmup",
                 "0", "--duration", "60s", "--json", "--histogram", str(histogram), "--pid", str(server.process.pid))
    report = json.loads(done.stdout)
    (found,) = report["targets"]
    assert found["results"] == 20 and found["errors"] == 20
    assert found["codes"] == {"bad_image": 20}
    assert shown > 0 and found["objects"] == shown * 20
    times = found["latency_us"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
    assert found["process"]["rss_after"] > 10 << 20 and found["process"]["processes"] == 1
    rows = [line.split() for line in histogram.read_text().splitlines() if line[0] != "#"]
    assert sum(int(row[2]) for row in rows) == 20 and float(rows[-1][1]) == 1


def test_pipelining_gives_as_many_results(server: Server, images: Path) -> None:
    done = bench(f"seed://127.0.0.1:{server.port}", "-i", str(images / "people_two.jpeg"), "-n", "30", "-c", "1", "-d",
                 "8", "--warmup", "0", "--duration", "60s", "--json")
    assert json.loads(done.stdout)["targets"][0]["results"] == 30


def test_open_loop_keeps_its_rate(server: Server, images: Path) -> None:
    done = bench(f"127.0.0.1:{server.port}", "-i", str(images / "people_two.jpeg"), "--rate", "5", "-c", "8",
                 "--warmup", "0", "--duration", "2s", "--json")
    (found,) = json.loads(done.stdout)["targets"]
    assert found["errors"] == 0 and 8 <= found["results"] + found["unsent"] <= 11


def test_a_server_compared_with_itself_is_equal(server: Server, images: Path) -> None:
    target = f"127.0.0.1:{server.port}"
    done = bench("--compare", target, target, "-i", str(images / "people_two.jpeg"), "-c", "2", "--slices", "6",
                 "--slice", "200ms", "--warmup", "100ms", "--json")
    ratio = json.loads(done.stdout)["compare"]["throughput"]
    assert ratio["low"] <= ratio["median"] <= ratio["high"]
    assert 0.5 < ratio["median"] < 2  # slices of 0.2 s on a shared machine


def test_refuses_other_machines_and_says_what_is_missing(images: Path) -> None:
    photo = str(images / "people_two.jpeg")
    assert "--allow-remote" in bench("192.0.2.1:80", "-i", photo, status=1).stderr
    assert "--images" in bench("127.0.0.1:1", status=1).stderr
    assert "cannot connect" in bench("127.0.0.1:1", "-i", photo, status=1).stderr
    assert "two targets" in bench("--compare", "127.0.0.1:1", "-i", photo, status=1).stderr
    assert "--connections" in bench("127.0.0.1:1", "-i", photo, "-c", "0", status=2).stderr
