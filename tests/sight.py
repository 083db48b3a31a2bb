# SPDX-License-Identifier: MIT
"""Where the build is, how tests run the real command-line tool, and what they run it on (assets.py)."""

import json
import os
import subprocess
from pathlib import Path

import assets

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("SIGHT_BUILD", ROOT / "build"))
SIGHT = BUILD / "sight"
SHARED = assets.SHARED.parent  # the additional set and other things that may be there or not
# Sanitizer builds are several times slower; nothing here is a measurement.
TIMEOUT_S = 600


def __getattr__(name: str) -> Path:
    """IMAGES is the folder of the base set's pictures; asking for it skips where there is none."""
    if name == "IMAGES":
        return assets.pictures()
    raise AttributeError(name)


def model(name: str) -> Path:
    """A model of the base set, a bare file without a card."""
    return assets.model(name)


def run(*arguments: object, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs `sight` with the arguments from the root of the checkout, on a screen of no width: GNU readline, which
    pytest of Debian 13 brings, sets COLUMNS behind os.environ."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run([str(SIGHT), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=check, env=environment)


def detect(*arguments: object) -> list[dict]:
    """The native replies of `sight detect --json …`, one per picture, in order."""
    done = run("detect", "--json", *arguments)
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]  # names may hold what splitlines() takes
