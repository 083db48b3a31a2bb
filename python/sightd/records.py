# SPDX-License-Identifier: MIT
"""Blocks of result records (docs/PROTOCOL.md) as what the JSON reply would be, rounded as it is."""
from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple

from .errors import ProtocolError

if TYPE_CHECKING:
    from .result import Attribute, Object, Result

STAGES = "queue decode preprocess detect postprocess classify read encode total".split()
_HEAD = struct.Struct("<4sHHIHHIIIIIIIII9I")
_OBJECT = struct.Struct("<4fifi4If8I")
_ATTRIBUTE = struct.Struct("<8IiffII")
# What was appended behind those later: a shorter struct is an older server's, which has none.
_STREAM = struct.Struct("<II")
_TRACK = struct.Struct("<Q")
_BOX_DECIMALS, _SCORE_DECIMALS, _VECTOR_DECIMALS = 2, 4, 6  # of the JSON reply


def _head(block: bytes) -> Tuple[Any, ...]:
    try:
        head = _HEAD.unpack_from(block)
    except struct.error:
        head = (b"",)
    if head[0] != b"SGR1":
        raise ProtocolError("the reply is no block of records")
    return head


def object_table(block: bytes) -> Tuple[int, int, int]:
    """Offset of the first object, how many, bytes of each."""
    head = _head(block)
    return head[8], head[9], head[4]


class _Block:
    def __init__(self, block: bytes) -> None:
        self.block = block
        (_, _, head_bytes, _, self.object_bytes, self.attribute_bytes, self.width, self.height, self.objects_at,
         self.object_count, self.attributes_at, self.attribute_count, self.own_attributes, pipeline_at,
         pipeline_bytes, *self.timing_us) = _head(block)
        self.pipeline = self.text(pipeline_at, pipeline_bytes)
        self.stream = ""
        if head_bytes >= _HEAD.size + _STREAM.size:
            self.stream = self.text(*_STREAM.unpack_from(block, _HEAD.size))

    def text(self, at: int, size: int) -> str:
        return self.block[at:at + size].decode(errors="replace")

    def floats(self, at: int, count: int, decimals: int) -> List[float]:
        return [round(value, decimals) for value in struct.unpack_from(f"<{count}f", self.block, at)]

    def points(self, at: int, count: int) -> List[List[float]]:
        flat = self.floats(at, count, _BOX_DECIMALS)
        return [flat[k:k + 2] for k in range(0, count, 2)]

    def attributes(self, first: int, count: int) -> List[Dict[str, Any]]:
        found = []
        for i in range(first, first + count):
            row = _ATTRIBUTE.unpack_from(self.block, self.attributes_at + i * self.attribute_bytes)
            one: Dict[str, Any] = {"model": self.text(row[0], row[1])}
            if row[3]:
                one["name"] = self.text(row[2], row[3])
            if row[8] >= 0:
                one["class_id"] = row[8]
                if row[5]:
                    one["label"] = self.text(row[4], row[5])
                one["score"] = round(row[9], _SCORE_DECIMALS)
            if row[10] == row[10]:  # not NaN
                one["value"] = round(row[10], _SCORE_DECIMALS)
                if row[7]:
                    one["unit"] = self.text(row[6], row[7])
            if row[12]:
                one["vector"] = self.floats(row[11], row[12], _VECTOR_DECIMALS)
            found.append(one)
        return found

    def object(self, index: int) -> Dict[str, Any]:
        at = self.objects_at + index * self.object_bytes
        row = _OBJECT.unpack_from(self.block, at)
        one: Dict[str, Any] = {"bbox": {key: round(value, _BOX_DECIMALS) for key, value in zip("xywh", row)},
                               "class_id": row[4]}
        if row[8]:
            one["label"] = self.text(row[7], row[8])
        one["score"] = round(row[5], _SCORE_DECIMALS)
        if row[13]:
            flat = struct.unpack_from(f"<{row[13]}f", self.block, row[12])
            one["landmarks"] = [[round(flat[k], _BOX_DECIMALS), round(flat[k + 1], _BOX_DECIMALS)]
                                for k in range(0, row[13], 3)]
            if max(flat[2::3]) >= 0:
                one["landmark_scores"] = [round(score, _SCORE_DECIMALS) for score in flat[2::3]]
        for key, column in (("quad", 14), ("polygon", 16)):
            if row[column + 1]:
                one[key] = self.points(row[column], row[column + 1])
        if row[10]:
            one["text"], one["text_score"] = self.text(row[9], row[10]), round(row[11], _SCORE_DECIMALS)
        if row[19]:
            one["attributes"] = self.attributes(row[18], row[19])
        if row[6] >= 0:
            one["parent"] = row[6]
        if self.object_bytes >= _OBJECT.size + _TRACK.size:
            track_id, = _TRACK.unpack_from(self.block, at + _OBJECT.size)
            if track_id:
                one["track_id"] = track_id
        return one


def read(block: bytes) -> Dict[str, Any]:
    """The native reply."""
    try:
        table = _Block(block)
        reply: Dict[str, Any] = {"pipeline": table.pipeline} if table.pipeline else {}
        if table.stream:
            reply["stream"] = table.stream
        reply["image"] = {"width": table.width, "height": table.height}
        reply["objects"] = [table.object(i) for i in range(table.object_count)]
        if table.own_attributes:
            reply["attributes"] = table.attributes(0, table.own_attributes)
    except struct.error:
        raise ProtocolError("the block of records is shorter than it says") from None
    reply["timing_us"] = dict(zip(STAGES, table.timing_us))
    return reply


class _Writer:
    """Packs a result; texts and floats go behind the tables."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.attributes = list(result.attributes)
        for found in result.objects:
            self.attributes += found.attributes
        self.objects_at = _HEAD.size + _STREAM.size
        self.attributes_at = self.objects_at + len(result.objects) * (_OBJECT.size + _TRACK.size)
        self.rest_at = self.attributes_at + len(self.attributes) * _ATTRIBUTE.size
        self.rest = bytearray()

    def text(self, text: Optional[str]) -> Tuple[int, int]:
        data = (text or "").encode(errors="replace")
        at = self.rest_at + len(self.rest)
        self.rest += data + bytes(-len(data) % 4)
        return (at, len(data)) if data else (0, 0)

    def floats(self, points: Iterable[Iterable[float]]) -> Tuple[int, int]:
        flat = [value for point in points for value in point]
        at = self.rest_at + len(self.rest)
        self.rest += struct.pack(f"<{len(flat)}f", *flat)
        return (at, len(flat)) if flat else (0, 0)

    def object(self, found: Object, first_attribute: int) -> bytes:
        scores = found.landmark_scores or [-1.0] * len(found.landmarks)
        marks = [(*point, score) for point, score in zip(found.landmarks, scores)]
        return _OBJECT.pack(*found.box, found.class_id, found.score, -1, *self.text(found.label),
                            *self.text(found.text), found.text_score or 0.0, *self.floats(marks),
                            *self.floats(found.quad), *self.floats(found.polygon), first_attribute,
                            len(found.attributes)) + _TRACK.pack(found.track_id or 0)

    def attribute(self, one: Attribute) -> bytes:
        return _ATTRIBUTE.pack(*self.text(one.model), *self.text(one.name), *self.text(one.label),
                               *self.text(one.unit), -1 if one.class_id is None else one.class_id, one.score or 0.0,
                               math.nan if one.value is None else one.value, 0, 0)

    def block(self) -> bytes:
        result, objects, first = self.result, b"", len(self.result.attributes)
        for found in result.objects:
            objects += self.object(found, first)
            first += len(found.attributes)
        attributes = b"".join(self.attribute(one) for one in self.attributes)
        pipeline, stream = self.text(result.pipeline), self.text(result.stream)
        head = _HEAD.pack(b"SGR1", 1, self.objects_at, self.rest_at + len(self.rest), _OBJECT.size + _TRACK.size,
                          _ATTRIBUTE.size, result.width, result.height, self.objects_at if objects else 0,
                          len(result.objects), self.attributes_at if attributes else 0, len(self.attributes),
                          len(result.attributes), *pipeline, *[0] * len(STAGES)) + _STREAM.pack(*stream)
        return head + objects + attributes + bytes(self.rest)


def write(result: Result) -> bytes:
    """What can be drawn of it: without vectors, times and parents (which may have been filtered out)."""
    return _Writer(result).block()
