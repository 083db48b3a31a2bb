# SPDX-License-Identifier: MIT
"""A client written from docs/PROTOCOL.md alone (pack "i", send, one recv(65536), json.loads) and what it must be told.

Expected: results of other implementations (tests/goldens) for detectors of things and of faces; damaged pictures as
picture_files.EDGE says; the few pictures without a golden as the same server answers over HTTP.
"""
from __future__ import annotations

import json
import socket
import struct
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agreement
import assets
import picture_files
import pytest
import sight
import yaml
from conftest import Server, sanitized

DETECTORS = {"yolov8n": "coco80", "retinaface": ["face"], "yolov8n-face": ["face"]}
FIRST, QUICK = "yolov8n", "retinaface"  # the other for what takes many requests
GOLDENS = {model: {g["image"]: g for g in assets.BASE.listed(f"{model}__*")} for model in DETECTORS}


@pytest.fixture(scope="module")
def servers(sight: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """A server for each detector, which is its seed port's default pipeline; exact decode, as the goldens are."""
    del sight
    folder = tmp_path_factory.mktemp("site")
    running: dict[str, Server] = {}
    try:
        for model in DETECTORS:
            site(folder, model)
            running[model] = Server("--models", str(folder), "--pipelines", str(folder / f"{model}.yaml"),
                                    "--decode", "exact")
        yield running
        for server in running.values():
            assert server.stop() == 0, "".join(server.lines)
    finally:
        for server in running.values():
            server.process.kill()


def site(folder: Path, model: str) -> None:
    golden = next(iter(GOLDENS[model].values()))
    (folder / model).mkdir()
    (folder / model / "model.onnx").symlink_to(sight.model(model))
    (folder / model / "model.yaml").write_text(yaml.safe_dump({"labels": DETECTORS[model]}), encoding="utf-8")
    recipe = {"detect": {"model": model, "threshold": golden["postprocess"]["score_threshold"]}}
    (folder / f"{model}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


# --- The client, from docs/PROTOCOL.md alone ----------------------------------------------------------------------

def dial(server: Server) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def ask(link: socket.socket, image: bytes) -> dict[str, Any]:
    link.sendall(struct.pack("i", len(image)) + image)
    return json.loads(link.recv(65536))  # type: ignore[no-any-return]


# --- What it must be told -----------------------------------------------------------------------------------------

def as_native(reply: dict[str, Any]) -> dict[str, Any]:
    """The seed reply in the words of the native one, which the comparison rule speaks."""
    assert "error" not in reply, reply["error"]
    found = reply["object_list"]
    objects = [found[f"object{i}"] for i in range(found["object_num"])]
    return {"objects": [{"bbox": o["bbox"], "class_id": o["classes"], "label": o.get("name"), "score": o["objectness"]}
                        for o in objects]}


def faults(reply: dict[str, Any], golden: dict[str, Any]) -> list[str]:
    return agreement.faults(as_native(reply), golden)


def picture(name: str) -> bytes:
    return (sight.IMAGES / name).read_bytes()


@pytest.mark.parametrize("model", DETECTORS)
def test_every_public_picture_with_a_golden(servers: dict[str, Server], model: str) -> None:
    with dial(servers[model]) as link:
        found = {name: faults(ask(link, picture(name)), golden) for name, golden in GOLDENS[model].items()}
    assert {name: bad for name, bad in found.items() if bad} == {}


def test_every_other_public_picture(servers: dict[str, Server]) -> None:
    server = servers[FIRST]
    rest = [p.name for p in sorted(sight.IMAGES.iterdir())
            if p.is_file() and p.suffix != ".mp4" and p.name not in GOLDENS[FIRST]]
    assert len(rest) >= 8
    url = f"http://127.0.0.1:{server.port}/v1/infer"
    with dial(server) as link:
        for name in rest:
            with urllib.request.urlopen(url, picture(name), timeout=120) as answer:
                native = json.load(answer)["objects"]
            told = as_native(ask(link, picture(name)))["objects"]
            assert [o["label"] for o in told] == [o["label"] for o in native], name
            assert all(agreement.iou(agreement.corners(a), agreement.corners(b)) > 0.99
                       and abs(a["score"] - b["score"]) < 1e-3 for a, b in zip(told, native)), name


@pytest.mark.parametrize("name", sorted(picture_files.EDGE))
def test_damaged_and_extreme_pictures(servers: dict[str, Server], name: str) -> None:
    expected = picture_files.EDGE[name]
    with dial(servers[FIRST]) as link:
        reply = ask(link, picture(f"edge/{name}"))
    if isinstance(expected, tuple):
        assert reply == {"object_list": {"object_num": 0}}
    else:
        assert reply["object_list"] == {"object_num": 0} and reply["error"]["message"]
        assert reply["error"]["code"] == (expected or reply["error"]["code"])


def test_a_thousand_in_a_row(servers: dict[str, Server]) -> None:
    names = sorted(GOLDENS[QUICK])
    images = {name: picture(name) for name in names}
    with dial(servers[QUICK]) as link:
        for i in range(200 if sanitized() else 1000):  # a sanitizer's server takes several times as long for each
            name = names[i % len(names)]
            assert faults(ask(link, images[name]), GOLDENS[QUICK][name]) == [], f"request {i}, {name}"


def test_fifty_clients_at_once(servers: dict[str, Server]) -> None:
    names = sorted(GOLDENS[QUICK])
    images = {name: picture(name) for name in names}
    together = threading.Barrier(50)
    bad: list[str] = []

    def client(number: int) -> None:
        try:
            with dial(servers[QUICK]) as link:
                together.wait(60)
                for name in (names[(number + i) % len(names)] for i in range(4)):
                    bad.extend(faults(ask(link, images[name]), GOLDENS[QUICK][name]))
        except (OSError, ValueError, AssertionError, threading.BrokenBarrierError) as error:
            bad.append(f"client {number}: {error!r}")

    clients = [threading.Thread(target=client, args=(i,)) for i in range(50)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert bad == []


@pytest.mark.parametrize("model", DETECTORS)
def test_bytes_one_at_a_time(servers: dict[str, Server], model: str) -> None:
    name = min(GOLDENS[model], key=lambda name: (sight.IMAGES / name).stat().st_size)
    image = picture(name)
    with dial(servers[model]) as link:
        for byte in struct.pack("i", len(image)) + image:
            link.send(bytes([byte]))
        assert faults(json.loads(link.recv(65536)), GOLDENS[model][name]) == []
