"""Ratings as a matrix: a row an item, or an item's moment on a time grid; a column an annotator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from convert.labels.ratings import Rating
from convert.metrics import TARGETS

Float = NDArray[np.float64]
_LONGEST_GAP_S = 2.0  # between two samples of a trace, over which a line is drawn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RatingMatrix:
    """Who said what.

    Attributes:
        annotators: A names, sorted.
        items: of the R rows; rows of one item lie together.
        times_s: float64 (R,) within the item, on a grid of `step_s`; None for items rated as a whole.
        values: float64 (R, A, 2), by `TARGETS`, −1..1, NaN where there is no rating.
        step_s: of the grid; 0 without one.
    """

    annotators: tuple[str, ...]
    items: tuple[str, ...]
    times_s: Float | None
    values: Float
    step_s: float = 0.0

    def without(self, annotators: Iterable[str]) -> RatingMatrix:
        """The same without some annotators, and without rows that then have no rating."""
        gone = set(annotators)
        keep = [n for n, name in enumerate(self.annotators) if name not in gone]
        return self._pick(np.arange(len(self.items)), keep)

    def without_items(self, items: Iterable[str]) -> RatingMatrix:
        """The same without some items."""
        gone = set(items)
        return self.select(np.array([item not in gone for item in self.items]))

    def select(self, wanted: NDArray[np.bool_]) -> RatingMatrix:
        """The rows that are wanted, bool (R,)."""
        return self._pick(np.flatnonzero(wanted), range(len(self.annotators)))

    def blocks(self) -> list[tuple[str, slice]]:
        """Each item with its rows."""
        starts = [n for n, item in enumerate(self.items) if n == 0 or item != self.items[n - 1]]
        ends = [*starts[1:], len(self.items)]
        return [(self.items[start], slice(start, end)) for start, end in zip(starts, ends, strict=True)]

    def _pick(self, rows: NDArray[np.intp], columns: Sequence[int]) -> RatingMatrix:
        values = self.values[rows][:, list(columns)]
        rated = np.isfinite(values).any(axis=(1, 2))
        kept = rows[rated]
        return replace(
            self,
            annotators=tuple(self.annotators[n] for n in columns),
            items=tuple(self.items[n] for n in kept),
            times_s=None if self.times_s is None else self.times_s[kept],
            values=values[rated],
        )


def make_matrix(
    ratings: Sequence[Rating], *, step_s: float = 0.1, lags_s: Mapping[str, float] | None = None
) -> RatingMatrix:
    """Lays ratings out; traces are drawn onto the grid by straight lines between their samples.

    Args:
        ratings: as `read_ratings` gives them.
        step_s: of the grid, for traces.
        lags_s: by annotator, subtracted from the times of their traces.

    Raises:
        DataError: nothing is left of an item's traces: they are shorter than their lags, or than a step of the grid.
    """
    annotators = tuple(sorted({rating.annotator for rating in ratings}))
    column = {name: n for n, name in enumerate(annotators)}
    if ratings[0].time_s is None:
        items = tuple(dict.fromkeys(rating.item for rating in ratings))
        row = {item: n for n, item in enumerate(items)}
        values = np.full((len(items), len(annotators), 2), np.nan)
        for rating in ratings:
            values[row[rating.item], column[rating.annotator]] = rating.values
        return RatingMatrix(annotators=annotators, items=items, times_s=None, values=values)
    traces: dict[str, dict[str, list[Rating]]] = {}
    for rating in ratings:
        traces.setdefault(rating.item, {}).setdefault(rating.annotator, []).append(rating)
    names: list[str] = []
    times: list[Float] = []
    blocks: list[Float] = []
    for item, by_annotator in traces.items():
        last_s = max(trace[-1].time_s or 0.0 for trace in by_annotator.values())
        grid = np.arange(int(np.floor(last_s / step_s + 1e-9)) + 1, dtype=np.float64) * step_s
        block = np.full((len(grid), len(annotators), 2), np.nan)
        for name, trace in by_annotator.items():
            block[:, column[name]] = _draw(trace, grid, (lags_s or {}).get(name, 0.0))
        rated = np.isfinite(block).any(axis=(1, 2))
        if not rated.any():
            raise DataError(
                f"{trace[0].where}: nothing is left of the traces of {item!r}: they are shorter than their lags, "
                f"or than {step_s:g} s, a step of the grid"
            )
        names += [item] * int(rated.sum())
        times.append(grid[rated])
        blocks.append(block[rated])
    return RatingMatrix(
        annotators=annotators,
        items=tuple(names),
        times_s=np.concatenate(times),
        values=np.concatenate(blocks),
        step_s=step_s,
    )


def _draw(trace: Sequence[Rating], grid: Float, lag_s: float) -> Float:
    drawn = np.full((len(grid), len(TARGETS)), np.nan)
    for target in range(len(TARGETS)):
        samples = [(rating.time_s or 0.0, rating.values[target]) for rating in trace]
        rated = np.array([sample for sample in samples if np.isfinite(sample[1])]).reshape(-1, 2)
        if not len(rated):
            continue
        at, value = rated[:, 0] - lag_s, rated[:, 1]
        after = np.searchsorted(at, grid + 1e-9, side="right")
        inside = (grid >= at[0] - 1e-9) & (grid <= at[-1] + 1e-9)
        gap = np.diff(at, prepend=at[0], append=at[-1])[after]
        drawn[:, target] = np.where(inside & (gap <= _LONGEST_GAP_S), np.interp(grid, at, value), np.nan)
    return drawn
