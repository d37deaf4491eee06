"""A camera whose faults are planted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge.clock import NS, FileClock
from edge.values import Frame, Tick


class PlantedCamera:
    """Frames of noise at a given rate on a clock that it moves; `pixels` replaces the picture; `ticks` never end."""

    def __init__(
        self, clock: FileClock, *, fps: float = 30.0, age_s: float = 0.02, size=(640, 480), pixels=None, ticks=()
    ) -> None:
        self.clock, self.fps, self.age_s, self.size, self.pixels = clock, fps, age_s, size, pixels
        self.ticks = list(ticks)
        self.closed = False

    def __iter__(self) -> Iterator[Frame | Tick]:
        rng = np.random.default_rng(1)
        while self.ticks:
            yield self.ticks[0]
        for index in range(60):
            self.clock.now_ns += round(NS / self.fps)
            pixels = (
                rng.integers(60, 200, (self.size[1], self.size[0], 3), np.uint8) if self.pixels is None else self.pixels
            )
            yield Frame(pixels=pixels, captured_ns=self.clock.now_ns - round(self.age_s * NS), index=index)

    def __enter__(self) -> PlantedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def planted():
    return PlantedCamera
