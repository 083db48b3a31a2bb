# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: the real binary, started on a free port, and pictures.

SIGHT_BIN names the binary (default: sight in $SIGHT_BUILD, which scripts/test sets, else in build/). What is absent
makes its tests skip and say why.
"""
from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import assets
import pytest
from PIL import Image
from sight import detect

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))  # the package sightd
BIN = Path(os.environ.get("SIGHT_BIN") or Path(os.environ.get("SIGHT_BUILD") or ROOT / "build") / "sight")
# One engine and nothing kept, so that results are the same in every test and run; test_engines.py takes both.
os.environ.setdefault("SIGHT_ENGINES", "reference")
os.environ.setdefault("SIGHT_CACHE", "none")
READY_SECONDS = 60  # generous: sanitizer builds load models slowly
PYTHON_PICTURES = ["people.jpg", "zidane.jpg", "small.jpg", "coffee.png", "cat.png"]
ADDRESS = re.compile(r"\b127\.0\.0\.1:(\d+)\b")


def sanitized() -> bool:
    """Whether the build folder was set up with a sanitizer: its shadow memory makes bounds on memory meaningless."""
    try:
        text = (BIN.parent / "meson-info" / "intro-buildoptions.json").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(row["name"] == "b_sanitize" and row["value"] not in ("none", []) for row in json.loads(text))


class Server:
    """A running `sight serve`; everything it prints is kept in `lines`."""

    def __init__(self, *args: str, port: int = 0, cwd: Path = ROOT, descriptors: int | str = 0,
                 whole: bool = True) -> None:
        """whole: returns when every pipeline is loaded, not when the first can answer. descriptors: as many, or
        "so many:at most"."""
        self.lines: list[str] = []
        self.port = 0
        self.ready = threading.Event()
        self.whole = whole
        limit = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        self.process = subprocess.Popen([*limit, str(BIN), "serve", "--listen", f"127.0.0.1:{port}", *args], cwd=cwd,
                                        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if not self.ready.wait(READY_SECONDS) or not self.port or (whole and not self.is_whole()):
            self.stop(signal.SIGKILL)
            raise RuntimeError("the server did not come up:\n" + "".join(self.lines))

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found and not self.port:
                self.port = int(found[1])
            if self.port and (not self.whole or self.is_whole()):
                self.ready.set()
        self.ready.set()  # the end of its output: never mind waiting

    def is_whole(self) -> bool:
        return any(line.startswith("ready after ") for line in self.lines)

    def rss_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]

    def settled_rss_kib(self, seconds: float = 60) -> int:
        """rss_kib once it has been the same for a second: graphs for all cores load behind the first answers."""
        end, last, since = time.monotonic() + seconds, self.rss_kib(), time.monotonic()
        while time.monotonic() < min(end, since + 1):
            time.sleep(0.05)
            if self.rss_kib() != last:
                last, since = self.rss_kib(), time.monotonic()
        return last

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Sends the signal, returns the exit status (negative: killed by that signal)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.reader.join(5)
        return status


@pytest.fixture(scope="session")
def sight() -> Path:
    if not BIN.is_file():
        pytest.skip(f"skipped: {BIN} is not built (set SIGHT_BIN)")
    return BIN


@pytest.fixture(scope="session")
def images() -> Path:
    return assets.pictures()


def one_pipeline(args: Sequence[str]) -> list[str]:
    name = args[args.index("--default-pipeline") + 1] if "--default-pipeline" in args else "objects"
    return ["--pipelines", f"pipelines/{name}.yaml"]


@pytest.fixture
def start_server(sight: Path) -> Iterator[Callable[..., Server]]:
    """start_server("--flag", "value", …, cwd=folder) → Server; the test ends those that still run.

    It loads one pipeline, that of --default-pipeline or objects, because loading all takes longer than most tests do;
    every=True, settings that name others, or another folder have theirs."""
    del sight
    started: list[Server] = []

    def start(*args: str, every: bool = False, **keys: Any) -> Server:
        if not every and "cwd" not in keys and not {"--pipelines", "--config"} & set(args):
            args = *args, *one_pipeline(args)
        started.append(Server(*args, **keys))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def server(sight: Path) -> Iterator[Server]:
    """One server with default settings for all tests of a module; it must end well."""
    del sight
    running = Server()
    yield running
    assert running.process.poll() is None, "the server died:\n" + "".join(running.lines)
    assert running.stop() == 0, "".join(running.lines)


@pytest.fixture(scope="module")
def faces_server(sight: Path) -> Iterator[Server]:
    """One server for the tests that need no settings; it must end well."""
    del sight
    running = Server("--default-pipeline", "faces")
    yield running
    assert running.process.poll() is None, "the server died:\n" + "".join(running.lines)
    assert running.stop() == 0, "".join(running.lines)


@pytest.fixture(name="group", scope="module")
def group_bytes(images: Path) -> bytes:
    return (images / "people.jpg").read_bytes()


@pytest.fixture(name="small", scope="module")
def small_bytes(group: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(group)) as image:
        image.resize((320, 213)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def paths(images: Path) -> list[Path]:
    """The pictures that the Python package is tested with."""
    return [images / name for name in PYTHON_PICTURES]


@pytest.fixture(scope="module")
def expected(sight: Path, paths: list[Path]) -> list[dict[str, Any]]:
    """What `sight detect` says of them."""
    del sight
    return detect("-p", "objects", *paths)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says whether the additional set was there, and prints what tests recorded with record_property("summary", text),
    also from other processes."""
    if assets.ADDITIONAL in assets.SETS:
        terminalreporter.write_line(f"known results: the base set's and those of {assets.SHARED}")
    else:
        terminalreporter.write_line(f"known results: the base set's; no additional set in {assets.SHARED}")
    for report in terminalreporter.getreports("passed"):
        for key, text in report.user_properties:
            if key == "summary":
                terminalreporter.write_line(str(text))
