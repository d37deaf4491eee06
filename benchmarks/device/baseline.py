"""A fixed calculation beside what is measured: how fast this machine is just now, others' work included."""

from __future__ import annotations

import time

import numpy as np

_SIDE = 64  # so small that no library divides one product among threads
_PRODUCTS = 40
_REPEATS = 7


class Baseline:
    """Products of matrices, as a network has them, in NumPy, which no other part of the device computes with.

    A program on the other hyperthread of a core makes everything take longer, by half and more, and the processor's
    time counts that as ours. It makes the products take longer too, so a ratio to them moves much less.

    Attributes:
        spent_s: processor time that went into the products, seconds; to be left out of what is measured.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._one, self._other = rng.standard_normal((2, _PRODUCTS, _SIDE, _SIDE), np.float32)
        self._out = np.empty_like(self._one)
        self.spent_s = 0.0

    def measure(self) -> float:
        """Processor time of the products now, seconds: the median of a few runs."""
        times = [time.process_time()]
        for _ in range(_REPEATS):
            np.matmul(self._one, self._other, out=self._out)
            times.append(time.process_time())
        self.spent_s += times[-1] - times[0]
        return max(float(np.median(np.diff(times))), 1e-6)
