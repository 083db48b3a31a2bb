#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that a room includes only rooms of lower floors (docs/ARCHITECTURE.md has the map), and that no room but
engine names an inference runtime.

Usage: scripts/floors.py [ROOT]. Exit status 1 when an include goes up, or sideways to another room of its floor.
"""

import re
import sys
from pathlib import Path

FLOORS = {
    "base": 0,
    "data": 1,
    "img": 2, "engine": 2, "head": 2, "source": 2,
    "net": 3, "conf": 3, "codec": 3,
    "model": 4, "admission": 4,
    "pipeline": 5,
    "serve": 6, "client": 6, "sink": 6, "stream": 6,
    "frames": 7, "http": 7, "lib": 7, "load": 7,
    "api": 8, "zmq": 8, "console": 8,
    "app": 9,
}
RUNTIME = re.compile(r"^ +X\((\w+)\)", re.M)  # a row of src/engine/kinds.c
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def faults(root: Path) -> list[str]:
    """One line for each include that the floors do not allow."""
    found = []
    for path in sorted((root / "src").rglob("*.[ch]")):
        room = path.relative_to(root / "src").parts[0]
        if room not in FLOORS:
            found.append(f"{path}: room \"{room}\" is on no floor: add it to scripts/floors.py and ARCHITECTURE.md")
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            other = match.group(1).split("/")[0]
            line = text.count("\n", 0, match.start()) + 1
            if match.group(1).endswith(".c"):
                found.append(f"{path}:{line}: includes a .c file")
            if other == room or other not in FLOORS:
                continue
            if FLOORS[other] >= FLOORS[room]:
                found.append(f"{path}:{line}: room {room} (floor {FLOORS[room]}) includes {match.group(1)} "
                             f"(floor {FLOORS[other]}); only lower floors may be included")
    return found


def named_runtimes(root: Path) -> list[str]:
    """One line for each name of a kind of engine outside its room."""
    kinds = RUNTIME.findall((root / "src/engine/kinds.c").read_text(encoding="utf-8"))
    found = []
    for path in [root / "meson.build", *sorted((root / "src").rglob("*"))]:
        if path.suffix not in (".c", ".h", ".build") or path.parent == root / "src/engine":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{path}:{number}: names {kind}; only src/engine may" for kind in kinds if kind in line]
    return found


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = faults(root) + named_runtimes(root)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
