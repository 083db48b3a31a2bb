#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends a picture, or a folder of them, to sightd over the seed protocol and prints what comes back."""
from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key: image2 comes before image10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in re.split(r"(\d+)", path.name)]


def infer(link: socket.socket, image: bytes) -> Any:
    """One request: 4 bytes of length, signed, little-endian, then the image. The reply is one JSON text of at most
    65536 bytes without length or terminator: it is complete when it parses."""
    link.sendall(struct.pack("<i", len(image)) + image)
    data = b""
    while part := link.recv(65536):
        data += part
        try:
            return json.loads(data)
        except ValueError:
            continue  # the rest is still on its way
    raise ConnectionError("the server closed the connection")


def describe(found: dict[str, Any]) -> str:
    """One object as a line of a table."""
    box = found["bbox"]
    said = [answer["label"] if "label" in answer else f"{answer['name']} {answer['value']:.0f}"
            for answer in found.get("classified", []) if "label" in answer or {"name", "value"} <= answer.keys()]
    said += [repr(found["text"])] if "text" in found else []
    return (f"    {found.get('name', 'class ' + str(found['classes'])):<14}{found['objectness']:5.2f}  "
            f"x {box['x']:7.1f}  y {box['y']:7.1f}  w {box['w']:7.1f}  h {box['h']:7.1f}  {', '.join(said)}").rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Send pictures to sightd and print what it finds.")
    parser.add_argument("path", type=Path, help="a picture, or a folder of them")
    parser.add_argument("--to", metavar="HOST:PORT", help="the server's address; or:")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--json", action="store_true", help="print the replies as they came, one a line")
    args = parser.parse_args()
    if args.to:
        host, _, port = args.to.rpartition(":") if args.to[-1:] != "]" and ":" in args.to else (args.to, "", "")
        args.host, args.port = host.strip("[]"), int(port or args.port)
    failed = 0
    try:
        folder = args.path.is_dir()
        files = sorted((f for f in args.path.iterdir() if f.is_file()), key=natural) if folder else [args.path]
        with socket.create_connection((args.host, args.port), timeout=60) as link:
            for file in files:
                image, start = file.read_bytes(), time.perf_counter()
                reply = infer(link, image)
                took_ms, objects = (time.perf_counter() - start) * 1000, reply["object_list"]
                outcome = reply["error"]["message"] if "error" in reply else f"objects: {objects['object_num']}"
                failed += "error" in reply
                lines = [describe(objects[f"object{i}"]) for i in range(objects["object_num"])]
                text = [f"{file.name}  {took_ms:.1f} ms  {outcome}", *lines]
                print(json.dumps(reply, ensure_ascii=False) if args.json else "\n".join(text), flush=True)
    except ConnectionRefusedError:
        sys.exit(f"no server at {args.host}:{args.port}: start one with `make serve` (or `sight serve`)")
    except OSError as problem:
        sys.exit(f"failed: {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
