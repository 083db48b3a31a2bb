# SPDX-License-Identifier: MIT
"""OpenVINO IR as it is: a network made here, by hand, whose answer is known without any runtime.

It takes the mean of each channel, so the class of a picture of one colour is that colour's channel.
"""
from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_engines import openvino, run  # noqa: F401  (openvino: skips where there is none)

COLOURS = ["red", "green", "blue"]
PORT = '<port id="{}" precision="{}"{}>{}</port>'


def port(number: int, precision: str, dims: list[int], name: str = "") -> str:
    names = f' names="{name}"' if name else ""
    return PORT.format(number, precision, names, "".join(f"<dim>{d}</dim>" for d in dims))


def layer(number: int, name: str, kind: str, data: str, inputs: str, outputs: str) -> str:
    inside = (f"<input>{inputs}</input>" if inputs else "") + (f"<output>{outputs}</output>" if outputs else "")
    return f'<layer id="{number}" name="{name}" type="{kind}" version="opset1">{data}{inside}</layer>'


def write(folder: Path, side: int = 32) -> Path:
    """colours.xml and colours.bin."""
    picture, means = [1, 3, side, side], [1, 3]
    layers = [
        layer(0, "picture", "Parameter", f'<data shape="1,3,{side},{side}" element_type="f32"/>', "",
              port(0, "FP32", picture, "picture")),
        layer(1, "axes", "Const", '<data element_type="i64" shape="2" offset="0" size="16"/>', "", port(0, "I64", [2])),
        layer(2, "means", "ReduceMean", '<data keep_dims="false"/>', port(0, "FP32", picture) + port(1, "I64", [2]),
              port(2, "FP32", means, "means")),
        layer(3, "result", "Result", "", port(0, "FP32", means), ""),
    ]
    edges = [(0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0)]
    text = '<?xml version="1.0"?><net name="colours" version="11"><layers>' + "".join(layers) + "</layers><edges>"
    text += "".join(f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>' for a, b, c, d in edges)
    (folder / "colours.xml").write_text(text + "</edges></net>")
    (folder / "colours.bin").write_bytes(struct.pack("<2q", 2, 3))
    return folder / "colours.xml"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = []
    for i, name in enumerate(COLOURS):
        paths.append(tmp_path / f"{name}.png")
        data = io.BytesIO()
        Image.new("RGB", (40, 30), tuple(255 if c == i else 0 for c in range(3))).save(data, "PNG")
        paths[-1].write_bytes(data.getvalue())
    return paths


def answers(model: Path, pictures: list[Path]) -> list[dict[str, Any]]:
    done = run("detect", "--json", "--model", model, *pictures)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["attributes"][0] for line in done.stdout.split("\n") if line]


def test_a_file_runs_as_it_is(tmp_path: Path, pictures: list[Path]) -> None:
    assert [a["class_id"] for a in answers(write(tmp_path), pictures)] == [0, 1, 2]


def test_a_folder_of_an_export_has_its_names_beside(tmp_path: Path, pictures: list[Path]) -> None:
    """As Ultralytics lays it out: model.xml, model.bin, metadata.yaml."""
    folder = tmp_path / "colours_openvino_model"
    folder.mkdir()
    write(folder)
    (folder / "metadata.yaml").write_text("description: colours\nstride: 32\ntask: classify\nnames:\n" +
                                          "".join(f"  {i}: {name}\n" for i, name in enumerate(COLOURS)))
    assert [a["label"] for a in answers(folder, pictures)] == COLOURS
    text = " ".join(run("model", "explain", folder).stdout.split())
    assert "labels 3 names metadata.yaml beside it, written by the exporter" in text
    assert "engine openvino, float32 no other engine here reads this file" in text


def test_metadata_without_names_names_nothing(tmp_path: Path, pictures: list[Path]) -> None:
    model = write(tmp_path)
    (tmp_path / "metadata.yaml").write_text("description: colours\nstride: 32\n")
    assert all("label" not in a for a in answers(model, pictures))


@pytest.mark.parametrize("text", ["", "<?xml", "<net></net>", "no XML at all",
                                  "<?xml version='1.0'?><net version='11'>"],
                         ids=["empty", "cut", "no layers", "text", "open"])
def test_what_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "colours.xml").write_text(text)
    done = run("model", "explain", tmp_path / "colours.xml")
    assert done.returncode == 1 and "colours.xml" in done.stderr and "Exception from" not in done.stderr


def test_weights_that_are_short_or_missing_are_refused(tmp_path: Path) -> None:
    model = write(tmp_path)
    (tmp_path / "colours.bin").write_bytes(b"\0\0")
    assert run("model", "explain", model).returncode == 1
    (tmp_path / "colours.bin").unlink()
    done = run("model", "explain", model)
    assert done.returncode == 1 and "colours" in done.stderr


def test_without_openvino_it_says_what_is_needed(tmp_path: Path) -> None:
    done = run("model", "explain", write(tmp_path), SIGHT_ENGINES="reference")
    assert done.returncode == 1
    assert "needs OpenVINO, which cannot be used here: switched off by SIGHT_ENGINES" in done.stderr


def test_an_operator_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = write(tmp_path)
    model.write_text(model.read_text().replace("ReduceMean", "ReduceMedian"))
    done = run("model", "explain", model)
    assert done.returncode == 1 and "ReduceMedian" in done.stderr
