# SPDX-License-Identifier: MIT
"""What an owner does to a running server, and what must not stop it: logs that nobody reads, reloads beside senders
that take their time.

No time is asserted but that a thing ends at all. Counts are held against each other: what was asked against what was
logged, dropped and answered.
"""
from __future__ import annotations

import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import BIN, READY_SECONDS, ROOT, Server, wait_until
from test_v2 import HELLO, v2

Start = Callable[..., Server]


class Unread:
    """A server whose standard output and error go into one pipe, of which only the first line is read."""

    def __init__(self, *args: str) -> None:
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen([str(BIN), "serve", "--listen", "127.0.0.1:0", *args], cwd=ROOT, stdout=writer,
                                        stderr=writer, stdin=subprocess.DEVNULL)
        os.close(writer)
        said = b""
        while b"listening on" not in said or not said.endswith(b"\n"):
            more = os.read(self.reader, 4096)
            assert more, said
            said += more
        match = re.search(rb"127\.0\.0\.1:(\d+)", said)
        assert match
        self.said, self.port = said, int(match[1])

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        link.request(method, path, body)
        answer = link.getresponse()
        text = answer.read()
        link.close()
        assert answer.status == 200, (answer.status, text)
        return text

    def dropped(self) -> int:
        match = re.search(rb"\nsightd_log_lines_dropped_total (\d+)\n", self.ask("GET", "/metrics"))
        assert match
        return int(match[1])

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.reader)


@pytest.fixture(name="start_unread")
def start_unread_server(sight: Path) -> Iterator[Callable[..., Unread]]:
    del sight
    started: list[Unread] = []

    def start(*args: str) -> Unread:
        started.append(Unread(*args))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def fill(port: int, requests: int) -> None:
    """Each of them makes a line of the debug log."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
    for i in range(requests):
        link.request("GET", "/livez", headers={"X-Request-Id": f"filling-{i}"})
        answer = link.getresponse()
        answer.read()
        assert answer.status == 200
    link.close()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_logs_that_nobody_reads(start_unread: Callable[..., Unread], images: Path, form: str) -> None:
    """The pipe is full and stays full: the server works on, counts what it could not say, and says so later."""
    server = start_unread("--log-level", "debug", "--log-format", form, "--pipelines", "pipelines/faces.yaml")
    count = 3000
    fill(server.port, count)
    dropped = server.dropped()
    assert dropped > 0
    picture = (images / "zidane.jpg").read_bytes()
    assert json.loads(server.ask("POST", "/v1/infer", picture))["objects"]
    assert json.loads(server.ask("POST", "/v1/reload"))["reloaded"] is True
    assert server.dropped() > dropped
    text = bytearray()

    def read() -> None:
        while more := os.read(server.reader, 65536):
            text.extend(more)

    thread = threading.Thread(target=read)  # someone reads at last
    thread.start()
    assert wait_until(lambda: bool(server.ask("GET", "/livez")) and b"were dropped" in text, READY_SECONDS)
    dropped = server.dropped()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(READY_SECONDS) == 0
    thread.join(READY_SECONDS)
    assert not thread.is_alive()
    lines = [line for line in text.decode().splitlines() if "level" in line]
    assert all(line.startswith("{" if form == "json" else "ts=") for line in lines)
    if form == "json":
        told = sum(row["lines"] for row in map(json.loads, lines) if "were dropped" in row["msg"])
    else:
        told = sum(int(row.split("lines=")[1]) for row in lines if "were dropped" in row)
    assert told == dropped
    # What was not dropped is there, in order, up to where dropping began.
    kept = [int(number) for number in re.findall(r"filling-(\d+)", "\n".join(lines))]
    assert kept[:100] == list(range(100)) and kept == sorted(set(kept)) and len(kept) < count


def test_a_stop_that_nobody_reads(start_unread: Callable[..., Unread]) -> None:
    server = start_unread("--log-level", "debug", "--pipelines", "pipelines/faces.yaml")
    fill(server.port, 3000)
    assert server.dropped() > 0
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(READY_SECONDS) == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_started_without_standard_files(sight: Path, tmp_path: Path, closed: tuple[int, ...]) -> None:
    """Shells do it with <&- and >&-. Which port it got is then said nowhere but in /proc."""
    shell = " ".join(['exec "$0" "$@"', *(f"{fd}>&-" for fd in closed)])
    with open(tmp_path / "said", "wb") as said:
        process = subprocess.Popen(["sh", "-c", shell, sight, "serve", "--listen", "127.0.0.1:0"], cwd=ROOT,
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        def catches_terminate() -> bool:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            caught = re.search(r"SigCgt:\s+(\w+)", status)
            return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

        assert wait_until(catches_terminate, READY_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(READY_SECONDS) == 0, (tmp_path / "said").read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


def reload(server: Server) -> int:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS)
    link.request("POST", "/v1/reload")
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.status


def test_a_reload_says_which_folder_took_the_place(start_server: Start, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines" / "objects.yaml", tmp_path / "pipelines" / "mine.yaml")
    server = start_server(cwd=tmp_path)

    def notes() -> list[str]:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS)
        link.request("POST", "/v1/reload")
        answer = json.loads(link.getresponse().read())
        link.close()
        return answer["notes"]

    assert notes() == []
    (tmp_path / "pipelines").rename(tmp_path / "elsewhere")
    (note,) = notes()
    assert re.fullmatch(r'pipelines come from ".+/pipelines" now, no longer from "pipelines"', note)
    assert notes() == []
    assert server.stop() == 0


def test_no_more_connections_than_descriptors(start_server: Start) -> None:
    """60 clients, 40 descriptors: each connection that was taken can speak HTTP, the others are told or wait."""
    server = start_server("--default-pipeline", "faces", "--max-connections-per-address", "4096", descriptors=40)
    told = re.search(r"for want of descriptors\" connections=(\d+) max_connections=4096 descriptors=40 ",
                     "".join(server.lines))
    assert told
    most = int(told[1])
    assert 1 <= most < 20
    links = [socket.create_connection(("127.0.0.1", server.port), READY_SECONDS) for _ in range(60)]
    for link in links:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    said = []
    for link in links:
        said.append(link.recv(4096)[:12])
        if b" 503" in said[-1]:
            link.close()  # those that wait are taken when the refused have gone
    assert said.count(b"HTTP/1.1 200") == most and said.count(b"HTTP/1.1 503") == 60 - most
    for link in links:
        link.close()
    assert server.stop() == 0 and not any("cannot accept" in line for line in server.lines)


def test_as_many_descriptors_as_the_system_allows(start_server: Start) -> None:
    """Soft limit 40, hard limit 400. 24 are the server's own and each place takes one: 376 places, the usual 64 of them
    for clients that are turned away. 300 places and those 64 fit, and nothing is said."""
    server = start_server("--default-pipeline", "faces", descriptors="40:400")
    limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="ascii")
    assert re.search(r"^Max open files +400 +400 ", limits, re.MULTILINE), limits
    assert ('for want of descriptors" connections=312 max_connections=4096 descriptors=400 '
            'hint="raise ulimit -n"\n') in "".join(server.lines)
    assert server.stop() == 0
    server = start_server("--default-pipeline", "faces", "--max-connections", "300", "--max-connections-per-address",
                          "300", descriptors="40:400")
    links = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS) for _ in range(300)]
    for link in links:
        link.request("GET", "/livez")
        assert link.getresponse().read() == b"ok\n"
    for link in links:
        link.close()
    assert server.stop() == 0 and not any("descriptors" in line for line in server.lines)


@pytest.mark.parametrize("protocol", ["v2", "http"])
def test_reloads_beside_slow_senders(start_server: Start, images: Path, protocol: str) -> None:
    """Two reloads and a third while pictures arrive for pipelines of before each of them: all are served. On a busy
    machine three reloads take longer than a sender is waited for by default."""
    server = start_server("--default-pipeline", "faces", "--receive-timeout", "300s")
    picture = (images / "zidane.jpg").read_bytes()
    size = len(picture)
    head = {
        "v2": HELLO + v2.HEADER.pack(size + 40, 1, 0, 0, 1) + v2.REQUEST.pack(40, 0, 0, 0, 0, 0, 0, -1, -1, *[0] * 6),
        "http": b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size,
    }[protocol]
    links = []
    for _ in range(3):
        link = socket.create_connection(("127.0.0.1", server.port), READY_SECONDS)
        link.sendall(head + picture[:size // 2])
        links.append(link)
        assert reload(server) == 200
    for link in links:
        link.sendall(picture[size // 2:])
        said = b""
        while b'"objects":[' not in said:
            more = link.recv(65536)
            assert more, said
            said += more
        link.close()
    assert server.stop() == 0


def test_without_descriptors_it_says_so_once_and_goes_on(start_server: Start, images: Path) -> None:
    """getrlimit(2), RLIMIT_NOFILE: accept fails with EMFILE until others have gone."""
    server = start_server("--default-pipeline", "faces")
    pid = server.process.pid
    most = len(os.listdir(f"/proc/{pid}/fd")) + 8
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
    links = [socket.create_connection(("127.0.0.1", server.port), READY_SECONDS) for _ in range(30)]

    def complaints() -> int:
        return sum("cannot accept connections" in line for line in server.lines)

    assert wait_until(lambda: complaints() > 0, READY_SECONDS)
    time.sleep(1.5)  # it tries again every 0.2 s
    assert complaints() == 1
    for link in links:
        link.close()
    picture = (images / "zidane.jpg").read_bytes()
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS)
    link.request("POST", "/v1/infer", picture)
    assert link.getresponse().status == 200
    link.close()
    assert server.stop() == 0


def test_reload_says_what_waits_for_a_restart(start_server: Start, tmp_path: Path) -> None:
    """What runs is what the server was started with, however often the file changed since."""
    settings = tmp_path / "sightd.yaml"
    settings.write_text("receive_timeout: 3s\n", encoding="utf-8")
    server = start_server("--config", str(settings), "--pipelines", "pipelines/faces.yaml")

    def notes() -> str:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=READY_SECONDS)
        link.request("POST", "/v1/reload")
        answer = link.getresponse()
        text = answer.read().decode()
        link.close()
        assert answer.status == 200, text
        return text

    assert "restart" not in notes()
    settings.write_text("receive_timeout: 3s\nmax_queue: 5\n", encoding="utf-8")
    for _ in range(2):  # also when nothing has changed since the last time
        assert "max_queue stays 256 until a restart makes it 5" in notes()
    settings.write_text("receive_timeout: 3s\n", encoding="utf-8")
    assert "restart" not in notes()
