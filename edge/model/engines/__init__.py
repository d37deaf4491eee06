"""Inference runtimes behind one Protocol: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class TensorSpec(NamedTuple):
    """One tensor of a graph.

    Attributes:
        shape: with the batch that is set now.
        dtype: of the values that go in or come out.
        scale, zero_point: `real = scale * (q - zero_point)`; scale 0 for a tensor that is not quantized.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @property
    def quantized(self) -> bool:
        return self.scale > 0


class Engine(Protocol):
    """A loaded graph. Not thread-safe: one owner each."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...

    def invoke(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Runs the graph once.

        Args:
            tensors: one array for each input, in the input's dtype; the first axis may differ from the batch
                set now where the graph allows it, and is the same for all.

        Returns:
            A copy of each output by name, in the output's dtype.

        Raises:
            EngineError: a name, dtype or shape does not fit, or the runtime failed.
        """
        ...


def quantize(values: NDArray[np.floating], spec: TensorSpec) -> NDArray[Any]:
    """Rounds real values onto a tensor's integer grid and clips to its range (half to even, as the converter does)."""
    limits = np.iinfo(spec.dtype)
    return np.clip(np.rint(values / spec.scale) + spec.zero_point, limits.min, limits.max).astype(spec.dtype)


def dequantize(values: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    """Real float32 values of a tensor's integers; a float tensor passes through as float32."""
    real = values.astype(np.float32)
    if spec.quantized:
        real -= spec.zero_point
        real *= spec.scale
    return real
