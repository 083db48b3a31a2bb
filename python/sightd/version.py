# SPDX-License-Identifier: MIT
"""The version of the package, which is that of the project: the file VERSION at the root of a checkout, of which each
built or installed package has a copy."""
from __future__ import annotations

from pathlib import Path

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="ascii").strip()
