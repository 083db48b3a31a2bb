# SPDX-License-Identifier: MIT
"""Whatever people call an image, as bytes that can be sent or handed to libsight.

numpy, OpenCV and Pillow are used when the caller has them, and never imported for the sake of a file or of bytes.
"""
from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple, Optional, Tuple, Union

from . import wire
from .errors import InvalidArgument, ReadError

Data = Union[bytes, memoryview]
SIDE_MAX = 65535


class Picture(NamedTuple):
    """`data` borrows from the caller's object wherever that is possible."""

    kind: int  # wire.ENCODED, …
    data: Data
    width: int = 0
    height: int = 0
    stride: int = 0
    source: Optional[str] = None

    @property
    def form(self) -> Tuple[int, int, int, int]:
        return self.kind, self.width, self.height, self.stride


def bytes_of(data: Data) -> int:
    return data.nbytes if isinstance(data, memoryview) else len(data)


def is_file(image: Any) -> bool:
    return isinstance(image, (str, os.PathLike))


def source_of(image: Any) -> Optional[str]:
    """What to call the picture in a list of results: its path, where it has one."""
    if is_file(image):
        return os.fsdecode(image)
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) else None


def picture_of(image: Any, color: str = "bgr", jpeg_quality: int = 0, keep_stride: bool = False) -> Picture:
    """`color` is the order of arrays of three channels. `jpeg_quality` above 0: pixels are sent as JPEG of that
    quality, if cv2 or Pillow is there; 0: they are sent as they are. `keep_stride`: rows of an array may have gaps
    between them; else such an array is copied."""
    if isinstance(image, bytes):
        return Picture(wire.ENCODED, image)
    if is_file(image):
        return Picture(wire.ENCODED, _read(image), source=os.fsdecode(image))
    array = _array_of(image)
    if array is not None:
        return _of_array(array, color, jpeg_quality, keep_stride)
    if isinstance(image, (bytearray, memoryview)):
        view = memoryview(image)
        if view.ndim != 1 or not view.c_contiguous:
            raise InvalidArgument("a memoryview is taken as an encoded picture and must be flat; for pixels give "
                                  "numpy.asarray(view)")
        return Picture(wire.ENCODED, view.cast("B") if view.nbytes else b"")
    if hasattr(image, "mode") and hasattr(image, "tobytes") and hasattr(image, "convert"):
        return _of_pil(image, jpeg_quality)
    if callable(getattr(image, "read", None)):
        return _of_file_object(image)
    raise InvalidArgument(
        f"an image is bytes, a path, a binary file, a numpy array or a PIL image; this is {type(image).__name__}")


def _read(path: Any) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError as problem:
        error = ReadError(f'cannot read "{os.fsdecode(path)}": {problem.strerror or problem}')
        error.source = os.fsdecode(path)
        raise error from problem


def _of_file_object(file: Any) -> Picture:
    try:
        data = file.read()
    except OSError as problem:
        raise ReadError(f"cannot read the picture: {problem}") from problem
    if isinstance(data, str):
        raise InvalidArgument('the file was opened as text: open it with mode "rb"')
    return Picture(wire.ENCODED, data, source=source_of(file))


def _array_of(image: Any) -> Any:
    """The numpy array it is, else None."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(image, numpy.ndarray):
        return image
    return None


def _of_array(array: Any, color: str, jpeg_quality: int, keep_stride: bool) -> Picture:
    import numpy as np

    if color not in ("bgr", "rgb"):
        raise InvalidArgument(f'color is "{color}"; it can be "bgr" (as OpenCV has it) or "rgb"')
    if array.dtype != np.uint8:
        if array.ndim == 1:
            raise InvalidArgument(f"an encoded picture must be bytes or a uint8 array, not {array.dtype}")
        raise InvalidArgument(f"pixels must be uint8, these are {array.dtype}: scale to 0..255 and use "
                              "array.astype(numpy.uint8)")
    if array.ndim == 1:  # what cv2.imencode and numpy.fromfile give: an encoded picture
        return Picture(wire.ENCODED, memoryview(np.ascontiguousarray(array).data))
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    elif array.ndim == 3 and array.shape[2] == 4:
        array = array[:, :, :3]  # alpha is dropped, as the decoder does
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise InvalidArgument(f"pixels have the shape (height, width, 3) or (height, width), not {array.shape}")
    height, width = array.shape[:2]
    if not (0 < height <= SIDE_MAX and 0 < width <= SIDE_MAX):
        raise InvalidArgument(f"the picture is {width} x {height}; sides are 1 to {SIDE_MAX} pixels")
    if jpeg_quality > 0:
        data = _jpeg(array, color, jpeg_quality)
        if data is not None:
            return Picture(wire.ENCODED, data)
    kind = wire.GRAY8 if array.ndim == 2 else wire.RGB24 if color == "rgb" else wire.BGR24
    stride = width if array.ndim == 2 else width * 3
    if keep_stride and array.strides[0] > stride and array[0].flags.c_contiguous:
        flat = np.lib.stride_tricks.as_strided(array, (array.strides[0] * (height - 1) + stride,), (1,))
        return Picture(kind, memoryview(flat.data), width, height, array.strides[0])
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return Picture(kind, memoryview(array.data).cast("B"), width, height, stride)


def _jpeg(array: Any, color: str, quality: int) -> Optional[Data]:
    """Through cv2 or Pillow, whichever there is; None: neither."""
    try:
        import cv2

        if array.ndim == 3 and color == "rgb":
            array = cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(".jpg", array, [int(cv2.IMWRITE_JPEG_QUALITY), quality])
        return memoryview(data).cast("B") if done else None
    except ImportError:
        pass
    try:
        from PIL import Image
    except ImportError:
        return None
    import numpy as np

    if array.ndim == 3 and color == "bgr":
        array = array[:, :, ::-1]
    return _pil_jpeg(Image.fromarray(np.ascontiguousarray(array)), quality)


def _pil_jpeg(image: Any, quality: int) -> bytes:
    import io

    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _of_pil(image: Any, jpeg_quality: int) -> Picture:
    source = source_of(image) or None
    if image.mode.startswith(("I", "F")):
        raise InvalidArgument(f'pixels must have 8 bits, these have mode "{image.mode}": scale to 0..255 and convert '
                              'to "L", or send the file itself')
    if image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    width, height = image.size
    if jpeg_quality > 0:
        return Picture(wire.ENCODED, _pil_jpeg(image, jpeg_quality), source=source)
    channels = 3 if image.mode == "RGB" else 1
    return Picture(wire.RGB24 if channels == 3 else wire.GRAY8, image.tobytes(), width, height, width * channels,
                   source)
