#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sums up what the cmocka programs of a Meson test log say: "passed failed skipped" on one line. For scripts/test.

Usage: scripts/unit_counts.py testlog.txt

cmocka 1.1.5 (Debian 12) ends a group with "[  PASSED  ] 5 test(s)." and "[  FAILED  ] 2 test(s), listed below:",
1.1.7 (Debian 13) with "[  FAILED  ] name: 2 test(s), listed below:"; what is listed has no count. A test whose set-up
failed is in neither sum, but in " 3 FAILED TEST(S)" behind them. A group whose own set-up failed, and a program that
crashed, was stopped or never ran, are in no sum at all: each counts as one failure.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SUM = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) *\] (?:.*: )?(\d+) test\(s\)", re.M)
ALL_FAILED = re.compile(r"^ ?(\d+) FAILED TEST\(S\)", re.M)
GROUP = re.compile(r"^\[  FAILED  \] GROUP (?:SETUP|TEARDOWN)$", re.M)
PROGRAM = re.compile(r"^=+ *\d+/\d+ *=+$", re.M)
RESULT = re.compile(r"^result: +(.*)$", re.M)


def counts(log: str) -> tuple[int, int, int]:
    passed = failed = skipped = 0
    for program in PROGRAM.split(log)[1:]:
        sums = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for kind, count in SUM.findall(program):
            sums[kind] += int(count)
        broken = max(sums["FAILED"], sum(map(int, ALL_FAILED.findall(program)))) + len(GROUP.findall(program))
        result = RESULT.search(program)
        if not broken and not (result and result[1] in ("exit status 0", "exit status 77")):
            broken = 1
        passed, failed, skipped = passed + sums["PASSED"], failed + broken, skipped + sums["SKIPPED"]
    return passed, failed, skipped


if __name__ == "__main__":
    print(*counts(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")))
