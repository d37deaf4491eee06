"""How the things that cover a face are painted; each about its own middle, in units of the crop's side (20 cm)."""

from __future__ import annotations

import numpy as np

from convert.augment.canvas import Canvas, Points, ellipse, smooth

# A hand about the middle of its knuckles, fingers up, thumb to the left: where each finger starts, its length, width.
_FINGERS = (((-0.132, 0.012), 0.34, 0.09), ((-0.046, -0.012), 0.385, 0.094), ((0.042, -0.002), 0.355, 0.088),
            ((0.124, 0.032), 0.275, 0.076))  # fmt: skip
_PALM = ((-0.17, 0.02), (-0.05, -0.035), (0.08, -0.015), (0.165, 0.06), (0.165, 0.24), (0.12, 0.42), (-0.11, 0.42),
         (-0.185, 0.27), (-0.195, 0.15))  # fmt: skip
_ARM = ((-0.11, 0.36), (0.12, 0.36), (0.14, 0.6), (0.2, 1.7), (-0.2, 1.7), (-0.13, 0.6))


def paint_hand(canvas: Canvas, style: str) -> None:
    """A hand with forearm or sleeve: `flat`, `spread`, `point` (one or two fingers out) or a `fist`."""
    rng, skin = canvas.rng, canvas.rgb
    lift = np.array((0, {"fist": -0.1, "point": 0.13}.get(style, 0.16)))
    canvas.fill(np.add(_ARM, lift), skin * 0.86 if rng.random() < 0.5 else rng.uniform(20, 240, 3))
    palm = smooth(np.add(_PALM, lift))
    canvas.fill(palm, skin * 0.74)
    middle = palm.mean(axis=0)
    for size, light in ((0.9, 0.86), (0.75, 0.94), (0.55, 1.0)):
        canvas.fill((palm - middle) * size + middle, skin * light)
    canvas.soften(0.05)
    shown = rng.uniform(0.86, 1.05, 4) if style in ("flat", "spread") else rng.uniform(0.3, 0.42, 4)
    if style == "point":
        shown[: int(rng.integers(1, 3))] = 1.0
    fan = (0.17 if style == "spread" else 0.03) + rng.uniform(0, 0.05)
    thumb_turn = rng.uniform(0.5, 0.9) if style == "fist" else -rng.uniform(0.15, 0.8)
    fingers = [(base, length * part, width, fan * (n - 1.4) + rng.normal(0, 0.03))
               for n, ((base, length, width), part) in enumerate(zip(_FINGERS, shown, strict=True))]  # fmt: skip
    thumb = ((-0.15, 0.2), 0.27, 0.1, thumb_turn)
    back = rng.random() < 0.75
    for base, length, width, turn in [*fingers, thumb] if style == "fist" else [thumb, *fingers]:
        _paint_finger(canvas, np.add(base, lift), length, width, turn, back=back)
    canvas.soften(0.02)


def _paint_finger(canvas: Canvas, base: Points, length: float, width: float, turn: float, *, back: bool) -> None:
    along, skin = np.array([np.sin(turn), -np.cos(turn)]), canvas.rgb
    line = np.asarray(base, np.float64) + np.outer((0, 0.45, 0.75, 1.0), along) * length
    aside = np.array([-0.13, -0.08]) * width  # where the light comes from
    canvas.stroke(line, width + 0.008, skin * (0.66, 0.6, 0.57))
    for share, light, step in ((1.0, 0.84, 0.0), (0.75, 0.93, 0.6), (0.4, 1.04, 1.2)):
        canvas.stroke(line + aside * step, width * share, skin * light)
    if back and length > 0.15:
        across = np.array([along[1], -along[0]])
        nail = line[3] + ellipse(0, 0, 0.28, 0.36) @ np.stack([across, along]) * width
        canvas.fill(nail, skin * 0.62 + (92, 78, 76))


def paint_mask(canvas: Canvas, style: str) -> None:
    """A mask over nose, mouth and chin about the nose's tip, with ear loops; some let the nose look out."""
    rng, rgb = canvas.rng, canvas.rgb
    drop = 0.09 if rng.random() < 0.15 else 0.0
    wide, top, chin = rng.uniform(0.3, 0.36), rng.uniform(-0.11, -0.07) + drop, rng.uniform(0.31, 0.37)
    peak = 0.03 if style == "surgical" else 0.06
    right = [(0.07, top - peak * 0.6), (0.17, top + 0.035), (wide, top + 0.1), (wide - 0.03, 0.16), (0.17, chin - 0.05)]
    outline = smooth([(0, top - peak), *right, (0, chin), *((-x, y) for x, y in right[::-1])])
    for side in (-1.0, 1.0):
        for y, ear in ((top + 0.1, -0.16), (0.16, -0.1)):
            canvas.stroke([(side * (wide - 0.02), y), (side * 0.52, ear)], 0.012, rgb * 0.3 + 165)
    canvas.fill(outline, rgb * 0.72)
    for size, light in ((0.94, 0.86), (0.8, 0.96), (0.55, 1.04)):  # bulged by nose and chin
        canvas.fill(outline * size + (0, 0.02 * (1 - size)), rgb * light)
    canvas.soften(0.08)
    if style == "surgical":
        for y in (0.05, 0.12, 0.19):
            fold = [(-wide + 0.03, y - 0.015), (0, y + 0.03), (wide - 0.03, y - 0.015)]
            canvas.stroke(smooth(fold, closed=False), 0.014, rgb * 0.78)
    elif style == "ffp2":
        canvas.stroke([(0, top - peak), (0.012, 0.1), (0, chin)], 0.014, rgb * 0.78)
    canvas.stroke(outline, 0.008, rgb * 0.66, closed=True)
    canvas.soften(0.006)


def paint_glasses(canvas: Canvas, style: str) -> None:
    """`clear` glasses with the reflection of a lamp or window, or `dark` ones that all but hide the eyes."""
    rng = canvas.rng
    half_w, half_h, apart = rng.uniform(0.115, 0.145), rng.uniform(0.08, 0.12), rng.uniform(0.165, 0.18)
    outline = ellipse(0, 0, half_w, half_h, rng.uniform(2.0, 5.0))
    outline[:, 0] *= 1 - rng.uniform(0, 1.5) * np.maximum(outline[:, 1], 0)  # wider above than below, as most are
    tint, strength = rng.uniform(6, 30) + rng.uniform(0, 25, 3), rng.uniform(0.1, 0.9)
    pane = np.array([(-0.05, 0.05), (0.0, -0.06), (0.04, -0.06), (-0.01, 0.05)]) * rng.uniform(0.5, 1.1)
    frame = rng.uniform(10, 45, 3) if rng.random() < 0.6 else rng.uniform(60, 215, 3)
    width, aside = rng.uniform(0.007, 0.024), (rng.uniform(-0.04, 0.04), 0)
    lenses = [outline * (side, 1) + (side * apart, 0.012) for side in (-1, 1)]
    for lens in lenses:
        canvas.fill(lens, tint if style == "dark" else (225, 232, 240), 0.94 if style == "dark" else 0.08 * strength)
        glare = tint + rng.uniform(10, 100) if style == "dark" else np.array((252, 253, 255))
        canvas.fill(lens.mean(axis=0) + pane + aside, glare, 0.94 if style == "dark" else 0.6 * strength)
    canvas.soften(0.02)
    inner = apart - half_w + 0.005
    canvas.stroke(smooth([(-inner, -0.005), (0, -0.025), (inner, -0.005)], closed=False), width * 1.2, frame)
    for lens, side in zip(lenses, (-1, 1), strict=True):
        canvas.stroke(lens, width, frame, closed=True)
        canvas.stroke([(side * (apart + half_w), -0.01), (side * (apart + half_w + 0.13), -0.04)], width, frame * 0.9)
    canvas.soften(0.006)


def paint_hair(canvas: Canvas, style: str) -> None:
    """Strands that fall from above over brow, eye and cheek of one side; about the eyes' middle."""
    del style
    rng, rgb = canvas.rng, canvas.rgb
    drop, spread = rng.uniform(0.15, 0.65), rng.uniform(0.16, 0.32)
    start, end, bow = rng.uniform(-0.1, 0.1), rng.uniform(0.14, 0.36), rng.uniform(-0.05, 0.12)
    down = np.linspace(0, 1, 7)
    for n, (root, tip) in enumerate(zip(rng.uniform(-0.5, 0.5, 110), rng.normal(0, 0.12, 110), strict=True)):
        x = start + root * spread + (end - start + root * spread * 0.4 + tip * 0.4) * down**1.4
        y = -0.6 + (0.6 + drop + tip * 0.5) * down * (1.0 if n % 4 else 0.75)
        canvas.stroke(np.stack([x + bow * np.sin(np.pi * down), y], axis=1), rng.uniform(0.006, 0.02),
                      rgb * rng.uniform(0.7, 1.2))  # fmt: skip
    canvas.soften(0.006)


def paint_held(canvas: Canvas, style: str) -> None:
    """A `cup` or a `phone` with its camera, and the fingers that hold it."""
    rng = canvas.rng
    rgb, skin = rng.uniform(15, 235) + rng.normal(0, 30, 3), rng.uniform(0.3, 1.0) * np.array([240.0, 196, 165])
    w, h = (0.2, 0.24) if style == "cup" else (0.19, 0.39)
    body = ellipse(0, 0, w, h, 9.0)
    if style == "cup":  # narrower below, with a handle and a rim
        body[:, 0] *= 1 - 0.35 * (body[:, 1] + h) / (2 * h)
        canvas.stroke(ellipse(w, 0, 0.09, 0.12), 0.035, rgb * 0.85, closed=True)
    for part, light in ((body * 1.02, 0.6), (body * 0.96, 1.0), (body * (0.3, 0.95) - (0.35 * w, 0), 1.15)):
        canvas.fill(part, rgb * light)
    canvas.soften(0.05)
    if style == "cup":
        canvas.fill(ellipse(0, -h, w, 0.045), rgb * 1.1 + 12)
        canvas.fill(ellipse(0, -h, w * 0.88, 0.032), (60, 40, 30))
    else:
        canvas.fill(ellipse(-w * 0.5, -h * 0.74, 0.07, 0.07, 6.0), rgb * 0.65)
        for x, y in ((-0.03, -0.03), (0.03, 0.0), (-0.03, 0.035)):
            canvas.fill(ellipse(x - w * 0.5, y - h * 0.74, 0.022, 0.022), (12, 12, 16))
    canvas.rgb = skin
    for n in range(int(rng.integers(2, 5))):
        _paint_finger(canvas, np.array((0.8, 0.13 + 0.088 * n)), 0.68, 0.084, -1.62, back=True)
    canvas.soften(0.012)


def paint_patch(canvas: Canvas, style: str) -> None:
    """A plain patch: whatever thing it is."""
    del style
    w, h = canvas.rng.uniform((0.15, 0.1), (0.4, 0.24))
    canvas.fill([(-w, -h), (w, -h), (w, h), (-w, h)], canvas.rgb)
