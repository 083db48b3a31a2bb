# SPDX-License-Identifier: MIT
"""`pip install ./python` into a virtual environment, as the README says: in process too, and clear when libsight is
not there. Without the network: the environment's own setuptools builds the package.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, sanitized
from sight import BUILD, SIGHT

PHOTO = ROOT / "deps" / "samples" / "faces" / "group1.jpg"
pytestmark = [
    pytest.mark.skipif(not SIGHT.exists(), reason="skipped: no build"),
    pytest.mark.skipif(not PHOTO.exists(), reason="skipped: run `make deps`"),
    pytest.mark.skipif(sanitized(), reason="skipped: a sanitizer's library cannot be loaded by Python")]


@pytest.fixture(name="checkout", scope="module")
def make_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a checkout `pip install` and the package look at; the build is the real one."""
    folder = tmp_path_factory.mktemp("checkout")
    made = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "python", folder / "python", ignore=made, symlinks=True)
    shutil.copy(ROOT / "VERSION", folder)
    (folder / "include").symlink_to(ROOT / "include")
    (folder / "build").symlink_to(BUILD.resolve())
    return folder


@pytest.fixture(name="python", scope="module")
def make_python(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """The environment's interpreter, with the package in it."""
    folder = tmp_path_factory.mktemp("venv") / "v"
    made = subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", folder], capture_output=True,
                          text=True, check=False)
    if made.returncode != 0:
        pytest.skip("skipped: python3-venv is absent")
    python = folder / "bin" / "python"
    code = "import setuptools, sys; sys.exit(int(setuptools.__version__.split('.')[0]) < 61)"
    if subprocess.run([python, "-c", code], capture_output=True, check=False).returncode != 0:
        pytest.skip("skipped: setuptools 61 or later is absent (python3-setuptools)")
    subprocess.run([python, "-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps",
                    checkout / "python"], check=True, capture_output=True,
                   env={**os.environ, "PIP_CONFIG_FILE": os.devnull})
    return python


def run(python: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SIGHT_", "PYTHON"))}
    return subprocess.run([python, *arguments], cwd=python.parent, env={**kept, **more}, capture_output=True,
                          text=True, timeout=300, check=False)


def test_version(python: Path) -> None:
    """Of the package as pip knows it, and as it says itself: that of the project."""
    code = "import importlib.metadata, sightd\nprint(importlib.metadata.version('sightd'), sightd.__version__)"
    version = (ROOT / "VERSION").read_text(encoding="ascii").strip()
    assert run(python, "-c", code).stdout.split() == [version] * 2


def test_sdist(python: Path, checkout: Path, tmp_path: Path) -> None:
    """What goes to an index holds all that it is built from: a wheel of it has the version, and every file."""
    build = "import sys, setuptools.build_meta as b; getattr(b, 'build_' + sys.argv[1])(sys.argv[2])"
    made = subprocess.run([python, "-c", build, "sdist", tmp_path], cwd=checkout / "python", capture_output=True,
                          text=True, check=False)
    assert made.returncode == 0, made.stderr
    version = (ROOT / "VERSION").read_text(encoding="ascii").strip()
    alone = tmp_path / f"sightd-{version}"
    shutil.unpack_archive(tmp_path / f"{alone.name}.tar.gz", tmp_path)
    subprocess.run([python, "-c", build, "wheel", tmp_path], cwd=alone, capture_output=True, check=True)
    with zipfile.ZipFile(tmp_path / f"sightd-{version}-py3-none-any.whl") as wheel:
        held = {Path(name).name for name in wheel.namelist() if name.startswith("sightd/")}
        assert wheel.read("sightd/VERSION").decode().strip() == version
    assert held == {file.name for file in (ROOT / "python" / "sightd").iterdir() if file.is_file()}


def test_in_process(python: Path, checkout: Path) -> None:
    """The README's lines, from a folder that has nothing to do with the checkout."""
    code = ("import sightd, sightd.library\n"
            "print(sightd.__file__)\n"
            "faces = sightd.Pipeline('faces')\n"
            f"print(len(faces.infer({str(PHOTO)!r}).objects), sightd.library.load()._name)\n")
    done = run(python, "-c", code)
    assert done.returncode == 0, done.stderr
    package, found = done.stdout.splitlines()
    count, library = found.split(" ", 1)
    assert package.startswith(str(python.parent.parent)) and int(count) == 3  # three faces, as anybody can see
    assert Path(library).parent == checkout / "build"


def test_on_the_shell(python: Path, tmp_path: Path) -> None:
    shutil.copy(PHOTO, tmp_path)
    done = run(python, str(python.parent / "sightd-send"), str(tmp_path), "--in-process", "--pipeline", "faces")
    assert done.returncode == 0 and done.stdout.count('"label":"face"') == 3, done.stderr


def test_what_is_missing_is_said(python: Path, checkout: Path, tmp_path: Path) -> None:
    system = [Path("/usr/local/lib"), Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu"),
              *Path("/usr/local/lib").glob("*-linux-gnu")]
    if any((folder / "libsight.so.0").exists() for folder in system):
        pytest.skip("skipped: libsight is installed on this machine")
    (checkout / "build").rename(checkout / "away")
    try:
        done = run(python, "-c", "import sightd; sightd.Pipeline('faces')")
    finally:
        (checkout / "away").rename(checkout / "build")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("sightd.errors.LibraryError: libsight is not found")
    for part in ("run `make`", "sudo meson install -C build", "SIGHT_LIBRARY", str(checkout / "build")):
        assert part in said
    none = tmp_path / "libsight.so"
    done = run(python, "-c", "import sightd; sightd.Pipeline('faces')", SIGHT_LIBRARY=str(none))
    assert f"cannot load {none}" in done.stderr.splitlines()[-1] and "make" in done.stderr
    # A client needs no library.
    done = run(python, "-c", "import sightd; sightd.Client(port=9)", SIGHT_LIBRARY=str(none))
    assert "no server at 127.0.0.1:9" in done.stderr, done.stderr


def test_a_library_that_lacks_one_is_not_called_missing(python: Path, checkout: Path, tmp_path: Path) -> None:
    """libsight is there, but a library that it needs is not: another thing to say, and another to do."""
    del checkout
    (tmp_path / "needed.c").write_text("int needed(void) { return 1; }\n", encoding="ascii")
    (tmp_path / "sight.c").write_text("int needed(void);\nint f(void) { return needed(); }\n", encoding="ascii")
    for source, name, libraries in (("needed.c", "libneeded.so", []), ("sight.c", "libsight.so.0", ["-lneeded"])):
        subprocess.run(["cc", "-shared", "-fPIC", "-L.", source, "-o", name, *libraries], cwd=tmp_path, check=True)
    (tmp_path / "libneeded.so").unlink()
    done = run(python, "-c", "import sightd; sightd.Pipeline('faces')", SIGHT_LIBRARY=str(tmp_path / "libsight.so.0"))
    assert "libneeded.so: cannot open" in done.stderr and "it lacks another library" in done.stderr, done.stderr
