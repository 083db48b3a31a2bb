# SPDX-License-Identifier: MIT
"""The start of `sight serve`: the default pipeline answers first, the others follow and nothing is lost meanwhile.

The models are made here and answer a constant, so what must come out stands with them. One is held up while it loads:
its labels file is a named pipe, and until a test writes the labels the model is not there. Another is slow by itself:
its graph multiplies large constants, which the runtime does once, when it loads.
"""
from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from conftest import BIN, READY_SECONDS, Server, wait_until
from http_client import Answer, ask, connect, post
from sight import run
from test_v2 import dial, v2

np = pytest.importorskip("numpy")
pytest.importorskip("onnx", reason="skipped: python3-onnx is not installed")

import forms  # noqa: E402

Start = Callable[..., Server]
pytestmark = pytest.mark.skipif(not BIN.is_file(), reason=f"skipped: {BIN} is not built")
SIDE, PRODUCTS = 1600, 25  # 200 thousand million operations: seconds, of which loading can skip none


def make_model(folder: Path, scores: list[float], slow: bool = False) -> None:
    net = forms.Net((1, 3, 64, 64))
    answer = net.answer(np.float32([scores]))
    if slow:
        part = forms.numpy_helper.from_array(np.float32([1 / SIDE]))
        square = product = net.op("ConstantOfShape", net.const(np.int64([SIDE, SIDE])), value=part)
        for _ in range(PRODUCTS):
            product = net.op("MatMul", product, square)
        nothing = net.op("Mul", net.op("ReduceMean", product, keepdims=0), net.const(0, np.float32))
        answer = net.op("Add", answer, nothing)
    net.output("logits", answer, (1, 3))
    net.save(folder / "model.onnx")


class Site:
    """Pipelines `quick` (the default one: b is what it sees) and `other` (z)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gate = root / "models" / "other" / "gate.txt"
        self.add("quick", [1, 5, 2], "labels: [a, b, c]\n")

    def add(self, name: str, scores: list[float], card: str, slow: bool = False) -> None:
        folder = self.root / "models" / name
        folder.mkdir(parents=True)
        make_model(folder, scores, slow)
        (folder / "model.yaml").write_text(card, encoding="utf-8")
        (self.root / "pipelines").mkdir(exist_ok=True)
        (self.root / "pipelines" / f"{name}.yaml").write_text(f"classify: {name}\n", encoding="utf-8")

    def add_held(self) -> None:
        self.add("other", [1, 2, 5], "labels: gate.txt\n")
        os.mkfifo(self.gate)

    def let_go(self, labels: str = "x\ny\nz\n") -> None:
        """Whoever opens the labels later finds a file."""
        with self.gate.open("w", encoding="utf-8") as gate:  # waits for the loader to read
            (self.root / "labels").write_text(labels, encoding="utf-8")
            (self.root / "labels").replace(self.gate)
            gate.write(labels)

    def options(self) -> tuple[str, ...]:
        # A model made slow takes as long as the machine is busy: the drain waits for it.
        return ("--models", str(self.root / "models"), "--pipelines", str(self.root / "pipelines"),
                "--default-pipeline", "quick", "--workers", "1", "--drain-timeout", f"{READY_SECONDS}s")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(name="start")
def start_early(start_server: Start) -> Start:
    return lambda site: start_server(*site.options(), whole=False)


@pytest.fixture(name="photo", scope="module")
def photo_bytes() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 60)).save(out, "JPEG")
    return out.getvalue()


class Sent:
    """A request that is with the server already, before anything that is sent after it; its answer is read later."""

    def __init__(self, server: Server, method: str, path: str, body: bytes | None = None) -> None:
        self.link = connect(server)
        self.link.request(method, path, body)

    def get(self) -> Answer:
        with contextlib.closing(self.link):
            return Answer(self.link.getresponse())


def sent(server: Server, photo: bytes, pipeline: str) -> Sent:
    return Sent(server, "POST", f"/v1/infer?pipeline={pipeline}", photo)


def label(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.json()["attributes"][0]["label"]  # type: ignore[no-any-return]


def gauge(server: Server, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", ask(server, "GET", "/metrics").body.decode(), re.MULTILINE)
    assert found
    return int(found[1])


def waiting(server: Server, count: int) -> bool:
    return wait_until(lambda: gauge(server, "sightd_jobs_admitted") == count, READY_SECONDS)


def test_the_default_one_answers_while_another_loads(site: Site, start: Start, photo: bytes) -> None:
    site.add_held()
    server = start(site)
    assert label(post(server, photo)) == "b" and not server.is_whole()
    refused = ask(server, "GET", "/readyz")
    assert refused.error(503, "busy") == "still loading: other" and int(refused.headers["Retry-After"]) >= 1
    assert ask(server, "GET", "/livez").status == 200 and gauge(server, "sightd_ready") == 0
    listed = {p["name"]: p for p in ask(server, "GET", "/v1/pipelines").json()["pipelines"]}
    assert listed["other"]["loading"] and listed["other"]["models"] == [] and "loading" not in listed["quick"]
    assert {m["name"]: m["served"] for m in ask(server, "GET", "/v1/models").json()["models"]} == {
        "quick": True, "other": False}

    over_http = [sent(server, photo, "other") for _ in range(3)]
    with dial(server) as client:
        assert client.pipelines == ["other", "quick"]
        late = client.send(photo, pipeline="other")
        assert waiting(server, 4) and gauge(server, "sightd_jobs_in_flight") == 0  # no worker of the one is held
        assert label(post(server, photo)) == "b"
        client.send(photo)
        replies = client.replies()
        assert next(replies).result["attributes"][0]["label"] == "b"  # overtakes the one that waits
        assert ask(server, "GET", "/readyz").status == 503
        site.let_go()
        reply = next(replies)
        assert reply.id == late and reply.result["attributes"][0]["label"] == "z"
    assert [label(one.get()) for one in over_http] == ["z"] * 3
    assert wait_until(lambda: ask(server, "GET", "/readyz").status == 200) and wait_until(server.is_whole)
    assert gauge(server, "sightd_ready") == 1 and waiting(server, 0)
    assert not any("loading" in p for p in ask(server, "GET", "/v1/pipelines").json()["pipelines"])
    assert label(post(server, photo, "?pipeline=other")) == "z"
    assert server.stop() == 0


def test_who_waits_may_run_out_of_time_or_go(site: Site, start: Start, photo: bytes) -> None:
    site.add_held()
    server = start(site)
    with dial(server) as client:
        late = client.send(photo, pipeline="other", deadline_ms=50)
        first = next(client.replies())
        assert (first.id, first.code) == (late, "deadline_exceeded")
        cancelled, kept = client.send(photo, pipeline="other"), client.send(photo, pipeline="other")
        client.control(v2.CANCEL, cancelled)
        assert (reply := next(client.replies())).id == cancelled and reply.code == "cancelled"
        assert post(server, photo, "?pipeline=other&deadline_ms=50").error(503, "deadline_exceeded")
        assert waiting(server, 1)
        with dial(server) as leaver:
            leaver.send(photo, pipeline="other")
            leaver.send(photo, pipeline="other")
            assert waiting(server, 3)
            # Gone, and not only done with sending: the connection is reset.
            leaver.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert waiting(server, 1)
        link = connect(server)
        link.request("POST", "/v1/infer?pipeline=other", photo)
        assert waiting(server, 2)
        link.close()
        assert waiting(server, 1)
        site.let_go()
        assert (reply := next(client.replies())).id == kept and reply.result["attributes"][0]["label"] == "z"
    assert server.stop() == 0


def test_a_broken_model_behind_ends_the_server(site: Site, start: Start, photo: bytes) -> None:
    site.add_held()
    site.add("third", [5, 1, 1], "labels: [a, b, c]\n")
    (site.root / "models" / "third" / "model.onnx").write_bytes(b"this is no network")
    server = start(site)
    assert label(post(server, photo)) == "b"
    other = sent(server, photo, "other")
    third = sent(server, photo, "third")
    reload = Sent(server, "POST", "/v1/reload")
    assert waiting(server, 2)
    site.let_go()
    for one in other, third:
        assert one.get().error(503, "shutting_down")
    assert "third" in reload.get().json()["error"]["message"]
    assert server.process.wait(READY_SECONDS) == 1
    server.reader.join(READY_SECONDS)
    checked = run("config", "check", "--models", site.root / "models", *sorted((site.root / "pipelines").iterdir()))
    assert checked.returncode == 1 and "third" in checked.stderr
    # As where all is loaded first.
    assert "".join(server.lines).endswith(checked.stderr) and not server.is_whole()


@pytest.mark.parametrize("file, text", [("models/other/model.yaml", "labels: [x, y, z]\nhaed: softmax\n"),
                                        ("pipelines/other.yaml", "classify: otter\n"),
                                        ("pipelines/other.yaml", "classify: other\nclasify: other\n")])
def test_what_files_say_is_checked_before_anything(site: Site, file: str, text: str) -> None:
    site.add("other", [1, 2, 5], "labels: [x, y, z]\n")
    (site.root / file).write_text(text, encoding="utf-8")
    served = run("serve", "--listen", "127.0.0.1:0", *site.options())
    checked = run("config", "check", "--models", site.root / "models", *sorted((site.root / "pipelines").iterdir()))
    assert checked.returncode == served.returncode == 1 and checked.stderr
    assert served.stderr.endswith(checked.stderr) and served.stdout == ""


def test_a_default_that_there_is_not_is_told_at_once(site: Site) -> None:
    served = run("serve", "--listen", "127.0.0.1:0", *site.options(), "--default-pipeline", "quack")
    assert served.returncode == 1 and served.stdout == ""
    assert served.stderr.endswith('no pipeline called "quack"; there are: quick; did you mean "quick"?\n')


def test_reloads_wait_for_the_rest(site: Site, start: Start, photo: bytes) -> None:
    site.add_held()
    server = start(site)
    server.process.send_signal(signal.SIGHUP)
    reload = Sent(server, "POST", "/v1/reload")
    other = sent(server, photo, "other")
    assert waiting(server, 1) and not any('msg="reloading"' in line for line in server.lines)
    site.let_go()
    assert label(other.get()) == "z"
    assert reload.get().json()["reloaded"] is True
    assert label(post(server, photo)) == "b" and label(post(server, photo, "?pipeline=other")) == "z"
    assert server.stop() == 0


def test_nobody_has_to_wait_for_a_model_to_end_the_server(site: Site, start: Start, photo: bytes) -> None:
    site.add_held()
    server = start(site)
    assert label(post(server, photo)) == "b"

    def ended() -> bool:
        server.process.send_signal(signal.SIGTERM)
        return server.process.poll() is not None

    assert wait_until(ended, READY_SECONDS) and server.process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("asked", [False, True])
def test_sigterm_while_a_slow_model_loads(asked: bool, site: Site, start: Start, photo: bytes) -> None:
    site.add("other", [1, 2, 5], "labels: [x, y, z]\n", slow=True)
    site.add("zero", [5, 1, 1], "labels: [a, b, c]\n")
    server = start(site)
    assert label(post(server, photo)) == "b"
    assert not server.is_whole() and ask(server, "GET", "/readyz").status == 503
    other = sent(server, photo, "other") if asked else None
    assert not asked or waiting(server, 1)
    assert server.stop(seconds=READY_SECONDS) == 0, "".join(server.lines)
    # What was taken in is answered, also when its model was not there yet.
    assert server.is_whole() == asked
    if other:
        assert label(other.get()) == "z"
