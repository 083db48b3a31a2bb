# SPDX-License-Identifier: MIT
"""Objects drawn into a picture, with OpenCV or Pillow."""
from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple

from .errors import BadImage, InvalidArgument, SightError

if TYPE_CHECKING:
    from .result import Object, Result

# Distinct on light and dark ground; red, green, blue.
_COLORS = [(230, 25, 75), (60, 180, 75), (67, 99, 216), (245, 130, 49), (145, 30, 180), (0, 150, 150), (240, 50, 230),
           (128, 128, 0), (170, 110, 40), (128, 0, 0)]
# Pillow finds them by name in the system's folders; the first that is there. Only the later ones have Chinese.
_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf",
          "DejaVuSans.ttf")
Color = Tuple[int, int, int]


def draw(result: Result, image: Any, color: str = "bgr") -> Any:
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return _with_pil(result, image.convert("RGB"))
    if not hasattr(image, "__array_interface__"):
        return _draw_encoded(result, image)
    if getattr(image, "ndim", 0) == 1:
        return _draw_encoded(result, image.tobytes())
    captions = "".join(str(found) for found in result.objects)
    try:
        import cv2
    except ImportError:
        cv2 = None
    if cv2 is not None and (captions.isascii() or not _has_pil()):
        return _with_cv2(result, image, color)
    return _array_with_pil(result, image, color)


def _draw_encoded(result: Result, image: Any) -> Any:
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
        return _with_pil(result, _upright(data))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise BadImage("OpenCV cannot decode the picture: decode it yourself and give the array")
    return draw(result, pixels)


def _upright(data: bytes) -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise SightError("drawing needs OpenCV (cv2) or Pillow: install one of them", "library") from None
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    except OSError as problem:
        raise BadImage(f"Pillow cannot decode the picture: {problem}") from problem


def _has_pil() -> bool:
    try:
        import PIL.ImageDraw  # noqa: F401
    except ImportError:
        return False
    return True


def _sizes(width: int, height: int) -> Tuple[int, int]:
    """Thickness of lines, height of letters."""
    return max(1, round(min(width, height) / 400)), max(10, round(min(width, height) / 40))


def _lines(found: Object) -> List[Sequence[Tuple[float, float]]]:
    """Closed lines around the object."""
    left, top, right, bottom = found.box.xyxy
    return [found.quad or found.polygon or [(left, top), (right, top), (right, bottom), (left, bottom)]]


def _with_cv2(result: Result, image: Any, color: str) -> Any:
    import cv2
    import numpy as np

    out = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else np.array(image, order="C")
    thickness, letters = _sizes(out.shape[1], out.shape[0])
    for found in result.objects:
        ink = _COLORS[found.class_id % len(_COLORS)]
        ink = ink if color == "rgb" else ink[::-1]
        for line in _lines(found):
            cv2.polylines(out, [np.rint(np.array(line)).astype(np.int32)], True, ink, thickness, cv2.LINE_AA)
        for x, y in found.landmarks:
            cv2.circle(out, (round(x), round(y)), thickness + 1, ink, -1, cv2.LINE_AA)
        text = str(found).encode("ascii", "replace").decode()
        scale = letters / 22
        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        x, y = _caption(found, width, height + base, out.shape[1])
        cv2.rectangle(out, (x, y), (x + width, y + height + base), ink, -1)
        cv2.putText(out, text, (x, y + height), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thickness,
                    cv2.LINE_AA)
    return out


def _caption(found: Object, width: int, height: int, image_width: int) -> Tuple[int, int]:
    """Top left of the caption: above the box, or inside when there is no room."""
    x = max(0, min(round(found.box.x), image_width - width))
    y = round(found.box.y) - height
    return x, y if y >= 0 else max(0, round(found.box.y))


def _array_with_pil(result: Result, image: Any, color: str) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise SightError("drawing needs OpenCV (cv2) or Pillow: install one of them", "library") from None
    import numpy as np

    swap = image.ndim == 3 and color == "bgr"
    rgb = np.ascontiguousarray(image[:, :, 2::-1] if swap else image)
    pixels = np.array(_with_pil(result, Image.fromarray(rgb).convert("RGB")))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if swap or color == "bgr" else pixels


def _font(size: int) -> Any:
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default()


def _with_pil(result: Result, image: Any) -> Any:
    from PIL import ImageDraw

    out = image.copy()
    pen = ImageDraw.Draw(out)
    thickness, letters = _sizes(*out.size)
    font: Optional[Any] = None
    for found in result.objects:
        ink: Color = _COLORS[found.class_id % len(_COLORS)]
        for line in _lines(found):
            pen.line([*line, line[0]], fill=ink, width=thickness)
        for x, y in found.landmarks:
            radius = thickness + 1
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
        font = font or _font(letters)
        text = str(found)
        try:
            _, _, right, bottom = pen.textbbox((0, 0), text, font=font)
        except (UnicodeEncodeError, ValueError):  # the font that comes with Pillow
            text = text.encode("ascii", "replace").decode()
            right, bottom = font.getmask(text).size
        x0, y0 = _caption(found, right, bottom, out.size[0])
        pen.rectangle((x0, y0, x0 + right, y0 + bottom), fill=ink)
        pen.text((x0, y0), text, fill=(255, 255, 255), font=font)
    return out
