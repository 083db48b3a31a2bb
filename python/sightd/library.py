# SPDX-License-Identifier: MIT
"""libsight by ctypes: where it is, and what of include/sight.h is used. ctypes releases the GIL during each call."""
from __future__ import annotations

import ctypes
import importlib.metadata
import json
import os
import sysconfig
import threading
import urllib.parse
import urllib.request
from pathlib import Path
from typing import List, Optional, Union

from .errors import LibraryError, SightError, error_of
from .picture import Data, bytes_of
from .version import VERSION

COMPATIBLE = VERSION.rsplit(".", 1)[0] + "."  # while the major version is 0 every minor one may break
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
                ("max_image_bytes", ctypes.c_size_t), ("labels", ctypes.c_char_p), ("engine", ctypes.c_char_p),
                ("device", ctypes.c_char_p), ("precision", ctypes.c_int)]


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
# Of later releases; a library without them does all but these.
_LATER = {
    "sight_result_read": (ctypes.c_int, [_POINTER, _POINTER, ctypes.c_size_t, _ERROR]),
    "sight_draw": (ctypes.c_int, [_POINTER, ctypes.POINTER(Pixels), _POINTER, ctypes.c_size_t, _ERROR]),
}

_lock = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None
_is_missing = False


def _folders() -> List[Path]:
    """Beside the package, in the prefix it is installed in, in the build of its checkout, where `meson install` puts
    it."""
    package = Path(__file__).resolve().parent
    folders: List[Path] = [package]
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    for parent in package.parents[1:5]:
        if parent.name in ("lib", "lib64"):
            folders += [parent / triplet, parent] if triplet else [parent]
    for checkout in (package.parent.parent, _checkout()):
        if checkout is not None and (checkout / "include" / "sight.h").is_file():
            folders.append(checkout / "build")
    folders += [Path("/usr/local/lib", triplet), Path("/usr/local/lib")]
    return list(dict.fromkeys(folders))


def _checkout() -> Optional[Path]:
    """The checkout that `pip install ./python` installed this package from: pip keeps a note of it (PEP 610)."""
    try:
        note = importlib.metadata.distribution("sightd").read_text("direct_url.json")
        url = urllib.parse.urlsplit(json.loads(note)["url"]) if note else None
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return None
    if url is None or url.scheme != "file":
        return None
    return Path(urllib.request.url2pathname(url.path)).parent


def load() -> ctypes.CDLL:
    """The library, loaded once. SIGHT_LIBRARY names it and then nothing else is tried."""
    global _loaded
    with _lock:
        if _loaded is None:
            named = os.environ.get("SIGHT_LIBRARY")
            _loaded = _open(named) if named else _find()
        return _loaded


def _find() -> ctypes.CDLL:
    folders = _folders()
    for folder in folders:
        for name in _NAMES:
            if (folder / name).is_file():
                return _open(str(folder / name))
    try:
        return _open(_NAMES[0])  # where the system looks
    except LibraryError as problem:
        # The loader names the file that it lacks: another one is a library of a libsight that is there.
        if f"{_NAMES[0]}: cannot open" not in str(problem.__cause__):
            raise
    looked = ", ".join(str(folder) for folder in folders)
    raise LibraryError(f"libsight is not found; what runs in this process needs it: run `make` in the checkout of "
                       f"sightd, install it (`sudo meson install -C build`), or let SIGHT_LIBRARY name libsight.so. "
                       f"Looked in {looked}, and where the system looks")


def drawing() -> Optional[ctypes.CDLL]:
    """The library, if it is there and can draw. One that SIGHT_LIBRARY names must be usable."""
    global _is_missing
    if _loaded is None and _is_missing and not os.environ.get("SIGHT_LIBRARY"):
        return None
    try:
        library = load()
    except LibraryError:
        if os.environ.get("SIGHT_LIBRARY"):
            raise
        _is_missing = True  # not looked for again with each picture
        return None
    return library if all(hasattr(library, name) for name in _LATER) else None


def _open(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in {**_FUNCTIONS, **_LATER}.items():
            if name in _LATER and not hasattr(library, name):
                continue
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except OSError as problem:
        raise LibraryError(f"cannot load {path}: {problem}. If it lacks another library, the packages that sightd "
                           "needs are not all here: `make` in its checkout brings them (docs/INSTALL.md). "
                           "SIGHT_LIBRARY may name another libsight") from problem
    except AttributeError as problem:
        raise LibraryError(f"cannot use libsight: {problem}; let SIGHT_LIBRARY name another") from problem
    version: str = library.sight_version().decode()
    if not version.startswith(COMPATIBLE):
        raise LibraryError(f"{path} is libsight {version}, this package needs {COMPATIBLE}x: install both from one "
                           "version of sightd")
    return library


def address_of(data: Data) -> Union[int, bytes]:
    """What ctypes takes for a pointer to the first byte. It wants a writable buffer, numpy does not mind; without
    either: a copy. The caller keeps `data` alive."""
    if isinstance(data, bytes):
        return data
    if data.nbytes == 0:
        return b""
    if not data.readonly:
        return ctypes.addressof(ctypes.c_char.from_buffer(data))
    try:
        import numpy as np
    except ImportError:
        return data.tobytes()
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address


def pixels_of(kind: int, data: Data, width: int, height: int, stride: int) -> Pixels:
    address = address_of(data)
    at = ctypes.cast(ctypes.c_char_p(address), ctypes.c_void_p) if isinstance(address, bytes) else address
    pixels = Pixels(ctypes.sizeof(Pixels), kind, width, height, stride, at, bytes_of(data), None, 0)
    pixels.keeps = address  # a copy must live as long as its address is used
    return pixels


def raised(library: ctypes.CDLL, error: Error) -> SightError:
    return error_of(library.sight_code_name(error.code).decode(), error.message.decode(errors="replace"))
