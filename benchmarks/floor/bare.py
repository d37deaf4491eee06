"""A graph's run with nothing around it: no tensor is copied in or out."""

from __future__ import annotations

import numpy as np

from edge.model.engines.litert import LiteRtEngine


class BareEngine(LiteRtEngine):
    """An engine that can run again on the tensors it holds; they are zeros at first, of batch 1."""

    def __init__(self, model: bytes, *, name: str, threads: int = 1) -> None:
        super().__init__(model, name=name, threads=threads)
        self.invoke({key: np.zeros(spec.shape, spec.dtype) for key, spec in self.inputs.items()})

    def run_again(self) -> None:
        """Runs the graph once."""
        self._interpreter.invoke()
