"""The same face with lighter or darker skin: what a training has to look past.

Skin of any person takes about one line in log RGB, from little melanin to much: it absorbs blue most and red least
(Anderson & Parrish 1981, "The Optics of Human Skin"). A crop is moved along it where its colour is that of its cheeks;
eyes, teeth, hair and what lies behind keep theirs. What it makes is light and colour, not the features of a people.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LIGHTEST, DARKEST = (244.0, 213.0, 190.0), (62.0, 42.0, 33.0)  # RGB of skin in even light, the ends of the line
_LINE = np.log(np.array(LIGHTEST) / np.array(DARKEST))
_FARTHEST = (-0.45, 0.65)  # of the line in one move: lighter, noise is blown up; darker, nothing is left to see
_CHEEKS = ((0.3, 0.42, 0.45, 0.58), (0.55, 0.42, 0.7, 0.58))  # cheeks (x1, y1, x2, y2), in units of the crop's side
_NEAR = 0.22  # standard deviation of the colour's likeness, in log ratios
_DIM = (0.12, 0.35)  # of the cheeks' green: below is hair or a pupil, above is skin in shadow


def retone(crop: NDArray[np.float32], depth: float) -> NDArray[np.float32]:
    """The crop with skin of this depth, as far as one move goes.

    Args:
        crop: float32 (S, S, 3), RGB, 0-255, by the default crop rule.
        depth: 0 (`LIGHTEST`) to 1 (`DARKEST`) in even light.

    Returns:
        A new array of the same shape, 0-255.
    """
    size = crop.shape[0]
    logs = np.log(np.maximum(crop, 2.0))
    cheeks = np.concatenate(
        [
            logs[round(y1 * size) : round(y2 * size), round(x1 * size) : round(x2 * size)].reshape(-1, 3)
            for x1, y1, x2, y2 in _CHEEKS
        ]
    )
    skin = np.median(cheeks, axis=0)
    now = float(np.clip(np.dot(np.log(LIGHTEST) - skin, _LINE) / np.dot(_LINE, _LINE), 0, 1))
    move = float(np.clip(depth - now, *_FARTHEST))
    like = _likeness(logs, skin)
    moved: NDArray[Any] = crop * np.exp(-move * like[:, :, None] * _LINE.astype(np.float32))
    return np.asarray(np.clip(moved, 0, 255), np.float32)


def _likeness(logs: NDArray[np.float32], skin: NDArray[np.floating]) -> NDArray[np.float32]:
    """How far each pixel has the skin's colour in whatever light: float32 (S, S), 0-1."""
    red = logs[:, :, 0] - logs[:, :, 1] - np.float32(skin[0] - skin[1])
    blue = logs[:, :, 2] - logs[:, :, 1] - np.float32(skin[2] - skin[1])
    near = np.exp(-(red * red + blue * blue) / np.float32(2 * _NEAR**2))
    low, high = np.log(_DIM) + float(skin[1])
    bright = np.clip((logs[:, :, 1] - np.float32(low)) / np.float32(high - low), 0, 1)
    width = max(3, logs.shape[0] // 16 | 1)
    return np.asarray(cv2.blur(near * bright, (width, width)), np.float32)
