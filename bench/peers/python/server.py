#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Python peer: FastAPI under uvicorn, a worker process per core, OpenCV, the runtime through ctypes.

usage: server.py --port N --model FILE --kind yolox|yolov8 [--threshold F] [--iou F] [--reduced]

Images come as the body of POST /v1/infer. --reduced decodes JPEGs at 1/2, 1/4 or 1/8 where that still is at least as
large as the letterbox. Options reach the workers through the environment, since uvicorn imports this file anew in each.
"""
import argparse
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from fastapi import FastAPI, Request, Response

sys.path.insert(0, str(Path(__file__).resolve().parent))
from runtime import Runner  # noqa: E402

# side, centred letterbox, RGB / 255 (else BGR as it is)
KINDS = {"yolox": (416, False, False), "yolov8": (640, True, True)}
REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


def jpeg_size(data):
    """Width and height out of a JPEG's start-of-frame, or None."""
    at = 2
    if data[:2] != b"\xff\xd8":
        return None
    while at + 9 < len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7:at + 9], "big"), int.from_bytes(data[at + 5:at + 7], "big")
        at += 2 + length
    return None


def grid(side):
    cells = [np.stack(np.meshgrid(np.arange(side // s), np.arange(side // s)), -1).reshape(-1, 2) for s in (8, 16, 32)]
    strides = np.concatenate([np.full((len(c), 1), s) for c, s in zip(cells, (8, 16, 32))])
    return np.concatenate(cells).astype(np.float32), strides.astype(np.float32)


def suppress(boxes, scores, ids, max_iou):
    """Greedy, per class: indices kept, best first."""
    order = np.argsort(-scores)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        wh = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        both = np.clip(wh, 0, None).prod(axis=1)
        over = both / (areas[best] + areas[rest] - both) > max_iou
        order = rest[~(over & (ids[rest] == ids[best]))]
    return kept


class Detector:
    """Bytes in, objects out."""

    def __init__(self, options):
        self.side, self.centred, self.rgb = KINDS[options["kind"]]
        self.kind, self.reduced = options["kind"], options["reduced"]
        self.threshold, self.iou = options["threshold"], options["iou"]
        self.runner = Runner(Path(options["model"]), (1, 3, self.side, self.side))
        self.cells, self.strides = grid(self.side)
        cv2.setNumThreads(1)

    def decode(self, data):
        """Pixels, and how much smaller than the picture they are."""
        flag, factor, size = cv2.IMREAD_COLOR, 1, jpeg_size(data) if self.reduced else None
        if size:
            ratio = min(self.side / size[0], self.side / size[1])
            for f, reduced_flag in REDUCED:
                if 1 / f >= ratio:
                    flag, factor = reduced_flag, f
                    break
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
        if image is None:
            raise ValueError("not an image")
        height, width = image.shape[:2]
        if factor > 1:  # EXIF may have turned it
            width, height = size if (width >= height) == (size[0] >= size[1]) else size[::-1]
        return image, width, height

    def fill(self, image, width, height):
        side, ratio = self.side, min(self.side / width, self.side / height)
        w, h = round(width * ratio), round(height * ratio)
        left = round((side - w) / 2 - 0.1) if self.centred else 0
        top = round((side - h) / 2 - 0.1) if self.centred else 0
        small = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(small, top, side - h - top, left, side - w - left, cv2.BORDER_CONSTANT,
                                    value=(114, 114, 114))
        self.runner.input[:] = cv2.dnn.blobFromImage(padded, 1 / 255 if self.rgb else 1.0, swapRB=self.rgb)
        return ratio, left, top

    def candidates(self, output):
        """x1 y1 x2 y2 in input pixels, scores, class ids."""
        if self.kind == "yolox":
            rows = output[0]
            likely = np.flatnonzero(rows[:, 4] >= self.threshold)
            rows, cells, strides = rows[likely], self.cells[likely], self.strides[likely]
            ids = rows[:, 5:].argmax(1)
            scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + ids]
            centre, size = (rows[:, :2] + cells) * strides, np.exp(rows[:, 2:4]) * strides
        else:
            classes = output[0, 4:]
            best = classes.max(0)
            likely = np.flatnonzero(best >= self.threshold)
            ids, scores = classes[:, likely].argmax(0), best[likely]
            centre, size = output[0, :2, likely], output[0, 2:4, likely]
        keep = scores >= self.threshold
        centre, size = centre[keep], size[keep]
        return np.hstack([centre - size / 2, centre + size / 2]), scores[keep], ids[keep]

    def __call__(self, data):
        image, width, height = self.decode(data)
        ratio, left, top = self.fill(image, width, height)
        boxes, scores, ids = self.candidates(self.runner.run())
        objects = []
        for i in suppress(boxes, scores, ids, self.iou):
            box = (boxes[i] - (left, top, left, top)) / ratio
            x1, y1, x2, y2 = np.clip(box, 0, (width, height, width, height)).tolist()
            objects.append({"bbox": {"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}, "class_id": int(ids[i]),
                            "score": float(scores[i])})
        return {"image": {"width": width, "height": height}, "objects": objects}


def make_app():
    """What each worker process serves."""
    detector = Detector(json.loads(os.environ["SIGHT_PEER"]))
    detector(cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))[1].tobytes())
    app = FastAPI()

    @app.post("/v1/infer")
    async def infer(request: Request) -> Response:
        try:
            status, answer = 200, detector(await request.body())
        except (ValueError, cv2.error) as error:
            status, answer = 422, {"error": {"code": "bad_image", "message": str(error)}}
        text = json.dumps(answer, separators=(",", ":"))
        return Response(text, status_code=status, media_type="application/json")

    @app.on_event("startup")
    async def announce() -> None:
        os.write(1, b"listening\n")  # whole, even when two workers say it at once

    return app


def main():
    import uvicorn
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kind", choices=sorted(KINDS), required=True)
    parser.add_argument("--threshold", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.45)
    parser.add_argument("--reduced", action="store_true")
    options = vars(parser.parse_args())
    os.environ["SIGHT_PEER"] = json.dumps(options)
    os.chdir(Path(__file__).resolve().parent)
    uvicorn.run("server:make_app", factory=True, host="127.0.0.1", port=options["port"], log_level="warning",
                workers=len(os.sched_getaffinity(0)), access_log=False)


if __name__ == "__main__":
    main()
