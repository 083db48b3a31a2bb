#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The real server under valgrind: 500 mixed requests, then SIGTERM; no block may be lost.

usage: tests/tools/valgrind.py [BUILD]    (`make test-valgrind`; many minutes)

The mix: seed frames (good, damaged, pipelined, a client that leaves), HTTP (plain, annotated, multipart, JSON, errors,
metrics, reload) and frame protocol v2 (JSON, records, raw pixels, cancel). valgrind is a hundred times slower than the
machine where it matters, in ONNX Runtime: so pictures are small, most requests go to a pipeline of one small
classifier, and only the first turns go to `faces` as well. LeakSanitizer looks at the rest, in `make test-asan`.
"""
from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 500
FACES_REQUESTS = 60  # as long as no more were answered, a turn goes to faces as well: the first two of about fifteen
START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 600, 300, 300

spec = importlib.util.spec_from_file_location("client_v2", ROOT / "examples" / "client_v2.py")
assert spec and spec.loader
v2 = importlib.util.module_from_spec(spec)
sys.modules["client_v2"] = v2
spec.loader.exec_module(v2)


def pictures() -> dict[str, bytes]:
    """A photograph of one person, small, in several formats; and what is no picture."""
    people = cv2.imread(str(ROOT / "deps/samples/faces/group1.jpg"))
    people = cv2.resize(people[280:740, 300:760], (160, 160), interpolation=cv2.INTER_AREA)

    def encoded(ending: str) -> bytes:
        return bytes(cv2.imencode(ending, people)[1])

    jpeg = encoded(".jpg")
    return {"jpeg": jpeg, "png": encoded(".png"), "webp": encoded(".webp"), "bmp": encoded(".bmp"),
            "tiff": encoded(".tiff"), "cut": jpeg[:len(jpeg) // 2], "junk": b"no picture",
            "raw": people.tobytes(), "size": struct.pack("II", people.shape[1], people.shape[0])}


class Mix:
    """Sends requests of every kind in turn and checks that each is answered as it should be."""

    def __init__(self, port: int) -> None:
        self.port, self.count, self.images = port, 0, pictures()
        self.seed = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self.v2 = v2.Client("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self.rest = ""

    def dear(self) -> str:
        """The pipeline of the requests that would cost most: faces at first."""
        return "faces" if self.count < FACES_REQUESTS else "small"

    def seed_send(self, *names: str) -> None:
        for name in names:
            data = self.images[name]
            self.seed.sendall(struct.pack("<i", len(data)) + data)
        for name in names:
            self.seed_reply("cut" not in name and "junk" not in name)

    def seed_reply(self, good: bool) -> None:
        while True:
            try:
                reply, end = json.JSONDecoder().raw_decode(self.rest)
                break
            except ValueError:
                part = self.seed.recv(65536)
                assert part, "the server closed a seed connection"
                self.rest += part.decode()
        self.rest = self.rest[end:]
        assert ("error" not in reply) == good, reply
        assert not good or reply["label"], reply
        self.count += 1

    def leave(self) -> None:
        """A client that goes in the middle of a frame."""
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as link:
            link.sendall(struct.pack("<i", 50000) + b"\xff\xd8")
        self.count += 1

    def http(self, path: str, status: int, body: bytes | None = None, kind: str = "application/octet-stream") -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})
        self.count += 1
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                got, data = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, data = error.code, error.read()
        assert got == status, (path, got, data[:300])
        return data

    def infer(self, query: str = "", name: str = "jpeg", status: int = 200) -> None:
        self.http(f"/v1/infer?timing=true{query}", status, self.images[name])

    def frames(self, dear: str) -> None:
        """Five requests of protocol v2 at once."""
        width, height = struct.unpack("II", self.images["size"])
        sent = {self.v2.send(self.images["jpeg"]): True,
                self.v2.send(self.images["png"], pipeline=dear, records=True): True,
                self.v2.send(self.images["raw"], kind="bgr24", width=width, height=height, stride=3 * width): True,
                self.v2.send(self.images["junk"]): False,
                self.v2.send(self.images["jpeg"], pipeline="nosuch"): False}
        cancelled = self.v2.send(self.images["jpeg"])
        self.v2.control(v2.CANCEL, cancelled)
        replies = self.v2.replies()
        for _ in range(len(sent) + 1):
            reply = next(replies)
            assert reply.id == cancelled or (reply.result is not None) == sent[reply.id], reply
        self.count += len(sent) + 1

    def turn(self) -> None:
        """One of everything."""
        dear = self.dear()
        form = (b'--part\r\nContent-Disposition: form-data; name="pipeline"\r\n\r\nsmall\r\n'
                b'--part\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + self.images["jpeg"] +
                b"\r\n--part--\r\n")
        json_body = json.dumps({"pipeline": "small", "image": base64.b64encode(self.images["jpeg"]).decode()}).encode()
        self.seed_send("jpeg", "png", "webp", "bmp", "tiff", "junk", "cut", "jpeg")
        self.seed_send("jpeg")
        self.seed_send("cut")
        self.leave()
        self.infer()
        self.infer(f"&pipeline={dear}&annotate=jpeg")
        self.infer("&annotate=png&decode=exact")
        self.infer("&threshold=0.3&max_objects=2&timing=false", "png")
        self.infer("", "cut", 422)
        self.infer("&threshold=2", "jpeg", 400)
        self.infer("&deadline_ms=600000", "webp")
        self.http("/v1/infer", 200, form, "multipart/form-data; boundary=part")
        self.http("/v1/infer", 200, json_body, "application/json")
        self.http("/v1/infer", 400, json_body[:-3], "application/json")
        self.http("/v1/infer?pipeline=nosuch", 404, self.images["jpeg"])
        self.http("/nowhere", 404)
        for path in ("/metrics", "/v1/models", "/v1/pipelines", "/readyz", "/openapi.json"):
            self.http(path, 200)
        self.frames(dear)

    def close(self) -> None:
        self.seed.close()
        self.v2.control(v2.GOODBYE)
        self.v2.close()


def site(folder: Path) -> str:
    """The faces pipeline and the small one, which is the default."""
    (folder / "faces.yaml").symlink_to(ROOT / "pipelines" / "faces.yaml")
    (folder / "small.yaml").write_text("classify: [{ model: expression }]\n", encoding="utf-8")
    return str(folder)


def started(process: subprocess.Popen[str]) -> int:
    """The port, once the server is ready."""
    assert process.stdout
    for line in process.stdout:
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    sys.exit(f"valgrind: the server ended with status {process.wait()}")


def losses(log: str) -> dict[str, int]:
    """Bytes by kind of loss; no entry at all when every block was freed."""
    kinds = r"(definitely lost|indirectly lost|possibly lost|still reachable|suppressed): ([\d,]+) bytes"
    return {kind: int(size.replace(",", "")) for kind, size in re.findall(kinds, log)}


def run(build: Path, folder: Path) -> bool:
    log = folder / "valgrind.log"
    # On one core, as valgrind runs one thread at a time: threads of a wide run would wait in loops.
    command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), "valgrind", "--leak-check=full",
               "--show-leak-kinds=definite,indirect", "--num-callers=30", "--fair-sched=yes",
               "--error-exitcode=77", "--errors-for-leak-kinds=definite,indirect",
               f"--suppressions={ROOT / 'tests' / 'valgrind.supp'}", f"--log-file={log}",
               str(build / "sight"), "serve", "--listen", "127.0.0.1:0", "--pipelines", site(folder),
               "--default-pipeline", "small", "--workers", "2", "--drain-timeout", "120s"]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            mix = Mix(started(process))
            print(f"valgrind: ready after {time.monotonic() - began:.0f} s", flush=True)
            while mix.count < REQUESTS:
                mix.turn()
                if mix.count < 40:
                    mix.http("/v1/reload", 200, b"")
                print(f"valgrind: {mix.count} requests answered after {time.monotonic() - began:.0f} s", flush=True)
            mix.close()
            process.send_signal(signal.SIGTERM)
            status = process.wait(STOP_SECONDS)
        finally:
            process.kill()
    text = log.read_text(encoding="utf-8", errors="replace")
    lost = losses(text)
    if status:
        print(text)
    print(f"valgrind: {mix.count} requests, exit status {status}, {lost or 'every block freed'}")
    return status == 0 and not lost.get("definitely lost") and not lost.get("indirectly lost")


def main() -> int:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    with tempfile.TemporaryDirectory() as folder:
        good = run(build, Path(folder))
    print("1 passed, 0 failed, 0 skipped" if good else "0 passed, 1 failed, 0 skipped")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
