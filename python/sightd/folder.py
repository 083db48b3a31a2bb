# SPDX-License-Identifier: MIT
"""`python -m sightd`: sends pictures and folders of them, prints one line of JSON for each."""
from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import IO, Any, Iterator, List, Optional, Tuple

from .client import Client
from .errors import InvalidArgument, SightError
from .result import Result

# As sight detect has them (src/app/pictures.c).
ENDINGS = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif",
                     ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx", ".pnm", ".ppm", ".pgm", ".pbm", ".pam",
                     ".ras", ".sr", ".exr", ".qoi"))
OURS = re.compile(rb'\{"source":"(?:[^"\\]|\\.)*",(?:"pipeline":|"image":|"error":\{"code":)')  # a line begins so
EXAMPLES = """examples:
  python -m sightd photos/                          every picture, image2 before image10
  python -m sightd photos/ --pipeline faces --output faces.jsonl
  python -m sightd a.jpg b.jpg --to camera-server:8080
  python -m sightd photos/ --in-process --pipeline pipelines/objects.yaml

A line is the native reply with the picture's path as "source"; for a picture that failed it is
{"source":…,"error":{"code":…,"message":…}}. The exit status is 0 when every picture was answered with a result, 1 when
one failed, 2 when nothing could be done.
"""


def natural(path: Path) -> List[Tuple[int, int, str]]:
    """Sort key: image2 comes before image10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
            for part in re.split(r"(\d+)", str(path))]


def pictures_in(paths: List[str]) -> List[Path]:
    """Files as they are given; the pictures of folders in natural order, without what is hidden."""
    found: List[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = [file for file in path.iterdir()
                      if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()]
            if not inside:
                raise InvalidArgument(f'no picture in folder "{name}"')
            found += sorted(inside, key=natural)
        elif path.exists():
            found.append(path)
        else:
            raise InvalidArgument(f'no file or folder "{name}"')
    return found


class Progress:
    """A bar on a terminal, nothing elsewhere. Redrawn at most ten times a second."""

    WIDTH = 30

    def __init__(self, total: int, out: Any) -> None:
        self.total = total
        self.out = out if out.isatty() else None
        self.began = self.drawn = time.monotonic()
        self.done = self.failed = 0

    def step(self, failed: bool) -> None:
        self.done += 1
        self.failed += failed
        now = time.monotonic()
        if self.out and (now - self.drawn >= 0.1 or self.done == self.total):
            self.drawn = now
            self.out.write("\r\x1b[K" + self.line(now - self.began))
            self.out.flush()

    def line(self, seconds: float) -> str:
        rate = self.done / seconds if seconds > 0 else 0.0
        filled = self.WIDTH * self.done // self.total
        left = round((self.total - self.done) / rate) if rate > 0 else 0
        text = f"[{'#' * filled}{'.' * (self.WIDTH - filled)}] {self.done}/{self.total}  {rate:.1f}/s  "
        text += f"{left // 60}:{left % 60:02} left" if self.done < self.total else f"{seconds:.1f} s"
        return text + (f"  {self.failed} failed" if self.failed else "")

    def clear(self) -> None:
        if self.out:
            self.out.write("\r\x1b[K")

    def end(self) -> None:
        if self.out and self.done:
            self.out.write("\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m sightd", description="Send pictures to sightd and print what it "
                                   "finds, one line of JSON for each.", epilog=EXAMPLES,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("path", nargs="+", help="a picture, or a folder of them")
    made.add_argument("--to", "--host", dest="host", metavar="HOST:PORT", default="127.0.0.1",
                      help="where the server is, as sight send has it (default: %(default)s, port 8080)")
    made.add_argument("--port", type=int, help="its port, where --to names none")
    made.add_argument("--pipeline", default="", help="the server's pipeline of that name; with --in-process a pipeline "
                      "file or an .onnx model (default: the server's own, pipelines/objects.yaml)")
    made.add_argument("-o", "--output", "--out", dest="out", metavar="FILE.jsonl",
                      help="write the lines there instead of to stdout")
    made.add_argument("--overwrite", action="store_true", help="also replace a file that is there and was not written "
                      "by sightd; what is read never is")
    made.add_argument("--window", type=int, help="pictures under way at a time (default: what the server allows)")
    made.add_argument("--in-process", action="store_true", help="without a server, through libsight")
    made.add_argument("--threshold", type=float, help="least score, 0 to 1 (default: the pipeline's)")
    return made


def check_output(out: Path, read: List[Path], overwrite: bool) -> None:
    """As `sight send --output` has it: what is read stays, of the rest what sightd did not write."""
    if not out.is_file():  # new, or a device
        return
    if any(file.exists() and file.samefile(out) for file in read):
        raise InvalidArgument(f'--output: "{out}" is a file that this run reads; it is never replaced')
    with out.open("rb") as file:
        head = file.read(16384)
    if head and not overwrite and not OURS.match(head):
        raise InvalidArgument(f'--output: "{out}" is there already and nothing in it says that sightd wrote it; '
                              "--overwrite replaces it")


def source_of_results(args: argparse.Namespace, files: List[Path]) -> Iterator[Result]:
    options = {"window": args.window, "errors": "return", "threshold": args.threshold}
    if args.in_process:
        from .pipeline import Pipeline

        with Pipeline(args.pipeline or None) as pipeline:
            yield from pipeline.map(files, **options)
    else:
        with Client(args.host, args.port, pipeline=args.pipeline) as client:
            yield from client.map(files, **options)


def run(args: argparse.Namespace, files: List[Path], out: IO[str]) -> int:
    progress = Progress(len(files), sys.stderr)
    shared_terminal = progress.out is not None and out.isatty()
    try:
        for result in source_of_results(args, files):
            failed = isinstance(result, SightError)
            if shared_terminal:
                progress.clear()
            out.write(json.dumps(result.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n")
            if not progress.out or shared_terminal:
                out.flush()
            progress.step(failed)
    finally:
        progress.end()
    return 1 if progress.failed else 0


def main(arguments: Optional[List[str]] = None) -> int:
    args = parser().parse_args(arguments)
    if args.window is not None and args.window < 1:
        print("python -m sightd: --window is 1 or more", file=sys.stderr)
        return 2
    try:
        files = pictures_in(args.path)
        if args.out:
            check_output(Path(args.out), [*files, Path(args.pipeline)] if args.in_process else files, args.overwrite)
            with open(args.out, "w", encoding="utf-8") as out:
                return run(args, files, out)
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")
        return run(args, files, sys.stdout)
    except BrokenPipeError:  # whoever read has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SightError, OSError) as problem:
        print(f"python -m sightd: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
