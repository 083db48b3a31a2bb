# SPDX-License-Identifier: MIT
"""How objects are drawn where there is no libsight to do it: the style of `sight detect --annotate` (src/img/draw.c).

First every shape, then every tag, so that no shape hides a text; tags go where they hide least. What is drawn is said
here, by what (Pillow, OpenCV) in pens.py. Rectangles are x1, y1, x2, y2 in pixels; x2, y2 lie outside.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from .result import Attribute, Object, Result

Color = Tuple[int, int, int]  # red, green, blue
Rect = Tuple[int, int, int, int]
Point = Tuple[float, float]

_LINES_MAX, _LINE_LETTERS = 8, 48
_TAGS_MAX = 512
_VISIBLE_SCORE = 0.3
_POSE = 17
# COCO's 17 keypoints: which are joined.
_LIMBS = ((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
          (0, 1), (0, 2), (1, 3), (2, 4))


class Pen:
    """What a library that draws must be able to do. Alpha is 0..1."""

    has_letters = True

    def rect(self, rect: Rect, color: Color, alpha: float = 1) -> None:
        raise NotImplementedError

    def outline(self, points: Sequence[Point], width: int, color: Color, closed: bool = True) -> None:
        raise NotImplementedError

    def fill(self, points: Sequence[Point], color: Color, alpha: float) -> None:
        raise NotImplementedError

    def disc(self, at: Point, radius: float, color: Color) -> None:
        raise NotImplementedError

    def text_width(self, text: str, size: int) -> int:
        raise NotImplementedError

    def text(self, x: int, base: int, text: str, size: int, color: Color) -> None:
        """`base` is the line that letters stand on."""
        raise NotImplementedError


def color_of_class(class_id: int) -> Color:
    """Golden-ratio steps round the colour wheel: neighbours among classes differ most."""
    hue = math.fmod(0.36 + 0.618033988749895 * max(class_id, 0), 1.0) * 6
    low, high = 0.16, 0.96
    rise = low + (high - low) * (hue - math.floor(hue))
    fall = high + low - rise
    red, green, blue = ((high, rise, low), (fall, high, low), (low, high, rise), (low, fall, high), (rise, low, high),
                        (high, low, fall))[int(hue)]
    return int(red * 255), int(green * 255), int(blue * 255)


def _readable_on(back: Color) -> Color:
    is_light = back[0] * 299 + back[1] * 587 + back[2] * 114 > 125 * 1000
    return (16, 16, 16) if is_light else (255, 255, 255)


def _line(text: str) -> str:
    return text if len(text) <= _LINE_LETTERS else text[:_LINE_LETTERS] + "…"


def _said(attributes: Sequence[Attribute]) -> List[str]:
    lines = []
    for one in attributes:
        name = one.name if one.name is not None else one.model
        score = one.score or 0.0
        if one.label is not None:
            lines.append(f"{one.label} {score:.2f}")
        elif one.class_id is not None and one.class_id >= 0:
            lines.append(f"{name} {one.class_id} {score:.2f}")
        if one.value is not None:
            lines.append(f"{name} {one.value:.0f}" if abs(one.value) >= 10 else f"{name} {one.value:.2f}")
    return lines


def tag_of(found: Object) -> List[str]:
    """The lines that are written at an object."""
    if found.text:
        first = found.text
    else:
        first = f"{found.label if found.label is not None else found.class_id} {found.score:.2f}"
    return [_line(line) for line in [first, *_said(found.attributes)][:_LINES_MAX]]


def _shared_area(a: Rect, b: Rect) -> int:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0


class _Placed(NamedTuple):
    """An object with its points in the pixels of the drawing."""

    found: Object
    rect: Optional[Rect]
    color: Color


class Drawing:
    def __init__(self, pen: Pen, width: int, height: int, result: Result) -> None:
        self.pen, self.width, self.height = pen, width, height
        self.scale_x = width / result.width if result.width > 0 else 1.0
        self.scale_y = height / result.height if result.height > 0 else 1.0
        longest = max(width, height)
        self.stroke, self.text = 1 + longest // 500, 10 + longest // 140
        self.attributes = result.attributes
        self.placed = [_Placed(found, self._rect(found), color_of_class(found.class_id)) for found in result.objects]
        self.tags: List[Rect] = []

    def draw(self) -> None:
        for one in reversed(self.placed):  # best last, on top
            self._shapes(one)
        if not self.pen.has_letters:
            return
        self._picture_tag()
        for one in self.placed:
            if one.rect is not None:
                self._object_tag(one, one.rect)

    def _at(self, point: Point) -> Point:
        return point[0] * self.scale_x, point[1] * self.scale_y

    def _rect(self, found: Object) -> Optional[Rect]:
        """Rounded and kept where it can be drawn; None when it is no box."""
        x1, y1, x2, y2 = found.box.xyxy
        corners = [*self._at((x1, y1)), *self._at((x2, y2))]
        if not all(math.isfinite(value) for value in corners):
            return None
        left, top, right, bottom = (round(min(max(value, -1e6), 1e6)) for value in corners)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _frame(self, rect: Rect, width: int, color: Color, alpha: float = 1) -> None:
        x1, y1, x2, y2 = rect
        top, left = min(y1 + width, y2), min(x1 + width, x2)
        bottom, right = max(y2 - width, top), max(x2 - width, left)
        for side in ((x1, y1, x2, top), (x1, bottom, x2, y2), (x1, top, left, bottom), (right, top, x2, bottom)):
            self.pen.rect(side, color, alpha)

    def _shapes(self, one: _Placed) -> None:
        found, color = one.found, one.color
        if len(found.polygon) > 2:
            corners = [self._at(point) for point in found.polygon]
            self.pen.fill(corners, color, 90 / 256)
            self.pen.outline(corners, self.stroke, color)
        if found.quad:
            self.pen.outline([self._at(point) for point in found.quad], self.stroke, color)
        elif one.rect is not None:
            # A hair of dark around the colour keeps it visible on anything.
            x1, y1, x2, y2 = one.rect
            self._frame((x1 - 1, y1 - 1, x2 + 1, y2 + 1), 1, (0, 0, 0), 110 / 256)
            self._frame(one.rect, self.stroke, color)
        self._landmarks(found, color)

    def _landmarks(self, found: Object, color: Color) -> None:
        side = min(found.box.w, found.box.h) * self.scale_x
        radius = max(min(self.stroke * 1.1 + 0.6, side / 28), 1.0)  # dots must not hide a small face
        scores = found.landmark_scores or [-1.0] * len(found.landmarks)
        visible = [score < 0 or score >= _VISIBLE_SCORE for score in scores]
        points = [self._at(point) for point in found.landmarks]
        for a, b in _LIMBS if len(points) == _POSE else ():
            if visible[a] and visible[b]:
                self.pen.outline([points[a], points[b]], self.stroke, color, False)
        for point, seen in zip(points, visible):
            if seen:
                self.pen.disc(point, radius + max(1.0, radius * 0.3), (20, 20, 20))
                self.pen.disc(point, radius, (255, 255, 255))

    def _price(self, place: Rect, one: _Placed) -> float:
        """What a tag there would hide: other tags weigh most, then the object itself and its neighbours."""
        total = 8.0 * sum(_shared_area(place, tag) for tag in self.tags)
        for other in self.placed[:_TAGS_MAX]:
            if other.rect is not None:
                weight = 0.9 if other is one else 2.0 if one.found.quad else 0.4
                total += weight * _shared_area(place, other.rect)
        return total

    def _pushed_in(self, x: int, y: int, width: int, height: int) -> Rect:
        x, y = max(min(x, self.width - width), 0), max(min(y, self.height - height), 0)
        return x, y, x + width, y + height

    def _place(self, one: _Placed, box: Rect, width: int, height: int) -> Rect:
        x1, y1, x2, y2 = box
        gap = self.stroke
        corners = ((x1, y1 - height), (x1, y2), (x2 - width, y1 - height), (x2 + gap, y1), (x1 - gap - width, y1),
                   (x1, y1), (x2 - width, y2), (x1, y2 - height))
        places = [self._pushed_in(x, y, width, height) for x, y in corners]
        # Earlier places are preferred by a few per cent of the tag.
        prices = [self._price(place, one) + k * 0.03 * width * height for k, place in enumerate(places)]
        return places[prices.index(min(prices))]

    def _measure(self, lines: List[str], size: int, pad: int) -> Tuple[int, int]:
        width = max(self.pen.text_width(line, size) for line in lines)
        return width + 2 * pad, len(lines) * (size * 5 // 4) + pad

    def _tag(self, lines: List[str], size: int, place: Rect, pad: int, color: Color) -> None:
        self.pen.rect(place, color, 236 / 256)
        for k, line in enumerate(lines):
            self.pen.text(place[0] + pad, place[1] + pad // 2 + k * (size * 5 // 4) + size * 15 // 16, line, size,
                          _readable_on(color))
        if len(self.tags) < _TAGS_MAX:
            self.tags.append(place)

    def _object_tag(self, one: _Placed, box: Rect) -> None:
        size = self.text
        if one.found.quad:  # not larger than what it reads
            a, d = self._at(one.found.quad[0]), self._at(one.found.quad[3])
            high = math.hypot(a[0] - d[0], a[1] - d[1]) * 0.8
            size = int(max(high, 11.0)) if high < size else size
        pad = size // 4 + 1
        lines = tag_of(one.found)
        self._tag(lines, size, self._place(one, box, *self._measure(lines, size, pad)), pad, one.color)

    def _picture_tag(self) -> None:
        """What is said of the whole picture: a panel in its top left corner."""
        lines = [_line(line) for line in _said(self.attributes)[:_LINES_MAX]]
        if lines:
            size, pad = self.text * 5 // 4, self.text // 2
            self._tag(lines, size, (0, 0, *self._measure(lines, size, pad)), pad, (24, 28, 36))
