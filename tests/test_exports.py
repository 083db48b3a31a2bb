# SPDX-License-Identifier: MIT
"""Forms of export of which there is no file: the same real network in that form finds the same objects.

exports.py and standins.py build them at run time from real models; what must be found is what the unmodified model
finds, which test_goldens.py holds against results made by other implementations. First come the stand-ins, then forms
made of them; where the additional set is there, forms are made of its models too.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import agreement
import assets
import pytest
import sight
import yaml

pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")

import exports  # noqa: E402
import standins  # noqa: E402

PICTURES = {assets.BASE: [sight.IMAGES / f"{n}.jpg" for n in ("bus", "zidane", "group1", "group3", "group6")],
            assets.ADDITIONAL: [assets.ADDITIONAL.images() / n for n in ("bus.jpg", "dog.jpg", "road_traffic.jpg")]}


class Form(NamedTuple):
    """How one form is made, which head must know it, and what the comparison needs."""

    base: str
    make: Callable[[exports.Graph], None]
    head: str
    threshold: float = 0.3
    labels: str = "coco80"
    card: dict[str, Any] = {}  # of the form
    base_card: dict[str, Any] = {}  # of the unmodified model, where their pictures differ
    iou: float = 0.99
    score: float = 0.002


V5, V8, V11, DEIM = "yolov5n", "yolov8n", "yolo11n", "deimv2"
GRAY_128 = {"input": {"pad": 128}}
FORMS = {
    "yolov5 grids, four dimensions": Form(V5, exports.yolov5_grids_4d, "yolov5-grid"),
    "yolov5 grids, five dimensions": Form(V5, exports.yolov5_grids_5d, "yolov5-grid"),
    "yolov5 table beside its grids": Form(V5, exports.yolov5_table_and_grids, "yolov5"),
    "yolov5 in 0..1": Form(V5, exports.yolov5_normalised, "yolov5"),
    "yolov3 grids of darknet": Form(V5, exports.darknet_grids, "yolov3-grid", iou=0.6,
                                    card={"head": "yolov3-grid", "input": {"resize": "letterbox"}}),
    "yolov4 of the model zoo": Form(V5, exports.zoo_yolov4, "yolov4-grid", iou=0.6, base_card=GRAY_128),
    "yolo grids of TensorFlow, decoded": Form(V5, exports.tensorflow_decoded, "yolov4-grid", base_card=GRAY_128),
    "yolov4 boxes and confs": Form(V5, exports.yolov4_boxes_confs, "yolov4", card={"nms": 0.45},
                                   base_card={"input": {"resize": "stretch"}}),
    "DetectionOutput": Form("yolov7-end2end", exports.detection_output, "end2end"),
    "yolox decoded": Form("yolox", exports.yolox_decoded, "yolox-decoded"),
    "yolov8, one row per candidate": Form(V8, exports.yolov8_rows, "yolov8"),
    "yolov8 in 0..1": Form(V8, exports.yolov8_normalised, "yolov8"),
    "yolov8 with nms=True": Form(V8, exports.yolov8_nms, "end2end"),
    "yolov3 of the model zoo": Form(V11, exports.nms_zoo_yolov3, "nms-indices",
                                    base_card={"input": {"pad": 128, "size": [416, 416]}}),
    "tiny yolov3 of the model zoo": Form(V8, exports.nms_zoo_tiny, "nms-indices", base_card=GRAY_128),
    "NonMaxSuppression appended": Form(V11, exports.nms_appended, "nms-indices"),
    "nms of centres": Form(V11, exports.nms_centres, "nms-indices"),
    "EfficientNMS": Form(V8, exports.efficient_nms, "efficientnms"),
    "torchvision": Form(V8, exports.torchvision, "detr", labels="coco91", base_card={"input": {"resize": "stretch"}}),
    "torchvision, one picture without a batch": Form(V8, exports.lone_picture, "detr", labels="coco91",
                                                     base_card={"input": {"resize": "stretch"}}),
    "the same, uint8 and channels last": Form(V8, exports.lone_picture_nhwc, "detr", labels="coco91",
                                              base_card={"input": {"resize": "stretch"}}),
    "mmdeploy": Form(V8, exports.mmdeploy, "detr", card={"input": {
        "color": "rgb", "mean": 0, "std": 255, "resize": "letterbox", "pad": 114}}),
    "ssd of the model zoo": Form(V8, exports.ssd_zoo, "detr", card={"class_offset": 1},
                                 base_card={"input": {"resize": "stretch"}}),
    "uint8 NHWC, normalised inside": Form(V8, exports.uint8_nhwc, "yolov8"),
    "int8 input": Form(V8, exports.int8_input, "yolov8"),
    "RT-DETR logits": Form(DEIM, exports.detr_sigmoid, "detr-raw", threshold=0.4),
    # The softmax has one class per query, the sigmoid may have two: what it leaves out is the weaker one.
    "DETR logits": Form(DEIM, exports.detr_softmax, "detr-raw", threshold=0.4, labels="coco91"),
    "PP-PicoDet without post-processing": Form("picodet", exports.picodet_raw, "picodet",
                                               threshold=0.5, iou=0.95),
}
# The additional set's own names of the bases, where they differ.
ADDITIONAL_BASES = {V11: "yolo11n_dyn", DEIM: "deimv2_atto_320", "yolov7-end2end": "yolov5n_end2end_nms",
                    "yolox": "yolox_nano", "picodet": "picodet_xs_320_postproc"}
# Only a real PP-PicoDet has the tensors that this form cuts off at; the base set's is of that form already.
ADDITIONAL_ONLY = {"PP-PicoDet without post-processing"}
FORMED = [(origin, name) for origin in assets.SETS for name in FORMS
          if origin is assets.ADDITIONAL or name not in ADDITIONAL_ONLY]


def base_of(origin: assets.Set, form: Form) -> Path:
    return origin.model(form.base if origin is assets.BASE else ADDITIONAL_BASES.get(form.base, form.base))


def at(side: int, fit: str, **more: Any) -> dict[str, Any]:
    return {"input": {"size": [side, side], "resize": fit, **more}}


# Stand-ins: the card that makes their network see the same pictures, and what else the comparison needs.
STANDINS = {
    "yolov5n": Form(V8, standins.yolov5n, "yolov5"),
    "yolov7-end2end": Form(V8, standins.yolov7_end2end, "end2end"),
    "yolo26": Form(V8, standins.yolo26, "end2end", base_card={"nms": 0}),
    "yolox": Form(V11, standins.yolox_nano, "yolox", base_card=at(416, "letterbox-topleft")),
    "deimv2": Form(V11, standins.deimv2, "detr", base_card=at(320, "stretch")),
    "picodet": Form(V11, standins.picodet, "paddle", base_card=at(320, "stretch")),
    "fastestdet": Form(V11, standins.fastestdet, "fastestdet", base_card=at(352, "stretch"), iou=0.98),
    "yolo-fastestv2": Form(V11, standins.yolo_fastestv2, "yolo-fastestv2", base_card=at(352, "stretch")),
    "nanodet": Form(V11, standins.nanodet, "nanodet", base_card=at(416, "letterbox", pad=0)),
    # Distances are not negative, so the side of a small object cannot lie on its cell's far side.
    "nanodet-plus": Form(V11, standins.nanodet_plus, "nanodet-plus", base_card=at(416, "letterbox", pad=0), iou=0.9),
    "scrfd": Form("retinaface", standins.scrfd, "scrfd", threshold=0.75, base_card={"nms": 0.4}),
    "yunet": Form("retinaface", standins.yunet, "yunet", threshold=0.75, base_card={"nms": 0.3}),
    "ultraface": Form("retinaface", standins.ultraface, "ultraface", threshold=0.75,
                      base_card={"nms": 0.3, "input": {"resize": "stretch"}}),
    "ssd-variance": Form("retinaface", standins.ssd_variance, "ssd-variance", threshold=0.75,
                         card={"labels": ["face", "masked"]},
                         base_card={"nms": 0.4, "input": {"resize": "stretch"}}),
}
# Forms that cannot hold all of their base: one class per query, and centres that stay inside their cell.
LESS = ("DETR logits", "yolov3 grids of darknet", "yolov4 of the model zoo")


def place(folder: Path, model: Path, card: dict[str, Any]) -> Path:
    """The model as FOLDER/model.onnx with a card when there is something to say."""
    folder.mkdir()
    (folder / "model.onnx").symlink_to(model)
    if card:
        (folder / "model.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder


def found(model: Path, form: Form, labels: str, origin: assets.Set = assets.BASE) -> list[list[dict[str, Any]]]:
    replies = sight.detect("--model", model, *(("--labels", labels) if labels else ()), "--decode", "exact",
                           "--threshold", form.threshold, *PICTURES[origin])
    assert all("error" not in r for r in replies), replies
    return [r["objects"] for r in replies]


def same(a: dict[str, Any], b: dict[str, Any], form: Form) -> bool:
    """The sets of labels count differently, so names are compared."""
    return (a["label"] == b["label"] and abs(a["score"] - b["score"]) <= form.score
            and agreement.iou(agreement.corners(a), agreement.corners(b)) >= form.iou)


def compare(form: Form, wanted: list[list[dict[str, Any]]], got: list[list[dict[str, Any]]],
            less: bool = False) -> tuple[int, int]:
    """How many objects there were and how many are missing, which only a form that holds less may have."""
    total = missing = 0
    for mine, theirs in zip(got, wanted):
        # Objects whose score is so near the threshold that the last bit decides need not be there.
        sure = [o for o in theirs if o["score"] >= form.threshold + form.score]
        lost = [o for o in sure if not any(same(o, g, form) for g in mine)]
        odd = [o for o in mine
               if o["score"] >= form.threshold + form.score and not any(same(o, w, form) for w in theirs)]
        if not less:
            assert lost == [] and odd == []
        total, missing = total + len(sure), missing + len(lost)
    return total, missing


def head_of(model: Path) -> str:
    said = sight.run("model", "explain", model, check=True).stdout
    return next(line for line in said.splitlines() if line.startswith("head")).split()[1]


@pytest.mark.parametrize("name", STANDINS)
def test_a_stand_in_finds_what_its_network_finds(name: str, tmp_path: Path) -> None:
    form, model = STANDINS[name], sight.model(name)
    labels = "" if form.base == "retinaface" else "coco80"
    assert head_of(model) == form.head
    base = place(tmp_path / "base", sight.model(form.base), form.base_card)
    made = place(tmp_path / "made", model, form.card)
    total, _ = compare(form, found(base, form, labels), found(made, form, labels))
    assert total >= 12


@pytest.mark.parametrize("origin, name", FORMED, ids=[f"{o.name}-{n}" for o, n in FORMED])
def test_a_form_finds_what_its_model_finds(origin: assets.Set, name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    graph = exports.Graph(base_of(origin, form))
    form.make(graph)
    made = place(tmp_path / "made", graph.save(tmp_path / "made.onnx"), form.card)
    assert head_of(made / "model.onnx") == form.head
    base = place(tmp_path / "base", base_of(origin, form), form.base_card)
    total, missing = compare(form, found(base, form, "coco80", origin), found(made, form, form.labels, origin),
                             less=name in LESS)
    assert total >= 15
    assert missing <= 0.15 * total


@pytest.mark.parametrize("channels, keys", [(1, {}), (1, {"color": "gray"}), ("c", {"color": "gray"})])
def test_gray_inputs(channels: Any, keys: dict[str, Any], tmp_path: Path) -> None:
    """In a gray picture all channels are the same, so the unmodified model sees what the gray one does."""
    graph = exports.Graph(sight.model(V8))
    exports.gray(graph, channels)
    made = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"input": keys} if keys else {})
    form, picture = Form(V8, exports.int8_input, "yolov8"), sight.IMAGES / "bus_gray.png"
    wanted, got = (sight.detect("--model", m, "--labels", "coco80", "--decode", "exact", picture)[0]["objects"]
                   for m in (sight.model(V8), made))
    assert len(wanted) == len(got) >= 4 and all(same(a, b, form) for a, b in zip(wanted, got))


def test_one_channel_is_not_rgb(tmp_path: Path) -> None:
    graph = exports.Graph(sight.model(V8))
    exports.gray(graph, 1)
    made = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"input": {"color": "bgr"}})
    done = sight.run("model", "explain", made)
    assert done.returncode == 1 and "`input: {color: rgb or bgr}`" in done.stderr
    assert done.stderr.endswith('input "pixels" is 1x1x640x640, with 1 channel; leave it out\n')


def test_outputs_of_all_pictures_together_are_not_batched(tmp_path: Path) -> None:
    """What NonMaxSuppression picked is one list for all pictures: nothing could be measured, and explain says so."""
    graph = exports.Graph(sight.model(V11))
    exports.nms_appended(graph)
    said = sight.run("model", "explain", graph.save(tmp_path / "made.onnx"), check=True).stdout
    assert re.search(r"^batch +never\n +the outputs are not one part for each picture$", said, re.MULTILINE)


@pytest.mark.parametrize("make", [exports.yolov2_coco, exports.custom_vision])
def test_yolov2_finds_what_its_grid_holds(make: Callable[[exports.Graph], None], tmp_path: Path) -> None:
    """Held against YOLOv5's largest grid alone; centres outside their cell cannot be told and stay at its border."""
    base, made = (exports.Graph(sight.model(V5)) for _ in range(2))
    exports.largest_grid_only(base)
    make(made)
    form = Form(V5, make, "yolov2", iou=0.6, card={"nms": 0.45})
    paths = (place(tmp_path / "base", base.save(tmp_path / "base.onnx"), {"input": {"resize": "stretch"}}),
             made.save(tmp_path / "made.onnx"))
    wanted, got = (found(path, form, "coco80") for path in paths)
    sure = [(o, g) for w, g in zip(wanted, got) for o in w if o["score"] >= form.threshold + form.score]
    assert len(sure) >= 6 and sum(any(same(o, other, form) for other in g) for o, g in sure) >= 0.85 * len(sure)
    assert sum(map(len, got)) <= 1.3 * sum(map(len, wanted))
    assert re.search(r"^head +yolov2", sight.run("model", "explain", paths[1], check=True).stdout, re.MULTILINE)


def classify(model: Path, *options: object) -> dict[str, Any]:
    return sight.detect("--model", model, "--decode", "exact", *options, sight.IMAGES / "page_90.png")[0]


def test_several_labels_need_not_sum_to_one(tmp_path: Path) -> None:
    """Sigmoids stay as they are; the order is the softmax's, since both rise with the same values."""
    graph = exports.Graph(sight.model("orientation"))
    exports.multi_label(graph)
    answers = classify(graph.save(tmp_path / "data_0.onnx"), "--top-k", 4)["attributes"]
    base = classify(sight.model("orientation"), "--top-k", 4)["attributes"]
    assert [a["class_id"] for a in answers] == [a["class_id"] for a in base]
    assert sum(a["score"] for a in answers) > 1.5


@pytest.mark.parametrize("vector_first", [False, True])
@pytest.mark.parametrize("keys", [{"embedding": True}, {"head": "classify", "top_k": 3}])
def test_a_sequence_beside_the_vector(keys: dict[str, Any], vector_first: bool, tmp_path: Path) -> None:
    """Asked for, the vector is what a graph of it alone gives; not asked for, no head takes such a graph."""
    alone, both = (exports.Graph(sight.model("orientation")) for _ in range(2))
    exports.embedding(alone)
    exports.sequence_and_vector(both, vector_first)
    graph = both.save(tmp_path / "both.onnx")
    wanted, found = (classify(place(tmp_path / name, path, keys))["attributes"]
                     for name, path in (("a", alone.save(tmp_path / "alone.onnx")), ("b", graph)))
    assert len(wanted) == keys.get("top_k", 1)
    for a, b in zip(wanted, found):
        assert {k: v for k, v in a.items() if k != "model"} == {k: v for k, v in b.items() if k != "model"}
    done = sight.run("model", "explain", graph)
    assert done.returncode == 1 and "no head fits" in done.stderr and "pooler_output" in done.stderr


def test_a_vector_has_length_one(tmp_path: Path) -> None:
    graph = exports.Graph(sight.model("orientation"))
    exports.embedding(graph)
    model = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"embedding": True})
    attribute, = sight.detect("--model", model, sight.IMAGES / "page_90.png")[0]["attributes"]
    assert len(attribute["vector"]) == exports.pooled(exports.Graph(sight.model("orientation")))[2] > 100
    assert sum(v * v for v in attribute["vector"]) == pytest.approx(1, abs=1e-3)
