# SPDX-License-Identifier: MIT
"""The seed protocol from outside: a client after docs/PROTOCOL.md alone against the real binary with real models.

What is expected: four people in people.jpg is what the picture shows (counted by eye), and
the answer must not depend on how the bytes travel, so every other way is compared with the plainest one. Answers
against goldens, and a thousand of them in a row: test_independent_client.py.
"""
from __future__ import annotations

import contextlib
import io
import json
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import BIN, ROOT, Server, sanitized, wait_until

Start = Callable[..., Server]


def dial(server: Server, seconds: float = 60) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", server.port), timeout=seconds)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def frame(image: bytes) -> bytes:
    return struct.pack("i", len(image)) + image


class Replies:
    """Replies have no length: each is complete when it parses."""

    def __init__(self, link: socket.socket) -> None:
        self.link, self.data, self.json = link, "", json.JSONDecoder()

    def next(self) -> dict[str, Any]:
        while True:
            try:
                reply, end = self.json.raw_decode(self.data)
            except ValueError:
                part = self.link.recv(65536)
                if not part:
                    raise EOFError(self.data) from None
                self.data += part.decode()
                continue
            self.data = self.data[end:]
            return reply  # type: ignore[no-any-return]

    def at_end(self) -> bool:
        return not self.data and self.link.recv(65536) == b""


def ask(server: Server, image: bytes) -> dict[str, Any]:
    with dial(server) as link:
        link.sendall(frame(image))
        return json.loads(link.recv(65536))  # type: ignore[no-any-return]


def code(reply: dict[str, Any]) -> str | None:
    assert set(reply) <= {"object_list", "error"}
    if "error" in reply:
        assert reply["object_list"] == {"object_num": 0}
        assert reply["error"]["message"]
        return reply["error"]["code"]  # type: ignore[no-any-return]
    found = reply["object_list"]
    assert set(found) - {"truncated", "object_total"} == {"object_num"} | {f"object{i}"
                                                                           for i in range(found["object_num"])}
    return None


@pytest.fixture(name="group", scope="module")
def group_bytes(images: Path) -> bytes:
    return (images / "people.jpg").read_bytes()


@pytest.fixture(name="two", scope="module")
def two_bytes(images: Path) -> bytes:
    return (images / "zidane.jpg").read_bytes()


def test_plain_client(server: Server, group: bytes) -> None:
    reply = ask(server, group)
    assert code(reply) is None
    found = reply["object_list"]
    rows = [found[f"object{i}"] for i in range(found["object_num"])]
    assert sum(row["name"] == "person" and row["objectness"] > 0.5 for row in rows) == 4
    scores = [row["objectness"] for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] <= 1
    for row in rows:
        box = row["bbox"]
        assert 0 <= box["x"] and box["x"] + box["w"] <= 1200 and 0 <= box["y"] and box["y"] + box["h"] <= 800


def test_byte_at_a_time(server: Server, images: Path) -> None:
    image = (images / "small.jpg").read_bytes()
    with dial(server) as link:
        for byte in frame(image):
            link.send(bytes([byte]))
        slow = Replies(link).next()
    assert slow == ask(server, image)


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 7])
def test_split_near_the_length(server: Server, two: bytes, first: int) -> None:
    data = frame(two)
    with dial(server) as link:
        replies = Replies(link)
        for _ in range(2):  # the first frame of a connection is sniffed, the second is not
            link.sendall(data[:first])
            time.sleep(0.05)
            link.sendall(data[first:])
            assert replies.next() == ask(server, two)


def test_pipelined_replies_keep_their_order(server: Server, group: bytes, two: bytes) -> None:
    expected = {image: ask(server, image) for image in (group, two, b"junk")}
    order = [(group, two, two, b"junk")[i * 7 % 4] for i in range(120)]  # more than is read ahead
    with dial(server) as link:
        sender = threading.Thread(target=lambda: [link.sendall(frame(image)) for image in order])
        sender.start()
        replies = Replies(link)
        for image in order:
            assert replies.next() == expected[image]
        sender.join()


def test_fifty_clients_at_once(server: Server, group: bytes, two: bytes) -> None:
    expected = {image: ask(server, image) for image in (group, two)}
    failures: list[str] = []

    def client(number: int) -> None:
        try:
            image = (group, two)[number % 2]
            with dial(server, 120) as link:
                replies = Replies(link)
                for _ in range(4):
                    link.sendall(frame(image))
                    if replies.next() != expected[image]:
                        failures.append(f"client {number}: another answer")
        except (OSError, EOFError) as error:
            failures.append(f"client {number}: {error!r}")

    clients = [threading.Thread(target=client, args=(i,)) for i in range(50)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not failures


def test_undecodable_image_leaves_the_connection_alive(server: Server, two: bytes) -> None:
    with dial(server) as link:
        replies = Replies(link)
        for junk in (b"x", b"this is no image", two[:2000][::-1]):
            link.sendall(frame(junk))
            assert code(replies.next()) in ("bad_image", "unsupported")
        link.sendall(frame(two))
        assert code(replies.next()) is None


@pytest.mark.parametrize("length,expected", [(0, "empty_image"), (-1, "bad_framing"), (-2**31, "bad_framing"),
                                             (64 * 2**20 + 1, "too_large"), (512 * 2**20, "too_large")])
def test_bad_length_is_answered_and_closed(server: Server, two: bytes, length: int, expected: str) -> None:
    with dial(server) as link:
        link.sendall(frame(two) + struct.pack("i", length) + b"junk" * 50000)  # all sent before anything is read
        replies = Replies(link)
        assert code(replies.next()) is None
        assert code(replies.next()) == expected
        assert replies.at_end()


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")  # the first bytes of a JFIF file


def hello(record: int = 512, version: int = 3) -> bytes:
    """A ClientHello as RFC 8446 (5.1, 4) frames it: header of the record, of the message, its version."""
    body = bytes([3, version]) + bytes(range(32)) + bytes(record - 38)
    return b"\x16\x03\x01" + struct.pack(">H", record) + b"\x01" + struct.pack(">I", len(body))[1:] + body


def padded(size: int) -> bytes:
    return JPEG + bytes(size - len(JPEG))


STRANGERS = {
    "TLS": (hello(), "TLS"), "TLS above the limit": (hello(1736), "TLS"), "TLS 1.0": (hello(200, 1), "TLS"),
    **{f">I {size}": (struct.pack(">I", size) + padded(size), "big-endian")
       for size in (5000, 65536, 100096, 100100, 100224, 2**20)},
    "<Q": (struct.pack("<Q", 5000) + padded(5000), "64-bit"), ">Q": (struct.pack(">Q", 5000) + padded(5000), "64-bit"),
    "<Q of no picture": (struct.pack("<Q", 5000) + b"\1" * 4992 + struct.pack("<Q", 9), "64-bit"),
    "<H": (struct.pack("<H", 5000) + padded(5000), "16-bit"), "ASCII line": (b"5000\n" + padded(5000), "ASCII"),
    "ASCII padded": (b"5000".ljust(16) + padded(5000), "ASCII"), "text": (b"hello, server\n", "text"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "text"), "JSON": (b'{"image":"x"}', "JSON"),
    "no length": (padded(5000), "JPEG came without its length"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_seed_frame_is_named(server: Server, name: str) -> None:
    sent, said = STRANGERS[name]
    with dial(server) as link:
        began = time.monotonic()
        link.sendall(sent)
        replies, reply = Replies(link), {}
        with contextlib.suppress(EOFError):
            while True:
                reply = replies.next()  # the last one tells: pieces of a picture may have been taken for frames
        assert time.monotonic() - began < 15  # receive_timeout would take 30
        assert reply["error"]["code"] in ("bad_framing", "too_large", "empty_image")
        assert said in reply["error"]["message"]
    assert wait_until(lambda: any("does not speak seed frames" in line and said in line for line in server.lines))


def test_a_tls_client_is_told_apart(server: Server) -> None:
    """Python's own, as a browser that was given https://."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    began = time.monotonic()
    with dial(server) as link, pytest.raises(OSError):
        context.wrap_socket(link)
    assert time.monotonic() - began < 15
    assert wait_until(lambda: any("TLS ClientHello" in line for line in server.lines))


def test_legal_lengths_that_look_like_something_else(server: Server) -> None:
    """Pictures padded to such lengths, sent slowly: zeros behind the end of a JPEG belong to no picture."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(out, "JPEG")
    said: dict[bytes, str | None] = {}

    def send(begin: bytes) -> None:
        picture = out.getvalue() + bytes(struct.unpack("<i", begin)[0] - len(out.getvalue()))
        with dial(server) as link:
            link.sendall(begin)
            time.sleep(1.6)  # longer than the silence after which a foreign length is named
            for start, end in ((0, 7), (7, 5000), (5000, len(picture) - 1), (len(picture) - 1, None)):
                link.sendall(picture[start:end])
                time.sleep(1.6)
            said[begin] = code(Replies(link).next())

    begins = [b"\x16\3\1\0", b"\0\1\x87\0", b"\0\1\1\0", b"\x80\x2e\1\0", b"BM\x36\0", b"II*\0"]
    senders = [threading.Thread(target=send, args=(begin,)) for begin in begins]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert said == dict.fromkeys(begins)


def test_the_log_times_an_error_of_the_connection(start_server: Start) -> None:
    server = start_server("--log-level", "debug", "--default-pipeline", "faces")
    with dial(server) as link:
        link.sendall(struct.pack("<i", -1))
        assert link.recv(65536)
    assert server.stop() == 0
    times = [int(line.rsplit("us=", 1)[1]) for line in server.lines if "code=bad_framing" in line]
    assert len(times) == 1 and times[0] < 60_000_000


def test_client_that_leaves_in_the_middle_is_forgotten(server: Server, group: bytes, two: bytes) -> None:
    for end in (1, 3, 4, 5, len(group) // 2):
        link = dial(server)
        link.sendall(frame(group)[:end])
        link.close()
        link = dial(server)
        link.sendall(frame(group) + frame(group)[:end])
        link.close()
    assert code(ask(server, two)) is None


def test_half_closed_client_gets_its_replies(server: Server, two: bytes) -> None:
    expected = ask(server, two)
    with dial(server) as link:
        link.sendall(frame(two) * 3)
        link.shutdown(socket.SHUT_WR)
        replies = Replies(link)
        assert [replies.next() for _ in range(3)] == [expected] * 3
        assert replies.at_end()


def test_stalled_frame_times_out_and_idle_connection_lives(start_server: Start, two: bytes) -> None:
    server = start_server("--receive-timeout", "300ms")
    with dial(server) as idle, dial(server) as stalled:
        stalled.sendall(frame(two)[:100])
        replies = Replies(stalled)
        assert code(replies.next()) == "timeout"
        assert replies.at_end()
        time.sleep(0.5)
        idle.sendall(frame(two))
        assert code(Replies(idle).next()) is None


def test_connection_limit_is_told(start_server: Start, two: bytes) -> None:
    server = start_server("--max-connections", "2", "--idle-grace", "0")
    with dial(server) as a, dial(server) as b:
        for link in (a, b):
            link.sendall(frame(two))
            assert code(Replies(link).next()) is None
        assert code(ask(server, two)) == "busy"
    assert wait_until(lambda: code(ask(server, two)) is None)


def test_slow_senders_and_idle_clients_hold_little_memory(start_server: Start, two: bytes) -> None:
    server = start_server()
    ask(server, two)
    before = server.settled_rss_kib()
    links = [dial(server) for _ in range(200)]
    for link in links:
        link.sendall(struct.pack("i", 64 * 2**20) + b"\xff\xd8\xff")  # 64 MiB promised, three bytes sent
    assert code(ask(server, two)) is None
    # 12.5 GiB were promised; each costs one page of what arrived, its buffer's first step untouched.
    if not sanitized():
        assert server.rss_kib() - before < 40 * 1024
    for link in links:
        link.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_answers_what_was_admitted(start_server: Start, group: bytes, number: int) -> None:
    server = start_server()
    expected = ask(server, group)
    with dial(server) as link, dial(server) as idle:
        link.sendall(frame(group) * 8)
        replies = Replies(link)
        assert replies.next() == expected  # so the rest is admitted, or will be told
        server.process.send_signal(number)
        rest = []
        while True:
            try:
                rest.append(replies.next())
            except EOFError:
                break
        assert rest and all(reply == expected or code(reply) == "shutting_down" for reply in rest)
        assert Replies(idle).at_end()
    assert server.stop(number) == 0


def test_stop_does_not_wait_for_idle_clients(start_server: Start) -> None:
    server = start_server("--drain-timeout", "10m")
    with dial(server):
        assert server.stop() == 0


def test_busy_port_is_a_clear_error(server: Server) -> None:
    address = f"127.0.0.1:{server.port}"
    second = subprocess.run([str(BIN), "serve", "--listen", address], cwd=ROOT, text=True, capture_output=True,
                            timeout=60, check=False)
    assert second.returncode != 0
    said = second.stdout + second.stderr
    assert address in said and "in use" in said and "--listen" in said


def test_every_public_image_is_answered(server: Server, images: Path) -> None:
    with dial(server) as link:
        replies = Replies(link)
        for path in sorted(images.rglob("*")):
            if path.is_file() and path.stat().st_size > 0:
                link.sendall(frame(path.read_bytes()))
                reply = replies.next()
                assert code(reply) is None or reply["error"]["code"] in ("bad_image", "unsupported", "too_large"), path
