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
from convert.studio.rasterize import Seen, interpolate, rasterize, vertex_normals
from convert.teacher.landmarker import FaceShape
from edge.values import Float32Array, UInt8Array

_TEETH = 17039  # of MOUTH, teeth begin here; before them gums, tongue and the mouth's wall
_UPPER_LIP, _LOWER_LIP = MARKS[[61, 62, 63]], MARKS[[67, 66, 65]]
_OPEN_SHARE = 0.45  # of the new opening that the picture's own must have for its inside to be shown
_GRAZING = 0.12  # cosine: skin that the picture saw more aslant than this gives no texture
_UP = np.array([1, -1, 1], np.float32)
_TEETH_RGB, _FLESH_RGB = np.array([0.92, 0.87, 0.80], np.float32), np.array([0.62, 0.30, 0.28], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portrait:
    """A picture that can be re-enacted.

    Attributes:
        name: of the face in its data set.
        pixels: uint8 (H, W, 3), RGB.
        fitted: the head over it.
        blendshapes: float32 (52,), what the landmarker read.
    """

    name: str
    pixels: UInt8Array
    fitted: FittedHead
    blendshapes: Float32Array


class Light(NamedTuple):
    """A lamp that is added to a picture's own light.

    Attributes:
        direction: (3,) towards the lamp, in the viewer's frame: x right, y up, z towards the viewer.
        strength: 0 leaves the picture's light as it is; at 1 the side away from the lamp is black.
        rgb: (3,) colour of the lamp, about 1.
    """

    direction: tuple[float, float, float] = (0.0, 0.0, 1.0)
    strength: float = 0.0
    rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)


def make_portrait(head: MorphableHead, name: str, pixels: UInt8Array, shape: FaceShape) -> Portrait:
    """Fits the head to a picture.

    Args:
        head: the morphable head.
        name: kept.
        pixels: uint8 (H, W, 3), RGB.
        shape: what the landmarker says of its face.
    """
    return Portrait(name=name, pixels=pixels, fitted=fit_head(head, shape), blendshapes=shape.blendshapes)


def reenact(
    head: MorphableHead,
    portrait: Portrait,
    coefficients: Float32Array,
    *,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    light: Light | None = None,
) -> UInt8Array:
    """The portrait with another expression.

    Args:
        head: the morphable head.
        portrait: whose.
        coefficients: float32 (E,), 0..1, of the head's expressions.
        turn: yaw, pitch and roll in radians, added to the picture's: positive yaw to the person's left, positive
            pitch down, positive roll to the viewer's right.
        light: added.

    Returns:
        uint8, the portrait's shape, RGB.
    """
    height, width = portrait.pixels.shape[:2]
    fitted = portrait.fitted
    old = fitted.pose.project(fitted.shape + np.tensordot(fitted.coefficients, head.expressions, axes=1))
    pose = Pose(
        rotation=(rotation_of(*turn) @ fitted.pose.rotation).astype(np.float32),
        scale=fitted.pose.scale,
        offset=fitted.pose.offset,
    )
    new = pose.project(fitted.shape + np.tensordot(coefficients, head.expressions, axes=1))
    triangles, kinds = _parts(head)
    seen = rasterize(new, triangles, height, width)
    normals, once = (vertex_normals(points * _UP, triangles) for points in (new, old))
    maps = interpolate(seen, triangles, np.concatenate([old[:, :2] - new[:, :2], normals, once[:, 2:]], axis=1))
    kind = np.where(seen.triangle >= 0, kinds[seen.triangle], 0)
    moved = _extend(maps[..., :2], (kind == 1) & (maps[..., 5] > _GRAZING))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    picture: NDArray[Any] = cv2.remap(
        portrait.pixels,
        columns + moved[..., 0],
        rows + moved[..., 1],
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    shown, hidden = _opening(new), _opening(old)
    if hidden < _OPEN_SHARE * shown:
        _paint_mouth(picture, seen, kind, maps[..., 2:5], portrait)
    if light is not None and light.strength > 0:
        picture = picture * _shading(maps[..., 2:5], kind, light)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


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
    for kind, part in ((1, FACE), (2, EYES), (3, slice(_TEETH, MOUTH.stop)), (4, slice(MOUTH.start, _TEETH))):
        inside = ((head.triangles >= part.start) & (head.triangles < part.stop)).all(axis=1)
        picked.append(head.triangles[inside])
        kinds.append(np.full(int(inside.sum()), kind, np.int8))
    return np.concatenate(picked), np.concatenate(kinds)


def _opening(points: Float32Array) -> float:
    """How far the lips are apart, pixels."""
    gap = points[_LOWER_LIP, :2] - points[_UPPER_LIP, :2]
    return float(np.linalg.norm(gap, axis=1).mean())


def _extend(field: Float32Array, known: NDArray[np.bool_]) -> Float32Array:
    """Carries a field (H, W, K) smoothly on to where it is not known: averages of ever coarser neighbourhoods."""
    share = known.astype(np.float32)
    levels: list[tuple[NDArray[Any], NDArray[Any]]] = [(field * share[..., None], share)]
    while min(levels[-1][1].shape) > 3:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    values, share = levels.pop()
    filled: NDArray[Any] = values / np.maximum(share, 1e-6)[..., None]
    for values, share in reversed(levels):
        coarse = cv2.pyrUp(filled, dstsize=(share.shape[1], share.shape[0]))
        filled = values + (1 - share)[..., None] * coarse
    return np.asarray(filled, np.float32)


def _paint_mouth(
    picture: NDArray[np.float32], seen: Seen, kind: NDArray[np.int8], normals: Float32Array, portrait: Portrait
) -> None:
    """Teeth and flesh, as bright as the face and darker the deeper they lie behind the lips."""
    inside = kind >= 3
    if not inside.any():
        return
    skin = float(np.percentile(picture[kind == 1].mean(axis=1), 70)) if (kind == 1).any() else 128.0
    front = float(seen.depth[inside].max())
    depth = np.exp(-(front - seen.depth[inside]) / (1.6 * portrait.fitted.pose.scale))
    facing = 0.45 + 0.55 * np.clip(normals[inside][:, 2], 0, 1)
    albedo = np.where((kind[inside] == 3)[:, None], _TEETH_RGB, _FLESH_RGB)
    tint = picture[kind == 1].mean(axis=0) if (kind == 1).any() else np.full(3, skin)
    tint = 0.75 + 0.25 * tint / max(float(tint.mean()), 1.0)  # the lamp's colour, of which skin shows too much
    colour = np.zeros_like(picture)
    colour[inside] = albedo * tint * (1.1 * skin * depth * facing)[:, None]
    soft = cv2.GaussianBlur(inside.astype(np.float32), (3, 3), 0.7)[..., None]
    blurred = cv2.GaussianBlur(colour, (3, 3), 0.6) / np.maximum(soft, 0.2)
    cover = np.where(inside[..., None], 1.0, 0.0) * np.clip(soft * 1.2, 0, 1)
    picture += cover * (blurred - picture)


def _shading(normals: Float32Array, kind: NDArray[np.int8], light: Light) -> Float32Array:
    """What a lamp changes: (H, W, 3), 1 where nothing; the head's shade is carried on to hair and background."""
    direction = np.array(light.direction, np.float32)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-6)
    lit = np.clip((normals @ direction + 0.15) / 1.15, 0, 1)
    lit = _extend(np.repeat(lit[..., None], 2, axis=2), kind > 0)[..., 0]  # OpenCV drops an axis of one
    lit = cv2.GaussianBlur(lit, (0, 0), 2.0)
    shade = (1 - light.strength) + light.strength * 1.5 * lit
    return np.asarray(shade[..., None] * np.array(light.rgb, np.float32), np.float32)
