"""How much of a bundle's agreement with raters is left when the camera sees the face worse.

One grid of axes and levels, and two questions at each. The device: the held-out picture lies in a camera's frame and is
spoilt or covered there, then the device's detector looks for the face and its crop is cut where the detector says. A
face that it misses has no score, so the share found stands beside each figure. The network: the same crop cut where the
face truly is, so that the detector has no part in it, and with covers laid on the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.faces.finder import LabelledFace
from convert.metrics import TARGETS, Agreement, agreement, ccc
from convert.predict import degradations as d
from convert.predict.covers import cover_in_frame
from convert.predict.evaluation import Device, embed_crop
from convert.predict.robustness_grid import CLEAN, GRID, Level
from edge.face.detector import Detector, detections
from edge.values import Detection, Float32Array, UInt8Array

FEWEST = 10  # faces scored below which no agreement is given
_NEAR = 0.5  # of the crop's side: how far off the detector may be and still mean this face
_Crop = UInt8Array | None


class Left(NamedTuple):
    """What is left of the agreement at one level.

    Attributes:
        n: faces that were scored.
        agreement: by target, over those; empty where they are too few.
        kept: by target, CCC over that of the clean frames of the same faces; not where that is not positive.
    """

    n: int
    agreement: dict[str, Agreement]
    kept: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """What one level leaves.

    Attributes:
        axis, name: of the level.
        found: share of the faces that the detector found in the frame, 0-1.
        device: over the faces found, by the device's whole way.
        network: over all faces, cut where they truly are; of a head turned sideways nobody knows where that is.
    """

    axis: str
    name: str
    found: float
    device: Left
    network: Left


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

        def plain(left: Left) -> dict[str, object]:
            agreed = {target: found._asdict() for target, found in left.agreement.items()}
            return {"n": left.n, "agreement": agreed, "kept": left.kept}

        return {
            "faces": self.faces,
            "levels": [
                {
                    "axis": level.axis,
                    "name": level.name,
                    "found": level.found,
                    "device": plain(level.device),
                    "network": plain(level.network),
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
    # By level, face, way (device, network) and target.
    answers = np.full((len(levels), len(rated_faces), 2, len(TARGETS)), np.nan, np.float32)
    for n, face in enumerate(rated_faces):
        for row, crops in enumerate(_crops(face, levels, device, detector, turner, seed)):
            for way, crop in enumerate(crops):
                if crop is not None:
                    answers[row, n, way] = embed_crop(device.backbone, crop).va
        advance()
    rated = np.array([face.rated for face in rated_faces], np.float32)
    ways = [[_summarize(rated, answers[0, :, way], row[:, way]) for way in range(2)] for row in answers]
    return Robustness(
        faces=len(rated_faces),
        levels=tuple(
            LevelResult(axis=level.axis, name=level.name, found=whole.n / len(rated), device=whole, network=alone)
            for level, (whole, alone) in zip(levels, ways, strict=True)
        ),
    )


def _crops(
    face: LabelledFace,
    levels: Sequence[Level],
    device: Device,
    detector: Detector,
    turner: d.Turner | None,
    seed: int,
) -> list[tuple[_Crop, _Crop]]:
    """The device's crop, None where it finds no face, and the network's, level by level."""
    rule = device.manifest.crop
    clean = d.place(face.pixels, face.landmarks_px)
    seen = _find(clean, detector)
    size_px = (seen or _detection(clean)).size_px
    turned = turner.fit(face.pixels, face.landmarks_px) if turner is not None else None
    crops: list[tuple[_Crop, _Crop]] = []
    for level in levels:
        shot = clean
        if level.yaw_deg is not None and turned is not None:
            shot = turned(level.yaw_deg)
        elif level.face_px is not None:
            shot = d.place(face.pixels, face.landmarks_px, scale=min(level.face_px / size_px, 1.0))
        elif level.roll_deg:
            shot = d.place(face.pixels, face.landmarks_px, roll_deg=level.roll_deg)
        if level.spoil is not None:
            shot = level.spoil(shot, _chance(seed, level, face))
        alone: _Crop = None
        if level.yaw_deg is None:
            alone = shot.cut(shot.landmarks_px, rule.size, rule.rule)
            if level.cover is not None:
                alone = level.cover(alone, _chance(seed, level, face))
        if level.cover is not None:
            shot = cover_in_frame(shot, level.cover, _chance(seed, level, face))
        found = _find(shot, detector) if shot is not clean else seen
        whole = shot.cut(found.landmarks_px, rule.size, rule.rule) if found is not None else None
        crops.append((whole, alone))
    return crops


def _chance(seed: int, level: Level, face: LabelledFace) -> np.random.Generator:
    """The same for the frame and for the crop: one cover is laid on both."""
    return np.random.default_rng([seed, *level.name.encode(), *face.name.encode()])


def _detection(shot: d.Shot) -> Detection:
    """What the detector would say of a face that it does not find."""
    (face,) = detections(
        np.concatenate([np.zeros((1, 2, 2), np.float32), shot.landmarks_px[None]], 1), np.zeros(1, np.float32)
    )
    return face


def _find(shot: d.Shot, detector: Detector) -> Detection | None:
    """The detection of the frame's one face: the nearest to where it is, unless that is another thing."""
    middle = shot.landmarks_px.mean(axis=0)

    def off(face: Detection) -> float:
        return float(np.hypot(*(face.landmarks_px.mean(axis=0) - middle)))

    nearest = min(detector.detect(shot.pixels), key=off, default=None)
    return nearest if nearest is not None and off(nearest) < _NEAR * shot.side_px else None


def _summarize(rated: Float32Array, clean: Float32Array, answers: Float32Array) -> Left:
    scored: NDArray[np.bool_] = ~np.isnan(answers[:, 0])
    agreements: dict[str, Agreement] = {}
    kept: dict[str, float] = {}
    if scored.sum() >= FEWEST:
        both = scored & ~np.isnan(clean[:, 0])
        for t, target in enumerate(TARGETS):
            agreements[target] = agreement(rated[scored, t], answers[scored, t])
            before = ccc(rated[both, t], clean[both, t]) if both.any() else 0.0
            if before > 0:
                kept[target] = ccc(rated[both, t], answers[both, t]) / before
    return Left(int(scored.sum()), agreements, kept)
