"""Turns and flips every picture and blacks out the excluded zones, before anyone sees it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.values import UInt8Array

Polygon = Sequence[tuple[float, float]]

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_SUBPIXEL_BITS = 4
_GRID = 400  # pixels a side of the picture on which the covered share is measured


class Transform:
    """Turns, then flips, then blacks out.

    Args:
        rotate: clockwise, 0, 90, 180 or 270 degrees.
        flip: mirror left and right.
        zones: polygons that are painted black, corners as fractions of the turned and flipped picture.
    """

    def __init__(self, *, rotate: int = 0, flip: bool = False, zones: Sequence[Polygon] = ()) -> None:
        if rotate not in (0, *_TURNS):
            raise ValueError(f"a picture is turned by 0, 90, 180 or 270 degrees, not {rotate}")
        self._turn = _TURNS.get(rotate)
        self._flip = flip
        self.exclude(zones)

    def exclude(self, zones: Sequence[Polygon]) -> None:
        """Takes other zones from the next picture on; may be called from another thread."""
        self._zones = _Zones(zones)

    @property
    def covered(self) -> float:
        """Share of the picture that the zones cover, 0 to 1."""
        return 1 - float(self._zones.mask(_GRID, _GRID)[..., 0].mean()) / 255

    def apply(self, pixels: UInt8Array) -> UInt8Array:
        """From uint8 (H, W, 3) to (H, W, 3), or (W, H, 3) after a quarter turn; the argument itself is not changed."""
        if self._turn is not None:
            pixels = np.asarray(cv2.rotate(pixels, self._turn), np.uint8)
        if self._flip:
            pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
        return self._zones.apply(pixels)


class _Zones:
    """Polygons, and the mask that blacks them out."""

    def __init__(self, zones: Sequence[Polygon]) -> None:
        self._zones = [np.asarray(zone, np.float64).reshape(-1, 2) for zone in zones]
        self._keep: UInt8Array | None = None

    def apply(self, pixels: UInt8Array) -> UInt8Array:
        if not self._zones:
            return pixels
        if self._keep is None or self._keep.shape != pixels.shape:
            self._keep = self.mask(pixels.shape[1], pixels.shape[0])
        return np.bitwise_and(pixels, self._keep)

    def mask(self, width: int, height: int) -> UInt8Array:
        """255 where a pixel is kept, 0 inside a zone and on its edge; uint8 (H, W, 3)."""
        keep = np.full((height, width, 3), 255, np.uint8)
        for zone in self._zones:
            # Pixel centres lie at whole numbers: a corner at fraction 0 is half a pixel left of the first centre.
            corners = np.rint((zone * (width, height) - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
            cv2.fillPoly(keep, [corners], (0, 0, 0), shift=_SUBPIXEL_BITS)
        return keep
