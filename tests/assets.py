# SPDX-License-Identifier: MIT
"""Which pictures, models and known results the tests have. The one place that knows.

The base set is always there: what `make deps` brings, what `scripts/deps --tests` puts into deps/tests, and what is
made of the two: pictures in other formats (picture_files.py) and stand-ins (standins.py), real networks whose answers
are written in the form of another family. Its known results, tests/goldens, were made by other implementations
(tests/tools/make_goldens.py). The folder of $SIGHT_SHARED, by default ../shared, holds an additional set of more
models and pictures: where it is there, tests of known results run over both.
"""
from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FETCHED = ROOT / "deps" / "tests"
MADE = FETCHED / "made"
SHARED = Path(os.environ.get("SIGHT_SHARED") or ROOT.parent / "shared") / "assets"
# Models that `make deps` brings. Bare here, that is without their cards; tests of the cards use models/ itself.
SHIPPED = ("age-gender", "blazeface", "efficientdet-lite0", "expression", "ppocr-cls", "ppocr-det", "ppocr-rec",
           "ssd-mobilenet")


def require() -> None:
    """Skips whoever asks, a module too, when the base set was not fetched."""
    if not (FETCHED / "models" / "yolov8n.onnx").is_file() or not (FETCHED / "pictures" / "bus.jpg").is_file():
        pytest.skip("skipped: deps/tests is not complete; run scripts/deps --tests", allow_module_level=True)


def code_key(*files: str) -> str:
    """Changes when the code that makes a file changes, so that nothing stale is used."""
    here = Path(__file__).resolve().parent
    return hashlib.sha256(b"".join((here / f).read_bytes() for f in files)).hexdigest()[:12]


@contextlib.contextmanager
def making(target: Path) -> Iterator[Path | None]:
    """A place to make the target in, which appears whole and is made by one process; None when it is there."""
    MADE.mkdir(parents=True, exist_ok=True)
    if target.exists():
        yield None
        return
    with open(MADE / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            yield None
            return
        part = MADE / f".{os.getpid()}.{target.name}"
        yield part
        part.rename(target)
        for old in MADE.glob(f"{target.name.rpartition('-')[0]}-*"):  # made by older code, or of older files
            if old != target and len(old.name) == len(target.name):
                shutil.rmtree(old, ignore_errors=True)


@functools.cache
def pictures() -> Path:
    """The folder of the base set's pictures, with the damaged and extreme ones in edge/."""
    require()
    import picture_files

    folder = MADE / f"pictures-{code_key('picture_files.py')}"
    with making(folder) as part:
        if part:
            shutil.rmtree(part, ignore_errors=True)
            (part / "edge").mkdir(parents=True)
            for source in (*(FETCHED / "pictures").iterdir(), *(ROOT / "deps/samples/faces").iterdir()):
                shutil.copy(source, part)
            picture_files.make(part)
    return folder


@functools.cache
def model(name: str) -> Path:
    """A model of the base set by its name without .onnx: fetched, shipped, or a stand-in."""
    require()
    fetched, shipped = FETCHED / "models" / f"{name}.onnx", ROOT / "models" / name / "model.onnx"
    if fetched.is_file():
        return fetched
    if name in SHIPPED:
        key = hashlib.sha256(shipped.read_bytes()).hexdigest()[:12]
    else:
        key = code_key("standins.py", "exports.py")
    folder = MADE / f"{name}-{key}"
    with making(folder) as part:
        if part:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            if name in SHIPPED:
                shutil.copy(shipped, part / f"{name}.onnx")
            else:
                import standins

                standins.make(name, part / f"{name}.onnx")
    return folder / f"{name}.onnx"


# --- Known results ------------------------------------------------------------------------------------------------

class Set:
    """Results that other implementations gave, with the models and pictures they are of."""

    def __init__(self, name: str, goldens: Path, models: Callable[[str], Path], images: Callable[[], Path]) -> None:
        self.name, self.goldens, self.model, self._images = name, goldens, models, images

    def images(self) -> Path:
        return self._images()

    def listed(self, pattern: str, kind: str | None = None) -> list[Golden]:
        found = [Golden(self, path) for path in sorted(self.goldens.glob(f"{pattern}.json"))]
        return [g for g in found if kind in (None, g["kind"])]


class Golden(dict):  # type: ignore[type-arg]
    """One known result: the golden's JSON, the set it belongs to, and its name for parametrised tests."""

    def __init__(self, origin: Set, path: Path) -> None:
        super().__init__(json.loads(path.read_text(encoding="utf-8")))
        self.set, self.stem = origin, path.stem

    @property
    def id(self) -> str:
        return self.stem if self.set.name == "base" else f"shared-{self.stem}"

    @property
    def path(self) -> Path:
        """Its model's file."""
        return self.set.model(str(self["model"]).removesuffix(".onnx"))

    @property
    def labels(self) -> Path | None:
        """The file with its labels; None: the model names its classes or nobody does."""
        file = self.get("labels_file")
        return (ROOT if self.set.name == "base" else SHARED / "models") / file if file else None

    @property
    def picture(self) -> Path:
        return self.set.images() / self["image"]


BASE = Set("base", ROOT / "tests" / "goldens", model, pictures)
ADDITIONAL = Set("shared", SHARED / "goldens", lambda name: SHARED / "models" / f"{name}.onnx",
                 lambda: SHARED / "images")
SETS = [BASE, *([ADDITIONAL] if ADDITIONAL.goldens.is_dir() else [])]


def listed(pattern: str = "*__*", kind: str | None = None) -> list[Golden]:
    """The results of all sets that are there."""
    return [g for s in SETS for g in s.listed(pattern, kind)]
