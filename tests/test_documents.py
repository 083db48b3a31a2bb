# SPDX-License-Identifier: MIT
"""What the documents point to is there: files and headings that they link to, and files that the map names."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")])
# In src/ a room is named without it, in a sentence about a room its files without the room.
FOLDERS = [ROOT, ROOT / "src", ROOT / "tests", *(path for path in (ROOT / "src").iterdir() if path.is_dir())]


def headings(document: Path) -> set[str]:
    """Their anchors, as GitHub makes them of the words."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    named = re.findall(r'<a (?:id|name)="([^"]+)">', text)
    return {*named, *(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists() or (anchor and anchor not in headings(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", ["docs/ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/INSTALL.md"])
def test_files_that_are_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:c|h|py|yaml|json|md|conf|service|txt))`", text)
    missing = [file for file in named if file not in ("x_test.c", "x_fuzz.c") and
               not any((folder / file).exists() for folder in FOLDERS)]
    assert missing == []


def test_decisions_begin_with_all_of_them() -> None:
    document = ROOT / "docs" / "DECISIONS.md"
    text = document.read_text(encoding="utf-8")
    head = text[:text.index("\n## ")]
    assert headings(document) - {"decisions"} == set(re.findall(r"\]\(#([^)]+)\)", head))
