"""Things that cover a face, laid on the aligned crop: a hand, a mask, glasses, hair, a scarf, a phone, a cap.

Places are those of the default crop rule: the eyes' middle at (0.5, 0.317) of the side, the mouth at (0.5, 0.65), an
eye about 0.175 beside the middle. A thing is painted once for each shape, then kept and laid with a turn, a size and a
colour of its own, since a training asks for one every few crops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.augment.occluder_brush import Canvas
from convert.augment.occluder_held import paint_box, paint_hand, paint_phone
from convert.augment.occluder_worn import (
    paint_cap,
    paint_glasses,
    paint_hair,
    paint_mask,
    paint_scarf,
    paint_sunglasses,
)

SHAPES = 24  # of each kind and style; one is 0.1 to 0.2 MB in memory


class _Kind(NamedTuple):
    """How a kind is painted and laid.

    Attributes:
        share: of all that `draw_occluder` draws.
        paint: onto a canvas, in a style.
        place: where its middle usually lies, in units of the crop's side.
        reach: half the side of its canvas.
        shadow: light it takes from the face beside it, 0-1.
        tinted: takes on `Occluder.rgb`; glasses have colours of their own.
        styles: names.
        rgb: the colour it is painted in.
    """

    share: float
    paint: Callable[[Canvas, str], None]
    place: tuple[float, float]
    reach: float
    shadow: float = 0.3
    tinted: bool = True
    styles: tuple[str, ...] = ("",)
    rgb: tuple[float, float, float] = (170.0, 170.0, 170.0)


class _Place(NamedTuple):
    """Where a hand may lie from the mouth, in units of the crop's side, and how often it does."""

    shift: tuple[float, float]
    share: float


_HAND_PLACES = (  # mouth, chin, cheek, eye
    _Place((0.0, 0.0), 0.45),
    _Place((0.0, 0.14), 0.15),
    _Place((0.2, -0.05), 0.25),
    _Place((0.2, -0.27), 0.15),
)
_MOUTH_COVERS = ("mask", "hand", "scarf", "phone", "box")
_MOUTH_COVER_SHARES = (0.4, 0.28, 0.14, 0.09, 0.09)
_EYES, _NOSE = (0.5, 0.317), (0.5, 0.56)
_HANDS = ("flat", "spread", "point", "fist")
_MASKS = ("surgical", "cloth", "ffp2", "pattern")
_KINDS = {
    "hand": _Kind(0.32, paint_hand, (0.5, 0.65), 1.0, 0.4, styles=_HANDS, rgb=(214.0, 165.0, 130.0)),
    "mask": _Kind(0.16, paint_mask, _NOSE, 0.65, styles=_MASKS, rgb=(190.0, 195.0, 200.0)),
    "sunglasses": _Kind(0.1, paint_sunglasses, _EYES, 0.55, 0.25, tinted=False),
    "glasses": _Kind(0.14, paint_glasses, _EYES, 0.55, 0.2, tinted=False),
    "hair": _Kind(0.07, paint_hair, _EYES, 0.75),
    "scarf": _Kind(0.07, paint_scarf, _NOSE, 0.75),
    "phone": _Kind(0.06, paint_phone, (0.5, 0.75), 0.75),
    "box": _Kind(0.03, paint_box, (0.5, 0.72), 0.65),
    "cap": _Kind(0.05, paint_cap, _EYES, 0.65, 0.0),
}
KINDS = tuple(_KINDS)
_SKIN = ((244, 213, 190), (232, 190, 160), (214, 165, 130), (186, 133, 98), (141, 93, 66), (92, 60, 44), (62, 42, 33))
_MASK = ((160, 196, 222), (240, 240, 238), (30, 30, 34), (150, 190, 170), (225, 170, 185), (50, 66, 110), (120, 30, 40))
_HAIR = ((24, 20, 18), (52, 36, 26), (92, 62, 38), (150, 110, 66), (205, 170, 120), (128, 58, 30), (150, 148, 146))
_PALETTES = {"hand": _SKIN, "mask": _MASK, "hair": _HAIR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Occluder:
    """One thing that covers a part of a face; the defaults lay it where such a thing usually lies.

    Attributes:
        kind: of `KINDS`.
        seed: of the shape; `SHAPES` of them differ in each kind and style.
        shift: (x, y) from the usual place, in units of the crop's side; a hand's is the mouth.
        angle: radians clockwise; where a hand's fingers point, 0 being up.
        scale: relative to the usual size.
        flip: mirrored left to right.
        rgb: of the material, 0-255; None takes a hand's skin from the face, and else a grey.
            Glasses keep colours of their own.
        style: of the kind: a hand is `flat`, `spread`, `point` or `fist`, a mask `surgical`, `cloth`, `ffp2` or
            `pattern`; the first where empty.
    """

    kind: str
    seed: int = 0
    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    scale: float = 1.0
    flip: bool = False
    rgb: tuple[float, float, float] | None = None
    style: str = ""


def draw_occluder(rng: np.random.Generator) -> Occluder:
    """Draws one: kind, style, shape, place, turn, size and colour."""
    kind = str(rng.choice(KINDS, p=[known.share for known in _KINDS.values()]))
    return _draw_one(kind, _HAND_PLACES, rng)


def draw_mouth_cover(rng: np.random.Generator) -> Occluder:
    """Draws one of those that cover the mouth; a hand lies on it."""
    return _draw_one(str(rng.choice(_MOUTH_COVERS, p=_MOUTH_COVER_SHARES)), _HAND_PLACES[:1], rng)


def _draw_one(kind: str, places: tuple[_Place, ...], rng: np.random.Generator) -> Occluder:
    if kind == "hand":
        shift, angle = _draw_reach(places, rng)
    elif kind in ("phone", "box"):
        shift, angle = (float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.12, 0.25))), float(rng.uniform(-0.7, 0.7))
    else:
        shift, angle = (float(rng.normal(0, 0.015)), float(rng.normal(0, 0.015))), float(rng.normal(0, 0.05))
    return Occluder(
        kind=kind,
        seed=int(rng.integers(SHAPES)),
        shift=shift,
        angle=angle,
        scale=float(rng.uniform(0.88, 1.14)),
        flip=bool(rng.random() < 0.5),
        rgb=_draw_colour(kind, rng),
        style=str(rng.choice(_KINDS[kind].styles)),
    )


def _draw_reach(places: tuple[_Place, ...], rng: np.random.Generator) -> tuple[tuple[float, float], float]:
    """Where a hand lies, and where its fingers point: from below or from a side."""
    side = float(rng.choice([-1.0, 1.0]))
    shares = np.array([place.share for place in places])
    x, y = places[int(rng.choice(len(places), p=shares / shares.sum()))].shift
    # A hand from the picture's right points to the left, and the other way round.
    turn = rng.uniform(0.1, 0.7) if rng.random() < 0.5 else rng.uniform(0.8, 1.9)
    return (side * x + float(rng.normal(0, 0.04)), y + float(rng.normal(0, 0.03))), -side * float(turn)


def _draw_colour(kind: str, rng: np.random.Generator) -> tuple[float, float, float] | None:
    if not _KINDS[kind].tinted or (kind == "hand" and rng.random() < 0.6):
        return None
    if kind in _PALETTES:
        base = np.array(_PALETTES[kind][int(rng.integers(7))]) * rng.uniform(0.88, 1.1) + rng.normal(0, 4, 3)
    else:
        base = rng.uniform(15, 235) + rng.normal(0, 30, 3)
    red, green, blue = np.clip(base, 5, 250).tolist()
    return red, green, blue


def occlude(crop: NDArray[Any], occluder: Occluder) -> NDArray[Any]:
    """The crop with the thing laid over it; as bright as the crop is, so that nothing glows in a dark one.

    Args:
        crop: uint8 or float32 (S, S, 3), RGB, 0-255.
        occluder: what to lay.

    Returns:
        A new array of the crop's shape and dtype.

    Raises:
        ValueError: the kind or style is unknown, or the crop is not square.
    """
    size = crop.shape[0]
    if crop.shape != (size, size, 3):
        raise ValueError(f"an occluder is laid on a square crop (S, S, 3), not on {crop.shape}")
    kind = _KINDS.get(occluder.kind)
    if kind is None:
        raise ValueError(f"no occluder is called {occluder.kind!r}: one of {', '.join(KINDS)}")
    sprite = _sprite(occluder.kind, occluder.style or kind.styles[0], occluder.seed % SHAPES, size)
    laid = cv2.warpAffine(
        sprite, _to_sprite(occluder, kind, size), (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    colour = np.zeros((3, 4))
    np.fill_diagonal(colour, _tint(crop, occluder, kind))
    through = np.array([[0.0, 0, 0, -1, 255]])
    keep = cv2.transform(laid, through)
    if kind.shadow > 0:
        # The shade it throws: its outline, blurred and moved down.
        width = max(3, size // 12 | 1)
        shade = cv2.boxFilter(keep, -1, (width, width), anchor=(width // 2, width - 1), borderType=cv2.BORDER_REPLICATE)
        keep = cv2.multiply(
            keep, cv2.convertScaleAbs(shade, alpha=kind.shadow, beta=255 * (1 - kind.shadow)), scale=1 / 255
        )
    depth = cv2.CV_8U if crop.dtype == np.uint8 else cv2.CV_32F
    face = cv2.multiply(crop, cv2.merge([keep, keep, keep]), scale=1 / 255, dtype=depth)
    covered: NDArray[Any] = cv2.add(face, cv2.transform(laid, colour), dtype=depth)
    if depth == cv2.CV_32F:
        np.minimum(covered, 255, out=covered)
    return np.asarray(covered, crop.dtype)


@lru_cache(maxsize=512)
def _sprite(kind: str, style: str, shape: int, size: int) -> NDArray[np.uint8]:
    known = _KINDS[kind]
    if style not in known.styles:
        raise ValueError(f"no {kind} is {style!r}: one of {', '.join(known.styles)}")
    rng = np.random.default_rng([KINDS.index(kind), known.styles.index(style), shape])
    canvas = Canvas(size, known.reach, known.rgb, rng)
    known.paint(canvas, style)
    return canvas.finish()


def _to_sprite(occluder: Occluder, kind: _Kind, size: int) -> NDArray[np.float64]:
    """Pixels of the crop to pixels of the sprite, whose middle is the thing's: float64 (2, 3)."""
    middle = (round(2 * kind.reach * size) - 1) / 2
    mirror = -1.0 if occluder.flip else 1.0
    cos, sin = np.cos(occluder.angle) / occluder.scale, np.sin(occluder.angle) / occluder.scale
    turn = np.array([[mirror * cos, mirror * sin], [-sin, cos]])
    at = (np.add(kind.place, occluder.shift)) * size - 0.5
    return np.concatenate([turn, (middle - turn @ at)[:, None]], axis=1)


def _tint(crop: NDArray[Any], occluder: Occluder, kind: _Kind) -> NDArray[np.float64]:
    """By what the sprite's channels are multiplied: float64 (3,)."""
    bright = float(np.clip(0.45 + sum(cv2.mean(crop)[:3]) / 3 / 200, 0.5, 1.1))
    if not kind.tinted or (occluder.rgb is None and occluder.kind != "hand"):
        return np.full(3, bright)
    if occluder.rgb is not None:
        return bright * np.array(occluder.rgb) / kind.rgb
    side = crop.shape[0]
    cheeks = crop[int(0.42 * side) : int(0.56 * side) + 1, int(0.3 * side) : int(0.7 * side) + 1]
    return np.array(cv2.mean(np.ascontiguousarray(cheeks))[:3]) / kind.rgb
