# SPDX-License-Identifier: MIT
"""Images in, objects out: the Python side of sightd (docs/PYTHON.md).

    import sightd
    result = sightd.Client("127.0.0.1:8080").infer("photo.jpg")
    print(result.objects)
"""
from __future__ import annotations

from .aio import AsyncClient
from .client import Client
from .engine import Future
from .errors import (BadImage, Busy, Cancelled, ClosedError, ConfigError, ConnectError, ConnectionLost,
                     DeadlineExceeded, Dropped, InvalidArgument, LibraryError, NotFound, ProtocolError, ReadError,
                     RequestError, ServerFault, SightError, Timeout, TooLarge,
                     TooManyRequests)
from .pipeline import Pipeline
from .result import Attribute, Box, Object, Result
from .seed import SeedClient
from .version import VERSION
from .wire import ServerInfo

__version__ = VERSION

__all__ = [
    "AsyncClient", "Attribute", "BadImage", "Box", "Busy", "Cancelled", "Client", "ClosedError", "ConfigError",
    "ConnectError", "ConnectionLost", "DeadlineExceeded", "Dropped", "Future", "InvalidArgument", "LibraryError",
    "NotFound", "Object", "Pipeline", "ProtocolError", "ReadError", "RequestError", "Result", "SeedClient",
    "ServerFault", "ServerInfo", "SightError", "Timeout", "TooLarge", "TooManyRequests",
]
