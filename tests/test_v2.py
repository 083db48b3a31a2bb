# SPDX-License-Identifier: MIT
"""Frame protocol v2 from outside: the real binary with real models, spoken to by examples/client_v2.py.

Expected results come from the other ways to the same pipeline: `sight detect --json` on the same file for JSON, the
JSON reply for records, the encoded picture for raw pixels (decoded here with OpenCV).
"""
from __future__ import annotations

import importlib.util
import json
import math
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Server, wait_until
from sight import detect

Start = Callable[..., Server]

spec = importlib.util.spec_from_file_location("client_v2", ROOT / "examples" / "client_v2.py")
assert spec and spec.loader
v2 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(v2)

HELLO = struct.pack("<4sHHBBHI", b"SGT2", 2, 2, 0, 0, 0, 0)


def dial(server: Server, policy: str = "block", window: int = 0) -> Any:
    return v2.Client("127.0.0.1", server.port, policy, window)


def gather(client: Any, count: int) -> dict[int, Any]:
    replies = client.replies()
    return {reply.id: reply for reply in (next(replies) for _ in range(count))}


def ask(client: Any, image: bytes, **options: Any) -> Any:
    id = client.send(image, **options)
    reply = next(client.replies())
    assert reply.id == id
    return reply


def same(a: Any, b: Any) -> None:
    """Two results, but for times; JSON rounds to two (boxes) to six (vectors) decimals."""
    if isinstance(a, dict):
        assert a.keys() - {"timing_us", "landmark_scores"} == b.keys() - {"timing_us", "landmark_scores"}
        for key in a.keys() - {"timing_us", "landmark_scores"}:
            same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(a, float) or isinstance(b, float):
        assert math.isclose(a, b, abs_tol=0.011)
    else:
        assert a == b


@pytest.fixture(name="group", scope="module")
def group_bytes(images: Path) -> bytes:
    return (images / "people.jpg").read_bytes()


@pytest.fixture(name="two", scope="module")
def two_bytes(images: Path) -> bytes:
    return (images / "zidane.jpg").read_bytes()


def test_hello_names_limits_and_pipelines(server: Server) -> None:
    with dial(server) as client:
        assert client.version == 2 and client.server.startswith("sightd ")
        assert {"faces", "objects", "text"} <= set(client.pipelines) and client.default in client.pipelines
        assert client.max_image_bytes == 64 * 2**20 and client.window == 64
    with dial(server, "newest") as client:
        assert client.window == 1
    with dial(server, "block", 5) as client:
        assert client.window == 5


@pytest.mark.parametrize("pipeline", ["faces", "objects"])
def test_json_is_what_detect_says(server: Server, images: Path, pipeline: str) -> None:
    path = images / "people.jpg"
    said = detect("-p", pipeline, path)[0]
    said.pop("source")
    with dial(server) as client:
        reply = ask(client, path.read_bytes(), pipeline=pipeline)
        same(reply.result, said)
        assert set(reply.result["timing_us"]) == set(v2.STAGES)


@pytest.mark.parametrize("name,pipeline", [("people.jpg", "faces"), ("people.jpg", "objects"),
                                           ("receipt.png", "text"), ("small.jpg", "faces")])
def test_records_equal_json(server: Server, images: Path, name: str, pipeline: str) -> None:
    image = (images / name).read_bytes()
    with dial(server) as client:
        text = ask(client, image, pipeline=pipeline)
        records = ask(client, image, pipeline=pipeline, records=True)
        same(text.result, records.result)
        timing = records.result["timing_us"]
        assert timing["total"] >= timing["decode"] > 0
        assert timing["total"] >= sum(us for stage, us in timing.items() if stage != "total") * 0.9


def test_records_read_with_numpy(server: Server, group: bytes) -> None:
    """The dtypes of docs/PROTOCOL.md, taken from it."""
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    document = (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
    code = document[document.index("import numpy as np"):]
    names: dict[str, Any] = {}
    exec(code[:code.index("```")], names)  # pylint: disable=exec-used
    with dial(server) as client:
        expected = ask(client, group).result
        client.send(group, records=True)
        _, _, form, block = client.read_frame()
    head, objects, attributes = names["read_records"](block)
    assert form == 1 and head["width"] == 1200 and head["height"] == 800
    assert len(objects) == len(expected["objects"]) >= 4
    for row, found in zip(objects, expected["objects"]):
        assert np.allclose(row["bbox"], [found["bbox"][key] for key in "xywh"], atol=0.011)
        assert abs(row["score"] - found["score"]) < 1e-4 and row["class_id"] == found["class_id"]
        assert row["attribute_count"] == len(found.get("attributes", []))
    assert len(attributes) == sum(len(found.get("attributes", [])) for found in expected["objects"])


def test_options_of_one_request(server: Server, group: bytes) -> None:
    with dial(server) as client:
        usual = ask(client, group, pipeline="objects").result["objects"]
        assert len(usual) > 2
        assert [found["score"] for found in ask(client, group, pipeline="objects",
                                                max_objects=2).result["objects"]] == [o["score"] for o in usual[:2]]
        high = ask(client, group, pipeline="objects", threshold=0.8).result["objects"]
        assert high == [found for found in usual if found["score"] > 0.8] and len(high) < len(usual)
        # Without suppression every face is found several times.
        assert len(ask(client, group, pipeline="faces", iou=0).result["objects"]) > len(
            ask(client, group, pipeline="faces").result["objects"])


def pixels_of(images: Path) -> Any:
    cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
    return cv2, cv2.imread(str(images / "people.jpg"))


@pytest.mark.parametrize("kind", ["bgr24", "rgb24"])
@pytest.mark.parametrize("padding", [0, 37])
def test_raw_pixels_equal_encoded(server: Server, images: Path, kind: str, padding: int) -> None:
    cv2, image = pixels_of(images)
    png = cv2.imencode(".png", image)[1].tobytes()  # without loss: the server decodes the very same pixels
    height, width = image.shape[:2]
    rows = image if kind == "bgr24" else image[:, :, ::-1]
    raw = b"".join(row.tobytes() + b"\xa5" * padding for row in rows)
    with dial(server) as client:
        encoded = ask(client, png, decode="exact").result
        reply = ask(client, raw, kind=kind, width=width, height=height, stride=width * 3 + padding)
        same(reply.result, encoded)
        assert reply.result["timing_us"]["decode"] == 0
        assert len(encoded["objects"]) >= 4


@pytest.mark.parametrize("kind", ["gray8", "nv12"])
def test_raw_gray_and_nv12(server: Server, images: Path, kind: str) -> None:
    cv2, image = pixels_of(images)
    height, width = image.shape[:2]
    if kind == "gray8":
        raw = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        back = cv2.cvtColor(raw, cv2.COLOR_GRAY2BGR)
        data = raw.tobytes()
    else:
        planar = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        luma, u, v = planar[:width * height], *planar[width * height:].reshape(2, -1)
        data = luma.tobytes() + bytes(b for pair in zip(u.tobytes(), v.tobytes()) for b in pair)
        back = cv2.cvtColor(planar.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_I420)
    png = cv2.imencode(".png", back)[1].tobytes()
    with dial(server) as client:
        encoded = ask(client, png, decode="exact").result
        same(ask(client, data, kind=kind, width=width, height=height, stride=width).result, encoded)
        assert encoded["objects"]


def test_replies_out_of_order(server: Server, group: bytes, two: bytes) -> None:
    """A refused request is answered before the slow ones that were sent before it; a small one may overtake."""
    with dial(server) as client:
        slow = [client.send(group, pipeline="objects") for _ in range(6)]
        refused = client.send(two, pipeline="there-is-none")
        replies = client.replies()
        order = [reply.id for reply in (next(replies) for _ in range(7))]
        assert sorted(order) == sorted([*slow, refused]) and order.index(refused) < 6


def test_errors_leave_the_connection_alive(server: Server, two: bytes) -> None:
    with dial(server) as client:
        for image, options, code in [
                (b"this is no image", {}, "bad_image"), (b"", {}, "empty_image"),
                (two, {"pipeline": "none"}, "not_found"), (two, {"threshold": 2}, "invalid_argument"),
                (two, {"width": 3}, "invalid_argument"), (two, {"max_objects": 5000}, "invalid_argument"),
                (two, {"top_k": 1001}, "invalid_argument"),
                (b"x" * 12, {"kind": "nv12", "width": 3, "height": 2, "stride": 4}, "invalid_argument"),
                (b"x" * 12, {"kind": "bgr24", "width": 4, "height": 1, "stride": 11}, "invalid_argument")]:
            reply = ask(client, image, **options)
            assert reply.code == code and reply.message
        assert ask(client, two).result


def test_ping_is_answered_while_requests_run(server: Server, group: bytes) -> None:
    with dial(server) as client:
        for _ in range(8):
            client.send(group, pipeline="objects")
        client.control(v2.PING, 77, b"are you there")
        while (frame := client.read_frame())[0] != v2.PONG:
            assert frame[0] == v2.RESULT
        assert frame[1] == 77 and frame[3] == b"are you there"


def test_cancel(server: Server, group: bytes) -> None:
    with dial(server) as client:
        ids = [client.send(group, pipeline="objects") for _ in range(20)]
        for id in ids[5:]:
            client.control(v2.CANCEL, id)
        client.control(v2.CANCEL, 4711)  # unknown: nothing happens
        replies = gather(client, 20)
        assert set(replies) == set(ids)  # each is answered once, either way
        assert all(replies[id].result for id in ids[:5])
        cancelled = [id for id in ids if replies[id].code == "cancelled"]
        assert len(cancelled) >= 12
        assert ask(client, group).result


def test_deadlines(server: Server, group: bytes) -> None:
    with dial(server) as client:
        assert ask(client, group, pipeline="objects", deadline_ms=60000).result
        took = []
        for _ in range(5):
            began = time.monotonic()
            ask(client, group, pipeline="objects")
            took.append(time.monotonic() - began)
        # What takes `took` cannot be done in 1 ms: refused at once, and no retry would help.
        began = time.monotonic()
        reply = ask(client, group, pipeline="objects", deadline_ms=1)
        assert reply.code == "deadline_exceeded" and reply.retry_after_ms == 0
        assert time.monotonic() - began < min(took)
        # Behind a long queue: what could be done alone cannot be done in time now, but later.
        ids = [client.send(group, pipeline="objects") for _ in range(40)]
        limit_ms = int(max(took) * 3000) + 10
        late = client.send(group, pipeline="objects", deadline_ms=limit_ms)
        replies = gather(client, 41)
        assert replies[late].code == "deadline_exceeded" and replies[late].retry_after_ms > 0
        assert all(replies[id].result for id in ids)


def test_newest_gives_every_frame_a_receipt(server: Server, group: bytes) -> None:
    with dial(server, "newest", 1) as client:
        ids = [client.send(group, pipeline="objects") for _ in range(40)]
        replies = gather(client, 40)
        done = [id for id in ids if replies[id].result]
        assert all(replies[id].code == "dropped" for id in ids if id not in done)
        assert ids[-1] in done and len(done) < 40


def test_oldest_keeps_what_waits(server: Server, group: bytes) -> None:
    with dial(server, "oldest", 2) as client:
        ids = [client.send(group, pipeline="objects") for _ in range(40)]
        replies = gather(client, 40)
        done = [id for id in ids if replies[id].result]
        assert all(replies[id].code == "dropped" for id in ids if id not in done)
        assert ids[:2] == done[:2] and len(done) < 40
        assert ask(client, group).result


def test_full_server_says_busy_at_once(start_server: Start, group: bytes) -> None:
    """One place for two clients: whoever finds it taken is told when to come again."""
    server = start_server("--max-queue", "1")
    with dial(server) as client, dial(server) as other:
        stop = threading.Event()
        replies: list[v2.Reply] = []

        def keep_it_full() -> None:
            while not stop.is_set():
                replies.append(ask(client, group, pipeline="objects"))

        thread = threading.Thread(target=keep_it_full)
        thread.start()

        def refused() -> bool:
            replies.append(ask(other, group, pipeline="objects"))
            return any(reply.code for reply in replies)

        try:
            assert wait_until(refused, 120)
        finally:
            stop.set()
            thread.join()
        told = [reply for reply in replies if not reply.result]
        assert told and all(reply.code == "busy" and reply.retry_after_ms > 0 for reply in told)
        assert ask(other, group).result


def test_too_large_is_skipped(start_server: Start, two: bytes) -> None:
    server = start_server("--max-image-bytes", "1MiB")
    with dial(server) as client:
        assert client.max_image_bytes == 2**20
        assert ask(client, b"\xff\xd8" + bytes(3 * 2**20)).code == "too_large"
        assert ask(client, two).result


def test_raw_pixels_above_the_limit_are_too_large(start_server: Start) -> None:
    server = start_server("--max-pixels", "10k", "--default-pipeline", "faces")
    with dial(server) as client:
        for kind, part in (("gray8", 2), ("bgr24", 6), ("rgb24", 6), ("nv12", 3)):
            stride = 100 if kind in ("gray8", "nv12") else 300
            sizes = {"kind": kind, "width": 100, "stride": stride}
            assert ask(client, bytes(10000 * part // 2), height=100, **sizes).result
            reply = ask(client, bytes(10200 * part // 2), height=102, **sizes)
            assert reply.code == "too_large" and "10200 pixels, the limit is 10000" in reply.message


@pytest.mark.parametrize("name", [b"\xff\xfe\xc3\xa9", b"\xff" * 255], ids=["short", "long"])
def test_error_texts_are_utf8(server: Server, two: bytes, name: bytes) -> None:
    """The name of a pipeline that is no UTF-8 comes back in the text."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as link, link.makefile("rb") as said:
        link.sendall(HELLO + v2.HEADER.pack(len(two) + 40 + len(name), 1, 0, 0, 7) +
                     v2.REQUEST.pack(40, len(name), 0, 0, 0, 0, 0, -1, -1, *[0] * 6) + name + two)
        for _ in range(2):  # the hello, the error
            head = v2.HEADER.unpack(said.read(v2.HEADER.size))
            kind, body = head[1], said.read(head[0])
        assert kind == 0x83 and name[:4].decode("utf-8", "replace") in body[8:].decode("utf-8")


def test_window_holds_a_blocking_client_back(server: Server, two: bytes) -> None:
    """More than the window sent without reading: nothing is lost, nothing refused."""
    with dial(server, "block", 2) as client:
        ids: list[int] = []
        sender = threading.Thread(target=lambda: ids.extend(client.send(two) for _ in range(200)))
        sender.start()
        replies = gather(client, 200)
        sender.join()
        assert set(replies) == set(ids) and all(reply.result for reply in replies.values())


def test_client_that_does_not_read(server: Server, two: bytes) -> None:
    with dial(server) as deaf:
        deaf.link.settimeout(1)
        sent = 0
        try:
            while sent < 3000:
                deaf.send(b"no image", pipeline="none")
                deaf.control(v2.PING, 1, b"x" * 64)
                sent += 1
        except TimeoutError:
            pass
        with dial(server) as client:
            assert ask(client, two).result
        deaf.link.settimeout(60)


def test_byte_at_a_time(server: Server, two: bytes) -> None:
    with dial(server) as client:
        expected = ask(client, two, pipeline="faces").result
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = v2.REQUEST.pack(40, 5, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0) + b"faces"
        data = HELLO + v2.HEADER.pack(len(head) + len(two), 1, 0, 0, 2**64 - 1) + head
        for byte in data + two[:2000]:
            link.sendall(bytes([byte]))
        link.sendall(two[2000:])
        client = v2.Client.__new__(v2.Client)
        client.input = link.makefile("rb")
        assert client.read_frame()[0] == v2.HELLO
        reply = next(client.replies())
        assert reply.id == 2**64 - 1
        same(reply.result, expected)


@pytest.mark.parametrize("data,code", [
    (struct.pack("<4sHHBBHI", b"SGT2", 3, 9, 0, 0, 0, 0), "unsupported"),
    (struct.pack("<4sHHBBHI", b"SGT2", 2, 2, 7, 0, 0, 0), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 0, 0x55, 0, 0, 1), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 100, 1, 0, 0, 0), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 39, 1, 0, 0, 1), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 2**32 - 1, 1, 0, 0, 1), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 65, 3, 0, 0, 1), "bad_framing"),
    (HELLO + struct.pack("<IBBHQ", 0, 2, 1, 0, 1), "bad_framing")])
def test_malformed_frames_are_told_and_closed(server: Server, data: bytes, code: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as link:
        link.sendall(data + b"junk" * 1000)
        client = v2.Client.__new__(v2.Client)
        client.input = link.makefile("rb")
        replies = list(client.replies())
        assert [(reply.id, reply.code) for reply in replies] == [(0, code)]


def test_id_used_twice_ends_the_connection(server: Server, group: bytes) -> None:
    with dial(server) as client:
        client.send(group, pipeline="objects")
        client.last_id = 0
        client.send(group, pipeline="objects")
        replies = {reply.id: reply for reply in client.replies()}
        assert replies[0].code == "bad_framing" and replies[1].result


def test_fifty_clients(server: Server, group: bytes, two: bytes) -> None:
    failures: list[str] = []
    with dial(server) as client:
        expected = [len(ask(client, image).result["objects"]) for image in (group, two)]

    def run(number: int) -> None:
        try:
            with dial(server) as client:
                ids = {client.send((group, two)[(number + k) % 2], records=bool(k & 1)): (number + k) % 2
                       for k in range(4)}
                for reply in gather(client, 4).values():
                    while reply.code == "busy":  # 200 at once are near the limit of 256
                        reply = ask(client, (group, two)[ids[reply.id]])
                    if not reply.result or len(reply.result["objects"]) != expected[ids[reply.id]]:
                        failures.append(f"{number}: {reply}")
        except (OSError, EOFError, StopIteration, KeyError) as error:
            failures.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_goodbye_and_half_close_answer_what_is_due(server: Server, two: bytes) -> None:
    for end in (lambda c: c.control(v2.GOODBYE), lambda c: c.link.shutdown(socket.SHUT_WR)):
        with dial(server) as client:
            ids = {client.send(two) for _ in range(3)}
            end(client)
            assert {reply.id for reply in client.replies() if reply.result} == ids


def test_client_that_leaves_is_forgotten(server: Server, group: bytes, two: bytes) -> None:
    for _ in range(10):
        client = dial(server)
        for _ in range(5):
            client.send(group, pipeline="objects")
        client.link.sendall(v2.HEADER.pack(100000, 1, 0, 0, 99) + b"half")
        client.close()
    with dial(server) as client:
        assert wait_until(lambda: bool(ask(client, two).result))


def test_stop_says_goodbye(start_server: Start, group: bytes) -> None:
    server = start_server()
    with dial(server) as client, dial(server) as idle:
        ids = {client.send(group) for _ in range(6)}
        first = next(client.replies())
        assert first.result
        server.process.terminate()
        frames = []
        while True:
            try:
                frames.append(client.read_frame())
            except EOFError:
                break
        answered = {id for kind, id, _, _ in frames if kind in (v2.RESULT, v2.ERROR)} | {first.id}
        assert v2.LEAVING in [kind for kind, *_ in frames] and answered <= ids
        assert idle.read_frame()[0] == v2.LEAVING
    assert server.stop() == 0


def test_receive_timeout(start_server: Start, two: bytes) -> None:
    server = start_server("--receive-timeout", "300ms")
    with dial(server) as stalled, dial(server) as idle:
        stalled.link.sendall(v2.HEADER.pack(1000, 1, 0, 0, 5) + b"x")
        assert [(reply.id, reply.code) for reply in stalled.replies()] == [(0, "timeout")]
        assert ask(idle, two).result


def test_connection_limit_is_told(start_server: Start) -> None:
    server = start_server("--max-connections", "1", "--idle-grace", "0")
    with dial(server):
        with pytest.raises(ConnectionError, match="busy"):
            dial(server)


def test_silent_connections_give_way(start_server: Start, two: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--max-connections", "1", "--idle-grace", "300ms")
    with dial(server) as first:
        assert ask(first, two).result
        time.sleep(0.5)
        with dial(server) as second:
            assert ask(second, two).result
            assert first.link.recv(100) == v2.HEADER.pack(0, 0x85, 0, 0, 0)  # leaving, and nothing behind it
            assert first.link.recv(100) == b""


def test_a_line_for_each_frame(start_server: Start, two: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--log-requests", "all")
    with dial(server) as client:
        ids = [client.send(two), client.send(b"junk"), client.send(two, pipeline="nope")]
        gather(client, 3)
    assert server.stop() == 0
    lines = [line for line in server.lines if 'msg="request" protocol=v2' in line]
    said = {re.search(r"\bid=(\d+)", line)[1]: line for line in lines}  # type: ignore[index]
    assert len(lines) == 3 and set(said) == set(map(str, ids))
    for number, code in zip(ids, ("ok", "bad_image", "not_found")):
        assert re.search(rf"level=info .*code={code} ms=\d+\.\d{{3}} in_bytes=\d+ out_bytes=\d+ ", said[str(number)])
    assert 'pipeline="faces" code=ok' in said[str(ids[0])] and f"in_bytes={len(two)} " in said[str(ids[0])]


def test_example_prints_json(server: Server, images: Path) -> None:
    done = subprocess.run(["/usr/bin/python3", str(ROOT / "examples" / "client_v2.py"), "--port", str(server.port),
                           "--records", str(images / "zidane.jpg"), str(ROOT / "LICENSE")],
                          capture_output=True, text=True, timeout=120, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and len(lines) == 2
    assert {len(line.get("objects", [])) > 0 for line in lines} == {True, False}


def test_clients_that_go_while_replies_are_ready(start_server: Start, two: bytes) -> None:
    """Replies of one connection come back together and the first cannot be sent: none may be dropped twice."""
    server = start_server("--default-pipeline", "faces", "--workers", "8")
    for turn in range(150):
        client = dial(server)
        for _ in range(16):
            client.send(two[:500])  # no picture any more: many are answered at once
        if turn % 2:
            client.read_frame()
        client.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    with dial(server) as client:
        assert ask(client, two).result
    assert server.stop() == 0
