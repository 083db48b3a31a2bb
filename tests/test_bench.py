# SPDX-License-Identifier: MIT
"""`sight bench` against the real server: what it counts is what was sent, and it refuses what it should."""
from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sight
from conftest import BIN, Server


def bench(*args: str, status: int = 0, columns: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(BIN), "bench", *args], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "COLUMNS": columns})
    assert done.returncode == status, done.stderr + done.stdout
    return done


def test_counts_results_objects_and_errors(server: Server, tmp_path: Path, images: Path) -> None:
    target, histogram = f"127.0.0.1:{server.port}", tmp_path / "histogram"
    shown = len(sight.detect(images / "zidane.jpg")[0]["objects"])  # another way to the same pipeline
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"not a picture")
    done = bench(target, "-i", str(images / "zidane.jpg"), "-i", str(damaged), "-n", "40", "-c", "4", "--warmup",
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
    done = bench(f"seed://127.0.0.1:{server.port}", "-i", str(images / "zidane.jpg"), "-n", "30", "-c", "1", "-d",
                 "8", "--warmup", "0", "--duration", "60s", "--json")
    assert json.loads(done.stdout)["targets"][0]["results"] == 30


@pytest.mark.parametrize("records", [False, True])
def test_v2_counts_what_the_seed_protocol_counts(server: Server, images: Path, tmp_path: Path, records: bool) -> None:
    """Replies come in any order, each with its request's id; an unknown one would be counted as bad_reply."""
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"not a picture")
    photos = [str(images / "zidane.jpg"), str(images / "people.jpg")]
    shown = [len(sight.detect(photo)[0]["objects"]) for photo in photos]
    done = bench(f"v2://127.0.0.1:{server.port}", "-i", photos[0], "-i", photos[1], "-i", str(damaged),
                 "-n", "60", "-c", "3", "-d", "8", "--warmup", "0", "--duration", "60s", "--json",
                 *(["--records"] if records else []))
    (found,) = json.loads(done.stdout)["targets"]
    assert found["protocol"] == "v2" and found["codes"] == {"bad_image": 20}
    assert found["results"] == 40 and found["objects"] == 20 * sum(shown) and found["changed"] == 0


@pytest.mark.parametrize("scheme", ["v2", "http"])
def test_refusals_are_counted_by_code(server: Server, images: Path, scheme: str) -> None:
    """A deadline of 1 ms cannot be kept: every request is refused, and none is lost."""
    done = bench(f"{scheme}://127.0.0.1:{server.port}", "-i", str(images / "people.jpg"), "-n", "40", "-c",
                 "2", "--deadline", "1ms", "--warmup", "0", "--duration", "60s", "--json", status=1)
    (found,) = json.loads(done.stdout)["targets"]
    assert found["results"] == 0 and found["codes"] == {"deadline_exceeded": 40}
    assert 0 < found["error_latency_us"]["p50"] <= found["error_latency_us"]["max"]


def test_options_that_a_protocol_lacks(server: Server, images: Path) -> None:
    photo, there = str(images / "zidane.jpg"), f"127.0.0.1:{server.port}"
    assert "--deadline" in bench(there, "-i", photo, "--deadline", "1s", status=2).stderr
    assert "--records" in bench(f"http://{there}", "-i", photo, "--records", status=2).stderr
    for name in ("none-such", "x" * 255):
        done = bench(f"v2://{there}", "-i", photo, "-n", "4", "--pipeline", name, "--warmup", "0", "--json", status=1)
        assert json.loads(done.stdout)["targets"][0]["codes"] == {"not_found": 4}


def test_open_loop_keeps_its_rate(server: Server, images: Path) -> None:
    done = bench(f"127.0.0.1:{server.port}", "-i", str(images / "zidane.jpg"), "--rate", "5", "-c", "8",
                 "--warmup", "0", "--duration", "2s", "--json")
    (found,) = json.loads(done.stdout)["targets"]
    assert found["errors"] == 0 and 8 <= found["results"] + found["unsent"] <= 11


def test_a_server_compared_with_itself_is_equal(server: Server, images: Path) -> None:
    target = f"127.0.0.1:{server.port}"
    done = bench("--compare", target, target, "-i", str(images / "zidane.jpg"), "-c", "2", "--slices", "6",
                 "--slice", "200ms", "--warmup", "100ms", "--json")
    ratio = json.loads(done.stdout)["compare"]["throughput"]
    assert ratio["low"] <= ratio["median"] <= ratio["high"]
    assert 0.5 < ratio["median"] < 2  # slices of 0.2 s on a shared machine


def test_refuses_other_machines_and_says_what_is_missing(images: Path) -> None:
    photo = str(images / "zidane.jpg")
    assert "--allow-remote" in bench("192.0.2.1:80", "-i", photo, status=2).stderr
    assert "--images" in bench("127.0.0.1:1", status=2).stderr
    assert "ftp" in bench("ftp://127.0.0.1:1", "-i", photo, status=2).stderr
    assert "--pipeline" in bench("127.0.0.1:1", "-i", photo, "--pipeline", "faces", status=2).stderr
    assert "no-such-file" in bench("127.0.0.1:1", "-i", "no-such-file.jpg", status=1).stderr
    assert "cannot connect" in bench("127.0.0.1:1", "-i", photo, status=1).stderr
    assert "two targets" in bench("--compare", "127.0.0.1:1", "-i", photo, status=2).stderr
    assert "--connections" in bench("127.0.0.1:1", "-i", photo, "-c", "0", status=2).stderr
    assert "--pid names 2 processes of 1 targets" in \
        bench("127.0.0.1:1", "-i", photo, "--pid", "1,2", status=2).stderr
    assert "--pipeline: the name is too long" in \
        bench("v2://127.0.0.1:1", "-i", photo, "--pipeline", "x" * 256, status=2).stderr  # docs/PROTOCOL.md: 255 bytes


@pytest.fixture(name="silent")
def silent_target() -> Iterator[str]:
    """A server that takes connections and requests, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"  # the kernel accepts


def test_says_what_stays_unanswered(silent: str, images: Path) -> None:
    words = [silent, "-i", str(images / "zidane.jpg"), "-c", "3", "-d", "2", "--warmup", "0", "--duration",
             "200ms", "--timeout", "500ms"]
    (found,) = json.loads(bench(*words, "--json", status=1).stdout)["targets"]
    assert (found["results"], found["errors"], found["unanswered"]) == (0, 0, 6)
    assert "never answered: 6\n" in bench(*words, status=1).stdout
    # Longer than the timeout: errors, and those of the last round beside them.
    (found,) = json.loads(bench(*words, "--duration", "1300ms", "--json", status=1).stdout)["targets"]
    assert found["codes"] == {"timeout": found["errors"]} and found["errors"] >= 6 and found["unanswered"] == 6


def test_nothing_to_compare_is_said(server: Server, silent: str, images: Path) -> None:
    words = ["--compare", f"127.0.0.1:{server.port}", silent, "-i", str(images / "zidane.jpg"), "-c", "1",
             "--slices", "2", "--slice", "100ms", "--warmup", "0", "--timeout", "300ms"]
    said = bench(*words, status=1).stdout
    assert said.count("nothing to compare") == 2 and "first / second" not in said
    compared = json.loads(bench(*words, "--json", status=1).stdout)["compare"]
    assert compared == {"slices": 2, "throughput": None, "p50": None}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_result_that_is_lost_is_a_failure(server: Server, images: Path, form: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(BIN), "bench", f"127.0.0.1:{server.port}", "-i", str(images / "zidane.jpg"),
                               "-n", "2", "--warmup", "0", *form], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=120)
    assert done.returncode == 1 and "standard output" in done.stderr


@pytest.mark.parametrize("columns", [40, 80])
def test_the_report_on_narrow_terminals(server: Server, tmp_path: Path, columns: int) -> None:
    """A block a target, and no line that the terminal would break."""
    picture = tmp_path / "a.ppm"
    picture.write_bytes(b"P6 32 32 255\n" + bytes(32 * 32 * 3))
    targets = [f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.port}/v1/infer"]
    words = ["--compare", *targets, "-i", str(picture), "--slices", "2", "--slice", "300ms", "--warmup", "0", "--pid",
             str(server.process.pid)]
    lines = bench(*words, columns=str(columns)).stdout.splitlines()
    assert [target for target in targets if lines.count(target) == 1] == targets
    # At 40 columns a rate of three digits puts the last word on the next line.
    rates = re.findall(r"^    [\d.]+ results/s, \d+ results, 0\s+errors$", "\n".join(lines), re.M)
    assert len(rates) == 2
    assert len(re.findall(r" p99\.9=\d+\.\d\d ", " ".join(lines))) == 2
    assert max(map(len, lines)) <= columns, lines
    assert bench(*words).stdout.splitlines()[1].split()[:2] == ["target", "results/s"]


def test_a_histogram_replaces_only_what_sightd_wrote(server: Server, tmp_path: Path) -> None:
    """Told before any load: nothing listens at port 1. Pictures stay with --overwrite, too, under any name."""
    picture = tmp_path / "a.ppm"
    picture.write_bytes(b"P6 32 32 255\n" + bytes(32 * 32 * 3))
    (tmp_path / "hard").hardlink_to(picture)
    mine = tmp_path / "histogram.2"
    mine.write_text("my notes of ten years\n")
    words = ["-i", str(picture), "-n", "4", "--warmup", "0", "--histogram"]
    nowhere = ["127.0.0.1:1", "127.0.0.1:1"]
    done = bench(*nowhere, *words, str(tmp_path / "histogram"), status=1)
    assert "--histogram" in done.stderr and "--overwrite replaces it" in done.stderr
    for name in ("a.ppm", "hard"):
        done = bench(nowhere[0], *words, str(tmp_path / name), "--overwrite", status=1)
        assert "--histogram" in done.stderr and "never replaced" in done.stderr
    assert picture.read_bytes().startswith(b"P6") and mine.read_text() == "my notes of ten years\n"
    target = f"127.0.0.1:{server.port}"
    for more in (["--overwrite"], []):  # the same again just works
        bench(target, target, *words, str(tmp_path / "histogram"), *more)
        for path in (tmp_path / "histogram", mine):
            assert path.read_text().splitlines()[-1].startswith("# total ")
