# SPDX-License-Identifier: MIT
"""HTTP and the server as a whole: many clients, limits, reloads, the end, logs.

What is expected comes from docs/PROTOCOL.md.
"""
from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Server, wait_until
from http_client import Answer, ask, at_end, connect, dial, post, response

Start = Callable[..., Server]


@pytest.fixture(name="server", scope="module")
def server_of_faces(faces_server: Server) -> Server:
    return faces_server


def test_fifty_clients(server: Server, small: bytes) -> None:
    expected = post(server, small, "?timing=false", X_Request_Id="x").json()
    failures: list[Any] = []

    def client() -> None:
        link = connect(server)
        for _ in range(4):
            link.request("POST", "/v1/infer?timing=false", small, {"X-Request-Id": "x"})
            answer = Answer(link.getresponse())
            if answer.status != 200 or answer.json() != expected:
                failures.append(answer.body)

    threads = [threading.Thread(target=client) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    assert not failures


def test_busy_is_told(start_server: Start, group: bytes) -> None:
    """Two places for sixteen clients: those that find none are told when to come again."""
    server = start_server("--max-queue", "2", "--workers", "1")
    statuses: list[int] = []

    def client() -> None:
        answer = post(server, group)
        statuses.append(answer.status)
        if answer.status != 200:
            assert answer.error(503, "busy") and int(answer.headers["Retry-After"]) >= 1

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(statuses) == 16 and statuses.count(200) >= 2 and statuses.count(503) >= 1
    assert post(server, group).status == 200
    refused = start_server("--max-connections", "1", "--idle-grace", "0")
    with dial(refused):
        assert wait_until(lambda: ask(refused, "GET", "/livez").error(503, "busy") != "")


def test_deadlines(server: Server, group: bytes) -> None:
    for _ in range(5):
        assert post(server, group, "?deadline_ms=60000").status == 200
    answer = post(server, group, "?deadline_ms=1")
    assert answer.error(503, "deadline_exceeded") and int(answer.headers["Retry-After"]) >= 1


def test_clients_that_leave(server: Server, group: bytes) -> None:
    """Their work is dropped and counted, and nothing of them remains."""
    def count(name: str) -> int:
        text = ask(server, "GET", "/metrics").body.decode()
        return sum(int(n) for n in re.findall(rf"^{name}(?:{{protocol=\"http\".*}})? (\d+)$", text, re.M))

    def jobs() -> tuple[int, int, int]:
        return count("sightd_jobs_total"), count("sightd_requests_total"), count("sightd_jobs_dropped_total")

    before = jobs()
    for kind in range(30):
        link = dial(server)
        link.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group) + group)
        if kind % 2:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
        link.close()

    def left() -> bool:
        text = ask(server, "GET", "/metrics").body.decode()
        return "\nsightd_connections 1\n" in text and "\nsightd_jobs_admitted 0\n" in text

    assert wait_until(left, 30)
    taken, answered, dropped = (after - was for after, was in zip(jobs(), before))
    assert taken == answered + dropped and dropped > 0, (taken, answered, dropped)
    assert post(server, group).status == 200


def recipe(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "faces.yaml").write_text(text, encoding="utf-8")
    return folder


GOOD = "detect: { model: blazeface }\n"


def test_reload(start_server: Start, tmp_path: Path, small: bytes) -> None:
    pipes = recipe(tmp_path / "pipelines", GOOD)
    settings = tmp_path / "sightd.yaml"
    text = f"pipelines: [{pipes}]\nmodels: [{ROOT / 'models'}]\ndefault_pipeline: faces\n"
    settings.write_text(text, encoding="utf-8")
    server = start_server("--config", str(settings))

    def names() -> set[str]:
        return {p["name"] for p in ask(server, "GET", "/v1/pipelines").json()["pipelines"]}

    assert names() == {"faces"}
    (pipes / "more.yaml").write_text(GOOD, encoding="utf-8")
    assert ask(server, "POST", "/v1/reload").json()["reloaded"] is True
    assert names() == {"faces", "more"}
    (pipes / "third.yaml").write_text(GOOD, encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: names() == {"faces", "more", "third"})
    # A bad file changes nothing and is named by place.
    (pipes / "third.yaml").write_text("detect:\n  model: blazeface\n  treshold: 0.5\n", encoding="utf-8")
    message = ask(server, "POST", "/v1/reload").error(422, "bad_config")
    assert "third.yaml:3:3" in message and "threshold" in message
    assert names() == {"faces", "more", "third"} and post(server, small, "?pipeline=third").status == 200
    assert wait_until(lambda: any("third.yaml:3:3" in line for line in server.lines))
    (pipes / "third.yaml").write_text("detect: { model: blazefase }\n", encoding="utf-8")
    assert "blazeface" in ask(server, "POST", "/v1/reload").json()["error"]["message"]
    settings.write_text(text + "max_quue: 7\n", encoding="utf-8")
    (pipes / "third.yaml").unlink()
    assert "sightd.yaml:4:1" in ask(server, "POST", "/v1/reload").error(422, "bad_config")
    settings.write_text(text + "max_queue: 7\n", encoding="utf-8")
    assert "max_queue" in ask(server, "POST", "/v1/reload").json()["notes"][0]
    assert names() == {"faces", "more"}
    post(server, small, "?pipeline=third").error(404, "not_found")
    assert server.stop() == 0


def test_reload_under_load(start_server: Start, tmp_path: Path, small: bytes) -> None:
    """Four clients send while 50 reloads swap everything: nothing is lost, every answer is right."""
    pipes = recipe(tmp_path / "pipelines", GOOD)
    server = start_server("--pipelines", str(pipes), "--default-pipeline", "faces")
    expected = post(server, small, "?timing=false", X_Request_Id="x").json()
    stop = threading.Event()
    counts, failures = [0] * 4, []

    def client(index: int) -> None:
        link = connect(server)
        while not stop.is_set():
            link.request("POST", "/v1/infer?timing=false", small, {"X-Request-Id": "x"})
            answer = Answer(link.getresponse())
            counts[index] += 1
            if answer.status != 200 or answer.json() != expected:
                failures.append(answer.body)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        assert ask(server, "POST", "/v1/reload").json()["reloaded"] is True
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not failures and min(counts) > 10
    assert 'sightd_reloads_total{result="ok"} 50' in ask(server, "GET", "/metrics").body.decode()
    assert server.stop() == 0


def test_stopping_answers_what_was_admitted(start_server: Start, group: bytes) -> None:
    server = start_server("--workers", "1", "--default-pipeline", "faces")
    links = [dial(server) for _ in range(6)]
    for link in links:
        link.sendall(b"POST /v1/infer?pipeline=faces HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group)
                     + group)
    idle = dial(server)
    idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert response(idle, "GET").status == 200
    half = dial(server)
    half.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")

    def admitted() -> bool:
        text = ask(server, "GET", "/metrics").body.decode()
        return int(re.search(r"\nsightd_jobs_total (\d+)\n", text)[1]) == 6  # type: ignore[index]

    assert wait_until(admitted)
    server.process.send_signal(signal.SIGTERM)
    for link in links:
        answer = response(link)
        assert answer.status == 200 and len(answer.json()["objects"]) == 4
        assert at_end(link)
    assert response(half).error(503, "shutting_down")
    assert at_end(idle)
    half.close()
    assert server.stop() == 0


def test_signals_until_the_end(start_server: Start) -> None:
    """Whoever asks again while an idle server is already ending still sees it end well."""
    server = start_server("--default-pipeline", "faces")
    sent = 0
    while server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        sent += 1
        time.sleep(0.0005)
    assert sent > 1
    assert server.stop() == 0


def test_replies_nobody_reads(start_server: Start, group: bytes) -> None:
    """A client that asks for large replies and reads none is closed, and others are served meanwhile."""
    server = start_server("--send-timeout", "500ms")
    request = b"POST /v1/infer?annotate=png HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group) + group
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", server.port))
        link.settimeout(60)
        with pytest.raises(OSError):
            link.sendall(request * 40)  # more than all buffers between us hold
        assert post(server, group).status == 200

        def closed() -> bool:
            return "\nsightd_connections 1\n" in ask(server, "GET", "/metrics").body.decode()

        assert wait_until(closed, 20)


def test_logs_as_json(start_server: Start, small: bytes) -> None:
    """Every line after the announcement is one JSON object; the client's request id is in it."""
    server = start_server("--log-format", "json", "--log-level", "debug")
    assert post(server, small, X_Request_Id="find-me").status == 200
    ask(server, "GET", '/a"b\\%0Ac')  # as it came
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert len(lines) >= 4 and all(line["ts"] and line["level"] and line["msg"] for line in lines)
    mine = [line for line in lines if line.get("id") == "find-me"]
    assert mine and mine[0]["status"] == 200 and mine[0]["route"] == "/v1/infer" and mine[0]["in_bytes"] == len(small)
    assert any(line.get("route") == '/a"b\\%0Ac' for line in lines)


def test_seed_frames_beside_http(server: Server, small: bytes) -> None:
    with dial(server) as link:
        link.sendall(len(small).to_bytes(4, "little") + small)
        assert "object_list" in json.loads(link.recv(65536))
    assert post(server, small).status == 200
