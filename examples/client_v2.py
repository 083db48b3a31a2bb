#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client of frame protocol v2 (docs/PROTOCOL.md): sends pictures ahead, prints the answers as they come back."""
from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

INFER, CANCEL, PING, GOODBYE = 1, 2, 3, 4
HELLO, RESULT, ERROR, PONG, LEAVING = 0x81, 0x82, 0x83, 0x84, 0x85
POLICIES = {"block": 0, "newest": 1, "oldest": 2}
KINDS = {"encoded": 0, "rgb24": 1, "bgr24": 2, "gray8": 3, "nv12": 4}
DECODES = {"pipeline": 0, "fast": 1, "exact": 2}
HEADER = struct.Struct("<IBBHQ")  # bytes of the body, type, flags, format, request id
REQUEST = struct.Struct("<HBBBBHIffIHHIII")
STAGES = "queue decode preprocess detect postprocess classify read encode total".split()


class Reply(NamedTuple):
    id: int
    result: dict[str, Any] | None
    code: str = ""  # of an error
    message: str = ""
    retry_after_ms: int = 0


class Client:
    """One connection. Not for several threads at once, but one may send while another reads."""

    def __init__(self, host: str, port: int, policy: str = "block", window: int = 0, timeout: float = 60) -> None:
        self.link = socket.create_connection((host, port), timeout=timeout)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.link.makefile("rb")
        self.link.sendall(struct.pack("<4sHHBBHI", b"SGT2", 2, 2, POLICIES[policy], 0, window, 0))
        kind, _, _, body = self.read_frame()
        if kind == ERROR:
            raise ConnectionError("{}: {}".format(*error_of(body)[:2]))
        if kind != HELLO:
            raise ConnectionError(f"frame of type {kind:#x} instead of a hello")
        (self.version, _, _, at, self.max_image_bytes, _, _, self.window, _, _,
         count) = struct.unpack_from("<HHHHIIIHBBH", body)
        names = []
        for _ in range(count + 1):
            flags, size = body[at:at + 2]
            names.append((body[at + 2:at + 2 + size].decode(), flags))
            at += 2 + size
        self.server = names[0][0]
        self.pipelines = [name for name, _ in names[1:]]
        self.default = next((name for name, flags in names[1:] if flags & 1), None)
        self.last_id = 0

    def send(self, image: bytes, *, pipeline: str = "", kind: str = "encoded", width: int = 0, height: int = 0,
             stride: int = 0, records: bool = False, decode: str = "pipeline", deadline_ms: int = 0,
             threshold: float = -1, iou: float = -1, max_objects: int = 0, top_k: int = 0) -> int:
        """Sends one request and returns its id; the reply comes from `replies`, in any order."""
        self.last_id += 1
        name = pipeline.encode()
        head = REQUEST.pack(REQUEST.size, len(name), KINDS[kind], int(records), DECODES[decode], 0, deadline_ms,
                            threshold, iou, max_objects, top_k, 0, width, height, stride)
        body_bytes = len(head) + len(name) + len(image)
        self.link.sendall(HEADER.pack(body_bytes, INFER, 0, 0, self.last_id) + head + name)
        self.link.sendall(image)
        return self.last_id

    def control(self, kind: int, id: int = 0, body: bytes = b"") -> None:
        """CANCEL of a request, PING or GOODBYE."""
        self.link.sendall(HEADER.pack(len(body), kind, 0, 0, id) + body)

    def read_frame(self) -> tuple[int, int, int, bytes]:
        """Type, request id, format and body of the next frame; EOFError at the end of the stream."""
        head = self.input.read(HEADER.size)
        if len(head) < HEADER.size:
            raise EOFError("the server closed the connection")
        size, kind, _, form, id = HEADER.unpack(head)
        body = self.input.read(size)
        if len(body) < size:
            raise EOFError("the server closed the connection")
        return kind, id, form, body

    def replies(self) -> Iterator[Reply]:
        """Replies as they come, until the stream ends. An error with id 0 is the connection's."""
        while True:
            try:
                kind, id, form, body = self.read_frame()
            except EOFError:
                return
            if kind == RESULT:
                yield Reply(id, parse_records(body) if form == 1 else json.loads(body))
            elif kind == ERROR:
                yield Reply(id, None, *error_of(body))

    def close(self) -> None:
        self.input.close()
        self.link.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def error_of(body: bytes) -> tuple[str, str, int]:
    retry_after_ms, size = struct.unpack_from("<IH", body)
    return body[8:8 + size].decode(), body[8 + size:].decode(errors="replace"), retry_after_ms


def parse_records(block: bytes) -> dict[str, Any]:
    """A block of records as what the JSON reply would be. With numpy: np.frombuffer, see docs/PROTOCOL.md."""
    (magic, _, head_bytes, _, object_bytes, attribute_bytes, width, height, objects_at, object_count, attributes_at, _,
     own_attributes) = struct.unpack_from("<4sHHIHHIIIIIII", block)
    if magic != b"SGR1":
        raise ValueError("no record block")

    def text(at: int, size: int) -> str:
        return block[at:at + size].decode(errors="replace")

    def floats(at: int, count: int) -> list[float]:
        return list(struct.unpack_from(f"<{count}f", block, at))

    def attributes(first: int, count: int) -> list[dict[str, Any]]:
        found = []
        for i in range(first, first + count):
            row = struct.unpack_from("<8IiffII", block, attributes_at + i * attribute_bytes)
            one: dict[str, Any] = {"model": text(*row[0:2])}
            one |= {"name": text(*row[2:4])} if row[3] else {}
            one |= {"class_id": row[8], "score": row[9]} if row[8] >= 0 else {}
            one |= {"label": text(*row[4:6])} if row[5] else {}
            one |= {"value": row[10]} if row[10] == row[10] else {}  # not NaN
            one |= {"unit": text(*row[6:8])} if row[7] else {}
            one |= {"vector": floats(*row[11:13])} if row[12] else {}
            found.append(one)
        return found

    objects = []
    for i in range(object_count):
        row = struct.unpack_from("<4fifi4If8I", block, objects_at + i * object_bytes)
        one: dict[str, Any] = {"bbox": dict(zip("xywh", row[:4])), "class_id": row[4], "score": row[5]}
        one |= {"parent": row[6]} if row[6] >= 0 else {}
        one |= {"label": text(*row[7:9])} if row[8] else {}
        one |= {"text": text(*row[9:11]), "text_score": row[11]} if row[10] else {}
        points = floats(*row[12:14])
        one |= {"landmarks": [points[k:k + 2] for k in range(0, len(points), 3)]} if points else {}
        for key, at in (("quad", 14), ("polygon", 16)):
            points = floats(*row[at:at + 2])
            one |= {key: [points[k:k + 2] for k in range(0, len(points), 2)]} if points else {}
        one |= {"attributes": attributes(*row[18:20])} if row[19] else {}
        if object_bytes >= 88:  # else a server of before there were any
            track_id, = struct.unpack_from("<Q", block, objects_at + i * object_bytes + 80)
            one |= {"track_id": track_id} if track_id else {}
        objects.append(one)
    result: dict[str, Any] = {"pipeline": text(*struct.unpack_from("<II", block, 44)),
                              "image": {"width": width, "height": height}, "objects": objects,
                              "timing_us": dict(zip(STAGES, struct.unpack_from("<9I", block, 52)))}
    stream = text(*struct.unpack_from("<II", block, 88)) if head_bytes >= 96 else ""
    result |= {"stream": stream} if stream else {}
    return result | ({"attributes": attributes(0, own_attributes)} if own_attributes else {})


def main() -> int:
    parser = argparse.ArgumentParser(description="Send pictures to sightd over frame protocol v2.")
    parser.add_argument("picture", type=Path, nargs="+")
    parser.add_argument("--to", metavar="HOST:PORT", help="the server's address; or:")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--pipeline", default="", help="default: the server's")
    parser.add_argument("--deadline", type=int, default=0, metavar="MS")
    parser.add_argument("--records", action="store_true", help="binary records instead of JSON on the wire")
    args = parser.parse_args()
    if args.to:
        host, _, port = args.to.rpartition(":") if args.to[-1:] != "]" and ":" in args.to else (args.to, "", "")
        args.host, args.port = host.strip("[]"), int(port or args.port)
    failed = 0
    try:
        with Client(args.host, args.port) as client:
            waiting: dict[int, Path] = {}
            todo, replies = list(reversed(args.picture)), client.replies()
            while todo or waiting:
                while todo and len(waiting) < client.window:  # as many under way as the server takes
                    path = todo.pop()
                    waiting[client.send(path.read_bytes(), pipeline=args.pipeline, records=args.records,
                                        deadline_ms=args.deadline)] = path
                reply = next(replies, None)
                if reply is None or reply.id == 0:
                    sys.exit(f"the server ended the connection: {reply.message if reply else ''}")
                failed += reply.result is None
                print(json.dumps({"source": str(waiting.pop(reply.id))} | (
                    reply.result or {"error": {"code": reply.code, "message": reply.message,
                                               "retry_after_ms": reply.retry_after_ms}})), flush=True)
    except (OSError, EOFError) as problem:
        sys.exit(f"failed: {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
