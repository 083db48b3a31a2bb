# SPDX-License-Identifier: MIT
"""No output replaces a file that the very command reads: not by any name it has, and not with --overwrite.

Pictures are in test_cli_outputs.py; here are models with what belongs to them, lists and pictures that a watch brings.
"""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import forms
import numpy as np
import onnx
import pytest
import sight
from PIL import Image
from test_cli_outputs import running, sums, wait_for

FAR = "w" * 140 + ".bin"  # its length takes two bytes in a model


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (90, 120, 60)).save(path)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A model whose weights lie beside it, with card and names; a pipeline of it; a picture."""
    folder = tmp_path / "models" / "net"
    folder.mkdir(parents=True)
    table = np.array([[[10, 20, 30, 40, 0.9, 0], [0, 0, 0, 0, 0, 0]]], np.float32)
    made = onnx.load(str(forms.constant(folder / "net.onnx", {"output0": table})))
    onnx.save(made, str(folder / "net.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0)
    made = onnx.load(str(folder / "net.onnx"))
    onnx.save(made, str(tmp_path / "far.onnx"), save_as_external_data=True, location=FAR, size_threshold=0)
    for card in ("net.yaml", "model.yaml"):  # of the file alone; of the folder
        (folder / card).write_text("file: net.onnx\nlabels: names.txt\nhead: end2end\n")
    (folder / "names.txt").write_text("face\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "first.yaml").write_text("detect: net\n")
    (tmp_path / "pipelines" / "other.yaml").write_text("detect: net\n")
    (tmp_path / "a.txt").write_text("face\n")
    (tmp_path / "classes.txt").write_text('["face"]')
    shutil.copy(tmp_path / "a.txt", tmp_path / "drawn.jpg")
    (tmp_path / "list").write_text("photos/drawn.jpg\n")
    picture(tmp_path / "photos" / "drawn.jpg")
    os.link(folder / "weights.bin", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("models/net/net.onnx")
    return tmp_path


def run(site: Path, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(sight.SIGHT), *words], cwd=site, capture_output=True, text=True, check=False,
                          timeout=sight.TIMEOUT_S, **more)  # type: ignore[call-overload,no-any-return]


BARE = ["detect", "--model", "models/net/net.onnx", "photos"]
SERVED = ["detect", "--models", "models", "--pipelines", "pipelines", "--pipeline", "first", "photos"]


@pytest.mark.parametrize("words", [
    *([*BARE, "-o", name] for name in ("models/net/net.onnx", "models/net/net.yaml", "models/net/names.txt",
                                       "models/net/weights.bin", "hard", "soft")),
    ["detect", "--model", "far.onnx", "photos", "-o", FAR],
    ["detect", "--model", "models/net", "photos", "-f", "csv", "-o", "models/net/net.onnx"],
    [*BARE, "--labels", "a.txt", "-f", "coco", "-o", "a.txt"],
    [*BARE, "--labels", "classes.txt", "-f", "yolo", "-o", "."],
    [*BARE, "--labels", "drawn.jpg", "--annotate", "."],
    *([*SERVED, "-f", "json", "-o", name] for name in ("pipelines/first.yaml", "pipelines/other.yaml",
                                                       "models/net/model.yaml", "models/net/weights.bin")),
    ["detect", "--model", "models/net/net.onnx", "--files-from", "list", "-o", "list"],
    ["detect", "--model", "models/net/net.onnx", "--files-from", "-", "-o", "list"],
    ["send", "--to", "127.0.0.1:1", "--files-from", "list", "-o", "list"],
    ["send", "--to", "127.0.0.1:1", "photos", "-o", "photos/drawn.jpg"],
])
def test_what_is_read_is_never_replaced(site: Path, words: list[str]) -> None:
    before = sums(site)
    with (site / "list").open() as names:
        done = run(site, *words, "--overwrite", stdin=names)
    assert done.returncode == 1 and "never replaced" in done.stderr, done.stderr
    assert sums(site) == before


@pytest.mark.parametrize("words", [BARE, SERVED])
def test_other_files_beside_a_model_are_replaced_as_told(site: Path, words: list[str]) -> None:
    out = site / "models" / "net" / "net.onnx.jsonl"
    out.write_text("mine\n")
    assert run(site, *words, "-o", str(out)).returncode == 1 and out.read_text() == "mine\n"
    done = run(site, *words, "-o", str(out), "--overwrite")
    assert done.returncode == 0 and '"face"' in out.read_text(), done.stderr


def test_a_picture_that_a_watch_brought_stays(site: Path) -> None:
    """in/in/x.jpg is drawn to in/x.jpg, which was read before."""
    (site / "in" / "in").mkdir(parents=True)
    out = site / "out.jsonl"
    with running("detect", "--model", "models/net", "--watch", "in", "--annotate", ".", "--overwrite", "-o", out,
                 cwd=site, stderr=subprocess.PIPE) as process:
        wait_for(out, 0)
        first = picture(site / "new.jpg").rename(site / "in" / "x.jpg").read_bytes()
        wait_for(out, 1)
        picture(site / "new.jpg").rename(site / "in" / "in" / "x.jpg")
        wait_for(out, 2)
        time.sleep(1)  # a drawing that came into the folder would be a picture more
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (site / "in" / "x.jpg").read_bytes() == first and out.read_bytes().count(b"\n") == 2, said
    assert (site / "x.jpg").exists() and "never replaced" in said
