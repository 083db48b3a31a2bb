#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every peer must answer the boxes that sightd answers; only then is it worth measuring.

usage: bench/verify.py FOLDER-OF-JPEGS…    (SIGHT_BUILD, SIGHT_SHARED as for the tests)

Decoders and resizers differ (full, 1/2 … 1/8, shrink-on-load), and so do scores by a few hundredths. What one of two
servers finds with a score clearly above the threshold the other must find, same class, IoU at least 0.85. Peers that
decode at full size are held against sightd's own `decode: exact`, the others against its default; up to 8 % may differ
(sharp filters where the others interpolate, and YOLOX-nano's small objects in 4K pictures come and go with that).
"""
from __future__ import annotations

import json
import socket
import struct
import sys
import urllib.request
from pathlib import Path

from servers import MODELS, Server, peers, sightd

SURE, MIN_IOU, MAX_SHARE = 0.25 + 0.12, 0.85, 0.08
FULL_SIZE = {"Python", "naive C++"}


def ask(server: Server, data: bytes) -> list[tuple[int, float, tuple[float, ...]]]:
    """Class, score and x1 y1 x2 y2 of every object."""
    if server.http:
        request = urllib.request.Request(server.target, data, {"Content-Type": "application/octet-stream"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            objects = json.load(reply)["objects"]
        return [(o["class_id"], o["score"], corners(o["bbox"])) for o in objects]
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        connection.sendall(struct.pack("<i", len(data)) + data)
        text = b""
        while True:
            text += connection.recv(65536)
            try:
                found = json.loads(text)
                break
            except ValueError:
                continue
    if "error" in found:
        raise RuntimeError(f"{server.name}: {found['error']}")
    objects = [v for k, v in found["object_list"].items() if k != "object_num"]
    return [(o["classes"], o["objectness"], corners(o["bbox"])) for o in objects]


def corners(box: dict[str, float]) -> tuple[float, ...]:
    return box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def missing(found: list, other: list) -> list:
    return [o for o in found if o[1] >= SURE and not any(o[0] == p[0] and iou(o[2], p[2]) >= MIN_IOU for p in other)]


def main() -> int:
    pictures = sorted(p for folder in sys.argv[1:] for p in Path(folder).glob("*.jpg"))
    if not pictures:
        sys.exit(__doc__)
    status = 0
    for model in MODELS.values():
        expected = {}
        for decode in ("fast", "exact"):
            with sightd(model, decode) as ours:
                expected[decode] = {p: ask(ours, p.read_bytes()) for p in pictures}
        for peer in peers(model):
            ours = expected["exact" if peer.name in FULL_SIZE else "fast"]
            sure = sum(o[1] >= SURE for objects in ours.values() for o in objects)
            lost = extra = 0
            with peer:
                for picture in pictures:
                    answer = ask(peer, picture.read_bytes())
                    lost += len(missing(ours[picture], answer))
                    extra += len(missing(answer, ours[picture]))
            bad = sure == 0 or max(lost, extra) > MAX_SHARE * sure
            print(f"{model.note:16} {peer.name:16} {len(pictures)} pictures, {sure} sure objects: {lost} not found, "
                  f"{extra} others{'  TOO MANY' if bad else ''}", flush=True)
            status |= bad
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
