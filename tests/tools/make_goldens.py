#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
r"""Write tests/goldens anew: what the base set's models find in its pictures, by other implementations than sightd.

    python3 -m venv V && V/bin/pip install numpy==1.26.4 opencv-python-headless==4.10.0.84 ai-edge-litert==2.3.0 \
        onnxruntime==1.22.0 pytest
    npm install --ignore-scripts @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 \
        @tensorflow/tfjs-backend-wasm@4.22.0
    V/bin/python tests/tools/make_goldens.py NODE_MODULES SSD_MOBILENET.tflite EFFICIENTDET_LITE0.tflite

Networks run in OpenCV's dnn module (yolo11n, whose free sizes that cannot read, in ONNX Runtime 1.22), the two
TensorFlow detectors in TensorFlow Lite from their original files, the face-api networks in TensorFlow.js from theirs
(faceapi.mjs). Pictures are decoded and resized by OpenCV; the decodes below are written from the papers and the
exporters' documentation. A detection is `fragile` when it does not survive small changes of scores and thresholds,
`borderline` when its score is within 0.03 of the threshold; near misses are those of a threshold 0.08 lower.
"""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import assets  # noqa: E402

OUT = ROOT / "tests" / "goldens"
COCO = (ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()
COCO80 = [name for name in COCO[1:] if name != "???"]
FACE_MEAN, FACE_STD = [122.782, 117.001, 104.298], [255, 255, 255]


class Family(NamedTuple):
    """How a family's pictures are prepared and its thresholds; `decode` gives rows of Found in input pixels."""

    mode: str
    pad: int
    colour: str
    mean: list[float]
    std: list[float]
    threshold: float
    iou: float
    labels: list[str] | None
    decode: Callable[[dict[str, np.ndarray], tuple[int, int]], list[Found]]


class Found(NamedTuple):
    score: float
    class_id: int
    box: np.ndarray
    points: np.ndarray | None = None  # x, y[, sure]
    mask: np.ndarray | None = None  # coefficients


# --- Pictures -----------------------------------------------------------------------------------------------------

class Prepared(NamedTuple):
    tensor: np.ndarray
    how: dict[str, Any]
    scale: np.ndarray  # x, y: input pixels of one original pixel
    offset: np.ndarray


def prepare(image: np.ndarray, family: Family, size: tuple[int, int], layout: str = "NCHW") -> Prepared:
    height, width = image.shape[:2]
    how: dict[str, Any] = {"layout": layout, "colour_order": family.colour, "mean": family.mean, "std": family.std,
                           "mode": family.mode, "dtype": "float32" if layout == "NCHW" else "uint8",
                           "shape": [1, 3, size[1], size[0]] if layout == "NCHW" else [1, size[1], size[0], 3]}
    if family.mode.startswith("letterbox"):
        ratio = min(size[0] / width, size[1] / height)
        if family.mode == "letterbox-center":
            new = round(width * ratio), round(height * ratio)
            left, top = (round((s - n) / 2 - 0.1) for s, n in zip(size, new))
        else:
            new, left, top = (int(width * ratio), int(height * ratio)), 0, 0
        canvas = np.full((size[1], size[0], 3), family.pad, np.uint8)
        canvas[top:top + new[1], left:left + new[0]] = cv2.resize(image, new, interpolation=cv2.INTER_LINEAR)
        how |= {"pad_value": family.pad, "ratio": ratio, "resized_w": new[0], "resized_h": new[1], "pad_left": left,
                "pad_top": top}
        scale, offset = np.array([ratio, ratio]), np.array([left, top])
    else:
        canvas = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        scale, offset = np.array([size[0] / width, size[1] / height]), np.zeros(2)
    pixels = canvas[:, :, ::-1] if family.colour == "RGB" else canvas
    if layout == "NHWC":
        return Prepared(np.ascontiguousarray(pixels[None]), how | {"mean": None, "std": None}, scale, offset)
    tensor = (pixels.astype(np.float32) - np.float32(family.mean)) / np.float32(family.std)
    return Prepared(np.ascontiguousarray(tensor.transpose(2, 0, 1)[None]), how, scale, offset)


def stats(tensor: np.ndarray) -> dict[str, Any]:
    flat = tensor.astype(np.float64).reshape(-1)
    step = max(len(flat) // 16, 1)
    return {"mean": flat.mean(), "mean_abs": np.abs(flat).mean(), "min": flat.min(), "max": flat.max(),
            "sample_stride": step, "samples": [float(f"{v:.7g}") for v in flat[::step][:16]]}


# --- Decodes ------------------------------------------------------------------------------------------------------

def corners(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)


def yolov8(classes: int, points: int = 0) -> Callable[..., list[Found]]:
    """Ultralytics' (1, 4 + classes + rest, anchors): centre and size in input pixels, probabilities, then keypoints of
    x, y, visibility or mask coefficients."""
    def decode(outputs: dict[str, np.ndarray], size: tuple[int, int]) -> list[Found]:
        del size
        rows = outputs["output0"][0].T
        scores, rest = rows[:, 4:4 + classes], rows[:, 4 + classes:]
        boxes, best = corners(rows), scores.argmax(axis=1)
        return [Found(float(scores[i, c]), int(c), boxes[i], rest[i].reshape(points, 3) if points else None,
                      rest[i] if rest.shape[1] == 32 else None)
                for i, c in enumerate(best) if scores[i, c] > 0.05]
    return decode


def retinaface(point_std: float) -> Callable[..., list[Found]]:
    """Deng et al. 2019, MXNet's export: Faster R-CNN's deltas against square anchors of base size 16; InsightFace's
    decoder multiplies point deltas by landmark_std, 1 for mnet.25_v1 and 0.2 for mnet.25_v2."""
    def decode(outputs: dict[str, np.ndarray], size: tuple[int, int]) -> list[Found]:
        del size
        return mxnet_faces(outputs, point_std)
    return decode


def mxnet_faces(outputs: dict[str, np.ndarray], point_std: float) -> list[Found]:
    found = []
    for stride, sides in ((32, (512, 256)), (16, (128, 64)), (8, (32, 16))):
        score, delta, point = (outputs[f"face_rpn_{n}_stride{stride}"][0]
                               for n in ("cls_prob_reshape", "bbox_pred", "landmark_pred"))
        for a, side in enumerate(sides):
            for y, x in zip(*np.nonzero(score[2 + a] > 0.05)):
                centre = np.array([x, y]) * stride + 7.5 + 0.5
                d, p = delta[4 * a:4 * a + 4, y, x], point[10 * a:10 * a + 10, y, x].reshape(5, 2)
                middle, half = centre + d[:2] * side, np.exp(d[2:]) * side / 2
                found.append(Found(float(score[2 + a, y, x]), 0, np.concatenate([middle - half, middle + half]),
                                   centre + p * point_std * side))
    return found


def picodet(outputs: dict[str, np.ndarray], size: tuple[int, int]) -> list[Found]:
    """PP-PicoDet without post-processing: the expectation of a distribution over 8 bins for each side (generalised
    focal loss), around the middle of the cell."""
    found = []
    for i, stride in enumerate((8, 16, 32, 64)):
        scores = outputs[f"transpose_{2 * i}.tmp_0"][0]
        bins = outputs[f"transpose_{2 * i + 1}.tmp_0"][0].reshape(-1, 4, 8)
        columns = -(-size[0] // stride)
        for row in np.nonzero(scores.max(axis=1) > 0.05)[0]:
            e = np.exp(bins[row] - bins[row].max(axis=1, keepdims=True))
            left, top, right, bottom = (e / e.sum(axis=1, keepdims=True)) @ np.arange(8) * stride
            x, y = (row % columns + 0.5) * stride, (row // columns + 0.5) * stride
            c = int(scores[row].argmax())
            found.append(Found(float(scores[row, c]), c, np.array([x - left, y - top, x + right, y + bottom])))
    return found


def suppress(found: list[Found], threshold: float, iou: float) -> list[Found]:
    """Greedy, best first, class by class; what overlaps more than `iou` goes."""
    kept: list[Found] = []
    for f in sorted(found, key=lambda f: -f.score):
        if f.score >= threshold and all(k.class_id != f.class_id or overlap(k.box, f.box) <= iou for k in kept):
            kept.append(f)
    return kept


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if (side <= 0).any():
        return 0.0
    both = float(side.prod())
    return both / float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both)


def fragile(found: list[Found], kept: list[Found], family: Family) -> list[bool]:
    """Which do not survive twenty runs with scores and the overlap bound changed a little."""
    random, count = np.random.default_rng(1), np.zeros(len(kept), int)
    for _ in range(20):
        shaken = [f._replace(score=f.score + random.uniform(-0.004, 0.004)) for f in found]
        again = suppress(shaken, family.threshold - 0.005, family.iou + random.uniform(-0.03, 0.03))
        count += np.array([any(a.class_id == k.class_id and overlap(a.box, k.box) > 0.985 for a in again)
                           for k in kept], int)
    return [c < 20 for c in count]


def outline(coefficients: np.ndarray, protos: np.ndarray, box: np.ndarray, prepared: Prepared) -> list[list[float]]:
    """YOLACT's mask: prototypes weighted by the coefficients, cut to the box; its largest contour, original pixels."""
    shape = protos.shape[1:]
    mask = 1 / (1 + np.exp(-(coefficients @ protos.reshape(32, -1)).reshape(shape)))
    mask = cv2.resize(mask, (shape[1] * 4, shape[0] * 4), interpolation=cv2.INTER_LINEAR) > 0.5
    x1, y1, x2, y2 = (int(round(v)) for v in box)
    cut = np.zeros_like(mask, np.uint8)
    cut[max(y1, 0):y2, max(x1, 0):x2] = mask[max(y1, 0):y2, max(x1, 0):x2]
    lines = cv2.findContours(cut, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    best = cv2.approxPolyDP(max(lines, key=cv2.contourArea), 1.0, True).reshape(-1, 2) + 0.5
    return [[round(float(v), 1) for v in p] for p in (best - prepared.offset) / prepared.scale]


# --- Goldens ------------------------------------------------------------------------------------------------------

COCO_YOLO = Family("letterbox-center", 114, "RGB", [0, 0, 0], [255, 255, 255], 0.25, 0.45, COCO80, yolov8(80))
FAMILIES = {
    "yolov8n": COCO_YOLO,
    "yolo11n": COCO_YOLO,
    "yolo11n-seg": COCO_YOLO,
    "yolov8n-face": COCO_YOLO._replace(labels=["face"], decode=yolov8(1)),
    "yolo11n-pose": COCO_YOLO._replace(labels=["person"], decode=yolov8(1, 17)),
    "retinaface": Family("letterbox-topleft", 0, "RGB", [0, 0, 0], [1, 1, 1], 0.75, 0.5, ["face"], retinaface(0.2)),
    "retinaface-v1": Family("letterbox-topleft", 0, "RGB", [0, 0, 0], [1, 1, 1], 0.75, 0.5, ["face"], retinaface(1)),
    "picodet-layout": Family("stretch", 0, "RGB", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375], 0.5, 0.6, None,
                             picodet),
}
SIZES = {"picodet-layout": (608, 800), "retinaface-v1": (512, 512)}
THINGS = ["bus.jpg", "zidane.jpg", "astronaut.png", "coffee.png", "cat.png", "group1.jpg", "group3.jpg", "group6.jpg"]
FACES = ["zidane.jpg", "astronaut.png", *(f"group{i}.jpg" for i in range(1, 7))]
PICTURES = {
    "yolov8n": [*THINGS, "bus_gray.png", "coffee.bmp", "coffee_lzw.tif", "cat_16bit.png", "astronaut_rgba.png",
                "group4.jpg"],
    "yolo11n": THINGS,
    "yolo11n-seg": ["bus.jpg", "zidane.jpg", "coffee.png", "cat.png", "group6.jpg"],
    "yolo11n-pose": ["bus.jpg", "zidane.jpg", "astronaut.png", "group1.jpg", "group6.jpg"],
    "yolov8n-face": FACES,
    "retinaface": FACES,
    "retinaface-v1": ["zidane.jpg", "group1.jpg", "group5.jpg", "group6.jpg"],
    "picodet-layout": ["page.png"],
}


def rounded(values: Any, digits: int = 2) -> Any:
    return [rounded(v, digits) if isinstance(v, (list, np.ndarray)) else round(float(v), digits) for v in values]


def row(f: Found, family: Family, prepared: Prepared, image: np.ndarray) -> dict[str, Any]:
    height, width = image.shape[:2]
    box = (f.box.reshape(2, 2) - prepared.offset) / prepared.scale
    box = np.clip(box, 0, [width, height]).reshape(-1)
    told = {"label": family.labels[f.class_id] if family.labels else str(f.class_id), "class_id": f.class_id,
            "score": round(f.score, 5), "box": rounded(box)}
    if f.points is not None:
        points = f.points.copy()
        points[:, :2] = (points[:, :2] - prepared.offset) / prepared.scale
        told["keypoints"] = rounded(points, 4 if points.shape[1] == 3 else 2)
    return told


def write(name: str, golden: dict[str, Any]) -> None:
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    (OUT / f"{name}.json").write_text(flatten(text) + "\n", encoding="utf-8")
    print(name, len(golden.get("detections", golden.get("objects", []))))


def flatten(text: str) -> str:
    """Lists of numbers on one line."""
    import re

    return re.sub(r"\[\s*([-\d.e,\s]+?)\s*\]", lambda m: "[" + re.sub(r"\s+", "", m[1]).replace(",", ", ") + "]", text)


def common(model: str, name: str, image: np.ndarray, prepared: Prepared, labels: str | None,
           by: str) -> dict[str, Any]:
    return {"kind": "detection", "by": by, "model": f"{model}.onnx", "image": name, "image_width": image.shape[1],
            "image_height": image.shape[0], "labels_file": labels, "preprocess": prepared.how,
            "input_stats": stats(prepared.tensor)}


def results(found: list[Found], family: Family, describe: Callable[[Found], dict[str, Any]]) -> dict[str, Any]:
    kept = suppress(found, family.threshold, family.iou)
    rows = [describe(f) for f in kept]
    for told, f, weak in zip(rows, kept, fragile(found, kept, family)):
        told |= {"borderline": True} if f.score < family.threshold + 0.03 else {}
        told |= {"fragile": True} if weak else {}
    below = [describe(f) for f in suppress(found, family.threshold - 0.08, family.iou) if f.score < family.threshold]
    return {"detections": rows, "near_misses_below_threshold": below}


def runner(model: str) -> tuple[str, Callable[[np.ndarray], dict[str, np.ndarray]]]:
    """What runs the network, and the function that does."""
    path = str(assets.model(model))
    try:
        net = cv2.dnn.readNetFromONNX(path)
    except cv2.error:
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        names = [o.name for o in session.get_outputs()]
        source = session.get_inputs()[0].name
        return (f"ONNX Runtime {onnxruntime.__version__}, NumPy {np.__version__}",
                lambda tensor: dict(zip(names, session.run(names, {source: tensor}))))

    def run(tensor: np.ndarray) -> dict[str, np.ndarray]:
        net.setInput(tensor)
        names = net.getUnconnectedOutLayersNames()
        return dict(zip(names, net.forward(names)))
    return f"OpenCV {cv2.__version__} dnn, NumPy {np.__version__}", run


def run_network(model: str) -> None:
    family, size = FAMILIES[model], SIZES.get(model, (640, 640))
    by, run = runner(model)
    for name in PICTURES[model]:
        image = cv2.imread(str(assets.pictures() / name))
        prepared = prepare(image, family, size)
        outputs = run(prepared.tensor)
        found = family.decode(outputs, size)

        def describe(f: Found) -> dict[str, Any]:
            told = row(f, family, prepared, image)
            if f.mask is not None:
                told["polygon"] = outline(f.mask, outputs["output1"][0], f.box, prepared)
            return told

        write(f"{model}__{name}", {
            **common(model, name, image, prepared, None, by),
            "postprocess": {"score_threshold": family.threshold, "nms": "per-class", "iou_threshold": family.iou,
                            "max_detections": 300},
            "tolerance": {"score": 0.005, "box_iou_min": 0.98}, **results(found, family, describe),
            "raw_outputs": {n: stats(v) for n, v in sorted(outputs.items())}})


def run_orientation() -> None:
    """Which way a page stands: what must be said is known from how the picture was turned, counted clockwise."""
    net = cv2.dnn.readNetFromONNX(str(assets.model("orientation")))
    mean, std = FAMILIES["picodet-layout"].mean, FAMILIES["picodet-layout"].std
    for degrees in (0, 90, 180, 270):
        name = f"page_{degrees}.png" if degrees else "page.png"
        image = cv2.imread(str(assets.pictures() / name))
        height, width = image.shape[:2]
        short = 256 / min(height, width)
        resized = cv2.resize(image, (int(width * short), int(height * short)), interpolation=cv2.INTER_LINEAR)
        top, left = (int(round((s - 224) / 2)) for s in resized.shape[:2])
        crop = resized[top:top + 224, left:left + 224, ::-1].astype(np.float32)
        tensor = np.ascontiguousarray(((crop - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None])
        net.setInput(tensor)
        probabilities = net.forward()[0]
        order = np.argsort(-probabilities)
        right = -degrees % 360 // 90
        assert order[0] == right, (name, probabilities)
        write(f"orientation__{name}", {
            "kind": "classification", "by": f"OpenCV {cv2.__version__} dnn", "model": "orientation.onnx", "image": name,
            "image_width": width, "image_height": height, "labels_file": "tests/goldens/orientation.txt",
            "preprocess": {"dtype": "float32", "shape": [1, 3, 224, 224], "layout": "NCHW", "colour_order": "RGB",
                           "mean": mean, "std": std, "mode": "shorter side to 256 (bilinear), centre crop 224"},
            "softmax_applied_by_client": False, "input_stats": stats(tensor),
            "top5": [{"label": str(90 * int(c)), "class_id": int(c), "score": round(float(probabilities[c]), 5)}
                     for c in order]})
    (OUT / "orientation.txt").write_text("0\n90\n180\n270\n", encoding="utf-8")


def run_tflite(model: str, file: str) -> None:
    """The original file with its own post-processing operator. The server runs the graph with fused integer kernels,
    which round differently: hence the wide tolerances. test_models_tflite.py holds the graph as written to closer
    ones."""
    import importlib.metadata

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=file)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    size = int(source["shape"][2]), int(source["shape"][1])
    family = COCO_YOLO._replace(mode="stretch", threshold=0.5, labels=COCO)
    for name in THINGS:
        image = cv2.imread(str(assets.pictures() / name))
        prepared = prepare(image, family, size, "NHWC")
        interpreter.set_tensor(source["index"], prepared.tensor)
        interpreter.invoke()
        boxes, classes, scores, number = (interpreter.get_tensor(o["index"])
                                          for o in interpreter.get_output_details())
        found = [Found(float(scores[0, i]), int(classes[0, i]) + 1,
                       boxes[0, i][[1, 0, 3, 2]] * np.array([*size, *size])) for i in range(int(number[0]))]
        kept = [row(f, family, prepared, image) | ({"borderline": True} if f.score < 0.6 else {})
                for f in found if f.score >= 0.5]
        write(f"{model}__{name}", {
            **common(model, name, image, prepared, "models/labels/coco91.txt",
                     f"TensorFlow Lite (ai-edge-litert {importlib.metadata.version('ai-edge-litert')})"),
            "postprocess": {"score_threshold": 0.5, "nms": "in graph", "iou_threshold": None, "max_detections": 300},
            "tolerance": {"score": 0.1, "box_iou_min": 0.8}, "detections": kept,
            "near_misses_below_threshold": [row(f, family, prepared, image) for f in found if f.score < 0.5]})


def run_cascades(modules: str) -> None:
    """The faces of RetinaFace, cut out of the whole picture and judged by face-api.js."""
    for name in FACES:
        golden = json.loads((OUT / f"retinaface__{name}.json").read_text(encoding="utf-8"))
        image = cv2.imread(str(assets.pictures() / name))
        crops, objects = [], golden["detections"]
        for face in objects:
            x1, y1, x2, y2 = face["box"]
            face["crop"] = [int(np.floor(x1)), int(np.floor(y1)), int(np.ceil(x2)), int(np.ceil(y2))]
            x1, y1, x2, y2 = face["crop"]
            crops.append(cv2.resize(image[y1:y2, x1:x2, ::-1], (112, 112), interpolation=cv2.INTER_LINEAR))
        with tempfile.NamedTemporaryFile() as file:
            file.write(np.ascontiguousarray(np.stack(crops)).tobytes())
            file.flush()
            done = subprocess.run(["node", ROOT / "tests/tools/faceapi.mjs", modules, file.name, str(len(crops))],
                                  stdout=subprocess.PIPE, check=True, text=True)
        for face, said in zip(objects, json.loads(done.stdout.splitlines()[-1])):
            best = np.argsort(said["expression"])[::-1][:3]
            male = said["probability"] if said["gender"] == "male" else 1 - said["probability"]
            genders = sorted([("male", 0, male), ("female", 1, 1 - male)], key=lambda g: -g[2])
            face["classifications"] = {
                "expression.onnx": {"top3": [{"label": said["labels"][i], "class_id": int(i),
                                              "score": round(said["expression"][i], 5)} for i in best]},
                "age-gender.onnx": {"top3": [{"label": n, "class_id": i, "score": round(p, 5)}
                                             for n, i, p in genders], "age": round(said["age"], 2)}}
        write(f"cascade_retinaface__{name}", {
            "kind": "cascade", "by": "face-api.js 1.7.15 over TensorFlow.js", "detector": "retinaface.onnx",
            "classifiers": ["expression.onnx", "age-gender.onnx"], "image": name,
            "image_width": golden["image_width"], "image_height": golden["image_height"], "objects": objects})


def main() -> None:
    modules, ssd, lite0 = sys.argv[1:4]
    for model in FAMILIES:
        run_network(model)
    run_orientation()
    run_tflite("ssd-mobilenet", ssd)
    run_tflite("efficientdet-lite0", lite0)
    run_cascades(modules)


if __name__ == "__main__":
    main()
