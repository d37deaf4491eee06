"""The parts of a drawn person that do not move: head, hair, neck and clothes, on a canvas of `WIDTH` × `HEIGHT`.

Nobody is portrayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo.brush import Color, Field, mask, mirrored, smooth
from edge.values import Float32Array, UInt8Array

WIDTH, HEIGHT = 280, 500
MIDDLE = 140.0
EYE_Y, EYE_X = 142.0, 29.0
MOUTH_Y = 208.0


class Look(NamedTuple):
    """A person's appearance; colours are RGB, 0–255."""

    skin: Color
    hair: Color
    iris: Color
    lips: Color
    clothes: Color
    style: Literal["short", "long", "curly", "bob"]
    beard: float = 0.0  # 0 none to 1 full
    width: float = 1.0  # of the head, 1 is the mean
    seed: int = 0  # of the texture


_FACE = [(0, 76), (30, 79), (51, 93), (62, 118), (64.5, 145), (61.5, 176), (54, 206), (40.5, 232), (22, 248), (0, 253)]
_CAP = [(0, 44), (28, 48), (54, 64), (70, 100), (69, 140), (63.5, 146), (61, 122), (50, 102), (27, 91), (0, 88)]
_FRINGE = [(0, 44), (29, 48), (56, 65), (72, 102), (73, 150), (63, 152), (59, 126), (45, 103), (21, 93), (0, 82)]
_BACK = {
    "short": [(0, 56), (40, 62), (64, 90), (68, 130), (62, 160), (0, 160)],
    "curly": [(0, 36), (44, 42), (76, 68), (90, 110), (88, 160), (74, 200), (58, 216), (0, 216)],
    "long": [(0, 41), (33, 46), (66, 72), (80, 130), (82, 190), (90, 250), (88, 310), (66, 334), (40, 330), (0, 330)],
    "bob": [(0, 41), (33, 46), (66, 72), (79, 130), (80, 185), (74, 226), (56, 236), (0, 236)],
}


class Layer(NamedTuple):
    """A picture to be laid over another: uint8 RGB (HEIGHT, WIDTH, 3) times the cover, uint8 (HEIGHT, WIDTH)."""

    pixels: UInt8Array
    cover: UInt8Array


class Bust:
    """Paints a person without moving features."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._field = Field(WIDTH, HEIGHT)
        self._random = np.random.default_rng(look.seed)
        self._rgb: Float32Array = np.zeros((*self._field.shape, 3), np.float32)
        self._alpha: Float32Array = np.zeros(self._field.shape, np.float32)
        self._strands = self._texture(1.2, 14)
        self._pores = self._texture(1.6, 1.6)

    def paint(self) -> Layer:
        """Paints the person as a layer."""
        look = self._look
        self._hair(_BACK[look.style], dim=0.72, bumpy=look.style == "curly")
        self._neck()
        self._clothes()
        self._ears()
        self._face()
        self._hair(_CAP if look.style in ("short", "curly") else _FRINGE, dim=1.0, bumpy=look.style == "curly")
        whole = np.clip(np.rint(np.dstack([self._rgb, self._alpha * 255])), 0, 255).astype(np.uint8)
        return Layer(np.ascontiguousarray(whole[..., :3]), np.ascontiguousarray(whole[..., 3]))

    def _texture(self, across: float, along: float) -> Float32Array:
        noise = self._random.standard_normal(self._field.shape).astype(np.float32)
        soft = cv2.GaussianBlur(noise, (0, 0), across, sigmaY=along)
        return np.asarray(soft / soft.std(), np.float32)

    def _outline(self, half: Sequence[tuple[float, float]], wide: float, steps: int = 6) -> NDArray[np.float64]:
        return smooth(mirrored([(x * wide, y) for x, y in half], MIDDLE), steps=steps)

    def _lay(self, cover: Float32Array, rgb: Float32Array) -> None:
        """Lays paint over the picture."""
        over = cover[..., None]
        self._rgb = self._rgb * (1 - over) + rgb * over
        self._alpha = self._alpha * (1 - cover) + cover

    def _mask(self, outline: NDArray[np.float64], blur: float = 0.5) -> Float32Array:
        return mask(self._field.shape, outline, blur)

    def _tinted(self, color: Color, light: Float32Array) -> Float32Array:
        """A colour under light, float32 (H, W, 3); shadows are warmer than lights, as on skin."""
        base = np.clip(light, 0.05, 1.6)[..., None]
        return np.asarray(np.array(color, np.float32) * base ** np.array([1.0, 1.12, 1.2], np.float32), np.float32)

    def _hair(self, half: Sequence[tuple[float, float]], *, dim: float, bumpy: bool) -> None:
        outline = self._outline(half, self._look.width, steps=24 if bumpy else 6)
        if bumpy:
            away = outline - (MIDDLE, 130)
            turn = np.arctan2(away[:, 1], away[:, 0])
            waves = np.sin(turn * 23) + 0.8 * np.sin(turn * 14 + 1) + 0.6 * np.sin(turn * 31 + 2)
            outline = outline + away * (0.018 * waves)[:, None]
        field = self._field
        light = dim * (0.86 + 0.13 * self._strands)
        light = light + dim * 0.34 * field.spot(MIDDLE - 24, 68, 40, 16) - 0.2 * field.spot(MIDDLE + 60, 130, 26, 70)
        self._lay(self._mask(outline, 0.9), self._tinted(self._look.hair, light))

    def _neck(self) -> None:
        field = self._field
        neck = smooth(mirrored([(0, 200), (35, 205), (35, 262), (46, 292), (0, 330)], MIDDLE))
        light = 0.86 - 0.34 * field.spot(MIDDLE + 4, 256, 44, 17) - 0.12 * field.spot(MIDDLE + 34, 270, 16, 40)
        self._lay(self._mask(neck), self._tinted(self._look.skin, light))

    def _clothes(self) -> None:
        field = self._field
        half = [(0, 312), (22, 303), (38, 285), (62, 293), (102, 310), (124, 345), (132, 430), (134, 512), (0, 512)]
        outline = smooth(mirrored(half, MIDDLE), steps=8)
        light = 0.95 + 0.16 * field.spot(MIDDLE - 60, 320, 60, 40) - 0.22 * field.spot(MIDDLE + 90, 400, 60, 90)
        light = light - 0.16 * field.spot(MIDDLE, 312, 40, 14) + 0.02 * self._strands
        self._lay(self._mask(outline), self._tinted(self._look.clothes, light))

    def _ears(self) -> None:
        if self._look.style in ("long", "bob", "curly"):
            return
        field, wide = self._field, self._look.width
        for side in (-1, 1):
            x = MIDDLE + side * 66 * wide
            half = ((-6, 140), (5, 134), (8, 146), (4, 168), (-4, 174))
            ear = smooth([(x + side * out, y) for out, y in half])
            light = 0.86 - 0.25 * field.spot(x + side * 2, 153, 4, 11) - (0.1 if side > 0 else 0)
            self._lay(self._mask(ear), self._tinted(self._look.skin, light))

    def _face(self) -> None:
        look, field, spot = self._look, self._field, self._field.spot
        outline = self._outline(_FACE, look.width)
        cover = self._mask(outline)
        across, down = (field.x - MIDDLE) / (72 * look.width), (field.y - 160) / 108
        near = np.sqrt(np.clip(1 - across**2 - down**2, 0.02, 1))
        light = 0.56 + 0.5 * (-0.30 * across - 0.28 * down + 0.91 * near)
        rim = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        light = light * (0.86 + 0.14 * np.clip(rim / 16, 0, 1))
        for side in (-1, 1):
            x, shade = MIDDLE + side * EYE_X, 1.25 if side > 0 else 0.9
            light = light - 0.13 * shade * spot(x, EYE_Y - 2, 19, 11)
            light = light - 0.10 * spot(MIDDLE + side * 13, EYE_Y - 6, 8, 12)
            light = light - 0.05 * spot(x, EYE_Y + 13, 14, 5) + 0.07 * spot(x + side * 6, 171, 18, 11)
            light = light - 0.10 * shade * spot(MIDDLE + side * 11, 172, 4.5, 14)
            light = light - 0.13 * spot(MIDDLE + side * 16.5, 183, 3, 6) + 0.05 * spot(MIDDLE + side * 11, 182, 5, 5)
            light = light - 0.10 * shade * spot(MIDDLE + side * 50, 205, 16, 26)
        light = light + 0.10 * spot(MIDDLE - 1.5, 152, 4.5, 24) + 0.16 * spot(MIDDLE - 2, 178, 6, 6)
        light = light - 0.22 * spot(MIDDLE + 1, 191, 15, 4) - 0.04 * spot(MIDDLE, 198, 3, 5)
        light = light - 0.13 * spot(MIDDLE, 226, 15, 4.5) + 0.06 * spot(MIDDLE - 3, 240, 13, 7)
        light = light + 0.06 * spot(MIDDLE - 14, 108, 34, 17) - 0.14 * spot(MIDDLE, 84, 64, 10)
        skin = self._tinted(look.skin, light + 0.012 * self._pores)
        blush = np.array([0.03, -0.028, -0.02], np.float32) * max(look.skin)
        for x, rx, amount in ((MIDDLE - 37, 19, 1.0), (MIDDLE + 37, 19, 1.0), (MIDDLE, 11, 0.5)):
            skin = skin + amount * spot(x, 183, rx, 13)[..., None] * blush
        if look.beard > 0:
            skin = self._bearded(skin)
        self._lay(cover, skin)
        for side in (-1, 1):
            half = ((3.5, 187.5), (8, 184.5), (12, 186), (9.5, 189), (5, 189.5))
            nostril = smooth([(MIDDLE + side * x, y) for x, y in half])
            dark = np.array(look.skin, np.float32) * np.array([0.36, 0.25, 0.22], np.float32)
            self._lay(0.85 * self._mask(nostril, 0.8), np.broadcast_to(dark, self._rgb.shape))

    def _bearded(self, skin: Float32Array) -> Float32Array:
        spot = self._field.spot
        grown = mask(self._field.shape, self._outline(_BEARD, self._look.width), 5)
        grown = grown - 0.9 * spot(MIDDLE, 209, 20, 8)
        amount = np.clip(self._look.beard * grown * (0.82 + 0.14 * self._strands), 0, 0.95)[..., None]
        return np.asarray(skin * (1 - amount) + np.array(self._look.hair, np.float32) * 0.9 * amount, np.float32)


_BEARD = [(0, 197), (20, 198), (34, 212), (50, 190), (62, 172), (60, 206), (46, 238), (24, 254), (0, 258)]
