# SPDX-License-Identifier: MIT
"""What scripts/test counts, and what `make demo` notices.

tests/logs/ holds what `meson test` recorded of three small cmocka programs on Debian 12 (cmocka 1.1.5) and Debian 13
(1.1.7): one exits in its second test; one has 3 tests that pass, 2 that fail, 1 that is skipped, 1 whose set-up fails
and a group whose set-up fails; one has 2 that pass and 1 that is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, Server

PIPELINES = ("objects", "faces", "text")


def output(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("version", ["1.1.5", "1.1.7"])
def test_failures_of_both_cmockas_are_counted(version: str) -> None:
    done = output("unit_counts.py", ROOT / f"tests/logs/cmocka-{version}.txt")
    # failed: the one that exited, 2 that fail, 1 set-up, 1 set-up of a group
    assert done.stdout.split() == ["5", "5", "2"], done.stderr


def test_a_log_without_programs_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Log of Meson test suite run\n", encoding="utf-8")
    assert output("unit_counts.py", tmp_path / "log").stdout.split() == ["0", "0", "0"]


@contextmanager
def serve_as(tmp_path: Path, files: dict[str, str]) -> Iterator[Server]:
    """A server whose pipelines are those of the checkout, under these names."""
    for name, of in files.items():
        shutil.copyfile(ROOT / f"pipelines/{of}.yaml", tmp_path / f"{name}.yaml")
    server = Server("--pipelines", str(tmp_path), "--default-pipeline", "objects", "--log-level", "warn")
    try:
        yield server
    finally:
        server.stop()


def test_demo_passes_what_is_right(tmp_path: Path) -> None:
    with serve_as(tmp_path, {name: name for name in PIPELINES}) as server:
        done = output("demo_http.py", server.port, tmp_path / "out.jpg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out.jpg").read_bytes().startswith(b"\xff\xd8")


def test_demo_notices_wrong_answers(tmp_path: Path) -> None:
    with serve_as(tmp_path, {"objects": "faces", "faces": "objects", "text": "text"}) as server:
        done = output("demo_http.py", server.port, tmp_path / "out.jpg")
    assert done.returncode == 1
    assert "objects/bus.jpg: expected at least 1 of bus, 3 of person" in done.stderr
    assert "faces/group1.jpg: expected at least 3 of face, 1 of happy" in done.stderr


def test_demo_notices_a_server_that_is_gone(tmp_path: Path) -> None:
    with serve_as(tmp_path, {name: name for name in PIPELINES}) as server:
        port = server.port
    done = output("demo_http.py", port, tmp_path / "out.jpg")
    assert done.returncode == 1 and "the server did not answer as it should" in done.stderr
