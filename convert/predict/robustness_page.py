"""The robustness grid as a table, as the model card's short one, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert.metrics import TARGETS
from convert.predict import degradations as d
from convert.predict.robustness import FEWEST, Left, LevelResult, Robustness
from convert.predict.robustness_grid import SEEN_COVERS, UNSEEN_COVERS

_COVERS = (SEEN_COVERS, UNSEEN_COVERS)
_IN_CARD = {
    ("face size", "48 px"),
    ("face size", "32 px"),
    ("light", "1/10"),
    ("over-exposure", "×3"),
    ("motion blur", "9 px"),
    ("yaw", "+30°"),
    ("yaw", "-30°"),
}
_BELOW = """\
{faces} faces in frames of {width}×{height}. **Device**: the frame is spoilt or covered, then the detector looks and the
crop is cut where it says. found: share of the faces that it found; CCC, RMSE and kept are over those alone, so a row
with few found flatters; no figure below {fewest}. **Network**: the crop is cut where the face truly is, all faces,
covers laid on the crop: what the network makes of it when the detector has no part. kept: CCC relative to the clean
frames of the same faces. cover: of kinds that training draws too (bars, masks, sunglasses, hands). unseen cover: made
by other means for this grid alone (`convert/predict/unseen_covers.py`), in no training. A turned head is re-enacted,
and where its face truly is nobody knows, hence no figure for the network. Blur in pixels of a crop of 112; light and
exposure relative to a frame at full light, without a camera's own gain."""


def to_markdown(result: Robustness) -> str:
    """The grid as a table, a row a level, with what its columns mean below."""
    head = ["axis", "level", "found"]
    for target in TARGETS:
        head += [f"device: {target} CCC [95%]", "kept", "RMSE"]
    for target in TARGETS:
        head += [f"network: {target} CCC", "kept"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for level in result.levels:
        cells = [level.axis, level.name, f"{level.found:.0%}"]
        for target in TARGETS:
            cells += _figures(level.device, target, whole=True)
        for target in TARGETS:
            cells += _figures(level.network, target, whole=False)
        lines.append("| " + " | ".join(cells) + " |")
    width, height = d.FRAME
    return "\n".join([*lines, "", _BELOW.format(faces=result.faces, width=width, height=height, fewest=FEWEST), ""])


def to_card(result: Robustness) -> str:
    """A few levels and all covers: what is kept, and the faces found."""
    lines = [
        "| disturbance | found | device keeps, valence | arousal | network keeps, valence | arousal |",
        "|---|---|---|---|---|---|",
    ]
    for level in result.levels:
        if (level.axis, level.name) in _IN_CARD or level.axis in _COVERS:
            kept = [_share(left, target) for left in (level.device, level.network) for target in TARGETS]
            lines.append(f"| {level.axis}: {level.name} | {level.found:.0%} | {' | '.join(kept)} |")
    return "\n".join(
        [
            *lines,
            "",
            "device: of the faces found, cut where its detector puts them. network: of all, cut where they truly are. "
            "An unseen cover is of a making that no training draws.",
        ]
    )


def _figures(left: Left, target: str, *, whole: bool) -> list[str]:
    found = left.agreement.get(target)
    if found is None:
        return ["–"] * (3 if whole else 2)
    if not whole:
        return [f"{found.ccc:.2f}", _share(left, target)]
    interval = f"{found.ccc:.2f} [{found.ccc_low:.2f}, {found.ccc_high:.2f}]"
    return [interval, _share(left, target), f"{found.rmse:.2f}"]


def _share(left: Left, target: str) -> str:
    return f"{left.kept[target]:.0%}" if target in left.kept else "–"


def plot_robustness(result: Robustness, path: Path) -> None:
    """CCC with its interval by level, and the share of faces found: a panel an axis, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clean, others = result.levels[0], result.levels[1:]
    axes = list(dict.fromkeys(level.axis for level in others))
    rows = -(-len(axes) // 3)
    lowest = min([0.0, *(f.ccc_low - 0.02 for level in result.levels for f in level.device.agreement.values())])
    figure, panels = pyplot.subplots(rows, 3, figsize=(12, 3.0 * rows), squeeze=False, sharey=True)
    for panel, axis in zip(panels.flat, axes, strict=False):
        levels = [level for level in others if level.axis == axis]
        # A head turned both ways has its clean frame in the middle, and a yaw of 0 of its own.
        shown = levels if axis in ("yaw", "roll") else [clean, *levels]
        places = np.arange(len(shown))
        panel.bar(places, [level.found for level in shown], width=0.9, color="0.92", label="faces found", zorder=0)
        _draw_targets(panel, shown, clean, joined=axis not in (*_COVERS, "coding"))
        names = [level.name.replace(" ", "\n", 1) if axis in _COVERS else level.name for level in shown]
        panel.set_xticks(places, names, fontsize=8 if len(shown) < 7 else 7)
        panel.set(title=axis, ylim=(lowest, 1.02))
        panel.grid(axis="y", alpha=0.3)
    for panel in panels.flat[len(axes) :]:
        panel.set_visible(False)
    for row in panels:
        row[0].set_ylabel("CCC with raters")
    panels.flat[0].legend(loc="lower left", fontsize=8)
    told = "filled: the device's way, over the faces found, with 95% interval; hollow: the network alone; dotted: clean"
    figure.suptitle(f"{result.faces} held-out faces; {told}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _draw_targets(panel: Any, shown: list[LevelResult], clean: LevelResult, *, joined: bool) -> None:
    for target, colour, shift in zip(TARGETS, ("tab:blue", "tab:orange"), (-0.1, 0.1), strict=True):
        whole = [(n + shift, level.device.agreement[target]) for n, level in enumerate(shown) if level.device.agreement]
        alone = [(n + shift, level.network.agreement) for n, level in enumerate(shown) if level.network.agreement]
        y = np.array([found.ccc for _, found in whole])
        low = y - np.array([found.ccc_low for _, found in whole])
        high = np.array([found.ccc_high for _, found in whole]) - y
        panel.errorbar(
            [x for x, _ in whole], y, [low.clip(0), high.clip(0)],
            fmt="o-" if joined else "o", color=colour, capsize=2, ms=4, label=target,
        )  # fmt: skip
        panel.plot(
            [x + 0.1 for x, _ in alone], [found[target].ccc for _, found in alone], "D", mfc="none", color=colour, ms=4
        )
        if target in clean.device.agreement:
            panel.axhline(clean.device.agreement[target].ccc, color=colour, lw=0.8, ls=":")
