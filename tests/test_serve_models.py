# SPDX-License-Identifier: MIT
"""`sight serve --model FILE`: bare files as pipelines of their names."""
from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import assets
import sight

FACES = sight.ROOT / "models/blazeface"  # a folder with a card
RUN = [str(sight.SIGHT), "serve", "--listen", "127.0.0.1:0"]


def get(port: int, path: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=body, timeout=60) as reply:
        return json.load(reply)


def refused(*arguments: object) -> str:
    done = subprocess.run([*RUN, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False,
                          cwd=sight.ROOT)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_bare_files_are_pipelines_of_their_names(start_server: Any) -> None:
    """What each finds is what `sight detect --model` finds, which the goldens hold to known results."""
    model, picture = sight.model("yolov8n"), assets.pictures() / "bus.jpg"
    server = start_server("--model", str(model), "--model", str(FACES), every=True)
    names = [(p["name"], p["default"]) for p in get(server.port, "/v1/pipelines")["pipelines"]]
    assert names == [("yolov8n", True), ("blazeface", False)]  # and none of those that come along
    here = get(server.port, "/v1/infer", picture.read_bytes())
    alone = sight.detect("--model", model, picture)[0]
    assert here["pipeline"] == "yolov8n" and here["objects"] and here["objects"] == alone["objects"]
    assert get(server.port, "/v1/infer?pipeline=blazeface", picture.read_bytes())["pipeline"] == "blazeface"


def test_labels_go_with_the_models_in_turn(start_server: Any, tmp_path: Path) -> None:
    model, labels = tmp_path / "street.onnx", tmp_path / "names.txt"
    shutil.copy(sight.model("yolov8n"), model)
    labels.write_text("\n".join(f"thing {i}" for i in range(80)))
    server = start_server("--model", str(model), "--labels", str(labels), "--model", str(FACES), every=True)
    found = get(server.port, "/v1/infer", (assets.pictures() / "bus.jpg").read_bytes())["objects"]
    assert found and all(o["label"] == f"thing {o['class_id']}" for o in found)
    faces = get(server.port, "/v1/infer?pipeline=blazeface", (assets.pictures() / "zidane.jpg").read_bytes())["objects"]
    assert {o["label"] for o in faces} == {"face"}


def test_pipelines_that_are_named_are_served_beside(start_server: Any) -> None:
    server = start_server("--model", str(sight.model("yolov8n")), "--pipelines", "pipelines/faces.yaml")
    names = [(p["name"], p["default"]) for p in get(server.port, "/v1/pipelines")["pipelines"]]
    assert names == [("yolov8n", True), ("faces", False)]
    server = start_server("--model", str(sight.model("yolov8n")), "--pipelines", "pipelines/faces.yaml",
                          "--default-pipeline", "faces")
    assert [p["name"] for p in get(server.port, "/v1/pipelines")["pipelines"] if p["default"]] == ["faces"]


def test_what_cannot_be_served_is_told(tmp_path: Path) -> None:
    assert f'no model at "{tmp_path}/nowhere.onnx"' in refused("--model", tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    assert "text.onnx" in refused("--model", tmp_path / "text.onnx")
    shutil.copytree(FACES, tmp_path / "blazeface")
    assert 'two models are called "blazeface"' in refused("--model", FACES, "--model", tmp_path / "blazeface")
    (tmp_path / "blazeface.yaml").write_text("detect: {model: blazeface}\n")
    text = refused("--model", FACES, "--pipelines", tmp_path / "blazeface.yaml")
    assert 'another pipeline is called "blazeface" too: ' in text
    assert "nolabels.txt" in refused("--model", FACES, "--labels", tmp_path / "nolabels.txt")


def test_a_reload_serves_the_same(start_server: Any) -> None:
    server = start_server("--model", str(FACES), every=True)
    before = get(server.port, "/v1/pipelines")
    assert get(server.port, "/v1/reload", b"")
    assert get(server.port, "/v1/pipelines") == before
