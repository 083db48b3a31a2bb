#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Rebuild the expression or the age and gender network of face-api as ONNX from its published weights.

    models/rebuild_faceapi.py face_expression_model-weights_manifest.json models/expression/model.onnx
    models/rebuild_faceapi.py age_gender_model-weights_manifest.json models/age-gender/model.onnx

The manifest says which network it is. Both take `input` float[batch,3,112,112], RGB, (pixel - 122.782,117.001,104.298)
/ 255: normalising is the caller's work. The expression network gives `probs` float[batch,7] (softmax); the other
`gender` float[batch,2] (softmax: male, female) and `age` float[batch,1] in years.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 112  # side of the input in pixels
OPSET = 12
IR_VERSION = 7  # with OPSET 12: loads in ONNX Runtime 1.3 and later


class FormatError(Exception):
    """The manifest or its weights are not what this script can read."""


def read_weights(manifest: Path) -> dict[str, np.ndarray]:
    """Read a TensorFlow.js weight manifest and its binary; 8-bit values are widened as value * scale + min."""
    weights: dict[str, np.ndarray] = {}
    for group in json.loads(manifest.read_text(encoding="utf-8")):
        blob = b"".join((manifest.parent / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            stored = entry.get("quantization", {"dtype": "float32"})
            if entry["dtype"] != "float32" or stored["dtype"] not in ("uint8", "float32"):
                raise FormatError(f"weight '{entry['name']}': expected float32, plain or stored as uint8, got {entry}")
            kind = np.dtype(stored["dtype"]).newbyteorder("<")
            count = math.prod(entry["shape"])
            if offset + count * kind.itemsize > len(blob):
                raise FormatError(f"weight '{entry['name']}': ends beyond the {len(blob)} bytes of {group['paths']}")
            values = np.frombuffer(blob, kind, count, offset).astype(np.float64)
            offset += count * kind.itemsize
            if "scale" in stored:
                values = values * stored["scale"] + stored["min"]
            weights[entry["name"]] = values.astype(np.float32).reshape(entry["shape"])
        if offset != len(blob):
            raise FormatError(f"{group['paths']}: {len(blob)} bytes, but the manifest describes {offset}")
    return weights


@dataclass
class Graph:
    """An ONNX graph in the making; each method adds a node and returns the name of its output."""

    weights: dict[str, np.ndarray]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        """Add a node; without a name its output gets a running number."""
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def stored(self, name: str) -> np.ndarray:
        """The weight of that name as the manifest has it."""
        if name not in self.weights:
            raise FormatError(f"weight '{name}' is not in the manifest: it describes another network")
        return self.weights[name]

    def weight(self, name: str, order: tuple[int, ...] | None = None) -> str:
        """The weight of that name as a constant, its axes put in the given order."""
        value = self.stored(name)
        self.used.add(name)
        value = np.ascontiguousarray(value if order is None else value.transpose(order))
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def conv(self, x: str, filters: str, bias: str | None, stride: int, depthwise: bool = False) -> str:
        """Convolution with TensorFlow's "same" padding of an even or odd input, see same_pads."""
        height, _, depth, multiplier = self.stored(filters).shape
        # Filters are stored as height, width, in, out; a depthwise one as height, width, channel, 1.
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        inputs = [x, self.weight(filters, order)] + ([self.weight(bias)] if bias else [])
        if depthwise and multiplier != 1:
            raise FormatError(f"weight '{filters}': expected one filter per channel, got {multiplier}")
        return self.node(
            "Conv",
            inputs,
            kernel_shape=[height, height],
            strides=[stride, stride],
            pads=same_pads(height, stride),
            group=depth if depthwise else 1,
        )

    def separable(self, x: str, name: str, stride: int = 1) -> str:
        """Depthwise then pointwise convolution; the bias belongs to the second."""
        x = self.conv(x, f"{name}/depthwise_filter", None, stride, depthwise=True)
        return self.conv(x, f"{name}/pointwise_filter", f"{name}/bias", 1)

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.node("Relu", [x])

    def add(self, a: str, b: str) -> str:
        """Elementwise sum."""
        return self.node("Add", [a, b])

    def pool(self, x: str) -> str:
        """Mean over the last 7 x 7 cells, flattened to [batch, channels]."""
        return self.node("Flatten", [self.node("AveragePool", [x], kernel_shape=[7, 7])], axis=1)

    def dense(self, x: str, name: str, output: str = "") -> str:
        """Fully connected layer."""
        return self.node("Gemm", [x, self.weight(f"{name}/weights"), self.weight(f"{name}/bias")], output)


def same_pads(kernel: int, stride: int) -> list[int]:
    """TensorFlow's "same" padding for an input whose side the stride divides: the odd cell goes to the end."""
    total = max(kernel - stride, 0)
    begin = total // 2
    return [begin, begin, total - begin, total - begin]


def expression(graph: Graph) -> list[tuple[str, int]]:
    """Four densely connected blocks of separable convolutions, each halving the side (112 to 7), and a 7-way head."""
    x = "input"
    for block in range(4):
        name = f"dense{block}"
        if block == 0:
            first = graph.conv(x, f"{name}/conv0/filters", f"{name}/conv0/bias", 2)
        else:
            first = graph.separable(x, f"{name}/conv0", 2)
        # Each later convolution sees the rectified sum of all before it.
        total = graph.relu(first)
        x = total
        for layer in range(1, 4):
            total = graph.add(total, graph.separable(x, f"{name}/conv{layer}"))
            x = graph.relu(total)
    graph.node("Softmax", [graph.dense(graph.pool(x), "fc")], "probs", axis=1)
    return [("probs", 7)]


def reduction(graph: Graph, x: str, name: str, rectify: bool = True) -> str:
    """Xception's residual block that halves the side: two separable convolutions and a pool beside a 1 x 1 shortcut."""
    y = graph.separable(graph.relu(x) if rectify else x, f"{name}/separable_conv0")
    y = graph.separable(graph.relu(y), f"{name}/separable_conv1")
    y = graph.node("MaxPool", [y], kernel_shape=[3, 3], strides=[2, 2], pads=same_pads(3, 2))
    return graph.add(y, graph.conv(x, f"{name}/expansion_conv/filters", f"{name}/expansion_conv/bias", 2))


def age_gender(graph: Graph) -> list[tuple[str, int]]:
    """A tiny Xception (entry, two middle blocks, exit) with a head for gender and one for age."""
    x = graph.relu(graph.conv("input", "entry_flow/conv_in/filters", "entry_flow/conv_in/bias", 2))
    x = reduction(graph, x, "entry_flow/reduction_block_0", rectify=False)
    x = reduction(graph, x, "entry_flow/reduction_block_1")
    for block in range(2):
        y = x
        for layer in range(3):
            y = graph.separable(graph.relu(y), f"middle_flow/main_block_{block}/separable_conv{layer}")
        x = graph.add(y, x)
    x = reduction(graph, x, "exit_flow/reduction_block")
    x = graph.pool(graph.relu(graph.separable(x, "exit_flow/separable_conv")))
    graph.node("Softmax", [graph.dense(x, "fc/gender")], "gender", axis=1)
    graph.dense(x, "fc/age", "age")
    return [("gender", 2), ("age", 1)]


def rebuild(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The ONNX model of the network that these weights belong to."""
    graph = Graph(weights)
    outputs = expression(graph) if "dense0/conv0/filters" in weights else age_gender(graph)
    unused = sorted(set(weights) - graph.used)
    if unused:
        raise FormatError(f"weights {unused} have no place in the network")

    def value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "face-api",
            [value("input", [3, SIZE, SIZE])],
            [value(name, [width]) for name, width in outputs],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="sightd",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="…-weights_manifest.json with its binary beside it")
    parser.add_argument("output", type=Path, help=".onnx file to write")
    args = parser.parse_args()
    try:
        data = rebuild(read_weights(args.manifest)).SerializeToString(deterministic=True)
        part = args.output.with_name(args.output.name + ".part")
        part.write_bytes(data)
        os.replace(part, args.output)
    except (OSError, KeyError, ValueError, FormatError) as error:
        print(f"rebuild_faceapi: {args.manifest}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
