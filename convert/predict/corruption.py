"""How a camera may see a face worse, for evaluation only: darker, blurred, smaller, covered, in other skin.

Each corruption takes a loose picture (the crop's square in its middle) and gives one of the same shape. Strengths are
fixed; pixels of blur are those of a crop of 112. Nothing that trains a network may import this module: the covers of
`unseen_covers` are in no training. Change nothing here once a model was measured with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.augment.occluders import SHAPES, Occluder, draw_occluder, occlude
from convert.faces.pictures import loose_square
from convert.predict.unseen_covers import UNSEEN
from edge.values import UInt8Array

CLEAN, MIRROR = "clean", "mirror"
_CROP = 112  # pixels of the crop that blur is said for
_GAMMA = 2.2
_WHITE_ELECTRONS, _READ_ELECTRONS = 4000.0, 4.0  # of a small sensor: a white pixel in full light, and in the dark
# Light for each 8-bit value, and the value for each of 4096 steps of light.
_LINEAR = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)
_CODES = np.rint(255 * (np.arange(4096) / 4095) ** (1 / _GAMMA)).astype(np.uint8)

Corrupt = Callable[[UInt8Array, np.random.Generator], UInt8Array]


class Condition(NamedTuple):
    """One way in which a face is seen.

    Attributes:
        axis: what is varied; conditions of one axis stand together in tables.
        corrupt: done to the loose picture; None leaves it.
        face_px: side of the detector's box, pixels; None leaves the size.
        roll_deg: turn of the picture, clockwise.
    """

    axis: str
    corrupt: Corrupt | None = None
    face_px: float | None = None
    roll_deg: float = 0.0


def dimmed(share: float) -> Corrupt:
    """A share of the light at a fixed exposure, with the noise of photons and of the sensor."""

    def corrupt(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        light = _LINEAR[pixels] * np.float32(share)
        spread = np.sqrt(light * _WHITE_ELECTRONS + _READ_ELECTRONS**2) / _WHITE_ELECTRONS
        return _developed(light + spread.astype(np.float32) * rng.standard_normal(pixels.shape, np.float32))

    return corrupt


def overexposed(gain: float) -> Corrupt:
    """More light than the exposure was made for; what passes white is cut off."""
    return lambda pixels, _: _developed(_LINEAR[pixels] * np.float32(gain))


def motion(length: float) -> Corrupt:
    """Motion blur of `length` crop pixels in a random direction."""

    def corrupt(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        angle, reach = rng.uniform(0, np.pi), _reach(length / 2, pixels)
        size = 2 * int(np.ceil(reach)) + 3
        x, y = (round(16 * reach * part) for part in (float(np.cos(angle)), float(np.sin(angle))))
        middle, kernel = size // 2 * 16, np.zeros((size, size), np.uint8)
        cv2.line(kernel, (middle - x, middle - y), (middle + x, middle + y), (255.0,), 1, cv2.LINE_AA, 4)
        return _filtered(pixels, kernel)

    return corrupt


def defocused(radius: float) -> Corrupt:
    """A disc of confusion of this radius in crop pixels."""

    def corrupt(pixels: UInt8Array, _: np.random.Generator) -> UInt8Array:
        reach = _reach(radius, pixels)
        size = 2 * int(np.ceil(reach)) + 3
        kernel = np.zeros((size, size), np.uint8)
        cv2.circle(kernel, (size // 2 * 16, size // 2 * 16), round(reach * 16), (255.0,), -1, cv2.LINE_AA, 4)
        return _filtered(pixels, kernel)

    return corrupt


def compressed(pixels: UInt8Array, _: np.random.Generator, *, quality: int) -> UInt8Array:
    """JPEG of this quality."""
    data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def filmed(pixels: UInt8Array, _: np.random.Generator, *, crop_px: int) -> UInt8Array:
    """The last of six frames of a video (MPEG-4) in which the face is `crop_px` wide and moves a little."""
    side = round(crop_px * pixels.shape[0] / loose_square(pixels.shape[0]).side / 2) * 2
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        path = str(Path(folder) / "face.mp4")
        writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 15, (side, side))
        for step in range(-5, 1):
            moved = np.array([[1, 0, 0.7 * step], [0, 1, 0]], np.float32)
            frame = cv2.warpAffine(small, moved, (side, side), borderMode=cv2.BORDER_REPLICATE)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        video, last = cv2.VideoCapture(path), small
        while (read := video.read())[0]:
            last = cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
        video.release()
    return np.asarray(cv2.resize(last, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def greyed(pixels: UInt8Array, _: np.random.Generator) -> UInt8Array:
    """No colour, as an infrared camera has it."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def covered(cover: Corrupt) -> Corrupt:
    """Something before the face, painted on the crop's square."""

    def corrupt(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        side = round(loose_square(pixels.shape[0]).side)
        start = (pixels.shape[0] - side) // 2
        inner = slice(start, start + side)
        out = pixels.copy()
        out[inner, inner] = cover(np.ascontiguousarray(pixels[inner, inner]), rng)
        return out

    return corrupt


def boxed(crop: UInt8Array, _: np.random.Generator, *, box: tuple[float, float, float, float]) -> UInt8Array:
    """A black bar: x1, y1, x2, y2 in units of the crop."""
    left, top, right, bottom = (round(value * crop.shape[0]) for value in box)
    out = crop.copy()
    out[top:bottom, left:right] = 0
    return out


def worn(crop: UInt8Array, rng: np.random.Generator, *, kind: str) -> UInt8Array:
    """A mask or sunglasses in their usual place, of a random shape."""
    style = str(rng.choice(("surgical", "cloth", "ffp2"))) if kind == "mask" else ""
    return np.asarray(occlude(crop, Occluder(kind=kind, seed=int(rng.integers(SHAPES)), style=style)), np.uint8)


def handed(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A hand somewhere on mouth, chin, cheek or eye."""
    while (thing := draw_occluder(rng)).kind != "hand":
        pass
    return np.asarray(occlude(crop, thing), np.uint8)


# L*, a* and b* of cheeks, about the middle of each bin of `convert.predict.groups.TONES`.
_SKINS = {
    "very light": (76.0, 9.0, 15.0),
    "light": (69.0, 11.0, 18.0),
    "intermediate": (63.0, 12.0, 19.0),
    "tan": (57.0, 13.0, 19.5),
    "brown": (46.0, 13.0, 18.0),
    "dark": (33.0, 10.0, 13.0),
}
_FACE = (0.5, 0.5, 0.4, 0.5)  # an ellipse (x, y, half width, half height), in units of the crop's side
_NO_SKIN = ((0.325, 0.317, 0.09, 0.04), (0.675, 0.317, 0.09, 0.04), (0.5, 0.65, 0.13, 0.055))  # eyes, mouth
_CHEEKS = ((0.3, 0.5), (0.7, 0.5))
_SOFT, _RADIUS = 0.02, 0.06
_LEAST_CHROMA, _RATIO = 3.0, (0.4, 2.5)  # a* or b* below which a picture is grey; by how much colour is changed at most


def paint_skin(crop: UInt8Array, _: np.random.Generator, *, lab: tuple[float, float, float]) -> UInt8Array:
    """The skin of the face in another tone; eyes and mouth stay. `lab`: CIELAB that the cheeks come to have.

    Training changes skin by factors on RGB (`convert.augment.skin`); this works in CIELAB and shares no code.
    """
    size = crop.shape[0]
    pixels = np.asarray(cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    radius = round(_RADIUS * size)
    around = [
        pixels[round(y * size) - radius : round(y * size) + radius, round(x * size) - radius : round(x * size) + radius]
        for x, y in _CHEEKS
    ]
    skin = np.median(np.concatenate([patch.reshape(-1, 3) for patch in around]), axis=0)
    chroma = np.where(skin[1:] > _LEAST_CHROMA, np.array(lab[1:]) / np.maximum(skin[1:], _LEAST_CHROMA), 1.0)
    ratios = np.array([lab[0] / max(float(skin[0]), 1.0), *np.clip(chroma, *_RATIO)], np.float32)
    mask = _ellipse(size, _FACE)
    for hole in _NO_SKIN:
        mask *= 1 - _ellipse(size, hole)
    mixed = pixels + mask[:, :, None] * (pixels * ratios - pixels)
    mixed[:, :, 0] = np.clip(mixed[:, :, 0], 0, 100)
    return np.asarray(np.clip(np.rint(cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB) * 255), 0, 255), np.uint8)


def _ellipse(size: int, ellipse: tuple[float, float, float, float]) -> NDArray[np.float32]:
    x, y, half_width, half_height = ellipse
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size
    inside = ((at[None, :] - x) / half_width) ** 2 + ((at[:, None] - y) / half_height) ** 2 <= 1
    return np.asarray(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _SOFT * size), np.float32)


def _developed(light: NDArray[np.float32]) -> UInt8Array:
    """Linear light, 1 at white, as 8-bit values."""
    return np.asarray(_CODES[(np.clip(light, 0, 1) * 4095 + 0.5).astype(np.int32)], np.uint8)


def _reach(crop_px: float, pixels: UInt8Array) -> float:
    return crop_px * loose_square(pixels.shape[0]).side / _CROP


def _filtered(pixels: UInt8Array, kernel: NDArray[np.uint8]) -> UInt8Array:
    weights = kernel.astype(np.float32) / kernel.sum()
    return np.asarray(cv2.filter2D(pixels, -1, weights, borderType=cv2.BORDER_REPLICATE), np.uint8)


CONDITIONS: dict[str, Condition] = {
    CLEAN: Condition(CLEAN),
    MIRROR: Condition(MIRROR, lambda pixels, _: np.ascontiguousarray(pixels[:, ::-1])),
    **{f"{side} px": Condition("face size", face_px=side) for side in (64, 48, 32, 24)},
    **{f"1/{part} of the light": Condition("light", dimmed(1 / part)) for part in (4, 10, 20)},
    **{f"over-exposed ×{gain:g}": Condition("light", overexposed(gain)) for gain in (2.0, 3.0)},
    **{f"motion {length} px": Condition("blur", motion(length)) for length in (6, 12)},
    **{f"defocus {radius} px": Condition("blur", defocused(radius)) for radius in (2, 4)},
    "JPEG 10": Condition("coding", partial(compressed, quality=10)),
    "video, 64 px": Condition("coding", partial(filmed, crop_px=64)),
    "grey": Condition("coding", greyed),
    "mouth box": Condition("cover", covered(partial(boxed, box=(0.26, 0.54, 0.74, 0.77)))),
    "eyes box": Condition("cover", covered(partial(boxed, box=(0.2, 0.23, 0.8, 0.41)))),
    "mask": Condition("cover", covered(partial(worn, kind="mask"))),
    "sunglasses": Condition("cover", covered(partial(worn, kind="sunglasses"))),
    "hand": Condition("cover", covered(handed)),
    **{name: Condition("unseen cover", covered(cover)) for name, cover in UNSEEN.items()},
    **{f"roll {turn:+d}°": Condition("roll", roll_deg=turn) for turn in (-30, 30)},
    **{f"{tone} skin": Condition("skin", covered(partial(paint_skin, lab=lab))) for tone, lab in _SKINS.items()},
}
