"""What a training is measured on as it goes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from convert.metrics import ccc
from edge.values import Float32Array, UInt8Array


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


def measure(validations: Sequence[Validation], answer: Callable[[UInt8Array], Float32Array]) -> dict[str, float]:
    """CCC of each validation and target, by the names that a training's record has for them.

    Args:
        validations: to measure on.
        answer: crops uint8 (N, S, S, 3) to estimates float32 (N, 2).
    """
    record: dict[str, float] = {}
    for validation in validations:
        va = answer(validation.images)
        prefix = f"{validation.name}_" if validation.name else ""
        record |= {
            f"{prefix}valence_ccc": ccc(validation.va[:, 0], va[:, 0]),
            f"{prefix}arousal_ccc": ccc(validation.va[:, 1], va[:, 1]),
        }
    return record
