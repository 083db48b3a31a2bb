# SPDX-License-Identifier: MIT
"""Forms of export of which ../shared holds no file: the same real network in that form finds the same objects.

exports.py builds them at run time from the real models; what must be found is what the unmodified model finds, which
test_goldens.py holds against results made by another implementation.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import agreement
import pytest
import sight
import yaml

pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")

import exports  # noqa: E402

pytestmark = pytest.mark.skipif(not sight.MODELS.is_dir(), reason=sight.WITHOUT_SHARED)

PICTURES = [sight.IMAGES / n for n in ("bus.jpg", "dog.jpg", "road_traffic.jpg")]


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


V5, V8, DEIM = "yolov5n", "yolov8n", "deimv2_atto_320"
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
    "DetectionOutput": Form("yolov5n_end2end_nms", exports.detection_output, "end2end"),
    "yolox decoded": Form("yolox_nano", exports.yolox_decoded, "yolox-decoded"),
    "yolov8, one row per candidate": Form(V8, exports.yolov8_rows, "yolov8"),
    "yolov8 in 0..1": Form(V8, exports.yolov8_normalised, "yolov8"),
    "yolov8 with nms=True": Form(V8, exports.yolov8_nms, "end2end"),
    "yolov3 of the model zoo": Form("yolo11n_dyn", exports.nms_zoo_yolov3, "nms-indices",
                                    base_card={"input": {"pad": 128, "size": [416, 416]}}),
    "tiny yolov3 of the model zoo": Form(V8, exports.nms_zoo_tiny, "nms-indices", base_card=GRAY_128),
    "NonMaxSuppression appended": Form("yolo11n_dyn", exports.nms_appended, "nms-indices"),
    "nms of centres": Form("yolo11n_dyn", exports.nms_centres, "nms-indices"),
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
    "PP-PicoDet without post-processing": Form("picodet_xs_320_postproc", exports.picodet_raw, "picodet",
                                               threshold=0.5, iou=0.95),
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


def found(model: Path, form: Form, labels: str) -> list[list[dict[str, Any]]]:
    replies = sight.detect("--model", model, "--labels", labels, "--decode", "exact", "--threshold", form.threshold,
                           *PICTURES)
    assert all("error" not in r for r in replies), replies
    return [r["objects"] for r in replies]


def same(a: dict[str, Any], b: dict[str, Any], form: Form) -> bool:
    """The sets of labels count differently, so names are compared."""
    return (a["label"] == b["label"] and abs(a["score"] - b["score"]) <= form.score
            and agreement.iou(agreement.corners(a), agreement.corners(b)) >= form.iou)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_finds_what_its_model_finds(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    graph = exports.Graph(sight.MODELS / f"{form.base}.onnx")
    form.make(graph)
    made = place(tmp_path / "made", graph.save(tmp_path / "made.onnx"), form.card)
    said = sight.run("model", "explain", made / "model.onnx", check=True).stdout
    assert next(line for line in said.splitlines() if line.startswith("head")).split()[1] == form.head
    base = place(tmp_path / "base", sight.MODELS / f"{form.base}.onnx", form.base_card)
    total = missing = 0
    for wanted, got in zip(found(base, form, "coco80"), found(made, form, form.labels)):
        # Objects whose score is so near the threshold that the last bit decides need not be there.
        sure = [o for o in wanted if o["score"] >= form.threshold + form.score]
        lost = [o for o in sure if not any(same(o, g, form) for g in got)]
        odd = [o for o in got
               if o["score"] >= form.threshold + form.score and not any(same(o, w, form) for w in wanted)]
        if name not in LESS:
            assert lost == [] and odd == []
        total, missing = total + len(sure), missing + len(lost)
    assert total >= 20
    assert missing <= 0.15 * total


@pytest.mark.parametrize("channels, keys", [(1, {}), (1, {"color": "gray"}), ("c", {"color": "gray"})])
def test_gray_inputs(channels: Any, keys: dict[str, Any], tmp_path: Path) -> None:
    """In a gray picture all channels are the same, so the unmodified model sees what the gray one does."""
    graph = exports.Graph(sight.MODELS / f"{V8}.onnx")
    exports.gray(graph, channels)
    made = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"input": keys} if keys else {})
    form, picture = Form(V8, exports.int8_input, "yolov8"), sight.IMAGES / "bus_gray.jpg"
    wanted, got = (sight.detect("--model", m, "--labels", "coco80", "--decode", "exact", picture)[0]["objects"]
                   for m in (sight.MODELS / f"{V8}.onnx", made))
    assert len(wanted) == len(got) >= 4 and all(same(a, b, form) for a, b in zip(wanted, got))


def test_one_channel_is_not_rgb(tmp_path: Path) -> None:
    graph = exports.Graph(sight.MODELS / f"{V8}.onnx")
    exports.gray(graph, 1)
    made = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"input": {"color": "bgr"}})
    done = sight.run("model", "explain", made)
    assert done.returncode == 1 and "`input: {color: rgb or bgr}`" in done.stderr
    assert done.stderr.endswith('input "pixels" is 1x1x640x640, with 1 channel; leave it out\n')


def test_outputs_of_all_pictures_together_are_not_batched(tmp_path: Path) -> None:
    """What NonMaxSuppression picked is one list for all pictures: nothing could be measured, and explain says so."""
    graph = exports.Graph(sight.MODELS / "yolo11n_dyn.onnx")
    exports.nms_appended(graph)
    said = sight.run("model", "explain", graph.save(tmp_path / "made.onnx"), check=True).stdout
    assert re.search(r"^batch +never\n +the outputs are not one part for each picture$", said, re.MULTILINE)


@pytest.mark.parametrize("make", [exports.yolov2_coco, exports.custom_vision])
def test_yolov2_finds_what_its_grid_holds(make: Callable[[exports.Graph], None], tmp_path: Path) -> None:
    """Held against YOLOv5's largest grid alone; centres outside their cell cannot be told and stay at its border."""
    base, made = (exports.Graph(sight.MODELS / f"{V5}.onnx") for _ in range(2))
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
    return sight.detect("--model", model, "--labels", sight.MODELS / "labels" / "imagenet1000.txt", "--decode", "exact",
                        *options, sight.IMAGES / "cls_zebra.jpeg")[0]


def test_several_labels_need_not_sum_to_one(tmp_path: Path) -> None:
    """Sigmoids stay as they are; the order is the softmax's, since both rise with the same values."""
    graph = exports.Graph(sight.MODELS / "squeezenet_fp32.onnx")
    exports.multi_label(graph)
    answers = classify(graph.save(tmp_path / "data_0.onnx"), "--top-k", 5)["attributes"]
    base = classify(sight.MODELS / "squeezenet_fp32.onnx", "--top-k", 5)["attributes"]
    assert [a["label"] for a in answers] == [a["label"] for a in base]
    assert sum(a["score"] for a in answers) > 1.5


@pytest.mark.parametrize("vector_first", [False, True])
@pytest.mark.parametrize("keys", [{"embedding": True}, {"head": "classify", "top_k": 3}])
def test_a_sequence_beside_the_vector(keys: dict[str, Any], vector_first: bool, tmp_path: Path) -> None:
    """Asked for, the vector is what a graph of it alone gives; not asked for, no head takes such a graph."""
    alone, both = (exports.Graph(sight.MODELS / "squeezenet_fp32.onnx") for _ in range(2))
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
    graph = exports.Graph(sight.MODELS / "squeezenet_fp32.onnx")
    exports.embedding(graph)
    model = place(tmp_path / "m", graph.save(tmp_path / "made.onnx"), {"embedding": True})
    attribute, = sight.detect("--model", model, sight.IMAGES / "cls_zebra.jpeg")[0]["attributes"]
    assert len(attribute["vector"]) == 1000
    assert sum(v * v for v in attribute["vector"]) == pytest.approx(1, abs=1e-3)
