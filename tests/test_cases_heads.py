# SPDX-License-Identifier: MIT
"""Small models kept in ../shared/cases, with the answers that EXPECT.md there gives; test_forms.py has their kinds."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sight

CASES = sight.SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"skipped: {CASES} is absent")


def found(case: str, model: str, picture: str, *arguments: object) -> dict[str, Any]:
    folder = next(iter(sorted(CASES.glob(case + "_*"))), Path("absent"))
    if not folder.is_dir():
        pytest.skip(f"skipped: no case {case} in {CASES}")
    reply = sight.detect("--model", folder / model, *arguments, folder / picture)[0]
    assert "error" not in reply, reply
    return reply


def corners(thing: dict[str, Any]) -> list[float]:
    box = thing["bbox"]
    return [box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]]


@pytest.mark.parametrize("model", ["seg1.onnx", "seg80.onnx"])
def test_end_to_end_segmentation(model: str) -> None:
    objects = found("05", model, "square.png")["objects"]
    assert [(corners(o), o["score"]) for o in objects] == [([100, 120, 300, 400], 0.9), ([400, 200, 500, 560], 0.8)]
    assert all(o["polygon"] for o in objects)


@pytest.mark.parametrize("model", ["cls64.onnx", "cls224.onnx"])
def test_classifiers_of_ultralytics(model: str) -> None:
    for picture in ["grey.png"] + ["frame.png"] * (model == "cls64.onnx"):
        first = found("06", model, picture)["attributes"][0]
        assert (first["label"], round(first["score"], 3)) == ("red", 0.98)


@pytest.mark.parametrize("model, score", [("detr5.onnx", 0.496), ("detr1.onnx", 0.496), ("rf5.onnx", 0.095)])
def test_sets_of_few_classes(model: str, score: float) -> None:
    assert found("07", model, "grey.png", "--threshold", 0.05)["objects"][0]["score"] == pytest.approx(score, abs=6e-4)


@pytest.mark.parametrize("model", ["steps_first", "batch_first"])
def test_readers(model: str) -> None:
    assert found("08", model, "line.png")["objects"][0]["text"] == "cak"


@pytest.mark.parametrize("model", ["py.onnx", "json.onnx"])
def test_names(model: str) -> None:
    assert [o["label"] for o in found("09", model, "square.png")["objects"]] == ["dog\ttab", "café", "車"]


def test_alphabet() -> None:
    assert found("10", "line.onnx", "line.png")["objects"][0]["text"] == "caj"


def test_retinaface() -> None:
    face = found("11", "retinaface.onnx", "square.png")["objects"]
    assert len(face) == 1 and face[0]["score"] == 0.95
    assert corners(face[0]) == pytest.approx([176.2, 254.1, 332.6, 395.5], abs=0.05)
    assert face[0]["landmarks"] == [[235.2, 315.2], [273.6, 315.2], [254.4, 324.8], [241.6, 340.8], [267.2, 340.8]]
