"""How one face may look otherwise in a store without showing another expression.

An `Augmentation` is one draw of everything that varies besides the expression; `render` makes the crop that the device
would have cut. Geometry goes through the device's own crop, so no interpolation is added that the device lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.augment.camera import blur_motion, code_jpeg, code_video, flicker, sharpen, tone
from convert.augment.occluders import Occluder, draw_mouth_cover, draw_occluder, occlude
from convert.augment.skin import retone
from edge.face.crop import cut_square
from edge.geometry import Square
from edge.values import Float32Array, UInt8Array


class Draw(NamedTuple):
    """How often a thing happens in training, and between which ends its strength is then drawn evenly."""

    chance: float
    low: float
    high: float

    def __call__(self, rng: np.random.Generator, otherwise: float = 0.0) -> float:
        happens, strength = rng.random() < self.chance, float(rng.uniform(self.low, self.high))
        return strength if happens else otherwise


# By attribute of `Augmentation`. Reasons, where there is one, stand beside; the rest was set by looking at sheets.
DRAWS = {
    "roll": Draw(1, -0.26, 0.26),  # what the crop's own turn by the eyes leaves, and its errors
    "tilt": Draw(0.15, -0.7, 0.7),  # of a head whose tilt the detector does not see at the first look
    "zoom": Draw(1, 0.82, 1.18),
    "shift": Draw(1, -0.06, 0.06),
    "flip": Draw(0.5, 1, 1),
    "squeeze": Draw(1, 0.88, 1.08),
    "border": Draw(0.5, 0, 1),  # grey is what the device has at the frame's edge
    "skin": Draw(0.5, 0, 0.85),  # docs/decisions/0060
    "occluder": Draw(0.3, 1, 1),
    "gamma": Draw(1, -0.5, 0.5),  # in the logarithm
    "gain": Draw(1, 0.6, 1.3),  # what a camera's own exposure leaves
    "dark": Draw(0.1, -2.8, -0.7),  # a lamp that failed: gain in the logarithm, 0.06 to 0.5
    "bright": Draw(0.08, 1.3, 2.0),  # the sun in the door
    "contrast": Draw(1, 0.45, 1.2),
    "tint": Draw(1, 0.85, 1.15),
    "grey": Draw(0.25, 0, 1),
    "monochrome": Draw(0.15, 1, 1),  # infrared cameras
    "shade": Draw(0.35, 0, 60),
    "flicker": Draw(0.1, 0.04, 0.25),  # a rolling shutter under lamps of 100 or 120 Hz
    "bands": Draw(1, 0.4, 3.0),  # three to eight a frame
    "curve": Draw(0.4, -0.5, 0.9),  # every camera has a tone curve, generated pictures have none
    "low_px": Draw(0.5, 18, 80),  # faces at a 1080p shop entrance had 22 to 105 px
    "blur_px": Draw(0.2, 1.5, 9),
    "defocus_px": Draw(0.12, 0.5, 2.5),
    "noise": Draw(0.5, 1, 10),
    "sharpen": Draw(0.3, 0.3, 2.0),  # camera modules sharpen by default
    "video": Draw(0.35, 12, 60),  # network cameras send H.264 or H.265
    "video_px": Draw(1, 64, 128),
    "jpeg": Draw(0.2, 25, 90),  # USB cameras send MJPEG
}
_GOOD_SHARE = 0.33  # crops of a good camera: nothing covers the face, no blur, no low resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """One draw; the defaults change nothing."""

    roll: float = 0.0  # radians by which the square is turned
    zoom: float = 1.0  # side of the square relative to the rule's
    shift: tuple[float, float] = (0.0, 0.0)  # (x, y) of its centre in units of its side, along its own axes
    squeeze: float = 1.0  # width relative to height, as a turned head or another lens has it
    flip: bool = False  # mirrored left to right
    border: str = "grey"  # what lies outside of the picture: `grey` as on the device, `replicate` or `reflect`
    skin: float | None = None  # depth of the skin's tone, 0 (lightest) to 1; None keeps the face's own
    occluder: Occluder | None = None  # a thing before the face
    gamma: float = 1.0
    gain: float = 1.0
    contrast: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # by channel
    grey: float = 0.0  # share of the colour that is gone
    shade: float = 0.0  # brightness added across the face, from − to + this, in pixel values
    shade_angle: float = 0.0  # its direction, radians
    flicker: float = 0.0  # depth of the bands that lamps leave on a rolling shutter, 0-1
    bands: float = 1.0  # how many in the crop
    phase: float = 0.0  # where they begin, radians
    blur_px: float = 0.0  # length of motion in crop pixels
    blur_angle: float = 0.0  # its direction, radians
    defocus_px: float = 0.0  # standard deviation of a Gaussian blur in crop pixels
    low_px: int = 0  # resolution of the face before it was scaled up to the crop; 0 keeps the crop's
    noise: float = 0.0  # standard deviation in pixel values
    sharpen: float = 0.0  # amount of unsharp masking
    curve: float = 0.0  # bend of the tone curve: above 0 an S, below 0 flat in the middle
    video: int = 0  # quality of a video codec; 0 for none
    video_px: int = 0  # the face's side there, where `low_px` says none
    jpeg: int = 0  # quality; 0 for none
    seed: int = 0  # of noise and coding


_BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT}


def draw_augmentation(rng: np.random.Generator) -> Augmentation:
    """Draws one, as wide as cameras, lamps and customers in a store differ; a third of them a good camera's."""
    d: dict[str, Any] = {name: draw(rng) for name, draw in DRAWS.items()}
    plain = ("zoom", "squeeze", "contrast", "shade", "flicker", "bands", "curve", "blur_px", "defocus_px", "noise")
    drawn = Augmentation(
        **{name: d[name] for name in (*plain, "sharpen")},
        roll=d["tilt"] or d["roll"],
        **{name: int(d[name]) for name in ("low_px", "video", "video_px", "jpeg")},
        shift=(d["shift"], DRAWS["shift"](rng)),
        flip=bool(d["flip"]),
        border="grey" if not d["border"] else "reflect" if d["border"] < 0.5 else "replicate",
        skin=d["skin"] or None,
        occluder=draw_occluder(rng) if d["occluder"] else None,
        gamma=float(np.exp(d["gamma"])),
        gain=float(np.exp(d["dark"])) if d["dark"] else d["bright"] or d["gain"],
        tint=(d["tint"], DRAWS["tint"](rng), DRAWS["tint"](rng)),
        grey=d["monochrome"] or d["grey"],
        shade_angle=float(rng.uniform(0, 2 * np.pi)),
        phase=float(rng.uniform(0, 2 * np.pi)),
        blur_angle=float(rng.uniform(0, np.pi)),
        seed=int(rng.integers(2**31)),
    )
    if rng.random() >= _GOOD_SHARE:
        return drawn
    light: dict[str, Any] = {"gain": float(np.clip(drawn.gain, 0.75, 1.2)), "contrast": max(drawn.contrast, 0.75)}
    return replace(drawn, occluder=None, low_px=0, blur_px=0.0, defocus_px=0.0, noise=min(drawn.noise, 3.0), **light)


def cover_mouth(augmentation: Augmentation, rng: np.random.Generator) -> Augmentation:
    """The same with something before the mouth: a worn or held thing, or a plain patch."""
    return replace(augmentation, occluder=draw_mouth_cover(rng))


def drift_augmentation(augmentation: Augmentation, rng: np.random.Generator, *, jitter: float = 1.0) -> Augmentation:
    """The next picture of the same face a tenth of a second later: detector jitter, hand movement, new noise."""
    x, y = augmentation.shift
    return replace(
        augmentation,
        roll=augmentation.roll * 0.97 + jitter * float(rng.normal(0, 0.02)),
        zoom=1 + (augmentation.zoom - 1) * 0.97 + jitter * float(rng.normal(0, 0.015)),
        shift=(x * 0.95 + jitter * float(rng.normal(0, 0.01)), y * 0.95 + jitter * float(rng.normal(0, 0.01))),
        gain=float(np.clip(augmentation.gain + jitter * rng.normal(0, 0.01), 0.4, 1.5)),
        phase=float(rng.uniform(0, 2 * np.pi)) if augmentation.flicker else augmentation.phase,
        seed=int(rng.integers(2**31)),
    )


def move_points(
    points: Float32Array, augmentation: Augmentation, mirrored: NDArray[np.intp] | None = None
) -> Float32Array:
    """Where `render` puts points of the face.

    Args:
        points: float32 (..., N, 2), x and y in units of the crop's side, from its centre, in the rule's square.
        augmentation: what `render` was given.
        mirrored: N numbers, of the point that takes each one's place in a mirror; only where it is flipped.

    Returns:
        The same shape, in units of the rendered crop's side, from its centre.
    """
    cos, sin = np.cos(augmentation.roll), np.sin(augmentation.roll)
    off = (points - np.array(augmentation.shift, np.float32)) / np.float32(augmentation.zoom)
    sign = -1 if augmentation.flip else 1
    x = sign * augmentation.squeeze * (cos * off[..., 0] + sin * off[..., 1])
    moved = np.stack([x, cos * off[..., 1] - sin * off[..., 0]], axis=-1).astype(np.float32)
    return moved[..., mirrored, :] if augmentation.flip and mirrored is not None else moved


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
    x, y = augmentation.shift
    cos, sin = np.cos(square.roll), np.sin(square.roll)
    moved = square._replace(
        center_x=square.center_x + float(cos * x - sin * y) * square.side,
        center_y=square.center_y + float(sin * x + cos * y) * square.side,
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
        half = (size - 1) / 2
        matrix = np.array([[augmentation.squeeze, 0, half * (1 - augmentation.squeeze)], [0, 1, 0]])
        crop = np.asarray(cv2.warpAffine(crop, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    if augmentation.flip:
        crop = np.ascontiguousarray(crop[:, ::-1])
    return photograph(crop, augmentation)


def photograph(crop: UInt8Array, augmentation: Augmentation) -> UInt8Array:
    """The part of `render` after the geometry: skin, occluder, light and camera; same shape in and out."""
    a, size = augmentation, crop.shape[0]
    rng = np.random.default_rng(a.seed)
    values: NDArray[Any] = crop.astype(np.float32)
    if a.skin is not None:
        values = retone(values, a.skin)
    if a.occluder is not None:
        values = occlude(values, a.occluder)
    values = _lit(values, a)
    if a.blur_px > 0:
        values = blur_motion(values, a.blur_px, a.blur_angle)
    if a.defocus_px > 0:
        values = cv2.GaussianBlur(values, (0, 0), a.defocus_px)
    low = a.low_px if 0 < a.low_px < size else min(a.video_px, size) if a.video else size
    if low != size:
        values = cv2.resize(values, (low, low), interpolation=cv2.INTER_AREA)
    if a.noise > 0:
        # Where there is less light there is less of it to scatter, though not in proportion.
        noise = a.noise * float(np.clip(a.gain, 0.1, 1)) ** 0.5
        values = values + noise * rng.standard_normal(values.shape, np.float32)
    if a.sharpen > 0:
        values = sharpen(np.asarray(values, np.float32), a.sharpen)
    if a.curve != 0:
        values = tone(np.asarray(values, np.float32), a.curve)
    small = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if a.video:
        small = code_video(small, a.video, rng)
    if a.jpeg:
        small = code_jpeg(small, a.jpeg)
    if low != size:
        small = np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return small


def _lit(values: NDArray[np.float32], a: Augmentation) -> NDArray[np.float32]:
    size = values.shape[0]
    if a.grey > 0:
        luma = values @ np.array([0.299, 0.587, 0.114], np.float32)
        values = values + np.float32(a.grey) * (luma[..., None] - values)
    if a.gamma != 1:
        values = 255 * (np.clip(values, 0, 255) / 255) ** np.float32(a.gamma)
    middle = values.mean()
    values = (values - middle) * np.float32(a.contrast) + middle
    values = values * (np.float32(a.gain) * np.array(a.tint, np.float32))
    if a.shade > 0:
        across = np.linspace(-1, 1, size, dtype=np.float32)
        cos, sin = np.cos(a.shade_angle), np.sin(a.shade_angle)
        values = values + np.float32(a.shade) * (cos * across[None, :, None] + sin * across[:, None, None])
    if a.flicker > 0:
        values = flicker(values, a.flicker, a.bands, a.phase)
    return np.asarray(values, np.float32)
