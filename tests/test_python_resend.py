# SPDX-License-Identifier: MIT
"""Pictures that are sent again when the connection ends: three times in all (docs/PYTHON.md), neither two nor four.

Between client and server stands a relay that ends connections as soon as a picture comes over them.
"""
from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sightd
from conftest import ROOT, Server

PHOTO = ROOT / "deps" / "samples" / "faces" / "group1.jpg"
OPENING_BYTES = 16  # of the client's greeting, docs/PROTOCOL.md
pytestmark = pytest.mark.skipif(not PHOTO.exists(), reason="skipped: run `make deps`")


class Relay:
    """Passes everything between a client and the server, but ends the first `cuts` connections that carry a picture."""

    def __init__(self, port: int, cuts: int) -> None:
        self.to, self.cuts = port, cuts
        self.pictures = 0  # connections over which one came
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass  # closed: the test is over

    def serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.to)) as server:
            back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            back.start()
            greeting = client.recv(OPENING_BYTES, socket.MSG_WAITALL)
            server.sendall(greeting)
            first = client.recv(1)
            if first:
                self.pictures += 1
                if self.pictures > self.cuts:
                    server.sendall(first)
                    self.copy(client, server)
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass


@pytest.fixture(name="relay")
def make_relay(server: Server, request: pytest.FixtureRequest) -> Iterator[Relay]:
    relay = Relay(server.port, request.param)
    yield relay
    relay.listener.close()


async def infer(port: int, photo: Path) -> sightd.Result:
    async with sightd.AsyncClient(port=port, pipeline="faces") as client:
        return await client.infer(photo)


def ask(kind: str, port: int) -> sightd.Result:
    if kind == "async":
        return asyncio.run(infer(port, PHOTO))
    with sightd.Client(port=port, pipeline="faces") as client:
        return client.infer(PHOTO)


@pytest.mark.parametrize("relay", [2], indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_third_sending_is_answered(relay: Relay, kind: str) -> None:
    assert len(ask(kind, relay.port).objects) == 3  # three faces, as anybody can see
    assert relay.pictures == 3


@pytest.mark.parametrize("relay", [9], indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_there_is_no_fourth(relay: Relay, kind: str) -> None:
    with pytest.raises(sightd.ConnectionLost, match="lost 3 times"):
        ask(kind, relay.port)
    assert relay.pictures == 3
