#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The part of `make demo` that speaks HTTP, and that knows what the sample photographs show.

Usage: scripts/demo_http.py PORT OUT. The server's default pipeline is objects; a drawn picture is written to OUT.
Exit status 1 when an answer is not what was photographed, or when the server counted something else than was sent.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parent.parent / "deps/samples"
# What anybody sees on them. Words may be found inside longer lines.
SHOWN = (
    ("objects", "objects/bus.jpg", {"bus": 1, "person": 3}),
    ("objects", "objects/cat.png", {"cat": 1}),
    ("faces", "faces/group1.jpg", {"face": 3, "happy": 1}),
    ("text", "text/bus.jpg", {"cero": 1, "emisiones": 1}),
)
READY_SECONDS = 60  # pipelines may still be loading when the server begins to answer
Answer = tuple[int, str, bytes]  # status, content type, body

wrong: list[str] = []


def check(right: bool, what: str) -> None:
    if not right:
        wrong.append(what)
        print(f"demo: {what}", file=sys.stderr)


def ask(port: int, method: str, path: str, body: bytes | None = None) -> Answer:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        link.request(method, path, body)
        response = link.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()
    finally:
        link.close()


def words(objects: list[dict[str, Any]]) -> list[str]:
    """Every name and text of an answer, of HTTP (label, attributes) or of the seed protocol (name, classified)."""
    said = []
    for found in objects:
        more = found.get("attributes", []) + found.get("classified", [])
        said += [str(part[key]) for part in [found, *more] for key in ("name", "label", "text") if key in part]
    return said


def lacks(said: list[str], shown: dict[str, int]) -> str:
    return ", ".join(f"{n} of {what}" for what, n in shown.items() if sum(what in word for word in said) < n)


def infer_by_http(port: int) -> int:
    for pipeline, name, shown in SHOWN:
        status, _, body = ask(port, "POST", f"/v1/infer?pipeline={pipeline}", (SAMPLES / name).read_bytes())
        objects = json.loads(body).get("objects", []) if status == 200 else []
        check(status == 200, f"POST /v1/infer with {name}: status {status}: {body[:200]!r}")
        missing = lacks(words(objects), shown)
        check(not missing, f"{name}: expected at least {missing}, got {words(objects)}")
        print(f"  POST /v1/infer?pipeline={pipeline:<8} {name:<18} {status}  {len(objects)} objects")
    return len(SHOWN)


def infer_by_seed(port: int) -> None:
    """One frame by hand: four bytes of length, the picture, one JSON text."""
    _, name, shown = SHOWN[0]
    image, reply = (SAMPLES / name).read_bytes(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(struct.pack("<i", len(image)) + image)
        link.shutdown(socket.SHUT_WR)
        while part := link.recv(65536):
            reply += part
    listed = json.loads(reply)["object_list"]
    missing = lacks(words([listed[f"object{i}"] for i in range(listed["object_num"])]), shown)
    check(not missing, f"seed frame with {name}: expected at least {missing}, got {reply[:200]!r}")
    print(f"  seed frame                       {name:<18}      {listed['object_num']} objects")


def draw(port: int, out: Path) -> int:
    name = SHOWN[0][1]
    status, kind, body = ask(port, "POST", "/v1/infer?annotate=jpeg", (SAMPLES / name).read_bytes())
    is_jpeg = body[:2] == b"\xff\xd8" and body[-2:] == b"\xff\xd9"
    check(status == 200 and kind == "image/jpeg" and is_jpeg, f"annotate=jpeg: status {status}, {kind}, {body[:20]!r}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(body)
    print(f"  POST /v1/infer?annotate=jpeg     {name:<18} {status}  {len(body)} bytes, {out}")
    return 1


def refuse(port: int) -> None:
    status, _, body = ask(port, "POST", "/v1/infer", b"this is no picture")
    check(status == 422 and b'"bad_image"' in body, f"what is no picture: status {status}, {body[:200]!r}")
    print(f"  POST /v1/infer                   no picture         {status}  refused, as it should be")


def look(port: int, answered: int) -> None:
    status, _, body = ask(port, "GET", "/livez")
    check(status == 200, f"GET /livez: status {status}")
    status, _, body = ask(port, "GET", "/metrics")
    counts = re.findall(r'^sightd_requests_total\{protocol="http",[^}]*code="ok"\} (\d+)$', body.decode(), flags=re.M)
    counted = sum(map(int, counts))
    check(status == 200 and counted == answered, f"GET /metrics: {counted} answers counted, {answered} were given")
    print(f"  GET /livez, /readyz, /metrics                       200  {counted} answers counted")


def main() -> int:
    port, out = int(sys.argv[1]), Path(sys.argv[2])
    deadline = time.monotonic() + READY_SECONDS
    while (status := ask(port, "GET", "/readyz")[0]) != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    check(status == 200, f"GET /readyz: status {status} after {READY_SECONDS} s")
    answered = infer_by_http(port)
    infer_by_seed(port)
    answered += draw(port, out)
    refuse(port)
    look(port, answered)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        print(f"demo: the server did not answer as it should: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
