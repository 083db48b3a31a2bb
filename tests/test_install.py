# SPDX-License-Identifier: MIT
"""`DESTDIR=… meson install`, moved elsewhere, with the source tree out of sight: server, tool, library, Python.

As root the checkout (and what its deps/ points to) is covered by an empty file system in a mount namespace of the
programs' own. Without those rights the programs run as they are, and the files they have mapped are looked at.
"""
from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, sanitized
from sight import BUILD, SIGHT

FACES = sorted((ROOT / "deps" / "samples" / "faces").glob("*.jpg"))
_PLACES = {ROOT, (ROOT / "deps").resolve().parent, BUILD.resolve()}
HIDDEN = sorted(path for path in _PLACES if not _PLACES & set(path.parents))
PREFIX = "usr/local"  # meson's own default, which the build has

pytestmark = [
    pytest.mark.skipif(not SIGHT.exists() or not shutil.which("meson"), reason="skipped: no build, or no meson"),
    pytest.mark.skipif(not (ROOT / "models/blazeface/model.onnx").exists(), reason="skipped: run `make deps`"),
    pytest.mark.skipif(sanitized(), reason="skipped: sanitizer builds are not installed")]


def may_hide() -> bool:
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return os.geteuid() == 0 and bool(shutil.which("unshare")) and \
        subprocess.run(probe, capture_output=True, check=False).returncode == 0


HIDE = may_hide()


def away(*command: object) -> list[str]:
    """The command line that runs the command where the source tree cannot be seen."""
    words = [str(word) for word in command]
    if not HIDE:
        return words
    covers = "".join(f"mount -t tmpfs none '{path}' && " for path in HIDDEN)
    return ["unshare", "-m", "sh", "-c", covers + 'exec "$@"', "sh", *words]


def clean(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **more}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix, moved away from where it was installed to; a photograph lies in the folder above."""
    folder = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(folder / "first")}, capture_output=True)
    (folder / "first" / PREFIX).rename(folder / "moved")
    shutil.rmtree(folder / "first")
    shutil.copy(FACES[0], folder / "photo.jpg")
    return folder / "moved"


def library(installed: Path) -> Path:
    return next(installed.glob("lib*/**/libsight.so"))


def run(installed: Path, *command: object, **more: str) -> str:
    done = subprocess.run(away(*command), cwd=installed.parent, env=clean(installed.parent, **more),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_is_there(installed: Path) -> None:
    names = {str(path.relative_to(installed)) for path in installed.rglob("*")}
    libdir = str(library(installed).parent.relative_to(installed))
    for name in ("bin/sight", "bin/sightd", "include/sight.h", f"{libdir}/libsight.so", f"{libdir}/libsight.so.0",
                 f"{libdir}/pkgconfig/sight.pc", "share/sightd/pipelines/faces.yaml",
                 "share/sightd/models/blazeface/model.onnx", "share/sightd/models/labels/coco91.txt",
                 "share/man/man1/sight.1", "share/bash-completion/completions/sight"):
        assert name in names, name
    assert any(name.endswith("/sightd/__init__.py") for name in names)
    # No program or library knows where it was built.
    for program in (installed / "bin" / "sight", library(installed)):
        dynamic = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True).stdout
        for path in re.findall(r"RUNPATH\) .*\[(.*)\]", dynamic):
            assert all(part.startswith("$ORIGIN") for part in path.split(":")), path


def test_the_engine_that_is_loaded_at_run_time_is_found(installed: Path) -> None:
    first = run(installed, installed / "bin" / "sight", "version").split("\n")[0]
    assert "openvino" in first


def test_detect(installed: Path) -> None:
    out = run(installed, installed / "bin" / "sight", "detect", "--pipeline", "faces", installed.parent / "photo.jpg")
    assert "face" in out


def test_server(installed: Path) -> None:
    with subprocess.Popen(away(installed / "bin" / "sightd", "--listen", "127.0.0.1:0"), cwd=installed.parent,
                          env=clean(installed.parent), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            image = (installed.parent / "photo.jpg").read_bytes()
            with socket.create_connection(("127.0.0.1", int(found[1])), timeout=60) as link:
                link.sendall(len(image).to_bytes(4, "little") + image)
                assert link.recv(65536).startswith(b'{"object_list":{"object_num":')
            maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
            assert str(installed / "share") in maps or str(installed) in maps
            for path in HIDDEN:
                assert f" {path}/" not in maps
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_pkg_config(installed: Path) -> None:
    """A user's program, against the installed header and library alone."""
    source = installed.parent / "detect.c"
    shutil.copy(ROOT / "examples" / "detect.c", source)
    found = {"PKG_CONFIG_PATH": str(library(installed).parent / "pkgconfig")}
    flags = run(installed, "pkg-config", "--cflags", "--libs", "sight", **found).split()
    assert f"-I{installed / 'include'}" in [os.path.normpath(flag) if flag[0] != "-" else
                                            flag[:2] + os.path.normpath(flag[2:]) for flag in flags]
    run(installed, "cc", "-std=c99", source, "-o", installed.parent / "detect", *flags,
        f"-Wl,-rpath,{library(installed).parent}")
    assert " face " in run(installed, installed.parent / "detect", "faces", installed.parent / "photo.jpg")


@pytest.mark.skipif(not shutil.which("cmake"), reason="skipped: cmake is absent")
def test_cmake(installed: Path) -> None:
    """examples/CMakeLists.txt, with nothing of the checkout but examples/."""
    sources, out = installed.parent / "examples", installed.parent / "cmake"
    shutil.copytree(ROOT / "examples", sources)
    found = {"PKG_CONFIG_PATH": str(library(installed).parent / "pkgconfig")}
    run(installed, "cmake", "-S", sources, "-B", out, **found)
    run(installed, "cmake", "--build", out)
    assert (out / "client").exists()
    assert " face " in run(installed, out / "detect", "faces", installed.parent / "photo.jpg")


def at_prefix(installed: Path, *command: object) -> list[str]:
    """The command line that runs the command where the installed folder lies at the prefix it was made for."""
    return ["unshare", "-m", "sh", "-c", f"mount --bind '{installed}' /{PREFIX} && exec \"$@\"", "sh",
            *(str(word) for word in command)]


def test_python_finds_the_package_and_the_library(installed: Path) -> None:
    """As after `sudo meson install`: no PYTHONPATH, no ldconfig."""
    code = "import sightd\nprint(len(sightd.Pipeline('faces').infer(open('photo.jpg', 'rb').read()).objects))"
    if HIDE:
        assert int(run(installed, *at_prefix(installed, "/usr/bin/python3", "-B", "-c", code))) >= 3
        return
    # Without the right to mount: the folder is one of those that Python looks into, and works from where it is.
    package = next(installed.rglob("sightd/__init__.py")).parent.parent
    looks = run(installed, "/usr/bin/python3", "-c", "import site; print(*site.getsitepackages(), sep='\\n')")
    assert f"/{PREFIX}/{package.relative_to(installed)}" in looks.split("\n")
    assert int(run(installed, "/usr/bin/python3", "-B", "-c", code, PYTHONPATH=str(package))) >= 3
