# SPDX-License-Identifier: MIT
"""Files that are no models, and graphs that no head can serve: a refusal that says what is wrong, never a crash."""
from __future__ import annotations

from pathlib import Path

import pytest
import sight

onnx = pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")
from onnx import TensorProto as T  # noqa: E402
from onnx import helper  # noqa: E402

PICTURE = [1, 3, 8, 8]


def refused(path: Path) -> str:
    """The one line that `sight model explain` says of it; `detect` says the same."""
    done = sight.run("model", "explain", path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    again = sight.run("detect", "--json", "--model", path, sight.ROOT / "README.md")
    assert again.returncode != 0 and again.stderr.split(": ", 1)[1] == done.stderr.split(": ", 1)[1]
    return done.stderr


@pytest.mark.parametrize("content, said", [
    (b"", "is empty"),
    (b"not a model\n", "Protobuf parsing failed"),
    (bytes(range(256)) * 20, "Protobuf parsing failed"),
    (b"PK\x03\x04" + bytes(40), "no ONNX file but a zip archive, as PyTorch and Keras save models; export it to ONNX"),
    (b"\x80\x02" + bytes(40), "no ONNX file but a Python pickle"),
    (b"\x1c\0\0\0TFL3" + bytes(40), "no ONNX file but a TensorFlow Lite model"),
    (b"\x89HDF\r\n\x1a\n" + bytes(40), "no ONNX file but HDF5"),
    (b'<?xml version="1.0"?>\n<net name="x"/>', "no ONNX file but XML, as OpenVINO saves models"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "`git lfs pull` fetches that"),
    (b"<!DOCTYPE html><title>404</title>", "no ONNX file but a web page"),
    (b"\xff\xd8\xff\xe0" + bytes(40), "no ONNX file but a JPEG picture"),
])
def test_files_that_are_no_models(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    text = refused(path)
    assert said in text and str(path) in text


@pytest.mark.skipif(not sight.MODELS.is_dir(), reason=sight.WITHOUT_SHARED)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_model_that_was_cut_short(share: float, tmp_path: Path) -> None:
    whole = (sight.MODELS / "yolo_fastestv2_352.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[:int(len(whole) * share)])
    assert "Protobuf parsing failed" in refused(path)


def test_a_folder_without_a_model_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    assert "holds no .onnx file" in refused(tmp_path / "folder.onnx")
    assert "absent.onnx" in refused(tmp_path / "absent.onnx")


def graph(path: Path, op: str, kind: int, shape: list[int], out: int = T.FLOAT, extra: int = 0,
          **attributes: int) -> Path:
    """One node from input x to output y; `extra` more inputs of one number."""
    names = ["x"] + [f"extra{i}" for i in range(extra)]
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    inputs += [helper.make_tensor_value_info(n, T.FLOAT, [1]) for n in names[1:]]
    y = helper.make_tensor_value_info("y", out, None)
    body = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", inputs, [y])
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize("said, arguments", [
    ('input "x" has an element type that cannot be fed', ("Identity", T.STRING, PICTURE, T.STRING)),
    ('input "x" is int64; pictures can be fed as', ("Identity", T.INT64, PICTURE, T.INT64)),
    ('no input is a picture: expected one of 4 dimensions (or 3xHxW), "x" has 2', ("Identity", T.FLOAT, [1, 10])),
    ('input "x" is 1x5x8x8: expected 1 or 3 channels, got 5; `input: {layout', ("Identity", T.FLOAT, [1, 5, 8, 8])),
    ('expected one of 4 dimensions (or 3xHxW), "x" has 3', ("Identity", T.FLOAT, [1, 80, 3000])),
    ('input "x" is 3x0x8: a side of no pixels', ("Identity", T.FLOAT, [3, 0, 8])),
    ('input "x" has a fixed batch of 4', ("Identity", T.FLOAT, [4, 3, 8, 8])),
    ('input "x" is 1x3x0x8: a side of no pixels', ("Identity", T.FLOAT, [1, 3, 0, 8])),
    ('input "x" would be 60000x60000 pixels; at most 8192', ("Identity", T.FLOAT, [1, 3, 60000, 60000])),
    ('input "extra0" is neither a picture (4 dimensions, 1 or 3 channels) nor one that can be filled (scale_factor, '
     'orig_target_sizes, im_shape, image_shape); export the model without it', ("Add", T.FLOAT, PICTURE, T.FLOAT, 1)),
    ('no head fits the outputs "y" 1x3x8x8 float32', ("Identity", T.FLOAT, PICTURE)),
    ('no head fits the outputs "y" 4x', ("NonZero", T.FLOAT, PICTURE, T.INT64)),
])
def test_graphs_that_no_head_serves(said: str, arguments: tuple, tmp_path: Path) -> None:
    assert said in refused(graph(tmp_path / "g.onnx", *arguments))


def test_outputs_that_are_no_numbers(tmp_path: Path) -> None:
    for kind in (T.BOOL, T.STRING):
        assert 'no head fits the outputs "y" 1x3x8x8' in refused(
            graph(tmp_path / f"{kind}.onnx", "Cast", T.FLOAT, PICTURE, kind, to=kind))


def test_operators_that_are_unknown_or_fail(tmp_path: Path) -> None:
    assert "NoSuchOp" in refused(graph(tmp_path / "a.onnx", "NoSuchOp", T.FLOAT, PICTURE))
    text = refused(graph(tmp_path / "b.onnx", "Squeeze", T.FLOAT, [1, 3, 8, "w"], extra=0))
    assert "no head fits" in text or "does not run" in text


@pytest.mark.skipif(not sight.MODELS.is_dir(), reason=sight.WITHOUT_SHARED)
def test_turned_boxes_are_refused_by_name(tmp_path: Path) -> None:
    """Ultralytics' -obb export: yolov8's rows and an angle, and the task in the metadata."""
    model = onnx.load(str(sight.MODELS / "yolov8n.onnx"))
    helper.set_model_props(model, {"task": "obb", "names": "{0: 'plane'}"})
    onnx.save(model, str(tmp_path / "obb.onnx"))
    assert 'metadata says task "obb", for which there is no head' in refused(tmp_path / "obb.onnx")
