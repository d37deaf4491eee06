"""Curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def plot_history(history: Sequence[dict[str, float]], path: Path, title: str) -> None:
    """Loss and held-out CCC by epoch, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    left.plot([r["epoch"] for r in history], [r["loss"] for r in history])
    left.set(title=f"{title}: loss", xlabel="epoch", yscale="log")
    for target in ("valence", "arousal"):
        points = [(r["epoch"], r[f"{target}_ccc"]) for r in history if f"{target}_ccc" in r]
        if points:
            right.plot(*zip(*points, strict=True), label=target)
    right.set(title=f"{title}: CCC, held out", xlabel="epoch", ylim=(0, 1))
    right.legend(loc="lower right") if right.lines else None
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
