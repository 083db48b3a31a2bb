# SPDX-License-Identifier: MIT
"""The TFLite operators of a convolutional network as ONNX nodes. One function per operator, registered in OPS."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .graph import Graph, Value, unsigned_params
from .schema import ACTIVATIONS, FormatError, Operator

SAME = 0  # enum Padding: SAME = 0, VALID = 1


def _pads(size: int, kernel: int, stride: int, dilation: int, padding: int) -> tuple[int, int, int]:
    """(before, after, output size) of one axis. SAME as TensorFlow defines it: the odd pixel goes after."""
    reach = (kernel - 1) * dilation + 1
    if padding != SAME:
        return 0, 0, (size - reach) // stride + 1
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + reach - size)
    return total // 2, total - total // 2, out


def _window(op: Operator, shape: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, int]]:
    """ONNX attributes of a sliding window over an NCHW `shape`, and its output height and width."""
    opts = op.options
    strides = [opts["stride_h"], opts["stride_w"]]
    dilations = [opts.get("dilation_h", 1), opts.get("dilation_w", 1)]
    top, bottom, height = _pads(shape[2], kernel[0], strides[0], dilations[0], opts["padding"])
    left, right, width = _pads(shape[3], kernel[1], strides[1], dilations[1], opts["padding"])
    attributes = {"kernel_shape": list(kernel), "strides": strides, "pads": [top, left, bottom, right]}
    if "dilation_h" in opts:
        attributes["dilations"] = dilations
    return attributes, (height, width)


def _convolve(graph: Graph, op: Operator, order: tuple[int, ...], depthwise: bool) -> None:
    source = graph.value(op.inputs[0])
    real = graph.as_float(source)
    filters = graph.stored(op.inputs[1]).transpose(order)
    inputs = [real, graph.weights(op.inputs[1], order)]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(graph.bias(op.inputs[2]))
    attributes, size = _window(op, source.shape, filters.shape[2:])
    group = source.shape[1] if depthwise else 1
    out = graph.node("Conv", inputs, group=group, **attributes)
    shape = (source.shape[0], filters.shape[0], *size)
    graph.define(op.outputs[0], out, shape, ACTIVATIONS[op.options["activation"]])


def conv_2d(graph: Graph, op: Operator) -> None:
    """Filter OHWI → OIHW."""
    _convolve(graph, op, (0, 3, 1, 2), depthwise=False)


def depthwise_conv_2d(graph: Graph, op: Operator) -> None:
    """Filter 1HWC → C1HW."""
    _convolve(graph, op, (3, 0, 1, 2), depthwise=True)


def add(graph: Graph, op: Operator) -> None:
    """Sum of two activations of one shape."""
    left, right = (graph.value(i) for i in op.inputs)
    if left.shape != right.shape:
        raise FormatError(f"ADD of {left.shape} and {right.shape}: broadcasting is not supported")
    out = graph.node("Add", [graph.as_float(left), graph.as_float(right)])
    graph.define(op.outputs[0], out, left.shape, ACTIVATIONS[op.options["activation"]])


def _keep(graph: Graph, op: Operator, name: str, shape: tuple[int, ...]) -> None:
    """The result of an operator that only moves values: its quantisation must be its input's."""
    source = graph.value(op.inputs[0])
    if unsigned_params(graph.tensor(op.inputs[0])) != unsigned_params(graph.tensor(op.outputs[0])):
        raise FormatError(f"{op.kind} of tensor {op.inputs[0]}: input and output are quantised differently")
    graph.values[op.outputs[0]] = Value(name, shape, source.scale, source.zero)


def max_pool_2d(graph: Graph, op: Operator) -> None:
    """On the integers themselves: the order of stored values is the order of real ones."""
    source = graph.value(op.inputs[0])
    if op.options["activation"] != 0:
        raise FormatError(f"MAX_POOL_2D with activation {op.options['activation']} is not supported")
    attributes, size = _window(op, source.shape, (op.options["filter_h"], op.options["filter_w"]))
    _keep(graph, op, graph.node("MaxPool", [source.name], **attributes), (*source.shape[:2], *size))


def resize_nearest_neighbor(graph: Graph, op: Operator) -> None:
    """Source row = floor(row * in / out), or floor((row + 0.5) * in / out) with half-pixel centres."""
    if op.options["align_corners"]:
        raise FormatError("RESIZE_NEAREST_NEIGHBOR with align_corners is not supported")
    source = graph.value(op.inputs[0])
    height, width = (int(n) for n in graph.stored(op.inputs[1]))
    shape = (*source.shape[:2], height, width)
    half = bool(op.options["half_pixel_centers"])
    name = graph.node(
        "Resize",
        [source.name, "", "", graph.constant(shape, np.int64)],
        mode="nearest",
        coordinate_transformation_mode="half_pixel" if half else "asymmetric",
        nearest_mode="round_prefer_ceil" if half else "floor",
    )
    _keep(graph, op, name, shape)


def reshape(graph: Graph, op: Operator) -> None:
    """To a shape of the file. Rows and columns are NHWC there, so an image-like input is turned back first."""
    source = graph.value(op.inputs[0])
    name = source.name
    if len(source.shape) == 4 and len(graph.tensor(op.inputs[0]).shape) == 4:
        name = graph.node("Transpose", [name], perm=[0, 2, 3, 1])
    shape = graph.tensor(op.outputs[0]).shape
    _keep(graph, op, graph.node("Reshape", [name, graph.constant(shape, np.int64)]), shape)


def quantize(graph: Graph, op: Operator) -> None:
    """Requantise; between uint8 and int8 with the same scale and shifted zero point nothing is left to do."""
    source = graph.value(op.inputs[0])
    scale, zero = unsigned_params(graph.tensor(op.outputs[0]))
    if not graph.numeric.quantised or (np.isclose(scale, source.scale, rtol=1e-6) and zero == source.zero):
        graph.values[op.outputs[0]] = source
        return
    graph.define(op.outputs[0], graph.as_float(source), source.shape, "")


OPS: dict[str, Callable[[Graph, Operator], None]] = {
    "ADD": add,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "MAX_POOL_2D": max_pool_2d,
    "QUANTIZE": quantize,
    "RESHAPE": reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
}
