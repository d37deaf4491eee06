"""The camera's picture as a drawing: what is never looked at, and how much of it that is. No photograph is used."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from edge.config import Config

_GRID = 1000


def covered_share(config: Config) -> float:
    """Share of the picture that zones cover, 0 to 1; what two of them cover counts once."""
    mask = np.zeros((_GRID, _GRID), np.uint8)
    for zone in config.zones:
        cv2.fillPoly(mask, [np.round(np.array(zone.exclude) * (_GRID - 1)).astype(np.int32)], 1)
    return float(mask.mean())


def draw_zones(config: Config, looked_at: str) -> str:
    """An SVG of the picture with its zones, numbered in the configuration's order; `looked_at` labels the rest."""
    camera = config.camera
    wide, high = (camera.height, camera.width) if camera.rotate in (90, 270) else (camera.width, camera.height)
    width, height = 640.0, 640.0 * high / wide
    shapes = []
    for number, zone in enumerate(config.zones, 1):
        points = [(x * width, y * height) for x, y in zone.exclude]
        x, y = _middle(points)
        corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        shapes.append(
            f'<polygon points="{corners}" fill="#555" fill-opacity="0.75" stroke="#000" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{y + 9:.1f}" font-size="26" fill="#fff" text-anchor="middle">{number}</text>'
        )
    label = f'<text x="{width / 2:.0f}" y="30" font-size="20" text-anchor="middle">{escape(looked_at)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4:.0f} {height + 4:.0f}" class="drawing">'
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#eef4fb" stroke="#000" stroke-width="2"/>'
        f"{label}{''.join(shapes)}</svg>"
    )


def _middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A place inside of a polygon: the one that is farthest from its edges."""
    corners = np.array(points)
    low = corners.min(axis=0)
    wide, high = np.ceil(corners.max(axis=0) - low).astype(int) + 3
    mask = np.zeros((high, wide), np.uint8)
    cv2.fillPoly(mask, [np.round(corners - low + 1).astype(np.int32)], 1)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(column + low[0] - 1), float(row + low[1] - 1)
