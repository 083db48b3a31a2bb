# SPDX-License-Identifier: MIT
"""A plugin of pytest for scripts/mutants: which bugs' places each test comes by.

SIGHT_BUGS_SEEN names the file into which programs with sleeping bugs write, a byte for each bug; SIGHT_BUGS_NOTE the
file that gets a line of JSON per test. What is passed while fixtures are set up, or before the first test, may be felt
by any later test of the file, since servers are shared within one.
"""
from __future__ import annotations

import json
import mmap
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest


class Recorder:
    def __init__(self, seen: str, note: str) -> None:
        with open(seen, "r+b") as file:
            self.seen = mmap.mmap(file.fileno(), 0)
        self.note = note
        self.shared: list[int] = []  # of the test that runs: before its call
        self.began = 0.0

    def take(self) -> list[int]:
        """The numbers passed since the last time."""
        found = [number for number, byte in enumerate(self.seen[:]) if byte]
        self.seen[:] = bytes(len(self.seen))
        return found

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        self.began = time.monotonic()
        yield
        self.shared = self.take()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        yield
        row = {"test": item.nodeid, "seconds": round(time.monotonic() - self.began, 3), "shared": self.shared,
               "own": self.take()}
        with open(self.note, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def pytest_configure(config: Any) -> None:
    seen, note = os.environ.get("SIGHT_BUGS_SEEN"), os.environ.get("SIGHT_BUGS_NOTE")
    if seen and note:
        config.pluginmanager.register(Recorder(seen, note))
