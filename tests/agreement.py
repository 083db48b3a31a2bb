# SPDX-License-Identifier: MIT
"""The comparison rule of ../shared/assets/MANIFEST.md, and helpers for boxes.

A golden's detections that are neither borderline nor fragile must be found with enough overlap, score and the same
class; whatever else is found must be one of its near misses, borderline or fragile detections.
"""

from typing import Any

Box = tuple[float, float, float, float]


def corners(reply_object: dict[str, Any]) -> Box:
    """x1, y1, x2, y2 of an object of a native reply."""
    b = reply_object["bbox"]
    return b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"]


def iou(a: Box, b: Box) -> float:
    """Intersection over union; 0 when the boxes do not meet."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def matches(found: dict[str, Any], wanted: dict[str, Any], box_iou_min: float, score: float) -> bool:
    """Same class, enough overlap, close enough score."""
    return (found["class_id"] == wanted["class_id"] and abs(found["score"] - wanted["score"]) <= score
            and iou(corners(found), tuple(wanted["box"])) >= box_iou_min)


def faults(reply: dict[str, Any], golden: dict[str, Any]) -> list[str]:
    """What keeps a reply from agreeing with its golden, by the golden's own tolerances."""
    bad = []
    box_iou_min, score = golden["tolerance"]["box_iou_min"], golden["tolerance"]["score"]
    objects = reply["objects"]
    for wanted in golden["detections"]:
        if wanted.get("borderline") or wanted.get("fragile"):
            continue
        if not any(matches(o, wanted, box_iou_min, score) for o in objects):
            bad.append(f"missing {describe(wanted['label'], wanted['score'], wanted['box'])}; "
                       f"closest {closest(objects, wanted)}")
    # What may appear beside them, with room for the tolerance: near misses cross the threshold by a hair.
    allowed = golden["detections"] + golden.get("near_misses_below_threshold", [])
    for found in objects:
        if not any(matches(found, a, min(box_iou_min, 0.5) if a.get("fragile") else box_iou_min - 0.03,
                           1.0 if a.get("fragile") else score + 0.03) for a in allowed):
            bad.append(f"unexplained {describe(found.get('label'), found['score'], corners(found))}")
    return bad


def describe(label: str | None, score: float, box: Any) -> str:
    return f"{label} {score:.3f} [{', '.join(f'{v:.1f}' for v in box)}]"


def closest(objects: list[dict[str, Any]], wanted: dict[str, Any]) -> str:
    """The object that overlaps the wanted one most, with the overlap."""
    best = max(objects, key=lambda o: iou(corners(o), tuple(wanted["box"])), default=None)
    if best is None:
        return "nothing"
    return (f"{describe(best.get('label'), best['score'], corners(best))} "
            f"IoU {iou(corners(best), tuple(wanted['box'])):.3f}")
