# SPDX-License-Identifier: MIT
"""Every key of a model card does what docs/CONFIG.md says, on real models: what `explain` decides and what is found."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sight
import yaml

pytestmark = pytest.mark.skipif(not sight.MODELS.is_dir(), reason=sight.WITHOUT_SHARED)

YOLO, FAST, SSD, NET = "yolov8n", "yolo_fastestv2_352", "ssd_mobilenet_v1_coco_qdq_int8", "squeezenet_fp32"
DOG, ZEBRA = sight.IMAGES / "dog.jpg", sight.IMAGES / "cls_zebra.jpeg"


def card(folder: Path, model: str, keys: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "model.onnx").symlink_to(sight.MODELS / f"{model}.onnx")
    (folder / "model.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    return folder


def explained(path: Path) -> dict[str, str]:
    said = sight.run("model", "explain", path, check=True).stdout
    blocks = re.findall(r"^(\w+) +(.+\n(?: {12}.+\n)*)", said, re.MULTILINE)
    return {key: re.sub(r"\s+", " ", text).strip() for key, text in blocks}


def reply(path: Path, picture: Path = DOG, *options: object) -> dict[str, Any]:
    return sight.detect("--model", path, "--decode", "exact", *options, picture)[0]


@pytest.mark.parametrize("model, keys, decision, said", [
    ("yolo11n_dyn", {"input": {"size": [384, 256]}}, "size", "384x256 the card"),
    (YOLO, {"input": {"color": "bgr"}}, "color", "bgr the card"),
    (YOLO, {"input": {"resize": "stretch"}}, "resize", "stretch the card"),
    (YOLO, {"input": {"layout": "nchw"}}, "layout", "nchw the card"),
    (YOLO, {"input": {"resize": "letterbox", "pad": 7}}, "resize", "letterbox, pad 7 the card"),
    (NET, {"input": {"resize": "center-crop", "shorter_side": 300}}, "resize", "center-crop, shorter side 300 the"),
    # (pixel * scale - mean) / std is (pixel - mean / scale) / (std / scale)
    (YOLO, {"input": {"scale": 0.5, "mean": 10, "std": 100}}, "mean", "20, 20, 20; std 200, 200, 200 the card"),
    (YOLO, {"input": {"mean": [1, 2, 3], "std": [4, 5, 6]}}, "mean", "1, 2, 3; std 4, 5, 6 the card"),
    ("faceapi_expression", {"batch": "never"}, "batch", "never the card"),
    ("faceapi_expression", {"batch": 3}, "batch", "up to 3"),
    (YOLO, {"head": "yolov8"}, "head", "yolov8 the card"),
    (YOLO, {"labels": "coco80"}, "labels", "coco80 the card names a well-known set"),
    (YOLO, {"labels": ["a", "b"]}, "labels", "2 names the card lists them"),
    (YOLO, {"threshold": 0.77}, "threshold", "0.77 the card"),
    (YOLO, {"nms": 0.33}, "nms", "IoU 0.33 the card"),
    (YOLO, {"nms": 0.33, "agnostic": True}, "nms", "IoU 0.33, across classes the card"),
    (YOLO, {"name": "eyes"}, "model", "eyes"),
])
def test_explain_shows_what_the_card_decided(model: str, keys: dict[str, Any], decision: str, said: str,
                                             tmp_path: Path) -> None:
    found = explained(card(tmp_path / "m", model, keys))[decision]
    assert found.startswith(said) and " * " not in found


def test_what_a_card_says_of_pixels_reaches_the_tensor(tmp_path: Path) -> None:
    """`sight model run` prints the input's mean, least and most: computed by hand from the pad and the extremes."""
    said = sight.run("model", "run", card(tmp_path / "m", YOLO, {"input": {"scale": 0.5, "mean": 10, "std": 100}}), DOG,
                     check=True).stdout
    low, high = map(float, re.search(r"min (\S+)  max (\S+)", said).groups())  # type: ignore[union-attr]
    assert low == pytest.approx(-0.1, abs=1e-3) and high == pytest.approx((255 * 0.5 - 10) / 100, abs=1e-3)


def test_class_offset(tmp_path: Path) -> None:
    """An SSD graph counts from 1. Without taking it off, every name is that of the next class."""
    names = (sight.MODELS / "labels" / "coco91_tfod_with_background.txt").read_text(encoding="utf-8").splitlines()
    usual = reply(card(tmp_path / "a", SSD, {"labels": names[1:]}))["objects"]
    kept = reply(card(tmp_path / "b", SSD, {"labels": names[1:], "class_offset": 2}))["objects"]
    assert len(usual) >= 3 and "dog" in {o["label"] for o in usual}
    later = [o for o in usual if o["class_id"] > 0]
    assert [o["class_id"] for o in kept] == [o["class_id"] - 1 for o in later]
    assert [o["label"] for o in kept] == [names[1:][o["class_id"] - 1] for o in later]


def test_scores(tmp_path: Path) -> None:
    """Probabilities taken for logits: a softmax of values in 0..1 over 1000 classes has nearly no peak."""
    usual = reply(card(tmp_path / "a", NET, {}), ZEBRA)["attributes"][0]
    again = reply(card(tmp_path / "b", NET, {"scores": "probability"}), ZEBRA)["attributes"][0]
    flat = reply(card(tmp_path / "c", NET, {"scores": "softmax"}), ZEBRA)["attributes"][0]
    squashed = reply(card(tmp_path / "d", NET, {"scores": "sigmoid"}), ZEBRA)["attributes"][0]
    assert usual["score"] == again["score"] > 0.9 and usual["class_id"] == flat["class_id"] == squashed["class_id"]
    assert flat["score"] == pytest.approx(2.718 / (2.718 + 999), rel=0.2)
    assert 0.7 < squashed["score"] < 0.7311  # sigmoid(1)


def test_top_k_and_embedding(tmp_path: Path) -> None:
    assert len(reply(card(tmp_path / "a", NET, {"top_k": 4}), ZEBRA)["attributes"]) == 4
    vector = reply(card(tmp_path / "b", NET, {"embedding": True}), ZEBRA)["attributes"][0]["vector"]
    assert len(vector) == 1000 and sum(v * v for v in vector) == pytest.approx(1, abs=1e-3)


def test_anchors_and_strides(tmp_path: Path) -> None:
    """Twice the anchors are twice the sides; strides that do not fit the rows are refused."""
    usual = [12.64, 19.39, 37.88, 51.48, 55.71, 138.31, 126.91, 78.23, 131.57, 214.55, 279.92, 258.87]
    pairs = [[a, b] for a, b in zip(usual[::2], usual[1::2])]
    half = [[a / 2, b / 2] for a, b in pairs]
    plain = reply(card(tmp_path / "a", FAST, {}))["objects"]
    told = reply(card(tmp_path / "b", FAST, {"anchors": pairs}))["objects"]
    assert plain and told == plain
    small = reply(card(tmp_path / "c", FAST, {"anchors": half}))["objects"]
    best = max(plain, key=lambda o: o["score"])
    twin = max((o for o in small if o["label"] == best["label"]), key=lambda o: o["score"])
    assert twin["bbox"]["w"] == pytest.approx(best["bbox"]["w"] / 2, rel=0.02)
    same = reply(card(tmp_path / "e", "yolox_nano", {"strides": [8, 16, 32]}))["objects"]
    assert same and same == reply(card(tmp_path / "f", "yolox_nano", {}))["objects"]
    done = sight.run("model", "explain", card(tmp_path / "d", "yolox_nano", {"head": "yolox", "strides": [8, 16]}))
    assert done.returncode == 1 and "expected" in done.stderr and "got" in done.stderr


def test_mask_threshold(tmp_path: Path) -> None:
    """A mask that must be surer is smaller."""
    def area(path: Path) -> float:
        ring = reply(path, sight.IMAGES / "bus.jpg")["objects"][0]["polygon"]
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:] + ring[:1]))) / 2
    assert area(card(tmp_path / "a", "yolo11n-seg", {"mask_threshold": 0.9})) < area(
        card(tmp_path / "b", "yolo11n-seg", {"mask_threshold": 0.2}))


def test_margin_keeps_more_pixels(tmp_path: Path) -> None:
    """A margin so large that nothing may be reduced gives the boxes of an exact decode."""
    big = card(tmp_path / "m", YOLO, {"input": {"margin": 16}})
    picture = sight.IMAGES / "car_plate_1920.jpg"
    assert (sight.detect("--model", big, "--decode", "fast", picture)[0]["objects"]
            == reply(card(tmp_path / "n", YOLO, {}), picture)["objects"])
