# SPDX-License-Identifier: MIT
"""TFLite_Detection_PostProcess as ONNX nodes, in the output form of the TensorFlow Object Detection API.

The rule is that of TensorFlow Lite's kernel (tensorflow/lite/kernels/detection_postprocess.cc): boxes are coded
against anchors (y, x, h, w): centre = t * anchor size / scale + anchor centre, size = exp(t / scale) * anchor size.
Fast NMS (use_regular_nms false) gives every anchor its best class and suppresses across classes; regular NMS goes
class by class.

Work is saved in an order that changes no result: the sigmoid rises, so the best class, the candidates and the score
floor are found on stored logits, and only the candidates that remain are decoded. Two things are finer than in
TFLite: scores keep float precision instead of steps of 1/256, and logits of several feature maps are not requantised
to one scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper

from .graph import Graph, Value, dequantise
from .schema import FormatError, Operator

KIND = "TFLite_Detection_PostProcess"
# Candidates that enter NMS, best first: more anchors than that never stand above a useful score.
MAX_CANDIDATES = 1024


@dataclass(frozen=True)
class Options:
    """What the file does not settle. `per_class` None: as the file's use_regular_nms says."""

    score_floor: float = 0.05
    max_detections: int = 100
    per_class: bool | None = None


@dataclass
class Head:
    """The parts of the network that feed the post-processing, before any concatenation."""

    boxes: list[int]
    logits: list[int]
    anchors: int
    absorbed: set[int]  # numbers of operators that the tail replaces


def find_head(graph: Graph) -> tuple[Operator, Head]:
    """Walk back from the post-processing over the operators that the tail replaces."""
    operators = graph.model.operators
    found = [i for i, op in enumerate(operators) if op.kind == KIND]
    if len(found) != 1 or found[0] != len(operators) - 1:
        raise FormatError(f"expected one {KIND} as the last operator, got {len(found)}")
    producer = {out: i for i, op in enumerate(operators) for out in op.outputs}
    absorbed = set(found)
    seen: list[str] = []

    def pieces(index: int) -> list[int]:
        at = producer.get(index)
        kind = operators[at].kind if at is not None else ""
        if at is None or kind not in ("CONCATENATION", "DEQUANTIZE", "LOGISTIC", "RESHAPE"):
            return [index]
        absorbed.add(at)
        seen.append(kind)
        sources = operators[at].inputs if kind == "CONCATENATION" else operators[at].inputs[:1]
        return [piece for source in sources for piece in pieces(source)]

    post = operators[found[0]]
    boxes = pieces(post.inputs[0])
    if "LOGISTIC" in seen:
        raise FormatError("the boxes pass through a LOGISTIC: unknown head")
    logits = pieces(post.inputs[1])
    if seen.count("LOGISTIC") != 1:
        raise FormatError("the scores do not pass through one LOGISTIC: unknown head")
    return post, Head(boxes, logits, post.inputs[2], absorbed)


def _rows(graph: Graph, pieces: list[int], width: int) -> Value:
    """Concatenate feature maps into [anchors, width]; the result is float unless all share one quantisation."""
    values = [graph.value(i) for i in pieces]
    shared = graph.numeric.quantised and len({(v.scale, v.zero) for v in values}) == 1
    names = []
    for value in values:
        name = value.name if shared else graph.as_float(value)
        name = graph.node("Transpose", [name], perm=[0, 2, 3, 1])
        names.append(graph.node("Reshape", [name, graph.constant([-1, width], np.int64)]))
    count = sum(int(np.prod(v.shape)) // width for v in values)
    joined = graph.node("Concat", names, axis=0)
    return Value(joined, (count, width), values[0].scale if shared else 0.0, values[0].zero)


def _real(graph: Graph, name: str, rows: Value) -> str:
    """Float form of something taken out of `rows`."""
    if rows.scale == 0.0:
        return name
    return graph.node("DequantizeLinear", [name, *graph.quant_params(rows.scale, rows.zero)])


def _decode(graph: Graph, deltas: str, anchors: str, options: dict[str, float]) -> str:
    """[k,4] deltas and anchors (y, x, h, w) → [k,4] ymin, xmin, ymax, xmax."""
    scales = [float(options[k]) for k in ("y_scale", "x_scale", "h_scale", "w_scale")]
    t = graph.node("Div", [deltas, graph.constant(scales, np.float32)])
    split = graph.constant([2, 2], np.int64)
    centre, size = graph.fresh("t_centre"), graph.fresh("t_size")
    graph.node("Split", [t, split], [centre, size], axis=1)
    at, extent = graph.fresh("anchor_centre"), graph.fresh("anchor_size")
    graph.node("Split", [anchors, split], [at, extent], axis=1)
    middle = graph.node("Add", [graph.node("Mul", [centre, extent]), at])
    half = graph.node("Mul", [graph.node("Exp", [size]), extent])
    half = graph.node("Mul", [half, graph.constant(0.5, np.float32)])
    corners = [graph.node("Sub", [middle, half]), graph.node("Add", [middle, half])]
    return graph.node("Concat", corners, axis=1)


def _pad_to(graph: Graph, name: str, count: int, width: int) -> str:
    """Rows of `name` followed by zeros, `count` rows in all."""
    shape = [count, width] if width else [count]
    joined = graph.node("Concat", [name, graph.constant(np.zeros(shape, np.float32))], axis=0)
    limits = [graph.constant([n], np.int64) for n in (0, count, 0)]
    return graph.node("Slice", [joined, *limits])


def _suppress(graph: Graph, boxes: str, scores: str, iou: float, options: Options) -> str:
    """NonMaxSuppression over [k,4] and [classes,k]; rows of (image, class, candidate)."""
    zero = graph.constant([0], np.int64)
    inputs = [graph.node("Unsqueeze", [boxes, zero]), graph.node("Unsqueeze", [scores, zero])]
    inputs.append(graph.constant(options.max_detections, np.int64))
    inputs.append(graph.constant(iou, np.float32))
    inputs.append(graph.constant(options.score_floor, np.float32))
    return graph.node("NonMaxSuppression", inputs)


def _column(graph: Graph, table: str, column: int) -> str:
    return graph.node("Gather", [table, graph.constant(column, np.int64)], axis=1)


def _select_best_class(graph: Graph, rows: str, top: str, boxes: str, iou: float, options: Options) -> list[str]:
    """Fast NMS. `rows` [k,classes] logits, `top` [k] the best of each. Returns boxes, classes, scores, one row each."""
    classes = graph.node("ArgMax", [rows], axis=1, keepdims=0)
    scores = graph.node("Sigmoid", [top])
    kept = _suppress(graph, boxes, graph.node("Unsqueeze", [scores, graph.constant([0], np.int64)]), iou, options)
    index = _column(graph, kept, 2)
    ids = graph.node("Cast", [graph.node("Gather", [classes, index])], to=TensorProto.FLOAT)
    return [graph.node("Gather", [boxes, index]), ids, graph.node("Gather", [scores, index])]


def _select_per_class(graph: Graph, rows: str, boxes: str, iou: float, options: Options) -> list[str]:
    """Regular NMS. Returns as _select_best_class does, best first over all classes."""
    scores = graph.node("Transpose", [graph.node("Sigmoid", [rows])], perm=[1, 0])
    kept = _suppress(graph, boxes, scores, iou, options)
    pairs = graph.node("Slice", [kept, *(graph.constant([n], np.int64) for n in (1, 3, 1))])
    found = graph.node("GatherND", [scores, pairs])
    limit = graph.constant([options.max_detections], np.int64)
    count = graph.node("Min", [graph.node("Shape", [found]), limit])
    best, order = graph.fresh("best"), graph.fresh("order")
    graph.node("TopK", [found, count], [best, order], axis=0)
    table = graph.node("Gather", [kept, order])
    ids = graph.node("Cast", [_column(graph, table, 1)], to=TensorProto.FLOAT)
    return [graph.node("Gather", [boxes, _column(graph, table, 2)]), ids, best]


def _anchors(graph: Graph, index: int) -> NDArray[Any]:
    tensor, data = graph.tensor(index), graph.stored(index)
    if data.ndim != 2 or data.shape[1] != 4:
        raise FormatError(f"anchors of shape {data.shape}, expected (n, 4)")
    return dequantise(data, tensor.quant) if tensor.quant is not None else data.astype(np.float32)


def emit(graph: Graph, post: Operator, head: Head, options: Options) -> list[ValueInfoProto]:
    """Append the tail to the graph; returns the descriptions of its four outputs."""
    classes = int(post.options["num_classes"])
    width = graph.tensor(post.inputs[1]).shape[-1]
    anchors = _anchors(graph, head.anchors)
    deltas, logits = _rows(graph, head.boxes, 4), _rows(graph, head.logits, width)
    if not deltas.shape[0] == logits.shape[0] == anchors.shape[0]:
        raise FormatError(f"{deltas.shape[0]} boxes, {logits.shape[0]} scores, {anchors.shape[0]} anchors")
    name = logits.name
    if width > classes:  # columns before the classes are background
        name = graph.node("Slice", [name, *(graph.constant([n], np.int64) for n in (width - classes, width, 1))])
    best = _real(graph, graph.node("ReduceMax", [name], axes=[1], keepdims=0), logits)
    top, index = graph.fresh("top"), graph.fresh("candidate")
    count = graph.constant([min(MAX_CANDIDATES, anchors.shape[0])], np.int64)
    graph.node("TopK", [best, count], [top, index], axis=0)
    rows = _real(graph, graph.node("Gather", [name, index]), logits)
    chosen = _real(graph, graph.node("Gather", [deltas.name, index]), deltas)
    boxes = _decode(graph, chosen, graph.node("Gather", [graph.constant(anchors), index]), post.options)

    per_class = bool(post.options.get("use_regular_nms", False)) if options.per_class is None else options.per_class
    iou = float(post.options["nms_iou_threshold"])
    if per_class:
        found = _select_per_class(graph, rows, boxes, iou, options)
    else:
        found = _select_best_class(graph, rows, top, boxes, iou, options)
    return _outputs(graph, found, options.max_detections)


def _outputs(graph: Graph, found: list[str], rows: int) -> list[ValueInfoProto]:
    """Pad to fixed shapes. Class numbers count from 1, as in the TensorFlow Object Detection API."""
    boxes, ids, scores = found
    total = graph.node("Cast", [graph.node("Shape", [scores])], to=TensorProto.FLOAT)
    ids = graph.node("Add", [ids, graph.constant(1, np.float32)])
    limits = [graph.constant(n, np.float32) for n in (0, 1)]
    table = {
        "detection_boxes": (graph.node("Clip", [_pad_to(graph, boxes, rows, 4), *limits]), [1, rows, 4]),
        "detection_classes": (_pad_to(graph, ids, rows, 0), [1, rows]),
        "detection_scores": (_pad_to(graph, scores, rows, 0), [1, rows]),
        "num_detections": (total, [1]),
    }
    infos = []
    for name, (value, shape) in table.items():
        graph.node("Reshape", [value, graph.constant(shape, np.int64)], [name])
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return infos
