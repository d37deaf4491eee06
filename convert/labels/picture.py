"""The merge as a picture: traces as given and aligned, the estimate with its band, and how each annotator agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert.labels.matrix import Float, RatingMatrix
from convert.labels.merge import Merged
from convert.labels.screening import left_out
from convert.metrics import TARGETS

# Okabe and Ito: told apart by everybody. Black is the estimate's.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#7F7F7F")
_CROWD = "#56B4E9"  # for all, where there are more than can be told apart
_BAND = 1.96  # standard errors: 95%
_SHOWN_ITEMS = 80


def plot_merged(merged: Merged, path: Path) -> None:
    """Writes a PNG. Of traces, the item with the most ratings is shown; of whole items, up to 80 by their estimate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    traces = merged.raw.times_s is not None
    gone = set(left_out(merged.verdicts))
    few = len(merged.raw.annotators) <= len(_COLOURS)
    colours = {name: _COLOURS[n] if few else _CROWD for n, name in enumerate(merged.raw.annotators)}
    rows = 4 if traces else 3
    figure, axes = pyplot.subplots(
        rows, 1, figsize=(11, 3.0 * rows + 0.3), height_ratios=[1] * (rows - 1) + [1.15], layout="constrained"
    )
    if traces:
        item = _fullest(merged.raw)
        _draw_given(axes[0], merged.raw, item, colours, gone)
        panels = axes[1:3]
        for n, axis in enumerate(panels):
            _draw_aligned(axis, merged, item, n, colours)
        axes[2].set_xlabel("time, s")
        for axis in axes[1:3]:
            axis.sharex(axes[0])
    else:
        for n, axis in enumerate(axes[:2]):
            _draw_items(axis, merged, n, colours)
    _draw_agreement(axes[-1], merged, gone)
    handles, names = _legend(merged, colours, gone)
    columns = min(len(names), 6)
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _fullest(matrix: RatingMatrix) -> str:
    sizes = {item: int(np.isfinite(matrix.values[rows]).sum()) for item, rows in matrix.blocks()}
    return max(sizes, key=lambda item: sizes[item])


def _rows(matrix: RatingMatrix, item: str) -> slice:
    return next((rows for name, rows in matrix.blocks() if name == item), slice(0, 0))


def _times(matrix: RatingMatrix, rows: slice) -> Float:
    return np.zeros(0) if matrix.times_s is None else matrix.times_s[rows]


def _draw_given(axis: Any, raw: RatingMatrix, item: str, colours: dict[str, str], gone: set[str]) -> None:
    rows = _rows(raw, item)
    for n, name in enumerate(raw.annotators):
        style = ":" if name in gone else "-"
        axis.plot(_times(raw, rows), raw.values[rows, n, 0], style, color=colours[name], linewidth=1.1)
    _dress(axis, f"{item}: valence as given", "valence")


def _draw_aligned(axis: Any, merged: Merged, item: str, target: int, colours: dict[str, str]) -> None:
    matrix = merged.matrix
    rows = _rows(matrix, item)
    times = _times(matrix, rows)
    for n, name in enumerate(matrix.annotators):
        axis.plot(times, matrix.values[rows, n, target], color=colours[name], linewidth=0.8, alpha=0.55)
    value, error = merged.estimate.values[rows, target], merged.estimate.error[rows, target]
    axis.fill_between(times, value - _BAND * error, value + _BAND * error, color="black", alpha=0.18, linewidth=0)
    axis.plot(times, value, color="black", linewidth=1.8)
    _dress(axis, f"{item}: {TARGETS[target]} aligned, with the estimate and its 95% band", TARGETS[target])


def _draw_items(axis: Any, merged: Merged, target: int, colours: dict[str, str]) -> None:
    value, error = merged.estimate.values[:, target], merged.estimate.error[:, target]
    known = np.flatnonzero(np.isfinite(value))
    order = known[np.argsort(value[known])]
    if len(order) > _SHOWN_ITEMS:
        order = order[np.linspace(0, len(order) - 1, _SHOWN_ITEMS).astype(int)]
    places = np.arange(len(order))
    for n, name in enumerate(merged.matrix.annotators):
        axis.plot(places, merged.matrix.values[order, n, target], ".", color=colours[name], markersize=5, alpha=0.6)
    axis.errorbar(
        places, value[order], _BAND * error[order], fmt="_", color="black", markersize=7, elinewidth=1.2, capsize=0
    )
    shown = f", {len(order)} of {len(known)}" if len(order) < len(known) else ""
    _dress(axis, f"{TARGETS[target]} by item, with the estimate and its 95% interval{shown}", TARGETS[target])
    axis.set_xlabel("items, by their estimate")


def _draw_agreement(axis: Any, merged: Merged, gone: set[str]) -> None:
    names = [name for name in merged.raw.annotators if name in merged.everybody]
    places, width = np.arange(len(names)), 0.38
    for n, (target, colour) in enumerate(zip(TARGETS, ("#0072B2", "#E69F00"), strict=True)):
        heights = [merged.rest.get(name, merged.everybody[name])[n].ccc for name in names]
        bars = axis.bar(places + (n - 0.5) * width, np.nan_to_num(heights), width, label=target, color=colour)
        for bar, name in zip(bars, names, strict=True):
            if name in gone:
                bar.set(alpha=0.35, hatch="///")
    axis.axhline(0, color="black", linewidth=0.8)
    labels = []
    for name in names:
        told = "\nleft out" if name in gone else ""
        lag = f"\n{merged.lags_s[name]:+.1f} s" if merged.raw.times_s is not None and name not in gone else ""
        labels.append(f"{name}{lag}{told}")
    axis.set_xticks(places, labels, rotation=45 if len(names) > 12 else 0, ha="right" if len(names) > 12 else "center")
    lag_note = "; below a name its lag against the median annotator" if merged.raw.times_s is not None else ""
    axis.set_title(f"Agreement with the mean of the others{lag_note}", loc="left", fontsize=10)
    axis.set_ylabel("CCC")
    axis.set_ylim(min(-0.1, *[axis.get_ylim()[0]]), 1)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.99), frameon=False, fontsize=9, ncols=2)


def _legend(merged: Merged, colours: dict[str, str], gone: set[str]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    if len(merged.raw.annotators) > len(_COLOURS):
        dots = Line2D([], [], color=_CROWD, marker=".", linestyle="none")
        return [dots, Line2D([], [], color="black", linewidth=2)], ["a rating", "estimate"]
    shown = merged.raw.annotators
    handles = [
        Line2D([], [], color=colours[name], linestyle=":" if name in gone else "-", linewidth=2) for name in shown
    ]
    names = [f"{name} (left out)" if name in gone else name for name in shown]
    return [*handles, Line2D([], [], color="black", linewidth=2)], [*names, "estimate"]


def _dress(axis: Any, title: str, name: str) -> None:
    axis.set_title(title, loc="left", fontsize=10)
    axis.set(ylabel=name, ylim=(-1.05, 1.05))
    axis.axhline(0, color="grey", linewidth=0.5)
    axis.spines[["top", "right"]].set_visible(False)
