# SPDX-License-Identifier: MIT
"""The bytes of frame protocol v2 (docs/PROTOCOL.md). No input or output here."""
from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Tuple

from .errors import ProtocolError, SightError, error_of

INFER, CANCEL, PING, GOODBYE = 1, 2, 3, 4
HELLO, RESULT, ERROR, PONG, LEAVING = 0x81, 0x82, 0x83, 0x84, 0x85
POLICIES = {"block": 0, "newest": 1, "oldest": 2}
DECODES = {"pipeline": 0, "fast": 1, "exact": 2}
ENCODED, RGB24, BGR24, GRAY8, NV12 = 0, 1, 2, 3, 4
JSON, RECORDS = 0, 1

_HEADER = struct.Struct("<IBBHQ")  # bytes of the body, type, 0, format, request id
_REQUEST = struct.Struct("<HBBBBHIffIHHIII")
_INFER = struct.Struct(_HEADER.format + _REQUEST.format[1:])
_HELLO = struct.Struct("<HHHHIIIHBBH")
_ERROR = struct.Struct("<IH")
HEADER_BYTES = _HEADER.size
FRAME_BYTES_MAX = 1 << 30  # a larger one is no frame of sightd
FIRST_BUFFER_BYTES = 256 << 10

Frame = Tuple[int, int, int, bytes]  # type, format, request id, body


@dataclass(frozen=True)
class ServerInfo:
    """What the server said of itself when the connection was opened."""

    server: str
    version: int
    pipelines: List[str] = field(default_factory=list)
    default_pipeline: Optional[str] = None
    window: int = 1
    policy: str = "block"
    max_image_bytes: int = 0
    max_objects: int = 0
    receive_timeout_ms: int = 0


@dataclass(frozen=True)
class Options:
    """Options of one request; what is None or 0 is left to the pipeline."""

    pipeline: str = ""
    threshold: Optional[float] = None
    iou: Optional[float] = None
    max_objects: int = 0
    top_k: int = 0
    decode: str = "pipeline"
    deadline_ms: int = 0
    records: bool = False


def opening(policy: str, window: int) -> bytes:
    return struct.pack("<4sHHBBHI", b"SGT2", 2, 2, POLICIES[policy], 0, window, 0)


def control(kind: int, number: int = 0, body: bytes = b"") -> bytes:
    return _HEADER.pack(len(body), kind, 0, 0, number) + body


def infer_head(number: int, options: Options, picture: Tuple[int, int, int, int], picture_bytes: int,
               deadline_ms: int) -> bytes:
    """Everything of a request before the picture, which is (kind, width, height, stride)."""
    name = options.pipeline.encode()
    if len(name) > 255:
        raise error_of("invalid_argument", f"the name of the pipeline has {len(name)} bytes, the most is 255")
    kind, width, height, stride = picture
    body_bytes = _REQUEST.size + len(name) + picture_bytes
    if body_bytes > 0xFFFFFFFF:
        raise error_of("too_large", f"a picture of {picture_bytes} bytes does not fit into a frame")
    try:
        return _INFER.pack(
            body_bytes, INFER, 0, 0, number,
            _REQUEST.size, len(name), kind, RECORDS if options.records else JSON, DECODES[options.decode], 0,
            deadline_ms, -1.0 if options.threshold is None else options.threshold,
            -1.0 if options.iou is None else options.iou, options.max_objects, options.top_k, 0, width, height,
            stride) + name
    except KeyError:
        raise error_of("invalid_argument",
                       f'decode is "{options.decode}"; it can be {", ".join(DECODES)}') from None
    except (struct.error, TypeError) as problem:
        raise error_of("invalid_argument", f"an option is out of range: {problem}") from None


def read_hello(body: bytes) -> ServerInfo:
    try:
        (version, _, _, at, max_bytes, max_objects, receive_ms, window, policy, _, count) = _HELLO.unpack_from(body)
        names = []
        for _ in range(count + 1):
            flags, size = body[at], body[at + 1]
            names.append((body[at + 2:at + 2 + size].decode(), flags))
            at += 2 + size
    except (struct.error, IndexError, UnicodeDecodeError):
        raise ProtocolError("the server's greeting cannot be read; is it sightd?") from None
    return ServerInfo(server=names[0][0], version=version, pipelines=[name for name, _ in names[1:]],
                      default_pipeline=next((name for name, flags in names[1:] if flags & 1), None), window=window,
                      policy=next((name for name, number in POLICIES.items() if number == policy), "block"),
                      max_image_bytes=max_bytes, max_objects=max_objects, receive_timeout_ms=receive_ms)


def read_error(body: bytes) -> SightError:
    try:
        retry_after_ms, size = _ERROR.unpack_from(body)
    except struct.error:
        return ProtocolError("an error of the server cannot be read")
    code = body[8:8 + size].decode(errors="replace")
    return error_of(code, body[8 + size:].decode(errors="replace"), retry_after_ms)


class FrameBuffer:
    """Bytes of a stream in, frames out. Receive into `space()`, say how many with `received`, take `frames()`."""

    def __init__(self) -> None:
        self._data = bytearray(FIRST_BUFFER_BYTES)
        self._view = memoryview(self._data)
        self._start = self._end = 0  # what is not yet taken

    def space(self) -> memoryview:
        """Room for at least one byte, as a rule for the rest of the frame that has begun."""
        if self._start == self._end:
            self._start = self._end = 0
        need = HEADER_BYTES
        if self._end - self._start >= HEADER_BYTES:
            need += self._body_bytes()
        if self._start + need > len(self._data) or self._end == len(self._data):
            self._make_room(need)
        return self._view[self._end:]

    def received(self, count: int) -> None:
        self._end += count

    def frames(self) -> Iterator[Frame]:
        """The frames that are complete."""
        while self._end - self._start >= HEADER_BYTES:
            size, kind, _, form, number = _HEADER.unpack_from(self._data, self._start)
            if size > FRAME_BYTES_MAX:
                raise ProtocolError(f"a frame of {size} bytes was announced; is it sightd that answers?")
            first = self._start + HEADER_BYTES
            if self._end - first < size:
                return
            self._start = first + size
            yield kind, form, number, bytes(self._view[first:first + size])

    def _body_bytes(self) -> int:
        size: int = _HEADER.unpack_from(self._data, self._start)[0]
        return min(size, FRAME_BYTES_MAX)

    def _make_room(self, need: int) -> None:
        kept = bytes(self._view[self._start:self._end])
        if need > len(self._data):
            self._data = bytearray(need + FIRST_BUFFER_BYTES)
            self._view = memoryview(self._data)
        self._data[:len(kept)] = kept
        self._start, self._end = 0, len(kept)
