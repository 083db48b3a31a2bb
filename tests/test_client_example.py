# SPDX-License-Identifier: MIT
"""examples/client.py: order of files, replies in pieces, clear errors. The other end is a socket of this test that
follows DESIGN's seed protocol; the client against the real server is in the end-to-end tests and in `make demo`."""
from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parent.parent / "examples" / "client.py"
REPLY = {"object_list": {"object_num": 1, "object0": {
    "bbox": {"x": 12.5, "y": 40, "w": 80.25, "h": 96}, "classes": 0, "objectness": 0.9731, "name": "人",
    "label": "happy", "prob": 0.9, "classified": [
        {"model": "expression", "class": 3, "label": "happy", "prob": 0.9},
        {"model": "age-gender", "name": "age", "value": 31.25}]}}}


def exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


class Peer:
    """Answers every frame, the reply cut into single bytes when asked to."""

    def __init__(self, dribble: bool = False) -> None:
        self.frames: list[bytes] = []
        self.dribble = dribble
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        link, _ = self.listener.accept()
        with link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    size = struct.unpack("<i", exactly(link, 4))[0]
                    self.frames.append(exactly(link, size))
                except EOFError:
                    return
                bad = self.frames[-1] == b"bad"
                reply = {"object_list": {"object_num": 0}, "error": {"code": "bad_image", "message": "no image"}}
                data = json.dumps(reply if bad else REPLY, ensure_ascii=False, separators=(",", ":")).encode()
                for piece in (data[i:i + 1] for i in range(len(data))) if self.dribble else (data,):
                    link.sendall(piece)
                    if self.dribble:
                        time.sleep(0.0005)


def client(*args: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, str(CLIENT), *map(str, args)], capture_output=True, text=True, timeout=60,
                          encoding="utf-8", env=environment)


@pytest.mark.parametrize("dribble", [False, True])
def test_folder_in_natural_order(tmp_path: Path, dribble: bool) -> None:
    for name in ("image10.jpg", "image2.jpg", "image1.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    peer = Peer(dribble)
    run = client(tmp_path, "--port", peer.port)
    assert run.returncode == 0, run.stderr
    assert peer.frames == [b"image1.jpg", b"image2.jpg", b"image10.jpg"]
    lines = run.stdout.splitlines()
    assert "image1.jpg" in lines[0] and " ms  objects: 1" in lines[0]
    assert lines[1].split() == "人 0.97 x 12.5 y 40.0 w 80.2 h 96.0 happy, age 31".split()


def test_a_failed_picture_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bad")
    (tmp_path / "b").write_bytes(b"good")
    peer = Peer()
    run = client(tmp_path, "--port", peer.port, "--json")
    assert run.returncode == 1
    replies = [json.loads(line) for line in run.stdout.splitlines()]
    assert replies[0]["error"]["code"] == "bad_image" and replies[1] == REPLY


def test_no_server_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    run = client(tmp_path / "a.jpg", "--port", port)
    assert run.returncode == 1
    assert f"no server at 127.0.0.1:{port}" in run.stderr and "sight serve" in run.stderr
