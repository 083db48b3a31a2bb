# SPDX-License-Identifier: MIT
"""HTTP for the tests: Python's own client and raw sockets, and what every answer of ours must carry."""
from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any

from conftest import Server


class Answer:
    """One response; every one of ours must carry Server-Timing and a request id."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.reason = response.status, response.reason
        self.headers, self.body = response.headers, response.read()
        assert re.search(r"total;dur=\d+\.\d+$", self.headers["Server-Timing"])
        assert self.headers["X-Request-Id"]

    def json(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)  # type: ignore[no-any-return]

    def error(self, status: int, code: str) -> str:
        assert self.status == status, (self.status, self.body)
        error = self.json()["error"]
        assert error["code"] == code and self.json()["id"] == self.headers["X-Request-Id"], self.body
        return error["message"]  # type: ignore[no-any-return]


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    link = connect(server)
    link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = Answer(link.getresponse())
    link.close()
    return answer


def post(server: Server, body: Any, query: str = "", **headers: str) -> Answer:
    return ask(server, "POST", "/v1/infer" + query, body, **headers)


def form(parts: list[tuple[str, str | None, bytes]], boundary: str = "xYzZy") -> bytes:
    out = b""
    for name, filename, data in parts:
        file = f'; filename="{filename}"' if filename else ""
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def dial(server: Server, seconds: float = 60) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=seconds)


def response(link: socket.socket, method: str = "POST") -> Answer:
    reply = http.client.HTTPResponse(link, method=method)
    reply.begin()
    return Answer(reply)


def at_end(link: socket.socket) -> bool:
    try:
        return link.recv(1000) == b""
    except ConnectionResetError:
        return True


FORM = "multipart/form-data; boundary=xYzZy"
