# SPDX-License-Identifier: MIT
"""The seed protocol: a length and a picture there, one JSON text without a length back."""
from __future__ import annotations

import itertools
import json
import re
import selectors
import struct
from collections import deque
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional

from .engine import dial, refused
from .errors import InvalidArgument, ProtocolError, SightError, Timeout, error_of, with_place
from .picture import Picture, picture_of, source_of
from .result import Attribute, Box, Object, Result
from .session import address_of, gone
from .wire import ENCODED

WINDOW_MAX = 60  # the server reads 64 ahead; a client that pipelines keeps below that
REPLY_BYTES_MAX = 1 << 20  # a server sends at most 64 KiB
_MARKS = re.compile(rb'["\\{}]')
_IN_TEXT = re.compile(rb'["\\]')


class JsonSplitter:
    """Splits a stream of JSON objects that have nothing between them: fed in pieces of any size, it says which are
    complete. Every byte is looked at once."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # looked at so far
        self._depth = 0
        self._in_text = False

    def feed(self, piece: bytes) -> List[bytes]:
        self._data += piece
        complete, first = [], 0
        end = len(self._data)
        while self._at < end:
            mark = (_IN_TEXT if self._in_text else _MARKS).search(self._data, self._at)
            if mark is None:
                self._at = end
                break
            byte = self._data[mark.start()]
            if byte == 0x5C:  # a backslash: what follows it is no mark
                if mark.end() == end:
                    self._at = mark.start()  # wait for it
                    break
                self._at = mark.end() + 1
                continue
            self._at = mark.end()
            if byte == 0x22:
                self._in_text = not self._in_text
            else:
                self._depth += 1 if byte == 0x7B else -1
                if self._depth <= 0:
                    complete.append(bytes(self._data[first:self._at]))
                    first, self._depth = self._at, 0
        del self._data[:first]
        self._at -= first
        if len(self._data) > REPLY_BYTES_MAX:
            raise ProtocolError(f"a reply without end ({len(self._data)} bytes so far): is it sightd that answers?")
        return complete

    @property
    def pending(self) -> bool:
        return bool(self._data)


class SeedClient:
    """A connection that speaks seed frames. Pictures go to the server's default pipeline; replies keep their order.

    For one thread at a time. There is no reconnecting: when the connection ended, make a new one.
    """

    def __init__(self, host: str = "127.0.0.1", port: Optional[int] = None, *, color: str = "bgr",
                 timeout: float = 60) -> None:
        host, port = address_of(host, port)
        self._address = f"{host}:{port}" if port else host
        self._color = color
        self._timeout = timeout
        self._splitter = JsonSplitter()
        self._replies: Deque[bytes] = deque()
        self._due = 0  # replies that are not taken yet
        try:
            self._socket = dial(host, port, timeout)
        except OSError as problem:
            raise refused(self._address, problem) from problem
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def request(self, image: Any) -> Dict[str, Any]:
        """Sends one picture and returns the reply as it came (docs/PROTOCOL.md), an error too."""
        if self._due:
            raise InvalidArgument("replies of an earlier map() are still to come: take them first, or close")
        self._send(self._picture(image))
        return self._receive()

    def infer(self, image: Any) -> Result:
        """Sends one picture and returns what was found; raises the error that the server answers."""
        reply = self.request(image)
        return result_of_seed(reply, source_of(image), None)

    def map(self, images: Iterable[Any], *, window: int = 32, errors: str = "raise") -> Iterator[Result]:
        """The results of many pictures, in order, of which up to `window` (1 to 60) are under way.
        errors="return" yields errors in their places as SightError objects."""
        if not 1 <= window <= WINDOW_MAX:
            raise ValueError(f"window is 1 to {WINDOW_MAX}")
        if errors not in ("raise", "return"):
            raise ValueError('errors is "raise" or "return"')
        if self._due:
            raise InvalidArgument("replies of an earlier map() are still to come: take them first, or close")
        return self._map(iter(images), window, errors == "return")

    def _map(self, images: Iterator[Any], window: int, return_errors: bool) -> Iterator[Result]:
        sources: Deque[Optional[str]] = deque()
        done = 0
        ended = False
        try:
            while not ended or sources:
                for image in itertools.islice(images, window - len(sources)):
                    self._send(self._picture(image))
                    sources.append(source_of(image))
                ended = len(sources) < window
                if not sources:
                    return
                reply, source, index = self._receive(), sources.popleft(), done
                done += 1
                try:
                    result = result_of_seed(reply, source, index)
                except SightError as error:
                    if not return_errors:
                        raise
                    result = error  # type: ignore[assignment]  # asked for with errors="return"
                yield result
        finally:
            while self._due:  # a caller that stops early leaves a connection that is usable
                try:
                    self._receive()
                except SightError:
                    self._due = 0
                    self.close()

    def close(self) -> None:
        self._selector.close()
        self._socket.close()

    def __enter__(self) -> SeedClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _picture(self, image: Any) -> Picture:
        """Seed frames carry encoded pictures only: pixels are encoded here, as JPEG of quality 95."""
        picture = picture_of(image, self._color, 95)
        if picture.kind != ENCODED:
            raise InvalidArgument("the seed protocol takes encoded pictures: install OpenCV or Pillow, encode the "
                                  "pixels yourself, or use Client, which sends them as they are")
        return picture

    def _send(self, picture: Picture) -> None:
        size = len(picture.data)
        if size > 0x7FFFFFFF:
            raise InvalidArgument(f"a picture of {size} bytes does not fit into a seed frame")
        for data in (memoryview(struct.pack("<i", size)), memoryview(picture.data)):
            while data:
                try:
                    data = data[self._socket.send(data):]
                except BlockingIOError:
                    # Replies are read meanwhile: a server whose replies nobody reads stops reading as well.
                    if self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE) & selectors.EVENT_READ:
                        self._read()
                except OSError as problem:
                    raise gone(self._address, problem) from problem
        self._due += 1

    def _receive(self) -> Dict[str, Any]:
        body = self._next()
        try:
            reply = json.loads(body)
        except ValueError as problem:
            raise ProtocolError(f"a reply is no JSON: {problem}") from problem
        self._due -= 1
        if not isinstance(reply, dict) or "object_list" not in reply:
            raise ProtocolError("the reply has no object_list: is it sightd that answers?")
        return reply

    def _next(self) -> bytes:
        while not self._replies:
            self._wait(selectors.EVENT_READ)
            self._read()
        return self._replies.popleft()

    def _wait(self, events: int) -> int:
        if self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events)
        for _, ready in self._selector.select(self._timeout):
            return ready
        raise Timeout(f"{self._address} did not move within {self._timeout:g} s: give more with timeout")

    def _read(self) -> None:
        try:
            piece = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as problem:
            raise gone(self._address, problem) from problem
        if not piece:
            raise gone(self._address)
        self._replies.extend(self._splitter.feed(piece))


def _error_in(reply: Dict[str, Any]) -> Optional[SightError]:
    error = reply.get("error")
    return error_of(error.get("code", ""), error.get("message", "")) if error else None


def result_of_seed(reply: Dict[str, Any], source: Optional[str], index: Optional[int]) -> Result:
    """A seed reply as a Result (the size of the picture is not in it); its error is raised."""
    error = _error_in(reply)
    if error is not None:
        raise with_place(error, source, index)
    listed = reply["object_list"]
    objects = [_object(listed[f"object{i}"]) for i in range(listed["object_num"])]
    return Result(objects=objects, attributes=_attributes(listed), source=source, index=index)


def _object(found: Dict[str, Any]) -> Object:
    box = found["bbox"]
    return Object(Box(box["x"], box["y"], box["w"], box["h"]), found["classes"], found["objectness"],
                  found.get("name"), landmarks=[(x, y) for x, y in found.get("landmarks", ())],
                  landmark_scores=found.get("landmark_scores", []), text=found.get("text"),
                  attributes=_attributes(found))


def _attributes(found: Dict[str, Any]) -> List[Attribute]:
    return [Attribute(one["model"], one.get("name"), one.get("class"), one.get("label"), one.get("prob"),
                      one.get("value"), one.get("unit"), one.get("vector")) for one in found.get("classified", ())]
