"""What a warped portrait lacks: the inside of the mouth, a tongue, the skin of closing lids, a lamp's light.

Pictures are float32 (H, W, 3), RGB, 0-255, and painted in place; `kind` is int8 (H, W): which part of the head a pixel
sees, 0 for none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.studio.fit import Pose
from convert.studio.head import MARKS
from convert.studio.rasterize import Seen
from edge.values import Float32Array

SKIN, EYE, TOOTH, FLESH = 1, 2, 3, 4
_UPPER_LIP, _LOWER_LIP = MARKS[[61, 62, 63]], MARKS[[67, 66, 65]]
_CORNERS = MARKS[[60, 64]]
_LID_COVER = 0.75
_AMBIENT, _FROM_ABOVE, _FOLDS = 0.62, np.array([0.0, 0.55, 0.83], np.float32), (0.7, 1.1)
_TEETH_RGB, _FLESH_RGB, _TONGUE_RGB = (
    np.array(rgb, np.float32) for rgb in ((0.95, 0.90, 0.83), (0.60, 0.28, 0.26), (0.86, 0.48, 0.47))
)


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


def opening(points: Float32Array) -> float:
    """How far the lips of a projected head (V, 3) are apart, pixels."""
    gap = points[_LOWER_LIP, :2] - points[_UPPER_LIP, :2]
    return float(np.linalg.norm(gap, axis=1).mean())


def extend(field: Float32Array, known: NDArray[np.bool_]) -> Float32Array:
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


def folds(normals: Float32Array, once: Float32Array, kind: NDArray[np.int8]) -> Float32Array:
    """What moved skin changes in the light on it, (H, W, 1): cheeks that rise, folds beside the nose, brows that knit.

    The ratio of two renders in one light (Liu, Shan & Zhang 2001, "Expressive expression mapping with ratio images").

    Args:
        normals, once: float32 (H, W, 3), of the expression and of the picture's own, the head unturned.
        kind: as in the module.
    """
    lit, was = (_AMBIENT + (1 - _AMBIENT) * np.clip(each @ _FROM_ABOVE, 0, 1) for each in (normals, once))
    ratio = np.where(kind == SKIN, np.clip(lit / was, *_FOLDS), 1.0).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(ratio, (0, 0), 0.8), np.float32)[..., None]


def paint_lids(picture: NDArray[np.float32], lids: NDArray[np.bool_], kind: NDArray[np.int8], pose: Pose) -> None:
    """Closing lids are the stretched dark rim of open ones: their middle gets the colour of the skin around."""
    if not lids.any():
        return
    around = (kind == SKIN) & (cv2.dilate(lids.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    weight = around.astype(np.float32)
    wide = 0.9 * pose.scale
    skin = cv2.GaussianBlur(picture * weight[..., None], (0, 0), wide)
    skin /= np.maximum(cv2.GaussianBlur(weight, (0, 0), wide), 1e-3)[..., None]
    inside = cv2.distanceTransform(lids.astype(np.uint8), cv2.DIST_L2, 3) / max(0.2 * pose.scale, 1.0)
    cover = cv2.GaussianBlur(_LID_COVER * np.clip(inside, 0, 1), (0, 0), 0.8)[..., None]
    picture += cover * (skin - picture)


def paint_mouth(
    picture: NDArray[np.float32], seen: Seen, kind: NDArray[np.int8], normals: Float32Array, pose: Pose
) -> None:
    """Teeth and flesh, as bright as the face and darker the deeper they lie behind the lips."""
    inside = kind >= TOOTH
    if not inside.any():
        return
    bright, tint = _skin_light(picture, kind)
    deep = (float(seen.depth[inside].max()) - seen.depth) / pose.scale  # cm
    near = np.clip(normals[..., 2], 0, 1)
    teeth = np.exp(-deep / 3.2) * (0.8 + 0.2 * near)
    flesh = np.maximum(np.exp(-deep / 2.2), 0.16) * (0.55 + 0.45 * near)
    _lay(picture, inside, _FLESH_RGB * tint * (bright * flesh)[..., None], 0.9, inside)
    _lay(picture, kind == TOOTH, _TEETH_RGB * tint * (1.15 * bright * teeth)[..., None], 1.1, inside)
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


def paint_tongue(picture: NDArray[np.float32], points: Float32Array, kind: NDArray[np.int8], out: float) -> None:
    """A tongue over the lower lip, from the middle of the opening down."""
    upper, lower = points[_UPPER_LIP, :2].mean(axis=0), points[_LOWER_LIP, :2].mean(axis=0)
    side = 0.27 * (points[_CORNERS[1], :2] - points[_CORNERS[0], :2])
    width = max(float(np.linalg.norm(side)), 1e-6)
    down = np.array([-side[1], side[0]]) / width
    top, tip = upper + 0.6 * (lower - upper), lower + down * width * (0.3 + 1.7 * out)
    steps = np.linspace(0, np.pi, 24)
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
    skin = picture[kind == SKIN]
    if not len(skin):
        return 128.0, np.ones(3, np.float32)
    # Dark skin is in no less light: of what it reflects less, only a part is taken for less light.
    bright = float(np.percentile(skin.mean(axis=1), 75))
    mean = skin.mean(axis=0)
    return 95 + 0.55 * bright if bright > 70 else 1.9 * bright, 0.78 + 0.22 * mean / max(float(mean.mean()), 1.0)


def shade(normals: Float32Array, kind: NDArray[np.int8], light: Light) -> Float32Array:
    """What a lamp changes: (H, W, 3), 1 where nothing; the head's shade is carried on to hair and background."""
    direction = np.array(light.direction, np.float32)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-6)
    lit = np.clip((normals @ direction + 0.15) / 1.15, 0, 1)
    lit = extend(np.repeat(lit[..., None], 2, axis=2), kind > 0)[..., 0]  # OpenCV drops an axis of one
    lit = cv2.GaussianBlur(lit, (0, 0), 2.0)
    shade = (1 - light.strength) + light.strength * 1.5 * lit
    return np.asarray(shade[..., None] * np.array(light.rgb, np.float32), np.float32)
