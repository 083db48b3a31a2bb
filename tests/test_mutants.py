# SPDX-License-Identifier: MIT
"""What scripts/mutants would plant in a small file: bugs in code, none in what is said, in comments or in macros."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
mutations = pytest.importorskip("mutations", reason="skipped: python3-clang is absent")

SOURCE = """\
#define LIMIT(x) ((x) > 10)
int printf(const char *, ...);
void log_it(int, int);
void move(int *from, int *to, char what);
int grow(int *a, int *b, int n)
{
    /* a < b */
    if (n >= 3 && LIMIT(n))
        n += 2;
    printf("1 < 2 %d", n - 1);
    log_it(n, n + 1);
    move(a, b, 'x');
    switch (n) {
    case 7:
        return -n;
    }
    return n * 5;
}
"""
# Line, text before, text after: by hand, from the list in docs/MUTANTS.md.
EXPECTED = {
    (8, "n >= 3 && LIMIT(n)", "!(n >= 3 && LIMIT(n))"), (8, "n >= 3", "n > 3"), (8, "n >= 3", "n < 3"), (8, "3", "4"),
    (8, "3", "2"), (8, "n >= 3 && LIMIT(n)", "n >= 3 || LIMIT(n)"), (9, "n += 2", "n -= 2"), (9, "2", "3"),
    (9, "2", "1"), (9, "n += 2", "(void)0"), (12, "move(a, b, 'x')", "(void)0"),
    (12, "move(a, b, 'x')", "move(b, a, 'x')"), (15, "-n", "n"), (17, "n * 5", "n / 5"), (17, "5", "6"), (17, "5", "4"),
}


def test_sites(tmp_path: Path) -> None:
    (tmp_path / "grow.c").write_text(SOURCE, encoding="ascii")
    sites = mutations.sites_of(tmp_path, "grow.c", ["-std=gnu17"])
    source = SOURCE.encode()
    found = {(site.line, source[site.start:site.end].decode(), site.text.decode()) for site in sites}
    assert found == EXPECTED
    for site in sites:  # each is C, alone and beside what is right
        (tmp_path / "planted.c").write_bytes(site.planted(source))
        asleep = b"int SG_BUG(int);\n" + source[:site.start] + site.chosen(1) + source[site.end:]
        (tmp_path / "asleep.c").write_bytes(asleep)
        subprocess.run(["cc", "-std=gnu17", "-fsyntax-only", "planted.c", "asleep.c"], cwd=tmp_path, check=True)


def test_a_file_that_is_no_c_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text('#include "nowhere.h"\n', encoding="ascii")
    with pytest.raises(ValueError, match="libclang cannot read bad.c: .*nowhere.h"):
        mutations.sites_of(tmp_path, "bad.c", [])


def test_help_has_examples() -> None:
    tool = str(ROOT / "scripts" / "mutants")
    done = subprocess.run([tool, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "scripts/mutants --seed 7 --count 60" in done.stdout
    done = subprocess.run([tool, "--stages", "units"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--stages takes unit,pytest, not units" in done.stderr
