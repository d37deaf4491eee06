"""The drawn shop: a blurred wall behind the people and a counter before them, painted once."""

from __future__ import annotations

import cv2
import numpy as np

from edge.values import UInt8Array

_GOODS = ((168, 76, 62), (206, 158, 84), (92, 128, 110), (84, 106, 150), (214, 202, 182), (130, 88, 112))


def paint_backdrop(width: int, height: int, seed: int) -> UInt8Array:
    """Paints wall, lamps and shelves with goods; uint8 (height, width, 3), RGB."""
    random = np.random.default_rng((seed, 7))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    light = 1.04 - 0.22 * y - 0.10 * x + 0.10 * np.exp(-(((x - 0.25) / 0.35) ** 2) - ((y - 0.1) / 0.3) ** 2)
    wall = np.clip(light[..., None] * np.array([206, 198, 184], np.float32), 0, 255).astype(np.uint8)
    for shelf in np.arange(0.16, 1.0, 0.23):
        _fill_shelf(wall, shelf, random)
    soft = cv2.GaussianBlur(wall, (0, 0), height / 75)
    for lamp in (0.18, 0.55, 0.92):
        glow = np.exp(-(((x - lamp * width / height) / 0.07) ** 2) - ((y - 0.015) / 0.025) ** 2)
        soft = cv2.add(soft, (glow[..., None] * np.array([70, 64, 50])).astype(np.uint8))
    grain = random.normal(0, 1.5, soft.shape)
    return np.asarray(np.clip(np.rint(soft + grain), 0, 255), np.uint8)


def paint_counter(width: int, height: int, top: int) -> UInt8Array:
    """Paints the wooden counter in front, from row `top` down; uint8 (height − top, width, 3), RGB."""
    rows = np.arange(height - top, dtype=np.float32)[:, None]
    edge = max(height // 60, 2)
    light = np.where(rows < edge, 1.12, 0.86 - 0.25 * rows / max(height - top, 1))
    grain = 1 + 0.03 * np.sin(np.arange(width, dtype=np.float32)[None, :] / 37 + 0.9 * np.sin(rows / 9))
    wood = (light * grain)[..., None] * np.array([150, 110, 76], np.float32)
    return np.clip(np.rint(wood), 0, 255).astype(np.uint8)


def _fill_shelf(wall: UInt8Array, level: float, random: np.random.Generator) -> None:
    """Draws a board with goods; `level` is its height as a fraction of the picture's."""
    height, width = wall.shape[:2]
    board = round(level * height) + height // 12
    cv2.rectangle(wall, (0, board), (width, board + height // 60), (128, 100, 74), -1)
    x = float(random.uniform(0, 0.03) * width)
    while x < width:
        wide, tall = random.uniform(0.02, 0.06) * height, random.uniform(0.06, 0.13) * height
        if random.random() < 0.8:
            shade = random.uniform(0.75, 1.05)
            good = tuple(float(min(value * shade, 255)) for value in _GOODS[int(random.integers(len(_GOODS)))])
            cv2.rectangle(wall, (round(x), round(board - tall)), (round(x + wide), board), good, -1)
        x += wide + random.uniform(0.004, 0.02) * height
