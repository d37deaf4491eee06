"""The numbers of a released window, rounded so that one person who came or went cannot be computed from two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge.affect.release import Person

STD_FROM, QUADRANTS_FROM = 10, 20  # people
_GRIDS = (0.01, 0.02, 0.05, 0.1, 0.2)


class Summary(NamedTuple):
    """Mean over people, on their `grid`; from `STD_FROM` people on their population standard deviation, on twice it."""

    mean: float
    std: float | None


class Shares(NamedTuple):
    """Shares of people by the signs of valence and arousal; 0 counts as positive and as high."""

    pos_high: float
    pos_low: float
    neg_high: float
    neg_low: float


def grid(people: int) -> float:
    """What means of so many people are rounded to: at least half of one person's share of a scale from -1 to 1."""
    return next((step for step in _GRIDS if step >= 0.5 / max(people, 1) - 1e-9), _GRIDS[-1])


def share_grid(people: int) -> float:
    """What shares of so many people are rounded to."""
    return 0.05 if people >= 40 else 0.1


def summarize(values: Sequence[float]) -> Summary:
    """What people say together; `values` is one a person, all of the same weight.

    Raises:
        ValueError: there is nobody.
    """
    if not len(values):
        raise ValueError("a mean over nobody")
    step, array = grid(len(values)), np.asarray(values, np.float64)
    std = on_grid(float(array.std()), 2 * step) if len(values) >= STD_FROM else None
    return Summary(on_grid(float(array.mean()), step), std)


def share_quadrants(people: Sequence[Person]) -> Shares | None:
    """Shares by quadrant, rounded to two people's share or more; None below `QUADRANTS_FROM` people."""
    if len(people) < QUADRANTS_FROM:
        return None
    step = share_grid(len(people))
    pleasant = np.array([person.valence >= 0 for person in people])
    active = np.array([person.arousal >= 0 for person in people])
    masks = (pleasant & active, pleasant & ~active, ~pleasant & active, ~pleasant & ~active)
    return Shares(*(on_grid(float(mask.mean()), step) for mask in masks))


def on_grid(value: float, step: float) -> float:
    """The nearest multiple of a step; never minus zero."""
    return round(round(value / step) * step, 2) + 0.0
