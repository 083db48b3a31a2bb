# SPDX-License-Identifier: MIT
"""What a run writes to, and what it never writes to: pictures, and files that sightd did not make.

The rule: no output replaces an input, or anything that was there before the run and is not sightd's own, without being
told to; the same command again just works. Needs only what set-up brings.
"""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sight

SAMPLES = sight.ROOT / "deps" / "samples"
pytestmark = pytest.mark.skipif(not (SAMPLES / "faces").is_dir(), reason="skipped: deps/samples is absent: make deps")
MODEL = sight.ROOT / "models" / "blazeface"
FORMATS = ["jsonl", "json", "csv", "coco", "yolo"]


def detect(cwd: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(sight.SIGHT), "detect", "--model", str(MODEL), "--no-timing", *map(str, words)], cwd=cwd,
                          capture_output=True, text=True, timeout=sight.TIMEOUT_S, check=False)


@contextmanager
def running(*words: object, cwd: Path = sight.ROOT, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A command that ends with its test. A Popen alone is waited for, for ever when the test has failed."""
    with subprocess.Popen([str(sight.SIGHT), *map(str, words)], cwd=cwd, text=True, **more) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of faces, ready, with its address."""
    with running("serve", "--listen", "127.0.0.1:0", "--pipelines", "pipelines/faces.yaml", "--log-level", "error",
                 stdout=subprocess.PIPE) as server:
        assert server.stdout
        address = server.stdout.readline().split()[-1]
        while not server.stdout.readline().startswith("ready"):
            assert server.poll() is None
        yield server, address


def sums(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("group1.jpg", "group2.jpg"):
        shutil.copy(SAMPLES / "faces" / name, folder)
    return folder


@pytest.mark.parametrize("words", [["group1.jpg", "--annotate", "."], [".", "--annotate", "."],
                                   ["group1.jpg", "--annotate", "../photos", "--overwrite"],
                                   ["group1.jpg", "group2.jpg", "-o", "group2.jpg"],
                                   ["group1.jpg", "-f", "coco", "-o", "group1.jpg", "--overwrite"],
                                   ["group1.jpg", "-f", "csv", "-o", "soft.csv", "--overwrite"],
                                   ["group1.jpg", "-o", "hard.jsonl", "--overwrite"]])
def test_a_picture_is_never_replaced(photos: Path, words: list[str]) -> None:
    (photos / "soft.csv").symlink_to("group1.jpg")
    os.link(photos / "group1.jpg", photos / "hard.jsonl")
    before = sums(photos)
    done = detect(photos, *words)
    assert done.returncode == 1 and "never replaced" in done.stderr, done.stderr
    assert sums(photos) == before


@pytest.mark.parametrize("format_", ["table", *FORMATS])
def test_files_of_others_stay_and_overwrite_replaces_them(photos: Path, format_: str) -> None:
    out = photos.parent / "out"
    mine = out / "group1.txt" if format_ == "yolo" else out
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("my notes of ten years\n")
    words = ["group1.jpg", "-f", format_, "-o", out]
    done = detect(photos, *words)
    assert done.returncode == 1 and "--overwrite replaces it" in done.stderr, done.stderr
    assert mine.read_text() == "my notes of ten years\n"
    done = detect(photos, *words, "--overwrite")
    assert done.returncode == 0 and "notes" not in mine.read_text(), done.stderr


def test_the_same_command_again_just_works(photos: Path) -> None:
    out = photos.parent / "out"
    for format_ in ("jsonl", "json", "csv", "coco"):
        words = [photos, "-f", format_, "-o", out / format_, "--annotate", out / "drawn", "--crop", out / "cut"]
        assert detect(photos, *words).returncode == 0
        before = sums(out)
        done = detect(photos, *words)
        assert done.returncode == 0 and sums(out) == before, done.stderr


def test_a_drawing_that_was_worked_on_stays(photos: Path) -> None:
    """Whatever else kept the comment, and whatever was there under the name of a drawing or a cut."""
    drawn = photos.parent / "drawn"
    assert detect(photos, "group1.jpg", "--annotate", drawn).returncode == 0
    path = drawn / "group1.jpg"
    path.write_bytes(path.read_bytes() + b"a note of another program")
    before = sums(drawn)
    done = detect(photos, "group1.jpg", "--annotate", drawn)
    assert done.returncode == 1 and "--annotate" in done.stderr and sums(drawn) == before
    cut = photos.parent / "cut"
    cut.mkdir()
    (cut / "group1_0_face.jpg").write_bytes(b"mine")
    done = detect(photos, "group1.jpg", "--crop", cut)
    assert done.returncode == 1 and (cut / "group1_0_face.jpg").read_bytes() == b"mine"


def test_outputs_do_not_write_over_each_other(photos: Path) -> None:
    """The results lie where a drawing would go."""
    done = detect(photos, "group1.jpg", "-o", "../out/group1.jpg", "--annotate", "../out")
    assert done.returncode == 1 and "another picture" in done.stderr
    assert not (photos.parent / "out" / "group1.jpg").exists()


def test_what_standard_output_already_holds_stays(photos: Path) -> None:
    for format_ in ("jsonl", "json"):
        log = photos.parent / f"log-{format_}"
        log.write_text("before\n")
        with log.open("a", encoding="utf-8") as to:
            subprocess.run([str(sight.SIGHT), "detect", "--model", str(MODEL), "-f", format_, "-o", "/dev/stdout",
                            str(photos / "group1.jpg")], stdout=to, timeout=sight.TIMEOUT_S, check=True)
        text = log.read_text()
        assert text.startswith("before\n") and '"source"' in text


def test_two_pictures_of_one_name_have_outputs_of_their_own(photos: Path) -> None:
    for folder in ("a", "b"):
        (photos / folder).mkdir()
        shutil.copy(photos / "group1.jpg", photos / folder / "x.jpg")
    shutil.copy(SAMPLES / "objects" / "cat.png", photos / "a" / "x.png")
    out = photos.parent / "out"
    done = detect(photos, "a", "b", "--annotate", out, "-f", "yolo", "-o", out)
    assert done.returncode == 0, done.stderr
    assert len([p for p in out.iterdir() if p.suffix == ".jpg"]) == 3
    assert len([p for p in out.iterdir() if p.suffix == ".txt" and p.name != "classes.txt"]) == 3
    # These two cannot be told apart by any rule of names: the drawing of x.png is x.png.jpg.
    shutil.copy(photos / "group1.jpg", photos / "a" / "x.png.jpg")
    done = detect(photos, "a/x.png", "a/x.png.jpg", "--annotate", photos.parent / "other")
    assert done.returncode == 1 and "another picture of this run" in done.stderr


def test_watching_the_folder_that_is_drawn_into_is_refused(photos: Path) -> None:
    (photos.parent / "same").symlink_to(photos)
    for flag in ("--annotate", "--crop"):
        done = detect(photos, "--watch", photos, flag, photos.parent / "same")
        assert done.returncode == 2 and flag in done.stderr and "--watch" in done.stderr


def wait_for(path: Path, lines: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path}: {path.read_text() if path.exists() else 'absent'}")


def test_watching_draws_into_a_folder_below_once(photos: Path) -> None:
    out, drawn = photos.parent / "out.jsonl", photos / "drawn"
    with running("detect", "--model", MODEL, "--watch", photos, "--resume", "--annotate", drawn, "-o", out,
                 stderr=subprocess.PIPE) as run:
        wait_for(out, 2)
        shutil.copy(SAMPLES / "faces" / "group3.jpg", photos)
        wait_for(out, 3)
        shutil.copy(SAMPLES / "faces" / "group4.jpg", photos / "group3.jpg")  # it came again
        wait_for(out, 4)
        time.sleep(1)
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130, run.stderr.read() if run.stderr else ""
    assert out.read_bytes().count(b"\n") == 4
    assert sorted(p.name for p in drawn.iterdir()) == ["group1.jpg", "group2.jpg", "group3.jpg"]


def test_watching_follows_folders(photos: Path) -> None:
    """New folders, folders moved in with what they hold, moved about and away again; each picture comes once."""
    picture = (SAMPLES / "faces" / "group1.jpg").read_bytes()
    out, away = photos.parent / "out.jsonl", photos.parent / "away"
    (photos / "old").mkdir()
    (away / "deep").mkdir(parents=True)
    (away / "deep" / "in.jpg").write_bytes(picture)
    with running("detect", "--model", MODEL, "--watch", photos, "-o", out, stderr=subprocess.PIPE) as run:
        wait_for(out, 0)
        (photos / "old" / "a.jpg").write_bytes(picture)
        wait_for(out, 1)
        for number in range(5):  # written before anybody can have begun to watch
            (photos / f"new{number}" / "deep").mkdir(parents=True)
            (photos / f"new{number}" / "deep" / "b.jpg").write_bytes(picture)
        wait_for(out, 6)
        away.rename(photos / "moved")
        wait_for(out, 7)
        (photos / "moved" / "deep").rename(photos / "elsewhere")
        wait_for(out, 8)
        (photos / "elsewhere" / "c.jpg").write_bytes(picture)
        wait_for(out, 9)
        (photos / "elsewhere" / "inner").mkdir()
        (photos / "elsewhere" / "inner" / "c.jpg").write_bytes(picture)
        wait_for(out, 10)
        (photos / "elsewhere").rename(photos.parent / "gone")
        for folder in ("gone", "gone/inner"):  # nobody tells of what is inside the one that was moved
            (photos.parent / folder / "d.jpg").write_bytes(picture)
        (photos / "e.jpg").write_bytes(picture)
        wait_for(out, 11)
        time.sleep(1.5)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
        assert run.returncode == 130 and "failed" not in said, said
    names = [os.path.relpath(json.loads(line)["source"], photos) for line in out.read_text().splitlines()]
    assert sorted(names) == sorted(["old/a.jpg", *(f"new{n}/deep/b.jpg" for n in range(5)), "moved/deep/in.jpg",
                                    "elsewhere/in.jpg", "elsewhere/c.jpg", "elsewhere/inner/c.jpg", "e.jpg"])


def test_an_interrupt_does_not_wait_for_a_server_that_is_gone(photos: Path) -> None:
    """The server goes while pictures are to come; the run would try for a minute to reach it again."""
    out = photos.parent / "out.jsonl"
    with serving() as (server, address):
        with running("send", "--to", address, "--watch", photos, "--retry", "60s", "-o", out,
                     stderr=subprocess.PIPE) as run:
            wait_for(out, 0)
            shutil.copy(SAMPLES / "faces" / "group3.jpg", photos)
            wait_for(out, 1)
            server.terminate()
            assert server.wait(60) == 0
            shutil.copy(SAMPLES / "faces" / "group4.jpg", photos)
            time.sleep(1)
            began = time.monotonic()
            run.send_signal(signal.SIGINT)
            said = run.communicate(timeout=60)[1]
            assert time.monotonic() - began < 20 and run.returncode == 130, said
            assert "the connection to" in said
    assert out.read_bytes().count(b"\n") == 1


def test_no_server_is_said_in_one_clear_sentence(photos: Path) -> None:
    done = sight.run("send", "--to", "127.0.0.1:1", photos)
    assert done.returncode == 1
    assert done.stderr == ('sight send: no server: cannot connect to "127.0.0.1:1": Connection refused; is sightd '
                           "running there? `sight serve` starts one\n")


def test_lists_of_names_in_every_form(photos: Path) -> None:
    """Lines, lines of Windows, NULs as find -print0 writes them; an empty list is no success."""
    for separator in ("\n", "\r\n", "\0"):
        names = photos / "names"
        names.write_bytes("".join(f"{name}{separator}" for name in ("group1.jpg", "group2.jpg")).encode())
        done = detect(photos, "--files-from", names, "-f", "jsonl")
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["group1.jpg", "group2.jpg"]
    names.write_bytes(b"\n\n")
    done = detect(photos, "--files-from", names)
    assert done.returncode == 1 and f'no picture is named in "{names}"' in done.stderr
    done = detect(photos, "--files-from", photos)
    assert done.returncode == 1 and "Is a directory" in done.stderr


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_resume_counts_failures_of_every_kind(photos: Path, format_: str) -> None:
    """One that cannot be opened, one that is no picture: the first is told without a pipeline, the second with it."""
    (photos / "gone.jpg").symlink_to("nowhere")
    (photos / "text.jpg").write_text("no picture", encoding="utf-8")
    for _ in range(2):
        done = detect(photos, "-f", format_, "-o", f"../found.{format_}", "--resume", ".")
    assert "4 of 4 pictures were in the output already, 2 of them as failed" in done.stderr, done.stderr


def test_a_pipe_in_a_folder_is_left_out(photos: Path) -> None:
    """Nobody writes into it: whoever opens it waits for ever. Named by itself it is read, as `<(curl …)` is."""
    os.mkfifo(photos / "pipe.jpg")
    (photos / "link.jpg").symlink_to("pipe.jpg")
    done = detect(photos, "--json", ".")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done
    assert done.stderr.count("is no file, left out") == 2, done.stderr
    words = f'"{sight.SIGHT}" detect --model "{MODEL}" --json <(cat group1.jpg)'
    done = subprocess.run(["bash", "-c", words], cwd=photos, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["objects"], done


def test_names_that_a_terminal_would_obey(photos: Path) -> None:
    odd = "a\x1b[31m\nb.jpg"
    (photos / "group1.jpg").rename(photos / odd)
    (photos / "c\x07.jpg").write_bytes(b"no picture")
    done = detect(photos, ".", "-f", "table")
    assert "./a?[31m?b.jpg  1920x1280" in done.stdout and "\x1b" not in done.stdout
    assert "./c?.jpg: " in done.stderr and "\x07" not in done.stderr
    (reply,) = [json.loads(line) for line in detect(photos, odd, "-f", "jsonl").stdout.splitlines()]
    assert reply["source"] == odd
    (photos / "-dash.jpg").write_bytes((photos / "group2.jpg").read_bytes())
    done = detect(photos, "-dash.jpg")
    assert done.returncode == 2 and "written ./-dash.jpg" in done.stderr
    assert detect(photos, "--", "-dash.jpg").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="skipped: a small disk is mounted, which takes root")
@pytest.mark.parametrize("words", [["-f", "jsonl", "-o", "o"], ["-f", "coco", "-o", "o"], ["-f", "yolo", "-o", "o"],
                                   ["--annotate", "o"], ["--crop", "o"]])
def test_a_disk_that_is_full(photos: Path, words: list[str]) -> None:
    """Told with the file's name, and no half of a file is left."""
    disk = photos / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False,
                      capture_output=True).returncode:
        pytest.skip("skipped: mount is not allowed here")
    try:
        (disk / "fill").write_bytes(b"x" * 65536)
        done = subprocess.run([str(sight.SIGHT), "detect", "--model", str(MODEL), *words, str(photos / "group1.jpg")],
                              cwd=disk, capture_output=True, text=True, timeout=sight.TIMEOUT_S, check=False)
        assert done.returncode == 1 and "No space left on device" in done.stderr and '"o' in done.stderr, done.stderr
        assert not [p for p in disk.rglob("*") if p.is_file() and p.name != "fill" and p.stat().st_size]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_every_sender_takes_to(photos: Path) -> None:
    """`sight send`, the two examples and the Python package name the server alike."""
    with serving() as (server, address):
        picture = photos / "group1.jpg"
        for command in ([sight.SIGHT, "send"], [sys.executable, sight.ROOT / "examples" / "client.py"],
                        [sys.executable, sight.ROOT / "examples" / "client_v2.py"],
                        [sys.executable, "-m", "sightd"]):
            done = subprocess.run([*map(str, command), "--to", address, str(picture)], capture_output=True, text=True,
                                  env={**os.environ, "PYTHONPATH": str(sight.ROOT / "python")}, timeout=120,
                                  check=False)
            assert done.returncode == 0 and "face" in done.stdout, (command, done.stderr)
        server.terminate()
        assert server.wait(60) == 0
