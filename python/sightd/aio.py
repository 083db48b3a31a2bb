# SPDX-License-Identifier: MIT
"""The asyncio client of frame protocol v2: no threads, one event loop."""
from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from typing import (Any, AsyncIterable, AsyncIterator, Deque, Dict, Iterable, List, Optional, Tuple,
                    Union)

from . import wire
from .engine import check_size, hello_of, refused
from .errors import ClosedError, ConnectError, ProtocolError, SightError, Timeout, with_place
from .picture import Data, is_file, picture_of, source_of
from .result import Result
from .session import (IN_FLIGHT_BYTES, UNIX, Answer, Request, Session, Settings, address_of, connection_error, delays,
                      given_up, gone, is_remote, size_of)

PIECE_BYTES = 256 << 10  # given to the transport at a time: what does not fit into the socket is copied by it


class _Link(asyncio.BufferedProtocol):
    """One connection: frames in through `client`, bytes out in the order of `send`."""

    _serial = 0

    def __init__(self, client: AsyncClient) -> None:
        _Link._serial += 1
        self.serial = _Link._serial
        self.client = client
        self.info: Optional[wire.ServerInfo] = None
        self.remote = False
        self.leaving = False
        self.reason: Optional[SightError] = None
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._buffer = wire.FrameBuffer()
        self._transport: Any = None
        self._queue: Deque[Tuple[bytes, Data]] = deque()
        self._work = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._writer: Optional[asyncio.Task[None]] = None

    def send(self, head: bytes, data: Data = b"") -> None:
        self._queue.append((head, data))
        self._work.set()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
        if self._transport is not None:
            self._transport.abort()

    # Called by the event loop

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        own = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # a unix socket has none of it
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.remote = is_remote(transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        transport.write(wire.opening(self.client.settings.policy, self.client.settings.window))
        self._writer = asyncio.get_running_loop().create_task(self._write())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.space()

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer.received(nbytes)
        try:
            for kind, form, number, body in self._buffer.frames():
                self._frame(kind, form, number, body)
        except SightError as error:
            self.reason = error
            self._transport.abort()

    def _frame(self, kind: int, form: int, number: int, body: bytes) -> None:
        if self.info is None:
            self.info = hello_of(kind, body, self.client.settings.address)
            if not self.opened.done():
                self.opened.set_result(None)
        elif kind == wire.ERROR and number == 0:
            self.reason = connection_error(body)
        elif kind in (wire.RESULT, wire.ERROR):
            self.client.answered(kind, form, number, body)
        elif kind == wire.PONG:
            self.client.pong(number)
        elif kind == wire.LEAVING:
            self.leaving = True

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, problem: Optional[Exception]) -> None:
        reason = self.reason or gone(self.client.settings.address, problem)
        self.reason = reason
        self.leaving = True
        self._may_write.set()
        if self._writer is not None:
            self._writer.cancel()
        if not self.opened.done():
            self.opened.set_exception(reason if isinstance(reason, (ConnectError, ProtocolError)) else
                                      ConnectError(f"no greeting: {reason.message}; is it sightd?"))
            self.opened.exception()  # whoever waited may have gone
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def _write(self) -> None:
        """A task of its own: whoever waits for an answer may be cancelled at any moment, a frame must be whole."""
        while True:
            while not self._queue:
                self._work.clear()
                await self._work.wait()
            head, data = self._queue.popleft()
            self._transport.write(head)
            view = memoryview(data)
            for first in range(0, len(view), PIECE_BYTES):
                await self._may_write.wait()
                if self.leaving:
                    break
                self._transport.write(view[first:first + PIECE_BYTES])


class AsyncClient:
    """A connection to sightd for asyncio. It is opened by `async with AsyncClient(…) as client`, or by the first
    request, and belongs to the event loop in which that happened. The parameters are those of Client."""

    def __init__(self, host: str = "127.0.0.1", port: Optional[int] = None, *, pipeline: str = "", color: str = "bgr",
                 transport: str = "auto", jpeg_quality: int = 95, records: bool = False, timeout: float = 60,
                 wait: float = 0, reconnect: float = 10, busy_wait: float = 30, policy: str = "block",
                 window: int = 0) -> None:
        host, port = address_of(host, port)
        self.settings = Settings(host, port, pipeline, window, policy, color, transport, jpeg_quality, records,
                                 timeout, reconnect, busy_wait)
        self._wait = wait
        self._session = Session(busy_wait)
        self._link: Optional[_Link] = None
        self._info: Optional[wire.ServerInfo] = None
        self._remote = False
        self._slots: Optional[asyncio.Semaphore] = None
        self._keeper: Optional[asyncio.Task[None]] = None  # keeps the connection, reconnects
        self._pings: Dict[int, asyncio.Future[None]] = {}
        self._last_ping = 0
        self._opening: Optional[asyncio.Task[None]] = None
        self._closed = False

    async def open(self) -> None:
        """Connects, if that has not been done; infer() and map() see to it themselves."""
        if self._closed:
            raise ClosedError("the client is closed")
        if self._info is not None:
            return
        if self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._open())
        await asyncio.shield(self._opening)

    async def __aenter__(self) -> AsyncClient:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def info(self) -> wire.ServerInfo:
        """What the server says of itself: version, pipelines, limits."""
        if self._info is None:
            raise ClosedError("the client is not open yet: `await client.open()` first, or use it with `async with`")
        return self._info

    async def infer(self, image: Any, *, color: Optional[str] = None, timeout: Optional[float] = None,
                    **options: Any) -> Result:
        """Sends the picture and returns its Result; takes what Client.submit() takes. Cancelling the task withdraws
        the request; the connection stays usable."""
        request = await self._submit(image, color, options, None)
        return await self._result(request, self.settings.timeout if timeout is None else timeout)

    async def map(self, images: Union[Iterable[Any], AsyncIterable[Any]], *, window: Optional[int] = None,
                  ordered: bool = True, errors: str = "raise", color: Optional[str] = None,
                  **options: Any) -> AsyncIterator[Result]:
        """The results of many pictures, of which `window` are under way at a time; see Client.map()."""
        if errors not in ("raise", "return"):
            raise ValueError('errors is "raise" or "return"')
        if window is not None and window < 1:
            raise ValueError("window is 1 or more")
        await self.open()
        most, most_bytes = window or self.info.window, None if window else IN_FLIGHT_BYTES
        source = _iterate(images)
        coming: Optional[asyncio.Future[Any]] = None  # the next picture
        waiting: Dict[asyncio.Future[Result], int] = {}
        done: Deque[asyncio.Future[Result]] = deque()  # as they were done, when the order does not matter
        index, more = 0, True
        try:
            while more or waiting:
                first = done[0] if done else next(iter(waiting)) if ordered and waiting else None
                if first is not None and first.done():
                    del waiting[first]
                    if done:
                        done.popleft()
                    if errors == "raise" or first.exception() is None:
                        yield first.result()
                    else:
                        yield first.exception()  # type: ignore[misc]  # asked for with errors="return"
                elif coming is not None and coming.done():
                    image, coming = coming.result(), None
                    if image is _END:
                        more = False
                        continue
                    future, size = await self._started(image, color, options, index)
                    waiting[future] = size
                    if not ordered:
                        future.add_done_callback(done.append)
                    index += 1
                else:
                    if (coming is None and more and len(waiting) < most and
                            (most_bytes is None or sum(waiting.values()) < most_bytes)):
                        coming = asyncio.ensure_future(_pull(source))
                    await self._either(coming, (first,) if first is not None else waiting)
        finally:
            if coming is not None:
                coming.cancel()
            for future in waiting:
                future.cancel()

    async def ping(self) -> float:
        """Seconds that the server takes to answer nothing."""
        await self.open()
        if self._link is None:
            raise gone(self.settings.address)
        self._last_ping += 1
        number, began = self._last_ping, time.perf_counter()
        self._pings[number] = asyncio.get_running_loop().create_future()
        self._link.send(wire.control(wire.PING, number))
        try:
            await asyncio.wait_for(self._pings[number], self.settings.timeout)
        except asyncio.TimeoutError:
            raise self._late(self.settings.timeout) from None
        finally:
            self._pings.pop(number, None)
        return time.perf_counter() - began

    async def close(self) -> None:
        """Ends the connection. What is unanswered fails with ClosedError."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._settle(self._session.lost(ClosedError("the client was closed before the answer came"), False))
        if self._link is not None:
            self._link.close()
            self._link = None

    # One request

    async def _submit(self, image: Any, color: Optional[str], options: Any, index: Optional[int]) -> Request:
        await self.open()
        loop = asyncio.get_running_loop()
        quality = self.settings.quality(self._remote)
        order = color or self.settings.color
        if quality or is_file(image):  # reading and encoding take time that the loop does not have
            picture = await loop.run_in_executor(None, picture_of, image, order, quality)
        else:
            picture = picture_of(image, order)
        request = Request(picture, self.settings.options(options), loop.create_future(), index,
                          picture.source if picture.source is not None else source_of(image))
        try:
            check_size(picture, self.info)
            if self._slots is not None:
                await self._slots.acquire()
            try:
                if self._closed:
                    raise ClosedError("the client is closed")
                self._session.add(request, time.monotonic())
            except BaseException:
                self._release()
                raise
        except SightError as error:
            raise with_place(error, request.source, index)
        request.future.add_done_callback(lambda _: self._withdraw(request))
        if self._keeper is None or self._keeper.done():
            self._keeper = loop.create_task(self._keep(None))
        self._send(request)
        return request

    async def _started(self, image: Any, color: Optional[str], options: Any,
                       index: int) -> Tuple[asyncio.Future[Result], int]:
        try:
            request = await self._submit(image, color, options, index)
        except SightError as error:
            failed: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            failed.set_exception(with_place(error, source_of(image), index))
            return failed, 0
        return request.future, size_of(request.picture)

    async def _result(self, request: Request, seconds: float) -> Result:
        try:
            done, _ = await asyncio.wait((request.future,), timeout=seconds)
        except asyncio.CancelledError:
            request.future.cancel()
            raise
        if not done:
            request.future.cancel()
            raise with_place(self._late(seconds), request.source, request.index)
        result: Result = request.future.result()
        return result

    async def _either(self, coming: Optional[asyncio.Future[Any]], waiting: Iterable[asyncio.Future[Result]]) -> None:
        """Until the next picture or an answer is there."""
        answers = tuple(waiting)
        watched = answers if coming is None else (coming, *answers)
        done, _ = await asyncio.wait(watched, timeout=self.settings.timeout if answers else None,
                                     return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise self._late(self.settings.timeout)

    def _late(self, seconds: float) -> Timeout:
        return Timeout(f"no answer from {self.settings.address} within {seconds:g} s: give more with timeout, or ask "
                       "for less at a time")

    def _send(self, request: Request) -> None:
        link = self._link
        if (link is None or link.leaving or request.link == link.serial or
                request.number not in self._session.requests):
            return
        link.send(*self._session.sending(request, link.serial, time.monotonic()))

    def _withdraw(self, request: Request) -> None:
        """The future is done; when it was cancelled, the server is told, or the request forgotten that it never saw."""
        if not request.future.cancelled() or request.number not in self._session.requests:
            return
        if self._link is not None and request.link == self._link.serial:
            self._link.send(wire.control(wire.CANCEL, request.number))
        else:
            del self._session.requests[request.number]
            self._release()

    # Called by the link

    def answered(self, kind: int, form: int, number: int, body: bytes) -> None:
        answer = self._session.answer(kind, form, number, body, time.monotonic())
        if answer is None:
            return
        if answer.outcome is None:
            asyncio.get_running_loop().call_later(answer.again_s, self._send, answer.request)
        else:
            self._settle([answer])

    def pong(self, number: int) -> None:
        future = self._pings.get(number)
        if future is not None and not future.done():
            future.set_result(None)

    def _settle(self, answers: List[Answer]) -> None:
        for answer in answers:
            self._release()
            future = answer.request.future
            if future.done():
                continue
            if isinstance(answer.outcome, SightError):
                future.set_exception(answer.outcome)
                future.exception()  # whoever asked may have gone: that is no reason for a warning
            else:
                future.set_result(answer.outcome)

    def _release(self) -> None:
        if self._slots is not None:
            self._slots.release()

    # The connection

    async def _open(self) -> None:
        link = await self._connect(self._wait)
        self._take(link)
        if self.settings.policy == "block":
            self._slots = asyncio.Semaphore(self.info.window)
        self._keeper = asyncio.get_running_loop().create_task(self._keep(link))

    def _take(self, link: _Link) -> None:
        self._link, self._info, self._remote = link, link.info, link.remote

    async def _keep(self, link: Optional[_Link]) -> None:
        """For as long as there is a connection or anything unanswered."""
        try:
            await self._kept(link)
        except asyncio.CancelledError:  # closed, or the event loop ends
            if self._link is not None:
                self._link.close()
            raise

    async def _kept(self, link: Optional[_Link]) -> None:
        while True:
            if link is None:
                try:
                    link = await self._connect(self.settings.reconnect)
                except SightError as error:
                    self._settle(self._session.lost(error, False))
                    if not self._session.requests:
                        return
                    continue
                self._take(link)
                for request in list(self._session.requests.values()):
                    self._send(request)
            await link.ended
            self._link = None
            assert link.reason is not None
            self._settle(self._session.lost(link.reason, self.settings.reconnect > 0))
            for ping in self._pings.values():
                if not ping.done():
                    ping.set_exception(link.reason)
            link = None
            if not self._session.requests:
                return

    async def _connect(self, seconds: float) -> _Link:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for delay in delays():
            try:
                return await self._attempt()
            except ConnectError as error:
                self._settle(self._session.overdue(time.monotonic()))
                left = end - loop.time()
                if left <= 0:
                    raise given_up(error, seconds) from None
                await asyncio.sleep(min(delay, left))
        raise AssertionError("delays() does not end")

    async def _attempt(self) -> _Link:
        settings = self.settings
        link = _Link(self)
        try:
            loop = asyncio.get_running_loop()
            opening: Any = (loop.create_unix_connection(lambda: link, settings.host[len(UNIX):])
                            if settings.host.startswith(UNIX) else
                            loop.create_connection(lambda: link, settings.host, settings.port))
            await asyncio.wait_for(opening, settings.timeout)
            await asyncio.wait_for(asyncio.shield(link.opened), settings.timeout)
            return link
        except asyncio.TimeoutError:
            link.close()
            raise ConnectError(f"{settings.address} does not answer within {settings.timeout:g} s") from None
        except asyncio.CancelledError:
            link.close()
            raise
        except SightError:
            raise
        except OSError as problem:
            raise refused(settings.address, problem) from problem


_END = object()


async def _pull(source: AsyncIterator[Any]) -> Any:
    try:
        return await source.__anext__()
    except StopAsyncIteration:
        return _END


async def _iterate(images: Union[Iterable[Any], AsyncIterable[Any]]) -> AsyncIterator[Any]:
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image
