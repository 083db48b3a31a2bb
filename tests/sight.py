# SPDX-License-Identifier: MIT
"""Where the build and the shared test data are, and how tests run the real command-line tool."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("SIGHT_BUILD", ROOT / "build"))
SIGHT = BUILD / "sight"
SHARED = Path(os.environ.get("SIGHT_SHARED", ROOT.parent / "shared"))
MODELS = SHARED / "assets" / "models"
IMAGES = SHARED / "assets" / "images"
GOLDENS = SHARED / "assets" / "goldens"
# Sanitizer builds are several times slower; nothing here is a measurement.
TIMEOUT_S = 600
WITHOUT_SHARED = f"skipped: {SHARED / 'assets'} is absent"


def run(*arguments: object, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs `sight` with the arguments from the root of the checkout."""
    return subprocess.run([str(SIGHT), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=check)


def detect(*arguments: object) -> list[dict]:
    """The native replies of `sight detect --json …`, one per picture, in order."""
    done = run("detect", "--json", *arguments)
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]  # names may hold what splitlines() takes
