"""Every sample of every stage, kept; beside `Health`, which keeps what an operator needs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edge.health import Health, Timing
from edge.model.engines import Engine, TensorSpec


@dataclass(slots=True, eq=False)
class Recorder(Health):
    """A pipeline's `Health` that keeps each time.

    Attributes:
        samples: milliseconds by stage, one a frame, in order; `invoke` one a face.
    """

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def timing(self, stage: str) -> Timing:
        """See `Health.timing`."""
        kept = self.samples[stage]
        return Timing(lambda ns: kept.append(ns / 1e6))


class TimedEngine:
    """An engine whose runs are timed into a recorder's `invoke`."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self._engine = engine
        self._recorder = recorder

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """See `Engine`."""
        return self._engine.inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """See `Engine`."""
        return self._engine.outputs

    def invoke(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Engine.invoke`."""
        begun = time.perf_counter_ns()
        try:
            return self._engine.invoke(tensors)
        finally:
            self._recorder.samples["invoke"].append((time.perf_counter_ns() - begun) / 1e6)
