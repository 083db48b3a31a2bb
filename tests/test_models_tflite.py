# SPDX-License-Identifier: MIT
"""models/convert_tflite.py on the two detectors that `make deps` fetches, converted afresh.

Expected values: tests/goldens, the answers of TensorFlow Lite with the original files; where the additional set is
there, its *_qdq_int8.onnx too, converted from the same files by another tool (they carry a Resize, so both get a
picture of the network's own size). For the post-processing: the rule of TensorFlow Lite's kernel, written out in numpy
below without shortcuts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import assets
import cv2
import numpy as np
import onnx
import ort
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "models/convert_tflite.py"
PICTURES = [assets.pictures() / n for n in (
    "bus.jpg", "zidane.jpg", "coffee.png", "cat.png", "group1.jpg", "group3.jpg", "group6.jpg")]
MORE = [assets.ADDITIONAL.images() / n for n in (
    "bus.jpg", "dog.jpg", "fruit.jpg", "horses.jpg", "pedestrians_street.png", "people_group10.jpeg",
    "road_traffic.jpg", "street_couple_dog.jpg", "zidane.jpg")] if assets.ADDITIONAL in assets.SETS else []
SOURCES = {
    "ssd-mobilenet": "ssd_mobilenet.tflite",
    "efficientdet-lite0": "efficientdet-lite0.tflite",
}
INDEPENDENT = {
    "ssd-mobilenet": "ssd_mobilenet_v1_coco_qdq_int8.onnx",
    "efficientdet-lite0": "efficientdet_lite0_qdq_int8.onnx",
}
SIZES = {"ssd-mobilenet": 300, "efficientdet-lite0": 320}
FLOOR = 0.05

sys.path.insert(0, str(ROOT / "models"))

from tflite import postprocess, schema  # noqa: E402
from tflite.graph import Graph, Numeric, dequantise  # noqa: E402

Detections = list[tuple[int, float, np.ndarray]]  # class counted from 1, score, (ymin, xmin, ymax, xmax)


def source(name: str) -> Path:
    path = ROOT / "deps/sources" / SOURCES[name]
    if not path.exists():
        pytest.skip(f"skipped: {path.relative_to(ROOT)} is absent, run `scripts/deps --tests`")
    return path


def run_script(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory):
    """converted(name, *options) → the .onnx, made once for each set of options."""
    folder = tmp_path_factory.mktemp("tflite")
    made: dict[tuple[str, ...], Path] = {}

    def convert(*key: str) -> Path:
        if key not in made:
            out = folder / ("_".join(key) + ".onnx")
            done = run_script(*key[1:], source(key[0]), out)
            assert done.returncode == 0, done.stderr
            made[key] = out
        return made[key]

    return convert


def picture(path: Path, size: int) -> np.ndarray:
    bgr = cv2.imread(str(path))
    return cv2.resize(bgr, (size, size), interpolation=cv2.INTER_LINEAR)[None, :, :, ::-1]


def session(model: Path, optimise: int) -> ort.Session:
    if ort.library() is None:
        pytest.skip("skipped: no ONNX Runtime, run `make deps`")
    return ort.Session(model, optimise=optimise)


def detections(outputs: dict[str, np.ndarray], threshold: float) -> Detections:
    out = {name.split(":")[0]: value for name, value in outputs.items()}
    count = int(out["num_detections"][0])
    rows = zip(out["detection_classes"][0][:count], out["detection_scores"][0], out["detection_boxes"][0])
    return [(int(c), float(s), box) for c, s, box in rows if s >= threshold]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(size, 0)))
    return both / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both + 1e-12)


def missing(wanted: Detections, found: Detections, overlap: float, score: float) -> Detections:
    """Those of `wanted` that `found` lacks."""

    def has(want: tuple[int, float, np.ndarray]) -> bool:
        return any(c == want[0] and abs(s - want[1]) <= score and iou(b, want[2]) >= overlap for c, s, b in found)

    return [want for want in wanted if not has(want)]


@pytest.mark.parametrize("name", SOURCES)
def test_takes_seconds(name: str, tmp_path: Path) -> None:
    start = time.monotonic()
    assert run_script(source(name), tmp_path / "model.onnx").returncode == 0
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("name", SOURCES)
def test_is_the_same_file_each_time(name: str, converted, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    assert run_script(source(name), again).returncode == 0
    assert again.read_bytes() == converted(name).read_bytes()


@pytest.mark.parametrize("name", SOURCES)
def test_interface(name: str, converted) -> None:
    model = onnx.load(str(converted(name)))
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version <= 17) for opset in model.opset_import] == [("", True)]
    assert model.ir_version <= 8
    kinds = {
        value.name: (value.type.tensor_type.elem_type, [d.dim_value for d in value.type.tensor_type.shape.dim])
        for value in [*model.graph.input, *model.graph.output]
    }
    assert kinds == {
        "image_tensor": (TensorProto.UINT8, [1, SIZES[name], SIZES[name], 3]),
        "detection_boxes": (TensorProto.FLOAT, [1, 100, 4]),
        "detection_classes": (TensorProto.FLOAT, [1, 100]),
        "detection_scores": (TensorProto.FLOAT, [1, 100]),
        "num_detections": (TensorProto.FLOAT, [1]),
    }


@pytest.mark.parametrize("name", SOURCES)
def test_weights_stay_integers(name: str, converted) -> None:
    """Every filter is the .tflite's own, shifted and transposed, between DequantizeLinear and Conv."""
    model = onnx.load(str(converted(name)))
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    producers = {out: node for node in model.graph.node for out in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    original = [op for op in schema.read(source(name)).operators if "CONV_2D" in op.kind]
    assert len(convolutions) == len(original)
    tensors = schema.read(source(name)).tensors
    for node, op in zip(convolutions, original):
        inputs = [producers[i] for i in node.input]
        assert [i.op_type for i in inputs] == ["DequantizeLinear"] * 3
        values, scale, zero = (stored[i] for i in inputs[1].input)
        assert values.dtype == np.int8
        moved = values.transpose(1, 2, 3, 0) if "DEPTHWISE" in op.kind else values.transpose(0, 2, 3, 1)
        tensor = tensors[op.inputs[1]]
        shape = [-1 if i == tensor.quant.axis and zero.ndim else 1 for i in range(4)]
        real = (moved.astype(np.int32) - zero.astype(np.int32).reshape(shape)) * scale.reshape(shape)
        assert np.allclose(real, dequantise(tensor.data, tensor.quant), rtol=1e-6, atol=0)
        assert [stored[i].dtype for i in inputs[2].input] == [np.int32, np.float32, np.int32]


@pytest.mark.parametrize("golden", [g for n in SOURCES for g in assets.BASE.listed(f"{n}__*")], ids=lambda g: g.id)
def test_finds_what_tensorflow_lite_finds(golden: assets.Golden, converted) -> None:
    """The file's own rule of suppression and the graph as written, as TensorFlow Lite runs it: class by class the same
    objects, IoU 0.8 and score 0.06: TFLite rounds every step to eight bits, ONNX Runtime between them keeps floats."""
    name = golden["model"].removesuffix(".onnx")
    out = session(converted(name), 0).run({"image_tensor": picture(golden.picture, SIZES[name])})
    width, height = golden["image_width"], golden["image_height"]

    def shares(rows: list[dict]) -> Detections:
        return [(d["class_id"], d["score"], np.array([d["box"][1] / height, d["box"][0] / width, d["box"][3] / height,
                                                      d["box"][2] / width])) for d in rows]

    wanted = shares(golden["detections"])
    assert missing(wanted, detections(out, 0.4), 0.8, 0.06) == []
    known = wanted + shares(golden["near_misses_below_threshold"])
    assert missing(detections(out, 0.56), known, 0.8, 0.06) == []


@pytest.mark.skipif(not MORE, reason="skipped: there is no additional set")
@pytest.mark.parametrize("name", SOURCES)
def test_finds_what_the_independent_conversion_finds(name: str, converted) -> None:
    """Graphs as written (no fused kernels, which round differently): manifest tolerances, IoU 0.8 and score 0.06.

    One in forty of our objects may be new: where two boxes score alike, either may suppress the other.
    """
    for path in MORE:
        feed = picture(path, SIZES[name])
        theirs = session(assets.SHARED / "models" / INDEPENDENT[name], 0).run({"image_tensor:0": feed})
        ours = session(converted(name, "--nms", "per-class"), 0).run({"image_tensor": feed})
        expected, found = detections(theirs, 0.4), detections(ours, 0.4)
        assert expected, "the picture shows nothing: choose another"
        assert missing([d for d in expected if d[1] >= 0.43], detections(ours, 0.3), 0.8, 0.06) == []
        extra = missing([d for d in found if d[1] >= 0.43], detections(theirs, 0.3), 0.8, 0.06)
        assert len(extra) <= len(found) // 40, extra


@pytest.mark.parametrize("image", PICTURES + MORE, ids=lambda p: p.name)
@pytest.mark.parametrize("name", SOURCES)
def test_forms_agree(name: str, image: Path, converted) -> None:
    """As the server runs it (fused integer kernels) against the widened float network: the clear objects are the same.

    Class by class, because a cat and a dog that score alike may change places.
    """
    feed = {"image_tensor": picture(image, SIZES[name])}
    fused = session(converted(name, "--nms", "per-class"), 99).run(feed)
    widened = session(converted(name, "--nms", "per-class", "--form", "float"), 99).run(feed)
    assert missing(detections(fused, 0.6), detections(widened, 0.3), 0.6, 0.15) == []
    assert missing(detections(widened, 0.6), detections(fused, 0.3), 0.6, 0.15) == []


def with_head(model: Path, name: str, folder: Path) -> tuple[Path, list[int], list[int], schema.Model]:
    """The model with the tensors that feed its post-processing as further outputs."""
    original = schema.read(source(name))
    _, head = postprocess.find_head(Graph(original, Numeric()))
    proto = onnx.load(str(model))
    for index in [*head.boxes, *head.logits]:
        proto.graph.output.append(helper.make_tensor_value_info(f"t{index}", TensorProto.UINT8, None))
    path = folder / "head.onnx"
    onnx.save(proto, str(path))
    return path, head.boxes, head.logits, original


def tflite_rule(boxes: np.ndarray, logits: np.ndarray, post: schema.Operator, regular: bool) -> Detections:
    """Every anchor, sigmoid first, greedy suppression: as TensorFlow Lite's detection_postprocess.cc has it."""
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    columns = [scores.max(axis=1)] if not regular else list(scores.T)
    found: Detections = []
    for number, column in enumerate(columns):
        kept: list[int] = []
        for row in np.lexsort((-scores.max(axis=1), -column)):  # of equals the better in its best class goes first
            if column[row] <= FLOOR or len(kept) == 100:
                break
            if all(iou(boxes[row], boxes[k]) <= post.options["nms_iou_threshold"] for k in kept):
                kept.append(int(row))
        classes = [number if regular else int(scores[row].argmax()) for row in kept]
        found += [(c + 1, float(column[row]), np.clip(boxes[row], 0, 1)) for c, row in zip(classes, kept)]
    return sorted(found, key=lambda d: -d[1])[:100]


@pytest.mark.parametrize("nms", ["file", "per-class"])
@pytest.mark.parametrize("name", SOURCES)
def test_post_processing(name: str, nms: str, converted, tmp_path: Path) -> None:
    model, box_maps, score_maps, original = with_head(converted(name, "--nms", nms), name, tmp_path)
    out = session(model, 0).run({"image_tensor": picture(assets.pictures() / "bus.jpg", SIZES[name])})
    post = original.operators[-1]
    assert not post.options.get("use_regular_nms", False)  # the rule of `--nms file` for both

    def rows(index: int, width: int) -> np.ndarray:
        tensor = original.tensors[index]
        nhwc = out[f"t{index}"].transpose(0, 2, 3, 1).reshape(-1, width).astype(np.int32)
        return dequantise(nhwc - (128 if tensor.dtype is np.int8 else 0), tensor.quant)

    anchor = original.tensors[post.inputs[2]]
    anchors = anchor.data if anchor.quant is None else dequantise(anchor.data, anchor.quant)
    t = np.concatenate([rows(i, 4) for i in box_maps]).astype(np.float64)
    opts = post.options
    centre = t[:, :2] / (opts["y_scale"], opts["x_scale"]) * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(t[:, 2:] / (opts["h_scale"], opts["w_scale"])) * anchors[:, 2:] / 2
    width = original.tensors[post.inputs[1]].shape[2]
    logits = np.concatenate([rows(i, width) for i in score_maps])[:, width - opts["num_classes"] :]
    expected = tflite_rule(np.hstack([centre - half, centre + half]), logits, post, nms == "per-class")

    # The graph looks at the best 1,024 anchors: below the last of them it may find less than the rule.
    least = np.sort(logits.max(axis=1))[-min(len(logits), postprocess.MAX_CANDIDATES)]
    cut = max(FLOOR, 1 / (1 + np.exp(-float(least)))) + 1e-4
    found, expected = detections(out, cut), [d for d in expected if d[1] >= cut]
    assert cut < 0.25
    assert len(expected) >= 5
    assert [s for _, s, _ in found] == pytest.approx([s for _, s, _ in expected], abs=1e-5)
    assert missing(expected, found, 0.999, 1e-5) == []
    assert not np.any(out["detection_scores"][0, int(out["num_detections"][0]) :])


def test_score_floor_and_rows(converted) -> None:
    model = converted("efficientdet-lite0", "--score-floor", "0.5", "--max-detections", "3")
    out = session(model, 99).run({"image_tensor": picture(assets.pictures() / "people.jpg", 320)})
    assert out["detection_boxes"].shape == (1, 3, 4)
    assert out["num_detections"][0] == 3
    assert out["detection_scores"].min() >= 0.5
    blank = session(model, 99).run({"image_tensor": np.full((1, 320, 320, 3), 127, np.uint8)})
    assert blank["num_detections"][0] == 0
    assert not blank["detection_boxes"].any()


def test_labels_number_the_classes() -> None:
    """COCO's own category ids: 1 person … 90 toothbrush, with ten ids unused (Lin et al. 2014, appendix II, numbers the
    91 of which 80 were annotated)."""
    rows = (ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()
    unused = {0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert len(rows) == 91 and {i for i, row in enumerate(rows) if row == "???"} == unused
    known = {1: "person", 3: "car", 6: "bus", 17: "cat", 18: "dog", 44: "bottle", 46: "wine glass", 62: "chair",
             67: "dining table", 82: "refrigerator", 84: "book", 90: "toothbrush"}
    assert {i: rows[i] for i in known} == known
    if MORE:
        theirs = (assets.SHARED / "models/labels/coco91_tfod_with_background.txt").read_text(encoding="utf-8")
        assert rows == theirs.splitlines()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"\xff\xff\xff\x7f" + data[4:], "damaged"),  # a root far outside
        (lambda data: data[:4] + b"TFL9" + data[8:], "no TFL3 identifier"),
        (lambda data: data[:1000], "damaged"),
        (lambda data: b"", "no TFL3 identifier"),
    ],
)
def test_refuses_damage(change, message: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(change(source("ssd-mobilenet").read_bytes()))
    done = run_script(broken, tmp_path / "out.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith(f"convert_tflite: {broken}: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out.onnx*"))


def test_random_damage_is_an_error_or_a_model() -> None:
    """Bytes of the tables (the weights come first in the file) changed at random: FormatError or a parsed model."""
    data = source("ssd-mobilenet").read_bytes()
    random = np.random.default_rng(3)
    for _ in range(40):
        broken = bytearray(data)
        for at in random.integers(len(data) - 60000, len(data), 4):
            broken[at] = int(random.integers(256))
        try:
            assert schema.parse(bytes(broken)).tensors is not None
        except schema.FormatError:
            pass
