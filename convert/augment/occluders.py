"""Things that cover a face, laid on the aligned crop: a hand, a mask, glasses, hair, a cup, a plain patch.

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

from convert.augment.canvas import Canvas
from convert.augment.things import (
    paint_glasses,
    paint_hair,
    paint_hand,
    paint_held,
    paint_mask,
    paint_patch,
)

SHAPES = 24  # of each kind and style; one is 0.1 to 0.2 MB in memory
_EYES, _NOSE, _MOUTH = (0.5, 0.317), (0.5, 0.56), (0.5, 0.65)
_SKIN = ((244, 213, 190), (232, 190, 160), (214, 165, 130), (186, 133, 98), (141, 93, 66), (92, 60, 44), (62, 42, 33))
_MASK = ((160, 196, 222), (240, 240, 238), (30, 30, 34), (150, 190, 170), (225, 170, 185), (50, 66, 110), (120, 30, 40))
_HAIR = ((24, 20, 18), (52, 36, 26), (92, 62, 38), (150, 110, 66), (205, 170, 120), (128, 58, 30), (150, 148, 146))
_PLAIN = ((0, 0, 0), (20, 20, 20), (240, 240, 240), (127, 127, 127))


class _Kind(NamedTuple):
    """How a kind is painted and laid.

    Attributes:
        share: of all that `draw_occluder` draws; `mouth` of all that `draw_mouth_cover` draws.
        paint: onto a canvas, in a style.
        place: where its middle usually lies, in units of the crop's side; about which it is drawn within `spread`.
        turn: standard deviation of its angle, radians.
        reach: half the side of its canvas.
        shadow: light it takes from the face beside it, 0-1.
        palette: of its material, besides any colour; None where it keeps colours of its own.
    """

    share: float
    mouth: float
    paint: Callable[[Canvas, str], None]
    place: tuple[float, float]
    reach: float
    styles: tuple[str, ...] = ("",)
    spread: tuple[float, float] = (0.015, 0.015)
    turn: float = 0.05
    shadow: float = 0.3
    palette: tuple[tuple[int, int, int], ...] | None = ()


_KINDS = {
    "hand": _Kind(0.3, 0.3, paint_hand, _MOUTH, 1.0, ("flat", "spread", "point", "fist"), palette=_SKIN, shadow=0.4),
    "mask": _Kind(0.16, 0.35, paint_mask, _NOSE, 0.65, ("surgical", "cloth", "ffp2"), palette=_MASK),
    "sunglasses": _Kind(0.08, 0.0, paint_glasses, _EYES, 0.55, ("dark",), shadow=0.2, palette=None),
    "glasses": _Kind(0.12, 0.0, paint_glasses, _EYES, 0.55, ("clear",), shadow=0.2, palette=None),
    "hair": _Kind(0.07, 0.0, paint_hair, _EYES, 0.75, palette=_HAIR),
    "held": _Kind(0.11, 0.15, paint_held, (0.5, 0.74), 0.75, ("cup", "phone"), (0.17, 0.1), 0.35, palette=None),
    "patch": _Kind(0.16, 0.2, paint_patch, _MOUTH, 0.45, spread=(0.25, 0.2), turn=0.0, shadow=0.0, palette=_PLAIN),
}
KINDS = tuple(_KINDS)
_PAINTED_RGB = (190.0, 170.0, 150.0)
_HAND_PLACES = ((0.0, 0.0), (0.0, 0.14), (0.2, -0.05), (0.2, -0.27))  # mouth, chin, cheek, eye, from the mouth
_HAND_SHARES = (0.45, 0.15, 0.25, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occluder:
    """One thing that covers a part of a face; the defaults lay it where such a thing usually lies.

    Attributes:
        kind: of `KINDS`.
        style: of the kind; the first where empty.
        seed: of the shape; `SHAPES` of them differ in each kind and style.
        shift: (x, y) from the usual place, in units of the crop's side; a hand's is the mouth.
        angle: radians clockwise; where a hand's fingers point, 0 being up.
        scale: relative to the usual size.
        flip: mirrored left to right.
        rgb: of the material, 0-255; None takes a hand's skin from the face. Glasses keep colours of their own.
    """

    kind: str
    style: str = ""
    seed: int = 0
    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    scale: float = 1.0
    flip: bool = False
    rgb: tuple[float, float, float] | None = None


def draw_occluder(rng: np.random.Generator) -> Occluder:
    """Draws one: kind, style, shape, place, turn, size and colour."""
    kind = str(rng.choice(KINDS, p=[known.share for known in _KINDS.values()]))
    return _draw_one(kind, int(rng.choice(len(_HAND_PLACES), p=_HAND_SHARES)), rng)


def draw_mouth_cover(rng: np.random.Generator) -> Occluder:
    """Draws one of those that cover the mouth; a hand or patch lies on it."""
    drawn = _draw_one(str(rng.choice(KINDS, p=[known.mouth for known in _KINDS.values()])), 0, rng)
    if drawn.kind != "patch":
        return drawn
    return Occluder(kind="patch", seed=drawn.seed, rgb=drawn.rgb, shift=tuple(rng.normal(0, 0.03, 2).tolist()))


def _draw_one(kind: str, place: int, rng: np.random.Generator) -> Occluder:
    known = _KINDS[kind]
    x, y = (rng.normal(0, 1, 2) * known.spread).tolist()
    angle = float(rng.normal(0, 1) * known.turn)
    if kind == "hand":  # one from the picture's right points to the left, from below or from a side
        side = float(rng.choice([-1.0, 1.0]))
        x, y = x * 3 + side * _HAND_PLACES[place][0], y * 2 + _HAND_PLACES[place][1]
        angle = -side * float(rng.uniform(0.1, 0.7) if rng.random() < 0.5 else rng.uniform(0.8, 1.9))
    return Occluder(
        kind=kind,
        style=str(rng.choice(known.styles)),
        seed=int(rng.integers(SHAPES)),
        shift=(x, y),
        angle=angle,
        scale=float(rng.uniform(0.88, 1.14)),
        flip=bool(rng.random() < 0.5),
        rgb=_draw_colour(kind, known, rng),
    )


def _draw_colour(kind: str, known: _Kind, rng: np.random.Generator) -> tuple[float, float, float] | None:
    if known.palette is None or (kind == "hand" and rng.random() < 0.6):
        return None
    if known.palette and not (kind == "patch" and rng.random() < 0.5):
        base = np.array(known.palette[int(rng.integers(len(known.palette)))]) * rng.uniform(0.88, 1.05)
        base = base + rng.normal(0, 4, 3) * (kind != "patch")
    else:
        base = rng.uniform(15, 235) + rng.normal(0, 30, 3)
    red, green, blue = np.clip(base, 0, 250).tolist()
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
    style = occluder.style or kind.styles[0]
    if style not in kind.styles:
        raise ValueError(f"no {occluder.kind} is {style!r}: one of {', '.join(kind.styles)}")
    laid = cv2.warpAffine(
        _sprite(occluder.kind, style, occluder.seed % SHAPES, size),
        _to_sprite(occluder, kind, size),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    ).astype(np.float32)
    keep = 1 - laid[..., 3] / 255
    if kind.shadow > 0:  # the shade it throws: its outline, blurred and moved down
        width = max(3, size // 12 | 1)
        shade = cv2.blur(keep, (width, width), anchor=(width // 2, width - 1), borderType=cv2.BORDER_REPLICATE)
        keep = keep * (1 - kind.shadow * (1 - shade))
    covered = crop * keep[..., None] + laid[..., :3] * _tint(crop, occluder, kind)
    return np.clip(covered if crop.dtype != np.uint8 else np.rint(covered), 0, 255).astype(crop.dtype)


@lru_cache(maxsize=512)
def _sprite(kind: str, style: str, shape: int, size: int) -> NDArray[np.uint8]:
    known = _KINDS[kind]
    rng = np.random.default_rng([KINDS.index(kind), known.styles.index(style), shape])
    canvas = Canvas(size, known.reach, _PAINTED_RGB, rng)
    known.paint(canvas, style)
    return canvas.finish(slope=0.0 if kind == "patch" else float(rng.uniform(0.05, 0.3)))


def _to_sprite(occluder: Occluder, kind: _Kind, size: int) -> NDArray[np.float64]:
    """Pixels of the crop to pixels of the sprite, whose middle is the thing's: float64 (2, 3)."""
    middle = (round(2 * kind.reach * size) - 1) / 2
    mirror = -1.0 if occluder.flip else 1.0
    cos, sin = np.cos(occluder.angle) / occluder.scale, np.sin(occluder.angle) / occluder.scale
    turn = np.array([[mirror * cos, mirror * sin], [-sin, cos]])
    at = (np.add(kind.place, occluder.shift)) * size - 0.5
    return np.concatenate([turn, (middle - turn @ at)[:, None]], axis=1)


def _tint(crop: NDArray[Any], occluder: Occluder, kind: _Kind) -> NDArray[np.float32]:
    """By what the sprite's channels are multiplied: float32 (3,)."""
    bright = float(np.clip(0.45 + sum(cv2.mean(crop)[:3]) / 3 / 200, 0.5, 1.1))
    if kind.palette is None:
        return np.full(3, bright, np.float32)
    if occluder.rgb is not None:
        return np.asarray(bright * np.array(occluder.rgb) / _PAINTED_RGB, np.float32)
    side = crop.shape[0]
    cheeks = crop[int(0.42 * side) : int(0.56 * side) + 1, int(0.3 * side) : int(0.7 * side) + 1]
    rgb = cheeks.reshape(-1, 3).mean(axis=0) if occluder.kind == "hand" else np.full(3, 170 * bright)
    return np.asarray(rgb / _PAINTED_RGB, np.float32)
