# SPDX-License-Identifier: MIT
"""libsight by ctypes: where it is, and what of include/sight.h is used. ctypes releases the GIL during each call."""
from __future__ import annotations

import ctypes
import ctypes.util
import os
import sysconfig
import threading
from pathlib import Path
from typing import Iterator, List, Optional

from .errors import LibraryError, SightError, error_of

VERSION = "0.1."  # while the major version is 0 every minor one may break
_NAMES = ("libsight.so.0", "libsight.so", "libsight.dylib")
_MESSAGE_BYTES = 512


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * _MESSAGE_BYTES)]


class Pixels(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("format", ctypes.c_int), ("width", ctypes.c_int),
                ("height", ctypes.c_int), ("stride_bytes", ctypes.c_size_t), ("data", ctypes.c_void_p),
                ("data_bytes", ctypes.c_size_t), ("chroma", ctypes.c_void_p), ("chroma_bytes", ctypes.c_size_t)]


class OpenOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("models", ctypes.c_char_p), ("pipelines", ctypes.c_char_p),
                ("threads", ctypes.c_int), ("decode", ctypes.c_int), ("max_pixels", ctypes.c_int64),
                ("max_image_bytes", ctypes.c_size_t), ("labels", ctypes.c_char_p)]


class InferOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("threshold", ctypes.c_float), ("nms", ctypes.c_float),
                ("max_objects", ctypes.c_int), ("top_k", ctypes.c_int), ("decode", ctypes.c_int),
                ("deadline_ms", ctypes.c_int64), ("pipeline", ctypes.c_char_p)]


_POINTER = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_ERROR = ctypes.POINTER(Error)
_FUNCTIONS = {
    "sight_version": (ctypes.c_char_p, []),
    "sight_code_name": (ctypes.c_char_p, [ctypes.c_int]),
    "sight_pipeline_open": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(OpenOptions), _OUT, _ERROR]),
    "sight_pipeline_open_model": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(OpenOptions), _OUT, _ERROR]),
    "sight_pipeline_close": (None, [_OUT]),
    "sight_pipeline_name": (ctypes.c_char_p, [_POINTER]),
    "sight_pipeline_description": (ctypes.c_char_p, [_POINTER]),
    "sight_pipeline_model": (ctypes.c_char_p, [_POINTER, ctypes.c_int]),
    "sight_pipeline_label_count": (ctypes.c_int, [_POINTER, ctypes.c_int]),
    "sight_pipeline_label": (ctypes.c_char_p, [_POINTER, ctypes.c_int, ctypes.c_int]),
    "sight_result_create": (ctypes.c_int, [_OUT]),
    "sight_result_destroy": (None, [_OUT]),
    "sight_result_json": (_POINTER, [_POINTER, ctypes.c_uint, ctypes.POINTER(ctypes.c_size_t)]),
    "sight_infer": (ctypes.c_int, [_POINTER, _POINTER, ctypes.c_size_t, ctypes.POINTER(InferOptions), _POINTER,
                                   _ERROR]),
    "sight_infer_pixels": (ctypes.c_int, [_POINTER, ctypes.POINTER(Pixels), ctypes.POINTER(InferOptions), _POINTER,
                                          _ERROR]),
}

_lock = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None


def _candidates() -> Iterator[str]:
    """Beside the package, in the prefix it is installed in, in the build of a checkout, where the system looks."""
    package = Path(__file__).resolve().parent
    folders: List[Path] = [package]
    triplet = sysconfig.get_config_var("MULTIARCH")
    for parent in package.parents[1:5]:
        if parent.name in ("lib", "lib64"):
            folders += [parent / triplet, parent] if triplet else [parent]
    folders.append(package.parent.parent / "build")
    for folder in folders:
        for name in _NAMES:
            if (folder / name).is_file():
                yield str(folder / name)
    found = ctypes.util.find_library("sight")
    if found:
        yield found


def load() -> ctypes.CDLL:
    """The library, loaded once. SIGHT_LIBRARY names it and then nothing else is tried."""
    global _loaded
    with _lock:
        if _loaded is None:
            named = os.environ.get("SIGHT_LIBRARY")
            path = named or next(_candidates(), None)
            if path is None:
                raise LibraryError("libsight is not found: build it (make), install it, or let SIGHT_LIBRARY name "
                                   "libsight.so")
            _loaded = _open(path)
        return _loaded


def _open(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as problem:
        raise LibraryError(f"cannot use libsight: {problem}; let SIGHT_LIBRARY name another") from problem
    version: str = library.sight_version().decode()
    if not version.startswith(VERSION):
        raise LibraryError(f"{path} is libsight {version}, this package needs {VERSION}x: install both from one "
                           "version of sightd")
    return library


def raised(library: ctypes.CDLL, error: Error) -> SightError:
    return error_of(library.sight_code_name(error.code).decode(), error.message.decode(errors="replace"))
