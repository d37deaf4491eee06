"""Skin tone of a face in a picture, by its individual typology angle.

ITA = arctan((L* − 50) / b*) · 180/π (Chardon et al. 1991), in the bins of Del Bino & Bernerd 2013. It is measured on
the picture: light, white balance and grading count as skin. So it orders pictures, and says nothing reliable of people.
Of a grey or blue-graded picture it would be near ±90 whatever the skin, since b* is near 0: such a picture has none.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.values import Float32Array, UInt8Array

BINS = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
DARKEST = "dark"
UNKNOWN = "unknown"
_PATCHES = ((-0.95, 0.55), (0.95, 0.55), (0.0, -0.75))  # cheeks and forehead: half eye distances across, eye–mouth down
_RADIUS = 0.22  # of a patch, in half eye distances
_LEAST_YELLOW, _LEAST_CHROMA = 3.0, 5.0  # b* and chroma of Lab below which a patch has no colour of skin
_FEWEST = 2  # patches with a colour, below which a picture has no angle
_APART = 25.0  # degrees from the median at which a patch is hair or a highlight, not skin


def skin_tone(pixels: UInt8Array, landmarks_px: Float32Array) -> float:
    """The typology angle in degrees, −90..90: the median of three patches, those far from it left out.

    Not a number where fewer than two patches have the colour of skin: the picture is grey, or graded towards blue.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        landmarks_px: float32 (5, 2) of the face, as in `Detection`.
    """
    right, left, _, *corners = landmarks_px
    mouth = (corners[0] + corners[1]) / 2
    eyes, across = (right + left) / 2, (left - right) / 2
    down = mouth - eyes
    radius = max(_RADIUS * float(np.hypot(*across)), 1.0)
    angles = [_angle(pixels, eyes + x * across + y * down, radius) for x, y in _PATCHES]
    known = np.array([angle for angle in angles if angle is not None])
    if known.size < _FEWEST:
        return float("nan")
    near = known[np.abs(known - np.median(known)) <= _APART]
    return float(np.median(near if near.size else known))


def tone_bin(angle: float) -> str:
    """The bin of an angle in degrees; `unknown` where there is none."""
    if math.isnan(angle):
        return UNKNOWN
    return next((name for low, name in BINS if angle > low), DARKEST)


def _angle(pixels: UInt8Array, center: Float32Array, radius: float) -> float | None:
    height, width = pixels.shape[:2]
    x1, y1 = (max(int(edge - radius), 0) for edge in center)
    x2, y2 = min(int(center[0] + radius) + 1, width), min(int(center[1] + radius) + 1, height)
    if x2 <= x1 or y2 <= y1:
        return None
    lab = cv2.cvtColor(pixels[y1:y2, x1:x2].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, red, yellow = (float(value) for value in np.median(lab.reshape(-1, 3), axis=0))
    if yellow < _LEAST_YELLOW or math.hypot(red, yellow) < _LEAST_CHROMA:
        return None
    return math.degrees(math.atan2(light - 50, yellow))
