# SPDX-License-Identifier: MIT
"""Read a TFLite flatbuffer into plain Python objects.

Debian ships the flatbuffers runtime but no code generated from the TFLite schema, so tables are read
by field number. The numbers are the declaration order in the public `schema.fbs` of TensorFlow Lite
(version 3, file identifier "TFL3"); unions take two numbers, the type first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import encode, flexbuffers
from flatbuffers import number_types as N
from flatbuffers.table import Table
from numpy.typing import NDArray

MAX_FILE_BYTES = 256 * 1024 * 1024

# TensorType → numpy.
DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8}

# BuiltinOperator: the ones that the converter knows.
OPS = {
    0: "ADD",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    22: "RESHAPE",
    32: "CUSTOM",
    97: "RESIZE_NEAREST_NEIGHBOR",
    114: "QUANTIZE",
}

ACTIVATIONS = {0: "", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}


class FormatError(ValueError):
    """The file is no TFLite model, or uses something that this reader does not know."""


@dataclass
class Quantization:
    """real = scale * (stored - zero_point); with several scales, one for each index along `axis`."""

    scale: NDArray[Any]
    zero_point: NDArray[Any]
    axis: int


@dataclass
class Tensor:
    """One tensor of the subgraph; `data` is None for an activation."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: Any
    quant: Quantization | None
    data: NDArray[Any] | None


@dataclass
class Operator:
    """One operator: tensor numbers (-1 = absent input) and its options by name."""

    kind: str
    inputs: list[int]
    outputs: list[int]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Model:
    """The first subgraph of a TFLite file."""

    description: str
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]


class _Row:
    """A flatbuffer table read by field number."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def _offset(self, field_id: int) -> int:
        return int(self.table.Offset(4 + 2 * field_id))

    def number(self, field_id: int, flags: Any, default: int = 0) -> int:
        at = self._offset(field_id)
        return int(self.table.Get(flags, at + self.table.Pos)) if at else default

    def text(self, field_id: int) -> str:
        at = self._offset(field_id)
        return str(self.table.String(at + self.table.Pos), "utf-8") if at else ""

    def vector(self, field_id: int, flags: Any) -> NDArray[Any]:
        at = self._offset(field_id)
        if not at:
            return np.zeros(0, N.to_numpy_type(flags))
        vector: NDArray[Any] = self.table.GetVectorAsNumpy(flags, at)
        return vector

    def rows(self, field_id: int) -> list[_Row]:
        at = self._offset(field_id)
        if not at:
            return []
        start = self.table.Vector(at)
        count = self.table.VectorLen(at)
        return [_Row(Table(self.table.Bytes, self.table.Indirect(start + 4 * i))) for i in range(count)]

    def row(self, field_id: int) -> _Row | None:
        at = self._offset(field_id)
        return _Row(Table(self.table.Bytes, self.table.Indirect(at + self.table.Pos))) if at else None


# Options tables: name → (field number, flatbuffer type).
_B, _I = N.Int8Flags, N.Int32Flags
_FIELDS: dict[str, dict[str, tuple[int, Any]]] = {
    "ADD": {"activation": (0, _B)},
    "MAX_POOL_2D": {
        "padding": (0, _B),
        "stride_w": (1, _I),
        "stride_h": (2, _I),
        "filter_w": (3, _I),
        "filter_h": (4, _I),
        "activation": (5, _B),
    },
    "CONCATENATION": {"axis": (0, _I), "activation": (1, _B)},
    "CONV_2D": {
        "padding": (0, _B),
        "stride_w": (1, _I),
        "stride_h": (2, _I),
        "activation": (3, _B),
        "dilation_w": (4, _I),
        "dilation_h": (5, _I),
    },
    "DEPTHWISE_CONV_2D": {
        "padding": (0, _B),
        "stride_w": (1, _I),
        "stride_h": (2, _I),
        "multiplier": (3, _I),
        "activation": (4, _B),
        "dilation_w": (5, _I),
        "dilation_h": (6, _I),
    },
    "RESIZE_NEAREST_NEIGHBOR": {"align_corners": (0, _B), "half_pixel_centers": (1, _B)},
}
_DEFAULTS = {"dilation_w": 1, "dilation_h": 1}


def _tensor(index: int, row: _Row, buffers: list[_Row]) -> Tensor:
    kind = row.number(1, N.Int8Flags)
    if kind not in DTYPES:
        raise FormatError(f"tensor {index} {row.text(3)!r}: element type {kind} is not supported")
    dtype = DTYPES[kind]
    shape = tuple(int(n) for n in row.vector(0, N.Int32Flags))
    buffer = row.number(2, N.Uint32Flags)
    if buffer >= len(buffers):
        raise FormatError(f"tensor {index} {row.text(3)!r}: buffer {buffer} of {len(buffers)}")
    raw = buffers[buffer].vector(0, N.Uint8Flags)
    data = None
    if raw.size:
        data = np.frombuffer(raw.tobytes(), dtype)
        if data.size != int(np.prod(shape, dtype=np.int64)):
            raise FormatError(f"tensor {index} {row.text(3)!r}: {data.size} values for shape {shape}")
        data = data.reshape(shape)
    quant = None
    q = row.row(4)
    if q is not None:
        scale = q.vector(2, N.Float32Flags).astype(np.float32)
        if scale.size:
            zero = q.vector(3, N.Int64Flags).astype(np.int64)
            zero = zero if zero.size else np.zeros_like(scale, np.int64)
            quant = Quantization(scale, zero, q.number(6, N.Int32Flags))
    return Tensor(index, row.text(3), shape, dtype, quant, data)


def _operator(row: _Row, codes: list[tuple[int, str]]) -> Operator:
    index = row.number(0, N.Uint32Flags)
    if index >= len(codes):
        raise FormatError(f"operator code {index} of {len(codes)}")
    builtin, custom = codes[index]
    if builtin not in OPS:
        raise FormatError(f"builtin operator {builtin} is not supported")
    kind = custom if OPS[builtin] == "CUSTOM" else OPS[builtin]
    options: dict[str, Any] = {}
    if OPS[builtin] == "CUSTOM":
        blob = row.vector(5, N.Uint8Flags).tobytes()
        if blob:
            loaded = flexbuffers.Loads(blob)
            if isinstance(loaded, dict):
                options = {k.decode() if isinstance(k, bytes) else str(k): v for k, v in loaded.items()}
    else:
        table = row.row(4)
        for name, (field_id, flags) in _FIELDS.get(kind, {}).items():
            default = _DEFAULTS.get(name, 0)
            options[name] = table.number(field_id, flags, default) if table else default
    return Operator(
        kind,
        [int(i) for i in row.vector(1, N.Int32Flags)],
        [int(i) for i in row.vector(2, N.Int32Flags)],
        options,
    )


def parse(data: bytes) -> Model:
    """Parse the bytes of a .tflite file; FormatError says what is wrong."""
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise FormatError("not a TFLite file (no TFL3 identifier at byte 4)")
    try:
        root = _Row(Table(bytearray(data), encode.Get(N.UOffsetTFlags.packer_type, data, 0)))
        codes = []
        for code in root.rows(1):
            builtin = max(code.number(0, N.Int8Flags), code.number(3, N.Int32Flags))
            codes.append((builtin, code.text(1)))
        graphs = root.rows(2)
        if not graphs:
            raise FormatError("no subgraph")
        graph = graphs[0]
        buffers = root.rows(4)
        tensors = [_tensor(i, row, buffers) for i, row in enumerate(graph.rows(0))]
        operators = [_operator(row, codes) for row in graph.rows(3)]
        inputs = [int(i) for i in graph.vector(1, N.Int32Flags)]
        outputs = [int(i) for i in graph.vector(2, N.Int32Flags)]
    except FormatError:
        raise
    except Exception as error:  # struct.error, IndexError, TypeError … on wild offsets
        raise FormatError(f"damaged TFLite file: {error}") from error
    return Model(root.text(3), tensors, operators, inputs, outputs)


def read(path: Path) -> Model:
    """Read and parse a .tflite file."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise FormatError(f"{path}: {size} bytes, at most {MAX_FILE_BYTES} are read")
    return parse(path.read_bytes())
