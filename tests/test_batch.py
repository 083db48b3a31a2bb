# SPDX-License-Identifier: MIT
"""Pictures of several connections in one run of the detector, forced by the recipe, over the real server and model.

Expected: the answers of a server whose recipe says `use: never`. Kernels sum a batch in another order, so scores may
differ by a thousandth and boxes by half a pixel; objects that score within a hundredth of the threshold may come or go.
"""
from __future__ import annotations

import json
import socket
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import assets
from conftest import BIN, ROOT, Server

PICTURES = ["people.jpg", "zidane.jpg", "bus.jpg", "group1.jpg"]
THRESHOLD = 0.3

Start = Callable[..., Server]


def place(folder: Path, model: str, batch: str) -> list[str]:
    (folder / "models" / "m").mkdir(parents=True, exist_ok=True)
    link = folder / "models" / "m" / "model.onnx"
    link.unlink(missing_ok=True)
    link.symlink_to(assets.model(model))
    recipe = f"detect: {{ model: m, threshold: {THRESHOLD}, batch: {batch} }}\n"
    (folder / "p.yaml").write_text(recipe, encoding="utf-8")
    return ["--models", str(folder / "models"), "--pipelines", str(folder / "p.yaml"), "--default-pipeline", "p"]


def ask(port: int, image: bytes, times: int) -> list[dict]:
    """One picture over and over on a connection of its own."""
    replies = []
    with socket.create_connection(("127.0.0.1", port), timeout=120) as link:
        for _ in range(times):
            link.sendall(struct.pack("<i", len(image)) + image)
            data = b""
            while True:
                part = link.recv(65536)
                assert part, data
                data += part
                try:
                    replies.append(json.loads(data))
                    break
                except ValueError:
                    continue
    return replies


def boxes(reply: dict) -> list[tuple[float, ...]]:
    objects = reply["object_list"]
    rows = [objects[f"object{i}"] for i in range(objects["object_num"])]
    return sorted((r["bbox"]["x"], r["bbox"]["y"], r["bbox"]["w"], r["bbox"]["h"], r["objectness"])
                  for r in rows if r["objectness"] > THRESHOLD + 0.01)


@pytest.fixture
def start() -> Start:
    servers = []

    def begin(*args: str) -> Server:
        servers.append(Server(*args))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


@pytest.mark.parametrize("model", ["yolov8n-face-batch", "yolo11n"])
def test_answers_do_not_depend_on_batch_mates(start: Start, tmp_path: Path, model: str) -> None:
    images = [(assets.pictures() / name).read_bytes() for name in PICTURES]
    single = start(*place(tmp_path, model, "{ use: never }"))
    expected = [boxes(ask(single.port, image, 1)[0]) for image in images]
    assert any(expected)
    together = start(*place(tmp_path, model, "{ use: always, max: 4, delay_ms: 20 }"), "--workers", "4")
    with ThreadPoolExecutor(len(images)) as clients:
        answers = list(clients.map(lambda image: ask(together.port, image, 5), images))
    for want, replies in zip(expected, answers):
        for reply in replies:
            got = boxes(reply)
            assert len(got) == len(want)
            for one, other in zip(got, want):
                assert one[:4] == pytest.approx(other[:4], abs=0.5)
                assert one[4] == pytest.approx(other[4], abs=0.001)


def test_a_model_that_must_not_batch_is_refused(tmp_path: Path) -> None:
    model = "yolov8n"  # its batch is fixed at 1
    done = subprocess.run([str(BIN), "serve", "--listen", "127.0.0.1:0", *place(tmp_path, model, "{ use: always }")],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "p.yaml:1:" in done.stderr and "cannot take several pictures at once" in done.stderr
