#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A run over many pictures, killed with SIGKILL at random moments and resumed, against one that was not.

    tests/killed.py [--pictures N] [--kills N] [--seed N] [--format F] [--model FILE] [--folder DIR]

The pictures are hard links to small copies of test pictures. Prints what it saw; exit status 1 when the outputs
differ. Used by test_cli_batch.py with few pictures.
"""
from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import assets
from conftest import ROOT, wait_until


def wait_for_lines(path: Path, count: int) -> bool:
    return wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, 60)


def make_pictures(folder: Path, count: int) -> Path:
    """count hard links to small copies of some test images, 1000 to a folder."""
    from PIL import Image

    originals = folder.with_name(folder.name + "-originals")
    originals.mkdir(parents=True)
    names = ["zidane.jpg", "bus.jpg", "cat.png", "people.jpg", "coffee.png"]
    for name in names:
        with Image.open(assets.pictures() / name) as picture:
            picture.thumbnail((160, 160))
            picture.convert("RGB").save(originals / f"{Path(name).stem}.jpg", quality=85)
    for i in range(count):
        place = folder / f"{i // 1000}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(originals / f"{Path(names[i % len(names)]).stem}.jpg", place / f"图{i}.jpg")
    return folder


def contents(path: Path) -> Any:
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*.txt")}
    return path.read_bytes()


def compare(binary: str, options: list[str], pictures: Path, work: Path, kills: int, seed: int) -> int:
    """Kills, resumes, compares; returns how many runs were killed before their end."""
    chance = random.Random(seed)
    command = [binary, "detect", *options, "--no-timing", "--no-progress", str(pictures)]
    began = time.monotonic()
    subprocess.run([*command, "-o", str(work / "unbroken")], check=True, cwd=ROOT)
    took = time.monotonic() - began
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen([*command, "-o", str(work / "broken"), "--resume"], cwd=ROOT,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.1, 0.9) * took / max(1.0, kills / 2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    subprocess.run([*command, "-o", str(work / "broken"), "--resume"], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    assert contents(work / "broken") == contents(work / "unbroken"), "the outputs differ"
    assert not (work / "broken.part").exists()
    return killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", type=int, default=10000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", default="jsonl")
    parser.add_argument("--model", default=str(assets.model("blazeface")))
    parser.add_argument("--binary", default=str(ROOT / "build" / "sight"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = make_pictures(Path(folder) / "in", given.pictures)
        began = time.monotonic()
        killed = compare(given.binary, ["--model", given.model, "-f", given.format], pictures, Path(folder),
                         given.kills, given.seed)
        print(f"{given.pictures} pictures, {given.format}: killed {killed} times of {given.kills} tries, then the same "
              f"bytes as the unbroken run; {time.monotonic() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
