"""How light the skin in a picture looks, as the individual typology angle of patches on cheeks and forehead.

ITA = arctan((L* − 50) / b*) in degrees (Chardon et al. 1991), in the six bins of Del Bino & Bernerd 2013. Made for
skin under a known lamp; a picture's light, exposure and grading count here as skin. It sorts faces of one set
roughly, for slices of an evaluation; it says nothing of a person's skin, and nothing of origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import LEFT_EAR, LEFT_EYE, MOUTH, RIGHT_EAR, RIGHT_EYE
from edge.types import Float32Array, UInt8Array

TONES = ("very light", "light", "intermediate", "tan", "brown", "dark")
_BOUNDS = (55.0, 41.0, 28.0, 10.0, -30.0)  # degrees; a tone lies above its bound, the last below all

# In units of the distance from the eyes' middle to the mouth. The forehead's patch lies above the brows and below
# most fringes; the cheeks' between the lower lid and the corner of the mouth, beside the nose.
_FOREHEAD = -0.62
_CHEEK_DOWN, _CHEEK_OUT = 0.58, 0.12
_RADIUS = 0.13
_FEWEST_PIXELS = 12  # of a patch inside the picture
_NEAR = 14.0  # CIE76 difference: hair, a highlight or a shadow's edge lies farther from the other patches
_LEAST_YELLOW = 2.0  # b*; skin has at least 5, a grey or blue-graded picture has no angle to speak of


class SkinTone(NamedTuple):
    """What the agreeing patches show.

    Attributes:
        ita_deg: individual typology angle, −90..90, light skin high.
        lightness: L*, 0–100.
        yellowness: b* of CIELAB.
        patches: that agree, 2 or 3.
    """

    ita_deg: float
    lightness: float
    yellowness: float
    patches: int

    @property
    def group(self) -> str:
        """The bin, one of `TONES`."""
        return tone_group(self.ita_deg)


def ita(lightness: float, yellowness: float) -> float:
    """Individual typology angle in degrees of L* and b*, both as CIELAB has them; b* must be positive.

    Raises:
        ValueError: b* is not positive; the angle would change its sign there.
    """
    if yellowness <= 0:
        raise ValueError(f"the typology angle needs a positive b*, not {yellowness:g}")
    return float(np.degrees(np.arctan((lightness - 50) / yellowness)))


def tone_group(ita_deg: float) -> str:
    """The bin of an angle in degrees; one that lies on a bound belongs to the darker bin."""
    return TONES[sum(ita_deg <= bound for bound in _BOUNDS)]


def measure_skin(pixels: UInt8Array, landmarks_px: Float32Array) -> SkinTone | None:
    """Measures cheeks and forehead.

    Args:
        pixels: uint8 (H, W, 3), RGB (sRGB).
        landmarks_px: float32 (6, 2), as in `Detection`.

    Returns:
        The tone, or None where fewer than two patches agree (hair, hard side light, a patch outside of the picture)
        or the picture has no colour.
    """
    seen = [patch for mask in _masks(pixels.shape[:2], landmarks_px) if (patch := _median_lab(pixels, mask)) is not None]
    agreeing = _agreeing(seen)
    if len(agreeing) < 2:
        return None
    lightness, _, yellowness = (float(value) for value in np.mean(agreeing, axis=0))
    if yellowness < _LEAST_YELLOW:
        return None
    return SkinTone(ita(lightness, yellowness), lightness, yellowness, len(agreeing))


def patch_centers(landmarks_px: Float32Array) -> tuple[NDArray[np.float64], float]:
    """Where the patches lie: float64 (3, 2) centres (x, y) of forehead, right and left cheek, and their radius.

    All in pixels. The cheeks move out towards the ears, hence hardly on the far side of a turned head.
    """
    points = landmarks_px.astype(np.float64)
    eyes = (points[RIGHT_EYE] + points[LEFT_EYE]) / 2
    down = points[MOUTH] - eyes
    centers = [eyes + _FOREHEAD * down]
    for eye, ear in ((RIGHT_EYE, RIGHT_EAR), (LEFT_EYE, LEFT_EAR)):
        outwards = points[ear] - points[eye]
        centers.append(points[eye] + _CHEEK_DOWN * down + _CHEEK_OUT * outwards)
    return np.stack(centers), _RADIUS * float(np.hypot(*down))


def _masks(shape: tuple[int, ...], landmarks_px: Float32Array) -> list[NDArray[np.bool_]]:
    """One mask (H, W) a patch."""
    centers, radius = patch_centers(landmarks_px)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return [(columns - x) ** 2 + (rows - y) ** 2 <= radius**2 for x, y in centers]


def _median_lab(pixels: UInt8Array, mask: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Median L*, a*, b* (3,) of the masked pixels, each channel by itself; None where they are too few."""
    inside = pixels[mask]
    if len(inside) < _FEWEST_PIXELS:
        return None
    # On floats in 0..1 OpenCV returns L* in 0..100 and unscaled a*, b*; on bytes it would stretch and round them.
    lab = cv2.cvtColor(inside[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return np.median(lab, axis=0).astype(np.float64)


def _agreeing(patches: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The largest set of patches that lie near one of them; of equally large ones the closest."""
    best: list[NDArray[np.float64]] = []
    spread = np.inf
    for center in patches:
        distances = [float(np.linalg.norm(patch - center)) for patch in patches]
        near = [patch for patch, distance in zip(patches, distances, strict=True) if distance <= _NEAR]
        width = sum(distance for distance in distances if distance <= _NEAR)
        if len(near) > len(best) or (len(near) == len(best) and width < spread):
            best, spread = near, width
    return best
