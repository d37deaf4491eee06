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
_SKIN, _EYE, _TOOTH, _FLESH = 1, 2, 3, 4
_UPPER_LIP, _LOWER_LIP = MARKS[[61, 62, 63]], MARKS[[67, 66, 65]]
_CORNERS = MARKS[[60, 64]]
_OPEN_SHARE = 0.45  # of the new opening that the picture's own must have for its inside to be shown
_GRAZING = 0.12  # cosine: skin that the picture saw more aslant than this gives no texture
_EYES_BACK = 0.3  # cm: lids move on a straight line from open to closed, and the eyeball must not look through them
_CLOSING = 0.3  # of `eyeBlink`, from which lids are painted
_LID_COVER = 0.75
_UP = np.array([1, -1, 1], np.float32)
_TEETH_RGB, _FLESH_RGB, _TONGUE_RGB = (
    np.array(rgb, np.float32) for rgb in ((0.95, 0.90, 0.83), (0.60, 0.28, 0.26), (0.86, 0.48, 0.47))
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portrait:
    """A picture that can be re-enacted.

    Attributes:
        name: of the face in its data set.
        pixels: uint8 (H, W, 3), RGB.
        fitted: the head over it.
        points: float32 (V, 3), the head in the picture, as `Pose.project` gives it.
        facing: float32 (V,), cosine between the viewer and the skin at each vertex there.
        eyes: bool (H, W), where the picture shows an eye between its lids.
    """

    name: str
    pixels: UInt8Array
    fitted: FittedHead
    points: Float32Array
    facing: Float32Array
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


def make_portrait(head: MorphableHead, sitter: Sitter) -> Portrait:
    """Fits the head to a picture."""
    name, pixels, shape = sitter
    fitted = fit_head(head, shape)
    points = fitted.pose.project(fitted.shape + head.offsets(fitted.coefficients))
    _, kind = _look(head, points, *pixels.shape[:2])
    eyes = cv2.erode((kind == _EYE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    facing = vertex_normals(points * _UP, _parts(head)[0])[:, 2].copy()
    return Portrait(name=name, pixels=pixels, fitted=fitted, points=points, facing=facing, eyes=eyes)


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
    moves = np.concatenate([old[:, :2] - new[:, :2], normals, portrait.facing[:, None]], axis=1)
    maps = interpolate(seen, triangles, moves)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    known = (kind == _SKIN) & (maps[..., 5] > _GRAZING)
    known |= (kind == _EYE) & _was_eye(portrait.eyes, columns + maps[..., 0], rows + maps[..., 1])
    moved = _extend(maps[..., :2], known)
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
        lids = (_look(head, open_eyes, height, width)[1] == _EYE) & (kind == _SKIN)
        _paint_lids(picture, lids, kind, pose)
    if _opening(old) < _OPEN_SHARE * _opening(new):
        _paint_mouth(picture, seen, kind, maps[..., 2:5], pose)
    if tongue > 0:
        _paint_tongue(picture, new, kind, tongue)
    if light is not None and light.strength > 0:
        picture = picture * _shading(maps[..., 2:5], kind, light)
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
        (_SKIN, FACE),
        (_EYE, EYES),
        (_TOOTH, slice(_TEETH, MOUTH.stop)),
        (_FLESH, slice(MOUTH.start, _TEETH)),
    ):
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


def _paint_lids(picture: NDArray[np.float32], lids: NDArray[np.bool_], kind: NDArray[np.int8], pose: Pose) -> None:
    """Closing lids are the stretched dark rim of open ones: their middle gets the colour of the skin around."""
    if not lids.any():
        return
    around = (kind == _SKIN) & (cv2.dilate(lids.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    weight = around.astype(np.float32)
    wide = 0.9 * pose.scale
    skin = cv2.GaussianBlur(picture * weight[..., None], (0, 0), wide)
    skin /= np.maximum(cv2.GaussianBlur(weight, (0, 0), wide), 1e-3)[..., None]
    inside = cv2.distanceTransform(lids.astype(np.uint8), cv2.DIST_L2, 3) / max(0.2 * pose.scale, 1.0)
    cover = cv2.GaussianBlur(_LID_COVER * np.clip(inside, 0, 1), (0, 0), 0.8)[..., None]
    picture += cover * (skin - picture)


def _paint_mouth(
    picture: NDArray[np.float32], seen: Seen, kind: NDArray[np.int8], normals: Float32Array, pose: Pose
) -> None:
    """Teeth and flesh, as bright as the face and darker the deeper they lie behind the lips."""
    inside = kind >= _TOOTH
    if not inside.any():
        return
    bright, tint = _skin_light(picture, kind)
    deep = (float(seen.depth[inside].max()) - seen.depth) / pose.scale  # cm
    near = np.clip(normals[..., 2], 0, 1)
    teeth = np.exp(-deep / 3.2) * (0.8 + 0.2 * near)
    flesh = np.maximum(np.exp(-deep / 2.2), 0.16) * (0.55 + 0.45 * near)
    _lay(picture, inside, _FLESH_RGB * tint * (bright * flesh)[..., None], 0.9, inside)
    _lay(picture, kind == _TOOTH, _TEETH_RGB * tint * (1.15 * bright * teeth)[..., None], 1.1, inside)
    # Lips throw a shade: the inside is darkest at its edge.
    edge = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(0.15 * pose.scale, 0.8))
    picture[inside] *= (0.45 + 0.55 * np.clip(2 * edge - 1, 0, 1))[inside][:, None]


def _lay(
    picture: NDArray[np.float32],
    part: NDArray[np.bool_],
    colour: NDArray[np.float32],
    blur: float,
    within: NDArray[np.bool_],
) -> None:
    """Lays a colour over a part of the picture, small gaps closed and edges soft, where `within` allows it."""
    share = part.astype(np.float32)
    soft = cv2.GaussianBlur(share, (0, 0), blur)
    even = cv2.GaussianBlur(np.where(part[..., None], colour, 0).astype(np.float32), (0, 0), blur)
    cover = np.where(within, np.clip(1.5 * soft, 0, 1), 0)[..., None]
    picture += cover * (even / np.maximum(soft, 0.05)[..., None] - picture)


def _paint_tongue(picture: NDArray[np.float32], points: Float32Array, kind: NDArray[np.int8], out: float) -> None:
    """A tongue over the lower lip, from the middle of the opening down."""
    upper, lower = points[_UPPER_LIP, :2].mean(axis=0), points[_LOWER_LIP, :2].mean(axis=0)
    across = points[_CORNERS[1], :2] - points[_CORNERS[0], :2]
    width = float(np.linalg.norm(across)) * 0.27
    down = np.array([-across[1], across[0]]) / max(float(np.linalg.norm(across)), 1e-6)
    top, tip = upper + 0.6 * (lower - upper), lower + down * width * (0.3 + 1.7 * out)
    steps = np.linspace(0, np.pi, 24)
    side = across / max(float(np.linalg.norm(across)), 1e-6) * width
    outline = [
        top - side * 0.9,
        *(tip - down * width + np.outer(-np.cos(steps), side) + np.outer(np.sin(steps), down * width)),
        top + side * 0.9,
    ]
    mask = np.zeros(kind.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(outline) * 16).astype(np.int32)], (255.0,), cv2.LINE_AA, 4)
    cover = cv2.GaussianBlur(mask, (3, 3), 0.8).astype(np.float32)[..., None] / 255
    bright, tint = _skin_light(picture, kind)
    rows, columns = np.nonzero(mask)
    level = np.ones(kind.shape, np.float32)
    off = np.stack([columns, rows], axis=1) - top
    level[rows, columns] = 0.72 + 0.34 * np.clip(off @ down / max(float((tip - top) @ down), 1.0), 0, 1)
    level[rows, columns] -= 0.16 * np.exp(-(((off @ side) / (width * width * 0.16)) ** 2))  # the furrow
    picture += cover * (_TONGUE_RGB * tint * (bright * level)[..., None] - picture)


def _skin_light(picture: NDArray[np.float32], kind: NDArray[np.int8]) -> tuple[float, NDArray[np.float32]]:
    """How bright the light on the face is (0-255, of a white thing in it), and its colour (3,) about 1."""
    skin = picture[kind == _SKIN]
    if not len(skin):
        return 128.0, np.ones(3, np.float32)
    # Dark skin is in no less light: of what it reflects less, only a part is taken for less light.
    bright = float(np.percentile(skin.mean(axis=1), 75))
    mean = skin.mean(axis=0)
    return 95 + 0.55 * bright if bright > 70 else 1.9 * bright, 0.78 + 0.22 * mean / max(float(mean.mean()), 1.0)


def _shading(normals: Float32Array, kind: NDArray[np.int8], light: Light) -> Float32Array:
    """What a lamp changes: (H, W, 3), 1 where nothing; the head's shade is carried on to hair and background."""
    direction = np.array(light.direction, np.float32)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-6)
    lit = np.clip((normals @ direction + 0.15) / 1.15, 0, 1)
    lit = _extend(np.repeat(lit[..., None], 2, axis=2), kind > 0)[..., 0]  # OpenCV drops an axis of one
    lit = cv2.GaussianBlur(lit, (0, 0), 2.0)
    shade = (1 - light.strength) + light.strength * 1.5 * lit
    return np.asarray(shade[..., None] * np.array(light.rgb, np.float32), np.float32)
