# SPDX-License-Identifier: MIT
"""`sight send` against a real server. What is expected comes from `sight detect` on the same pictures."""
from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import conftest
import killed
import sight
from relay import Relay


def send(port: int, *words: object) -> subprocess.CompletedProcess[str]:
    return sight.run("send", "--to", f"127.0.0.1:{port}", *words)


def close(a: Any, b: Any) -> bool:
    """Equal but for what travels as single precision (boxes) and timing."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a if k != "timing_us")
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return abs(a - b) < 0.02 if isinstance(a, float) and isinstance(b, (int, float)) else a == b or (
        isinstance(b, float) and close(b, a))


def test_the_server_gives_what_detect_gives(server: conftest.Server, tmp_path: Path) -> None:
    pictures = [sight.IMAGES / name for name in ("zidane.jpg", "bus.jpg", "cat.png", "people.jpg")]
    (tmp_path / "größe.jpg").write_text("broken")
    (tmp_path / "empty.jpg").write_bytes(b"")
    words = ["--pipeline", "faces", "--threshold", "0.6", *pictures, tmp_path]
    local = sight.detect(*words)
    done = send(server.port, *words)
    assert done.returncode == 1 and "2 of 6 pictures failed" in done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["source"] for r in found] == [r["source"] for r in local]
    for mine, theirs in zip(found, local):
        if "error" in theirs:
            assert mine["error"]["code"] == theirs["error"]["code"]
        else:
            assert close(mine, theirs), (mine, theirs)


def test_formats_drawings_and_resuming(server: conftest.Server, tmp_path: Path) -> None:
    pictures = [sight.IMAGES / name for name in ("zidane.jpg", "bus.jpg")]
    out = tmp_path / "o.json"
    words = ["-f", "coco", "-o", out, "--annotate", tmp_path / "drawn", *pictures]
    assert send(server.port, *words).returncode == 0
    assert len(json.loads(out.read_text(encoding="utf-8"))["images"]) == 2
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == ["bus.jpg", "zidane.jpg"]
    more = send(server.port, *words, sight.IMAGES / "cat.png", "--resume")
    assert more.returncode == 0 and "2 of 3 pictures were in the output already" in more.stderr
    assert len(json.loads(out.read_text(encoding="utf-8"))["images"]) == 3


def test_no_server_and_no_pipeline(server: conftest.Server) -> None:
    done = send(1, sight.IMAGES / "bus.jpg")
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:1" in done.stderr and "sight serve" in done.stderr and len(done.stderr.splitlines()) == 1
    done = send(server.port, "--pipeline", "facs", sight.IMAGES / "bus.jpg")
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["code"] == "not_found"


class Damaging(Relay):
    """What the server answers has another mark in front of its records."""

    def pass_back(self, server: socket.socket, client: socket.socket) -> None:
        while data := server.recv(1 << 20):
            client.sendall(data.replace(b"SGR1", b"SGR9"))


def test_results_that_cannot_be_read_are_failures(server: conftest.Server) -> None:
    """docs/PROTOCOL.md: a block of records begins with "SGR1"."""
    relay = Damaging(server.port)
    done = send(relay.port, sight.IMAGES / "bus.jpg", sight.IMAGES / "cat.png")
    relay.listener.close()
    assert done.returncode == 1 and "2 of 2 pictures failed" in done.stderr
    for line in done.stdout.splitlines():
        assert json.loads(line)["error"] == {"code": "bad_framing", "message": "the server's result cannot be read"}


def test_a_server_that_goes_and_comes_back(start_server: Callable[..., conftest.Server], tmp_path: Path) -> None:
    """Killed in the middle and started again on the same port: every picture once, in order, none failed."""
    pictures = killed.make_pictures(tmp_path / "in", 400)
    first = start_server("--default-pipeline", "faces")
    out = tmp_path / "o.jsonl"
    process = subprocess.Popen([sight.SIGHT, "send", "--to", f"127.0.0.1:{first.port}", "-o", out, pictures],
                               stderr=subprocess.PIPE, text=True, cwd=sight.ROOT)
    try:
        assert killed.wait_for_lines(out, 20)
        first.process.kill()
        first.process.wait()
        time.sleep(0.3)
        start_server("--default-pipeline", "faces", "--listen", f"127.0.0.1:{first.port}")
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, said
    names = [Path(json.loads(line)["source"]).name for line in out.read_text(encoding="utf-8").splitlines()]
    assert names == [f"图{i}.jpg" for i in range(400)]


def test_a_server_that_stays_away(start_server: Callable[..., conftest.Server], tmp_path: Path) -> None:
    """What was answered stays; the rest is not written down as failed, so that --resume can go on."""
    pictures = killed.make_pictures(tmp_path / "in", 400)
    server = start_server("--default-pipeline", "faces")
    out = tmp_path / "o.jsonl"
    process = subprocess.Popen([sight.SIGHT, "send", "--to", f"127.0.0.1:{server.port}", "--retry", "500ms", "-o", out,
                                pictures], stderr=subprocess.PIPE, text=True, cwd=sight.ROOT)
    assert killed.wait_for_lines(out, 5)
    server.process.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "is lost" in said
    lines = out.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 400 and all("error" not in json.loads(line) for line in lines)
