# SPDX-License-Identifier: MIT
"""The graphs that exporters write and of which no file is at hand, made from a real model at run time.

Each maker takes a model (assets.py) and appends, or cuts off, what the exporter in question adds, so that the
real binary runs a real network on real pictures and must find what it finds with the unmodified model. Where a form
is taken from stands with its maker.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """A model being changed: nodes are appended, outputs chosen."""

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(str(path))
        self.graph = self.model.graph
        taken = [n for node in self.graph.node for n in node.output] + [t.name for t in self.graph.initializer]
        self.count = max((int(n[5:]) for n in taken if n.startswith("made_")), default=0)  # a stand-in has some

    def name(self) -> str:
        self.count += 1
        return f"made_{self.count}"

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = self.name()
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [self.name() for _ in range(outputs)]
        self.graph.node.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def split(self, tensor: str, sizes: list[int], axis: int) -> list[str]:
        """By slices, which every opset writes alike."""
        ends = np.cumsum(sizes)
        return [self.cut(tensor, int(end - size), int(end), axis) for size, end in zip(sizes, ends)]

    def cut(self, tensor: str, start: int, end: int, axis: int) -> str:
        return self.op("Slice", tensor, *(self.const([n], np.int64) for n in (start, end, axis)))

    def reshape(self, tensor: str, *shape: int) -> str:
        return self.op("Reshape", tensor, self.const(shape, np.int64))

    def transpose(self, tensor: str, *order: int) -> str:
        return self.op("Transpose", tensor, perm=list(order))

    def sum(self, tensor: str, axis: int) -> str:
        if self.model.opset_import[0].version < 13:
            return self.op("ReduceSum", tensor, axes=[axis], keepdims=0)
        return self.op("ReduceSum", tensor, self.const([axis], np.int64), keepdims=0)

    def scale(self, tensor: str, by: Any) -> str:
        return self.op("Mul", tensor, self.const(by))

    def corners(self, boxes: str, axis: int) -> list[str]:
        """x1, y1, x2, y2 of centre, width and height."""
        cx, cy, w, h = self.split(boxes, [1, 1, 1, 1], axis)
        half_w, half_h = self.scale(w, 0.5), self.scale(h, 0.5)
        return [self.op("Sub", cx, half_w), self.op("Sub", cy, half_h), self.op("Add", cx, half_w),
                self.op("Add", cy, half_h)]

    def before(self, kind: int, shape: list[Any], change: list[tuple[str, Any]]) -> None:
        """Puts nodes in front of the first input, which becomes `pixels` of that type and shape."""
        old = self.graph.input[0]
        tensor, made = "pixels", len(self.graph.node)
        for op, argument in change:
            if op in ("Cast", "Transpose"):
                tensor = self.op(op, tensor, **argument)
            else:
                tensor = self.op(op, tensor, *(argument if isinstance(argument, list) else [self.const(argument)]))
        self.graph.node[-1].output[0] = old.name
        nodes = list(self.graph.node)
        del self.graph.node[:]
        self.graph.node.extend(nodes[made:] + nodes[:made])
        self.graph.input.remove(old)
        self.graph.input.insert(0, helper.make_tensor_value_info("pixels", kind, shape))

    def end(self, outputs: dict[str, tuple[str, int, list[Any]]], metadata: dict[str, str] | None = None) -> None:
        """{name: (tensor, type, declared shape)} are the outputs; inputs that nobody reads any more go."""
        del self.graph.output[:]
        for name, (tensor, kind, shape) in outputs.items():
            if name != tensor:
                self.graph.node.append(helper.make_node("Identity", [tensor], [name]))
            self.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
        self.prune()
        del self.model.metadata_props[:]
        helper.set_model_props(self.model, metadata or {})

    def prune(self) -> None:
        wanted = {o.name for o in self.graph.output}
        kept = []
        for node in reversed(self.graph.node):
            if wanted & set(node.output):
                wanted |= set(node.input)
                kept.append(node)
        del self.graph.node[:]
        self.graph.node.extend(reversed(kept))
        for i in [i for i in self.graph.input if i.name not in wanted]:
            self.graph.input.remove(i)

    def save(self, path: Path) -> Path:
        onnx.save(self.model, str(path))
        return path


F32, I32, I64, U8, I8 = (TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8, TensorProto.INT8)
NAMES = "{0: 'person', 1: 'bicycle'}"  # not all of them: only there to be wrong


def rename_last(g: Graph, old: str) -> str:
    """The graph's output under another name, so that `old` is free for a new output."""
    name = g.name()
    for node in g.graph.node:
        for names in (node.output, node.input):
            for i, n in enumerate(names):
                if n == old:
                    names[i] = name
    return name


# --- YOLOv5 -------------------------------------------------------------------------------------------------------

V5_SIZES = (80, 40, 20)


def yolov5_grids_4d(g: Graph) -> None:
    """Cut at the last convolutions, as for NPUs (rknn, ncnn exports): 1x255xHxW."""
    g.end({f"grid{s}": (f"/model.24/m.{i}/Conv_output_0", F32, [1, 255, s, s]) for i, s in enumerate(V5_SIZES)})


def v5_grid(i: int) -> str:
    return "/model.24/Transpose_output_0" if i == 0 else f"/model.24/Transpose_{i}_output_0"


def yolov5_grids_5d(g: Graph) -> None:
    """`export.py --train` of v6, and models.yolo.Detect in training mode: 1x3xHxWx85, before the sigmoid."""
    g.end({f"grid{s}": (v5_grid(i), F32, [1, 3, s, s, 85]) for i, s in enumerate(V5_SIZES)})


def yolov5_table_and_grids(g: Graph) -> None:
    """export.py up to v6.0: the table, then the raw grids."""
    table = rename_last(g, "output")
    g.end({"output": (table, F32, [1, 25200, 85]),
           **{f"grid{s}": (v5_grid(i), F32, [1, 3, s, s, 85]) for i, s in enumerate(V5_SIZES)}})


def yolov5_normalised(g: Graph) -> None:
    """models/tf.py: boxes as shares of the input."""
    table = g.op("Mul", "output", g.const([1 / 640] * 4 + [1] * 81))
    g.end({"StatefulPartitionedCall:0": (table, F32, [1, 25200, 85])})


def yolov4_boxes_confs(g: Graph) -> None:
    """Tianxiaomo/pytorch-YOLOv4: `boxes` 1xNx1x4 as x1,y1,x2,y2 in 0..1, `confs` 1xNxC = objectness x class."""
    box, objectness, classes = g.split("output", [4, 1, 80], 2)
    corners = g.scale(g.op("Concat", *g.corners(box, 2), axis=2), 1 / 640)
    g.end({"boxes": (g.reshape(corners, 1, 25200, 1, 4), F32, [1, 25200, 1, 4]),
           "confs": (g.op("Mul", objectness, classes), F32, [1, 25200, 80])})


def detection_output(g: Graph) -> None:
    """Caffe's and OpenVINO's DetectionOutput: 1x1xNx7 of image, class, score, box in 0..1 (from a YOLOv7 end2end)."""
    image, box, label, score = g.split("detections", [1, 4, 1, 1], 1)
    rows = g.op("Concat", image, label, score, g.scale(box, 1 / 640), axis=1)
    g.end({"detection_out": (g.reshape(rows, 1, 1, -1, 7), F32, [1, 1, "rows", 7])})


# --- YOLOX --------------------------------------------------------------------------------------------------------

def yolox_decoded(g: Graph) -> None:
    """tools/export_onnx.py --decode_in_inference (yolox/models/yolo_head.py decode_outputs)."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        side = 416 // stride
        y, x = np.mgrid[:side, :side]
        cells.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((side * side, 1), stride))
    cell, stride = g.const(np.concatenate(cells)[None]), g.const(np.concatenate(strides)[None])
    xy, wh, rest = g.split("output", [2, 2, 81], 2)
    xy = g.op("Mul", g.op("Add", xy, cell), stride)
    wh = g.op("Mul", g.op("Exp", wh), stride)
    table = g.op("Concat", xy, wh, rest, axis=2)
    g.end({"boxes_and_scores": (table, F32, [1, 3549, 85])})


# --- YOLOv8 -------------------------------------------------------------------------------------------------------

def yolov8_rows(g: Graph) -> None:
    """One candidate per row, as exports for other runtimes transpose it."""
    g.end({"out": (g.transpose("output0", 0, 2, 1), F32, [1, 8400, 84])})


def yolov8_normalised(g: Graph) -> None:
    """Ultralytics' TensorFlow exports (nn/modules/head.py, format tflite): boxes as shares of the input."""
    box, classes = g.split("output0", [4, 80], 1)
    g.end({"out": (g.op("Concat", g.scale(box, 1 / 640), classes, axis=1), F32, [1, 84, 8400])})


def candidates(width: int, height: int) -> int:
    """How many rows YOLOv8 gives at this size: the cells of strides 8, 16 and 32."""
    return sum((width // s) * (height // s) for s in (8, 16, 32))


def picked_rows(g: Graph) -> tuple[list[str], str, str]:
    """x1, y1, x2, y2 (each 1x1xN), scores 1x80xN, and what NonMaxSuppression picks of the N candidates, Kx3."""
    box, classes = g.split("output0", [4, 80], 1)
    # One class per box, as Ultralytics' exporter has it.
    best = g.op("Less", classes, g.op("ReduceMax", classes, axes=[1], keepdims=1))
    classes = g.op("Where", best, g.const(0), classes)
    sides = g.corners(box, 1)
    corners = g.transpose(g.op("Concat", *sides, axis=1), 0, 2, 1)
    return sides, classes, g.op("NonMaxSuppression", corners, classes, g.const([300], np.int64), g.const([0.45]),
                                g.const([0.25]))


def suppressed(g: Graph, most: int, rows: int = 8400) -> tuple[str, str, str, str]:
    """Boxes 1xKx4 (corners), scores 1xK, classes 1xK (int64) of the best `most` of so many rows, and how many count."""
    sides, classes, picked = picked_rows(g)
    corners = g.transpose(g.op("Concat", *sides, axis=1), 0, 2, 1)
    _, label, row = g.split(picked, [1, 1, 1], 1)
    label, row = g.reshape(label, -1), g.reshape(row, -1)
    flat = g.op("Add", g.op("Mul", label, g.const(rows, np.int64)), row)
    score = g.op("Gather", g.reshape(classes, -1), flat, axis=0)
    box = g.op("Gather", g.reshape(corners, -1, 4), row, axis=0)
    # Rows of zeros behind, so that there are always enough.
    score = g.op("Concat", score, g.const(np.zeros(most)), axis=0)
    best, order = g.op("TopK", score, g.const([most], np.int64), outputs=2, axis=0)
    box = g.op("Gather", g.op("Concat", box, g.const(np.zeros((most, 4))), axis=0), order, axis=0)
    label = g.op("Gather", g.op("Concat", label, g.const(np.zeros(most), np.int64), axis=0), order, axis=0)
    number = g.op("ReduceSum", g.op("Cast", g.op("Greater", best, g.const(0)), to=I32), keepdims=1)
    return g.reshape(box, 1, most, 4), g.reshape(best, 1, most), g.reshape(label, 1, most), g.reshape(number, 1, 1)


def yolov8_nms(g: Graph) -> None:
    """Ultralytics `nms=True`: 1x300x6 of x1,y1,x2,y2,score,class, padded with zeros."""
    box, score, label, _ = suppressed(g, 300)
    label = g.op("Cast", label, to=F32)
    table = g.op("Concat", box, g.reshape(score, 1, 300, 1), g.reshape(label, 1, 300, 1), axis=2)
    g.end({"output": (table, F32, [1, 300, 6])}, {"task": "detect", "stride": "32"})


def efficient_nms(g: Graph) -> None:
    """TensorRT's EfficientNMS_TRT plugin as YOLOv7's and others' exporters append it: four outputs, 100 rows."""
    box, score, label, number = suppressed(g, 100)
    g.end({"num_dets": (number, I32, [1, 1]), "det_boxes": (box, F32, [1, 100, 4]),
           "det_scores": (score, F32, [1, 100]), "det_classes": (g.op("Cast", label, to=I32), I32, [1, 100])})


def nms_zoo(g: Graph, side: int, tiny: bool) -> None:
    """yolov3-10 and tiny-yolov3-11 of the ONNX model zoo (keras-yolo3): all boxes as y1,x1,y2,x2 in pixels of a second
    input, height and width of the picture, their scores, and the rows that NonMaxSuppression picked."""
    (x1, y1, x2, y2), classes, picked = picked_rows(g)
    shares = g.scale(g.transpose(g.op("Concat", y1, x1, y2, x2, axis=1), 0, 2, 1), 1 / side)
    g.graph.input.append(helper.make_tensor_value_info("image_shape", F32, ["n", 2]))
    shape = g.reshape(g.op("Concat", "image_shape", "image_shape", axis=1), -1, 1, 4)
    names = ([f"yolonms_layer_1{n}" for n in ("", ":1", ":2")] if tiny else
             [f"yolonms_layer_1/{n}:0" for n in ("ExpandDims_1", "ExpandDims_3", "concat_2")])
    picked = g.op("Cast", g.reshape(picked, 1, -1, 3) if tiny else picked, to=I32)
    g.end({names[0]: (g.op("Mul", shares, shape), F32, [1, "boxes", 4]), names[1]: (classes, F32, [1, 80, "boxes"]),
           names[2]: (picked, I32, [1, "picked", 3] if tiny else ["picked", 3])})


def nms_zoo_yolov3(g: Graph) -> None:
    """Any size and batch, as the zoo's file declares, run at the 416 pixels that it was trained at."""
    nms_zoo(g, 416, tiny=False)


def nms_zoo_tiny(g: Graph) -> None:
    nms_zoo(g, 640, tiny=True)


def nms_appended(g: Graph) -> None:
    """Somebody's own NonMaxSuppression behind x1,y1,x2,y2 in input pixels: int64 rows, some of -1 behind them as
    runtimes with tables of fixed length have it."""
    sides, classes, picked = picked_rows(g)
    picked = g.op("Concat", picked, g.const(np.full((5, 3), -1), np.int64), axis=0)
    g.end({"boxes": (g.transpose(g.op("Concat", *sides, axis=1), 0, 2, 1), F32, ["n", "boxes", 4]),
           "scores": (classes, F32, ["n", 80, "boxes"]), "selected_indices": (picked, I64, ["picked", 3])})


def nms_centres(g: Graph) -> None:
    """NonMaxSuppression with center_point_box=1 right behind YOLOv8's cx,cy,w,h."""
    _, classes, _ = picked_rows(g)
    box, _ = g.split("output0", [4, 80], 1)
    box = g.transpose(box, 0, 2, 1)
    picked = g.op("NonMaxSuppression", box, classes, g.const([300], np.int64), g.const([0.45]), g.const([0.25]),
                  center_point_box=1)
    g.end({"boxes": (box, F32, ["n", "boxes", 4]),
           "scores": (classes, F32, ["n", 80, "boxes"]), "selected_indices": (picked, I64, ["picked", 3])})


COCO91 = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 31, 32, 33, 34,
          35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
          63, 64, 65, 67, 70, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 84, 85, 86, 87, 88, 89, 90]


def torchvision(g: Graph) -> None:
    """torchvision.models.detection: boxes Nx4, labels N (COCO's ids from 1), scores N, no batch axis."""
    box, score, label, number = suppressed(g, 100)
    count = g.reshape(g.op("Cast", number, to=I64), 1)
    start, axis = g.const([0], np.int64), g.const([0], np.int64)
    label = g.op("Gather", g.const(COCO91, np.int64), g.reshape(label, -1), axis=0)
    parts = [g.op("Slice", part, start, count, axis) for part in (g.reshape(box, -1, 4), label, g.reshape(score, -1))]
    g.end({"boxes": (parts[0], F32, ["n", 4]), "labels": (parts[1], I64, ["n"]), "scores": (parts[2], F32, ["n"])})


def lone_picture(g: Graph) -> None:
    """torchvision's detectors given a list of pictures, as its documentation exports them: input 3xHxW."""
    torchvision(g)
    g.before(F32, [3, 640, "width"], [("Reshape", [g.const([1, 3, 640, 640], np.int64)])])


def lone_picture_nhwc(g: Graph) -> None:
    torchvision(g)
    g.before(U8, [640, 640, 3], [("Cast", {"to": F32}), ("Mul", 1 / 255), ("Transpose", {"perm": [2, 0, 1]}),
                                 ("Reshape", [g.const([1, 3, 640, 640], np.int64)])])


def mmdeploy(g: Graph) -> None:
    """mmdeploy's end2end detectors (mmdetection, mmyolo): `dets` 1xNx5 with the score last, `labels` 1xN from 0; Mask
    R-CNN's masks beside them."""
    box, score, label, _ = suppressed(g, 100)
    dets = g.op("Concat", box, g.reshape(score, 1, 100, 1), axis=2)
    g.end({"dets": (dets, F32, [1, 100, 5]), "labels": (label, I64, [1, 100]),
           "masks": (g.const(np.zeros((1, 100, 28, 28))), F32, [1, 100, 28, 28])})


def ssd_zoo(g: Graph) -> None:
    """ssd-12 of the ONNX model zoo (MLPerf's SSD): bboxes as shares of the input, labels from 1, scores."""
    box, score, label, _ = suppressed(g, 100)
    g.end({"bboxes": (g.scale(box, 1 / 640), F32, [1, "n", 4]),
           "labels": (g.op("Add", label, g.const(1, np.int64)), I64, [1, "n"]), "scores": (score, F32, [1, "n"])})


def uint8_nhwc(g: Graph) -> None:
    """Normalisation inside, pixels as they are: what onnx-tf and OpenVINO's preprocessing steps write."""
    g.before(U8, [1, 640, 640, 3], [("Cast", {"to": F32}), ("Transpose", {"perm": [0, 3, 1, 2]}), ("Mul", 1 / 255)])


def gray(g: Graph, channels: Any) -> None:
    """One channel in, as graphs for gray cameras have it; the network is given it three times."""
    g.before(F32, [1, channels, 640, 640], [("Expand", [g.const([1, 3, 640, 640], np.int64)])])


def int8_input(g: Graph) -> None:
    """Fully quantised graphs whose first node was a QuantizeLinear of pixel/255 with zero point -128."""
    scale, zero = g.const(1 / 255), g.const(-128, np.int8)
    g.before(I8, [1, 3, 640, 640], [("DequantizeLinear", [scale, zero])])


# --- DETR ---------------------------------------------------------------------------------------------------------

LOGITS, QUERY_BOXES = "/model/decoder/Gather_7_output_0", "/model/decoder/Gather_8_output_0"


def detr_sigmoid(g: Graph) -> None:
    """RT-DETR and D-FINE without their post-processor (Transformers' export): logits and boxes in 0..1."""
    g.end({"logits": (LOGITS, F32, [1, "queries", 80]), "pred_boxes": (QUERY_BOXES, F32, [1, "queries", 4])})


def detr_softmax(g: Graph) -> None:
    """DETR (Transformers' export): 91 columns by COCO's ids and a last one for "no object"; ImageNet's mean and std."""
    p = g.op("Clip", g.op("Sigmoid", LOGITS), g.const(1e-7), g.const(1))
    best = g.op("ReduceMax", p, axes=[2], keepdims=1)
    p = g.op("Where", g.op("Less", p, best), g.const(1e-7), p)  # one class per query, so that they sum to at most 1
    places = np.zeros((80, 91))
    places[np.arange(80), COCO91] = 1
    spread = g.op("Max", g.op("MatMul", p, g.const(places)), g.const(1e-7))
    nothing = g.op("Max", g.op("Sub", g.const(1), g.op("ReduceMax", spread, axes=[2], keepdims=1)), g.const(1e-7))
    logits = g.op("Log", g.op("Concat", spread, nothing, axis=2))
    g.before(F32, [1, 3, 320, 320],
             [("Mul", np.float32([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)),
              ("Add", np.float32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))])
    g.end({"logits": (logits, F32, [1, "queries", 92]), "pred_boxes": (QUERY_BOXES, F32, [1, "queries", 4])})


# --- PP-PicoDet ---------------------------------------------------------------------------------------------------

def picodet_raw(g: Graph) -> None:
    """PaddleDetection export.post_process=False: per stride scores 1xLx80, then distributions 1xLx32."""
    cells = (1600, 400, 100, 25)
    scores = [g.transpose(f"reshape2_{3 * i}.tmp_0", 0, 2, 1) for i in range(4)]
    bins = [g.reshape(f"transpose_{i}.tmp_0", 1, n, 32) for i, n in enumerate(cells)]
    g.end({**{f"score{n}": (t, F32, [1, n, 80]) for n, t in zip(cells, scores)},
           **{f"bins{n}": (t, F32, [1, n, 32]) for n, t in zip(cells, bins)}})


def darknet_grids(g: Graph) -> None:
    """Darknet's own: logits for x = sigmoid(t) + cell, w = exp(t) * anchor. Made from YOLOv5's by solving for t;
    centres that YOLOv5 puts outside their cell cannot be told that way and stay at its border."""
    outputs = {}
    for i, side in enumerate(V5_SIZES):
        s = g.op("Sigmoid", v5_grid(i))
        xy, wh, _ = g.split(s, [2, 2, 81], 4)
        _, rest = g.split(v5_grid(i), [4, 81], 4)
        xy = g.op("Clip", g.op("Sub", g.scale(xy, 2), g.const(0.5)), g.const(1e-4), g.const(1 - 1e-4))
        xy = g.op("Log", g.op("Div", xy, g.op("Sub", g.const(1), xy)))
        wh = g.scale(g.op("Log", g.scale(wh, 2)), 2)
        grid = g.op("Concat", xy, wh, rest, axis=4)
        outputs[f"yolo{side}"] = (g.reshape(g.transpose(grid, 0, 1, 4, 2, 3), 1, 255, side, side), F32,
                                  [1, 255, side, side])
    g.end(outputs)


V5_ANCHORS = [[(10, 13), (16, 30), (33, 23)], [(30, 61), (62, 45), (59, 119)], [(116, 90), (156, 198), (373, 326)]]
V4_ANCHORS = [[(12, 16), (19, 36), (40, 28)], [(36, 75), (76, 55), (72, 146)], [(142, 110), (192, 243), (459, 401)]]


def zoo_grids(g: Graph, decoded: bool) -> None:
    outputs = {}
    for i, (side, scale) in enumerate(zip(V5_SIZES, (1.2, 1.1, 1.05))):
        s = g.op("Sigmoid", v5_grid(i))
        xy, wh, rest = g.split(s, [2, 2, 81], 4)
        xy = g.op("Sub", g.scale(xy, 2), g.const(0.5))
        anchors = np.float32(V5_ANCHORS[i]).reshape(1, 3, 1, 1, 2)
        if decoded:
            y, x = np.mgrid[:side, :side]
            xy = g.scale(g.op("Add", xy, g.const(np.stack([x, y], -1)[None, None])), 640 / side)
            half = g.scale(wh, 2)
            wh = g.op("Mul", g.op("Mul", half, half), g.const(anchors))
        else:
            xy = g.scale(g.op("Add", xy, g.const((scale - 1) / 2)), 1 / scale)
            xy = g.op("Clip", xy, g.const(1e-4), g.const(1 - 1e-4))
            xy = g.op("Log", g.op("Div", xy, g.op("Sub", g.const(1), xy)))
            wh = g.op("Add", g.scale(g.op("Log", g.scale(wh, 2)), 2),
                      g.const(np.log(anchors / np.float32(V4_ANCHORS[i]).reshape(1, 3, 1, 1, 2))))
        grid = g.transpose(g.op("Concat", xy, wh, rest, axis=4), 0, 2, 3, 1, 4)
        outputs[f"Identity{'' if i == 0 else f'_{i}'}:0"] = (grid, F32, ["n", "h", "w", 3, 85])
    g.before(F32, ["n", 640, 640, 3], [("Transpose", {"perm": [0, 3, 1, 2]})])
    g.end(outputs)


def zoo_yolov4(g: Graph) -> None:
    """yolov4.onnx of the ONNX model zoo: NHWC floats in, 1xHxWx3x85 out, boxes raw and scores through a sigmoid. Made
    from YOLOv5's as darknet_grids; a centre may lie scale_x_y - 1 outside its cell here."""
    zoo_grids(g, decoded=False)


def tensorflow_decoded(g: Graph) -> None:
    """YunYang1994/tensorflow-yolov3, hunglc007/tensorflow-yolov4-tflite: the same grids with boxes decoded."""
    zoo_grids(g, decoded=True)


def largest_grid_only(g: Graph) -> None:
    """YOLOv5's three grids of which two find nothing: what is left to compare a graph of one grid with."""
    outputs = {}
    for i, side in enumerate(V5_SIZES):
        box, objectness, classes = g.split(v5_grid(i), [4, 1, 80], 4)
        if i < 2:
            objectness = g.op("Sub", objectness, g.const(100))
        outputs[f"grid{side}"] = (g.op("Concat", box, objectness, classes, axis=4), F32, [1, 3, side, side, 85])
    g.end(outputs)


def yolov2(g: Graph, anchors: list[float]) -> str:
    """YOLOv2's single grid (darknet's region layer) solved for from YOLOv5's largest: five anchors, two of which find
    nothing; the score goes into the objectness and the classes of the softmax are the best one and nothing else."""
    s = g.op("Sigmoid", v5_grid(2))
    xy, wh, objectness, classes = g.split(s, [2, 2, 1, 80], 4)
    xy = g.op("Clip", g.op("Sub", g.scale(xy, 2), g.const(0.5)), g.const(1e-4), g.const(1 - 1e-4))
    xy = g.op("Log", g.op("Div", xy, g.op("Sub", g.const(1), xy)))
    ratio = np.float32(V5_ANCHORS[2]) / (np.float32(anchors).reshape(5, 2)[:3] * 32)
    wh = g.op("Add", g.scale(g.op("Log", g.scale(wh, 2)), 2), g.const(np.log(ratio).reshape(1, 3, 1, 1, 2)))
    best = g.op("ReduceMax", classes, axes=[4], keepdims=1)
    score = g.op("Mul", objectness, best)
    score = g.op("Log", g.op("Div", score, g.op("Sub", g.const(1), score)))
    classes = g.op("Where", g.op("Less", classes, best), g.const(-50), g.const(50))
    grid = g.op("Concat", xy, wh, score, classes, axis=4)
    nothing = g.const(np.full((1, 2, 20, 20, 85), -20))
    return g.reshape(g.transpose(g.op("Concat", grid, nothing, axis=1), 0, 1, 4, 2, 3), 1, 425, 20, 20)


COCO_V2 = [0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828]


def yolov2_coco(g: Graph) -> None:
    """yolov2-coco-9 of the ONNX model zoo."""
    g.end({"218": (yolov2(g, COCO_V2), F32, [1, 425, 20, 20])})


def custom_vision(g: Graph) -> None:
    """Azure Custom Vision's compact detectors: BGR 0..255 in `data`, the grid in `model_outputs0`."""
    grid = yolov2(g, COCO_V2)
    g.before(F32, [1, 3, 640, 640], [("Mul", 1 / 255), ("Gather", [g.const([2, 1, 0], np.int64)])])
    g.graph.node[1].attribute.append(helper.make_attribute("axis", 1))
    g.end({"model_outputs0": (grid, F32, [1, 425, 20, 20])})


def multi_label(g: Graph) -> None:
    """Classes that do not exclude each other: a sigmoid of the values before the softmax."""
    before = next(n.input[0] for n in g.graph.node if n.op_type == "Softmax")
    g.end({"labels": (g.op("Sigmoid", before), F32, [1, 4])})


def pooled(g: Graph) -> tuple[str, str, int]:
    """What the last global pooling pools, what it gives, and of how many channels."""
    pool = [n for n in g.graph.node if n.op_type == "GlobalAveragePool"][-1]
    weights = next(n.input[1] for n in g.graph.node if pool.output[0] in n.input)
    return pool.input[0], pool.output[0], next(t.dims[1] for t in g.graph.initializer if t.name == weights)


def sequence_and_vector(g: Graph, vector_first: bool) -> None:
    """Transformers' vision encoders (optimum): last_hidden_state 1xTxC beside pooler_output 1xC."""
    features, vector, n = pooled(g)
    sequence = g.transpose(g.reshape(features, 1, n, -1), 0, 2, 1)
    outputs = {"last_hidden_state": (sequence, F32, [1, "tokens", n]),
               "pooler_output": (g.reshape(vector, 1, n), F32, [1, n])}
    g.end(dict(reversed(outputs.items())) if vector_first else outputs)


def embedding(g: Graph) -> None:
    """The pooled features alone: what is compared, not named."""
    _, vector, n = pooled(g)
    g.end({"features": (vector, F32, [1, n, 1, 1])})
