"""The merge as a picture: each target's ratings with the estimate and its band, and how each annotator agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert.labels.merge import Merged, left_out
from convert.metrics import TARGETS

_BAND = 1.96  # standard errors: 95%
_SHOWN_ITEMS = 80


def plot_merged(merged: Merged, path: Path) -> None:
    """Writes a PNG. Of traces, the item with the most ratings is shown; of whole items, up to 80 by their estimate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(11, 9.5), layout="constrained")
    for axis, target in zip(axes, TARGETS, strict=False):
        _draw(axis, merged, target)
    gone = left_out(merged.verdicts)
    agreement = merged.rest["ccc"].unstack(0)[list(TARGETS)]
    agreement.index = [
        f"{name}{f' {merged.lags_s[name]:+.1f} s' if merged.traces else ''}{' (left out)' * (name in gone)}"
        for name in agreement.index
    ]
    agreement.plot.bar(ax=axes[2], color=["#0072B2", "#E69F00"], rot=30)
    axes[2].set_title("Agreement with the mean of the others", loc="left", fontsize=10)
    axes[2].set_ylabel("CCC")
    axes[2].axhline(0, color="black", linewidth=0.8)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles[-12:], names[-12:], loc="outside upper center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw(axis: Any, merged: Merged, target: str) -> None:
    labels, ratings = merged.labels, merged.matrix[target]
    style: dict[str, Any] = {"linewidth": 0.8}
    if merged.traces:
        item = merged.matrix.notna().sum(axis=1).groupby(level=0).sum().idxmax()
        labels, ratings = labels.loc[item], ratings.loc[item]
        at, title, where = labels.index.to_numpy(), f"{item}: {target} aligned", "time, s"
    else:
        order = np.argsort(labels[target].to_numpy())[: int(labels[target].notna().sum())]
        order = order[np.unique(np.linspace(0, len(order) - 1, _SHOWN_ITEMS).astype(int))]
        labels, ratings = labels.iloc[order], ratings.iloc[order]
        at, title, where = np.arange(len(labels)), f"{target} by item", "items, by their estimate"
        style = {"linestyle": "none", "marker": ".", "markersize": 5}
    for name in ratings:
        axis.plot(at, ratings[name], alpha=0.6, label=name, **style)
    value, error = labels[target], labels[f"{target}_error"]
    axis.plot(at, value, color="black", linewidth=1.8, label="estimate")
    axis.fill_between(at, value - _BAND * error, value + _BAND * error, color="black", alpha=0.18, linewidth=0)
    axis.set_title(f"{title}, with the estimate and its 95% band", loc="left", fontsize=10)
    axis.set(ylabel=target, ylim=(-1.05, 1.05), xlabel=where)
