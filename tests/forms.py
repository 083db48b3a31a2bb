# SPDX-License-Identifier: MIT
"""Small networks in the forms that exporters write, made at test time without any real model.

A network here holds what it answers as constants (plus nothing times the picture, so that its input is used), or is
a formula short enough that numpy says what must come out. Where a form is taken from stands with its test.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
         np.dtype(np.int64): TensorProto.INT64, np.dtype(np.int32): TensorProto.INT32,
         np.dtype(np.uint8): TensorProto.UINT8}


class Net:
    """A graph of one picture input that is built node by node."""

    def __init__(self, shape: Sequence[Any], name: str = "images", dtype: Any = np.float32) -> None:
        self.inputs = [helper.make_tensor_value_info(name, KINDS[np.dtype(dtype)], list(shape))]
        self.outputs: list[Any] = []
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.picture = name
        self.dtype = np.dtype(dtype)
        self.nothing = ""

    def const(self, value: Any, dtype: Any = None) -> str:
        name = f"c{len(self.constants)}"
        value = np.ascontiguousarray(np.asarray(value, dtype)) if np.ndim(value) else np.asarray(value, dtype)
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"n{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def zero(self) -> str:
        """0, made out of the picture."""
        if not self.nothing:
            pixels = self.picture
            if self.dtype != np.float32:
                pixels = self.op("Cast", pixels, to=TensorProto.FLOAT)
            self.nothing = self.op("Mul", self.op("ReduceMean", pixels, keepdims=0), self.const(0, np.float32))
        return self.nothing

    def answer(self, value: Any) -> str:
        """The constant, whatever the picture."""
        value = np.asarray(value)
        if value.dtype == np.float32:
            return self.op("Add", self.const(value), self.zero())
        return self.op("Add", self.const(value), self.op("Cast", self.zero(), to=KINDS[value.dtype]))

    def output(self, name: str, tensor: str, shape: Sequence[Any], dtype: Any = np.float32) -> None:
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, KINDS[np.dtype(dtype)], list(shape)))

    def save(self, path: Path, metadata: dict[str, str] | None = None) -> Path:
        graph = helper.make_graph(self.nodes, "made", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, metadata or {})
        checker.check_model(model)
        save(model, str(path))
        return path


def constant(path: Path, outputs: dict[str, Any], shape: Sequence[Any] = (1, 3, 64, 64),
             metadata: dict[str, str] | None = None, name: str = "images") -> Path:
    """A network that answers the same whatever the picture."""
    net = Net(shape, name)
    for key, value in outputs.items():
        value = np.asarray(value)
        net.output(key, net.answer(value), value.shape, value.dtype)
    return net.save(path, metadata)


def picture(path: Path, pixels: Any) -> Path:
    """Pixels (rows x columns x 3) as a PPM file."""
    pixels = np.asarray(pixels, np.uint8)
    path.write_bytes(b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())
    return path


def flat(path: Path, width: int, height: int, colour: Sequence[int] = (127, 127, 127)) -> Path:
    return picture(path, np.broadcast_to(np.uint8(colour), (height, width, 3)))


def names(count: int) -> str:
    """As Ultralytics' exporter writes `names`: Python's text of a dict."""
    return repr({i: f"n{i:02d}" for i in range(count)})
