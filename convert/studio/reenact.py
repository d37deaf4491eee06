"""Re-enactment: the person of one picture with another expression, another turn of the head, in another light.

The fitted head carries the picture as its texture. Rendered with other coefficients it says, for each pixel of the new
picture, where in the old one to look; hair, ears and neck follow by carrying the head's motion on smoothly beyond its
outline. What opens anew shows the model's own teeth and tongue, or the picture's where its mouth was open too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.studio.fit import FittedHead, Pose, fit_head
from convert.studio.head import EYES, FACE, MARKS, MOUTH, MorphableHead
from convert.studio.paint import (
    EYE,
    FLESH,
    SKIN,
    TOOTH,
    Light,
    extend,
    folds,
    opening,
    paint_lids,
    paint_mouth,
    paint_tongue,
    shade,
)
from convert.studio.rasterize import Seen, interpolate, rasterize, vertex_normals
from convert.teacher.landmarker import FaceShape
from edge.values import Float32Array, UInt8Array

_TEETH = 17039  # of MOUTH, teeth begin here; before them gums, tongue and the mouth's wall
_OPEN_SHARE = 0.45  # of the new opening that the picture's own must have for its inside to be shown
_GRAZING = 0.12  # cosine: skin that the picture saw more aslant than this gives no texture
_EYES_BACK = 0.3  # cm: lids move on a straight line from open to closed, and the eyeball must not look through them
_CLOSING = 0.3  # of `eyeBlink`, from which lids are painted
_UP = np.array([1, -1, 1], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portrait:
    """A picture that can be re-enacted.

    Attributes:
        name: of the face in its data set.
        pixels: uint8 (H, W, 3), RGB.
        fitted: the head over it.
        points: float32 (V, 3), the head in the picture, as `Pose.project` gives it.
        normals: float32 (V, 3), of the skin at each vertex there, in the viewer's frame.
        eyes: bool (H, W), where the picture shows an eye between its lids.
    """

    name: str
    pixels: UInt8Array
    fitted: FittedHead
    points: Float32Array
    normals: Float32Array
    eyes: NDArray[np.bool_]


class Sitter(NamedTuple):
    """A picture to make a portrait of: its name, uint8 (H, W, 3) RGB, and what the landmarker says of its face."""

    name: str
    pixels: UInt8Array
    shape: FaceShape


class Rendered(NamedTuple):
    """A re-enacted portrait: uint8 (H, W, 3), RGB, and float32 (68, 2), where the head's marks lie in it."""

    pixels: UInt8Array
    marks_px: Float32Array


def make_portrait(head: MorphableHead, sitter: Sitter) -> Portrait:
    """Fits the head to a picture."""
    name, pixels, shape = sitter
    fitted = fit_head(head, shape)
    points = fitted.pose.project(fitted.shape + head.offsets(fitted.coefficients))
    _, kind = _look(head, points, *pixels.shape[:2])
    eyes = cv2.erode((kind == EYE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    normals = vertex_normals(points * _UP, _parts(head)[0])
    return Portrait(name=name, pixels=pixels, fitted=fitted, points=points, normals=normals, eyes=eyes)


def reenact(
    head: MorphableHead,
    portrait: Portrait,
    coefficients: Float32Array,
    *,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    light: Light | None = None,
    tongue: float = 0.0,
) -> Rendered:
    """The portrait with another expression.

    Args:
        head: the morphable head.
        portrait: whose.
        coefficients: float32 (E,), of the head's expressions, as `FittedHead.act` gives them.
        turn: yaw, pitch and roll in radians, added to the picture's: positive yaw to the person's left, positive
            pitch down, positive roll to the viewer's right.
        light: added.
        tongue: how far it is put out of an open mouth, 0..1.
    """
    height, width = portrait.pixels.shape[:2]
    fitted, old = portrait.fitted, portrait.points
    pose = Pose(
        rotation=(rotation_of(*turn) @ fitted.pose.rotation).astype(np.float32),
        scale=fitted.pose.scale,
        offset=fitted.pose.offset,
    )
    new = pose.project(fitted.shape + head.offsets(coefficients))
    triangles, _ = _parts(head)
    seen, kind = _look(head, new, height, width)
    normals = vertex_normals(new * _UP, triangles)
    moves = np.concatenate([old[:, :2] - new[:, :2], normals, portrait.normals], axis=1)
    maps = interpolate(seen, triangles, moves)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    known = (kind == SKIN) & (maps[..., 7] > _GRAZING)
    known |= (kind == EYE) & _was_eye(portrait.eyes, columns + maps[..., 0], rows + maps[..., 1])
    moved = extend(maps[..., :2], known)
    picture: NDArray[Any] = cv2.remap(
        portrait.pixels,
        columns + moved[..., 0],
        rows + moved[..., 1],
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    closing = head.blinks(coefficients)
    if closing.max() > _CLOSING:
        open_eyes = pose.project(fitted.shape + head.offsets(coefficients - closing))
        lids = (_look(head, open_eyes, height, width)[1] == EYE) & (kind == SKIN)
        paint_lids(picture, lids, kind, pose)
    picture *= folds(maps[..., 2:5] @ rotation_of(*turn), maps[..., 5:8], kind)
    if opening(old) < _OPEN_SHARE * opening(new):
        paint_mouth(picture, seen, kind, maps[..., 2:5], pose)
    if tongue > 0:
        paint_tongue(picture, new, kind, tongue)
    if light is not None and light.strength > 0:
        picture = picture * shade(maps[..., 2:5], kind, light)
    return Rendered(np.clip(np.rint(picture), 0, 255).astype(np.uint8), new[MARKS, :2])


def _look(head: MorphableHead, points: Float32Array, height: int, width: int) -> tuple[Seen, NDArray[np.int8]]:
    """What each pixel sees of a projected head, and its kind, int8 (H, W), 0 where it sees none of it."""
    triangles, kinds = _parts(head)
    behind = points.copy()
    scale = np.ptp(points[MARKS, 1]) / max(float(np.ptp(head.neutral[MARKS, 1])), 1e-6)
    behind[EYES, 2] -= _EYES_BACK * scale
    seen = rasterize(behind, triangles, height, width)
    return seen, np.where(seen.triangle >= 0, kinds[seen.triangle], 0).astype(np.int8)


def _was_eye(eyes: NDArray[np.bool_], x: Float32Array, y: Float32Array) -> NDArray[np.bool_]:
    at = cv2.remap(eyes.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(at > 0)


def rotation_of(yaw: float, pitch: float, roll: float) -> Float32Array:
    """Rotation matrix (3, 3) in the viewer's frame (x right, y up, z towards the viewer); see `reenact`."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


@lru_cache(maxsize=2)
def _parts(head: MorphableHead) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Triangles of skin (kind 1), eyes (2) and mouth (3: teeth, 4: flesh)."""
    picked, kinds = [], []
    for kind, part in (
        (SKIN, FACE),
        (EYE, EYES),
        (TOOTH, slice(_TEETH, MOUTH.stop)),
        (FLESH, slice(MOUTH.start, _TEETH)),
    ):
        inside = ((head.triangles >= part.start) & (head.triangles < part.stop)).all(axis=1)
        picked.append(head.triangles[inside])
        kinds.append(np.full(int(inside.sum()), kind, np.int8))
    return np.concatenate(picked), np.concatenate(kinds)
