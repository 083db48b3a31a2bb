# SPDX-License-Identifier: MIT
"""Pictures that are sent again when the connection ends: three times in all (docs/PYTHON.md), neither two nor four.

Between client and server stands a relay that ends connections as soon as a picture comes over them.
"""
from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sightd
from conftest import ROOT, Server
from relay import Relay

PHOTO = ROOT / "deps" / "samples" / "faces" / "group1.jpg"
OPENING_BYTES = 16  # of the client's greeting, docs/PROTOCOL.md
pytestmark = pytest.mark.skipif(not PHOTO.exists(), reason="skipped: run `make deps`")


class Cutting(Relay):
    """Ends the first `cuts` connections that carry a picture."""

    def __init__(self, port: int, cuts: int) -> None:
        self.cuts = cuts
        self.pictures = 0  # connections over which one came
        super().__init__(port)

    def pass_on(self, client: socket.socket, server: socket.socket) -> None:
        greeting = client.recv(OPENING_BYTES, socket.MSG_WAITALL)
        server.sendall(greeting)
        first = client.recv(1)
        if first:
            self.pictures += 1
            if self.pictures > self.cuts:
                server.sendall(first)
                self.copy(client, server)


@pytest.fixture(name="relay")
def make_relay(server: Server, request: pytest.FixtureRequest) -> Iterator[Cutting]:
    relay = Cutting(server.port, request.param)
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
def test_the_third_sending_is_answered(relay: Cutting, kind: str) -> None:
    assert len(ask(kind, relay.port).objects) == 3  # three faces, as anybody can see
    assert relay.pictures == 3


@pytest.mark.parametrize("relay", [9], indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_there_is_no_fourth(relay: Cutting, kind: str) -> None:
    with pytest.raises(sightd.ConnectionLost, match="lost 3 times"):
        ask(kind, relay.port)
    assert relay.pictures == 3
