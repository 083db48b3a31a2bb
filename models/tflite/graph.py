# SPDX-License-Identifier: MIT
"""Build an ONNX graph from a TFLite model, one tensor at a time.

Every quantised activation lives in the graph as uint8 (int8 ones are shifted by 128, which loses nothing) between a
QuantizeLinear and a DequantizeLinear, so that ONNX Runtime sees DQ → float op → Q and fuses it into one integer
kernel. Image-like tensors are NCHW inside the graph, as ONNX wants; `Graph.value` knows which layout a tensor has.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from .schema import FormatError, Model, Quantization, Tensor

OPSET = 13
IR_VERSION = 7


@dataclass(frozen=True)
class Numeric:
    """How the network computes: quantised or float, and how quantised weights are stored."""

    quantised: bool = True
    signed_weights: bool = True


@dataclass
class Value:
    """A TFLite tensor inside the ONNX graph. In a quantised graph `name` holds uint8, else float32."""

    name: str
    shape: tuple[int, ...]  # as stored in the graph: NCHW for image-like tensors
    scale: float = 0.0
    zero: int = 0  # uint8 zero point


def unsigned_params(tensor: Tensor) -> tuple[float, int]:
    """Scale and zero point of a per-tensor quantised activation once it is stored as uint8."""
    quant = tensor.quant
    if quant is None or quant.scale.size != 1 or tensor.dtype not in (np.uint8, np.int8):
        raise FormatError(f"tensor {tensor.index} {tensor.name!r}: expected per-tensor uint8 or int8 quantisation")
    shift = 128 if tensor.dtype is np.int8 else 0
    return float(quant.scale[0]), int(quant.zero_point[0]) + shift


def dequantise(data: NDArray[Any], quant: Quantization) -> NDArray[Any]:
    """real = scale * (stored - zero_point), per channel along quant.axis."""
    shape = [1] * data.ndim
    if quant.scale.size > 1:
        shape[quant.axis] = -1
    scale = quant.scale.reshape(shape).astype(np.float64)
    zero = quant.zero_point.reshape(shape)
    real: NDArray[Any] = ((data.astype(np.int64) - zero) * scale).astype(np.float32)
    return real


class Graph:
    """Nodes and initialisers under construction, and which ONNX name each TFLite tensor has."""

    def __init__(self, model: Model, numeric: Numeric) -> None:
        self.model = model
        self.numeric = numeric
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.values: dict[int, Value] = {}
        self._floats: dict[str, str] = {}
        self._serial = 0

    # Building blocks ---------------------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        """A name that nothing else has."""
        self._serial += 1
        return f"{stem}_{self._serial}"

    def node(self, op: str, inputs: Sequence[str], outputs: Sequence[str] | None = None, **attributes: Any) -> str:
        """Append a node; returns its first output."""
        names = list(outputs) if outputs else [self.fresh(op.lower())]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{names[0]}", **attributes))
        return names[0]

    def constant(self, value: Any, dtype: Any = None, stem: str = "const") -> str:
        """Store an initialiser (equal ones are stored once); returns its name."""
        array = np.asarray(value, dtype)
        digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
        key = f"{stem}_{digest[:12]}"
        if key not in self.initializers:
            self.initializers[key] = numpy_helper.from_array(array, key)
        return key

    # Tensors -----------------------------------------------------------------------------------------------------

    def tensor(self, index: int) -> Tensor:
        """The TFLite tensor with this number."""
        if not 0 <= index < len(self.model.tensors):
            raise FormatError(f"tensor {index} of {len(self.model.tensors)}")
        return self.model.tensors[index]

    def stored(self, index: int) -> NDArray[Any]:
        """The constant data of a tensor."""
        tensor = self.tensor(index)
        if tensor.data is None:
            raise FormatError(f"tensor {index} {tensor.name!r}: expected a constant")
        return tensor.data

    def value(self, index: int) -> Value:
        """The graph value of an activation that was computed before."""
        if index not in self.values:
            raise FormatError(f"tensor {index} {self.tensor(index).name!r} is used before it is computed")
        return self.values[index]

    def as_float(self, value: Value) -> str:
        """Name of the float32 form of a value (one DequantizeLinear per value, however many readers)."""
        if not self.numeric.quantised:
            return value.name
        if value.name not in self._floats:
            params = self.quant_params(value.scale, value.zero)
            self._floats[value.name] = self.node("DequantizeLinear", [value.name, *params], [value.name + "_f"])
        return self._floats[value.name]

    def quant_params(self, scale: float, zero: int) -> tuple[str, str]:
        """Initialisers of a uint8 activation's scale and zero point."""
        return self.constant(scale, np.float32, "scale"), self.constant(zero, np.uint8, "zero")

    def define(self, index: int, real: str, shape: tuple[int, ...], activation: str) -> None:
        """Tensor `index` is the float result `real` after `activation`: clamp and quantise it as the file says."""
        scale, zero = unsigned_params(self.tensor(index))
        low, high = (0 - zero) * scale, (255 - zero) * scale
        bounds = {"": (-np.inf, np.inf), "RELU": (0.0, np.inf), "RELU6": (0.0, 6.0)}
        if activation not in bounds:
            raise FormatError(f"tensor {index} {self.tensor(index).name!r}: activation {activation} is not supported")
        least, most = bounds[activation]
        if not self.numeric.quantised:
            # A range that starts at zero is a ReLU that the TFLite converter left to saturation.
            if zero == 0:
                least, most = max(least, 0.0), min(most, high)
            self.values[index] = Value(self._clamp_float(real, least, most), shape)
            return
        name = self.node("QuantizeLinear", [real, *self.quant_params(scale, zero)], [f"t{index}"])
        # Where saturation alone does not clamp, do it on the integers: that leaves the Q next to its convolution.
        if least > low + scale / 2 or most < high - scale / 2:
            first = zero if least == 0.0 else 0
            last = min(255, zero + int(round(most / scale))) if np.isfinite(most) else 255
            limits = [self.constant(first, np.uint8), self.constant(last, np.uint8)]
            name = self.node("Clip", [name, *limits], [f"t{index}_clamped"])
        self.values[index] = Value(name, shape, scale, zero)

    def _clamp_float(self, real: str, least: float, most: float) -> str:
        if np.isinf(least) and np.isinf(most):
            return real
        high = self.constant(most, np.float32) if np.isfinite(most) else ""
        return self.node("Clip", [real, self.constant(least, np.float32), high])

    def weights(self, index: int, order: tuple[int, ...]) -> str:
        """Float name of a filter, transposed by `order` (output channels first); a quantised graph stores integers."""
        tensor = self.tensor(index)
        data, quant = self.stored(index), tensor.quant
        if quant is None:
            raise FormatError(f"tensor {index} {tensor.name!r}: filter without quantisation")
        if quant.scale.size > 1 and order[0] != quant.axis:
            raise FormatError(f"tensor {index} {tensor.name!r}: quantised along axis {quant.axis}, expected {order[0]}")
        if not self.numeric.quantised:
            return self.constant(dequantise(data, quant).transpose(order), np.float32, f"w{index}")
        dtype = np.int8 if self.numeric.signed_weights else np.uint8
        shift = int(np.iinfo(dtype).min) - int(np.iinfo(tensor.dtype).min)
        moved = (data.astype(np.int16) + shift).astype(dtype).transpose(order)
        zeros = (quant.zero_point + shift).astype(dtype)
        scalar = quant.scale.size == 1
        # Initialisers of its own, also where levels share a filter: ONNX Runtime rewrites those of signed bytes for
        # processors without VNNI, and does not load a graph in which two nodes share one.
        own = self.fresh(f"w{index}")
        inputs = [
            self.constant(np.ascontiguousarray(moved), stem=own),
            self.constant(quant.scale[0] if scalar else quant.scale, np.float32, "scale"),
            self.constant(zeros[0] if scalar else zeros, dtype, f"{own}_zero"),
        ]
        return self.node("DequantizeLinear", inputs, [self.fresh(f"w{index}_f")], axis=0)

    def bias(self, index: int) -> str:
        """Float name of a constant int32 bias."""
        tensor = self.tensor(index)
        data, quant = self.stored(index), tensor.quant
        if quant is None or tensor.dtype is not np.int32:
            raise FormatError(f"tensor {index} {tensor.name!r}: expected a quantised int32 bias")
        if not self.numeric.quantised:
            return self.constant(dequantise(data, quant), np.float32, f"b{index}")
        scalar = quant.scale.size == 1
        inputs = [
            self.constant(data, stem=f"b{index}"),
            self.constant(quant.scale[0] if scalar else quant.scale, np.float32, "scale"),
            self.constant(0 if scalar else np.zeros(quant.scale.size), np.int32, "zero"),
        ]
        return self.node("DequantizeLinear", inputs, [self.fresh(f"b{index}_f")], axis=0)
