# SPDX-License-Identifier: MIT
"""The synchronous client of frame protocol v2. Any number of threads may use one."""
from __future__ import annotations

import time
import weakref
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Iterable, Iterator, Optional, Tuple

from .engine import Engine, Future, abandon
from .errors import SightError, Timeout, with_place
from .flight import in_flight
from .picture import picture_of, source_of
from .result import Result
from .session import Request, Settings, address_of, size_of
from .wire import ServerInfo


class Client:
    """A connection to sightd.

    host, port    where the server is; host may be "name:port", or "unix:/path"
    pipeline      of requests that name none; "" is the server's default
    color         channel order of arrays: "bgr" (OpenCV's) or "rgb"
    transport     arrays and PIL images travel as they are ("raw"), as "jpeg", or ("auto") raw on this machine and as
                  JPEG to another one, where cv2 or Pillow is there to make it
    jpeg_quality  of that JPEG
    records       binary results: `boxes` and `scores` come without parsing, and the server formats no text
    timeout       seconds: to connect, and for an answer in infer() and map()
    wait          seconds to wait for a server that is not up yet
    reconnect     seconds to try again for when the connection was lost; 0 = fail at once. Pictures that were not
                  answered are sent again, up to three times each
    busy_wait     seconds for which a request that the server refuses as busy is sent again when it says
    policy        "block", or for live video "newest" or "oldest"; see docs/PROTOCOL.md
    window        unanswered requests at a time; 0 = the server's choice
    """

    def __init__(self, host: str = "127.0.0.1", port: Optional[int] = None, *, pipeline: str = "", color: str = "bgr",
                 transport: str = "auto", jpeg_quality: int = 95, records: bool = False, timeout: float = 60,
                 wait: float = 0, reconnect: float = 10, busy_wait: float = 30, policy: str = "block",
                 window: int = 0) -> None:
        host, port = address_of(host, port)
        self._settings = Settings(host, port, pipeline, window, policy, color, transport, jpeg_quality, records,
                                  timeout, reconnect, busy_wait)
        self._engine = Engine(self._settings, wait)
        weakref.finalize(self, abandon, self._engine).atexit = False

    @property
    def info(self) -> ServerInfo:
        """What the server says of itself: version, pipelines, limits."""
        return self._engine.info

    def submit(self, image: Any, *, color: Optional[str] = None, **options: Any) -> Future:
        """Sends the picture and returns the future of its Result. Waits only while the window is full.

        image: bytes, a path, a binary file, a numpy array (H x W x 3 or H x W, uint8) or a PIL image; do not change
        an array before the answer is there.
        options: pipeline, threshold, iou, max_objects, top_k, decode ("fast", "exact"), deadline_ms, records.
        """
        return self._submit(image, color, options, None)[0]

    def infer(self, image: Any, *, color: Optional[str] = None, timeout: Optional[float] = None,
              **options: Any) -> Result:
        """Sends the picture and waits for the answer; takes what submit() takes."""
        return self._result(self._submit(image, color, options, None)[0], timeout)

    def map(self, images: Iterable[Any], *, window: Optional[int] = None, ordered: bool = True, errors: str = "raise",
            color: Optional[str] = None, **options: Any) -> Iterator[Result]:
        """The results of many pictures, of which `window` are under way at a time.

        Pictures are taken from `images` when there is room for them. ordered=True yields in their order, False as
        they are done; `result.index` and `result.source` say which it is. errors="raise" raises the first error and
        withdraws the rest, "return" yields errors in their places as SightError objects. Without a window, as many
        are under way as the server allows, and at most 256 MiB of them.
        """
        seconds = self._settings.timeout
        return in_flight(images, lambda image, index: self._submit(image, color, options, index),
                         lambda future: self._give_up(future, seconds), window, window or self.info.window,
                         ordered, errors, seconds)

    def ping(self) -> float:
        """Seconds that the server takes to answer nothing."""
        began = time.perf_counter()
        try:
            self._engine.ping(b"").result(self._settings.timeout)
        except FutureTimeout as problem:
            raise self._late(self._settings.timeout) from problem
        return time.perf_counter() - began

    def close(self) -> None:
        """Ends the connection. What is unanswered fails with ClosedError."""
        self._engine.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<sightd.Client {self._settings.address} {self.info.server}>"

    def _submit(self, image: Any, color: Optional[str], options: Any, index: Optional[int]) -> Tuple[Future, int]:
        picture = picture_of(image, color or self._settings.color, self._settings.quality(self._engine.remote))
        source = picture.source if picture.source is not None else source_of(image)
        future = Future(self._engine)
        request = Request(picture, self._settings.options(options), future, index, source)
        future.request = request
        try:
            self._engine.submit(request)
        except SightError as error:
            raise with_place(error, source, index)
        return future, size_of(picture)

    def _result(self, future: Future, timeout: Optional[float] = None) -> Result:
        seconds = self._settings.timeout if timeout is None else timeout
        try:
            return future.result(seconds)
        except FutureTimeout as problem:
            if future.done():
                raise  # the server's own
            raise self._give_up(future, seconds) from problem

    def _give_up(self, future: Any, seconds: float) -> SightError:
        future.cancel()
        request: Optional[Request] = future.request
        late = self._late(seconds)
        return with_place(late, request.source, request.index) if request is not None else late

    def _late(self, seconds: float) -> Timeout:
        return Timeout(f"no answer from {self._settings.address} within {seconds:g} s: give more with timeout, or ask "
                       "for less at a time")
