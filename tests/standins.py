# SPDX-License-Identifier: MIT
"""Stand-ins: networks of the base set whose answers are written in the form of a family of which no package brings a
model. The network is real and so are the pictures; only the last nodes are made here, by solving each family's
published decoding rule (named with each maker) for the numbers that give the boxes the network found. So a stand-in
must find what its network finds, which test_exports.py holds, and what that must find stands in tests/goldens.

Where a form has fewer places than its network has candidates, the network's own are suppressed first and each object
that is left goes to the place that suits it; two objects for one place are one too many, which is rare.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import assets
import numpy as np
import onnx
from exports import F32, I64, V5_ANCHORS, V5_SIZES, Graph, candidates, suppressed
from onnx import helper, numpy_helper

OBJECTS = 100  # that a stand-in can hold
FAR = -20.0  # a logit of nothing


def fixed(g: Graph, width: int, height: int) -> None:
    """Sets a free input to one size, and forgets declared shapes that the size decides."""
    shape = g.graph.input[0].type.tensor_type.shape
    for dim, value in zip(shape.dim, (1, 3, height, width)):
        dim.ClearField("dim_param")
        dim.dim_value = value
    del g.graph.value_info[:]
    g.graph.output[0].type.tensor_type.shape.dim[2].ClearField("dim_param")
    g.graph.output[0].type.tensor_type.shape.dim[2].dim_value = candidates(width, height)


def from_bgr(g: Graph, width: int, height: int, scale: float, name: str, mean: Any = 0, std: Any = 1) -> None:
    """The input becomes BGR as the family has it: (pixel - mean) / std; the network wants RGB / 255."""
    g.before(F32, [1, 3, height, width],
             [("Mul", np.float32(std).reshape(-1, 1, 1)), ("Add", np.float32(mean).reshape(-1, 1, 1)), ("Mul", scale),
              ("Gather", [g.const([2, 1, 0], np.int64)])])
    next(n for n in g.graph.node if n.op_type == "Gather").attribute.append(helper.make_attribute("axis", 1))
    rename_input(g, name)


def rename_input(g: Graph, name: str) -> None:
    for node in g.graph.node:
        for i, tensor in enumerate(node.input):
            if tensor == "pixels":
                node.input[i] = name
    g.graph.input[0].name = name


def logit(g: Graph, p: str) -> str:
    p = g.op("Clip", p, g.const(1e-6), g.const(1 - 1e-6))
    return g.op("Log", g.op("Div", p, g.op("Sub", g.const(1), p)))


def scatter(g: Graph, empty: Any, row: str, score: str, columns: list[str]) -> str:
    """The table `empty` with each object's columns in the row that is its; the best object of a row stays."""
    empty, rows = np.float32(empty), g.op("Concat", *columns, axis=1)
    # Rows of nothing go to one row more than there are; later ones win, so the order is turned round.
    row = g.op("Where", g.op("Greater", g.reshape(score, OBJECTS), g.const(0)),
               g.op("Cast", g.reshape(row, OBJECTS), to=I64), g.const(len(empty), np.int64))
    turn = g.const(np.arange(OBJECTS)[::-1].copy(), np.int64)
    table = g.op("ScatterND", g.const(np.concatenate([empty, empty[:1]])),
                 g.reshape(g.op("Gather", row, turn, axis=0), OBJECTS, 1), g.op("Gather", rows, turn, axis=0))
    return g.cut(table, 0, len(empty), 0)


def end_keeping(g: Graph, inner: list[str], outputs: dict[str, Any]) -> None:
    """Graph.end, with tensors that no output needs but the forms of exports.py do."""
    g.end({**outputs, **{name: (name, F32, []) for name in inner}})
    del g.graph.output[len(outputs):]


class Objects:
    """What the network found: columns of OBJECTS rows in input pixels, best first; rows without one score 0."""

    def __init__(self, g: Graph, anchors: int) -> None:
        box, score, label, _ = suppressed(g, OBJECTS, anchors)
        self.g, box = g, g.reshape(box, OBJECTS, 4)
        x1, y1, x2, y2 = g.split(box, [1, 1, 1, 1], 1)
        self.x, self.y = g.scale(g.op("Add", x1, x2), 0.5), g.scale(g.op("Add", y1, y2), 0.5)
        self.w = g.op("Max", g.op("Sub", x2, x1), g.const(1))
        self.h = g.op("Max", g.op("Sub", y2, y1), g.const(1))
        self.box, self.score, self.label = box, g.reshape(score, OBJECTS, 1), g.reshape(label, OBJECTS)
        self.sides = x1, y1, x2, y2

    def classes(self, off: float, on: float | str) -> str:
        """OBJECTS x 80: the object's class is `on`, all others `off`."""
        g = self.g
        one = g.op("OneHot", self.label, g.const(80, np.int64), g.const([0, 1]), axis=1)
        value = on if isinstance(on, str) else g.const(on)
        return g.op("Where", g.op("Greater", one, g.const(0.5)), value, g.const(off))

    def cell(self, stride: float, columns: int, rows: int) -> tuple[str, str]:
        """Column and row of the centre, as floats."""
        g = self.g
        return tuple(g.op("Clip", g.op("Floor", g.scale(v, 1 / stride)), g.const(0), g.const(n - 1))
                     for v, n in ((self.x, columns), (self.y, rows)))  # type: ignore[return-value]

    def nearest(self, sizes: Any) -> str:
        """OBJECTS (int64): which of the widths and heights is closest in shape to the object."""
        g, sizes = self.g, np.float32(sizes)
        ratios = []
        for side, of in ((self.w, sizes[:, 0]), (self.h, sizes[:, 1])):
            ratio = g.op("Div", side, g.const(of[None]))
            ratios.append(g.op("Max", ratio, g.op("Div", g.const(1), ratio)))
        return g.op("ArgMin", g.op("Max", *ratios), axis=1, keepdims=0)

    def pick(self, table: Any, index: str) -> str:
        """OBJECTS x 1: the table's number at the index."""
        return self.g.reshape(self.g.op("Gather", self.g.const(table), index, axis=0), OBJECTS, 1)

    def scatter(self, empty: Any, row: str, columns: list[str]) -> str:
        return scatter(self.g, empty, row, self.score, columns)


# --- From YOLO ----------------------------------------------------------------------------------------------------

def yolov5n(g: Graph) -> None:
    """YOLOv5's raw grids (models/yolo.py): xy = (2s - 0.5 + cell) * stride, wh = (2s)^2 * anchor for s = sigmoid(t),
    and the table decoded from them; tensors are named as in the graph of yolov5n 6.0."""
    o = Objects(g, 8400)
    which = o.nearest(np.float32(V5_ANCHORS).reshape(9, 2))
    sides, strides = [s for s in V5_SIZES for _ in range(3)], [640 / s for s in V5_SIZES for _ in range(3)]
    starts = np.cumsum([0] + [s * s for s in sides[:-1]])
    stride = o.pick(strides, which)
    column, row = (g.op("Floor", g.op("Div", v, stride)) for v in (o.x, o.y))
    place = g.op("Add", o.pick(starts, which), g.op("Add", g.op("Mul", row, o.pick(sides, which)), column))
    flat = np.float32(V5_ANCHORS).reshape(9, 2)
    xy = [logit(g, g.scale(g.op("Add", g.op("Sub", g.op("Div", v, stride), c), g.const(0.5)), 0.5))
          for v, c in ((o.x, column), (o.y, row))]
    wh = [logit(g, g.scale(g.op("Sqrt", g.op("Div", v, o.pick(flat[:, i], which))), 0.5))
          for i, v in enumerate((o.w, o.h))]
    table = o.scatter(np.full((25200, 85), FAR), place, [*xy, *wh, logit(g, o.score), o.classes(FAR, -FAR)])
    parts, decoded = g.split(table, [3 * s * s for s in V5_SIZES], 0), []
    for i, (side, part) in enumerate(zip(V5_SIZES, parts)):
        grid = "/model.24/Transpose_output_0" if i == 0 else f"/model.24/Transpose_{i}_output_0"
        g.graph.node.append(helper.make_node("Identity", [g.reshape(part, 1, 3, side, side, 85)], [grid]))
        map_ = g.reshape(g.transpose(grid, 0, 1, 4, 2, 3), 1, 255, side, side)
        g.graph.node.append(helper.make_node("Identity", [map_], [f"/model.24/m.{i}/Conv_output_0"]))
        y, x = np.mgrid[:side, :side]
        xy, wh, rest = g.split(g.op("Sigmoid", grid), [2, 2, 81], 4)
        xy = g.scale(g.op("Add", g.op("Sub", g.scale(xy, 2), g.const(0.5)), g.const(np.stack([x, y], -1)[None, None])),
                     640 / side)
        half = g.scale(wh, 2)
        wh = g.op("Mul", g.op("Mul", half, half), g.const(np.float32(V5_ANCHORS[i]).reshape(1, 3, 1, 1, 2)))
        decoded.append(g.reshape(g.op("Concat", xy, wh, rest, axis=4), 1, -1, 85))
    maps = [f"/model.24/m.{i}/Conv_output_0" for i in range(3)]
    end_keeping(g, maps, {"output": (g.op("Concat", *decoded, axis=1), F32, [1, 25200, 85])})
    helper.set_model_props(g.model, {"names": COCO_NAMES})


def yolov7_end2end(g: Graph) -> None:
    """YOLOv7's --end2end --max-wh table: image, x1, y1, x2, y2, class, score of what is left."""
    box, score, label, number = suppressed(g, OBJECTS)
    count = g.reshape(g.op("Cast", number, to=I64), 1)
    columns = [g.const(np.zeros((OBJECTS, 1))), g.reshape(box, OBJECTS, 4),
               g.reshape(g.op("Cast", label, to=F32), OBJECTS, 1), g.reshape(score, OBJECTS, 1)]
    rows = g.op("Slice", g.op("Concat", *columns, axis=1), g.const([0], np.int64), count, g.const([0], np.int64))
    g.end({"detections": (rows, F32, ["num_det", 7])})


def yolox_nano(g: Graph) -> None:
    """YOLOX (yolox/models/yolo_head.py): centre = (t + cell) * stride, size = exp(t) * stride, score = object * class,
    BGR as it is."""
    fixed(g, 416, 416)
    from_bgr(g, 416, 416, 1 / 255, "x")
    cells, strides = [], []
    for stride in (8, 16, 32):
        side = 416 // stride
        y, x = np.mgrid[:side, :side]
        cells.append(np.stack([x, y]).reshape(2, -1))
        strides.append(np.full((1, side * side), stride))
    cell, stride = g.const(np.concatenate(cells, 1)[None]), g.const(np.concatenate(strides, 1)[None])
    xy, wh, classes = g.split("output0", [2, 2, 80], 1)
    xy = g.op("Sub", g.op("Div", xy, stride), cell)
    wh = g.op("Log", g.op("Div", g.op("Max", wh, g.const(0.01)), stride))
    best = g.op("Max", g.op("ReduceMax", classes, axes=[1], keepdims=1), g.const(1e-9))
    table = g.op("Concat", xy, wh, best, g.op("Div", classes, best), axis=1)
    g.end({"output": (g.transpose(table, 0, 2, 1), F32, [1, 3549, 85])})


def deimv2(g: Graph) -> None:
    """The RT-DETR family's export: 300 queries, boxes in the pixels of a second input, width and height."""
    fixed(g, 320, 320)
    box, score, label, _ = suppressed(g, 300, candidates(320, 320))
    x1, y1, x2, y2 = g.split(g.scale(g.reshape(box, 1, 300, 4), 1 / 320), [1, 1, 1, 1], 2)
    query = g.op("Concat", g.scale(g.op("Add", x1, x2), 0.5), g.scale(g.op("Add", y1, y2), 0.5), g.op("Sub", x2, x1),
                 g.op("Sub", y2, y1), axis=2)
    one = g.op("OneHot", label, g.const(80, np.int64), g.const([0, 1]), axis=2)
    p = g.op("Mul", g.reshape(score, 1, 300, 1), one)
    for tensor, name in ((logit(g, p), "/model/decoder/Gather_7_output_0"),
                         (query, "/model/decoder/Gather_8_output_0")):
        g.graph.node.append(helper.make_node("Identity", [tensor], [name]))
    g.graph.input.append(helper.make_tensor_value_info("orig_target_sizes", I64, ["n", 2]))
    size = g.reshape(g.op("Cast", "orig_target_sizes", to=F32), -1, 1, 2)
    boxes = g.op("Mul", g.op("Concat", x1, y1, x2, y2, axis=2), g.op("Concat", size, size, axis=2))
    end_keeping(g, ["/model/decoder/Gather_7_output_0", "/model/decoder/Gather_8_output_0"],
                {"labels": (label, I64, [1, 300]), "boxes": (boxes, F32, [1, 300, 4]),
                 "scores": (score, F32, [1, 300])})


def picodet(g: Graph) -> None:
    """PaddleDetection's export with post-processing: class, score, x1, y1, x2, y2 in original pixels, by an input of
    scale factors, and how many rows; the first dimension is declared as the most there could be."""
    fixed(g, 320, 320)
    mean, std = np.float32([0.485, 0.456, 0.406]).reshape(3, 1, 1), np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    g.before(F32, [1, 3, 320, 320], [("Mul", std), ("Add", mean)])
    rename_input(g, "image")
    g.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    box, score, label, number = suppressed(g, OBJECTS, candidates(320, 320))
    g.graph.input.append(helper.make_tensor_value_info("scale_factor", F32, [1, 2]))
    y, x = g.split("scale_factor", [1, 1], 1)
    box = g.op("Div", g.reshape(box, OBJECTS, 4), g.op("Concat", x, y, x, y, axis=1))
    rows = g.op("Concat", g.reshape(g.op("Cast", label, to=F32), OBJECTS, 1), g.reshape(score, OBJECTS, 1), box, axis=1)
    count = g.reshape(g.op("Cast", number, to=I64), 1)
    g.end({"multiclass_nms3_0.tmp_0": (g.op("Slice", rows, g.const([0], np.int64), count, g.const([0], np.int64)), F32,
                                       [2125, 6]),
           "multiclass_nms3_0.tmp_2": (g.op("Cast", count, to=onnx.TensorProto.INT32), onnx.TensorProto.INT32, [-1])})


def fastestdet(g: Graph) -> None:
    """FastestDet (module/detector.py): one map of stride 16; centre = cell + tanh(t), size = sigmoid(t), both shares of
    the map; score = object^0.6 * class^0.4; the classes are a softmax."""
    fixed(g, 352, 352)
    from_bgr(g, 352, 352, 1.0, "input.1")
    o = Objects(g, candidates(352, 352))
    column, row = o.cell(16, 22, 22)

    def atanh(v: str) -> str:
        v = g.op("Clip", v, g.const(-0.999), g.const(0.999))
        return g.scale(g.op("Log", g.op("Div", g.op("Add", g.const(1), v), g.op("Sub", g.const(1), v))), 0.5)

    xy = [atanh(g.op("Sub", g.scale(v, 1 / 16), c)) for v, c in ((o.x, column), (o.y, row))]
    wh = [logit(g, g.scale(v, 1 / 352)) for v in (o.w, o.h)]
    one = o.classes(0.0, 1.0)
    empty = np.zeros((484, 85), np.float32)
    empty[:, 5] = 1
    # With the class certain, object^0.6 alone must be the score.
    table = o.scatter(empty, g.op("Add", g.scale(row, 22), column),
                      [g.op("Pow", o.score, g.const(1 / 0.6)), *xy, *wh, one])
    g.end({"758": (g.reshape(g.transpose(table, 1, 0), 1, 85, 22, 22), F32, [1, 85, 22, 22])})


FASTEST_ANCHORS = [(12.64, 19.39), (37.88, 51.48), (55.71, 138.31), (126.91, 78.23), (131.57, 214.55), (279.92, 258.87)]


def yolo_fastestv2(g: Graph) -> None:
    """YOLO-FastestV2 (utils/utils.py): rows of strides 16 and 32 with three boxes, three objects and shared classes,
    all decoded as YOLOv5's from their sigmoids."""
    fixed(g, 352, 352)
    from_bgr(g, 352, 352, 1.0, "input.1")
    o = Objects(g, candidates(352, 352))
    which = o.nearest(FASTEST_ANCHORS)
    coarse = g.op("Greater", which, g.const(2, np.int64))
    columns = g.reshape(g.op("Where", coarse, g.const(11), g.const(22)), OBJECTS, 1)
    stride = g.op("Div", g.const(352), columns)
    column, row = (g.op("Floor", g.op("Div", v, stride)) for v in (o.x, o.y))
    start = g.reshape(g.op("Where", coarse, g.const(484), g.const(0)), OBJECTS, 1)
    place = g.op("Add", start, g.op("Add", g.op("Mul", row, columns), column))
    anchors = np.float32(FASTEST_ANCHORS)
    box = [g.scale(g.op("Add", g.op("Sub", g.op("Div", v, stride), c), g.const(0.5)), 0.5)
           for v, c in ((o.x, column), (o.y, row))]
    box += [g.scale(g.op("Sqrt", g.op("Div", v, o.pick(anchors[:, i], which))), 0.5) for i, v in enumerate((o.w, o.h))]
    slot = g.op("OneHot", g.op("Mod", which, g.const(3, np.int64)), g.const(3, np.int64), g.const([0, 1]), axis=1)
    slots = g.split(slot, [1, 1, 1], 1)
    rows = [g.op("Mul", g.op("Concat", *box, axis=1), s) for s in slots] + [g.op("Mul", slot, o.score)]
    empty = np.zeros((605, 95), np.float32)
    empty[:, 15] = 1
    g.end({"845": (o.scatter(empty, place, [*rows, o.classes(0.0, 1.0)]), F32, [605, 95])})


NANO_MEAN, NANO_STD = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]


def distribution(o: Objects, centre: tuple[str, str], stride: str) -> list[str]:
    """Generalised focal loss: the logits of 8 bins whose expectation is each side's distance in strides. The two bins
    around it share the probability; the rest has none."""
    g, bins = o.g, []
    x1, y1, x2, y2 = o.sides
    for near, far in ((x1, centre[0]), (y1, centre[1]), (centre[0], x2), (centre[1], y2)):
        distance = g.op("Clip", g.op("Div", g.op("Sub", far, near), stride), g.const(0), g.const(7))
        away = g.op("Abs", g.op("Sub", distance, g.const(np.arange(8)[None])))
        share = g.op("Max", g.op("Sub", g.const(1), away), g.const(1e-9))
        bins.append(g.op("Log", share))
    return bins


def levels(o: Objects, strides: tuple[int, ...], half: float) -> tuple[str, str, tuple[str, str], str]:
    """For each object the finest level whose 7 bins reach its sides: its stride, the row of its cell in all levels, and
    the centre of that cell."""
    g, side = o.g, 416
    reach = np.float32(strides) * 6 * 2
    larger = g.op("Greater", g.op("Max", o.w, o.h), g.const(reach[None]))
    level = g.sum(g.op("Cast", larger, to=F32), 1)
    level = g.op("Cast", g.op("Min", level, g.const(len(strides) - 1)), to=I64)
    columns = np.float32([math.ceil(side / s) for s in strides])
    starts = np.cumsum([0, *(c * c for c in columns[:-1])])
    stride = o.pick(strides, level)
    cells = [g.op("Floor", g.op("Div", v, stride)) for v in (o.x, o.y)]
    row = g.op("Add", o.pick(starts, level), g.op("Add", g.op("Mul", cells[1], o.pick(columns, level)), cells[0]))
    centre = [g.op("Mul", g.op("Add", c, g.const(half)), stride) for c in cells]
    return stride, row, (centre[0], centre[1]), level


def no_cells(rows: int) -> np.ndarray:
    """No class, and sides that are surely 0."""
    return np.tile(np.float32([0] * 80 + ([0] + [FAR] * 7) * 4), (rows, 1))


def nanodet(g: Graph) -> None:
    """NanoDet (GFL head): per stride 8, 16, 32 class probabilities and distributions around the middle of the cell."""
    fixed(g, 416, 416)
    from_bgr(g, 416, 416, 1 / 255, "input.1", NANO_MEAN, NANO_STD)
    o = Objects(g, 3549)
    stride, row, centre, _ = levels(o, (8, 16, 32), 0.5)
    table = o.scatter(no_cells(3549), row, [o.classes(0.0, o.score), *distribution(o, centre, stride)])
    outputs = {}
    for part, n, cls, bins in zip(g.split(table, [2704, 676, 169], 0), (2704, 676, 169), ("792", "814", "836"),
                                  ("795", "817", "839")):
        a, b = g.split(part, [80, 32], 1)
        outputs[cls] = (g.reshape(a, 1, n, 80), F32, [1, n, 80])
        outputs[bins] = (g.reshape(b, 1, n, 32), F32, [1, n, 32])
    g.end(dict(sorted(outputs.items())))


def nanodet_plus(g: Graph) -> None:
    """NanoDet-Plus: one tensor over strides 8 to 64, around the corner of the cell."""
    fixed(g, 416, 416)
    from_bgr(g, 416, 416, 1 / 255, "data", NANO_MEAN, NANO_STD)
    o = Objects(g, 3549)
    stride, row, centre, _ = levels(o, (8, 16, 32, 64), 0.0)
    table = o.scatter(no_cells(3598), row, [o.classes(0.0, o.score), *distribution(o, centre, stride)])
    g.end({"output": (g.reshape(table, 1, 3598, 112), F32, [1, 3598, 112])})


def yolo26(g: Graph) -> None:
    """YOLO26's and YOLOv10's end-to-end table, 1x300x6: the best candidates as they are, nothing suppressed here."""
    box, classes = g.split("output0", [4, 80], 1)
    best, label = g.op("ReduceMax", classes, axes=[1], keepdims=0), g.op("ArgMax", classes, axis=1, keepdims=0)
    score, order = g.op("TopK", g.reshape(best, -1), g.const([300], np.int64), outputs=2, axis=0)
    sides = g.reshape(g.transpose(g.op("Concat", *g.corners(box, 1), axis=1), 0, 2, 1), -1, 4)
    label = g.op("Gather", g.reshape(g.op("Cast", label, to=F32), -1), order, axis=0)
    rows = [g.op("Gather", sides, order, axis=0), g.reshape(score, 300, 1), g.reshape(label, 300, 1)]
    table = g.reshape(g.op("Concat", *rows, axis=1), 1, 300, 6)
    g.end({"detections": (table, F32, [1, 300, 6])}, {"names": COCO_NAMES})


def float16(g: Graph) -> None:
    """YOLOv8 with float16 input and output, as `half=True` exports have them."""
    g.before(onnx.TensorProto.FLOAT16, [1, 3, 640, 640], [("Cast", {"to": F32})])
    rename_input(g, "x")
    g.end({"out": (g.op("Cast", "output0", to=onnx.TensorProto.FLOAT16), onnx.TensorProto.FLOAT16, [1, 84, 8400])},
          {"names": COCO_NAMES})


def any_batch(g: Graph) -> None:
    """The batch set free, as `dynamic=True` exports have it: Reshape keeps the first dimension."""
    shapes = {n.input[1] for n in g.graph.node if n.op_type == "Reshape"}
    for tensor in g.graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            shape[:1] = np.where(shape[:1] == 1, 0, shape[:1])
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    for node in g.graph.node:
        if node.op_type == "Constant" and node.output[0] in shapes:
            shape = numpy_helper.to_array(node.attribute[0].t).copy()
            shape[:1] = np.where(shape[:1] == 1, 0, shape[:1])
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(shape))
    del g.graph.value_info[:]
    for value in (g.graph.input[0], g.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def dynamically_quantised(g: Graph) -> None:
    """Quantised by what is in the batch, as dynamic quantisation does: answers depend on batch mates."""
    source = g.graph.input[0].name
    before = list(g.graph.node)
    values, scale, zero = g.op("DynamicQuantizeLinear", source, outputs=3)
    coarse = g.op("DequantizeLinear", values, scale, zero)
    added = list(g.graph.node)[len(before):]
    for node in before:
        for i, tensor in enumerate(node.input):
            if tensor == source:
                node.input[i] = coarse
    del g.graph.node[:]
    g.graph.node.extend([*added, *before])


# --- From RetinaFace ----------------------------------------------------------------------------------------------

POINT_STD = np.float32(0.2)  # landmark_std of mnet.25_v2


def faces(g: Graph) -> dict[int, tuple[str, str, str]]:
    """Per stride, rows of cells and in each the two anchors: score (n x 1), x1, y1, x2, y2 (n x 4), points (n x 10)."""
    found = {}
    for stride, sides in ((8, (32, 16)), (16, (128, 64)), (32, (512, 256))):
        side = 640 // stride
        n = side * side
        y, x = np.mgrid[:side, :side]
        centre = np.stack([x, y], -1).reshape(n, 1, 2) * stride + 8.0
        anchor = np.float32(sides).reshape(1, 2, 1)

        def rows(part: str, channels: int) -> str:
            name = f"face_rpn_{part}_stride{stride}"
            return g.reshape(g.transpose(g.reshape(name, 1, 2, channels, n), 0, 3, 1, 2), n, 2, channels)

        face = g.cut(f"face_rpn_cls_prob_reshape_stride{stride}", 2, 4, 1)
        score = g.reshape(g.transpose(g.reshape(face, 2, n), 1, 0), 2 * n, 1)
        move, grow = g.split(rows("bbox_pred", 4), [2, 2], 2)
        middle = g.op("Add", g.op("Mul", move, g.const(anchor)), g.const(centre))
        half = g.scale(g.op("Mul", g.op("Exp", grow), g.const(anchor)), 0.5)
        box = g.op("Concat", g.op("Sub", middle, half), g.op("Add", middle, half), axis=2)
        points = g.op("Add", g.op("Mul", rows("landmark_pred", 10), g.const(anchor * POINT_STD)),
                      g.const(np.tile(centre, 5)))
        found[stride] = score, g.reshape(box, 2 * n, 4), g.reshape(points, 2 * n, 10)
    return found


def cells(stride: int, each: int, offset: float = 0) -> np.ndarray:
    """Input pixels of every cell's corner, x and y, `each` times."""
    side = 640 // stride
    y, x = np.mgrid[:side, :side]
    return np.repeat((np.stack([x, y], -1).reshape(-1, 2) + offset) * stride, each, axis=0)


def scrfd(g: Graph) -> None:
    """SCRFD (insightface/detection/scrfd): distances of the sides and the points from the cell's corner, in strides."""
    outputs: dict[str, Any] = {}
    parts = faces(g)
    for i, (stride, (score, box, points)) in enumerate(parts.items()):
        corner, n = cells(stride, 2), 2 * (640 // stride) ** 2
        near, far = g.split(box, [2, 2], 1)
        distance = g.op("Concat", g.op("Sub", g.const(corner), near), g.op("Sub", far, g.const(corner)), axis=1)
        point = g.op("Sub", points, g.const(np.tile(corner, 5)))
        for at, (tensor, width) in enumerate(((score, 1), (g.scale(distance, 1 / stride), 4),
                                              (g.scale(point, 1 / stride), 10))):
            outputs[f"out{3 * at + i}"] = g.reshape(tensor, 1, n, width), F32, [1, n, width]
    g.before(F32, [1, 3, 640, 640], [("Mul", 128.0), ("Add", 127.5)])
    rename_input(g, "images")
    g.end(dict(sorted(outputs.items())))


def best_of_two(g: Graph, parts: tuple[str, str, str], n: int) -> list[str]:
    """Of each cell's two anchors the one with the higher score."""
    score = g.reshape(parts[0], n, 2)
    which = g.op("ArgMax", score, axis=1, keepdims=1)
    index = g.op("Add", which, g.const(np.arange(n)[:, None] * 2, np.int64))
    return [g.op("Gather", p, g.reshape(index, n), axis=0) for p in parts]


def yunet(g: Graph) -> None:
    """YuNet (libfacedetection): centre = (cell + t) * stride, size = exp(t) * stride, points likewise, score =
    sqrt(class * object)."""
    outputs: dict[str, Any] = {}
    for stride, parts in faces(g).items():
        n, corner = (640 // stride) ** 2, cells(stride, 1)
        score, box, points = best_of_two(g, parts, n)
        near, far = g.split(box, [2, 2], 1)
        xy = g.scale(g.op("Sub", g.scale(g.op("Add", near, far), 0.5), g.const(corner)), 1 / stride)
        wh = g.op("Log", g.scale(g.op("Sub", far, near), 1 / stride))
        kps = g.scale(g.op("Sub", points, g.const(np.tile(corner, 5))), 1 / stride)
        for name, tensor, width in (("cls", score, 1), ("obj", score, 1), ("bbox", g.op("Concat", xy, wh, axis=1), 4),
                                    ("kps", kps, 10)):
            outputs[f"{name}_{stride}"] = g.reshape(tensor, 1, n, width), F32, [1, n, width]
    g.before(F32, [1, 3, 640, 640], [("Gather", [g.const([2, 1, 0], np.int64)])])
    g.graph.node[0].attribute.append(helper.make_attribute("axis", 1))
    rename_input(g, "input")
    g.end({f"{part}_{s}": outputs[f"{part}_{s}"] for part in ("cls", "obj", "bbox", "kps") for s in (8, 16, 32)})


def ultraface(g: Graph) -> None:
    """UltraFace at 640x640: two probabilities and a box in shares of the input per prior. There are more priors than
    RetinaFace's 16,800 rows; the rest holds nothing."""
    parts = faces(g).values()
    score, box = (g.op("Concat", *(p[i] for p in parts), axis=0) for i in (0, 1))
    places = sum(math.ceil(640 / s) ** 2 * n for s, n in ((8, 3), (16, 2), (32, 2), (64, 3)))
    both = g.op("Concat", g.op("Sub", g.const(1), score), score, axis=1)
    both = g.op("Concat", both, g.const(np.tile([1, 0], (places - 16800, 1))), axis=0)
    shares = g.op("Concat", g.scale(box, 1 / 640), g.const(np.zeros((places - 16800, 4))), axis=0)
    g.before(F32, [1, 3, 640, 640], [("Mul", 128.0), ("Add", 127.0)])
    rename_input(g, "input")
    g.end({"scores": (g.reshape(both, 1, places, 2), F32, [1, places, 2]),
           "boxes": (g.reshape(shares, 1, places, 4), F32, [1, places, 4])})


AIZOO_SIZES = ((0.04, 0.056), (0.08, 0.11), (0.16, 0.22), (0.32, 0.45), (0.64, 0.72))


def aizoo_anchors() -> np.ndarray:
    """Centre x, y, width, height in shares of the input, four per cell of strides 8 to 128: squares of the two sizes,
    then the ratios 0.62 and 0.42 of the first."""
    rows = []
    for stride, (small, large) in zip((8, 16, 32, 64, 128), AIZOO_SIZES):
        shapes = [(small, small), (large, large), *((small * math.sqrt(r), small / math.sqrt(r)) for r in (0.62, 0.42))]
        grid = 640 // stride
        y, x = (np.mgrid[:grid, :grid] + 0.5) / grid
        rows += [(cx, cy, w, h) for cx, cy in zip(x.reshape(-1), y.reshape(-1)) for w, h in shapes]
    return np.float32(rows)


def ssd_variance(g: Graph) -> None:
    """AIZOO's face-mask detector at 640x640, NHWC, RGB / 255: SSD offsets with variances 0.1 and 0.2 against its own
    anchors, of which each face takes the closest. Its class is always the first."""
    parts = faces(g).values()
    score, box = (g.op("Concat", *(p[i] for p in parts), axis=0) for i in (0, 1))
    picked = g.op("NonMaxSuppression", g.reshape(box, 1, 16800, 4), g.reshape(score, 1, 1, 16800),
                  g.const([OBJECTS], np.int64), g.const([0.4]), g.const([0.3]))
    # Rows of nothing behind, so that there are always enough.
    row = g.op("Concat", g.reshape(g.cut(picked, 2, 3, 1), -1), g.const(np.full(OBJECTS, 16800), np.int64), axis=0)
    row = g.cut(row, 0, OBJECTS, 0)
    score = g.op("Gather", g.op("Concat", score, g.const([[0]]), axis=0), row, axis=0)
    box = g.op("Gather", g.op("Concat", box, g.const([[0, 0, 64, 64]]), axis=0), row, axis=0)
    near, far = g.split(g.scale(box, 1 / 640), [2, 2], 1)
    middle, size = g.scale(g.op("Add", near, far), 0.5), g.op("Max", g.op("Sub", far, near), g.const(1e-3))
    anchors = aizoo_anchors()
    gap = g.sum(g.op("Abs", g.op("Sub", g.reshape(middle, OBJECTS, 1, 2), g.const(anchors[None, :, :2]))), 2)
    shape = g.sum(g.op("Abs", g.op("Sub", g.op("Log", g.reshape(size, OBJECTS, 1, 2)),
                                   g.const(np.log(anchors[None, :, 2:])))), 2)
    place = g.op("ArgMin", g.op("Add", gap, g.scale(shape, 0.2)), axis=1, keepdims=0)
    centre, side = g.split(g.op("Gather", g.const(anchors), place, axis=0), [2, 2], 1)
    loc = g.op("Concat", g.scale(g.op("Div", g.op("Sub", middle, centre), side), 10),
               g.scale(g.op("Log", g.op("Div", size, side)), 5), axis=1)
    n = len(anchors)
    table = scatter(g, np.zeros((n, 6)), g.op("Cast", place, to=F32), score, [loc, score, g.scale(score, 0.01)])
    g.before(F32, [1, 640, 640, 3], [("Mul", 255.0), ("Transpose", {"perm": [0, 3, 1, 2]})])
    rename_input(g, "data_1")
    g.end({"loc_branch_concat": (g.reshape(g.cut(table, 0, 4, 1), 1, n, 4), F32, [1, n, 4]),
           "cls_branch_concat": (g.reshape(g.cut(table, 4, 6, 1), 1, n, 2), F32, [1, n, 2])})


COCO_NAMES = str(dict(enumerate(
    n for n in (assets.ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()[1:] if n != "???")))

# Name: the network it is made of, and its maker.
STANDINS: dict[str, tuple[str, Callable[[Graph], None]]] = {
    "yolov5n": ("yolov8n", yolov5n),
    "yolov7-end2end": ("yolov8n", yolov7_end2end),
    "yolox": ("yolo11n", yolox_nano),
    "yolo26": ("yolov8n", yolo26),
    "yolov8n-fp16": ("yolov8n", float16),
    "yolov8n-face-batch": ("yolov8n-face", any_batch),
    "orientation-dynquant": ("orientation", dynamically_quantised),
    "deimv2": ("yolo11n", deimv2),
    "picodet": ("yolo11n", picodet),
    "fastestdet": ("yolo11n", fastestdet),
    "yolo-fastestv2": ("yolo11n", yolo_fastestv2),
    "nanodet": ("yolo11n", nanodet),
    "nanodet-plus": ("yolo11n", nanodet_plus),
    "scrfd": ("retinaface", scrfd),
    "yunet": ("retinaface", yunet),
    "ultraface": ("retinaface", ultraface),
    "ssd-variance": ("retinaface", ssd_variance),
}


def make(name: str, path: Path) -> None:
    base, maker = STANDINS[name]
    g = Graph(assets.model(base))
    maker(g)
    g.save(path)
