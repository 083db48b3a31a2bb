# SPDX-License-Identifier: MIT
"""Sizes that a graph declares and that are not what it can do: set free by a card, or because the graph contradicts
them, and measured. What must be found at another size says the exporter's own file of any size, or ONNX Runtime on a
file that the onnx package rewrote."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sight

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")
from onnx import numpy_helper, shape_inference  # noqa: E402

import assets  # noqa: E402
import forms  # noqa: E402
import ort  # noqa: E402

I64 = np.int64
PLAIN = "resize: stretch, color: rgb, mean: 0, std: 1"  # pixels as they are


def explained(model: Path) -> str:
    return sight.run("model", "explain", model, check=True).stdout


def size_of(text: str) -> str:
    """The line about the size and the reason below it."""
    return re.search(r"^size +(.*\n.*)", text, re.M)[1]  # type: ignore[index]


def card(model: Path, text: str) -> Path:
    model.with_suffix(".yaml").write_text(text, encoding="utf-8")
    return model


def declare(source: Path, path: Path, shape: list[int]) -> Path:
    """The model as it is exported for one size: everything in it is declared so, also what lies between."""
    model = onnx.load(str(source))
    for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = value
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    model = shape_inference.infer_shapes(model)
    assert any(d.dim_value == shape[2] // 8 for v in model.graph.value_info for d in v.type.tensor_type.shape.dim)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("shape, size", [([1, 3, 640, 640], "[320, 256]"), ([1, 3, 320, 320], "[640, 480]"),
                                         ([2, 3, 640, 640], "[320, 256]"), ([1, 3, 640, 320], "[320, 320]")])
def test_a_card_sets_a_size_free(shape: list[int], size: str, tmp_path: Path) -> None:
    """YOLO11n exported for one size finds at another what the one that takes any size finds there."""
    pictures = [sight.IMAGES / name for name in ("bus.jpg", "zidane.jpg")]
    any_size = card(tmp_path / "any.onnx", f"input: {{size: {size}}}\n")
    any_size.write_bytes(assets.model("yolo11n").read_bytes())
    fixed = card(declare(any_size, tmp_path / "fixed.onnx", shape), f"input: {{size: {size}}}\n")
    wanted, got = (sight.detect("--model", m, *pictures) for m in (any_size, fixed))
    for a, b in zip(wanted, got, strict=True):
        assert len(a["objects"]) == len(b["objects"]) > 2
        for x, y in zip(a["objects"], b["objects"], strict=True):
            assert (x["label"], x["score"]) == (y["label"], pytest.approx(y["score"], abs=1e-4))
            assert list(y["bbox"].values()) == pytest.approx(list(x["bbox"].values()), abs=0.1)
    text = explained(fixed)
    width, height = re.findall(r"\d+", size)
    assert size_of(text) == (f"{width}x{height}\n            the card; the graph declares {shape[3]}x{shape[2]} and "
                             "runs at this one too")
    assert ("always 2" in text) == (shape[0] == 2)


def rewritten(source: Path, path: Path, axes: tuple[int, int]) -> Path:
    """Free height and width as the onnx package writes them, nothing else declared."""
    model = onnx.load(str(source))
    for axis, name in zip(axes, ("height", "width"), strict=True):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    onnx.save(model, str(path))
    return path


def picture(path: Path, width: int, height: int) -> Any:
    """A picture of just that size; its pixels as float32, rows x columns x 3."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    forms.picture(path, pixels)
    return pixels.astype(np.float32)


def printed(model: Path, file: Path) -> dict[str, tuple[str, list[float]]]:
    """What `sight model run` prints of each tensor: its shape; mean, least, most and the first values."""
    lines = sight.run("model", "run", model, file, check=True).stdout.splitlines()
    found = {}
    for head, values in zip(lines[::2], lines[1::2], strict=True):
        name, _, shape, *rest = head.split()
        found[name] = (shape, [float(v) for v in rest[1::2]] + [float(v) for v in values.replace("…", "").split()])
    return found


@pytest.mark.parametrize("name, size", [("retinaface", (320, 256)), ("retinaface", (672, 960)),
                                        ("retinaface-v1", (256, 256)), ("picodet-layout", (320, 416))])
def test_outputs_at_another_size(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Every output is what ONNX Runtime gives on a file of free sizes that another writer made."""
    model = card(tmp_path / "model.onnx", f"input: {{size: {list(size)}, {PLAIN}}}\n")
    model.write_bytes(assets.model(name).read_bytes())
    pixels = picture(tmp_path / "x.ppm", *size)
    session = ort.Session(rewritten(model, tmp_path / "other.onnx", (2, 3)))
    wanted = session.run({session.inputs[0]: pixels.transpose(2, 0, 1)[None]})
    got = printed(model, tmp_path / "x.ppm")
    assert len(got) == len(wanted) + 1
    for output, value in wanted.items():
        shape, numbers = got[output]
        assert shape == "x".join(map(str, value.shape))
        expected = [value.mean(dtype=np.float64), value.min(), value.max(), *value.reshape(-1)[:8]]
        assert numbers == pytest.approx(expected, rel=1e-4, abs=1e-5)


def mean_of_channels(net: forms.Net, tensor: str, axes: list[int]) -> str:
    return net.op("ReduceMean", tensor, axes=axes, keepdims=0)


@pytest.mark.parametrize("shape", [[1, 3, 64, 96], [1, 64, 96, 3], [3, 64, 96], [64, 96, 3]], ids=str)
def test_whatever_the_layout(shape: list[int], tmp_path: Path) -> None:
    """A network that answers the mean of each channel: of twice the size by numpy."""
    net = forms.Net(shape)
    between = net.op("Relu", net.picture)
    net.output("out", mean_of_channels(net, between, [i for i in range(len(shape)) if shape[i] > 3]),
               [1, 3] if len(shape) == 4 else [3])
    path = net.save(tmp_path / "m.onnx")
    model = onnx.load(str(path))
    model.graph.value_info.append(onnx.helper.make_tensor_value_info(between, onnx.TensorProto.FLOAT, shape))
    onnx.save(model, str(path))
    card(path, "head: classify\nscores: probability\ninput: {size: [192, 128], color: rgb, mean: 0, std: 255}\n"
         "outputs: {out: {labels: [r, g, b]}}\n")
    pixels = picture(tmp_path / "x.ppm", 192, 128)
    got = printed(path, tmp_path / "x.ppm")
    assert got["images"][0] == "x".join(str({64: 128, 96: 192}.get(n, n)) for n in shape)
    assert got["out"][1][3:] == pytest.approx(list(pixels.mean((0, 1)) / 255), abs=1e-4)


def test_weights_beside_the_file(tmp_path: Path) -> None:
    """External data is found from the model's folder, wherever the command is run."""
    model = onnx.load(str(assets.model("retinaface")))
    for tensor in model.graph.initializer:  # whose bytes can be moved; numbers in fields cannot
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    path = card(tmp_path / "m.onnx", f"input: {{size: [320, 256], {PLAIN}}}\n")
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=1024)
    assert path.stat().st_size < 200_000 < (tmp_path / "weights.bin").stat().st_size
    picture(tmp_path / "x.ppm", 320, 256)
    apart = printed(path, tmp_path / "x.ppm")
    path.write_bytes(assets.model("retinaface").read_bytes())
    assert printed(path, tmp_path / "x.ppm") == apart


# --- What is baked in ------------------------------------------------------------------------------------------------

def test_a_size_that_is_baked_in_is_named(tmp_path: Path) -> None:
    """Ultralytics' exporter writes the grid of the one size into constants."""
    model = card(tmp_path / "m.onnx", "input: {size: [320, 250]}\n")
    model.write_bytes(assets.model("yolov8n").read_bytes())
    done = sight.run("model", "explain", model)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert ("the card says `input: {size: [320, 250]}`, but the graph is fixed at 640x640, the size that it was "
            "exported for: leave it out, take multiples of 32, or export the model with a free height and width"
            ) in done.stderr
    card(model, "input: {size: 320}\n")
    done = sight.run("config", "check", model.with_suffix(".yaml"))
    assert done.returncode == 1
    assert "fixed at 640x640, the size that it was exported for: leave it out, or" in done.stderr
    card(model, "input: {size: 640}\n")
    assert "fixed in the graph" in size_of(explained(model))


def test_one_picture_that_becomes_four_is_refused(tmp_path: Path) -> None:
    """Rows of a fixed length: a picture of twice the sides makes four of them, and the graph runs."""
    net = forms.Net([1, 3, 16, 16])
    rows = net.op("Reshape", "images", net.const([-1, 3 * 16 * 16], I64))
    weights = np.random.default_rng(2).normal(size=(768, 5)).astype(np.float32)
    net.output("out", net.op("Softmax", net.op("MatMul", rows, net.const(weights)), axis=1), [1, 5])
    model = card(net.save(tmp_path / "m.onnx"), "input: {size: 32}\n")
    done = sight.run("model", "explain", model)
    assert done.returncode == 1
    assert "fixed at 16x16, the size that it was exported for" in done.stderr
    assert 'output "out", declared 1x5, is 4x5' in done.stderr


@pytest.mark.parametrize("form", ["initializer", "constant", "int64", "none"])
def test_a_size_that_is_a_factor_is_said(form: str, tmp_path: Path) -> None:
    """Boxes that the graph itself scales from 0..1 by its one size: it runs at any, and nothing else would tell."""
    net = forms.Net([1, 3, 96, 64])
    rows = np.zeros((1, 5, 6), np.float32)
    rows[0, 0] = 0.25, 0.25, 0.5, 0.75, 0.9, 0
    scale = np.float32([64, 96, 64, 96, 1, 1] if form in ("initializer", "constant") else [65, 97, 65, 97, 1, 1])
    if form == "constant":
        net.nodes.append(onnx.helper.make_node("Constant", [], ["by"], value=numpy_helper.from_array(scale, "v")))
    by = "by" if form == "constant" else net.const(scale)
    table = net.op("Mul", by, net.answer(rows))
    if form == "int64":  # a number in a field of its own, not in bytes
        net.constants.append(onnx.helper.make_tensor("whole", onnx.TensorProto.INT64, [1], [96]))
        size = net.op("Div", net.op("Cast", net.zero(), to=onnx.TensorProto.INT64), "whole")
        table = net.op("Add", table, net.op("Cast", size, to=onnx.TensorProto.FLOAT))
    net.output("output0", table, [1, 5, 6])
    model = card(net.save(tmp_path / "m.onnx"), "head: end2end\ninput: {size: [128, 96]}\n")
    done = sight.run("model", "explain", model, check=True)
    said = "results at this one are wrong" in done.stdout
    assert said == (form != "none"), done.stdout
    assert ("results at another may be wrong" in done.stderr) == said
    card(model, "head: end2end\n")
    done = sight.run("model", "explain", model, check=True)
    assert "are wrong" not in done.stdout + done.stderr


# --- What the graph itself contradicts -------------------------------------------------------------------------------

def classifier(path: Path, declared: list[Any], side: int, form: str) -> Path:
    """Means of the channels of a picture of `side` x `side`, which a constant says; another size is declared."""
    net = forms.Net(declared)
    if form == "reshape":  # found out by a run
        tensor = net.op("Reshape", "images", net.const([1, 3, side, side], I64))
        mean = mean_of_channels(net, tensor, [2, 3])
    else:  # found out while the graph is loaded
        tensor = net.op("Reshape", "images", net.const([1, 3, -1], I64))
        ones = np.full((side * side, 1), 1 / side / side, np.float32)
        mean = net.op("Squeeze", net.op("MatMul", tensor, net.const(ones)), net.const([2], I64))
    net.output("out", net.op("Softmax", net.op("Mul", mean, net.const(np.float32(4))), axis=1), [1, 3])
    return net.save(path, {"names": "{0: 'red', 1: 'green', 2: 'blue'}", "task": "classify"})


@pytest.mark.parametrize("form", ["reshape", "matmul"])
@pytest.mark.parametrize("declared, side", [([1, 3, 64, 64], 224), ([1, 3, 112, 100], 160), (["n", 3, 224, 224], 256)])
def test_a_declared_size_that_does_not_run(declared: list[Any], side: int, form: str, tmp_path: Path) -> None:
    model = classifier(tmp_path / "m.onnx", declared, side, form)
    text = explained(model)
    was = f"{declared[3]}x{declared[2]}"
    assert size_of(text) == (f"{side}x{side}  *\n            measured: the graph declares {was} and does not run at "
                             f"{was}; it does at this size")
    done = sight.run("detect", "--json", "--model", model, forms.flat(tmp_path / "x.ppm", 50, 50, (20, 200, 90)))
    assert '"label":"green"' in done.stdout
    assert "sizes that the model declares are wrong and are not used" in done.stderr
    card(model, f"input: {{size: {side}}}\n")
    assert size_of(explained(model)).startswith(f"{side}x{side}\n")
    card(model, "input: {size: 96}\n")
    refused = sight.run("model", "explain", model)
    assert refused.returncode == 1 and "`input: {size: [96, 96]}`" in refused.stderr


def test_sides_declared_the_other_way_round(tmp_path: Path) -> None:
    net = forms.Net([1, 3, 320, 240])
    row = net.op("Slice", "images", *(net.const([n], I64) for n in (239, 240, 2)))
    tensor = net.op("Reshape", row, net.const([1, 3, 320], I64))
    net.output("out", net.op("Softmax", mean_of_channels(net, tensor, [2]), axis=1), [1, 3])
    assert size_of(explained(net.save(tmp_path / "m.onnx"))).startswith("320x240  *\n")


def test_sizes_in_between_that_are_stale(tmp_path: Path) -> None:
    """A graph whose input was set free by hand and whose inner sizes were left runs at other sizes than those."""
    fixed = declare(assets.model("yolo11n"), tmp_path / "fixed.onnx", [1, 3, 640, 640])
    model = onnx.load(str(fixed))
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, str(fixed))
    any_size = card(tmp_path / "any.onnx", "input: {size: [320, 256]}\n")
    any_size.write_bytes(assets.model("yolo11n").read_bytes())
    card(fixed, "input: {size: [320, 256]}\n")
    wanted, got = (sight.detect("--model", m, sight.IMAGES / "bus.jpg")[0] for m in (any_size, fixed))
    assert [(o["label"], o["score"]) for o in got["objects"]] == [
        (o["label"], pytest.approx(o["score"], abs=1e-4)) for o in wanted["objects"]]


def test_the_file_stays_what_it_is(tmp_path: Path) -> None:
    model = card(tmp_path / "m.onnx", "input: {size: [320, 256]}\n")
    model.write_bytes(assets.model("retinaface").read_bytes())
    explained(model)
    assert model.read_bytes() == assets.model("retinaface").read_bytes()
