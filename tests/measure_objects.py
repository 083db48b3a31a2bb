#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How well and how fast TF-style detectors see the photographs of shared/assets: docs/DECISIONS-objects.md.

    tests/measure_objects.py models/efficientdet-lite0/model.onnx:letterbox models/ssd-mobilenet/model.onnx:stretch

Each model is followed by how pictures are fitted: stretch, letterbox (centred) or letterbox-topleft, padded with 127.
What counts as right comes from the goldens of two larger networks: the objects to find are those of yolo26n with a
score of 0.5 or more; a detection is right when yolo26n or yolov8n has the same label there (both down to 0.25), with
an IoU of 0.5 or more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import ort

ROOT = Path(__file__).resolve().parent.parent
ASSETS = Path(os.environ.get("SIGHT_SHARED", ROOT.parent / "shared")) / "assets"
LABELS = (ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").split("\n")
# One of each photograph: the assets hold some of them in several formats.
PICTURES = (
    "bus.jpg car_12mp.jpg car_plate_1920.jpg coco_000000014439.jpg coco_000000087038.jpg dog.jpg fruit.jpg horses.jpg "
    "pedestrians_street.png people_group10.jpeg portrait_1080p.jpg road_traffic.jpg street_couple_dog.jpg two_dogs.jpg "
    "woman_dog_portrait.jpg zidane.jpg"
).split()
REFERENCE_SCORE = 0.5
PAD = 127

Objects = list[tuple[str, float, np.ndarray]]  # label, score, (x1, y1, x2, y2) in pixels of the picture


def golden(model: str, picture: str) -> Objects:
    """The detections of a golden."""
    data = json.loads((ASSETS / f"goldens/{model}__{picture}.json").read_text(encoding="utf-8"))
    return [(d["label"], d["score"], np.array(d["box"])) for d in data["detections"]]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    both = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    return both / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both + 1e-9)


def fitted(bgr: np.ndarray, size: int, fit: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The input tensor, and the scale and offset (x, y) that lead from the picture to it."""
    height, width = bgr.shape[:2]
    scale = np.array([size / width, size / height])
    if fit != "stretch":
        scale[:] = scale.min()
    inner = np.maximum(1, np.rint(scale * (width, height))).astype(int)
    factor = max(1, 2 ** int(np.log2(max(1.0, 1 / scale.max()))))  # as a JPEG decoder scales: by halves, not too far
    if factor > 1:
        bgr = cv2.resize(bgr, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    offset = (size - inner) // 2 if fit == "letterbox" else np.zeros(2, int)
    out = np.full((1, size, size, 3), PAD, np.uint8)
    resized = cv2.resize(bgr, tuple(int(n) for n in inner), interpolation=cv2.INTER_LINEAR)
    out[0, offset[1] : offset[1] + inner[1], offset[0] : offset[0] + inner[0]] = resized[:, :, ::-1]
    return out, scale, offset


def detect(session: ort.Session, picture: str, size: int, fit: str) -> Objects:
    """Everything the model says of a picture."""
    bgr = cv2.imread(str(ASSETS / "images" / picture))
    tensor, scale, offset = fitted(bgr, size, fit)
    out = {name.split(":")[0]: value[0] for name, value in session.run({session.inputs[0]: tensor}).items()}
    count = int(out["num_detections"])
    corners = out["detection_boxes"][:count][:, [1, 0, 3, 2]] * size
    boxes = np.clip((corners - np.tile(offset, 2)) / np.tile(scale, 2), 0, np.tile(bgr.shape[1::-1], 2))
    return [(LABELS[int(c)], float(s), b) for c, s, b in zip(out["detection_classes"], out["detection_scores"], boxes)]


def judge(found: dict[str, Objects], threshold: float) -> tuple[float, float, int]:
    """Recall, precision and number of detections at a score threshold."""
    wanted = hit = right = total = 0
    for picture, objects in found.items():
        reference = [o for o in golden("yolo26n", picture) if o[1] >= REFERENCE_SCORE]
        known = golden("yolo26n", picture) + golden("yolov8n", picture)
        free = set(range(len(reference)))
        for label, _, box in sorted((o for o in objects if o[1] >= threshold), key=lambda o: -o[1]):
            total += 1
            right += any(label == k[0] and iou(box, k[2]) >= 0.5 for k in known)
            best = max(free, key=lambda i: iou(box, reference[i][2]) * (label == reference[i][0]), default=-1)
            if best >= 0 and label == reference[best][0] and iou(box, reference[best][2]) >= 0.5:
                free.discard(best)
        wanted += len(reference)
        hit += len(reference) - len(free)
    return hit / max(1, wanted), right / max(1, total), total


def milliseconds(model: Path, size: int, threads: int, rounds: int) -> float:
    """The shortest of several runs: the one that other processes disturbed least."""
    session = ort.Session(model, threads=threads)
    tensor = fitted(cv2.imread(str(ASSETS / "images/bus.jpg")), size, "letterbox")[0]
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        session.run({session.inputs[0]: tensor})
        times.append(1000 * (time.perf_counter() - start))
    session.close()
    return min(times)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.onnx:FIT[:SIZE]", help="SIZE: side, default 300 or 320")
    parser.add_argument("--rounds", type=int, default=25, help="timed runs for each thread count (default 25)")
    args = parser.parse_args()
    if not ASSETS.exists() or ort.library() is None:
        print(f"skipped: needs {ASSETS} and `make deps`", file=sys.stderr)
        return 1
    print("| model | fit | recall at 0.3 / 0.4 / 0.5 | precision at 0.3 / 0.4 / 0.5 | ms, 1 thread | ms, 2 threads |")
    print("|---|---|---|---|---|---|")
    for item in args.models:
        path, fit, *rest = item.split(":")
        size = int(rest[0]) if rest else 300 if "ssd" in path else 320
        session = ort.Session(Path(path))
        found = {picture: detect(session, picture, size, fit) for picture in PICTURES}
        session.close()
        rows = [judge(found, threshold) for threshold in (0.3, 0.4, 0.5)]
        recall, precision = (" / ".join(f"{row[i]:.2f}" for row in rows) for i in (0, 1))
        times = " | ".join(f"{milliseconds(Path(path), size, n, args.rounds):.1f}" for n in (1, 2))
        print(f"| {Path(path).stem} | {fit} | {recall} | {precision} | {times} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
