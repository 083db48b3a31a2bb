# SPDX-License-Identifier: MIT
"""Objects drawn into a picture: by libsight where it is there, else in the same style by Pillow, else by OpenCV."""
from __future__ import annotations

import ctypes
import io
import os
from typing import TYPE_CHECKING, Any, Optional

from . import library, wire
from .errors import BadImage, InvalidArgument, SightError
from .pens import OpenCVPen, PillowPen
from .picture import picture_of
from .style import Drawing

if TYPE_CHECKING:
    from .result import Result


def draw(result: Result, image: Any, color: str = "bgr") -> Any:
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return _draw_pil(result, image.convert("RGB"))
    if not hasattr(image, "__array_interface__"):
        return _draw_encoded(result, image, color)
    if getattr(image, "ndim", 0) == 1:
        return _draw_encoded(result, image.tobytes(), color)
    return _draw_array(result, image, color)


def _draw_encoded(result: Result, image: Any, color: str) -> Any:
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            data = file.read()
    elif callable(getattr(image, "read", None)):
        image.seek(0)  # it was read to the end when it was sent
        data = image.read()
    elif isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
    else:
        raise InvalidArgument(f"cannot draw into {type(image).__name__}: give an array, a PIL image, a path or bytes")
    try:
        import cv2
        import numpy as np
    except ImportError:
        return _draw_pil(result, _upright(data))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise BadImage("OpenCV cannot decode the picture: decode it yourself and give the array")
    return _draw_array(result, pixels if color == "bgr" else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), color)


def _upright(data: bytes) -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise _nothing_draws("decoding a picture") from None
    try:
        picture = Image.open(io.BytesIO(data))
        return (ImageOps.exif_transpose(picture) or picture).convert("RGB")
    except OSError as problem:
        raise BadImage(f"Pillow cannot decode the picture: {problem}") from problem


def _nothing_draws(what: str) -> SightError:
    return SightError(f"{what} needs Pillow or OpenCV: pip install Pillow", "library")


def _draw_pil(result: Result, image: Any) -> Any:
    from PIL import Image

    width, height = image.size
    drawn = _by_libsight(result, wire.RGB24, image.tobytes(), width, height)
    if drawn is not None:
        return Image.frombytes("RGB", image.size, bytes(drawn))
    out = image.copy()
    Drawing(PillowPen(out), width, height, result).draw()
    return out


def _draw_array(result: Result, image: Any, color: str) -> Any:
    import numpy as np

    picture = picture_of(image, color)
    width, height = picture.width, picture.height
    pixels: Any = np.frombuffer(picture.data, np.uint8).reshape(height, width, -1)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, 2)
    kind = wire.RGB24 if color == "rgb" else wire.BGR24
    drawn = _by_libsight(result, kind, memoryview(pixels.data).cast("B"), width, height)
    if drawn is not None:
        return np.frombuffer(drawn, np.uint8).reshape(height, width, 3)
    return _array_by_pen(result, pixels, color)


def _array_by_pen(result: Result, pixels: Any, color: str) -> Any:
    """Pillow first: it has letters of every script."""
    import numpy as np

    height, width = pixels.shape[:2]
    try:
        from PIL import Image, ImageDraw  # noqa: F401
    except ImportError:
        pass
    else:
        image = Image.fromarray(np.ascontiguousarray(pixels if color == "rgb" else pixels[:, :, ::-1]))
        Drawing(PillowPen(image), width, height, result).draw()
        return np.array(np.asarray(image)[:, :, :: 1 if color == "rgb" else -1], order="C")
    try:
        import cv2  # noqa: F401
    except ImportError:
        raise _nothing_draws("drawing without libsight") from None
    out = np.array(pixels, order="C")
    Drawing(OpenCVPen(out, color), width, height, result).draw()
    return out


def _by_libsight(result: Result, kind: int, data: Any, width: int, height: int) -> Optional[bytearray]:
    """3 bytes a pixel in the order of `kind`; None: there is no libsight that draws."""
    call = library.drawing()
    if call is None:
        return None
    block = result._records()
    out = bytearray(3 * width * height)
    handle, error = ctypes.c_void_p(), library.Error()
    pixels = library.pixels_of(kind, data, width, height, 0)
    if call.sight_result_create(ctypes.byref(handle)) < 0:
        raise MemoryError("no memory for a result")
    try:
        space = (ctypes.c_char * len(out)).from_buffer(out)
        if (call.sight_result_read(handle, block, len(block), error) < 0 or
                call.sight_draw(handle, pixels, space, len(out), error) < 0):
            raise library.raised(call, error)
    finally:
        call.sight_result_destroy(ctypes.byref(handle))
    return out
