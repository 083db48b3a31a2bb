# SPDX-License-Identifier: MIT
"""Pillow and OpenCV as pens for style.Drawing, and the fonts for Pillow."""
from __future__ import annotations

import functools
import os
from typing import Any, Iterator, List, Sequence, Tuple

from .style import Color, Pen, Point, Rect

# Pillow finds them by name in the system's folders. The first of each line that is there is used, letter by letter the
# one that has it: the first line has Latin, the second Chinese, Japanese and Korean.
_FONTS = (("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf"),
          ("DroidSansFallbackFull.ttf", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "msyh.ttc",
           "PingFang.ttc"))
_NO_CHARACTER = "\U0010ffff"
_SMOOTH = 4  # subpixels on an axis


@functools.lru_cache(maxsize=32)
def fonts(size: int) -> List[Any]:
    """Pillow's, best first; empty: none that can be scaled is there. Its own of old, a bitmap of Latin, is no use."""
    from PIL import ImageFont

    found: List[Any] = []
    for names in ((os.environ.get("SIGHT_FONT", ""),), *_FONTS):
        for name in filter(None, names):
            try:
                found.append(ImageFont.truetype(name, size))
                break
            except OSError:
                continue
    if not any(has_letter(font, "A") for font in found):
        try:
            found.insert(0, ImageFont.load_default(size))
        except (TypeError, ImportError):  # Pillow before 10.1; FreeType is not there
            return []
    return found


def _looks(font: Any, letter: str) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("L", (2 * font.size, 2 * font.size))
    ImageDraw.Draw(image).text((font.size // 2, font.size // 4), letter, fill=255, font=font)
    pixels: bytes = image.tobytes()
    return pixels


@functools.lru_cache(maxsize=4096)
def has_letter(font: Any, letter: str) -> bool:
    """Whether it looks other than what the font shows for a character that nobody has."""
    return letter.isspace() or _looks(font, letter) != _looks(font, _NO_CHARACTER)


def runs(text: str, size: int) -> Iterator[Tuple[Any, str]]:
    """The text in parts of one font each. A letter that no font has becomes a question mark."""
    have = fonts(size)
    run, last = "", have[0]
    for letter in text:
        letter = " " if letter < " " or letter == "\x7f" else letter
        font = next((font for font in have if has_letter(font, letter)), None)
        if font is None:
            letter, font = "?", next((font for font in have if has_letter(font, "?")), have[0])
        if font is not last and run:
            yield last, run
            run = ""
        run, last = run + letter, font
    if run:
        yield last, run


class PillowPen(Pen):
    """Draws into an image of mode RGB."""

    def __init__(self, image: Any) -> None:
        from PIL import ImageDraw

        self.image = image
        self.draw = ImageDraw.Draw(image, "RGBA")  # blends
        self.has_letters = bool(fonts(16))

    def rect(self, rect: Rect, color: Color, alpha: float = 1) -> None:
        x1, y1, x2, y2 = rect
        if x1 < x2 and y1 < y2:
            self.draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=(*color, round(alpha * 255)))

    def outline(self, points: Sequence[Point], width: int, color: Color, closed: bool = True) -> None:
        line = [*points, *points[:2]] if closed else list(points)  # once more round the first corner
        self.draw.line(line, fill=color, width=width, joint="curve")

    def fill(self, points: Sequence[Point], color: Color, alpha: float) -> None:
        self.draw.polygon(list(points), fill=(*color, round(alpha * 255)))

    def disc(self, at: Point, radius: float, color: Color) -> None:
        from PIL import Image, ImageDraw

        x, y, side = int(at[0] - radius) - 1, int(at[1] - radius) - 1, int(2 * radius) + 4
        mask = Image.new("L", (side * _SMOOTH, side * _SMOOTH))
        left, top, wide = (at[0] - radius - x) * _SMOOTH, (at[1] - radius - y) * _SMOOTH, 2 * radius * _SMOOTH
        ImageDraw.Draw(mask).ellipse((left, top, left + wide, top + wide), fill=255)
        self.image.paste(color, (x, y), mask.reduce(_SMOOTH))

    def text_width(self, text: str, size: int) -> int:
        return int(round(sum(font.getlength(run) for font, run in runs(text, size))))

    def text(self, x: int, base: int, text: str, size: int, color: Color) -> None:
        at: float = x
        for font, run in runs(text, size):
            self.draw.text((round(at), base), run, fill=color, font=font, anchor="ls")
            at += font.getlength(run)


class OpenCVPen(Pen):
    """Draws into an H x W x 3 array. OpenCV has letters for ASCII alone; others become question marks."""

    def __init__(self, pixels: Any, color: str) -> None:
        self.pixels = pixels
        self.swap = color == "bgr"

    def _ink(self, color: Color) -> Color:
        return (color[2], color[1], color[0]) if self.swap else color

    def _blend(self, part: Any, color: Color, alpha: float, where: Any = True) -> None:
        import numpy as np

        mixed = part * (1 - alpha) + np.array(self._ink(color)) * alpha
        np.copyto(part, np.rint(mixed).astype(np.uint8), where=where)

    def rect(self, rect: Rect, color: Color, alpha: float = 1) -> None:
        x1, y1, x2, y2 = (max(value, 0) for value in rect)
        if x1 < x2 and y1 < y2:
            self._blend(self.pixels[y1:y2, x1:x2], color, alpha)

    @staticmethod
    def _fixed(points: Sequence[Point]) -> Any:
        """In sixteenths of a pixel; OpenCV counts from the middle of the first pixel."""
        import numpy as np

        return np.rint((np.clip(np.array(points), -1e6, 1e6) - 0.5) * 16).astype(np.int32)

    def outline(self, points: Sequence[Point], width: int, color: Color, closed: bool = True) -> None:
        import cv2

        cv2.polylines(self.pixels, [self._fixed(points)], closed, self._ink(color), width, cv2.LINE_AA, 4)

    def fill(self, points: Sequence[Point], color: Color, alpha: float) -> None:
        import cv2
        import numpy as np

        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._fixed(points)], 1, shift=4)
        self._blend(self.pixels, color, alpha, mask[:, :, None] > 0)

    def disc(self, at: Point, radius: float, color: Color) -> None:
        import cv2

        x, y = self._fixed([at])[0]
        cv2.circle(self.pixels, (int(x), int(y)), round(radius * 16), self._ink(color), -1, cv2.LINE_AA, 4)

    @staticmethod
    def _ascii(text: str) -> str:
        return "".join(letter if " " <= letter <= "~" else "?" for letter in text.replace("…", "..."))

    def text_width(self, text: str, size: int) -> int:
        import cv2

        (width, _), _ = cv2.getTextSize(self._ascii(text), cv2.FONT_HERSHEY_SIMPLEX, size / 30, max(1, size // 14))
        return int(width)

    def text(self, x: int, base: int, text: str, size: int, color: Color) -> None:
        import cv2

        cv2.putText(self.pixels, self._ascii(text), (x, base), cv2.FONT_HERSHEY_SIMPLEX, size / 30, self._ink(color),
                    max(1, size // 14), cv2.LINE_AA)
