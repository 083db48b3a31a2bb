# SPDX-License-Identifier: MIT
"""examples/ beside the clients (test_client_example.py) and the programs of C and C++ (test_lib.py, test_install.py):
each is named where a reader looks for it, systemd takes the unit, and the real nginx serves by its file.
"""
from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Server
from sight import SIGHT

EXAMPLES = ROOT / "examples"
PHOTO = ROOT / "deps" / "samples" / "objects" / "bus.jpg"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(not SIGHT.exists() or not PHOTO.exists(), reason="skipped: no build; run `make`")


def test_each_is_named() -> None:
    text = (ROOT / "docs" / "INSTALL.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.iterdir() if path.is_file() and f"examples/{path.name}" not in text] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="skipped: systemd-analyze is absent")
def test_service(tmp_path: Path) -> None:
    """Every key is one that systemd knows, with a value that it takes; the program and its options are real."""
    unit = (EXAMPLES / "sightd.service").read_text(encoding="utf-8")
    [started] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    _, *words = started.split("=", 1)[1].split()
    settings = tmp_path / "sightd.yaml"
    settings.write_text("listen: 127.0.0.1:0\n", encoding="ascii")  # as the head of the unit says
    assert words == ["serve", "--config", "/etc/sightd.yaml"]
    assert subprocess.run([SIGHT, "config", "check", settings], cwd=ROOT, check=False).returncode == 0
    (tmp_path / "sightd.service").write_text(unit.replace("/usr/local/bin/sight", str(SIGHT)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "sightd.service"], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(name="front")
def make_front(server: Server, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that has examples/nginx.conf, but for ports and the certificate."""
    if not NGINX or not shutil.which("openssl"):
        pytest.skip("skipped: nginx or openssl is absent")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], capture_output=True, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    site = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"), ("    listen [::]:443 ssl;\n", ""),
                     ("127.0.0.1:8080", f"127.0.0.1:{server.port}"),
                     ("/etc/ssl/certs/vision.example.org.pem", str(tmp_path / "cert.pem")),
                     ("/etc/ssl/private/vision.example.org.key", str(tmp_path / "key.pem"))):
        assert site.count(old) == 1, old
        site = site.replace(old, new)
    (tmp_path / "site.conf").write_text(site, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; {user} pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {places} include {tmp_path}/site.conf; }}\n", encoding="utf-8")
    with subprocess.Popen([NGINX, "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "error.log").read_text()
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def test_nginx(front: int, server: Server) -> None:
    """Through nginx the answer is the server's own; what is not for the world is not there."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE

    def ask(path: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{front}{path}", body, 60, context=trust) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    picture = PHOTO.read_bytes()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/infer", picture, 60) as reply:
        expected = json.loads(reply.read())["objects"]
    for _ in range(3):
        status, body = ask("/v1/infer", picture)
        assert status == 200 and json.loads(body)["objects"] == expected
    assert len(json.loads(body)["id"]) == 32  # nginx's $request_id, by which both logs name the request
    status, body = ask("/v1/infer", b"this is no picture")
    assert status == 422 and json.loads(body)["error"]["code"] == "bad_image"
    assert ask("/readyz")[0] == 200
    for path in ("/v1/reload", "/metrics", "/", "/v1/infer/"):
        assert ask(path, b"")[0] == 404
