"""How much of a bundle's agreement with raters is left when the camera sees the face worse.

One grid of axes and levels. Each held-out picture lies in a camera's frame, is spoilt there, and then goes the device's
way: its detector, its crop, its int8 backbone's own answer to the frame. Covers are laid on the crop. A face that the
detector misses in the whole frame is not scored by a device. Here it is looked for once more in the frame's middle,
twice as large, so that one can tell what the detector loses from what the backbone loses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.datasets.faces import LabelledFace
from convert.evaluation import Device, embed_crop
from convert.evidence import degradations as d
from convert.evidence.robustness_grid import CLEAN, GRID, Level
from convert.metrics import TARGETS, Agreement, agreement, ccc
from edge.face.detector import Detector
from edge.types import Detection, Float32Array, UInt8Array

_FEWEST = 10  # faces scored below which no agreement is given
_NO_FACE = Detection(box_px=(0.0, 0.0, 0.0, 0.0), score=0.0, landmarks_px=np.zeros((6, 2), np.float32))
_NEAR = 0.5  # of the crop's side: how far off the detector may be and still mean this face


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """What one level leaves.

    Attributes:
        axis, name: of the level.
        found: share of the faces that the detector found in the whole frame, 0-1.
        scored: faces found there or in the frame's middle.
        agreement: by target, over the faces scored; empty where they are too few.
        kept: by target, CCC over that of the clean frames of the same faces; not where that is not positive.
    """

    axis: str
    name: str
    found: float
    scored: int
    agreement: dict[str, Agreement]
    kept: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The grid's results.

    Attributes:
        faces: that were measured.
        levels: in the grid's order, the first being the clean frames.
    """

    faces: int
    levels: tuple[LevelResult, ...]

    def record(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "faces": self.faces,
            "levels": [
                {
                    "axis": level.axis,
                    "name": level.name,
                    "found": level.found,
                    "scored": level.scored,
                    "agreement": {target: found._asdict() for target, found in level.agreement.items()},
                    "kept": level.kept,
                }
                for level in self.levels
            ],
        }


def measure_robustness(
    faces: Sequence[LabelledFace],
    device: Device,
    detector: Detector,
    *,
    turner: d.Turner | None = None,
    grid: Sequence[Level] = GRID,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Robustness:
    """Runs the grid.

    Args:
        faces: of which the rated ones of the held-out part are measured.
        device: the bundle.
        detector: the device's, with its threshold.
        turner: makes the yaw; without it those levels are left out.
        grid: clean frames first.
        seed: of noise, directions and covers.
        advance: called after each face.

    Raises:
        ValueError: no held-out face is rated, or the grid does not begin with clean frames.
    """
    rated_faces = [face for face in faces if face.validation and face.rated is not None]
    levels = [level for level in grid if level.yaw_deg is None or turner is not None]
    if not rated_faces:
        raise ValueError("robustness needs held-out faces with ratings")
    if not levels or levels[0].axis != CLEAN:
        raise ValueError("the grid must begin with the clean frames")
    answers = np.full((len(levels), len(rated_faces), len(TARGETS)), np.nan, np.float32)
    found = np.zeros(answers.shape[:2], bool)
    for n, face in enumerate(rated_faces):
        crops, found[:, n] = _crops(face, levels, device, detector, turner, seed)
        for row, crop in enumerate(crops):
            if crop is not None:
                answers[row, n] = embed_crop(device.backbone, crop).va
        advance()
    rated = np.array([face.rated for face in rated_faces], np.float32)
    return Robustness(
        faces=len(rated_faces),
        levels=tuple(
            _summarize(level, rated, answers[0], row, float(hits.mean()))
            for level, row, hits in zip(levels, answers, found, strict=True)
        ),
    )


def _crops(
    face: LabelledFace,
    levels: Sequence[Level],
    device: Device,
    detector: Detector,
    turner: d.Turner | None,
    seed: int,
) -> tuple[list[UInt8Array | None], list[bool]]:
    """The crops that the device would cut, level by level, None without a face; and whether it finds the face."""
    rule = device.manifest.crop
    clean = d.place(face.pixels, face.landmarks_px)
    seen = _find(clean, detector)
    size_px = (seen or _find_closer(clean, detector) or _NO_FACE).size_px
    turned = turner.fit(face.pixels, face.landmarks_px) if turner is not None else None
    crops: list[UInt8Array | None] = []
    hits: list[bool] = []
    for level in levels:
        rng = np.random.default_rng([seed, *level.name.encode(), *face.name.encode()])
        shot = clean
        if level.yaw_deg is not None and turned is not None:
            shot = turned(level.yaw_deg)
        elif level.face_px is not None:
            scale = min(level.face_px / size_px, 1.0) if size_px else 1.0
            shot = d.place(face.pixels, face.landmarks_px, scale=scale)
        elif level.roll_deg:
            shot = d.place(face.pixels, face.landmarks_px, roll_deg=level.roll_deg)
        if level.spoil is not None:
            shot = level.spoil(shot, rng)
        found = _find(shot, detector) if shot is not clean else seen
        hits.append(found is not None)
        found = found or _find_closer(shot, detector)
        if found is None:
            crops.append(None)
            continue
        crop = shot.cut(found.landmarks_px, rule.size, rule.rule)
        crops.append(level.cover(crop, rng) if level.cover is not None else crop)
    return crops, hits


def _find(shot: d.Shot, detector: Detector) -> Detection | None:
    """The detection of the frame's one face: the nearest to where it is, unless that is another thing."""
    middle = shot.landmarks_px[:4].mean(axis=0)

    def off(face: Detection) -> float:
        return float(np.hypot(*(face.landmarks_px[:4].mean(axis=0) - middle)))

    nearest = min(detector.detect(shot.pixels), key=off, default=None)
    return nearest if nearest is not None and off(nearest) < _NEAR * shot.side_px else None


def _find_closer(shot: d.Shot, detector: Detector) -> Detection | None:
    """Like `_find`, in the middle half of the frame's width and height."""
    height, width = shot.pixels.shape[:2]
    corner = np.array([width // 4, height // 4], np.float32)
    part = np.ascontiguousarray(shot.pixels[height // 4 : -(height // 4), width // 4 : -(width // 4)])
    found = _find(shot._replace(pixels=part, landmarks_px=shot.landmarks_px - corner), detector)
    if found is None:
        return None
    x1, y1, x2, y2 = found.box_px
    x, y = corner.tolist()
    return Detection(
        box_px=(x1 + x, y1 + y, x2 + x, y2 + y), score=found.score, landmarks_px=found.landmarks_px + corner
    )


def _summarize(
    level: Level, rated: Float32Array, clean: Float32Array, answers: Float32Array, found: float
) -> LevelResult:
    scored: NDArray[np.bool_] = ~np.isnan(answers[:, 0])
    agreements: dict[str, Agreement] = {}
    kept: dict[str, float] = {}
    if scored.sum() >= _FEWEST:
        both = scored & ~np.isnan(clean[:, 0])
        for t, target in enumerate(TARGETS):
            agreements[target] = agreement(rated[scored, t], answers[scored, t])
            before = ccc(rated[both, t], clean[both, t]) if both.any() else 0.0
            if before > 0:
                kept[target] = ccc(rated[both, t], answers[both, t]) / before
    return LevelResult(
        axis=level.axis, name=level.name, found=found, scored=int(scored.sum()), agreement=agreements, kept=kept
    )


def to_markdown(result: Robustness) -> str:
    """The grid as a table, a row a level, with what its columns mean below."""
    head = ["axis", "level", "found", "scored"]
    for target in TARGETS:
        head += [f"{target} CCC [95%]", "kept", "RMSE"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for level in result.levels:
        cells = [level.axis, level.name, f"{level.found:.0%}", str(level.scored)]
        for target in TARGETS:
            found = level.agreement.get(target)
            if found is None:
                cells += ["–", "–", "–"]
                continue
            share = level.kept.get(target)
            interval = f"{found.ccc:.2f} [{found.ccc_low:.2f}, {found.ccc_high:.2f}]"
            cells += [interval, f"{share:.0%}" if share is not None else "–", f"{found.rmse:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(
        [
            *lines,
            "",
            f"{result.faces} faces in frames of {d.FRAME[0]}×{d.FRAME[1]}. found: by the device's detector. scored: "
            "found there or on a second look at the frame's middle; agreement is over those. kept: CCC relative to the "
            "clean frames of the same faces. Blur in pixels of a crop of 112; light and exposure relative to a frame "
            "at full light, without a camera's own gain.",
            "",
        ]
    )


def plot_robustness(result: Robustness, path: Path) -> None:
    """CCC with its interval by level, and the share of faces found: a panel an axis, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clean, others = result.levels[0], result.levels[1:]
    axes = list(dict.fromkeys(level.axis for level in others))
    rows = -(-len(axes) // 3)
    lowest = min([0.0, *(found.ccc_low - 0.02 for level in result.levels for found in level.agreement.values())])
    figure, panels = pyplot.subplots(rows, 3, figsize=(12, 3.0 * rows), squeeze=False, sharey=True)
    for panel, axis in zip(panels.flat, axes, strict=False):
        levels = [level for level in others if level.axis == axis]
        # A head turned both ways has its clean frame in the middle, and a yaw of 0 of its own.
        shown = levels if axis in ("yaw", "roll") else [clean, *levels]
        places = np.arange(len(shown))
        panel.bar(places, [level.found for level in shown], width=0.9, color="0.92", label="faces found", zorder=0)
        for target, colour, shift in zip(TARGETS, ("tab:blue", "tab:orange"), (-0.08, 0.08), strict=True):
            known = [(n, level.agreement[target]) for n, level in enumerate(shown) if target in level.agreement]
            x = np.array([n for n, _ in known]) + shift
            y = np.array([found.ccc for _, found in known])
            low = y - np.array([found.ccc_low for _, found in known])
            high = np.array([found.ccc_high for _, found in known]) - y
            style = "o" if axis in ("occlusion", "coding") else "o-"
            panel.errorbar(x, y, [low.clip(0), high.clip(0)], fmt=style, color=colour, capsize=2, ms=4, label=target)
            if target in clean.agreement:
                panel.axhline(clean.agreement[target].ccc, color=colour, lw=0.8, ls=":")
        names = [level.name.replace(" ", "\n", 1) if axis == "occlusion" else level.name for level in shown]
        panel.set_xticks(places, names, fontsize=8)
        panel.set(title=axis, ylim=(lowest, 1.02))
        panel.grid(axis="y", alpha=0.3)
    for panel in panels.flat[len(axes) :]:
        panel.set_visible(False)
    for row in panels:
        row[0].set_ylabel("CCC with raters")
    panels.flat[0].legend(loc="lower left", fontsize=8)
    figure.suptitle(f"{result.faces} held-out faces through the device's way; dotted: clean frames", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
