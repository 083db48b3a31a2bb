#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turn a quantised TFLite detector into an ONNX graph that keeps its integers.

    models/convert_tflite.py ssd_mobilenet.tflite models/ssd-mobilenet/model.onnx
    models/convert_tflite.py --form float efficientdet-lite0.tflite /tmp/lite0-float.onnx
    models/convert_tflite.py --nms per-class --score-floor 0.2 in.tflite out.onnx

The graph takes one uint8 RGB image of the network's own size, NHWC, and gives the outputs of the TensorFlow Object
Detection API: detection_boxes [1,n,4] (ymin, xmin, ymax, xmax, 0 to 1), detection_classes [1,n] (COCO numbers from 1),
detection_scores [1,n], num_detections [1]; best first, zeros after the last one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tflite import postprocess, schema  # noqa: E402
from tflite.graph import IR_VERSION, OPSET, Graph, Numeric, Value, unsigned_params  # noqa: E402
from tflite.ops import OPS  # noqa: E402

INPUT_NAME = "image_tensor"


def convert(model: schema.Model, numeric: Numeric, options: postprocess.Options) -> onnx.ModelProto:
    """Convert a parsed TFLite detector; schema.FormatError says what is not supported."""
    graph = Graph(model, numeric)
    image = _add_image(graph)
    post, head = postprocess.find_head(graph)
    for number, op in enumerate(model.operators):
        if number in head.absorbed:
            continue
        if op.kind not in OPS:
            raise schema.FormatError(f"operator {number} {op.kind} is not supported")
        OPS[op.kind](graph, op)
    outputs = postprocess.emit(graph, post, head, options)
    proto = helper.make_graph(graph.nodes, "detector", [image], outputs, list(graph.initializers.values()))
    opsets = [helper.make_opsetid("", OPSET)]
    result = helper.make_model(proto, opset_imports=opsets, producer_name="sightd convert_tflite")
    result.ir_version = IR_VERSION
    onnx.checker.check_model(result, full_check=True)
    return result


def _add_image(graph: Graph) -> onnx.ValueInfoProto:
    """The graph's input, turned to NCHW, becomes the value of the network's input tensor."""
    if len(graph.model.inputs) != 1:
        raise schema.FormatError(f"{len(graph.model.inputs)} inputs, expected one image")
    tensor = graph.tensor(graph.model.inputs[0])
    if tensor.dtype is not np.uint8 or len(tensor.shape) != 4 or tensor.shape[3] != 3:
        raise schema.FormatError(f"input {tensor.name!r} {tensor.shape}: expected uint8 [1,height,width,3]")
    scale, zero = unsigned_params(tensor)
    name = graph.node("Transpose", [INPUT_NAME], perm=[0, 3, 1, 2])
    batch, height, width, channels = tensor.shape
    value = Value(name, (batch, channels, height, width), scale, zero)
    if not graph.numeric.quantised:
        real = graph.node("DequantizeLinear", [name, *graph.quant_params(scale, zero)])
        value = Value(real, value.shape)
    graph.values[tensor.index] = value
    return helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, tensor.shape)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="quantised .tflite detector with TFLite_Detection_PostProcess")
    parser.add_argument("output", type=Path, help=".onnx file to write")
    parser.add_argument("--form", choices=["qdq", "float"], default="qdq", help="integers (default) or widened")
    parser.add_argument("--weights", choices=["int8", "uint8"], default="int8", help="how qdq weights are stored")
    parser.add_argument(
        "--nms", choices=["file", "best-class", "per-class"], default="file", help="default: as the file says"
    )
    parser.add_argument("--score-floor", type=float, default=0.05, help="detections below are dropped (default 0.05)")
    parser.add_argument("--max-detections", type=int, default=100, help="rows of the outputs (default 100)")
    args = parser.parse_args(argv)
    if not 0.0 <= args.score_floor <= 1.0:
        parser.error(f"--score-floor {args.score_floor}: expected 0 to 1")
    if not 1 <= args.max_detections <= postprocess.MAX_CANDIDATES:
        parser.error(f"--max-detections {args.max_detections}: expected 1 to {postprocess.MAX_CANDIDATES}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = _arguments(argv)
    per_class = {"file": None, "best-class": False, "per-class": True}[args.nms]
    numeric = Numeric(quantised=args.form == "qdq", signed_weights=args.weights == "int8")
    try:
        options = postprocess.Options(args.score_floor, args.max_detections, per_class)
        result = convert(schema.read(args.input), numeric, options)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        part = args.output.with_name(args.output.name + ".part")
        part.write_bytes(result.SerializeToString(deterministic=True))
        os.replace(part, args.output)
    except (OSError, schema.FormatError) as error:
        print(f"convert_tflite: {args.input}: {error}", file=sys.stderr)
        return 1
    print(f"{args.output}: {args.output.stat().st_size} bytes, {len(result.graph.node)} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
