# SPDX-License-Identifier: MIT
"""In process through libsight, `python -m sightd`, and the examples of the documents.

Expected results come from `sight detect --json`, which does not go through libsight.
"""
from __future__ import annotations

import gc
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sightd
from conftest import BIN, ROOT, Server, sanitized
from sight import BUILD, detect, model
from test_python import png, same

LIBRARY = BUILD / "libsight.so"
# Under the sanitizers the cmocka tests of src/lib stand for it, and drawing is Pillow's.
if not sanitized():
    os.environ.setdefault("SIGHT_LIBRARY", str(LIBRARY))
WHY = ("Python cannot load a sanitized libsight" if sanitized()
       else "" if Path(os.environ["SIGHT_LIBRARY"]).exists() else f"{LIBRARY} is not built")
needs_library = pytest.mark.skipif(bool(WHY), reason=f"skipped: {WHY}")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "SIGHT_DATA": str(ROOT)}


@pytest.fixture(name="pipeline", scope="module")
def make_pipeline() -> Iterator[sightd.Pipeline]:
    with sightd.Pipeline("objects", models=ROOT / "models", pipelines=ROOT / "pipelines") as pipeline:
        yield pipeline


@needs_library
def test_same_as_detect(pipeline: sightd.Pipeline, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    assert pipeline.name == "objects" and pipeline.models and "person" in pipeline.labels()
    for path, said in zip(paths, expected):
        same(pipeline.infer(path).to_dict(), said)
        data = path.read_bytes()
        for way in (data, bytearray(data), memoryview(data)):
            same(pipeline.infer(way).to_dict(), said)
    results = list(pipeline.map(paths * 4))
    assert [result.index for result in results] == list(range(20))
    for result in [*results, *pipeline.map(paths * 2, ordered=False, window=3)]:
        same(result.to_dict(), expected[result.index % 5])  # type: ignore[operator]


@needs_library
def test_arrays_equal_the_same_picture_as_png(pipeline: sightd.Pipeline, paths: list[Path]) -> None:
    cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
    import numpy as np

    bgr = cv2.imread(str(paths[0]))
    reference = pipeline.infer(png(cv2, bgr), decode="exact").to_dict()
    assert len(reference["objects"]) >= 4
    wide = np.full((bgr.shape[0], bgr.shape[1] + 7, 3), 0xA5, np.uint8)
    wide[:, 3:-4] = bgr
    readonly = bgr.copy()
    readonly.flags.writeable = False
    for array, color in [(bgr, "bgr"), (wide[:, 3:-4], "bgr"), (readonly, "bgr"), (bgr[:, :, ::-1], "rgb"),
                         (np.ascontiguousarray(bgr[:, :, ::-1]), "rgb"), (bgr[::-1][::-1], "bgr")]:
        same(pipeline.infer(array, color=color).to_dict(), reference)
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    reference = pipeline.infer(png(cv2, gray), decode="exact").to_dict()
    same(pipeline.infer(gray).to_dict(), reference)
    padded = np.zeros((gray.shape[0], gray.shape[1] + 9), np.uint8)
    padded[:, 9:] = gray
    same(pipeline.infer(padded[:, 9:]).to_dict(), reference)
    image_module = pytest.importorskip("PIL.Image", reason="skipped: Pillow is absent")
    same(pipeline.infer(image_module.fromarray(gray)).to_dict(), reference)


@needs_library
def test_eight_threads(pipeline: sightd.Pipeline, paths: list[Path], expected: list[dict[str, Any]]) -> None:
    failures: list[str] = []

    def run(number: int) -> None:
        try:
            for k in range(5):
                same(pipeline.infer(paths[(number + k) % 5]).to_dict(), expected[(number + k) % 5])
        except Exception as problem:  # noqa: B902
            failures.append(repr(problem))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@needs_library
def test_other_threads_run_meanwhile(pipeline: sightd.Pipeline, paths: list[Path]) -> None:
    """The GIL is free during a call: a thread that counts gets on, though nobody is made to give the GIL up."""
    counted, stop, data = 0, threading.Event(), paths[0].read_bytes()

    def count() -> None:
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counted
        pipeline.infer(data)
        after = counted
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert after > before


@needs_library
def test_errors_in_process(pipeline: sightd.Pipeline, paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(sightd.BadImage):
        pipeline.infer(b"no image")
    with pytest.raises(sightd.BadImage):
        pipeline.infer(b"")
    with pytest.raises(sightd.InvalidArgument):
        pipeline.infer(paths[0], threshold=2)
    with pytest.raises(sightd.InvalidArgument, match="no such option: pipeline"):
        pipeline.infer(paths[0], pipeline="faces")
    with pytest.raises(sightd.DeadlineExceeded):
        pipeline.infer(paths[0], deadline_ms=1)
    with pytest.raises(sightd.NotFound, match="objects"):
        sightd.Pipeline("none", models=ROOT / "models", pipelines=ROOT / "pipelines")
    (tmp_path / "bad.yaml").write_text("detect: {model: ssd-mobilenet, treshold: 1}\n", encoding="utf-8")
    with pytest.raises(sightd.ConfigError, match="bad.yaml:1"):
        sightd.Pipeline(tmp_path / "bad.yaml", models=ROOT / "models")
    assert [type(one).__name__ for one in pipeline.map([paths[0], b"x"], errors="return")] == ["Result", "BadImage"]
    assert pipeline.infer(paths[0], max_objects=1).objects == pipeline.infer(paths[0]).objects[:1]


@needs_library
def test_bare_model_and_close(paths: list[Path]) -> None:
    yolox = model("yolox")
    said = detect("--model", yolox, paths[0])[0]
    with sightd.Pipeline(yolox) as pipeline:
        result = pipeline.infer(paths[0]).to_dict()
        assert [found["bbox"] for found in result["objects"]] == [found["bbox"] for found in said["objects"]]
    pipeline.close()
    with pytest.raises(sightd.ClosedError):
        pipeline.infer(paths[0])


def test_library_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "libsight.so").write_bytes(b"no library")
    code = "import sightd; sightd.Pipeline('objects')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
                          env={**ENVIRONMENT, "SIGHT_LIBRARY": str(tmp_path / "libsight.so")})
    assert "LibraryError" in done.stderr and "SIGHT_LIBRARY" in done.stderr


def send(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sightd", *map(str, arguments)], cwd=ROOT, env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(name="folder", scope="module")
def make_folder(paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in (1, 2, 9, 10, 11, 100):
        shutil.copy(paths[number % 5], folder / f"bild ä{number}.JPEG")
    (folder / ".hidden.jpg").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    return folder


NATURAL = [f"bild ä{number}.JPEG" for number in (1, 2, 9, 10, 11, 100)]


@pytest.mark.parametrize("where", ["server", pytest.param("in process", marks=needs_library)])
def test_folder(server: Server, folder: Path, expected: list[dict[str, Any]], where: str) -> None:
    how = ["--port", server.port] if where == "server" else ["--in-process", "--pipeline", "objects"]
    done = send(folder, *how)
    assert done.returncode == 0 and done.stderr == ""  # no bar where there is no terminal
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["source"]).name for line in lines] == NATURAL
    for line, number in zip(lines, (1, 2, 9, 10, 11, 100)):
        same(line, expected[number % 5])


def test_folder_with_failures(server: Server, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    out = tmp_path / "out.jsonl"
    done = send(tmp_path, folder, "--port", server.port, "--out", out, "--window", 2)
    assert done.returncode == 1 and done.stdout == ""
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 7 and lines[0]["error"]["code"] == "bad_image" and lines[0]["source"].endswith("broken.jpg")
    assert all("error" not in line for line in lines[1:])
    for bad, what in ((("/nonexistent",), "no file"), ((folder, "--port", 1), "sight serve"),
                      ((folder, "--window", 0), "--window")):
        done = send(*bad)
        assert done.returncode == 2 and what in done.stderr and done.stdout == ""
    assert "examples:" in send("--help").stdout


def test_folder_replaces_what_sightd_wrote_and_no_more(server: Server, paths: list[Path], tmp_path: Path) -> None:
    """As test_cli_outputs.py has it for `sight send`, whose results are sightd's own here, too."""
    picture, out = tmp_path / "a.jpg", tmp_path / "out.jsonl"
    shutil.copy(paths[0], picture)
    before = picture.read_bytes()
    (tmp_path / "hard.jsonl").hardlink_to(picture)
    for name in ("a.jpg", "hard.jsonl"):
        done = send(picture, "--port", server.port, "--out", tmp_path / name, "--overwrite")
        assert done.returncode == 2 and "never replaced" in done.stderr and picture.read_bytes() == before
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("detect: objects\n")
    done = send(picture, "--in-process", "--pipeline", recipe, "--out", recipe, "--overwrite")
    assert done.returncode == 2 and "never replaced" in done.stderr and recipe.stat().st_size > 0
    out.write_text("my notes of ten years\n")
    done = send(picture, "--port", server.port, "--out", out)
    assert done.returncode == 2 and "--overwrite replaces it" in done.stderr and "notes" in out.read_text()
    for more in (["--overwrite"], []):
        assert send(picture, "--port", server.port, "--out", out, *more).returncode == 0
        assert json.loads(out.read_text())["source"] == str(picture)
    shutil.copy(paths[1], picture.with_name("b.jpg"))
    sent = [str(BIN), "send", "--to", f"127.0.0.1:{server.port}", str(picture.with_name("b.jpg")), "-o", str(out)]
    subprocess.run(sent, check=True, timeout=120)
    assert send(picture, "--port", server.port, "--out", out).returncode == 0


def test_bar_on_a_terminal(server: Server, folder: Path, tmp_path: Path) -> None:
    head, tail = pty.openpty()
    with open(tmp_path / "out", "w", encoding="utf-8") as out:
        process = subprocess.Popen([sys.executable, "-m", "sightd", str(folder), "--port", str(server.port)],
                                   cwd=ROOT, env=ENVIRONMENT, stdout=out, stderr=tail)
        os.close(tail)
        shown = b""
        try:
            while piece := os.read(head, 4096):
                shown += piece
        except OSError:
            pass  # the other end was closed
        assert process.wait(60) == 0
    os.close(head)
    assert b"6/6" in shown and b"/s" in shown
    assert len((tmp_path / "out").read_text(encoding="utf-8").splitlines()) == 6


def examples() -> list[str]:
    """The Python examples of README.md that use the package."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "sightd" in code]


def test_readme_has_three_examples() -> None:
    assert len(examples()) == 3
    assert all(len(code.strip().splitlines()) <= 3 for code in examples())


@pytest.mark.parametrize("number", [0, 1, pytest.param(2, marks=needs_library)])
def test_readme_example(server: Server, paths: list[Path], tmp_path: Path, number: int) -> None:
    shutil.copy(paths[0], tmp_path / "photo.jpg")
    code = examples()[number].replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    label = "face" if "faces" in code else "person"
    said = detect("-p", "faces" if "faces" in code else "objects", paths[0])[0]["objects"]
    assert done.stdout.count(f"'{label}'") + done.stdout.count(f"{label} ") >= len(
        [found for found in said if found["label"] == label]) > 0


@needs_library
def test_a_pipeline_that_is_garbage_is_freed() -> None:
    """By the collector, with nobody calling close: the runtime's threads end."""
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    sightd.Pipeline("faces", threads=4).close()
    before = threads()
    pipeline = sightd.Pipeline("faces", threads=4)
    assert threads() > before
    pipeline.own = pipeline  # type: ignore[attr-defined]  # only the collector finds it
    with pipeline._state:
        del pipeline
        gc.collect()
    assert threads() == before


def test_version_is_that_of_the_project() -> None:
    """VERSION is the one source; only the header, which is used as it lies there, says its first two numbers again."""
    version = (ROOT / "VERSION").read_text(encoding="ascii").strip()
    header = (ROOT / "include" / "sight.h").read_text(encoding="utf-8")
    said = re.findall(r"#define SIGHT_VERSION_(?:MAJOR|MINOR) (\d+)", header)
    assert re.fullmatch(r"\d+\.\d+\.\d+", version) and version == sightd.__version__
    assert said == version.split(".")[:2]


def test_types() -> None:
    mypy = pytest.importorskip("mypy.api", reason="skipped: mypy is absent")
    out, _, status = mypy.run(["--strict", "--config-file", str(ROOT / "python" / "pyproject.toml"),
                               str(ROOT / "python" / "sightd"), "--cache-dir", os.devnull])
    assert status == 0, out


def test_every_source_is_installed() -> None:
    text = (ROOT / "python" / "meson.build").read_text(encoding="utf-8")
    listed = set(re.findall(r"'(?:sightd|\.\.)/([\w.]+)'", text))
    assert listed == {file.name for file in (ROOT / "python" / "sightd").iterdir() if file.is_file()}
