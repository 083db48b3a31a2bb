# SPDX-License-Identifier: MIT
"""The synchronous client's machinery: one connection, a thread that reads, and one that sends what is sent again.

Pictures are sent by the thread that submits them, straight from the caller's memory. Locks: `_lock` holds the table of
requests and the state, never while calling out or waiting; `_send_lock` is held while a frame is sent, and inside it
`_lock` may be taken, never the other way round.
"""
from __future__ import annotations

import heapq
import itertools
import os
import queue
import socket
import struct
import threading
import time
from concurrent.futures import InvalidStateError
from concurrent.futures import Future as BaseFuture
from typing import TYPE_CHECKING, Dict, Iterable, List, Optional, Tuple

from . import wire
from .errors import Busy, ClosedError, ConnectError, ProtocolError, SightError, TooLarge
from .picture import Data, Picture
from .result import Result
from .session import (UNIX, Answer, Request, Session, Settings, connection_error, delays, given_up, gone, is_remote,
                      size_of)

if TYPE_CHECKING:
    _ResultFuture = BaseFuture[Result]
else:
    _ResultFuture = BaseFuture


def dial(host: str, port: int, timeout: Optional[float]) -> socket.socket:
    """A connection to what address_of returned."""
    if host.startswith(UNIX):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(timeout)
        try:
            link.connect(host[len(UNIX):])
        except BaseException:
            link.close()
            raise
        return link
    link = socket.create_connection((host, port), timeout=timeout)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


class Future(_ResultFuture):
    """The answer to come, a `concurrent.futures.Future`. `cancel()` withdraws the request from the server too."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.request: Optional[Request] = None

    def cancel(self) -> bool:
        if self.cancelled():
            return True
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()
        if self.request is not None:
            self._engine.withdraw(self.request)
        return True


class Link:
    """One connection, opened and greeted."""

    _serials = itertools.count(1)

    def __init__(self, settings: Settings) -> None:
        self.serial = next(self._serials)
        self.address = settings.address
        self.leaving = False
        self._buffer = wire.FrameBuffer()
        self._early: List[wire.Frame] = []
        try:
            self._socket = dial(settings.host, settings.port, settings.timeout)
        except OSError as problem:
            raise refused(settings.address, problem) from problem
        try:
            self._open(settings)
        except BaseException:
            self._socket.close()
            raise

    def _open(self, settings: Settings) -> None:
        link = self._socket
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            link.sendall(wire.opening(settings.policy, settings.window))
            kind, _, _, body = self._first_frame()
        except (OSError, EOFError) as problem:
            raise ConnectError(f"{self.address} does not answer as sightd does: "
                               f"{str(problem) or 'it closed the connection'}") from problem
        self.info = hello_of(kind, body, self.address)
        self.remote = is_remote(link.getsockname(), link.getpeername())
        link.settimeout(None)
        # A timeout of Python's would cost a poll before each call; this one is the kernel's.
        seconds = max(1, int(settings.timeout))
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", seconds, 0))
        except (OSError, AttributeError):
            pass  # not on this system: a server that hangs is noticed by whoever waits for its answer

    def _first_frame(self) -> wire.Frame:
        while not self._early:
            self._early = list(self.receive())
        return self._early.pop(0)

    def receive(self) -> Iterable[wire.Frame]:
        """What has arrived, at least one byte of it; OSError when the stream has ended."""
        if self._early:
            early, self._early = self._early, []
            return early
        count = self._socket.recv_into(self._buffer.space())
        if count == 0:
            raise EOFError
        self._buffer.received(count)
        return self._buffer.frames()

    def send(self, head: bytes, data: Data = b"") -> None:
        if not hasattr(self._socket, "sendmsg"):
            self._socket.sendall(head)
            self._socket.sendall(data)
            return
        sent = self._socket.sendmsg((head, data))
        if sent < len(head):
            self._socket.sendall(head[sent:])
            sent = len(head)
        rest = memoryview(data)[sent - len(head):]
        while rest:
            rest = rest[self._socket.send(rest):]

    def end(self) -> None:
        """Wakes the reader; any thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()


def refused(address: str, problem: OSError) -> ConnectError:
    if isinstance(problem, ConnectionRefusedError):
        return ConnectError(f"no server at {address}: start one with `sight serve`, or say where it is with host and "
                            "port")
    return ConnectError(f"cannot reach {address}: {problem.strerror or problem}")


def hello_of(kind: int, body: bytes, address: str) -> wire.ServerInfo:
    """The server's greeting, or the error it gave instead."""
    if kind == wire.ERROR:
        error = wire.read_error(body)
        if isinstance(error, Busy):
            raise ConnectError(f"{address}: {error.message}", error.code, error.retry_after_ms)
        raise ProtocolError(f"{address}: {error.message}", error.code)
    if kind != wire.HELLO:
        raise ProtocolError(f"{address} sent a frame of type {kind:#x} instead of a greeting; is it sightd?")
    return wire.read_hello(body)


def check_size(picture: Picture, info: wire.ServerInfo) -> None:
    """The server would refuse it too, after all of it has been sent."""
    if size_of(picture) > info.max_image_bytes:
        raise TooLarge(f"the picture has {size_of(picture)} bytes, the server takes {info.max_image_bytes}: send it "
                       "compressed, or start the server with a larger --max-image-bytes")


# Engines whose client is gone without close(). A finaliser may run inside any allocation of any thread, also of one
# that holds a lock of the engine: it may take none, and SimpleQueue.put() is made for that.
_abandoned: queue.SimpleQueue[Engine] = queue.SimpleQueue()
_closer: Optional[threading.Thread] = None


def abandon(engine: Engine) -> None:
    """To be closed by a thread of its own; takes no lock."""
    _abandoned.put(engine)


def _start_closer() -> None:
    """Threads cannot be started by finalisers: it is there from the first client on, and in a forked child again."""
    global _closer
    if _closer is None or not _closer.is_alive():
        _closer = threading.Thread(target=_close_abandoned, name="sightd-close", daemon=True)
        _closer.start()


def _close_abandoned() -> None:
    while True:
        _abandoned.get().close()


class Engine:
    def __init__(self, settings: Settings, wait: float) -> None:
        self.settings = settings
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._session = Session(settings.busy_wait)
        self._pings: Dict[int, BaseFuture[bytes]] = {}
        self._closed = False
        self._later = threading.Condition(self._lock)
        self._heap: List[Tuple[float, int, Request, bool]] = []  # when, order, request, whether to cancel it
        self._order = itertools.count()
        self._sender: Optional[threading.Thread] = None
        self._wake = threading.Event()  # set by close: ends the waits between attempts
        link = self._connect(wait)
        assert link is not None
        self._link: Optional[Link] = link
        self.info, self.remote = link.info, link.remote
        self._slots = threading.Semaphore(link.info.window) if settings.policy == "block" else None
        self._thread: Optional[threading.Thread] = None
        _start_closer()
        with self._lock:
            self._start(link)

    # Callers' side

    def _forked(self) -> bool:
        """In a forked child the connection is still the parent's, and there is no reader. Locks may stay held."""
        return os.getpid() != self._process

    def _check_process(self) -> None:
        if self._forked():
            raise ClosedError("the client belongs to the process that this one was forked from: make one in each "
                              "process, after the fork")

    def submit(self, request: Request) -> None:
        """Sends it, or leaves it to be sent when there is a connection. Waits while the window is full."""
        self._check_process()
        check_size(request.picture, self.info)
        if self._slots is not None:
            self._slots.acquire()
        try:
            with self._lock:
                if self._closed:
                    raise ClosedError("the client is closed")
                self._session.add(request, time.monotonic())
                if self._thread is None:
                    self._start(None)
        except BaseException:
            if self._slots is not None:
                self._slots.release()
            raise
        self._send(request)

    def withdraw(self, request: Request) -> None:
        """The future was cancelled: tell the server, or forget the request when it was never told."""
        if self._forked():
            return
        with self._lock:
            if request.number not in self._session.requests:
                return
            if request.link:
                self._at(0, request, True)
                return
            del self._session.requests[request.number]
        self._release()

    def ping(self, body: bytes) -> BaseFuture[bytes]:
        self._check_process()
        future: BaseFuture[bytes] = BaseFuture()
        number = next(self._order) + 1
        with self._send_lock:
            with self._lock:
                link = self._link
                if link is None or self._closed:
                    raise ClosedError("the client is closed") if self._closed else gone(self.settings.address)
                self._pings[number] = future
            self._send_over(link, wire.control(wire.PING, number, body))
        return future

    def close(self) -> None:
        if self._forked():
            return  # shutting the connection down would do so for the parent
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread, sender = self._thread, self._sender
            if self._link is not None:
                self._link.end()
            self._later.notify_all()
        self._wake.set()
        for helper in (thread, sender):
            if helper is not None and helper is not threading.current_thread():
                helper.join(self.settings.timeout)

    # Sending

    def _send(self, request: Request) -> None:
        """Over the connection there is, unless it went over that one already."""
        with self._send_lock:
            with self._lock:
                link = self._link
                if (link is None or link.leaving or request.link == link.serial or
                        request.number not in self._session.requests):
                    return
                head, data = self._session.sending(request, link.serial, time.monotonic())
            self._send_over(link, head, data)

    def _send_over(self, link: Link, head: bytes, data: Data = b"") -> None:
        try:
            link.send(head, data)
        except BlockingIOError:  # the server has not read for `timeout` seconds
            link.leaving = True
            link.end()
        except OSError:
            link.leaving = True  # the reader finds out why: what the server said last is still to be read

    def _at(self, when: float, request: Request, cancel: bool = False) -> None:
        """To be sent, or cancelled, by the sender at that time. The lock is held."""
        heapq.heappush(self._heap, (when, next(self._order), request, cancel))
        if self._sender is None:
            self._sender = threading.Thread(target=self._send_later, name="sightd-send", daemon=True)
            self._sender.start()
        self._later.notify()

    def _send_later(self) -> None:
        while True:
            with self._lock:
                while not self._closed and (not self._heap or self._heap[0][0] > time.monotonic()):
                    self._later.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                if self._closed:
                    return
                _, _, request, cancel = heapq.heappop(self._heap)
            if cancel:
                self._send_cancel(request)
            else:
                self._send(request)

    def _send_cancel(self, request: Request) -> None:
        with self._send_lock:
            with self._lock:
                link = self._link
                if link is None or request.link != link.serial or request.number not in self._session.requests:
                    return
            self._send_over(link, wire.control(wire.CANCEL, request.number))

    # The reader's thread

    def _start(self, link: Optional[Link]) -> None:
        self._thread = threading.Thread(target=self._run, args=(link,), name="sightd-read", daemon=True)
        self._thread.start()

    def _run(self, link: Optional[Link]) -> None:
        while True:
            if link is None:
                link = self._come_back()
            if link is not None:
                reason = self._read(link)
                with self._lock:
                    self._link = None
                    doomed = self._session.lost(reason, self.settings.reconnect > 0 and not self._closed)
                    pings, self._pings = self._pings, {}
                link.close()
                link = None
                for ping in pings.values():
                    ping.set_exception(reason)
                self._settle(doomed)
            with self._lock:
                if self._closed or not self._session.requests:
                    doomed = self._session.lost(ClosedError("the client was closed before the answer came"), False)
                    self._thread = None
                    break
        self._settle(doomed)

    def _read(self, link: Link) -> SightError:
        """Until the stream ends; returns why."""
        reason: Optional[SightError] = None
        try:
            while True:
                for kind, form, number, body in link.receive():
                    if kind == wire.ERROR and number == 0:
                        reason = connection_error(body)
                    elif kind in (wire.RESULT, wire.ERROR):
                        self._answer(kind, form, number, body)
                    elif kind == wire.PONG:
                        with self._lock:
                            ping = self._pings.pop(number, None)
                        if ping is not None:
                            ping.set_result(body)
                    elif kind == wire.LEAVING:
                        link.leaving = True
        except ProtocolError as error:
            return error
        except (OSError, EOFError) as problem:
            if self._closed:
                return ClosedError("the client was closed before the answer came")
            return reason or gone(self.settings.address, problem)

    def _answer(self, kind: int, form: int, number: int, body: bytes) -> None:
        with self._lock:
            answer = self._session.answer(kind, form, number, body, time.monotonic())
            if answer is not None and answer.outcome is None:
                self._at(time.monotonic() + answer.again_s, answer.request)
                return
        if answer is not None:
            self._settle((answer,))

    def _settle(self, answers: Iterable[Answer]) -> None:
        """Hands outcomes to their futures. No lock is held: callbacks of the futures run here."""
        for answer in answers:
            self._release()
            try:
                if isinstance(answer.outcome, SightError):
                    answer.request.future.set_exception(answer.outcome)
                else:
                    answer.request.future.set_result(answer.outcome)
            except InvalidStateError:
                pass  # cancelled meanwhile

    def _release(self) -> None:
        if self._slots is not None:
            self._slots.release()

    def _come_back(self) -> Optional[Link]:
        """Connects again and has everything unanswered sent. None: it was not to be; nothing is unanswered then."""
        try:
            link = self._connect(self.settings.reconnect)
        except SightError as error:
            with self._lock:
                doomed = self._session.lost(error, False)
            self._settle(doomed)
            return None
        if link is None:
            return None
        with self._lock:
            if self._closed:
                link.close()
                return None
            self._link, self.info, self.remote = link, link.info, link.remote
            for request in self._session.requests.values():
                self._at(0, request)
        return link

    def _connect(self, seconds: float) -> Optional[Link]:
        """Tries for so many seconds, at least once; raises the last error. None: closed meanwhile."""
        end = time.monotonic() + seconds
        for delay in delays():
            try:
                return Link(self.settings)
            except ConnectError as error:
                with self._lock:
                    late = self._session.overdue(time.monotonic())
                self._settle(late)
                left = end - time.monotonic()
                if left <= 0:
                    raise given_up(error, seconds) from None
                if self._wake.wait(min(delay, left)):
                    return None
        return None
