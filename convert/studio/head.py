"""ICT-FaceKit's morphable head (Li et al. 2020, "Learning Formation of Physically-Based Face Attributes"; MIT).

Coordinates are the head's own: centimetres, x to the person's left, y up, z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from edge.values import Float32Array

FACE = slice(0, 9409)
MOUTH = slice(14062, 21451)  # gums, tongue and teeth
EYES = slice(21451, 24591)
EYEBALLS = (slice(21451, 23021), slice(23021, 24591))  # left, right
_GAZE = 0.5  # radians at full activation

# Vertices of the 68 points of Multi-PIE's mark-up, in its order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, outer
# lips 48-59, inner lips 60-67. The mark-up begins at the person's right.
# fmt: off
MARKS = np.array([
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443, 268, 493, 1914,
    2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360, 1507, 1542, 1537,
    1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957,
    5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
])
# fmt: on


# By how much the head has to move until the landmarker reads what was asked: the two rigs differ in strength. Measured
# on 24 portraits without expression (`browDown` 1 was read as 0.21, `mouthFrown` 1 as 0.19); 1 for all others.
GAINS = {
    "browDown": 2.0, "browInnerUp": 1.3, "browOuterUp": 1.2, "cheekPuff": 1.5, "cheekSquint": 1.3, "eyeSquint": 1.6,
    "eyeWide": 1.7, "mouthFrown": 2.0, "mouthFunnel": 1.3, "mouthPress": 1.6, "mouthPucker": 1.3, "mouthRoll": 1.5,
    "mouthShrug": 1.4, "mouthStretch": 1.5, "mouthUpperUp": 1.2, "noseSneer": 1.4,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class MorphableHead:
    """A mean head, and linear offsets of identity and expression.

    Attributes:
        neutral: float32 (V, 3), cm.
        triangles: int32 (T, 3), counter-clockwise seen from outside.
        identities: float32 (I, V, 3), cm for one standard deviation.
        expressions: float32 (E, V, 3), cm at full activation.
        expression_names: E names in the manner of ARKit (`jawOpen`, `mouthSmile_L`).
    """

    neutral: Float32Array
    triangles: NDArray[np.int32]
    identities: Float32Array
    expressions: Float32Array
    expression_names: tuple[str, ...]

    @cached_property
    def blendshape_rows(self) -> tuple[NDArray[np.intp], Float32Array]:
        """How MediaPipe's 52 blendshapes drive the expressions: for each expression its blendshape and its factor.

        The two rigs differ in name only, but `browInnerUp` and `cheekPuff` are one shape there and two here, and
        `cheekRaiser` and `PupilDilate` have no counterpart.
        """
        from convert.teacher.landmarker import BLENDSHAPES

        rows, factors = [], []
        for name in self.expression_names:
            plain = name.replace("_L", "Left").replace("_R", "Right")
            if plain not in BLENDSHAPES:
                plain = plain.removesuffix("Left").removesuffix("Right")
            known = plain in BLENDSHAPES
            rows.append(BLENDSHAPES.index(plain) if known else 0)
            gain = next((gain for start, gain in GAINS.items() if plain.startswith(start)), 1.0)
            factors.append(gain if known else 0.0)
        return np.array(rows), np.array(factors, np.float32)

    @cached_property
    def _flat(self) -> Float32Array:
        return self.expressions.reshape(len(self.expressions), -1)

    def offsets(self, coefficients: Float32Array) -> Float32Array:
        """What expressions (E,) do to the vertices: float32 (V, 3), cm."""
        return np.asarray(coefficients @ self._flat, np.float32).reshape(-1, 3)

    def blinks(self, coefficients: Float32Array) -> Float32Array:
        """Of the coefficients (E,) those that close eyes; the others 0."""
        return coefficients * np.array([name.startswith("eyeBlink") for name in self.expression_names], np.float32)

    def coefficients(self, blendshapes: Float32Array) -> Float32Array:
        """MediaPipe's blendshapes (..., 52), 0..1, as coefficients of the expressions (..., E), 0 to `GAINS`."""
        rows, factors = self.blendshape_rows
        return np.asarray(blendshapes[..., rows] * factors, np.float32)


def load_head(path: Path) -> MorphableHead:
    """Reads the kit's `.npz`.

    Raises:
        DataError: the file is missing or not that model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            quads, neutral = file["quads"], file["neutral"].astype(np.float32)
            names = tuple(str(name) for name in file["expression_names"])
            return MorphableHead(
                neutral=neutral,
                triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32),
                identities=file["identities"].astype(np.float32),
                expressions=_with_gaze(file["expressions"].astype(np.float32), neutral, names),
                expression_names=names,
            )
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the studio needs ICT-FaceKit's model") from None
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: not ICT-FaceKit's model ({error})") from error


def _with_gaze(expressions: Float32Array, neutral: Float32Array, names: tuple[str, ...]) -> Float32Array:
    """The model's gaze moves lids only: eyeballs are turned with them, to first order."""
    for side, outward, balls in (("L", 1.0, EYEBALLS[0]), ("R", -1.0, EYEBALLS[1])):
        off = neutral[balls] - neutral[balls].mean(axis=0)
        turns = {"Up": (-1.0, 0.0), "Down": (1.0, 0.0), "Out": (0.0, outward), "In": (0.0, -outward)}  # about x, y
        for way, (pitch, yaw) in turns.items():
            axis = _GAZE * np.array([pitch, yaw, 0.0], np.float32)
            expressions[names.index(f"eyeLook{way}_{side}"), balls] += np.cross(axis, off)
    return expressions
