# SPDX-License-Identifier: MIT
"""The default `faces` pipeline against the faces that two other detectors find (goldens of SCRFD and YuNet)."""

import functools
import json
from typing import Any

import agreement
import pytest
import sight

OTHERS = ("scrfd_500m_kps_640", "face_detection_yunet_2023mar")
GOLDENS = ([json.loads(p.read_text(encoding="utf-8")) for model in OTHERS
            for p in sorted(sight.GOLDENS.glob(f"{model}__*.json"))] if sight.GOLDENS.is_dir() else [])
PICTURES = sorted({g["image"] for g in GOLDENS})
# Pictures without a person; the goldens' detectors were not run on them, a look tells.
FACELESS = ["car_12mp.jpg", "car_plate_1920.jpg", "cls_bee.jpeg", "cls_espresso.png", "cls_zebra.jpeg", "dog.jpg",
            "fruit.jpg", "receipt_synthetic.jpg", "text_street_sign_zh.jpg", "two_dogs.jpg"]
EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")  # face-api.js
pytestmark = pytest.mark.skipif(not GOLDENS, reason=sight.WITHOUT_SHARED)


@functools.cache
def found(decode: str) -> dict[str, dict[str, Any]]:
    names = PICTURES + FACELESS
    return dict(zip(names, sight.detect("--pipeline", "faces", "--decode", decode, *(sight.IMAGES / n for n in names))))


def best(box: agreement.Box, objects: list[dict[str, Any]]) -> float:
    return max((agreement.iou(box, agreement.corners(o)) for o in objects), default=0.0)


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("picture", PICTURES)
def test_every_large_face_is_found_and_nothing_else(picture: str, decode: str) -> None:
    """Faces taller than a tenth of the longer side, IoU >= 0.6: other detectors draw other boxes."""
    goldens = [g for g in GOLDENS if g["image"] == picture]
    objects = found(decode)[picture]["objects"]
    side = max(goldens[0]["image_width"], goldens[0]["image_height"])
    large = [d["box"] for g in goldens for d in g["detections"] if d["box"][3] - d["box"][1] > 0.1 * side]
    assert [b for b in large if best(tuple(b), objects) < 0.6] == []
    known = [d["box"] for g in goldens for d in g["detections"] + g.get("near_misses_below_threshold", [])]
    strange = [o["bbox"] for o in objects if max(agreement.iou(agreement.corners(o), tuple(b)) for b in known) < 0.1]
    assert strange == []


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("picture", FACELESS)
def test_no_face_where_there_is_none(picture: str, decode: str) -> None:
    assert found(decode)[picture]["objects"] == []


@pytest.mark.parametrize("picture", PICTURES)
def test_both_decodes_find_the_same_faces(picture: str) -> None:
    exact, fast = found("exact")[picture]["objects"], found("fast")[picture]["objects"]
    assert len(exact) == len(fast)
    assert all(best(agreement.corners(o), fast) >= 0.95 for o in exact)


@pytest.mark.parametrize("picture", PICTURES)
def test_every_face_is_classified(picture: str) -> None:
    for face in found("fast")[picture]["objects"]:
        by_name = {a.get("name", a["model"]): a for a in face["attributes"]}
        assert by_name["expression"]["label"] in EXPRESSIONS
        assert by_name["gender"]["label"] in ("male", "female")
        assert 0 < by_name["age"]["value"] < 110
        assert len(face["landmarks"]) == 6
