# SPDX-License-Identifier: MIT
"""What was found in a picture."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from . import records

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Floats = numpy.typing.NDArray[numpy.float32]
    Integers = numpy.typing.NDArray[numpy.int32]

Point = Tuple[float, float]
_LAZY = frozenset(("pipeline", "stream", "width", "height", "objects", "attributes", "timing_us"))


@dataclass
class Box:
    """A rectangle in pixels of the upright picture; `x`, `y` is the top left corner. Unpacks as x, y, w, h."""

    x: float
    y: float
    w: float
    h: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.x, self.y, self.w, self.h))

    @property
    def xyxy(self) -> Tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.x, self.y, self.x + self.w, self.y + self.h


@dataclass
class Attribute:
    """What a second model says of an object, or a classifier of the picture: a class, a value or a vector."""

    model: str
    name: Optional[str] = None
    class_id: Optional[int] = None
    label: Optional[str] = None
    score: Optional[float] = None
    value: Optional[float] = None
    unit: Optional[str] = None
    vector: Optional[List[float]] = None

    @classmethod
    def from_dict(cls, found: Dict[str, Any]) -> Attribute:
        get = found.get
        return cls(found["model"], get("name"), get("class_id"), get("label"), get("score"), get("value"),
                   get("unit"), get("vector"))

    def to_dict(self) -> Dict[str, Any]:
        return {key: value for key, value in (
            ("model", self.model), ("name", self.name), ("class_id", self.class_id), ("label", self.label),
            ("score", self.score), ("value", self.value), ("unit", self.unit), ("vector", self.vector))
            if value is not None}

    def __str__(self) -> str:
        said = self.label if self.label is not None else self.name
        if self.value is not None:
            return " ".join(part for part in (said, f"{self.value:g}", self.unit) if part)
        if said is not None:
            return said
        return self.model if self.class_id is None else f"{self.model} {self.class_id}"


@dataclass
class Object:
    """One thing in the picture. What does not apply is None or empty."""

    box: Box
    class_id: int
    score: float
    label: Optional[str] = None
    landmarks: List[Point] = field(default_factory=list)
    landmark_scores: List[float] = field(default_factory=list)
    quad: List[Point] = field(default_factory=list)
    polygon: List[Point] = field(default_factory=list)
    text: Optional[str] = None
    text_score: Optional[float] = None
    attributes: List[Attribute] = field(default_factory=list)
    parent: Optional[int] = None  # index of the object it was found in
    track_id: Optional[int] = None  # by which it is followed through a stream; no other thing ever gets it

    @classmethod
    def from_dict(cls, found: Dict[str, Any]) -> Object:
        """From an object of the native reply."""
        get, box = found.get, found["bbox"]
        return cls(Box(box["x"], box["y"], box["w"], box["h"]), found["class_id"], found["score"], get("label"),
                   _points(get("landmarks")), get("landmark_scores") or [], _points(get("quad")),
                   _points(get("polygon")), get("text"), get("text_score"),
                   [Attribute.from_dict(one) for one in get("attributes", ())], get("parent"), get("track_id"))

    def to_dict(self) -> Dict[str, Any]:
        found: Dict[str, Any] = {"bbox": {"x": self.box.x, "y": self.box.y, "w": self.box.w, "h": self.box.h},
                                 "class_id": self.class_id}
        if self.label is not None:
            found["label"] = self.label
        found["score"] = self.score
        for key, points in (("landmarks", self.landmarks), ("quad", self.quad), ("polygon", self.polygon)):
            if points:
                found[key] = [list(point) for point in points]
            if key == "landmarks" and self.landmark_scores:
                found["landmark_scores"] = list(self.landmark_scores)
        if self.text is not None:
            found["text"] = self.text
            found["text_score"] = self.text_score
        if self.attributes:
            found["attributes"] = [one.to_dict() for one in self.attributes]
        if self.parent is not None:
            found["parent"] = self.parent
        if self.track_id:
            found["track_id"] = self.track_id
        return found

    def to_json(self) -> str:
        return _dumps(self.to_dict())

    def __str__(self) -> str:
        """As it is written on a picture: label, score, and what second models say."""
        said = [self.label if self.label is not None else f"class {self.class_id}", f"{self.score:.2f}"]
        said += [repr(self.text)] if self.text is not None else []
        return " ".join(said + [str(one) for one in self.attributes if one.vector is None])


@dataclass
class Result:
    """The answer to one picture. Objects come best first.

    A result from the network is parsed when it is first looked into; `boxes` and `scores` of records not even then.
    """

    pipeline: str = field(default_factory=str)
    width: int = field(default_factory=int)  # of the upright picture
    height: int = field(default_factory=int)
    objects: List[Object] = field(default_factory=list)
    attributes: List[Attribute] = field(default_factory=list)  # of the whole picture
    timing_us: Dict[str, int] = field(default_factory=dict, compare=False)
    id: Optional[str] = field(default=None, compare=False)
    source: Optional[str] = field(default=None, compare=False)  # the path, where the picture had one
    index: Optional[int] = field(default=None, compare=False)  # place in what was given to map()
    stream: Optional[str] = field(default_factory=lambda: None)  # name of the stream that the picture is of

    @classmethod
    def from_dict(cls, reply: Dict[str, Any]) -> Result:
        """From the native reply."""
        result = cls.__new__(cls)
        result._fill(reply)
        result.id, result.source = reply.get("id"), reply.get("source")
        return result

    @classmethod
    def from_body(cls, body: bytes, is_records: bool = False, source: Optional[str] = None,
                  index: Optional[int] = None) -> Result:
        """From the bytes of a reply: JSON, or a block of records. Parsed when it is needed."""
        result = cls.__new__(cls)
        result.__dict__.update(_body=body, _is_records=is_records, source=source, index=index)
        return result

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            if name not in _LAZY or "_body" not in self.__dict__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self._fill(self._reply())
            return self.__dict__[name]

    def __iter__(self) -> Iterator[Object]:
        return iter(self.objects)

    def _reply(self) -> Dict[str, Any]:
        body: bytes = self.__dict__["_body"]
        if self.__dict__["_is_records"]:
            return records.read(body)
        reply: Dict[str, Any] = json.loads(body)
        return reply

    def _fill(self, reply: Dict[str, Any]) -> None:
        image = reply.get("image", {})
        self.pipeline, self.stream = reply.get("pipeline", ""), reply.get("stream")
        self.width, self.height = image.get("width", 0), image.get("height", 0)
        self.objects = [Object.from_dict(found) for found in reply.get("objects", ())]
        self.attributes = [Attribute.from_dict(one) for one in reply.get("attributes", ())]
        self.timing_us = reply.get("timing_us", {})

    def to_dict(self) -> Dict[str, Any]:
        """The native reply (docs/PROTOCOL.md), with `source` where the picture had a path."""
        reply: Dict[str, Any] = {} if self.id is None else {"id": self.id}
        if self.source is not None:
            reply["source"] = self.source
        if "_body" in self.__dict__ and "objects" not in self.__dict__:
            reply.update(self._reply())
            return reply
        if self.pipeline:
            reply["pipeline"] = self.pipeline
        if self.stream:
            reply["stream"] = self.stream
        reply["image"] = {"width": self.width, "height": self.height}
        reply["objects"] = [found.to_dict() for found in self.objects]
        if self.attributes:
            reply["attributes"] = [one.to_dict() for one in self.attributes]
        if self.timing_us:
            reply["timing_us"] = dict(self.timing_us)
        return reply

    def to_json(self) -> str:
        """`to_dict` as one line of compact JSON."""
        return _dumps(self.to_dict())

    def draw(self, image: Any, color: str = "bgr") -> Any:
        """The picture with the objects drawn in, as a new numpy array or PIL image; `image` is left as it was.

        An array gives an array, a PIL image a PIL image; a path, a file or bytes give what cv2 decodes, else a PIL
        image. `color` is the order of an array's channels. It looks as from `sight detect --annotate`, and is drawn by
        libsight where that is there; else by Pillow in the same style, else by cv2, which has letters for ASCII only.
        A picture of another size than the result's gets the objects scaled."""
        from . import draw

        return draw.draw(self, image, color)

    @property
    def boxes(self) -> Floats:
        """x, y, w, h of the objects: N x 4, float32. Needs numpy."""
        import numpy as np

        table: Optional[Floats] = self._table(0, 4)
        if table is None:
            return np.array([list(found.box) for found in self.objects], np.float32).reshape(-1, 4)
        return table

    @property
    def xyxy(self) -> Floats:
        """Left, top, right, bottom of the objects: N x 4, float32. Needs numpy."""
        boxes = self.boxes.copy()
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    @property
    def scores(self) -> Floats:
        """Scores of the objects: N, float32. Needs numpy."""
        import numpy as np

        table = self._table(20, 1)
        scores: Floats = np.array([found.score for found in self.objects], np.float32) if table is None else table[:, 0]
        return scores

    @property
    def class_ids(self) -> Integers:
        """Class ids of the objects: N, int32. Needs numpy."""
        import numpy as np

        table = self._table(16, 1, "<i4")
        ids: Integers = np.array([found.class_id for found in self.objects], np.int32) if table is None else table[:, 0]
        return ids

    def _records(self) -> bytes:
        """As a block of records, for libsight: the reply itself where it came as one and was not looked into."""
        if self.__dict__.get("_is_records") and "objects" not in self.__dict__:
            body: bytes = self.__dict__["_body"]
            return body
        return records.write(self)

    def _table(self, at: int, columns: int, kind: str = "<f4") -> Any:
        """A view of columns of unparsed records; None: there are none, or they were parsed (and maybe changed)."""
        if "objects" in self.__dict__ or not self.__dict__.get("_is_records"):
            return None
        import numpy as np

        body = self.__dict__["_body"]
        first, count, row_bytes = records.object_table(body)
        if count == 0:
            return np.empty((0, columns), kind)
        return np.ndarray((count, columns), kind, body, first + at, (row_bytes, 4))


def _points(points: Optional[List[List[float]]]) -> List[Point]:
    return [(point[0], point[1]) for point in points] if points else []


def _dumps(value: Dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
