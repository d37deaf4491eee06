"""What people hold before their face: a hand, a phone, a box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convert.augment.occluder_brush import Canvas, Points, ellipse, smooth

# The crop is about 20 cm wide. In units of its side, about the middle of the knuckles, fingers up, thumb to the left:
# where each finger starts, how long it is, half its width. Index to little finger.
_BASES = np.array([(-0.132, 0.012), (-0.046, -0.012), (0.042, -0.002), (0.124, 0.032)])
_LENGTHS = np.array([0.34, 0.385, 0.355, 0.275])
_RADII = np.array([0.045, 0.047, 0.044, 0.038])
_PALM = ((-0.17, 0.02), (-0.05, -0.035), (0.08, -0.015), (0.165, 0.06), (0.165, 0.24), (0.12, 0.42), (-0.11, 0.42))
_WRIST = ((-0.11, 0.36), (0.12, 0.36), (0.135, 0.6), (0.17, 1.7), (-0.17, 1.7), (-0.12, 0.6))
_THUMB_SIDE = ((-0.195, 0.15), (-0.185, 0.27))
_LIT = np.array([-0.25, -0.15])


def paint_hand(canvas: Canvas, style: str) -> None:
    """A hand: forearm, palm, thumb, four fingers with nails or creases; what covers most lies about the middle."""
    rng, skin = canvas.rng, canvas.rgb
    lift = {"fist": -0.1, "point": 0.13}.get(style, 0.16)
    back = rng.random() < 0.75

    def put(points: Points) -> NDArray[np.float64]:
        return np.asarray(np.add(points, (0, lift)), np.float64)

    palm, wrist = put(smooth([*_PALM, *_THUMB_SIDE[::-1]])), put(_WRIST)
    middle = palm.mean(axis=0)
    canvas.fill((palm - middle) * 1.2 + middle, skin * 0.72)
    canvas.fill(put([(-0.22, 0.36), (0.24, 0.36), (0.34, 1.7), (-0.34, 1.7)]), skin * 0.7)
    canvas.fill(put([(-0.07, 0.3), (0.08, 0.3), (0.09, 1.7), (-0.09, 1.7)]), skin * 0.95)
    canvas.fill((palm - middle) * 0.74 + middle, skin * 0.98)
    canvas.soften(0.13)
    canvas.clip(palm, wrist)
    if rng.random() < 0.5:
        _paint_sleeve(canvas, put)
    bends = _bends(style, rng)
    fan = (0.17 if style == "spread" else 0.03) + rng.uniform(0, 0.05)
    thumb_turn = rng.uniform(0.5, 0.9) if style == "fist" else -rng.uniform(0.15, 0.8)
    fingers = [
        (_finger(_BASES[n], _LENGTHS[n], fan * (n - 1.4) + rng.normal(0, 0.025), rng.normal(0, 0.05), bends[n]), radius)
        for n, radius in enumerate(_RADII.tolist())
    ]
    thumb = (_finger((-0.15, 0.2), 0.27, thumb_turn, 0.12, 1.0), 0.05)
    ordered = fingers if rng.random() < 0.5 else fingers[::-1]
    # The thumb of a fist lies over the fingers; otherwise it comes from under the palm.
    for line, radius in [*ordered, thumb] if style == "fist" else [thumb, *ordered]:
        _paint_finger(canvas, put(line), radius, back=back)
    if back:
        for x, y in _BASES:
            canvas.stroke(put([(x - 0.018, y + 0.035), (x + 0.018, y + 0.035)]), 0.006, skin * 0.84)
    canvas.soften(0.02)
    canvas.sloped(rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.35))
    canvas.grained(0.025)
    canvas.grained(0.03, coarse=9.0)


def _paint_sleeve(canvas: Canvas, put: Callable[[Points], NDArray[np.float64]]) -> None:
    # Near the skin's brightness: the sleeve takes the skin's tone on as the rest of the hand does.
    cloth = canvas.rng.uniform(20, 240, 3)
    cuff = [(-0.165, 0.56), (0.175, 0.54), (0.26, 1.8), (-0.26, 1.8)]
    canvas.fill(put(cuff), cloth)
    canvas.stroke(put(cuff[:2]), 0.02, cloth * 0.75)
    for _ in range(4):
        x, y = canvas.rng.uniform(-0.15, 0.15), canvas.rng.uniform(0.6, 1.0)
        canvas.stroke(put([(x, y), (x + canvas.rng.uniform(-0.06, 0.06), y + 0.12)]), 0.02, cloth * 0.8)


def _bends(style: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much of its length each finger shows; a bent one is foreshortened."""
    if style == "fist":
        return np.asarray(rng.uniform(0.3, 0.38, 4))
    if style == "point":
        bends = rng.uniform(0.32, 0.42, 4)
        bends[: int(rng.integers(1, 3))] = rng.uniform(0.9, 1.05)
        return np.asarray(bends)
    return np.asarray(rng.uniform(0.86, 1.05) * rng.uniform(0.95, 1.03, 4))


def _finger(base: object, length: float, turn: float, bow: float, bend: float) -> NDArray[np.float64]:
    """The middle line (4, 2) of a finger: base, two joints, tip; `turn` and `bow` in radians to the right."""
    turns = turn + bow * np.array([0, 0.7, 1.4])
    steps = length * bend * np.array([0.44, 0.31, 0.25])[:, None] * np.stack([np.sin(turns), -np.cos(turns)], axis=1)
    return np.concatenate([[base], np.asarray(base) + np.cumsum(steps, axis=0)])


def _paint_finger(canvas: Canvas, line: NDArray[np.float64], radius: float, *, back: bool) -> None:
    skin = canvas.rgb
    toward = _LIT * radius
    canvas.stroke(line, 2 * radius + 0.008, skin * (0.66, 0.6, 0.57))
    for width, colour, step in ((2.0, 0.83, 0.0), (1.6, 0.91, 0.5), (1.15, 0.98, 0.9), (0.6, 1.05, 1.3)):
        inner = line + toward * step
        canvas.stroke(inner[:3], radius * width, skin * colour)
        canvas.stroke(inner[2:], radius * width * 0.9, skin * colour)
    ahead = line[3] - line[2]
    length = float(np.hypot(*ahead))
    ahead = ahead / max(length, 1e-6)
    across = np.array([-ahead[1], ahead[0]]) * radius
    for joint in line[1:3]:
        canvas.stroke([joint - across * 0.5, joint + across * 0.5], 0.005, skin * 0.82)
    if back and length > 0.05:
        nail = line[3] + ahead * radius * 0.15 + ellipse(0, 0, 0.55, 0.7) @ np.stack([across, ahead * radius])
        canvas.fill(nail, skin * 0.62 + (92, 78, 76))


def paint_phone(canvas: Canvas, style: str) -> None:
    """The back of a phone with its camera, held by two to four fingers."""
    del style
    rng, rgb = canvas.rng, canvas.rgb
    half_w, half_h = 0.19, 0.39
    body = ellipse(0, 0, half_w, half_h, power=9)
    canvas.fill(body * 1.02, rgb * 0.5)
    canvas.fill(body * (0.95, 0.975), rgb)
    gloss = np.array([(-0.93, -0.5), (0.93, -0.9), (0.93, -0.5), (-0.93, 0.1)]) * (half_w, half_h)
    canvas.fill(gloss, rgb * rng.uniform(0.9, 1.3) + 14)
    canvas.soften(0.03)
    corner = np.array([-half_w * 0.5, -half_h * 0.74])
    canvas.fill(ellipse(0, 0, 0.07, 0.07, power=6) + corner, rgb * 0.65)
    for x, y in ((-0.03, -0.03), (0.03, 0.0), (-0.03, 0.035)):
        canvas.fill(ellipse(x, y, 0.022, 0.022) + corner, (12, 12, 16))
        canvas.fill(ellipse(x - 0.006, y - 0.006, 0.007, 0.007) + corner, (120, 130, 160))
    canvas.rgb = np.asarray(rng.uniform(0.35, 1.0) * np.array([240.0, 196, 165]))
    for n in range(int(rng.integers(2, 5))):
        y = 0.06 + 0.088 * n
        reach = [(0.8, y + 0.06), (0.26, y + 0.02), (0.17, y), (0.1, y - 0.008)]
        _paint_finger(canvas, np.array(reach), 0.042, back=True)
    canvas.soften(0.015)
    canvas.sloped(rng.uniform(0, 2 * np.pi), 0.2)
    canvas.grained(0.015)


def paint_box(canvas: Canvas, style: str) -> None:
    """A packet: two sides in different light, a printed label."""
    del style
    rng = canvas.rng
    w, h, d = rng.uniform(0.16, 0.3), rng.uniform(0.16, 0.3), rng.uniform(0.04, 0.12)
    front = np.array([(-w, -h), (w, -h), (w, h), (-w, h)])
    canvas.fill(front, canvas.rgb)
    canvas.fill([(-w, -h), (w, -h), (w - d * 0.5, -h - d), (-w + d * 0.5, -h - d)], canvas.rgb * 1.18 + 8)
    label, ink = rng.uniform(30, 240, 3), rng.uniform(10, 90, 3)
    canvas.fill(front * (0.75, 0.6), label)
    for n in range(int(rng.integers(2, 5))):
        y = h * (-0.4 + 0.25 * n)
        canvas.stroke([(-0.6 * w, y), (w * rng.uniform(0, 0.6), y)], 0.018, ink)
    canvas.soften(0.01)
    canvas.sloped(rng.uniform(0, 2 * np.pi), 0.25)
    canvas.grained(0.03)
