# SPDX-License-Identifier: MIT
"""What can go wrong. Every error is a SightError with a code for programs and a message for people."""
from __future__ import annotations

from typing import Any, Dict, Optional, Tuple, Type


class SightError(Exception):
    """Base of all errors of this package.

    `code` is one of the server's codes (docs/PROTOCOL.md) or one of this package's own (`connect`,
    `connection_lost`, `timeout`, `closed`, `io`, `library`). `retry_after_ms` above 0 says when the same request has a
    chance. `source` and `index` say which picture it was about, where that is known.
    """

    code = "internal"

    def __init__(self, message: str, code: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.retry_after_ms = retry_after_ms
        self.source: Optional[str] = None
        self.index: Optional[int] = None

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.message, self.code, self.retry_after_ms), self.__dict__

    def to_dict(self) -> Dict[str, Any]:
        """As the error member of a line of results."""
        error: Dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retry_after_ms:
            error["retry_after_ms"] = self.retry_after_ms
        return {"source": self.source, "error": error} if self.source is not None else {"error": error}


class ConnectError(SightError, ConnectionError):
    """Nobody answers at the address, or what answers is not sightd."""

    code = "connect"


class ConnectionLost(SightError, ConnectionError):
    """The connection ended before the request was answered, and trying again did not help."""

    code = "connection_lost"


class ClosedError(SightError):
    """The client was closed, or the request was withdrawn because it was closed."""

    code = "closed"


class Timeout(SightError, TimeoutError):
    """No answer came within `timeout` seconds. The request has been cancelled; the connection is usable."""

    code = "timeout"


class ReadError(SightError, OSError):
    """A picture could not be read from its file."""

    code = "io"

    def __str__(self) -> str:  # OSError's own would come first
        return SightError.__str__(self)


class LibraryError(SightError):
    """libsight is missing or too old."""

    code = "library"


class RequestError(SightError):
    """The server answered with an error. The connection lives on."""


class BadImage(RequestError, ValueError):
    """The bytes are no picture, damaged, or of a kind that is not read."""

    code = "bad_image"


class TooLarge(RequestError, ValueError):
    """More bytes or pixels than the server takes."""

    code = "too_large"


class InvalidArgument(RequestError, ValueError):
    """An option or an array that does not fit."""

    code = "invalid_argument"


class NotFound(RequestError, LookupError):
    """No such pipeline or model."""

    code = "not_found"


class Busy(RequestError):
    """The server holds as much work as it admits; try again after `retry_after_ms`."""

    code = "busy"


class TooManyRequests(Busy):
    """This client has its share of the server's work under way; try again after `retry_after_ms`."""

    code = "too_many_requests"


class DeadlineExceeded(RequestError, TimeoutError):
    """The deadline cannot be kept, or has passed."""

    code = "deadline_exceeded"


class Cancelled(RequestError):
    """The request was cancelled before it was done."""

    code = "cancelled"


class Dropped(RequestError):
    """A newer frame took this one's place (policies `newest` and `oldest`)."""

    code = "dropped"


class ServerFault(RequestError):
    """The server's side failed: `inference_failed`, `internal`, `out_of_memory`, `io`."""


class ConfigError(SightError, ValueError):
    """A pipeline file, card or model that cannot be used; the message has file, line and column."""

    code = "bad_config"


class ProtocolError(SightError):
    """The two sides do not understand each other. Please report it, unless the versions differ."""

    code = "bad_framing"


_BY_CODE: Dict[str, Type[SightError]] = {
    "bad_image": BadImage, "empty_image": BadImage, "unsupported": BadImage, "too_large": TooLarge,
    "invalid_argument": InvalidArgument, "not_found": NotFound, "busy": Busy, "shutting_down": Busy,
    "too_many_requests": TooManyRequests,
    "deadline_exceeded": DeadlineExceeded, "cancelled": Cancelled, "dropped": Dropped, "bad_framing": ProtocolError,
    "timeout": Timeout, "bad_config": ConfigError, "bad_model": ConfigError,
}


def error_of(code: str, message: str, retry_after_ms: int = 0) -> SightError:
    """The error for a code of the server or of libsight."""
    return _BY_CODE.get(code, ServerFault)(message, code, retry_after_ms)


def with_place(error: SightError, source: Optional[str], index: Optional[int]) -> SightError:
    """The same error, knowing which picture it is about."""
    error.source = source if error.source is None else error.source
    error.index = index
    return error
