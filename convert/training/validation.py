"""What a training is measured on as it goes; decides nothing."""

from __future__ import annotations

from typing import NamedTuple

from edge.types import Float32Array, UInt8Array


class Validation(NamedTuple):
    """Held-out crops as the device cuts them.

    Attributes:
        name: short, before the figures in the record; empty for the one that the others are compared with.
        images: uint8 (N, S, S, 3), RGB.
        va: float32 (N, 2), what raters or the teacher said.
    """

    name: str
    images: UInt8Array
    va: Float32Array
