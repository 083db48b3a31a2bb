# SPDX-License-Identifier: MIT
"""The Python package's asyncio client and its seed client against the real server; expected results come from
`sight detect --json` on the same files."""
from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sightd
from conftest import Server
from sightd.seed import JsonSplitter
from test_python import same

Start = Callable[..., Server]


@pytest.mark.parametrize("ordered", [True, False])
def test_map(server: Server, paths: list[Path], expected: list[dict[str, Any]], ordered: bool) -> None:
    async def pictures() -> AsyncIterator[Path]:
        for path in paths * 4:
            await asyncio.sleep(0)
            yield path

    async def run() -> None:
        async with sightd.AsyncClient(port=server.port) as client:
            for source in (paths * 4, pictures()):
                results = [result async for result in client.map(source, ordered=ordered, window=7)]
                assert sorted(result.index for result in results) == list(range(20))
                assert not ordered or [result.index for result in results] == list(range(20))
                for result in results:
                    same(result.to_dict(), expected[result.index % 5])

    asyncio.run(run())


def test_slow_source_does_not_hold_results_back(server: Server, paths: list[Path]) -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def pictures() -> AsyncIterator[Path]:
            yield paths[0]
            await go_on.wait()
            yield paths[1]

        async with sightd.AsyncClient(port=server.port) as client:
            seen = []
            async for result in client.map(pictures()):
                seen.append(result.index)
                go_on.set()  # only the first result lets the second picture come
            assert seen == [0, 1]

    asyncio.run(asyncio.wait_for(run(), 60))


def test_gather_and_errors(server: Server, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    async def run() -> None:
        async with sightd.AsyncClient(port=server.port, window=3) as client:
            answers = await asyncio.gather(*(client.infer(path) for path in paths * 3), client.infer(b"no image"),
                                           client.infer(paths[0], pipeline="none"), client.infer("/nonexistent"),
                                           return_exceptions=True)
            for answer, said in zip(answers, expected * 3):
                same(answer.to_dict(), said)
            assert [type(answer) for answer in answers[15:]] == [sightd.BadImage, sightd.NotFound, sightd.ReadError]
            errors = [answer async for answer in client.map([paths[0], b"x", paths[1]], errors="return")]
            assert [type(answer).__name__ for answer in errors] == ["Result", "BadImage", "Result"]
            with pytest.raises(sightd.BadImage):
                async for _ in client.map([b"x", *paths]):
                    pass
            assert (await client.infer(paths[0])).objects and await client.ping() > 0

    asyncio.run(run())


def test_cancelling_leaves_the_connection_usable(server: Server, paths: list[Path],
                                                 expected: list[dict[str, Any]]) -> None:
    """At any moment: before it is sent, in the middle of a picture of 24 MB, while it waits, when it is done."""
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    large = np.zeros((2000, 4000, 3), np.uint8)

    async def run() -> None:
        dice = random.Random(5)
        async with sightd.AsyncClient(port=server.port) as client:
            for _ in range(40):
                task = asyncio.ensure_future(client.infer(dice.choice([large, paths[0]])))
                await asyncio.sleep(dice.uniform(0, 0.03))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            with pytest.raises(sightd.Timeout):
                await client.infer(large, timeout=0.001)
            for path, said in zip(paths, expected):
                same((await client.infer(path)).to_dict(), said)
            assert not client._session.requests

    asyncio.run(run())


def test_reconnects(start_server: Start, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    server = start_server()

    async def run() -> None:
        async with sightd.AsyncClient(port=server.port, reconnect=60) as client:
            results = []
            async for result in client.map(paths * 10, window=16):
                results.append(result)
                if len(results) == 5:
                    server.stop(signal.SIGKILL)
                    start_server(port=server.port)
            assert [result.index for result in results] == list(range(50))
            for result in results:
                same(result.to_dict(), expected[result.index % 5])

    asyncio.run(run())


def test_server_gone(start_server: Start, paths: list[Path]) -> None:
    server = start_server()

    async def run() -> None:
        async with sightd.AsyncClient(port=server.port, reconnect=0) as client:
            under_way = [asyncio.ensure_future(client.infer(paths[0])) for _ in range(60)]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            server.stop(signal.SIGKILL)
            lost = await asyncio.gather(*under_way, return_exceptions=True)
            assert any(isinstance(error, sightd.ConnectionLost) for error in lost)
            with pytest.raises(sightd.ConnectError, match="sight serve"):
                await client.infer(paths[0])
        with pytest.raises(sightd.ClosedError):
            await client.infer(paths[0])
        with pytest.raises(sightd.ConnectError):
            await sightd.AsyncClient(port=server.port).infer(paths[0])

    asyncio.run(asyncio.wait_for(run(), 60))


def test_opens_itself(server: Server, paths: list[Path]) -> None:
    assert asyncio.run(sightd.AsyncClient(f"127.0.0.1:{server.port}").infer(paths[0])).objects


REPLIES = [b'{"object_list":{"object_num":0}}', b'{"a":"}{\\"}\\\\","b":{"c":"\\u007b"}}',
           "{\"ä\":\"{人\\\\\"}".encode(), b"{}"]


def test_splitting_at_any_byte() -> None:
    stream = b"".join(REPLIES)
    for cut in range(len(stream) + 1):
        splitter = JsonSplitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == REPLIES
        assert not splitter.pending
    splitter = JsonSplitter()
    assert [whole for byte in stream for whole in splitter.feed(bytes([byte]))] == REPLIES
    for reply in REPLIES:
        json.loads(reply)


def test_seed(server: Server, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    with sightd.SeedClient(port=server.port) as client:
        for window in (1, 7, 60):
            results = list(client.map(paths * 4, window=window))
            assert [result.index for result in results] == list(range(20))
            for result, said in zip(results, expected * 4):
                assert [(dict(zip("xywh", found.box)), found.class_id, found.score, found.label)
                        for found in result.objects] == [
                            (found["bbox"], found["class_id"], found["score"], found.get("label"))
                            for found in said["objects"]]
        answers = list(client.map([paths[0], b"no image", paths[1]], errors="return"))
        assert [type(answer).__name__ for answer in answers] == ["Result", "BadImage", "Result"]
        with pytest.raises(sightd.BadImage):
            list(client.map([b"no image", *paths]))
        for _ in client.map(paths * 4):
            break
        assert client.request(paths[0])["object_list"]["object_num"] == len(expected[0]["objects"])
        cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
        assert len(client.infer(cv2.imread(str(paths[0]))).objects) == len(expected[0]["objects"])


def test_seed_through_a_link_that_splits(server: Server, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    """A relay passes the real server's bytes on in pieces of random sizes."""
    dice = random.Random(7)

    def relay(here: socket.socket) -> None:
        link, _ = here.accept()
        with link, socket.create_connection(("127.0.0.1", server.port)) as there:
            def upward() -> None:
                while data := link.recv(65536):
                    there.sendall(data)
                there.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=upward)
            thread.start()
            while data := there.recv(65536):
                while data:
                    size = dice.choice([1, 2, 3, 7, 50, 1000])
                    link.sendall(data[:size])
                    data = data[size:]
            thread.join()

    with socket.create_server(("127.0.0.1", 0)) as here:
        thread = threading.Thread(target=relay, args=(here,))
        thread.start()
        with sightd.SeedClient(port=here.getsockname()[1]) as client:
            counts = [len(result.objects) for result in client.map(paths * 4)]
        thread.join()
    assert counts == [len(said["objects"]) for said in expected] * 4


def test_seed_server_gone(start_server: Start, paths: list[Path]) -> None:
    server = start_server()
    with sightd.SeedClient(port=server.port) as client:
        assert client.infer(paths[0]).objects
        server.stop(signal.SIGKILL)
        with pytest.raises(sightd.ConnectionLost, match="closed the connection"):
            client.infer(paths[0])
