# SPDX-License-Identifier: MIT
"""The default `faces` pipeline against the faces that two other detectors find, by other implementations: RetinaFace
and YOLOv8's of the base set, SCRFD and YuNet of the additional one."""

import functools
from pathlib import Path
from typing import Any

import agreement
import assets
import pytest
import sight

OTHERS = ("retinaface", "yolov8n-face", "scrfd_500m_kps_640", "face_detection_yunet_2023mar")
GOLDENS = [g for model in OTHERS for g in assets.listed(f"{model}__*")]
PICTURES = sorted({g.picture for g in GOLDENS})
# Pictures without a person; the goldens' detectors were not run on them, a look tells.
FACELESS = [sight.IMAGES / n for n in ("coffee.png", "page.png", "page_90.png", "receipt.png")]
FACELESS.append(assets.ROOT / "deps/samples/objects/fruit.jpg")
if assets.ADDITIONAL in assets.SETS:
    FACELESS += [assets.ADDITIONAL.images() / n for n in (
        "car_12mp.jpg", "car_plate_1920.jpg", "cls_bee.jpeg", "cls_zebra.jpeg", "dog.jpg", "fruit.jpg",
        "receipt_synthetic.jpg", "text_street_sign_zh.jpg", "two_dogs.jpg")]
EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")  # face-api.js


@functools.cache
def found(decode: str) -> dict[Path, dict[str, Any]]:
    paths = PICTURES + FACELESS
    return dict(zip(paths, sight.detect("--pipeline", "faces", "--decode", decode, *paths)))


def name_of(path: Path) -> str:
    return path.name if path.is_relative_to(assets.MADE) else f"shared-{path.name}"


def best(box: agreement.Box, objects: list[dict[str, Any]]) -> float:
    return max((agreement.iou(box, agreement.corners(o)) for o in objects), default=0.0)


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("picture", PICTURES, ids=name_of)
def test_every_large_face_is_found_and_nothing_else(picture: Path, decode: str) -> None:
    """Faces taller than a tenth of the longer side, IoU >= 0.6 (0.4 where others draw chin and forehead too)."""
    goldens = [g for g in GOLDENS if g.picture == picture]
    objects = found(decode)[picture]["objects"]
    side = max(goldens[0]["image_width"], goldens[0]["image_height"])
    large = [d["box"] for g in goldens for d in g["detections"] if d["box"][3] - d["box"][1] > 0.1 * side]
    least = 0.4 if goldens[0].set is assets.BASE else 0.6
    assert [b for b in large if best(tuple(b), objects) < least] == []
    known = [d["box"] for g in goldens for d in g["detections"] + g.get("near_misses_below_threshold", [])]
    strange = [o["bbox"] for o in objects if max(agreement.iou(agreement.corners(o), tuple(b)) for b in known) < 0.1]
    assert strange == []


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("picture", FACELESS, ids=name_of)
def test_no_face_where_there_is_none(picture: Path, decode: str) -> None:
    assert found(decode)[picture]["objects"] == []


@pytest.mark.parametrize("picture", PICTURES, ids=name_of)
def test_both_decodes_find_the_same_faces(picture: Path) -> None:
    exact, fast = found("exact")[picture]["objects"], found("fast")[picture]["objects"]
    assert len(exact) == len(fast)
    assert all(best(agreement.corners(o), fast) >= 0.95 for o in exact)


@pytest.mark.parametrize("picture", PICTURES, ids=name_of)
def test_every_face_is_classified(picture: Path) -> None:
    for face in found("fast")[picture]["objects"]:
        by_name = {a.get("name", a["model"]): a for a in face["attributes"]}
        assert by_name["expression"]["label"] in EXPRESSIONS
        assert by_name["gender"]["label"] in ("male", "female")
        assert 0 < by_name["age"]["value"] < 110
        assert len(face["landmarks"]) == 6
