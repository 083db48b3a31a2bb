# SPDX-License-Identifier: MIT
"""One bound model for the Python peer: tests/ort.py's session, run without copying inputs or outputs."""
import ctypes
import sys
from ctypes import POINTER, c_char_p, c_size_t, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests"))
import ort  # noqa: E402

_RUN = 9  # place in struct OrtApi


class Runner(ort.Session):
    """One float input, one float output of fixed shapes. Fill .input, then run() gives a view of the output, valid
    until the next run."""

    def __init__(self, model, shape):
        super().__init__(model, threads=1)
        self.input = np.zeros(shape, np.float32)
        probe = super().run({self.inputs[0]: self.input})[self.outputs[0]]
        self.output = np.zeros(probe.shape, np.float32)
        self._bound = (c_void_p * 1)(self._tensor(self.input).value)
        self._filled = (c_void_p * 1)(self._tensor(self.output).value)
        self._in_names = (c_char_p * 1)(self.inputs[0].encode())
        self._out_names = (c_char_p * 1)(self.outputs[0].encode())
        run = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, POINTER(c_char_p), POINTER(c_void_p), c_size_t,
                               POINTER(c_char_p), c_size_t, POINTER(c_void_p))
        self._run = run(self._api._table[_RUN])

    def run(self):
        status = self._run(self._handle, None, self._in_names, self._bound, 1, self._out_names, 1, self._filled)
        if status:
            raise ort.OrtError("Run failed")
        return self.output
