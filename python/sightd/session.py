# SPDX-License-Identifier: MIT
"""What both clients share: which requests are unanswered, and what an answer or the end of a connection does to them.

No input or output, no clock, no lock: the clients bring those.
"""
from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from . import wire
from .errors import (Busy, ConnectError, ConnectionLost, DeadlineExceeded, InvalidArgument, ProtocolError, SightError,
                     with_place)
from .picture import Data, Picture, bytes_of
from .result import Result

DEFAULT_PORT = 8080
UNIX = "unix:"
SENDS_MAX = 3  # a picture that ends the connection each time must not do so for ever
FIRST_DELAY_S, LAST_DELAY_S = 0.05, 2.0
BUSY_DELAY_S = 0.05  # when the server names no time
IN_FLIGHT_BYTES = 256 << 20  # of map() without a window: half of what a server admits by default
# Errors of the whole connection after which sending the same again cannot help.
_FATAL = frozenset(("bad_framing", "unsupported", "invalid_argument"))


@dataclass(frozen=True)
class Settings:
    """What a client was told when it was made."""

    host: str
    port: int
    pipeline: str
    window: int
    policy: str
    color: str
    transport: str
    jpeg_quality: int
    records: bool
    timeout: float
    reconnect: float
    busy_wait: float

    def __post_init__(self) -> None:
        for name, value, known in (("policy", self.policy, wire.POLICIES), ("color", self.color, ("bgr", "rgb")),
                                   ("transport", self.transport, ("auto", "raw", "jpeg"))):
            if value not in known:
                raise InvalidArgument(f'{name} is "{value}"; it can be {", ".join(known)}')
        if not 0 <= self.window <= 0xFFFF:
            raise InvalidArgument(f"window is {self.window}; it can be 0 (the server's choice) to 65535")

    @property
    def address(self) -> str:
        if self.host.startswith(UNIX):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def quality(self, remote: bool) -> int:
        """Of the JPEG that pixels are sent as; 0: they are sent as they are."""
        return self.jpeg_quality if self.transport == "jpeg" or (self.transport == "auto" and remote) else 0

    def options(self, given: Dict[str, Any]) -> wire.Options:
        try:
            every: Dict[str, Any] = {"pipeline": self.pipeline, "records": self.records, **given}
            return wire.Options(**every)
        except TypeError:
            known = ", ".join(wire.Options.__dataclass_fields__)
            wrong = ", ".join(sorted(set(given) - set(wire.Options.__dataclass_fields__)))
            raise InvalidArgument(f"no such option: {wrong}; there are {known} and color") from None


def address_of(host: str, port: Optional[int]) -> Tuple[str, int]:
    """"host", "host:port", "::1" or "[::1]:port", and a port that may be given apart; or "unix:/path/of/socket"."""
    if host.startswith(UNIX):
        return host, 0
    name, colon, digits = host.rpartition(":")
    if colon and digits.isdecimal() and (":" not in name or name.endswith("]")):
        host, port = name, int(digits) if port is None else port
    port = DEFAULT_PORT if port is None else port
    if not 0 < port < 65536:
        raise InvalidArgument(f"port is {port}; it can be 1 to 65535")
    return host.strip("[]") or "127.0.0.1", port


def is_remote(own: Any, peer: Any) -> bool:
    """Whether the two ends of a socket are on different machines."""
    if not isinstance(peer, tuple) or not isinstance(own, tuple):
        return False
    try:
        return not ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback and own[0] != peer[0]
    except ValueError:
        return True


def delays() -> Iterator[float]:
    """Back-off between attempts to connect: doubling, with jitter, so that clients do not all come at once."""
    delay = FIRST_DELAY_S
    while True:
        yield delay * random.uniform(0.75, 1.25)
        delay = min(2 * delay, LAST_DELAY_S)


def given_up(error: ConnectError, seconds: float) -> ConnectError:
    """What to raise when `seconds` of trying ended with the error."""
    if seconds <= 0:
        return error
    return ConnectError(f"{error.message} (tried for {seconds:g} s)", error.code, error.retry_after_ms)


class Request:
    """One that is not answered."""

    __slots__ = ("number", "picture", "options", "future", "index", "due", "busy_until", "sends", "link", "head",
                 "source")

    def __init__(self, picture: Picture, options: wire.Options, future: Any, index: Optional[int],
                 source: Optional[str]) -> None:
        self.number = 0
        self.picture = picture
        self.options = options
        self.future = future
        self.index = index
        self.source = picture.source if source is None else source
        self.due: Optional[float] = None  # when its deadline passes
        self.busy_until = 0.0
        self.sends = 0
        self.link = 0  # serial number of the connection it went over; 0 = of none
        self.head = b""


class Answer(NamedTuple):
    request: Request
    outcome: Union[Result, SightError, None]  # None: send it again after `again_s`
    again_s: float = 0


class Session:
    def __init__(self, busy_wait: float) -> None:
        self.busy_wait = busy_wait
        self.requests: Dict[int, Request] = {}
        self._last = 0

    def add(self, request: Request, now: float) -> None:
        """Numbers it; raises when its options cannot be sent."""
        options = request.options
        request.head = wire.infer_head(self._last + 1, options, request.picture.form, bytes_of(request.picture.data),
                                       options.deadline_ms)
        self._last += 1
        request.number = self._last
        request.due = now + options.deadline_ms / 1000 if options.deadline_ms else None
        request.busy_until = now + self.busy_wait
        self.requests[request.number] = request

    def sending(self, request: Request, link: int, now: float) -> Tuple[bytes, Data]:
        """The bytes to send, and notes over which connection."""
        if request.sends and request.due is not None:  # what is left of the deadline
            left_ms = max(1, int((request.due - now) * 1000))
            request.head = wire.infer_head(request.number, request.options, request.picture.form,
                                           bytes_of(request.picture.data), left_ms)
        request.sends += 1
        request.link = link
        return request.head, request.picture.data

    def answer(self, kind: int, form: int, number: int, body: bytes, now: float) -> Optional[Answer]:
        """What a result or an error with a request's number means. None: of a request we know nothing of."""
        request = self.requests.get(number)
        if request is None:
            return None
        if kind == wire.RESULT:
            del self.requests[number]
            return Answer(request, Result.from_body(body, form == wire.RECORDS, request.source, request.index))
        error = wire.read_error(body)
        again_s = self._again(request, error, now)
        if again_s is not None and not request.future.cancelled():
            request.link = 0
            request.sends -= 1  # it was not begun
            return Answer(request, None, again_s)
        del self.requests[number]
        return Answer(request, with_place(error, request.source, request.index))

    def _again(self, request: Request, error: SightError, now: float) -> Optional[float]:
        """Seconds after which the server may take it; None: not within what was asked for."""
        if not isinstance(error, Busy):
            return None
        again = now + (error.retry_after_ms / 1000 or BUSY_DELAY_S)
        last = request.busy_until if request.due is None else min(request.busy_until, request.due)
        return again - now if again < last else None

    def lost(self, reason: SightError, again: bool) -> List[Answer]:
        """The connection has ended. Returns the requests that are not to be sent again, with their errors."""
        doomed = []
        for request in list(self.requests.values()):
            request.link = 0
            if isinstance(reason, ProtocolError) or not again or request.future.cancelled():
                error: SightError = type(reason)(reason.message, reason.code, reason.retry_after_ms)
            elif request.sends >= SENDS_MAX:
                error = ConnectionLost(f"the connection was lost {request.sends} times while this picture was under "
                                       f"way, last because {reason.message}; look into the server's log")
            else:
                continue
            doomed.append(self._fail(request, error))
        return doomed

    def overdue(self, now: float) -> List[Answer]:
        """Requests whose deadline passed while there was no connection."""
        return [self._fail(request, DeadlineExceeded("the deadline passed while there was no connection to the server"))
                for request in list(self.requests.values()) if request.due is not None and request.due <= now]

    def _fail(self, request: Request, error: SightError) -> Answer:
        del self.requests[request.number]
        return Answer(request, with_place(error, request.source, request.index))


def connection_error(body: bytes) -> SightError:
    """An error that is the connection's (id 0): fatal, or a reason to connect again."""
    error = wire.read_error(body)
    if error.code in _FATAL:
        return ProtocolError(error.message, error.code)
    return ConnectionLost(f"the server ended the connection: {error.message}")


def gone(address: str, problem: object = None) -> ConnectionLost:
    why = f": {problem}" if problem and str(problem) else ""
    return ConnectionLost(f"the server at {address} closed the connection{why}")


def size_of(picture: Picture) -> int:
    return bytes_of(picture.data)
