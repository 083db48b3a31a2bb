# SPDX-License-Identifier: MIT
"""Exporters' forms as small networks (forms.py): what numpy says must be found is found, from the bare file."""
from __future__ import annotations

import ast
import json
import os
import pprint
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sight

np = pytest.importorskip("numpy")
pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")

import forms  # noqa: E402
from conftest import READY_SECONDS, Server, wait_until  # noqa: E402


def reply(model: Path, picture: Path, *arguments: object) -> dict[str, Any]:
    found = sight.detect("--model", model, *arguments, picture)[0]
    assert "error" not in found, found
    return found


def explained(model: Path) -> dict[str, str]:
    """`sight model explain` by its first words."""
    text = sight.run("model", "explain", model, check=True).stdout
    return dict(line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2)


def corners(found: dict[str, Any]) -> list[float]:
    box = found["bbox"]
    return [box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]]


def extent(polygon: list[list[float]]) -> list[float]:
    xy = np.array(polygon)
    return [*xy.min(0), *xy.max(0)]


# --- end-to-end tables (ultralytics Detect.postprocess: x1, y1, x2, y2, score, class, then masks or keypoints) -------

BOXES = np.float32([[100, 120, 300, 400], [400, 200, 500, 560]])


def table(rows: int, extra: Any, ids: tuple[int, int], noise: bool = True) -> Any:
    """Two objects, then rows of low score as an end-to-end head has them, or of zeros as nms=True pads with."""
    extra = np.asarray(extra, np.float32)
    out = np.zeros((1, rows, 6 + extra.shape[1]), np.float32)
    if noise:
        at = np.random.default_rng(1).uniform(0, 560, (rows, 2))
        out[0, :, :2], out[0, :, 2:4] = at, at + 40
        out[0, :, 4], out[0, :, 5] = np.linspace(0.12, 0.001, rows), ids[0]
    out[0, :2, :4], out[0, :2, 4], out[0, :2, 5], out[0, :2, 6:] = BOXES, (0.9, 0.8), ids, extra
    return out


def prototypes(masks: int) -> Any:
    """Prototype 0 is on (+1) in the upper half of the picture and off (-1) below; the others are nothing."""
    out = np.zeros((1, masks, 160, 160), np.float32)
    out[0, 0], out[0, 0, :80] = -1, 1
    return out


@pytest.mark.parametrize("classes, masks, rows, noise, stated, first", [
    (1, 32, 300, True, True, "table"), (80, 32, 300, True, True, "table"), (2, 32, 300, True, False, "table"),
    (5, 16, 100, False, True, "prototypes"), (1, 32, 300, False, True, "table"), (3, 8, 50, True, False, "prototypes"),
])
def test_masks_of_finished_tables(classes: int, masks: int, rows: int, noise: bool, stated: bool, first: str,
                                  tmp_path: Path) -> None:
    """YOLO26-seg and nms=True of YOLOv8-seg: masks are sigmoid(coefficients . prototypes) > 0.5, cut to the box."""
    coefficients = np.zeros((2, masks))
    coefficients[:, 0] = 5, -5  # on above 320, on below
    ids = (0, classes - 1)
    outputs = {"output0": table(rows, coefficients, ids, noise), "output1": prototypes(masks)}
    if first != "table":
        outputs = dict(reversed(outputs.items()))
    metadata = {"task": "segment", "names": forms.names(classes), "stride": "32", "imgsz": "[640, 640]"}
    model = forms.constant(tmp_path / "seg.onnx", outputs, (1, 3, 640, 640), metadata if stated else None)
    assert explained(model)["head"].split()[0] == "end2end-seg"
    found = reply(model, forms.flat(tmp_path / "square.ppm", 640, 640))["objects"]
    assert [(corners(o), o["class_id"], round(o["score"], 3)) for o in found] == [
        ([100, 120, 300, 400], ids[0], 0.9), ([400, 200, 500, 560], ids[1], 0.8)]
    assert extent(found[0]["polygon"]) == pytest.approx([100, 120, 300, 320], abs=2.1)  # half a prototype pixel
    assert extent(found[1]["polygon"]) == pytest.approx([400, 320, 500, 560], abs=2.1)


@pytest.mark.parametrize("points, values, rows, noise, metadata", [
    (17, 3, 300, True, {"task": "pose", "kpt_shape": "[17, 3]", "names": "{0: 'person'}"}),
    (17, 3, 300, True, {}), (5, 3, 100, True, {}), (17, 2, 300, True, {}),
    (4, 2, 300, False, {"task": "pose", "kpt_shape": "[4, 2]", "names": "{0: 'plate', 1: 'sign'}"}),
])
def test_keypoints_of_finished_tables(points: int, values: int, rows: int, noise: bool, metadata: dict[str, str],
                                      tmp_path: Path) -> None:
    """YOLO26-pose and nms=True of YOLOv8-pose: x, y in input pixels, and a visibility of 0..1 where there are three."""
    where = np.random.default_rng(2).uniform(100, 500, (2, points, values))
    if values == 3:
        where[:, :, 2] = np.linspace(0.2, 1, points)
    model = forms.constant(tmp_path / "pose.onnx", {"output0": table(rows, where.reshape(2, -1), (0, 0), noise)},
                           (1, 3, 640, 640), metadata)
    assert explained(model)["head"].split()[0] == "end2end-pose"
    found = reply(model, forms.flat(tmp_path / "wide.ppm", 1280, 640))["objects"]
    # 1280x640 in 640x640: halved, 160 rows of padding above.
    for mine, box, want in zip(found, BOXES, where, strict=True):
        assert corners(mine) == pytest.approx([2 * box[0], 2 * max(box[1] - 160, 0), 2 * box[2],
                                               2 * min(box[3] - 160, 320)], abs=0.01)
        assert np.allclose(mine["landmarks"], 2 * want[:, :2] - [0, 320], atol=0.02)
        if values == 3:
            assert np.allclose(mine["landmark_scores"], want[:, 2], atol=0.002)
        else:
            assert "landmark_scores" not in mine


@pytest.mark.parametrize("shape", [(1, 300, 7), (1, 20, 8400), (1, 1, 7)])
def test_turned_boxes_are_refused_by_name(shape: tuple[int, ...], tmp_path: Path) -> None:
    """`-obb` exports, end-to-end and grids; their columns look like those of others (DECISIONS.md, Turned boxes)."""
    model = forms.constant(tmp_path / "obb.onnx", {"output0": np.zeros(shape, np.float32)}, (1, 3, 640, 640),
                           {"task": "obb", "names": "{0: 'plane'}"})
    done = sight.run("model", "explain", model)
    assert done.returncode == 1 and 'task "obb", for which there is no head' in done.stderr


@pytest.mark.parametrize("rows", [300, 100])
def test_two_classes_are_no_two_probabilities(rows: int, tmp_path: Path) -> None:
    """YOLO26 with two classes: score and class 0 or 1 look like the two probabilities of a YOLOv8 grid's rows."""
    model = forms.constant(tmp_path / "two.onnx", {"output0": table(rows, np.zeros((2, 0)), (0, 1))}, (1, 3, 640, 640),
                           {"task": "detect", "names": forms.names(2)})
    found = reply(model, forms.flat(tmp_path / "square.ppm", 640, 640))["objects"]
    assert [(corners(o), o["class_id"]) for o in found] == [([100, 120, 300, 400], 0), ([400, 200, 500, 560], 1)]


# --- sets of boxes: DETR and kin -----------------------------------------------------------------------------------

IMAGENET = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])
COLOUR = (90, 127, 180)


def bright_query(path: Path, classes: int, names: tuple[str, str], softmax: bool = False, queries: int = 300,
                 class_id: int = 0) -> Path:
    """Every query says nothing but the first, whose logit of one class is 8 x mean(input) - 4."""
    net = forms.Net([1, 3, 320, 320], "pixel_values")
    base, gain = np.full((1, queries, classes), -9, np.float32), np.zeros((1, queries, classes), np.float32)
    if softmax:
        base[0, :, -1] = 0  # "no object", sure of itself everywhere
    base[0, 0, class_id], gain[0, 0, class_id] = -4, 8
    boxes = np.full((1, queries, 4), 0.5, np.float32)
    boxes[0, 0] = 0.5, 0.5, 0.2, 0.4
    mean = net.op("ReduceMean", "pixel_values", keepdims=0)
    logits = net.op("Add", net.const(base), net.op("Mul", net.const(gain), mean))
    net.output(names[0], logits, base.shape)
    net.output(names[1], net.answer(boxes), boxes.shape)
    return net.save(path)


RT_DETR, RF_DETR, ORIGINAL = ("logits", "pred_boxes"), ("labels", "dets"), ("pred_logits", "pred_boxes")


@pytest.mark.parametrize("names, classes, softmax, normalised, class_id, answered", [
    *[(RT_DETR, n, False, False, n - 1, n - 1) for n in (1, 2, 5, 79, 80, 81, 90, 365)],
    (ORIGINAL, 80, False, False, 0, 0), (ORIGINAL, 3, False, False, 2, 2),
    *[(RF_DETR, n, False, True, n - 1, n - 1) for n in (1, 2, 5, 80, 81)],
    (RF_DETR, 91, False, True, 17, 16),  # COCO's ids from 1: 17 is the cat, and our 16
    *[(RT_DETR, n + 1, True, True, n - 1, n - 1) for n in (1, 2, 5, 80)],  # DETR, YOLOS, Conditional DETR of the first
    (ORIGINAL, 92, True, True, 17, 16), (RT_DETR, 91, False, True, 17, 16),  # Deformable DETR on COCO
])
def test_sets_of_boxes_with_any_number_of_classes(names: tuple[str, str], classes: int, softmax: bool,
                                                  normalised: bool, class_id: int, answered: int,
                                                  tmp_path: Path) -> None:
    """RT-DETR and D-FINE: RGB / 255 and a sigmoid of each (do_normalize false in Transformers' image processors);
    DETR: ImageNet's mean and std, a softmax whose last is "no object"; RF-DETR: ImageNet's and a sigmoid."""
    pixels = np.float32(COLOUR)
    mean = float(((pixels - IMAGENET[0]) / IMAGENET[1] if normalised else pixels / 255).mean())
    logit = 8 * mean - 4
    row = [-9.0] * (classes - 2) + [0, logit]  # of the bright query, with "no object" at 0
    want = np.exp(logit) / np.exp(row).sum() if softmax else 1 / (1 + np.exp(-logit))
    model = bright_query(tmp_path / "set.onnx", classes, names, softmax, class_id=class_id)
    assert explained(model)["head"].split()[0] == "detr-raw"
    found = reply(model, forms.flat(tmp_path / "flat.ppm", 320, 320, COLOUR), "--threshold", 0.005)["objects"]
    assert (found[0]["class_id"], corners(found[0])) == (answered, [128, 96, 192, 224])
    assert found[0]["score"] == pytest.approx(want, abs=0.002)


@pytest.mark.parametrize("classes", [1, 2, 3, 80])
def test_sets_in_one_table(classes: int, tmp_path: Path) -> None:
    """Ultralytics' RT-DETR: 1xQx(4+C) of cx, cy, w, h in 0..1 and probabilities; stretched, without NMS."""
    out = np.full((1, 300, 4 + classes), 1e-3, np.float32)
    out[0, :, :4] = 0.5
    out[0, 0], out[0, 1] = [.5, .5, .2, .4] + [.9] * classes, [.5, .5, .2, .4] + [.8] * classes
    model = forms.constant(tmp_path / "rtdetr.onnx", {"output0": out}, (1, 3, 320, 320),
                           {"task": "detect", "names": forms.names(classes), "stride": "32"})
    found = reply(model, forms.flat(tmp_path / "wide.ppm", 640, 320))["objects"]
    assert [corners(o) for o in found] == [[256, 96, 384, 224]] * 2
    assert [round(o["score"], 3) for o in found] == [0.9, 0.8]


# --- classifiers ---------------------------------------------------------------------------------------------------

GREY = np.float32([102, 77, 51])


def means(path: Path, shape: tuple[Any, ...], metadata: dict[str, str], softmax: bool = True) -> Path:
    """A classifier whose logits are 40 x the mean of each channel of its input."""
    net = forms.Net(shape)
    logits = net.op("Mul", net.op("Flatten", net.op("GlobalAveragePool", "images")), net.const(40, np.float32))
    net.output("output0", net.op("Softmax", logits, axis=1) if softmax else logits, [shape[0], 3])
    return net.save(path, metadata)


@pytest.mark.parametrize("shape, metadata, softmax, shorter, normalised", [
    ((1, 3, 64, 64), {"task": "classify", "imgsz": "[64, 64]"}, True, 64, False),
    ((1, 3, 224, 224), {"task": "classify", "imgsz": "[224, 224]"}, True, 224, False),
    ((1, 3, 224, 224), {"task": "classify"}, False, 224, False),
    (("batch", 3, "height", "width"), {"task": "classify", "imgsz": "[96, 96]"}, True, 96, False),
    (("batch", 3, "height", "width"), {"task": "classify"}, True, 224, False),
    ((1, 3, 32, 96), {"task": "classify", "imgsz": "[32, 96]"}, True, 0, False),
    ((1, 3, 128, 128), {}, False, 128, True),
])
def test_classifiers_of_ultralytics(shape: tuple[Any, ...], metadata: dict[str, str], softmax: bool, shorter: int,
                                    normalised: bool, tmp_path: Path) -> None:
    """ultralytics classify_transforms: RGB / 255, the shorter side to imgsz, centre crop (stretched where the input is
    not square). Without `task`: YOLOv5's, ImageNet's mean and std (its utils/augmentations.py)."""
    metadata = {"names": "{0: 'red', 1: 'green', 2: 'blue'}", "stride": "1", **metadata}
    model = means(tmp_path / "classes.onnx", shape, metadata, softmax)
    said = explained(model)
    mean, std = IMAGENET if normalised else (np.zeros(3), np.full(3, 255.0))
    assert said["mean"].split("  ")[0] == "{:.6g}, {:.6g}, {:.6g}; std {:.6g}, {:.6g}, {:.6g}".format(*mean, *std)
    assert said["resize"].startswith(f"center-crop, shorter side {shorter} " if shorter else "stretch ")
    logits = 40 * (GREY - mean) / std
    want = np.exp(logits - logits.max())
    want /= want.sum()
    frame = np.full((64, 96, 3), (255, 0, 0), np.uint8)
    frame[:, 16:80] = GREY  # all that a centre crop of the whole shorter side sees
    pictures = [forms.flat(tmp_path / "grey.ppm", 300, 200, GREY.astype(int))]
    if shorter == 64:
        pictures.append(forms.picture(tmp_path / "frame.ppm", frame))
    for path in pictures:
        (tmp_path / "classes.yaml").write_text("top_k: 3\n", encoding="utf-8")
        got = {a["label"]: a["score"] for a in reply(model, path)["attributes"]}
        assert [got.get(n, 0) for n in ("red", "green", "blue")] == pytest.approx(list(want), abs=0.002)


def test_classifiers_of_others_stay_as_they_were(tmp_path: Path) -> None:
    said = explained(means(tmp_path / "bare.onnx", (1, 3, 224, 224), {"names": "{0: 'a', 1: 'b', 2: 'c'}"}))
    assert said["mean"].startswith("123.675, 116.28, 103.53; std 58.395, 57.12, 57.375")
    assert said["resize"].startswith("center-crop, shorter side 256")


# --- names and alphabets in the metadata ---------------------------------------------------------------------------

NASTY = ["dog\ttab", "café", "車", "it's", 'say "no"', "it's \"both\"", "back\\slash", "new\nline", "\x07bell\x7f",
         "{0: 'a'}", "a, b: c", "😀", "\u2028", "", " blanks ", "C:\\temp\\x41", "\x85\xa0", "N/A"]


@pytest.mark.parametrize("text", ids=range(13), argvalues=[
    repr(dict(enumerate(NASTY))), repr({str(i): n for i, n in enumerate(NASTY)}), repr(NASTY), repr(tuple(NASTY)),
    ascii(dict(enumerate(NASTY))), json.dumps(dict(enumerate(NASTY))), json.dumps(NASTY),
    json.dumps(NASTY, ensure_ascii=False, indent=2), json.dumps({n: i for i, n in enumerate(NASTY)}),
    repr({n: i for i, n in enumerate(NASTY)}), json.dumps(dict(enumerate(NASTY))).replace("/", "\\/"),
    pprint.pformat(dict(enumerate(NASTY))), "{" + ", ".join(
        f"{i}: '" + "".join(f"\\{b:03o}" if b < 128 else f"\\U{b:08x}" for b in map(ord, n)) + "'"
        for i, n in enumerate(NASTY)) + "}",
])
def test_names_are_what_python_or_json_says(text: str, tmp_path: Path) -> None:
    """The names that went in come out, in every way of writing them down."""
    try:
        meant = json.loads(text)
    except ValueError:
        meant = ast.literal_eval(text)
    meant = list(meant) if not isinstance(meant, dict) or 0 in meant.values() else list(meant.values())
    assert meant == NASTY  # the text itself is right
    out = np.zeros((1, 300, 6), np.float32)
    for i in range(len(NASTY)):
        out[0, i] = [10 * i, 10 * i, 10 * i + 8, 10 * i + 8, 0.9 - 0.01 * i, i]
    model = forms.constant(tmp_path / "names.onnx", {"output0": out}, (1, 3, 320, 320),
                           {"task": "detect", "names": text})
    found = reply(model, forms.flat(tmp_path / "square.ppm", 320, 320))["objects"]
    assert [o["label"] for o in found] == NASTY
    (tmp_path / "names.txt").write_text(text, encoding="utf-8")
    found = reply(model, tmp_path / "square.ppm", "--labels", tmp_path / "names.txt")["objects"]
    assert [o["label"] for o in found] == NASTY


STEPS, HEIGHT = 40, 32


def reader(net: forms.Net, classes: int, levels: tuple[float, float] = (1, 0)) -> str:
    """1 x T x K: a step of four columns of pixels says class k when their mean lies at the k-th of K levels."""
    mean = net.op("ReduceMean", net.picture, axes=[1], keepdims=1)
    mean = net.op("AveragePool", mean, kernel_shape=[HEIGHT, 4], strides=[HEIGHT, 4])
    steps = net.op("Unsqueeze", net.op("Squeeze", mean, net.const([1, 2], np.int64)), net.const([2], np.int64))
    at = np.linspace(levels[0], levels[1], classes, dtype=np.float32)
    apart = net.op("Sub", steps, net.const(at.reshape(1, 1, -1)))
    steep = np.float32(-8 * classes * classes / (levels[0] - levels[1]) ** 2)
    return net.op("Softmax", net.op("Mul", net.op("Mul", apart, apart), net.const(steep)), axis=2)


def line(path: Path, classes: int, said: list[int]) -> Path:
    """A line of black on white whose steps say these classes, each four steps long, blanks between and around."""
    pixels = np.full((HEIGHT, STEPS * 4), 255.0)
    for i, k in enumerate(said):
        pixels[:, 12 + 32 * i:28 + 32 * i] = 255 * (1 - k / (classes - 1))
    return forms.picture(path, np.repeat(np.rint(pixels)[:, :, None], 3, 2))


LETTERS = "abcdefghij"


@pytest.mark.parametrize("metadata, read", [
    ({"character": "\n".join(LETTERS)}, "caj "),  # RapidOCR's PP-OCR readers: no blank, no space
    ({"character": "\n".join(LETTERS) + "\n"}, "caj "),
    ({"character": "\r\n".join(LETTERS) + "\r\n"}, "caj "),
    ({"character": "\n".join([*LETTERS, " "])}, "caj "),
    ({"character": "\n".join("車{[\"' 'éx，")}, "[車，"),
    ({"character": repr(list(LETTERS))}, "caj "), ({"character": json.dumps(dict(enumerate(LETTERS)))}, "caj "),
    ({"charset": LETTERS}, "caj "), ({"alphabet": "車béd"}, None), ({"vocab": json.dumps({c: i for i, c in enumerate(
        LETTERS)})}, "caj "), ({"names": repr(list(LETTERS))}, "caj "), ({"characters": LETTERS + " "}, "caj "),
])
def test_alphabets_in_the_metadata(metadata: dict[str, str], read: str | None, tmp_path: Path) -> None:
    net = forms.Net([1, 3, HEIGHT, STEPS * 4], "x")
    net.output("out", reader(net, 12, (1, -1)), [1, STEPS, 12])
    model = net.save(tmp_path / "reader.onnx", metadata)
    found = sight.detect("--model", model, line(tmp_path / "line.ppm", 12, [3, 1, 10]))[0]
    if read is None:  # an alphabet too short for what is read is an error, not a guess
        assert "`labels` has 4 entries, the model reads class" in found["error"]["message"]
    else:
        assert [o["text"] for o in found["objects"]] == [read.strip()]


# --- forms of readers ----------------------------------------------------------------------------------------------

def transposed(net: forms.Net, scores: str, *order: int) -> str:
    return net.op("Transpose", scores, perm=list(order))


def chosen(net: forms.Net, scores: str, kind: str) -> str:
    best = net.op("ArgMax", scores, axis=2, keepdims=0)
    return best if kind == "int64" else net.op("Cast", best, to=forms.KINDS[np.dtype(kind)])


READERS: dict[str, Any] = {  # what becomes of 1 x T x K, its shape, its type
    "steps first": (lambda n, s: transposed(n, s, 1, 0, 2), [STEPS, 1, 12], np.float32),
    "steps first, logits": (lambda n, s: n.op("Log", n.op("Add", transposed(n, s, 1, 0, 2), n.const(np.float32(1e-9)))),
                            [STEPS, 1, 12], np.float32),
    "no pictures": (lambda n, s: n.op("Squeeze", s, n.const([0], np.int64)), [STEPS, 12], np.float32),
    "classes first": (lambda n, s: transposed(n, s, 0, 2, 1), [1, 12, STEPS], np.float32),
    "four axes": (lambda n, s: n.op("Unsqueeze", s, n.const([1], np.int64)), [1, 1, STEPS, 12], np.float32),
    "classes first, four axes": (lambda n, s: n.op("Unsqueeze", transposed(n, s, 0, 2, 1), n.const([2], np.int64)),
                                 [1, 12, 1, STEPS], np.float32),
    "class ids": (lambda n, s: chosen(n, s, "int64"), [1, STEPS], np.int64),
    "class ids, 32 bits": (lambda n, s: chosen(n, s, "int32"), [1, STEPS], np.int32),
    "class ids as floats": (lambda n, s: chosen(n, s, "float32"), [1, STEPS], np.float32),
    "class ids, steps first": (lambda n, s: chosen(n, transposed(n, s, 1, 0, 2), "int64"), [STEPS, 1], np.int64),
    "class ids of one line": (lambda n, s: n.op("Squeeze", chosen(n, s, "int64"), n.const([0], np.int64)), [STEPS],
                              np.int64),
}


@pytest.mark.parametrize("card", ["head: ctc\n", ""], ids=["named", "bare"])
@pytest.mark.parametrize("form", READERS)
def test_readers_of_every_layout(form: str, card: str, tmp_path: Path) -> None:
    """The same network in every order of its axes reads the same; of class ids the collapse is left (Graves 2006)."""
    change, shape, dtype = READERS[form]
    net = forms.Net([1, 1, HEIGHT, STEPS * 4], "x")
    net.output("out", change(net, reader(net, 12)), shape, dtype)
    model = net.save(tmp_path / "reader.onnx")
    (tmp_path / "keys.txt").write_text("\n".join("abcdefghijk") + "\n", encoding="utf-8")
    (tmp_path / "reader.yaml").write_text(card + "input: {mean: 0, std: 255}\n", encoding="utf-8")
    picture = line(tmp_path / "line.ppm", 12, [3, 1, 1, 11])
    found = sight.detect("--model", model, "--labels", tmp_path / "keys.txt", picture)[0]
    assert [o["text"] for o in found.get("objects", [])] == ["caak"], found
    assert found["objects"][0]["text_score"] == pytest.approx(1, abs=0.01)
    without = sight.detect("--model", model, picture)[0]
    assert "alphabet is not known" in without["error"]["message"]


# --- blanks that are not class 0 --------------------------------------------------------------------------------------

def said(path: Path, classes: int, letters: list[int], blank: int) -> Path:
    """A line for reader(levels=(0, 1)), whose white says the last class: these classes with the blank around each."""
    steps = [blank] * STEPS
    for i, k in enumerate(letters):
        steps[3 + 8 * i:7 + 8 * i] = [k] * 4
    row = np.repeat(np.rint(255 * np.array(steps) / (classes - 1)), 4)
    return forms.picture(path, np.broadcast_to(row[None, :, None], (HEIGHT, STEPS * 4, 3)))


def collapsed(letters: list[int], blank: int, alphabet: str) -> str:
    """Graves et al. 2006 for classes that stand apart; the alphabet has no entry for the blank."""
    return "".join(alphabet[k - (k > blank)] for k in letters)


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("blank", ["", "last", "11"])
def test_the_last_class_is_the_blank(form: str, blank: str, tmp_path: Path) -> None:
    """As Keras and TensorFlow train readers. Without a word in the card a white line tells: it says nothing else."""
    change, shape, dtype = READERS[form]
    net = forms.Net([1, 1, HEIGHT, STEPS * 4], "x")
    net.output("out", change(net, reader(net, 12, (0, 1))), shape, dtype)
    model = net.save(tmp_path / "reader.onnx")
    (tmp_path / "reader.yaml").write_text("labels: [a, b, c, d, e, f, g, h, i, j, k]\n"
                                          f"{blank and 'blank: ' + blank}\ninput: {{mean: 0, std: 255}}\n")
    letters = [0, 10, 4, 4, 2]
    found = reply(model, said(tmp_path / "line.ppm", 12, letters, 11))
    assert found["objects"][0]["text"] == collapsed(letters, 11, "abcdefghijk") == "akeec"
    text = sight.run("model", "explain", model, check=True).stdout
    wanted = {"": r"last.*\n.*measured: it is the best of 40 of 40 steps of a picture without text",
              "last": r"last.*\n.*the card", "11": r"class 11\n.*the card"}[blank]
    assert re.search(f"^blank +{wanted}$", text, re.M), text


@pytest.mark.parametrize("labels, metadata", [
    ("[a, b, c, d, e, f, g, h, i, j, k, <blank>]", {}), ("[a, b, c, d, e, f, g, h, i, j, k, '-']", {}),
    ("[a, b, c, d, e, f, g, h, i, j, k]", {"blank": "last"}),
    ("[a, b, c, d, e, f, g, h, i, j, k]", {"blank_id": "11"}),
])
def test_who_names_the_blank(labels: str, metadata: dict[str, str], tmp_path: Path) -> None:
    """A name beats what is measured: this network says class 0 on white."""
    net = forms.Net([1, 1, HEIGHT, STEPS * 4], "x")
    net.output("out", reader(net, 12, (0.9, 0.13)), [1, STEPS, 12])
    model = net.save(tmp_path / "reader.onnx", metadata)
    (tmp_path / "reader.yaml").write_text(f"labels: {labels}\nhead: ctc\ninput: {{mean: 0, std: 255}}\n")
    steps = np.full(STEPS, 11)
    steps[3:7], steps[12:16], steps[20:24] = 6, 7, 7
    row = np.repeat(np.rint(255 * (0.9 - 0.07 * steps)), 4)
    picture = forms.picture(tmp_path / "line.ppm", np.broadcast_to(row[None, :, None], (HEIGHT, STEPS * 4, 3)))
    assert reply(model, picture)["objects"][0]["text"] == "ghh"
    assert not explained(model)["blank"].endswith("*")


def test_a_blank_that_nothing_tells(tmp_path: Path) -> None:
    """Class 0 is taken for it, as most readers have it, and `explain` says that nothing tells and what to write."""
    net = forms.Net([1, 1, HEIGHT, STEPS * 4], "x")
    net.output("out", reader(net, 12, (1.5, -0.7)), [1, STEPS, 12])
    model = net.save(tmp_path / "reader.onnx", {"charset": "abcdefghijk"})
    text = sight.run("model", "explain", model, check=True).stdout
    assert re.search(r"^blank +first, class 0  \*\n +usual; nothing tells: `blank: last` \(Keras, ", text, re.M)
    for line, problem in (("blank: 12", "`blank: 12`: the classes are 0 to 11"),
                          ("blank: lst", '1:8: blank: expected first, last, none or the number of a class, got "lst"')):
        (tmp_path / "reader.yaml").write_text(line + "\n", encoding="utf-8")
        done = sight.run("model", "explain", model)
        assert done.returncode == 1 and problem in done.stderr, done.stderr


def test_letters_that_the_graph_has_collapsed(tmp_path: Path) -> None:
    """Keras' ctc_decode gives class ids without blanks, -1 behind the last; double letters are two letters."""
    path = forms.constant(tmp_path / "m.onnx", {"ids": np.array([[1, 4, 4, 0, 2, -1, -1, -1]])}, [1, 1, 32, 64])
    (tmp_path / "m.yaml").write_text("blank: none\nlabels: [a, b, c, d, e]\n", encoding="utf-8")
    assert reply(path, forms.flat(tmp_path / "x.ppm", 64, 32))["objects"][0]["text"] == "beeac"


# --- RetinaFace of PyTorch -----------------------------------------------------------------------------------------

SIDES = {"face": ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))),
         "plates": ((8, (24, 48)), (16, (96, 192)), (32, (384, 768))),
         "slim": ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256)))}


def priors(width: int, height: int, sides: Any) -> Any:
    """Rows of cx, cy, side: layers/functions/prior_box.py of biubug6/Pytorch_Retinaface, in pixels."""
    return np.array([((x + 0.5) * s, (y + 0.5) * s, side) for s, squares in sides for y in range(-(-height // s))
                     for x in range(-(-width // s)) for side in squares])


def retina(path: Path, width: int, height: int, sides: Any, count: int, form: str) -> tuple[Path, Any, Any]:
    """One object on a prior of about 100 pixels in the middle; where utils/box_utils.py puts it."""
    rows = priors(width, height, sides)
    at = int(np.argmin(np.hypot(rows[:, 0] - width / 2, rows[:, 1] - height / 2) + np.abs(rows[:, 2] - 100)))
    cx, cy, side = rows[at]
    d, dots = np.float32([0.5, -0.25, 1, 0.5]), np.random.default_rng(3).uniform(-3, 3, (count, 2))
    loc, conf, points = (np.zeros((1, len(rows), n), np.float32) for n in (4, 2, 2 * count))
    loc[0, at], points[0, at] = d, dots.reshape(-1)
    conf[0, :] = 1, 0
    conf[0, at] = 0.05, 0.95
    if "logits" in form:
        conf = np.log(np.maximum(conf, np.float32(1e-6))) + np.float32(3)
    x, y = cx + d[0] * 0.1 * side, cy + d[1] * 0.1 * side
    w, h = side * np.exp(0.2 * d[2]), side * np.exp(0.2 * d[3])
    outputs = {"loc": loc, "conf": conf, "landms": points}
    if "numbered" in form:
        outputs = dict(zip(("output0", "586", "585"), outputs.values()))
    if "turned" in form:
        outputs = dict(zip(("a", "b", "c"), (points, conf, loc)))
    if "lone" in form:
        outputs = {key: value[0] for key, value in outputs.items()}
    net = forms.Net((1, 3, "height", "width") if "dynamic" in form else (1, 3, height, width), "input0")
    for key, value in outputs.items():
        net.output(key, net.answer(value), value.shape)
    return net.save(path), [x - w / 2, y - h / 2, x + w / 2, y + h / 2], np.array([cx, cy]) + dots * 0.1 * side


@pytest.mark.parametrize("sides, size, form", [
    ("face", (640, 640), "plain"), ("face", (640, 640), "numbered"), ("face", (640, 640), "turned logits"),
    ("face", (320, 240), "lone"), ("face", (640, 640), "dynamic"), ("face", (650, 330), "logits"),
    ("slim", (320, 240), "plain"), ("slim", (640, 480), "numbered logits"),
])
def test_faces_against_priors(sides: str, size: tuple[int, int], form: str, tmp_path: Path) -> None:
    model, box, dots = retina(tmp_path / "face.onnx", *size, SIDES[sides], 5, form)
    said = explained(model)
    assert said["head"].split()[0] == "retinaface-priors"
    assert said["color"].split()[0] == "bgr" and said["mean"].startswith("104, 117, 123; std 1, 1, 1")
    found = reply(model, forms.flat(tmp_path / "x.ppm", *size))["objects"]
    assert [(o["label"], round(o["score"], 2)) for o in found] == [("face", 0.95)]
    assert corners(found[0]) == pytest.approx(box, abs=0.02)
    assert np.allclose(found[0]["landmarks"], dots, atol=0.02)


@pytest.mark.parametrize("sides", ["face", "plates"])
def test_plates_want_the_sides_of_their_priors(sides: str, tmp_path: Path) -> None:
    """Four corners: two families with other sides give the same shapes, so a bare file is refused with what to do."""
    model, box, dots = retina(tmp_path / "plate.onnx", 640, 640, SIDES[sides], 4, "lone")
    done = sight.run("model", "explain", model)
    assert done.returncode == 1 and "has 4 points each" in done.stderr and "`anchors: [16, 16, 32, 32" in done.stderr
    squares = [[side, side] for _, pair in SIDES[sides] for side in pair]
    (tmp_path / "plate.yaml").write_text(f"anchors: {sum(squares, [])}\n", encoding="utf-8")
    found = reply(model, forms.flat(tmp_path / "x.ppm", 640, 640))["objects"]
    assert corners(found[0]) == pytest.approx(box, abs=0.02) and len(found) == 1
    assert np.allclose(found[0]["landmarks"], dots, atol=0.02)


# --- fixed batches -------------------------------------------------------------------------------------------------

def brightness(path: Path, batch: int, mixed: bool = False) -> Path:
    """A YOLOv8-like end of two boxes per picture, the first of which scores the picture's mean; `mixed`: of all."""
    net = forms.Net([batch, 3, 64, 64])
    mean = net.op("ReduceMean", net.picture, axes=[1, 2, 3], keepdims=1)
    if mixed:
        mean = net.op("Add", net.op("Mul", mean, net.const(np.float32(0))),
                      net.op("ReduceMean", mean, axes=[0], keepdims=1))
    score = net.op("Reshape", mean, net.const([batch, 1, 1], np.int64))
    base = np.zeros((batch, 20, 6), np.float32)
    base[:, 0] = [8, 16, 40, 48, 0, 1]
    place = np.zeros((1, 20, 6), np.float32)
    place[0, 0, 4] = 1
    net.output("output0", net.op("Add", net.const(base), net.op("Mul", score, net.const(place))), [batch, 20, 6])
    return net.save(path, {"task": "detect", "names": "{0: 'a', 1: 'b'}"})


@pytest.mark.parametrize("batch", [2, 4, 32])
def test_a_fixed_batch_is_run_with_the_rest_empty(batch: int, tmp_path: Path) -> None:
    model = brightness(tmp_path / "fixed.onnx", batch)
    assert explained(model)["batch"] == f"always {batch}"
    pictures = [forms.flat(tmp_path / f"{level}.ppm", 64, 64, (level,) * 3) for level in (255, 127, 204)]
    for found, level in zip(sight.detect("--model", model, *pictures), (255, 127, 204), strict=True):
        assert [(corners(o), o["label"]) for o in found["objects"]] == [([8, 16, 40, 48], "b")]
        assert found["objects"][0]["score"] == pytest.approx(level / 255, abs=0.001)


@pytest.mark.parametrize("batch, mixed, said", [
    (33, False, "has a fixed batch of 33, at most 32 are run; export it with batch 1 or a dynamic one"),
    (4, True, "a fixed batch of 4, and a picture's result changes with its batch mates; export it with batch 1"),
])
def test_a_fixed_batch_that_cannot_be_run_is_refused(batch: int, mixed: bool, said: str, tmp_path: Path) -> None:
    done = sight.run("model", "explain", brightness(tmp_path / "fixed.onnx", batch, mixed))
    assert done.returncode == 1 and said in done.stderr


def test_a_fixed_batch_of_one_table_is_refused(tmp_path: Path) -> None:
    """Rows that do not say whose they are: those of the empty pictures would be among them."""
    rows = np.float32([[8, 16, 40, 48, 0.9, 1], [1, 2, 30, 40, 0.8, 0]])
    done = sight.run("model", "explain", forms.constant(tmp_path / "flat.onnx", {"dets": rows}, (4, 3, 64, 64)))
    assert done.returncode == 1 and "its outputs are not one part for each picture; export it with" in done.stderr


# --- batches that pay ----------------------------------------------------------------------------------------------

def slow_with(path: Path, many: bool) -> Path:
    """brightness() of any batch, which multiplies large matrices of nothing too: for a lone picture or for many."""
    net = forms.Net(["batch", 3, 64, 64])
    score = net.op("Reshape", net.op("ReduceMean", net.picture, axes=[1, 2, 3], keepdims=1),
                   net.const([-1, 1, 1], np.int64))
    nothing, size, alone = net.zero(), net.const([800, 800], np.int64), net.const(1, np.int64)
    helper = forms.helper
    work = helper.make_graph([
        helper.make_node("Expand", [nothing, size], ["zeros"]), helper.make_node("MatMul", ["zeros"] * 2, ["product"]),
        helper.make_node("ReduceMax", ["product"], ["much"], keepdims=0)], "work", [],
        [helper.make_tensor_value_info("much", forms.TensorProto.FLOAT, [])])
    rest = helper.make_graph([helper.make_node("Identity", [nothing], ["little"])], "rest", [],
                             [helper.make_tensor_value_info("little", forms.TensorProto.FLOAT, [])])
    pictures = net.op("Gather", net.op("Shape", net.picture), net.const(0, np.int64))
    done = net.op("If", net.op("Equal", pictures, alone), then_branch=rest if many else work,
                  else_branch=work if many else rest)
    base, place = np.zeros((1, 20, 6), np.float32), np.zeros((1, 20, 6), np.float32)
    base[0, 0], place[0, 0, 4] = [8, 16, 40, 48, 0, 1], 1
    found = net.op("Add", net.const(base), net.op("Mul", score, net.const(place)))
    net.output("output0", net.op("Add", found, done), ["batch", 20, 6])
    return net.save(path, {"task": "detect", "names": "{0: 'a', 1: 'b'}"})


@pytest.mark.parametrize("many", [False, True])
def test_what_a_batch_gains_is_measured(many: bool, tmp_path: Path) -> None:
    """A gigaflop (2 * 800^3) beside a few thousand operations: more than three times either way, on any machine."""
    model = slow_with(tmp_path / "m.onnx", many)
    assert explained(model)["batch"] == "up to 32"
    said = sight.run("model", "bench", "-n", 3, model, check=True).stdout
    cores = re.search(r"^ *(\d+) cores ", said, re.MULTILINE)
    row = re.search(r"^ *a batch of (\d+) +(\d+\.\d\d) times the pictures of one a core$", said, re.MULTILINE)
    if not cores:
        pytest.skip("skipped: one core takes no batches")
    assert row and row[1] == cores[1]
    assert float(row[2]) < 0.33 if many else float(row[2]) > 3, said
    assert corners(reply(model, forms.flat(tmp_path / "a.ppm", 64, 64, (255,) * 3))["objects"][0]) == [8, 16, 40, 48]


@pytest.mark.parametrize("many", [False, True])
def test_a_server_uses_batches_where_they_pay(many: bool, start_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("detect: { model: m }\n", encoding="utf-8")
    (tmp_path / "m").mkdir()
    slow_with(tmp_path / "m" / "model.onnx", many)
    server = start_server("--models", str(tmp_path), "--pipelines", str(tmp_path / "p.yaml"), "--default-pipeline", "p",
                          "--log-level", "debug")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("skipped: one core takes no batches")
    assert wait_until(lambda: any("batching was measured" in line for line in server.lines), READY_SECONDS)
    told = re.search(r"batching was measured\" model=m batch=\d+ gain=(\S+) used=(\w+)\n", "".join(server.lines))
    assert told and told[2] == ("no" if many else "yes")
    assert float(told[1]) < 0.33 if many else float(told[1]) > 3, told


def told_of_sizes(path: Path, kind: int, shape: list[int], batch: int = 1) -> Path:
    """RT-DETR's export: orig_target_sizes (width, height), here what the boxes are multiplied by."""
    net = forms.Net([batch, 3, 64, 96])
    net.inputs.append(forms.helper.make_tensor_value_info("orig_target_sizes", kind, shape))
    sizes = net.op("Cast", "orig_target_sizes", to=forms.TensorProto.FLOAT)
    if len(shape) == 1:
        sizes = net.op("Unsqueeze", sizes, net.const([0], np.int64))
    sides = net.op("Unsqueeze", net.op("Concat", sizes, sizes, axis=1), net.const([1], np.int64))
    shares, scores = np.zeros((batch, 10, 4), np.float32), np.zeros((batch, 10), np.float32)
    shares[:, 0], scores[:, 0] = [0.25, 0.25, 0.5, 0.75], 0.9
    net.output("labels", net.answer(np.ones((batch, 10), np.int64)), [batch, 10], np.int64)
    net.output("boxes", net.op("Mul", net.answer(shares), sides), [batch, 10, 4])
    net.output("scores", net.answer(scores), [batch, 10])
    return net.save(path)


def test_sizes_are_told_for_each_picture_of_a_fixed_batch(tmp_path: Path) -> None:
    """At batch 2 orig_target_sizes has a row for each."""
    model = told_of_sizes(tmp_path / "sizes.onnx", forms.TensorProto.INT64, [2, 2], 2)
    assert explained(model)["batch"] == "always 2"
    (found,) = reply(model, forms.flat(tmp_path / "a.ppm", 96, 64))["objects"]
    assert (corners(found), found["class_id"]) == ([24, 16, 48, 48], 1)


@pytest.mark.parametrize("shape", [[1, 2], [2]], ids=str)
@pytest.mark.parametrize("kind", ["INT64", "INT32", "FLOAT", "FLOAT16"])
def test_sizes_are_told_in_numbers_of_any_kind(kind: str, shape: list[int], tmp_path: Path) -> None:
    model = told_of_sizes(tmp_path / "sizes.onnx", forms.TensorProto.DataType.Value(kind), shape)
    (found,) = reply(model, forms.flat(tmp_path / "a.ppm", 96, 64))["objects"]
    assert corners(found) == [24, 16, 48, 48]


def test_sizes_in_other_numbers_are_refused(tmp_path: Path) -> None:
    done = sight.run("model", "explain", told_of_sizes(tmp_path / "sizes.onnx", forms.TensorProto.UINT8, [1, 2]))
    assert done.returncode == 1
    assert 'input "orig_target_sizes" is uint8; expected float32, float16, int32 or int64' in done.stderr


def test_crops_share_a_fixed_batch(tmp_path: Path) -> None:
    """A classifier of three pictures at a time on five boxes: each box has the colour that lies there."""
    boxes = np.zeros((1, 10, 6), np.float32)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0), (0, 0, 255)]
    pixels = np.zeros((320, 320, 3), np.uint8)
    for i, colour in enumerate(colours):
        boxes[0, i] = [60 * i + 4, 40, 60 * i + 52, 90, 0.9 - 0.01 * i, 0]
        pixels[30:100, 60 * i:60 * i + 56] = colour
    forms.constant(tmp_path / "boxes.onnx", {"output0": boxes}, (1, 3, 320, 320),
                   {"task": "detect", "names": "{0: 'thing'}"})
    means(tmp_path / "colour.onnx", (3, 3, 16, 16),
          {"task": "classify", "names": "{0: 'red', 1: 'green', 2: 'blue'}", "imgsz": "[16, 16]"})
    recipe = tmp_path / "both.yaml"
    recipe.write_text("detect: { model: boxes }\nclassify:\n  - { model: colour }\n", encoding="utf-8")
    found = sight.detect("--models", tmp_path, "--pipelines", recipe, forms.picture(tmp_path / "x.ppm", pixels))[0]
    assert [o["attributes"][0]["label"] for o in found["objects"]] == ["red", "green", "blue", "red", "blue"]


# --- declared sizes that are wrong -----------------------------------------------------------------------------------

def test_outputs_may_be_declared_wrongly(tmp_path: Path) -> None:
    """What counts is what a run gives: 20 rows where 10 are declared."""
    net = forms.Net([1, 3, 64, 64])
    rows = np.zeros((1, 20, 6), np.float32)
    rows[0, 12] = [8, 16, 40, 48, 0.9, 1]
    shape = net.op("Add", net.const(np.float32([1, 20, 6])), net.zero())  # so that no shape is known before a run
    shape = net.op("Cast", shape, to=forms.KINDS[np.dtype(np.int64)])
    net.output("out", net.op("Reshape", net.answer(rows), shape), [1, 10, 6])
    found = reply(net.save(tmp_path / "out.onnx"), forms.flat(tmp_path / "x.ppm", 64, 64))["objects"]
    assert [(corners(o), o["class_id"]) for o in found] == [([8, 16, 40, 48], 1)]


@pytest.mark.parametrize("shape, said", [
    ([1, 3, 64, 64], "a 64x64 picture, the size that it declares; export it with a free height and width if that is"),
    ([1, 3, "height", "width"], "a 640x640 picture, try another `input: {size: [WIDTH, HEIGHT]}`"),
])
def test_an_input_that_is_declared_wrongly(shape: list[Any], said: str, tmp_path: Path) -> None:
    net = forms.Net(shape)
    small = net.op("Reshape", "images", net.const([1, 3, 32, 32], np.int64))
    net.output("out", net.op("Softmax", net.op("Flatten", net.op("GlobalAveragePool", small)), axis=1), [1, 3])
    model = net.save(tmp_path / "size.onnx")
    done = sight.run("model", "explain", model)
    assert done.returncode == 1 and said in done.stderr
    if shape[2] == "height":
        (tmp_path / "size.yaml").write_text("input: {size: [32, 32]}\n", encoding="utf-8")
        assert explained(model)["size"] == "32x32"
