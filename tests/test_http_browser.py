# SPDX-License-Identifier: MIT
"""HTTP as browsers, proxies and operators meet it: CORS, cross-site reloads, PUT, health, the line of a request, the
delay before the end.

What is expected comes from the Fetch standard (3.2, CORS protocol), Private Network Access, Fetch Metadata, and
docs/PROTOCOL.md.
"""
from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Server, sanitized, wait_until
from http_client import Answer, ask, connect, dial, post, response

Start = Callable[..., Server]
PAGE = "http://localhost:3000"


@pytest.fixture(name="server", scope="module")
def server_of_faces(faces_server: Server) -> Server:
    return faces_server


def preflight(server: Server, path: str, origin: str = PAGE, method: str = "POST", **more: str) -> Answer:
    return ask(server, "OPTIONS", path, None, Origin=origin, Access_Control_Request_Method=method, **more)


def cors(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


def test_without_the_setting_nothing_is_said(server: Server) -> None:
    answers = [ask(server, "OPTIONS", "/v1/infer", None, Origin=PAGE, Access_Control_Request_Method="POST"),
               post(server, b"no picture", Origin=PAGE), ask(server, "GET", "/livez", Origin=PAGE)]
    assert [a.status for a in answers] == [405, 422, 200]
    for answer in answers:
        assert not cors(answer) and answer.headers["Vary"] is None and answer.headers["Timing-Allow-Origin"] is None


def test_a_list_of_origins(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces", "--cors-origins", PAGE + ",https://app.example",
                          "--cors-max-age", "5m", "--max-image-bytes", "64KiB")
    answer = preflight(server, "/v1/infer", Access_Control_Request_Headers="content-type, x-request-id")
    assert answer.status == 204 and answer.body == b""
    assert cors(answer) == {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "POST, PUT",
                            "Access-Control-Allow-Headers": "content-type, x-request-id",
                            "Access-Control-Max-Age": "300"}
    assert "Origin" in answer.headers.get_all("Vary")
    assert cors(preflight(server, "/v1/infer", Access_Control_Request_Private_Network="true"))[
        "Access-Control-Allow-Private-Network"] == "true"
    assert cors(preflight(server, "/metrics", method="GET"))["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert cors(preflight(server, "/nowhere"))["Access-Control-Allow-Origin"] == PAGE  # so that the page sees the 404
    evil = preflight(server, "/v1/infer", Access_Control_Request_Headers="a;b")
    assert cors(evil)["Access-Control-Allow-Headers"] == "Content-Type, X-Request-Id"
    refused = preflight(server, "/v1/infer", "http://other.example")
    assert "cors_origins" in refused.error(403, "invalid_argument") and not cors(refused)
    # Answers, and errors wherever they are made: by the handler, before the body, in the middle of it.
    wanted = {"Access-Control-Allow-Origin": PAGE,
              "Access-Control-Expose-Headers": "X-Request-Id, Server-Timing, Retry-After, Allow"}
    answers = [ask(server, "GET", "/livez", Origin=PAGE), ask(server, "GET", "/nowhere", Origin=PAGE),
               post(server, b"no picture", Origin=PAGE), post(server, b"x", "?threshold=7", Origin=PAGE),
               ask(server, "DELETE", "/v1/infer", Origin=PAGE)]
    with dial(server) as link:
        link.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nContent-Length: 999999\r\n\r\nabc" %
                     PAGE.encode())
        answers.append(response(link))
    with dial(server) as link:
        link.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"20000\r\n" % PAGE.encode() + bytes(0x20000))
        answers.append(response(link))
    assert [a.status for a in answers] == [200, 404, 422, 400, 405, 413, 413]
    for answer in answers:
        assert cors(answer) == wanted and answer.headers["Timing-Allow-Origin"] == PAGE
        assert answer.headers["Vary"] == "Origin"
    for origin in ("http://localhost:3001", "http://localhost", "null", "https://localhost:3000", PAGE + ".evil"):
        answer = ask(server, "GET", "/livez", Origin=origin)
        assert answer.status == 200 and not cors(answer) and answer.headers["Vary"] == "Origin"
    assert ask(server, "GET", "/livez").headers["Vary"] == "Origin"  # a cache must not give it to a page


def test_pages_may_read_that_there_is_no_place(start_server: Start) -> None:
    server = start_server("--cors-origins", PAGE, "--max-connections", "1", "--idle-grace", "1h")
    first = connect(server)
    first.request("GET", "/livez")
    assert Answer(first.getresponse()).status == 200
    answer = post(server, b"x" * 100, Origin=PAGE)
    assert answer.error(503, "busy") and answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert not cors(post(server, b"x\r\nOrigin: " + PAGE.encode() + b"\r\n", Origin="http://other.example"))
    first.close()


def test_every_origin(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces", "--cors-origins", "*")
    for origin in (PAGE, "null", "https://anything.example"):
        assert cors(preflight(server, "/v1/infer", origin))["Access-Control-Allow-Origin"] == "*"
        answer = post(server, b"no picture", Origin=origin)
        assert answer.status == 422 and answer.headers["Access-Control-Allow-Origin"] == "*"
    refused = preflight(server, "/v1/reload")
    assert refused.error(403, "invalid_argument") and not cors(refused)
    link = connect(server)  # a preflight with a body, whatever for, and the connection lives on
    for _ in range(3):
        link.request("OPTIONS", "/v1/infer", b"x" * 1000, {"Origin": PAGE, "Access-Control-Request-Method": "POST"})
        assert Answer(link.getresponse()).status == 204
    link.close()


def test_wrong_origins_are_refused_at_start(sight: Path, tmp_path: Path) -> None:
    for entry, said in (("localhost:3000", "is no origin"), ("http://a/x", 'its origin is "http://a"')):
        done = subprocess.run([str(sight), "serve", "--cors-origins", entry], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 2 and "cors-origins" in done.stderr and said in done.stderr
        (tmp_path / "sightd.yaml").write_text(f"cors_origins: [\"http://fine\", \"{entry}\"]\n", encoding="utf-8")
        done = subprocess.run([str(sight), "config", "check", str(tmp_path / "sightd.yaml")], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode != 0 and "sightd.yaml:1:" in done.stdout + done.stderr
        assert said in done.stdout + done.stderr


def test_reloads_are_not_for_pages_of_other_sites(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces")
    own = f"http://127.0.0.1:{server.port}"
    for headers in ({"Origin": PAGE}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
                    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                    {"Referer": "http://evil.example/" + own}, {"Content_Type": "text/plain"},
                    {"Content_Type": "multipart/form-data; boundary=x"}):
        assert "/v1/reload" in ask(server, "POST", "/v1/reload", None, **headers).error(403, "invalid_argument")
    ask(server, "POST", "/v1/reload", b"a=b", Content_Type="application/x-www-form-urlencoded").error(
        403, "invalid_argument")
    for headers in ({}, {"Origin": own}, {"Sec_Fetch_Site": "same-origin", "Origin": own}, {"Sec_Fetch_Site": "none"},
                    {"Referer": own + "/docs"}, {"Content_Type": "application/json"}):
        assert ask(server, "POST", "/v1/reload", None, **headers).status == 200
    if shutil.which("curl"):
        for arguments in (["-X", "POST"], ["-d", ""]):
            done = subprocess.run(["curl", "-s", "-f", *arguments, own + "/v1/reload"], timeout=60, check=False)
            assert done.returncode == 0


def test_put_works_as_post_does(server: Server, small: bytes, tmp_path: Path) -> None:
    expected = post(server, small, "?timing=false", X_Request_Id="x").json()
    assert ask(server, "PUT", "/v1/infer?timing=false", small, X_Request_Id="x").json() == expected
    assert ask(server, "PUT", "/v1/reload").headers["Allow"] == "POST"
    assert ask(server, "GET", "/v1/infer").headers["Allow"] == "POST, PUT"
    (tmp_path / "photo.jpg").write_bytes(small)
    if shutil.which("curl"):
        done = subprocess.run(["curl", "-s", "-f", "-H", "X-Request-Id: x", "-T", str(tmp_path / "photo.jpg"),
                               f"http://127.0.0.1:{server.port}/v1/infer?timing=false"], capture_output=True,
                              timeout=60, check=True)
        assert json.loads(done.stdout) == expected


LINE = re.compile(r'level=info msg="request" protocol=http method=(\S+) route="([^"]*)" status=(\d+) code=(\S+) '
                  r"ms=(\d+\.\d{3}) in_bytes=(\d+) out_bytes=(\d+) id=(\S+)")


def lines_of(server: Server) -> list[tuple[str, ...]]:
    return [found.groups() for line in list(server.lines) if (found := LINE.search(line))]


def test_a_line_for_each_request(start_server: Start, small: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--log-requests", "all", "--max-image-bytes", "64KiB")
    answer = post(server, small, X_Request_Id="mine")
    ask(server, "GET", "/nowhere", X_Request_Id="lost")
    for path in ("/livez", "/readyz", "/healthz"):
        assert ask(server, "GET", path).status == 200
    with dial(server) as link:
        link.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nX-Request-Id: big\r\nContent-Length: 999999\r\n\r\nabc")
        assert response(link).status == 413
    with dial(server) as link:
        link.sendall(struct.pack("<i", len(small)) + small + struct.pack("<i", 4) + b"junk")
        assert wait_until(lambda: sum("protocol=seed" in line for line in server.lines) == 2)
    assert wait_until(lambda: len(lines_of(server)) == 3)
    infer, lost, big = lines_of(server)
    assert infer[:4] == ("POST", "/v1/infer", "200", "ok") and infer[7] == "mine"
    assert (int(infer[5]), int(infer[6])) == (len(small), len(answer.body)) and float(infer[4]) > 0
    assert lost[:4] == ("GET", "/nowhere", "404", "not_found") and lost[7] == "lost"
    assert big[:4] == ("POST", "/v1/infer", "413", "too_large") and big[7] == "big"
    good, junk = [line for line in server.lines if "protocol=seed" in line]
    assert 'msg="request" protocol=seed pipeline="faces" code=ok' in good and f"in_bytes={len(small)}" in good
    assert "code=bad_image" in junk


def test_no_lines_when_they_are_not_wanted(start_server: Start, small: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--log-requests", "no")
    assert post(server, small).status == 200
    assert server.stop() == 0
    assert not any('msg="request"' in line for line in server.lines)


def test_frames_have_no_lines_by_default(start_server: Start, small: bytes) -> None:
    server = start_server("--default-pipeline", "faces")
    with dial(server) as link:
        link.sendall(struct.pack("<i", len(small)) + small)
        assert link.recv(65536)
    assert post(server, small).status == 200
    assert server.stop() == 0
    assert len(lines_of(server)) == 1 and not any("protocol=seed" in line for line in server.lines)


def test_the_end_can_wait_for_proxies(start_server: Start, small: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--stop-delay", "1h")
    assert ask(server, "GET", "/healthz").status == ask(server, "GET", "/readyz").status == 200
    server.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: ask(server, "GET", "/readyz").status == 503)
    ask(server, "GET", "/healthz").error(503, "shutting_down")
    assert ask(server, "GET", "/livez").status == 200
    assert post(server, small).status == 200  # new connections are taken and served
    assert server.stop() == 0


def test_the_delay_ends(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces", "--stop-delay", "1s")
    began = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - began >= 1


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(start_server: Start, second: int) -> None:
    server = start_server("--default-pipeline", "faces", "--stop-delay", "1h")
    server.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: any("stop_delay_ms=3600000" in line for line in server.lines))
    assert server.stop(second) == 0


def test_interrupts_never_wait(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces", "--stop-delay", "1h")
    assert server.stop(signal.SIGINT) == 0


def told(link: socket.socket) -> bytes:
    link.settimeout(20)
    try:
        return link.recv(65536)
    except ConnectionResetError:
        return b""


def test_silent_connections_give_way(start_server: Start, small: bytes) -> None:
    server = start_server("--default-pipeline", "faces", "--max-connections", "8",
                          "--max-connections-per-address", "8", "--idle-grace", "1s")
    frame = struct.pack("<i", len(small)) + small

    def served() -> socket.socket:
        link = dial(server)
        link.sendall(frame)
        assert b'"object_num"' in told(link)
        return link

    spoken = [served() for _ in range(4)]
    silent = [dial(server) for _ in range(4)]
    time.sleep(1.2)
    fresh = [served()]  # the one that has been silent longest has gone for it
    assert told(spoken[0]) == b""
    for link in (spoken[1], *silent[1:]):
        link.sendall(struct.pack("<i", 100))  # in the middle of a frame is not silent
    time.sleep(0.2)
    fresh.append(served())
    assert told(spoken[2]) == b""
    fresh.append(served())
    assert told(spoken[3]) == b""
    fresh.append(served())
    assert told(silent[0]) == b""
    for link in (*spoken, *silent, *fresh):
        link.close()


def test_a_client_waits_for_one_that_says_nothing(start_server: Start, small: bytes) -> None:
    """All places are taken by connections of this moment that say nothing: within a second one gives way."""
    server = start_server("--default-pipeline", "faces", "--max-connections", "4",
                          "--max-connections-per-address", "4")
    frame = struct.pack("<i", len(small)) + small
    with dial(server) as alone:
        alone.sendall(frame)
        usual = told(alone)
    silent = [dial(server) for _ in range(4)]
    with dial(server) as frames, dial(server) as http:
        frames.sendall(frame)
        http.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert told(frames) == usual
        assert response(http, "GET").status == 200
    assert [told(link) for link in silent[:2]] == [b"", b""]
    for link in silent:
        link.close()


def test_http_connections_give_way_too(start_server: Start) -> None:
    server = start_server("--default-pipeline", "faces", "--max-connections", "2", "--max-connections-per-address", "2",
                          "--idle-grace", "500ms")
    first, second = connect(server), connect(server)
    for link in (first, second):
        link.request("GET", "/livez")
        assert Answer(link.getresponse()).status == 200
    time.sleep(0.3)
    second.request("GET", "/livez")
    assert Answer(second.getresponse()).status == 200
    time.sleep(0.4)
    assert ask(server, "GET", "/livez").status == 200
    second.request("GET", "/livez")  # it was heard of later
    assert Answer(second.getresponse()).status == 200
    assert first.sock.recv(100) == b""


def test_one_address_cannot_take_all_places(start_server: Start, small: bytes) -> None:
    """127.0.0.2 is another address of the same machine."""
    server = start_server("--default-pipeline", "faces", "--max-connections", "8", "--idle-grace", "0")
    links = [dial(server) for _ in range(6)]  # three quarters
    with dial(server) as link:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = response(link, "GET")
        assert "max_connections_per_address" in answer.error(429, "too_many_requests")
        assert int(answer.headers["Retry-After"]) >= 1
    with socket.create_connection(("127.0.0.1", server.port), timeout=30, source_address=("127.0.0.2", 0)) as other:
        other.sendall(struct.pack("<i", len(small)) + small)
        assert other.recv(65536).startswith(b'{"object_list"')
    links.pop().close()
    assert wait_until(lambda: ask(server, "GET", "/livez").status == 200)
    for link in links:
        link.close()


def test_a_flood_of_one_address_does_not_hold_up_another(start_server: Start) -> None:
    """Each connection above an address's share looks for one that gives way; with a system call or two for every one
    that is open, 4,000 in a second kept the server from everybody else for a quarter of a minute."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 9000:
        pytest.skip(f"skipped: {hard} descriptors are too few (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = start_server("--pipelines", "pipelines/faces.yaml", "--log-level", "warn")
    links = []
    try:
        for _ in range(4000):
            links.append(dial(server))
            links[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        patience = 60 if sanitized() else 5
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port), patience, ("127.0.0.2", 0)) as other:
                other.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert response(other, "GET").status == 200
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_those_that_have_begun_do_not_keep_a_silent_one_from_giving_way(start_server: Start) -> None:
    """More of them than are asked at once, and all of them have been there for longer."""
    server = start_server("--default-pipeline", "faces", "--max-connections", "31",
                          "--max-connections-per-address", "31", "--idle-grace", "500ms")
    begun = [dial(server) for _ in range(30)]
    for i, link in enumerate(begun):
        if i % 2:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert response(link, "GET").status == 200
        link.sendall((b"GE", b"GET /", b"\x10\x00", b"GET /livez HTT")[i % 4])
    silent = dial(server)
    time.sleep(0.7)
    assert ask(server, "GET", "/livez").status == 200
    assert told(silent) == b""
    for link in begun:
        link.setblocking(False)
        with pytest.raises(BlockingIOError):
            link.recv(1)
        link.close()
