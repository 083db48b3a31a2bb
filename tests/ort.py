# SPDX-License-Identifier: MIT
"""Run ONNX models from Python over ONNX Runtime's C API (Debian has no Python binding). For tests only.

Functions are called by their place in `struct OrtApi`, whose order is part of the library's ABI: entries are only ever
appended (onnxruntime_c_api.h). Version 16 of the table is asked for, which every library since 1.16 offers.
"""

from __future__ import annotations

import ctypes
import os
import platform
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
API_VERSION = 16

# Function → index in struct OrtApi.
_INDEX = {
    "GetErrorMessage": 2,
    "CreateEnv": 3,
    "DisableTelemetryEvents": 6,
    "CreateSession": 7,
    "Run": 9,
    "CreateSessionOptions": 10,
    "SetSessionGraphOptimizationLevel": 23,
    "SetIntraOpNumThreads": 24,
    "SessionGetInputCount": 30,
    "SessionGetOutputCount": 31,
    "SessionGetInputName": 36,
    "SessionGetOutputName": 37,
    "CreateTensorWithDataAsOrtValue": 49,
    "GetTensorMutableData": 51,
    "GetTensorElementType": 60,
    "GetDimensionsCount": 61,
    "GetDimensions": 62,
    "GetTensorTypeAndShape": 65,
    "CreateCpuMemoryInfo": 69,
    "GetAllocatorWithDefaultOptions": 78,
    "ReleaseStatus": 93,
    "ReleaseSession": 95,
    "ReleaseValue": 96,
    "ReleaseTensorTypeAndShapeInfo": 99,
    "ReleaseSessionOptions": 100,
    "AddSessionConfigEntry": 130,
}
# ONNXTensorElementDataType ↔ numpy.
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}


def library() -> Path | None:
    """The ONNX Runtime that SIGHT_ORT names, else the one that `make deps` set up, or None."""
    place = Path(os.environ.get("SIGHT_ORT") or ROOT / "deps/onnxruntime/lib/libonnxruntime.so")
    return place if place.exists() else None


class OrtError(RuntimeError):
    """ONNX Runtime refused; the text is its own."""


class _Api:
    def __init__(self, path: Path) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        lib = ctypes.CDLL(str(path))
        lib.OrtGetApiBase.restype = POINTER(c_void_p)
        get_api = ctypes.CFUNCTYPE(c_void_p, c_uint32)(lib.OrtGetApiBase()[0])
        table = get_api(API_VERSION)
        if not table:
            raise OrtError(f"{path} does not offer API version {API_VERSION}")
        self._table = ctypes.cast(table, POINTER(c_void_p))
        self.env = c_void_p()
        self.call("CreateEnv", c_int(3), c_char_p(b"tests"), byref(self.env))
        self.call("DisableTelemetryEvents", self.env)
        self.memory = c_void_p()
        self.call("CreateCpuMemoryInfo", c_int(0), c_int(0), byref(self.memory))
        self.allocator = c_void_p()
        self.call("GetAllocatorWithDefaultOptions", byref(self.allocator))

    def _function(self, name: str, result: Any, args: tuple[Any, ...]) -> Any:
        types = [type(a) if not str(type(a)).endswith("CArgObject'>") else c_void_p for a in args]
        return ctypes.CFUNCTYPE(result, *types)(self._table[_INDEX[name]])

    def call(self, name: str, *args: Any) -> None:
        """Call a function that returns a status; a bad status raises OrtError."""
        status = self._function(name, c_void_p, args)(*args)
        if status:
            text = self._function("GetErrorMessage", c_char_p, (c_void_p(),))(status)
            self.release("ReleaseStatus", c_void_p(status))
            raise OrtError(f"{name}: {(text or b'').decode()}")

    def release(self, name: str, handle: c_void_p) -> None:
        """Call a Release function."""
        self._function(name, None, (c_void_p(),))(handle)


_apis: dict[Path, _Api] = {}


def _api() -> _Api:
    path = library()
    if path is None:
        raise OrtError("no libonnxruntime: run `make deps`")
    if path not in _apis:
        _apis[path] = _Api(path)
    return _apis[path]


def has_vnni() -> bool:
    """Whether this processor adds products of bytes in 32 bits, or is none of those that could not."""
    if platform.machine() != "x86_64":
        return True
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    return "avx512_vnni" in flags or "avx_vnni" in flags


class Session:
    """A loaded model. `optimise` 0 = run the graph as written, 99 = everything (the default of the server)."""

    def __init__(self, model: Path, threads: int = 1, optimise: int = 99) -> None:
        self._api = api = _api()
        options = c_void_p()
        api.call("CreateSessionOptions", byref(options))
        api.call("SetIntraOpNumThreads", options, c_int(threads))
        api.call("SetSessionGraphOptimizationLevel", options, c_int(optimise))
        if not has_vnni():  # sums of products of bytes overflow in the fast kernels
            api.call("AddSessionConfigEntry", options, c_char_p(b"session.x64quantprecision"), c_char_p(b"1"))
        self._handle = c_void_p()
        try:
            api.call("CreateSession", api.env, c_char_p(str(model).encode()), options, byref(self._handle))
        finally:
            api.release("ReleaseSessionOptions", options)
        self.inputs = self._names("Input")
        self.outputs = self._names("Output")

    def _names(self, which: str) -> list[str]:
        count = c_size_t()
        self._api.call(f"SessionGet{which}Count", self._handle, byref(count))
        names = []
        for i in range(count.value):
            name = c_char_p()
            self._api.call(f"SessionGet{which}Name", self._handle, c_size_t(i), self._api.allocator, byref(name))
            names.append((name.value or b"").decode())
        return names

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once; returns copies of all outputs by name."""
        api = self._api
        arrays = {name: np.ascontiguousarray(a) for name, a in feeds.items()}
        values = [self._tensor(a) for a in arrays.values()]
        names = (c_char_p * len(arrays))(*(n.encode() for n in arrays))
        outs = (c_char_p * len(self.outputs))(*(n.encode() for n in self.outputs))
        results = (c_void_p * len(self.outputs))()
        handles = (c_void_p * len(values))(*(v.value for v in values))
        cast = ctypes.cast
        try:
            api.call(
                "Run", self._handle, c_void_p(), cast(names, c_void_p), cast(handles, c_void_p), c_size_t(len(values)),
                cast(outs, c_void_p), c_size_t(len(self.outputs)), cast(results, c_void_p),
            )  # fmt: skip
            return {name: self._copy(c_void_p(results[i])) for i, name in enumerate(self.outputs)}
        finally:
            for handle in [*values, *(c_void_p(r) for r in results if r)]:
                api.release("ReleaseValue", handle)

    def _tensor(self, array: np.ndarray) -> c_void_p:
        kind = next(k for k, d in _DTYPES.items() if array.dtype == d)
        shape = (c_int64 * array.ndim)(*array.shape)
        value = c_void_p()
        self._api.call(
            "CreateTensorWithDataAsOrtValue", self._api.memory, c_void_p(array.ctypes.data), c_size_t(array.nbytes),
            ctypes.cast(shape, c_void_p), c_size_t(array.ndim), c_int(kind), byref(value),
        )  # fmt: skip
        return value

    def _copy(self, value: c_void_p) -> np.ndarray:
        api, info, kind, rank, data = self._api, c_void_p(), c_int(), c_size_t(), c_void_p()
        api.call("GetTensorTypeAndShape", value, byref(info))
        api.call("GetTensorElementType", info, byref(kind))
        api.call("GetDimensionsCount", info, byref(rank))
        dims = (c_int64 * rank.value)()
        api.call("GetDimensions", info, ctypes.cast(dims, c_void_p), rank)
        api.release("ReleaseTensorTypeAndShapeInfo", info)
        api.call("GetTensorMutableData", value, byref(data))
        dtype = np.dtype(_DTYPES[kind.value])
        count = int(np.prod(list(dims), dtype=np.int64))
        raw = ctypes.string_at(data.value or 0, count * dtype.itemsize) if count else b""
        return np.frombuffer(raw, dtype).reshape(list(dims)).copy()

    def close(self) -> None:
        """Free the session."""
        if self._handle:
            self._api.release("ReleaseSession", self._handle)
            self._handle = c_void_p()
