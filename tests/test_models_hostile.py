# SPDX-License-Identifier: MIT
"""Files that are no models, and graphs that no head can serve: a refusal that says what is wrong, never a crash."""
from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import sight

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")
from onnx import TensorProto as T  # noqa: E402
from onnx import helper  # noqa: E402

import forms  # noqa: E402

PICTURE = [1, 3, 8, 8]


def refused(path: Path) -> str:
    """The one line that `sight model explain` says of it; `detect` says the same."""
    done = sight.run("model", "explain", path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    again = sight.run("detect", "--json", "--model", path, sight.ROOT / "README.md")
    assert again.returncode != 0 and again.stderr.split(": ", 1)[1] == done.stderr.split(": ", 1)[1]
    return done.stderr


def packed(names: dict[str, bytes]) -> bytes:
    """A zip archive as programs write them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def packed_with_extras(names: list[str]) -> bytes:
    """One whose central directory says more of each: the time of its change (Info-ZIP's 0x5455) and a comment."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.extra = struct.pack("<HHBI", 0x5455, 5, 1, 1_700_000_000)
            entry.comment = b"as it was"
            archive.writestr(entry, b"")
        archive.comment = b"and all of it"
    return file.getvalue()


def damaged(archive: bytes) -> bytes:
    """A name in the directory that goes on behind the end of the file (APPNOTE 4.3.12: its size stands at 28)."""
    at = archive.index(b"PK\1\2") + 28
    return archive[:at] + b"\xff\xff" + archive[at + 2:]


def archived(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=file) as out:
        out.write(bytes(range(50)))
    return file.getvalue()


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protobuf message, by its encoding's description."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


SAFETENSORS = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
PAGE = b"<html lang=en><title>404</title></html>"
# What each format's own description or writer makes of nearly nothing.
FOREIGN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "bytes": (bytes(range(256)) * 20, "Protobuf parsing failed"),
    "zeros": (bytes(5000), "nothing but zeros, perhaps a download that was not finished"),
    "a line": (b"not a model\n", 'text that begins with "not a model..."'),
    "blank lines": (b"\n \r\n\n", "blank text"),
    "letters beyond ASCII": ("modèle à venir".encode(), 'text that begins with "mod..."'),
    "UTF-16": ("text".encode("utf-16"), "text in UTF-16"),
    "page": (b"<!DOCTYPE html><title>404</title>", "a web page"),
    "page, small letters": (b"<!doctype HTML>" + PAGE, "a web page"),
    "page after blank lines": (b"\n" * 8 + b"<!DOCTYPE html>\n" + PAGE, "a web page"),
    "page after a byte order mark": (b"\xef\xbb\xbf\r\n" + PAGE, "a web page"),
    "page after a comment": (b"<!-- saved -->\n<!-- twice -->" + PAGE, "a web page"),
    "XHTML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-">' + PAGE, "a web page"),
    "storage's answer": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML with an error"),
    "OpenVINO": (b'<?xml version="1.0"?>\n<net name="x"/>', "XML, as OpenVINO saves models"),
    "JSON": (b'{"message":"Not Found","status":"404"}', "perhaps a server's answer"),
    "TensorFlow.js": (b'{"format": "graph-model", "modelTopology": {}}', "a TensorFlow.js model"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "`git lfs pull` fetches that"),
    "ncnn": (b"7767517\n1 1\nInput data 0 1 data\n", "ncnn graph"),
    "Darknet": (b"[net]\nbatch=1\n", "a Darknet network"),
    "Caffe's text": (b'name: "x"\nlayer {\n  type: "Input"\n}\n', "a Caffe network"),
    "ONNX as text": (b"ir_version: 8\ngraph {\n}\n", "ONNX written as text"),
    "zip without its end": (b"PK\x03\x04" + bytes(40),
                            "a zip archive, as PyTorch and Keras save models; export it to ONNX"),
    "PyTorch": (packed({"m/data.pkl": b"\x80\x02}.", "m/version": b"3"}), "as PyTorch saves models"),
    "TorchScript": (packed({"m/data.pkl": b"", "m/constants.pkl": b""}), "a TorchScript model"),
    "Keras 3": (packed({"config.json": b"{}", "model.weights.h5": b""}), "a Keras model"),
    "SavedModel, packed": (packed({"m/saved_model.pb": b""}), "a TensorFlow SavedModel"),
    "Core ML package": (packed({"m.mlpackage/Data/model.mlmodel": b""}), "a Core ML model"),
    "arrays": (packed({"a.npy": b""}), "NumPy arrays"),
    "ONNX in a zip": (packed({"readme": b"", "m/best.onnx": b"\x08\x07"}), 'with "m/best.onnx" inside; unpack it'),
    "zip with extra fields": (packed_with_extras(["readme", "m/best.onnx"]), 'with "m/best.onnx" inside; unpack it'),
    "zip with a damaged directory": (damaged(packed({"a.npy": b""})), "a zip archive, as PyTorch and Keras save"),
    "PyTorch with extra fields": (packed_with_extras(["m/data.pkl"]), "as PyTorch saves models"),
    "ONNX in gzip": (zipped("best.onnx"), 'GZIP data, of a file "best.onnx"; unpack it'),
    "gzip with an extra field": (b"\x1f\x8b\x08\x0c" + bytes(6) + struct.pack("<H2sHH", 6, b"Ap", 2, 7)
                                 + b"best.onnx\0" + bytes(20), 'GZIP data, of a file "best.onnx"; unpack it'),
    "gzip without a name": (gzip.compress(b"\x08\x07" * 50), "GZIP data; unpack it"),
    "xz": (lzma.compress(b"x"), "xz; unpack it"), "bzip2": (bz2.compress(b"x"), "bzip2; unpack it"),
    "tar": (archived("best.onnx"), 'a tar archive that begins with "best.onnx"; unpack it'),
    **{f"pickle {n}": (pickle.dumps({"a": 1}, n), "a Python pickle") for n in (2, 3, 4, 5)},
    "safetensors": (struct.pack("<Q", len(SAFETENSORS)) + SAFETENSORS + bytes(4), "weights in Safetensors"),
    "GGUF": (b"GGUF\3" + bytes(60), "GGUF"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
    "ORT": (b"\x1c\0\0\0ORTM" + bytes(40), "ONNX Runtime's own format"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(40), "a JPEG picture"),
    "array": (b"\x93NUMPY\1\0" + bytes(40), "a NumPy array"),
    "GraphDef": (field(1, field(1, b"image") + field(2, b"Placeholder")) + field(4, field(1, 21)),
                 "a frozen TensorFlow graph"),
    "SavedModel": (field(1, 1) + field(2, field(1, field(4, b"serve")) + field(2, b"")), "a TensorFlow SavedModel"),
    "Core ML": (field(1, 4) + field(2, field(1, field(1, b"image"))) + field(500, b""), "a Core ML model"),
    "caffemodel": (field(1, b"net") + field(100, field(1, b"data")), "a Caffe model"),
    "PaddlePaddle": (field(1, field(1, 0) + field(2, 0)) + field(4, field(1, 0)), "a PaddlePaddle program"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_that_are_no_models(name: str, tmp_path: Path) -> None:
    content, said = FOREIGN[name]
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    text = refused(path)
    assert said in text and str(path) in text
    assert "is no ONNX file but " in text or name in ("nothing", "bytes")


def test_a_tensor_of_test_data(tmp_path: Path) -> None:
    path = tmp_path / "input_0.pb.onnx"
    path.write_bytes(onnx.numpy_helper.from_array(np.zeros((2, 3), np.float32), "x").SerializeToString())
    assert "one tensor, as ONNX keeps test data" in refused(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_a_model_that_was_cut_short(share: float, tmp_path: Path) -> None:
    net = forms.Net(PICTURE)
    net.output("out", net.answer(np.zeros((1, 5000), np.float32)), [1, 5000])
    path = net.save(tmp_path / "cut.onnx", {"names": "{0: 'a'}"})
    whole = path.read_bytes()
    path.write_bytes(whole[:int(len(whole) * share)])
    text = refused(path)
    assert f"is an ONNX file that ends early: it has {int(len(whole) * share)} bytes and wants" in text


def saved(path: Path, nodes: list, inputs: list, outputs: list, constants: tuple = ()) -> Path:
    body = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_an_onnx_file_that_is_whole_is_not_called_foreign(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, T.FLOAT, PICTURE) for name in "xy")
    text = refused(saved(tmp_path / "op.onnx", [helper.make_node("NoSuchOp", ["x"], ["y"])], [x], [y]))
    assert "NoSuchOp" in text and "no ONNX file" not in text and "ends early" not in text


def test_a_folder_without_a_model_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    assert "holds no model file" in refused(tmp_path / "folder.onnx")
    assert "absent.onnx" in refused(tmp_path / "absent.onnx")


def graph(path: Path, op: str, kind: int, shape: list[int], out: int = T.FLOAT, extra: int = 0,
          **attributes: int) -> Path:
    """One node from input x to output y; `extra` more inputs of one number."""
    names = ["x"] + [f"extra{i}" for i in range(extra)]
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    inputs += [helper.make_tensor_value_info(n, T.FLOAT, [1]) for n in names[1:]]
    y = helper.make_tensor_value_info("y", out, None)
    return saved(path, [helper.make_node(op, names, ["y"], **attributes)], inputs, [y])


@pytest.mark.parametrize("said, arguments", [
    ('input "x" has an element type that cannot be fed', ("Identity", T.STRING, PICTURE, T.STRING)),
    ('input "x" is int64; pictures can be fed as', ("Identity", T.INT64, PICTURE, T.INT64)),
    ('no input is a picture: expected one of 4 dimensions (or 3xHxW), "x" has 2', ("Identity", T.FLOAT, [1, 10])),
    ('input "x" is 1x5x8x8: expected 1 or 3 channels, got 5; `input: {layout', ("Identity", T.FLOAT, [1, 5, 8, 8])),
    ('expected one of 4 dimensions (or 3xHxW), "x" has 3', ("Identity", T.FLOAT, [1, 80, 3000])),
    ('input "x" is 3x0x8: a side of no pixels', ("Identity", T.FLOAT, [3, 0, 8])),
    ('input "x" has a fixed batch of 40, at most 32', ("Identity", T.FLOAT, [40, 3, 8, 8])),
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


def test_turned_boxes_are_refused_by_name(tmp_path: Path) -> None:
    """Ultralytics' -obb export: yolov8's rows and an angle, and the task in the metadata."""
    model = onnx.load(str(sight.model("yolov8n")))
    helper.set_model_props(model, {"task": "obb", "names": "{0: 'plane'}"})
    onnx.save(model, str(tmp_path / "obb.onnx"))
    assert 'metadata says task "obb", for which there is no head' in refused(tmp_path / "obb.onnx")


def test_an_output_of_more_dimensions_than_tensors_have(tmp_path: Path) -> None:
    """Known only when it has run: how many axes there are follows from a count of what is not zero."""
    ones = onnx.numpy_helper.from_array(np.ones(7, np.int64), "ones")
    nodes = [helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("NonZero", ["shape"], ["places"]),
             helper.make_node("Squeeze", ["places"], ["place"]),
             helper.make_node("Gather", ["shape", "place"], ["own"]),
             helper.make_node("Concat", ["own", "ones"], ["all"], axis=0),
             helper.make_node("Reshape", ["x", "all"], ["y"])]
    path = saved(tmp_path / "model.onnx", nodes, [helper.make_tensor_value_info("x", T.FLOAT, PICTURE)],
                 [helper.make_tensor_value_info("y", T.FLOAT, None)], (ones,))
    assert 'output "y" has 11 dimensions; at most 8 are supported' in refused(path)


def test_signatures_beyond_what_is_served(tmp_path: Path) -> None:
    """data/tensor.h: at most 8 dimensions, 32 inputs and 32 outputs, names of 127 bytes; tensors alone."""
    x = helper.make_tensor_value_info("x", T.FLOAT, PICTURE)
    y = helper.make_tensor_value_info("y", T.FLOAT, None)
    long = "n" * 127
    path = tmp_path / "model.onnx"
    saved(path, [helper.make_node("SequenceConstruct", ["x"], ["y"])], [x],
          [helper.make_tensor_sequence_value_info("y", T.FLOAT, None)])
    assert 'output "y" is a sequence or map; only tensors can be served' in refused(path)
    wide = [1, 3, 8, 8, 1, 1, 1, 1, 1]
    saved(path, [helper.make_node("Identity", ["x"], ["y"])], [helper.make_tensor_value_info("x", T.FLOAT, wide)],
          [y])
    assert 'input "x" has 9 dimensions; at most 8 are supported' in refused(path)
    saved(path, [helper.make_node("Identity", ["x"], ["y"])],
          [helper.make_tensor_value_info("x", T.FLOAT, wide[:8])], [y])
    assert "at most 8 are supported" not in refused(path)
    for count, said in ((32, "no head fits the outputs"), (33, "the graph has 33 outputs; 1 to 32 are supported")):
        names = [f"y{i}" for i in range(count)]
        saved(path, [helper.make_node("Identity", ["x"], [n]) for n in names], [x],
              [helper.make_tensor_value_info(n, T.FLOAT, PICTURE) for n in names])
        assert said in refused(path)
    for name, said in ((long, "no head fits the outputs"),
                       (long + "n", "the name of output 0 is longer than 127 bytes")):
        saved(path, [helper.make_node("Identity", ["x"], [name])], [x],
              [helper.make_tensor_value_info(name, T.FLOAT, PICTURE)])
        assert said in refused(path)
