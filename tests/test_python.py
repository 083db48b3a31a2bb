# SPDX-License-Identifier: MIT
"""The Python package's clients against the real server with real models.

What results must be comes from `sight detect --json` on the same file; what raw pixels must give, from the same pixels
as PNG, which loses nothing.
"""
from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sightd
from conftest import ROOT, Server, wait_until
from sight import detect

Start = Callable[..., Server]


@pytest.fixture(name="client", scope="module")
def make_client(server: Server) -> Any:
    with sightd.Client("127.0.0.1", server.port) as client:
        yield client


def same(a: Any, b: Any, tolerance: float = 0) -> None:
    """Two native replies, but for times and names of files."""
    if isinstance(a, dict):
        assert a.keys() - {"timing_us", "source", "id"} == b.keys() - {"timing_us", "source", "id"}
        for key in a.keys() - {"timing_us", "source", "id"}:
            same(a[key], b[key], tolerance)
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y, tolerance)
    elif tolerance and isinstance(a, (int, float)):
        assert math.isclose(a, b, abs_tol=tolerance)
    else:
        assert a == b


def test_hello(client: sightd.Client) -> None:
    assert client.info.server.startswith("sightd ") and client.info.window == 64
    assert {"faces", "objects", "text"} <= set(client.info.pipelines) and client.info.default_pipeline == "objects"
    assert 0 < client.ping() < 60


@pytest.mark.parametrize("pipeline", ["objects", "faces", "text"])
def test_result_is_the_native_reply(client: sightd.Client, images: Path, pipeline: str) -> None:
    path = images / ("receipt.png" if pipeline == "text" else "zidane.jpg")
    said = detect("-p", pipeline, path)[0]
    result = client.infer(path, pipeline=pipeline)
    before = json.loads(result.to_json())  # as it came
    same(before, said)
    assert before["source"] == str(path)
    assert (result.pipeline, result.width, result.height) == (pipeline, said["image"]["width"], said["image"]["height"])
    after = json.loads(result.to_json())  # from the parsed objects
    assert after == before and set(after["timing_us"]) == set(said["timing_us"])
    assert len(result.objects) == len(said["objects"]) > 0
    for found, native in zip(result.objects, said["objects"]):
        assert dict(zip("xywh", found.box)) == native["bbox"] and found.score == native["score"]
        assert found.label == native.get("label") and found.text == native.get("text")
        assert [one.to_dict() for one in found.attributes] == native.get("attributes", [])
        assert str(found).startswith(str(found.label if found.label else "class"))


@pytest.mark.parametrize("pipeline", ["objects", "faces", "text"])
def test_records_equal_json(client: sightd.Client, images: Path, pipeline: str) -> None:
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    path = images / ("receipt.png" if pipeline == "text" else "zidane.jpg")
    text = client.infer(path, pipeline=pipeline)
    records = client.infer(path, pipeline=pipeline, records=True)
    boxes, scores, ids = records.boxes, records.scores, records.class_ids  # read without parsing
    assert boxes.dtype == scores.dtype == np.float32 and boxes.shape == (len(text.objects), 4)
    assert np.allclose(boxes, text.boxes, atol=0.011) and np.allclose(scores, text.scores, atol=1e-4)
    assert ids.tolist() == text.class_ids.tolist()
    assert np.allclose(records.xyxy[:, 2:], boxes[:, :2] + boxes[:, 2:])
    same(records.to_dict(), text.to_dict(), tolerance=0.011)
    assert records.objects and np.allclose(records.boxes, boxes, atol=0.011)


def test_results_and_errors_are_pickled(client: sightd.Client, paths: list[Path]) -> None:
    for result in (client.infer(paths[0]), client.infer(paths[0], records=True)):
        assert pickle.loads(pickle.dumps(result)) == result  # parsed on either side
        assert pickle.loads(pickle.dumps(result)).to_json() == result.to_json() == copy.deepcopy(result).to_json()
    with pytest.raises(sightd.ReadError) as caught:
        client.infer("/nonexistent")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.source == "/nonexistent" and again.code == "io"


def test_no_objects(client: sightd.Client, paths: list[Path]) -> None:
    pytest.importorskip("numpy", reason="skipped: numpy is absent")
    for records in (False, True):
        result = client.infer(paths[0], threshold=1.0, records=records)
        assert result.boxes.shape == (0, 4) and result.scores.shape == (0,) and not result.objects


def test_options(client: sightd.Client, paths: list[Path]) -> None:
    usual = client.infer(paths[0]).objects
    assert [found.score for found in client.infer(paths[0], max_objects=2)] == [found.score for found in usual[:2]]
    assert all(found.score >= 0.8 for found in client.infer(paths[0], threshold=0.8))
    with pytest.raises(sightd.InvalidArgument, match="no such option: treshold"):
        client.infer(paths[0], treshold=0.8)
    with pytest.raises(sightd.InvalidArgument, match="exact"):
        client.infer(paths[0], decode="quick")
    with pytest.raises(sightd.InvalidArgument):
        client.infer(paths[0], threshold=2)
    assert client.infer(paths[0]).objects == usual


def test_ways_to_give_a_picture(client: sightd.Client, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    data = paths[0].read_bytes()
    ways = [paths[0], str(paths[0]), data, bytearray(data), memoryview(data), io.BytesIO(data)]
    with open(paths[0], "rb") as file:
        for way in [*ways, file]:
            same(client.infer(way).to_dict(), expected[0])
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    same(client.infer(np.fromfile(paths[0], np.uint8)).to_dict(), expected[0])


def png(cv2: Any, pixels: Any) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def test_arrays_equal_the_same_picture_as_png(client: sightd.Client, paths: list[Path]) -> None:
    cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
    import numpy as np

    bgr = cv2.imread(str(paths[0]))
    reference = client.infer(png(cv2, bgr), decode="exact").to_dict()
    assert len(reference["objects"]) >= 4
    rgb = np.ascontiguousarray(bgr[:, :, ::-1])
    readonly = bgr.copy()
    readonly.flags.writeable = False
    wide = np.zeros((bgr.shape[0], bgr.shape[1] + 7, 3), np.uint8)
    wide[:, 3:-4] = bgr
    for array, color in [(bgr, None), (rgb, "rgb"), (readonly, None), (wide[:, 3:-4], None), (bgr[:, :, ::-1], "rgb"),
                         (np.dstack([bgr, bgr[:, :, 0]]), None), (np.asfortranarray(bgr), "bgr")]:
        same(client.infer(array, color=color).to_dict(), reference)
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    reference = client.infer(png(cv2, gray), decode="exact").to_dict()
    same(client.infer(gray).to_dict(), reference)
    same(client.infer(gray[:, :, None]).to_dict(), reference)


def test_pil_images_equal_the_same_picture_as_png(client: sightd.Client, paths: list[Path]) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="skipped: Pillow is absent")
    image = image_module.open(paths[0]).convert("RGB")
    for given in (image, image.convert("L"), image.convert("RGBA")):
        file = io.BytesIO()
        (given.convert("RGB") if given.mode == "RGBA" else given).save(file, "PNG")
        same(client.infer(given).to_dict(), client.infer(file.getvalue(), decode="exact").to_dict())


def test_remote_links_get_jpeg(server: Server, paths: list[Path]) -> None:
    """What is sent to another machine, told by asking for it."""
    cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
    bgr = cv2.imread(str(paths[0]))
    jpeg = bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
    with sightd.Client(f"127.0.0.1:{server.port}", transport="jpeg") as client:
        same(client.infer(bgr).to_dict(), client.infer(jpeg).to_dict())
        assert client.infer(bgr).timing_us["decode"] > 0  # raw pixels take none
    with sightd.Client(f"127.0.0.1:{server.port}") as client:
        assert client.infer(bgr).timing_us["decode"] == 0
    from sightd.session import is_remote

    assert is_remote(("192.0.2.1", 1), ("192.0.2.2", 8080)) and is_remote(("fe80::1%eth0", 1), ("fe80::2%eth0", 1))
    assert not is_remote(("127.0.0.1", 1), ("127.0.0.1", 8080)) and not is_remote(("::1", 1), ("::1", 8080))
    assert not is_remote(("192.0.2.1", 1), ("192.0.2.1", 8080))


@pytest.mark.parametrize("bad,what", [(3, "int"), ("/nonexistent.jpg", "No such file"), (io.StringIO("x"), '"rb"'),
                                      (b"", "no image bytes"), (b"no image", "not an image")])
def test_bad_pictures_leave_the_connection_alive(client: sightd.Client, paths: list[Path], bad: Any, what: str) -> None:
    with pytest.raises(sightd.SightError, match=what) as caught:
        client.infer(bad)
    assert caught.value.code and caught.value.message
    assert client.infer(paths[0]).objects


def test_bad_arrays(client: sightd.Client) -> None:
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    for array, what in [(np.zeros((4, 4, 3)), "astype"), (np.zeros((4, 4, 2), np.uint8), "shape"),
                        (np.zeros((0, 4, 3), np.uint8), "sides"), (np.zeros((1, 65536), np.uint8), "sides")]:
        with pytest.raises(sightd.InvalidArgument, match=what):
            client.infer(array)
    with pytest.raises(sightd.InvalidArgument, match="rgb"):
        client.infer(np.zeros((4, 4, 3), np.uint8), color="hsv")


def test_errors_of_the_server(client: sightd.Client, paths: list[Path]) -> None:
    with pytest.raises(sightd.NotFound, match="faces, objects, text"):
        client.infer(paths[0], pipeline="none")
    client.infer(paths[0])
    with pytest.raises(sightd.DeadlineExceeded) as caught:
        client.infer(paths[0], deadline_ms=1)
    assert isinstance(caught.value, TimeoutError) and caught.value.source == str(paths[0])
    assert caught.value.to_dict()["error"]["code"] == "deadline_exceeded"
    assert client.infer(paths[0], deadline_ms=60000).objects


def test_too_large_is_refused_on_both_sides(start_server: Start, paths: list[Path]) -> None:
    with sightd.Client(port=start_server("--max-image-bytes", "1MiB", "--max-pixels", "900k").port) as client:
        with pytest.raises(sightd.TooLarge, match="max-image-bytes"):
            client.infer(b"\xff\xd8" + bytes(3 << 20))
        with pytest.raises(sightd.TooLarge):
            client.infer(paths[0])  # 960,000 pixels
        assert client.infer(paths[4]).objects


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("window", [None, 1, 3])
def test_map(client: sightd.Client, paths: list[Path], expected: list[dict[str, Any]], ordered: bool,
             window: int | None) -> None:
    results = list(client.map(paths * 4, ordered=ordered, window=window))
    indices = [result.index for result in results]
    assert indices == list(range(20)) if ordered else sorted(indices) == list(range(20))  # type: ignore[type-var]
    for result in results:
        same(result.to_dict(), expected[result.index % 5])  # type: ignore[operator]
        assert result.source == str(paths[result.index % 5])  # type: ignore[operator]


def test_map_takes_no_more_than_the_window(client: sightd.Client, paths: list[Path]) -> None:
    taken = 0

    def pictures() -> Any:
        nonlocal taken
        for _ in range(30):
            taken += 1
            yield paths[0]

    for yielded, _ in enumerate(client.map(pictures(), window=4)):
        assert taken <= yielded + 4
    assert taken == 30


def test_map_and_errors(client: sightd.Client, paths: list[Path]) -> None:
    pictures = [paths[0], b"no image", paths[1], Path("/nonexistent.jpg"), paths[2]]
    results = list(client.map(pictures, errors="return"))
    assert [getattr(result, "code", None) for result in results] == [None, "bad_image", None, "io", None]
    assert [result.index for result in results] == [0, 1, 2, 3, 4] and results[3].source == "/nonexistent.jpg"
    done = []
    with pytest.raises(sightd.BadImage) as caught:
        for result in client.map(pictures):
            done.append(result.index)
    assert done == [0] and caught.value.index == 1
    with pytest.raises(ValueError):
        client.map([], errors="ignore")
    assert list(client.map([])) == []
    for _ in client.map(paths * 5):  # leaving early
        break
    assert client.infer(paths[0]).objects


def test_out_of_order(client: sightd.Client, paths: list[Path]) -> None:
    """A request that is refused is answered before the slow ones that were sent before it."""
    order: list[int] = []
    futures = [client.submit(paths[0], pipeline="objects" if number < 30 else "none") for number in range(31)]
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
    assert wait_until(lambda: len(order) == 31, 120)
    assert order.index(30) < 30 and isinstance(futures[30].exception(), sightd.NotFound)


def test_submit_and_cancel(client: sightd.Client, paths: list[Path]) -> None:
    futures = [client.submit(paths[0]) for _ in range(24)]
    cancelled = [future for future in futures[8:] if future.cancel()]
    assert all(future.result(60).objects for future in futures if future not in cancelled)
    assert cancelled and all(future.cancelled() and future.cancel() for future in cancelled)
    assert client.infer(paths[0]).objects
    assert wait_until(lambda: not client._engine._session.requests)


def test_timeout(client: sightd.Client, paths: list[Path]) -> None:
    began = time.monotonic()
    with pytest.raises(sightd.Timeout, match="within 0.001 s"):
        client.infer(paths[0], timeout=0.001)
    assert time.monotonic() - began < 30
    assert client.infer(paths[0]).objects


def test_more_threads_than_window(server: Server, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    failures: list[str] = []
    with sightd.Client(port=server.port, window=4) as client:
        assert client.info.window == 4

        def run(number: int) -> None:
            try:
                for k in range(6):
                    same(client.infer(paths[(number + k) % 5]).to_dict(), expected[(number + k) % 5])
            except Exception as problem:  # noqa: B902
                failures.append(repr(problem))

        threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_busy_is_tried_again(start_server: Start, paths: list[Path]) -> None:
    """One client keeps the server full: another hears of it, and with time to wait (the default) is served."""
    server = start_server("--max-queue", "1")
    with sightd.Client(port=server.port) as greedy, sightd.Client(port=server.port, busy_wait=0) as hasty:
        stop = threading.Event()
        got: list[sightd.Result] = []

        def keep_it_full() -> None:
            while not stop.is_set():
                got.extend(greedy.map(paths * 4))

        thread = threading.Thread(target=keep_it_full)
        thread.start()
        busy: list[sightd.Busy] = []

        def refused() -> bool:
            answers = list(hasty.map(paths, errors="return"))
            busy.extend(answer for answer in answers if isinstance(answer, sightd.Busy))
            return len(answers) == 5 and bool(busy)

        try:
            assert wait_until(refused, 120)
            with sightd.Client(port=server.port) as patient:
                assert patient.infer(paths[0]).objects
        finally:
            stop.set()
            thread.join()
        assert all(error.retry_after_ms > 0 and error.code == "busy" for error in busy)
        assert got and all(result.objects for result in got)


def test_newest(server: Server, paths: list[Path]) -> None:
    with sightd.Client(port=server.port, policy="newest") as client:
        answers = list(client.map(paths * 6, window=30, errors="return"))
        assert not isinstance(answers[-1], Exception)
        assert any(isinstance(answer, sightd.Dropped) for answer in answers)


def test_server_killed_and_restarted(start_server: Start, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    """Whatever was not answered is sent again, each picture is answered once."""
    server = start_server()
    with sightd.Client(port=server.port, reconnect=60) as client:
        results = client.map(paths * 12, window=16)
        got = [next(results) for _ in range(5)]
        server.stop(signal.SIGKILL)
        again = start_server(port=server.port)
        got += list(results)
        assert [result.index for result in got] == list(range(60))
        for result in got:
            same(result.to_dict(), expected[result.index % 5])  # type: ignore[operator]
        # Idle while the server goes and comes.
        assert again.stop() == 0
        start_server(port=server.port)
        assert client.infer(paths[0]).objects


def test_server_stops_in_the_middle(start_server: Start, paths: list[Path]) -> None:
    server = start_server()
    with sightd.Client(port=server.port, reconnect=60) as client:
        results = client.map(paths * 12, window=32)
        got = [next(results)]
        server.stop()
        start_server(port=server.port)
        assert len(got + list(results)) == 60


def test_server_gone_is_said_at_once(start_server: Start, paths: list[Path]) -> None:
    server = start_server()
    with sightd.Client(port=server.port, reconnect=0) as client:
        futures = [client.submit(paths[0]) for _ in range(20)]
        server.stop(signal.SIGKILL)
        began = time.monotonic()
        lost = [future.exception(30) for future in futures]
        assert any(isinstance(error, sightd.ConnectionLost) and "closed the connection" in str(error) for error in lost)
        with pytest.raises(sightd.ConnectError, match="sight serve"):
            client.infer(paths[0])
        assert time.monotonic() - began < 30
        start_server(port=server.port)
        assert client.infer(paths[0]).objects
    with pytest.raises(sightd.ClosedError):
        client.infer(paths[0])


def test_deadline_without_a_server(start_server: Start, paths: list[Path]) -> None:
    server = start_server()
    with sightd.Client(port=server.port, reconnect=60) as client:
        server.stop(signal.SIGKILL)
        with pytest.raises(sightd.DeadlineExceeded, match="no connection"):
            client.infer(paths[0], deadline_ms=300)


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(sightd.ConnectError, match=f"no server at 127.0.0.1:{port}"):
        sightd.Client(port=port)
    with pytest.raises(sightd.ConnectError, match="tried for 0.2 s"):
        sightd.Client(port=port, wait=0.2)
    with pytest.raises(sightd.ConnectError):
        sightd.SeedClient(port=port)


def test_somebody_else_there() -> None:
    """A server that speaks something else is told apart, not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        def answer() -> None:
            link, _ = other.accept()
            with link:
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                link.recv(16)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(sightd.ProtocolError, match="sightd"):
            sightd.Client(port=other.getsockname()[1])
        thread.join()


def test_wait_for_the_server(start_server: Start, paths: list[Path]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    later = threading.Timer(0.3, start_server, kwargs={"port": port})
    later.start()
    with sightd.Client(port=port, wait=60) as client:
        assert client.infer(paths[0]).objects
    later.join()


def test_close_fails_what_is_unanswered(server: Server, paths: list[Path]) -> None:
    client = sightd.Client(port=server.port)
    futures = [client.submit(paths[0]) for _ in range(20)]
    client.close()
    assert all(future.done() for future in futures)
    assert isinstance(futures[-1].exception(), sightd.ClosedError)
    client.close()


def test_draw(client: sightd.Client, paths: list[Path]) -> None:
    cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
    image_module = pytest.importorskip("PIL.Image", reason="skipped: Pillow is absent")
    import numpy as np

    pixels = cv2.imread(str(paths[0]))
    result = client.infer(pixels)
    before = pixels.copy()
    for drawn in (result.draw(pixels), result.draw(paths[0]), result.draw(paths[0].read_bytes())):
        assert drawn.shape == pixels.shape and drawn.dtype == np.uint8
        box = result.objects[0].box
        edge = np.any(drawn != before, axis=2)[round(box.y) + 40:round(box.y + box.h) - 5, round(box.x)]
        assert edge.mean() > 0.9  # the left side of the best object
    assert (pixels == before).all()
    image = image_module.open(paths[0])
    assert result.draw(image).size == image.size and result.draw(image).mode == "RGB"
    result.objects[0].label = "人"
    assert result.draw(pixels).shape == pixels.shape
    assert '"label":"人"' in result.to_json()


GARBAGE = """
import gc, sys, time, sightd
gc.disable()
client = sightd.Client(port=int(sys.argv[1]))
engine = client._engine
client.own = client  # only the collector finds it
del client
with engine._lock, engine._send_lock:  # an allocation in there may begin a collection
    gc.collect()
for _ in range(100):
    if engine._closed and engine._thread is None:
        break
    time.sleep(0.1)
print(engine._closed, engine._thread)
"""


def test_a_client_that_is_garbage_waits_for_no_lock(server: Server) -> None:
    """A finaliser may run wherever something is allocated, also where the client's own thread holds a lock."""
    done = subprocess.run([sys.executable, "-c", GARBAGE, str(server.port)], capture_output=True, text=True, timeout=60,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    assert done.stdout == "True None\n", done.stderr


def test_settings_are_checked() -> None:
    for wrong in ({"policy": "fastest"}, {"color": "hsv"}, {"transport": "png"}, {"window": -1}, {"port": 70000}):
        with pytest.raises(sightd.InvalidArgument):
            sightd.Client(**wrong)  # type: ignore[arg-type]
    from sightd.session import address_of

    assert address_of("camera:81", None) == ("camera", 81) and address_of("::1", None) == ("::1", 8080)
    assert address_of("[::1]:82", None) == ("::1", 82) and address_of("camera", 83) == ("camera", 83)


def test_a_forked_child_leaves_the_client_alone(client: sightd.Client, paths: list[Path]) -> None:
    """Its frames would go over the parent's connection, with the parent's numbers, and nobody reads the answers."""
    before = client.infer(paths[0]).objects
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            client.infer(paths[1], timeout=30)
        except sightd.SightError as error:
            said = f"{error.code}: {error}"
        try:
            client.ping()
        except sightd.ClosedError:
            said += "; ping too"
        client.close()
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    assert said.startswith("closed:") and "forked" in said and said.endswith("ping too"), said
    assert client.ping() > 0 and client.infer(paths[0]).objects == before


def test_a_port_that_closes_at_once_is_told_as_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        with pytest.raises(sightd.ConnectError, match="closed the connection|reset"):
            sightd.Client(port=listener.getsockname()[1])
