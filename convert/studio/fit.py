"""Lays the morphable head over a face in a picture: pose, identity and expression from the landmarker's mesh.

Scaled orthographic. Identity and expression are ridge estimates around what is likely (the mean head, and the
blendshapes that the landmarker read); what they leave over is bent away smoothly, so that lips and lids of the head lie
on those of the picture to the landmarks' own accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from convert.studio.head import MARKS, MorphableHead
from convert.teacher.landmarker import FaceShape
from edge.values import Float32Array

# The 68 marks as points of MediaPipe's 478.
# fmt: off
MESH_MARKS = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389, 71, 63, 105, 66, 107, 336, 296,
    334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380, 61,
    39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
])
# fmt: on
_WEIGHT = np.array([0.25] * 17 + [0.7] * 10 + [1.0] * 41)  # the jaw's marks slide along the outline when a head turns
_MODES = 50
_BLINKS, _LIDS = ("eyeBlink_L", "eyeBlink_R"), (([43, 44], [47, 46]), ([37, 38], [41, 40]))  # marks above and below
_IDENTITY_RIDGE, _EXPRESSION_RIDGE = 0.02, 0.15  # cm² that one unit of a coefficient costs
_DEPTH_TRUST = 0.4  # of the mesh's z relative to x and y


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """Scaled orthographic: picture = scale · (rotation · head) + offset, y turned down.

    Attributes:
        rotation: float32 (3, 3), of the head's coordinates (x to the person's left, y up, z out of the face).
        scale: pixels a centimetre.
        offset: float32 (2,), where the head's origin lies in the picture, pixels.
    """

    rotation: Float32Array
    scale: float
    offset: Float32Array

    def project(self, points: Float32Array) -> Float32Array:
        """Head coordinates (N, 3) to x, y (down) in pixels and z towards the viewer: float32 (N, 3)."""
        turned = points @ self.rotation.T * self.scale
        return np.stack(
            [turned[:, 0] + self.offset[0], self.offset[1] - turned[:, 1], turned[:, 2]], axis=1, dtype=np.float32
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedHead:
    """A head as it lies over one picture.

    Attributes:
        pose: where.
        shape: float32 (V, 3), the person's head without expression, cm.
        coefficients: float32 (E,), the expression in the picture.
        closing: float32 (2,), the coefficient of `eyeBlink_L` and `eyeBlink_R` at which this person's lids meet.
        error: root mean square distance of the marks before the bending, in units of the distance between the eyes.
    """

    pose: Pose
    shape: Float32Array
    coefficients: Float32Array
    closing: Float32Array
    error: float

    def act(self, head: MorphableHead, blendshapes: Float32Array) -> Float32Array:
        """Coefficients (E,) that show blendshapes (52,) on this person: `eyeBlink` 1 closes the eyes."""
        coefficients = head.coefficients(blendshapes)
        for name, full in zip(_BLINKS, self.closing, strict=True):
            coefficients[head.expression_names.index(name)] *= full
        return coefficients


def fit_head(head: MorphableHead, face: FaceShape) -> FittedHead:
    """Fits; see the module."""
    target = face.mesh_px[MESH_MARKS].astype(np.float64) * [1, -1, -1]  # to y up, z out of the face
    start = head.coefficients(face.blendshapes).astype(np.float64)
    neutral, identities, expressions = _marks_of(head)
    identity, expression = np.zeros(_MODES), start
    most = np.maximum(head.blendshape_rows[1], 1)
    rotation, scale, offset = np.eye(3), 1.0, np.zeros(3)
    for _ in range(4):
        points = neutral + _apply(identities, identity) + _apply(expressions, expression)
        rotation, scale, offset = _procrustes(points, target, _WEIGHT)
        back = (target - offset) @ rotation / scale  # the picture's marks in the head's coordinates
        # Depth counts less: weigh the axes in the picture's frame, where depth is z.
        axes = np.diag([1.0, 1.0, _DEPTH_TRUST]) @ rotation
        weight = np.sqrt(_WEIGHT)[:, None]
        rows = [((basis @ axes.T) * weight).reshape(len(basis), -1) for basis in (identities, expressions)]
        wanted = (((back - neutral - _apply(expressions, start)) @ axes.T) * weight).ravel()
        matrix = np.concatenate(rows).T
        ridge = np.concatenate([np.full(_MODES, _IDENTITY_RIDGE), np.full(len(expressions), _EXPRESSION_RIDGE)])
        solved = np.linalg.solve(matrix.T @ matrix + np.diag(ridge), matrix.T @ wanted)
        identity = np.clip(solved[:_MODES], -3, 3)
        expression = np.clip(start + solved[_MODES:], 0, most)
    points = neutral + _apply(identities, identity) + _apply(expressions, expression)
    rotation, scale, offset = _procrustes(points, target, _WEIGHT)
    left = target - (scale * points @ rotation.T + offset)
    left[:, 2] = 0
    eyes = np.linalg.norm(target[36:42].mean(axis=0) - target[42:48].mean(axis=0))
    bend = _bending(head) @ (left @ rotation / scale)
    shape = head.neutral + np.tensordot(identity, head.identities[:_MODES], axes=1) + bend
    return FittedHead(
        pose=Pose(
            rotation=rotation.astype(np.float32),
            scale=float(scale),
            offset=np.array([offset[0], -offset[1]], np.float32),
        ),
        shape=shape.astype(np.float32),
        coefficients=expression.astype(np.float32),
        closing=_closing(head, shape.astype(np.float32)),
        error=float(np.sqrt((left[:, :2] ** 2).sum(axis=1).mean()) / max(eyes, 1e-6)),
    )


def _closing(head: MorphableHead, shape: Float32Array) -> Float32Array:
    full = []
    for name, (upper, lower) in zip(_BLINKS, _LIDS, strict=True):
        moves = head.expressions[head.expression_names.index(name)]
        gap, closes = (array[MARKS[upper]] - array[MARKS[lower]] for array in (shape, moves))
        full.append(float(np.clip(-(gap * closes).sum() / max((closes**2).sum(), 1e-6), 0.6, 2.0)))
    return np.array(full, np.float32)


@lru_cache(maxsize=2)
def _marks_of(head: MorphableHead) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return (
        head.neutral[MARKS].astype(np.float64),
        head.identities[:_MODES, MARKS].astype(np.float64),
        head.expressions[:, MARKS].astype(np.float64),
    )


@lru_cache(maxsize=2)
def _bending(head: MorphableHead) -> NDArray[np.float64]:
    """Matrix (V, 68) that spreads offsets of the marks over the head: biharmonic, with a little give at the marks."""
    marks = head.neutral[MARKS].astype(np.float64)
    affine = np.concatenate([np.ones((len(marks), 1)), marks], axis=1)
    kernel = np.linalg.norm(marks[:, None] - marks[None], axis=2)
    give = np.diag(0.3 / _WEIGHT)
    system = np.block([[give - kernel, affine], [affine.T, np.zeros((4, 4))]])
    solve = np.linalg.inv(system)[:, : len(marks)]
    points = head.neutral.astype(np.float64)
    away = np.linalg.norm(points[:, None] - marks[None], axis=2)
    near = np.exp(-((np.maximum(away.min(axis=1) - 3.0, 0) / 6.0) ** 2))  # fades out behind the ears
    return near[:, None] * (np.concatenate([-away, np.ones((len(points), 1)), points], axis=1) @ solve)


def _apply(basis: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.tensordot(coefficients, basis, axes=1)


def _procrustes(
    points: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Rotation, scale and offset that bring points (N, 3) onto a target, weighted."""
    share = (weight / weight.sum())[:, None]
    mean_p, mean_t = (share * points).sum(axis=0), (share * target).sum(axis=0)
    off_p, off_t = points - mean_p, target - mean_t
    u, spread, vt = np.linalg.svd((share * off_t).T @ off_p)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = float(np.trace(np.diag(spread) @ flip) / (share * off_p**2).sum())
    return rotation, scale, mean_t - scale * rotation @ mean_p
