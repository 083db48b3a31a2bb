# SPDX-License-Identifier: MIT
"""Where a server listens: several places at once, unix sockets, sockets that were handed over.

What is expected comes from unix(7), sd_listen_fds(3) and docs/PROTOCOL.md; every way in must give what TCP gives.
"""
from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import BIN, ROOT, Server, wait_until
from http_client import Answer, at_end, post

import sightd

Start = Callable[..., Server]
pytestmark = pytest.mark.skipif(not BIN.is_file(), reason=f"skipped: {BIN} is not built")


@pytest.fixture(name="path")
def path_of_socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("s") / "sightd.sock"
    assert len(str(path)) <= 107
    return path


def dial(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(str(path))
    return link


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = dial(self.path)


def refused(*listen: str) -> str:
    words = [word for place in listen for word in ("--listen", place)]
    done = subprocess.run([str(BIN), "serve", *words, "--pipelines", "pipelines/faces.yaml"], cwd=ROOT, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode in (1, 2) and done.stdout == "", done
    return done.stderr


def without_times(reply: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reply.items() if key not in ("id", "timing_us", "source")}


def test_every_protocol_on_every_listener(start_server: Start, path: Path, images: Path) -> None:
    server = start_server("--listen", f"unix:{path}", "--listen", "127.0.0.1:0", "--default-pipeline", "faces")
    found = re.search(rf"^sightd \S+ listening on 127\.0\.0\.1:(\d+) and unix:{path} and 127\.0\.0\.1:(\d+)$",
                      "".join(server.lines), re.MULTILINE)
    assert found and int(found[1]) == server.port != int(found[2]), server.lines
    picture = images / "people.jpg"
    expected = without_times(post(server, picture.read_bytes()).json())
    assert len(expected["objects"]) == 4  # faces, counted by eye

    link = UnixHTTP(path)
    for _ in range(2):
        link.request("POST", "/v1/infer", picture.read_bytes())
        assert without_times(Answer(link.getresponse()).json()) == expected
    link.close()
    second = http.client.HTTPConnection("127.0.0.1", int(found[2]), timeout=60)
    second.request("POST", "/v1/infer", picture.read_bytes())
    assert without_times(Answer(second.getresponse()).json()) == expected
    second.close()

    with dial(path) as seed:
        data = picture.read_bytes()
        seed.sendall(len(data).to_bytes(4, "little") + data)
        assert json.loads(seed.recv(65536))["object_list"]["object_num"] == 4

    with sightd.Client(f"unix:{path}") as client:
        assert len(client.infer(picture).objects) == 4
    with sightd.SeedClient(f"unix:{path}") as old:
        assert len(old.infer(picture).objects) == 4

    async def alike() -> int:
        async with sightd.AsyncClient(f"unix:{path}") as client:
            return len((await client.infer(picture)).objects)

    assert asyncio.run(alike()) == 4
    sent = subprocess.run([str(BIN), "send", "--to", f"unix:{path}", "--json", str(picture)], cwd=ROOT, text=True,
                          capture_output=True, timeout=60)
    assert sent.returncode == 0 and without_times(json.loads(sent.stdout)) == expected, sent.stderr
    assert server.stop() == 0 and not path.exists()


def test_first_bytes_one_by_one(start_server: Start, path: Path, small: bytes) -> None:
    """Nothing wakes a server only when four bytes are there on a unix socket: it must not spin until they are."""
    server = start_server("--listen", f"unix:{path}", "--default-pipeline", "faces")

    def cpu_seconds() -> float:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with dial(path) as link:
        stream = len(small).to_bytes(4, "little") + small
        link.sendall(stream[:2])
        time.sleep(0.5)
        before = cpu_seconds()
        time.sleep(2)
        assert cpu_seconds() - before < 0.5  # a quarter of one core
        for at in range(2, 5):
            link.sendall(stream[at:at + 1])
        link.sendall(stream[5:])
        assert "object_list" in json.loads(link.recv(65536))
    with dial(path) as link:
        link.sendall(b"GE")
        time.sleep(0.3)
        link.sendall(b"T /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")
    with dial(path) as link:
        link.sendall(b"GE")
        link.shutdown(socket.SHUT_WR)
        assert at_end(link)


def test_a_path_that_is_taken(start_server: Start, path: Path, small: bytes) -> None:
    server = start_server("--listen", f"unix:{path}", "--default-pipeline", "faces")
    said = refused(f"unix:{path}")
    assert f"cannot listen on unix:{path}: Address already in use" in said and "another path" in said
    server.process.kill()
    server.process.wait()
    assert path.is_socket()  # left behind, and replaced
    server = start_server("--listen", f"unix:{path}", "--default-pipeline", "faces")
    with dial(path) as link:
        link.sendall(len(small).to_bytes(4, "little") + small)
        assert "object_list" in json.loads(link.recv(65536))
    path.unlink()
    path.write_text("mine", encoding="ascii")
    assert server.stop() == 0 and path.read_text(encoding="ascii") == "mine"  # not ours to remove
    assert "the file is no socket" in refused(f"unix:{path}") and path.read_text(encoding="ascii") == "mine"
    assert "folder must be there" in refused(f"unix:{path.parent}/none/x")
    assert "1 to 107 bytes" in refused("unix:/" + "x" * 107) and "1 to 107 bytes" in refused("unix:")
    # One that cannot be had: nothing is listened to, and nothing is left.
    other = path.parent / "other"
    assert "no socket" in refused(f"unix:{other}", f"unix:{path}") and not other.exists()


def test_sockets_that_are_handed_over(path: Path, small: bytes) -> None:
    """As systemd does it: descriptors from 3 on, LISTEN_FDS of them, for the process that LISTEN_PID names."""
    tcp, local = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.bind(("127.0.0.1", 0))
    local.bind(str(path))
    for one in (tcp, local):
        one.listen()
    assert "LISTEN_FDS" in refused("inherited")

    def run(count: int) -> subprocess.Popen[str]:
        script = (f'exec 8<&{tcp.fileno()} 9<&{local.fileno()}; exec 3<&8 4<&9 5<&- 8<&- 9<&-; LISTEN_PID=$$ '
                  f'LISTEN_FDS={count} exec "$0" serve --listen inherited --pipelines pipelines/faces.yaml')
        return subprocess.Popen(["bash", "-c", script, str(BIN)], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, pass_fds=(tcp.fileno(), local.fileno()))

    server = run(2)
    assert server.stdout
    while "listening on" not in (line := server.stdout.readline()):
        assert line
    assert line.endswith(f"listening on 127.0.0.1:{tcp.getsockname()[1]}\n")
    for link in (socket.create_connection(tcp.getsockname(), timeout=60), dial(path)):
        with link:
            link.sendall(len(small).to_bytes(4, "little") + small)
            assert "object_list" in json.loads(link.recv(65536))
    server.terminate()
    assert server.wait(60) == 0 and path.is_socket()  # the unit's, not ours
    server.stdout.close()
    server = run(3)
    assert server.stdout
    assert "descriptor 5 that was handed over is no listening stream socket" in server.stdout.read()
    assert server.wait(60) == 1
    server.stdout.close()
    for one in (tcp, local):
        one.close()


def test_lists_that_make_no_sense(tmp_path: Path) -> None:
    """serve and config check say the same of them."""
    settings = tmp_path / "s.yaml"
    for text, says in (("[]", "listen has 0 addresses, allowed is 1 to 16"),
                       (json.dumps([f"127.0.0.1:{port}" for port in range(9000, 9017)]), "listen has 17 addresses"),
                       ("[inherited, inherited]", 'listen has "inherited" twice'),
                       ("[127.0.0.1:1, 'unix:x', 127.0.0.1:1]", 'listen has "127.0.0.1:1" twice')):
        settings.write_text(f"listen: {text}\n", encoding="utf-8")
        for command in (["config", "check", str(settings)], ["serve", "--config", str(settings)]):
            done = subprocess.run([str(BIN), *command], cwd=ROOT, text=True, capture_output=True, timeout=60)
            assert done.returncode == 1 and says in done.stderr, done
    assert "twice" in refused("inherited", "inherited")


def test_one_after_the_other_on_a_path(start_server: Start, path: Path, small: bytes) -> None:
    """While one server ends another tries to begin: there is always a whole one, and its socket stays."""
    server = start_server("--listen", f"unix:{path}", "--default-pipeline", "faces")
    for _ in range(3):
        words = ["serve", "--listen", f"unix:{path}", "--pipelines", "pipelines/faces.yaml"]
        server.process.terminate()
        for _ in range(1000):
            following = subprocess.Popen([str(BIN), *words], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
            assert following.stdout
            if "listening on" in following.stdout.readline():
                break
            assert following.wait(60) == 1
            following.stdout.close()
        assert server.process.wait(60) == 0
        with dial(path) as link:
            link.sendall(len(small).to_bytes(4, "little") + small)
            assert "object_list" in json.loads(link.recv(65536))
        following.terminate()
        assert following.wait(60) == 0 and not path.exists()
        following.stdout.close()
        server = start_server("--listen", f"unix:{path}", "--default-pipeline", "faces")


def test_names_of_clients_are_not_for_logs(start_server: Start, path: Path, tmp_path: Path) -> None:
    server = start_server("--listen", f"unix:{path}", "--log-level", "debug", "--default-pipeline", "faces")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(60)
        link.bind(str(tmp_path / "x\nlevel=error msg=forged y=1"))
        link.connect(str(path))
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.stop() == 0
    lines = "".join(server.lines)
    assert "peer=unix: protocol=http" in lines and "forged" not in lines


def test_a_place_for_many(start_server: Start, path: Path) -> None:
    """What bounds connections bounds those of a unix socket, all of one address."""
    server = start_server("--listen", f"unix:{path}", "--max-connections", "8", "--idle-grace", "0",
                          "--default-pipeline", "faces")
    links = [dial(path) for _ in range(6)]
    for link in links:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(1000).startswith(b"HTTP/1.1 200 ")

    def told() -> bool:
        with dial(path) as link:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            return link.recv(1000).startswith(b"HTTP/1.1 429 ")

    assert wait_until(told)
    assert post(server, b"x").status == 422  # another address has places still
    for link in links:
        link.close()
    assert server.stop() == 0
