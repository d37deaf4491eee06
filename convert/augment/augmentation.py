"""How one face may look otherwise in a store without showing another expression.

A `Augmentation` is one draw of everything that varies besides the expression; `render` makes the crop that the device
would have cut. Geometry goes through the device's own crop, so no interpolation is added that the device lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.augment.occluders import Occluder, draw_mouth_cover, draw_occluder, occlude
from convert.augment.skin import retone
from edge.face.crop import cut_square
from edge.geometry import Square
from edge.values import UInt8Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """One draw; the defaults change nothing.

    Attributes:
        roll: radians by which the square is turned.
        zoom: side of the square relative to the rule's.
        shift: (x, y) of its centre in units of its side.
        flip: mirrored left to right.
        squeeze: width relative to height, as a turned head or another lens has it.
        border: what lies outside of the picture: `grey` as on the device, `replicate` or `reflect`.
        gamma, gain, contrast: of the light; `tint` (3,) by channel; `grey` mixes colour out, 0–1.
        shade: brightness added across the face, from − to + this, in direction `shade_angle` radians.
        skin: depth of the skin's tone, 0 (lightest) to 1; None keeps the face's own.
        occluder: a thing before the face; None for none.
        occlusion: (x1, y1, x2, y2) in units of the crop's side, and its RGB; None for none.
        low_px: resolution of the face before it was scaled up to the crop; 0 keeps the crop's.
        blur_px, blur_angle: length of motion in crop pixels, and direction.
        defocus_px: standard deviation of a Gaussian blur in crop pixels.
        noise: standard deviation in pixel values.
        jpeg: quality; 0 for none.
        seed: of noise and of the occlusion's texture.
    """

    roll: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    squeeze: float = 1.0
    border: str = "grey"
    gamma: float = 1.0
    gain: float = 1.0
    contrast: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    grey: float = 0.0
    shade: float = 0.0
    shade_angle: float = 0.0
    skin: float | None = None
    occluder: Occluder | None = None
    occlusion: tuple[float, float, float, float] | None = None
    occlusion_rgb: tuple[float, float, float] = (127.0, 127.0, 127.0)
    low_px: int = 0
    blur_px: float = 0.0
    blur_angle: float = 0.0
    defocus_px: float = 0.0
    noise: float = 0.0
    jpeg: int = 0
    seed: int = 0


_GOOD_SHARE = 0.33
_OTHER_SKIN, _DEEPEST_SKIN = 0.5, 0.85
_MOUTH, _PLAIN_SHARE = (0.5, 0.66), 0.25  # where the mouth is in the crop; patches among what covers it
_BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT}


def draw_augmentation(rng: np.random.Generator) -> Augmentation:
    """Draws one, as wide as cameras, lamps and customers in a store differ; a third of them a good camera's."""
    drawn = _draw_augmentation(rng)
    if rng.random() >= _GOOD_SHARE:
        return drawn
    return replace(
        drawn,
        occluder=None,
        occlusion=None,
        gain=float(np.clip(drawn.gain, 0.75, 1.2)),
        contrast=max(drawn.contrast, 0.75),
        low_px=0,
        blur_px=0.0,
        defocus_px=0.0,
        noise=min(drawn.noise, 3.0),
    )


def cover_mouth(augmentation: Augmentation, rng: np.random.Generator) -> Augmentation:
    """The same with something before the mouth: a worn or held thing, or a plain patch."""
    if rng.random() < _PLAIN_SHARE:
        x, y = rng.normal(_MOUTH, 0.03).tolist()
        width, height = rng.uniform((0.3, 0.2), (0.8, 0.45)).tolist()
        patch = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return replace(augmentation, occluder=None, occlusion=patch)
    return replace(augmentation, occluder=draw_mouth_cover(rng), occlusion=None)


def _draw_augmentation(rng: np.random.Generator) -> Augmentation:
    size = rng.uniform((0.15, 0.12), (0.8, 0.45))
    corner = rng.uniform(-0.1, 1.1 - size)
    covered = rng.random()
    return Augmentation(
        roll=float(np.radians(rng.uniform(-15, 15))),
        zoom=float(rng.uniform(0.82, 1.18)),
        shift=(float(rng.uniform(-0.06, 0.06)), float(rng.uniform(-0.06, 0.06))),
        flip=bool(rng.random() < 0.5),
        squeeze=float(rng.uniform(0.88, 1.08)),
        border=str(rng.choice(["grey", "replicate", "reflect"], p=[0.5, 0.25, 0.25])),
        skin=float(rng.uniform(0, _DEEPEST_SKIN)) if rng.random() < _OTHER_SKIN else None,
        occluder=draw_occluder(rng) if covered < 0.22 else None,
        occlusion=(*corner.tolist(), *(corner + size).tolist()) if covered > 0.86 else None,
        occlusion_rgb=_draw_patch_colour(rng),
        seed=int(rng.integers(2**31)),
        **_draw_light(rng),
        **_draw_camera(rng),
    )


def _draw_patch_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Half of the patches are black, white or grey."""
    chance = rng.random()
    if chance < 0.5:
        red, green, blue = rng.uniform(0, 255, 3).tolist()
        return red, green, blue
    low, high = (0, 30) if chance < 0.7 else (225, 255) if chance < 0.8 else (0, 255)
    level = float(rng.uniform(low, high))
    return level, level, level


def _draw_light(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "gamma": float(np.exp(rng.uniform(-0.5, 0.5))),
        "gain": _draw_gain(rng),
        "contrast": float(rng.uniform(0.45, 1.2)),
        "tint": tuple(rng.uniform(0.85, 1.15, 3).tolist()),
        "grey": float(rng.choice([0.0, rng.random(), 1.0], p=[0.6, 0.25, 0.15])),
        "shade": float(rng.uniform(0, 60)) if rng.random() < 0.35 else 0.0,
        "shade_angle": float(rng.uniform(0, 2 * np.pi)),
    }


def _draw_gain(rng: np.random.Generator) -> float:
    """Mostly what a camera's own exposure leaves; sometimes a lamp that failed or the sun in the door."""
    chance = rng.random()
    if chance < 0.1:
        return float(np.exp(rng.uniform(np.log(0.06), np.log(0.5))))
    return float(rng.uniform(1.3, 2.0)) if chance > 0.92 else float(rng.uniform(0.6, 1.3))


def _draw_camera(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "low_px": int(rng.uniform(18, 80)) if rng.random() < 0.45 else 0,
        "blur_px": float(rng.uniform(1.5, 9)) if rng.random() < 0.2 else 0.0,
        "defocus_px": float(rng.uniform(0.5, 2.5)) if rng.random() < 0.12 else 0.0,
        "blur_angle": float(rng.uniform(0, np.pi)),
        "noise": float(rng.uniform(1, 10)) if rng.random() < 0.5 else 0.0,
        "jpeg": int(rng.uniform(25, 90)) if rng.random() < 0.3 else 0,
    }


def drift_augmentation(augmentation: Augmentation, rng: np.random.Generator, *, jitter: float = 1.0) -> Augmentation:
    """The next picture of the same face a tenth of a second later: detector jitter, hand movement, new noise."""
    return replace(
        augmentation,
        roll=augmentation.roll * 0.97 + jitter * float(rng.normal(0, 0.02)),
        zoom=1 + (augmentation.zoom - 1) * 0.97 + jitter * float(rng.normal(0, 0.015)),
        shift=(
            augmentation.shift[0] * 0.95 + jitter * float(rng.normal(0, 0.01)),
            augmentation.shift[1] * 0.95 + jitter * float(rng.normal(0, 0.01)),
        ),
        gain=float(np.clip(augmentation.gain + jitter * rng.normal(0, 0.01), 0.4, 1.5)),
        seed=int(rng.integers(2**31)),
    )


def render(pixels: UInt8Array, square: Square, augmentation: Augmentation, size: int) -> UInt8Array:
    """The crop of a face as it would look under an augmentation.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        square: the rule's square of the face, in pixels of the picture.
        augmentation: what varies.
        size: side of the crop, pixels.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    moved = square._replace(
        center_x=square.center_x + augmentation.shift[0] * square.side,
        center_y=square.center_y + augmentation.shift[1] * square.side,
        side=max(square.side * augmentation.zoom, 1.0),
        roll=square.roll + augmentation.roll,
    )
    if augmentation.border != "grey":
        pad = max(pixels.shape[:2]) // 2
        padded = cv2.copyMakeBorder(pixels, pad, pad, pad, pad, _BORDERS[augmentation.border])
        pixels = np.asarray(padded, np.uint8)
        moved = moved._replace(center_x=moved.center_x + pad, center_y=moved.center_y + pad)
    crop = cut_square(pixels, moved, size)
    if augmentation.squeeze != 1.0:
        crop = _squeezed(crop, augmentation.squeeze)
    if augmentation.flip:
        crop = np.ascontiguousarray(crop[:, ::-1])
    return photograph(crop, augmentation)


def photograph(crop: UInt8Array, augmentation: Augmentation) -> UInt8Array:
    """The part of `render` after the geometry: skin, occlusion, light and camera; same shape in and out."""
    rng = np.random.default_rng(augmentation.seed)
    values: NDArray[Any] = crop.astype(np.float32)
    if augmentation.skin is not None:
        values = retone(values, augmentation.skin)
    if augmentation.occluder is not None:
        values = occlude(values, augmentation.occluder)
    if augmentation.occlusion is not None:
        _occlude(values, augmentation, rng)
    values = _lit(values, augmentation)
    size = crop.shape[0]
    low = augmentation.low_px if 0 < augmentation.low_px < size else size
    if augmentation.blur_px > 0:
        values = cv2.filter2D(values, -1, _motion_kernel(augmentation.blur_px, augmentation.blur_angle))
    if augmentation.defocus_px > 0:
        values = cv2.GaussianBlur(values, (0, 0), augmentation.defocus_px)
    if low != size:
        values = cv2.resize(values, (low, low), interpolation=cv2.INTER_AREA)
    if augmentation.noise > 0:
        # Where there is less light there is less of it to scatter, though not in proportion.
        noise = augmentation.noise * float(np.clip(augmentation.gain, 0.1, 1)) ** 0.5
        values = values + rng.normal(0, noise, values.shape).astype(np.float32)
    small = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if augmentation.jpeg:
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, augmentation.jpeg])
        small = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    if low != size:
        small = np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return small


def _squeezed(crop: UInt8Array, squeeze: float) -> UInt8Array:
    size = crop.shape[0]
    half = (size - 1) / 2
    matrix = np.array([[squeeze, 0, half * (1 - squeeze)], [0, 1, 0]])
    return np.asarray(cv2.warpAffine(crop, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _occlude(values: NDArray[np.float32], augmentation: Augmentation, rng: np.random.Generator) -> None:
    size = values.shape[0]
    x1, y1, x2, y2 = (round(min(max(edge, 0.0), 1.0) * size) for edge in augmentation.occlusion or (0, 0, 0, 0))
    if x2 > x1 and y2 > y1:
        texture = rng.normal(0, 12, (y2 - y1, x2 - x1, 1)).astype(np.float32)
        values[y1:y2, x1:x2] = np.array(augmentation.occlusion_rgb, np.float32) + texture


def _lit(values: NDArray[np.float32], augmentation: Augmentation) -> NDArray[np.float32]:
    size = values.shape[0]
    if augmentation.grey > 0:
        luma = values @ np.array([0.299, 0.587, 0.114], np.float32)
        values = values + np.float32(augmentation.grey) * (luma[..., None] - values)
    values = 255 * (np.clip(values, 0, 255) / 255) ** np.float32(augmentation.gamma)
    middle = values.mean()
    values = (values - middle) * np.float32(augmentation.contrast) + middle
    values = values * (np.float32(augmentation.gain) * np.array(augmentation.tint, np.float32))
    if augmentation.shade > 0:
        across = np.linspace(-1, 1, size, dtype=np.float32)
        cos, sin = np.cos(augmentation.shade_angle), np.sin(augmentation.shade_angle)
        values = values + np.float32(augmentation.shade) * (cos * across[None, :, None] + sin * across[:, None, None])
    return np.asarray(values, np.float32)


def _motion_kernel(length: float, angle: float) -> NDArray[np.float32]:
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    half = (side - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    start, end = np.rint(half - step).astype(int), np.rint(half + step).astype(int)
    cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0)
    return kernel / kernel.sum()
