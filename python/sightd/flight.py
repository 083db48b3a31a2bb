# SPDX-License-Identifier: MIT
"""Many pictures under way at a time: what map() is, over the network and in process."""
from __future__ import annotations

import queue
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from .errors import SightError, with_place
from .picture import source_of
from .result import Result
from .session import IN_FLIGHT_BYTES

Submit = Callable[[Any, int], "Tuple[Future[Result], int]"]  # picture and its place → future, bytes


class _Flight:
    """Requests under way, in the order in which they are to be yielded."""

    def __init__(self, most: int, most_bytes: Optional[int], ordered: bool) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.bytes = 0
        self.ordered = ordered
        self.done: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
        self.waiting: Dict[Future[Result], int] = {}

    def has_room(self) -> bool:
        return len(self.waiting) < self.most and (self.most_bytes is None or self.bytes < self.most_bytes)

    def push(self, future: Future[Result], size: int) -> None:
        self.waiting[future] = size
        self.bytes += size
        if not self.ordered:
            future.add_done_callback(self.done.put)

    def ready(self) -> bool:
        return next(iter(self.waiting)).done() if self.ordered and self.waiting else not self.done.empty()

    def pop(self, seconds: Optional[float]) -> Future[Result]:
        """The next one; not done when the time was not enough."""
        future = next(iter(self.waiting))
        if self.ordered:
            try:
                future.exception(seconds)
            except FutureTimeout:
                pass
        else:
            try:
                future = self.done.get(timeout=seconds)
            except queue.Empty:
                pass
        self.bytes -= self.waiting.pop(future)
        return future

    def cancel(self) -> None:
        for future in self.waiting:
            future.cancel()


def in_flight(images: Iterable[Any], submit: Submit, late: Callable[[Any], SightError], window: Optional[int],
              most: int, ordered: bool, errors: str, timeout: Optional[float]) -> Iterator[Result]:
    """Checks its arguments at once, not when the first result is asked for."""
    if errors not in ("raise", "return"):
        raise ValueError('errors is "raise" or "return"')
    if window is not None and window < 1:
        raise ValueError("window is 1 or more")
    flight = _Flight(most, None if window else IN_FLIGHT_BYTES, ordered)
    return _run(iter(images), submit, late, flight, errors == "return", timeout)


def _run(images: Iterator[Any], submit: Submit, late: Callable[[Any], SightError], flight: _Flight,
         return_errors: bool, timeout: Optional[float]) -> Iterator[Result]:
    index, more = 0, True
    try:
        while more or flight.waiting:
            while flight.ready():  # before a new picture, which may be long in coming
                yield _outcome(flight.pop(None), late, return_errors)
            if more and flight.has_room():
                try:
                    image = next(images)
                except StopIteration:
                    more = False
                    continue
                flight.push(*_started(submit, image, index))
                index += 1
            elif flight.waiting:
                yield _outcome(flight.pop(timeout), late, return_errors)
    finally:
        flight.cancel()


def _started(submit: Submit, image: Any, index: int) -> Tuple[Future[Result], int]:
    """A picture that cannot be sent fails in its place like one that the server refuses."""
    try:
        return submit(image, index)
    except SightError as error:
        failed: Future[Result] = Future()
        failed.set_exception(with_place(error, source_of(image), index))
        return failed, 0


def _outcome(future: Future[Result], late: Callable[[Any], SightError], return_errors: bool) -> Result:
    try:
        if not future.done():
            raise late(future)
        return future.result()
    except SightError as error:
        if not return_errors:
            raise
        return error  # type: ignore[return-value]  # asked for with errors="return"
