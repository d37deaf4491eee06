"""What people wear on or around their face: masks, glasses, hair, scarves, caps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.augment.occluder_brush import Canvas, Rgb, ellipse, smooth


def paint_mask(canvas: Canvas, style: str) -> None:
    """A mask over nose, mouth and chin about the nose's tip, with folds and ear loops; some let the nose look out."""
    rng, rgb = canvas.rng, canvas.rgb
    drop = 0.09 if rng.random() < 0.15 else 0.0
    wide, top, chin = rng.uniform(0.3, 0.36), rng.uniform(-0.11, -0.07) + drop, rng.uniform(0.31, 0.37)
    peak = 0.03 if style == "surgical" else 0.06
    right = [(0.07, top - peak * 0.6), (0.17, top + 0.035), (wide, top + 0.1), (wide - 0.03, 0.16), (0.17, chin - 0.05)]
    outline = smooth([(0, top - peak), *right, (0, chin), *((-x, y) for x, y in right[::-1])])
    loop = rgb * 0.3 + 165 if rng.random() < 0.8 else rgb * 0.5
    for side in (-1.0, 1.0):
        ear = (side * 0.52, -0.16)
        canvas.stroke(smooth([(side * wide, top + 0.1), (side * 0.42, -0.08), ear], closed=False), 0.012, loop)
        canvas.stroke(smooth([(side * (wide - 0.03), 0.16), (side * 0.43, 0.06), ear], closed=False), 0.012, loop)
    canvas.fill(outline, rgb)
    if style == "surgical":
        _pleats(canvas, wide, top)
    elif style == "ffp2":
        canvas.stroke([(0, top - peak), (0.012, 0.1), (0, chin)], 0.014, rgb * 0.78)
        canvas.stroke([(0.012, top), (0.024, 0.1), (0.012, chin - 0.02)], 0.01, rgb * 1.08)
    elif style == "pattern":
        _print(canvas, wide, top, chin)
    for _ in range(1 if style == "ffp2" else 3):
        side, y = float(rng.choice([-1.0, 1.0])), rng.uniform(0.0, 0.22)
        crease = [(side * (wide - 0.03), y), (side * 0.2, y + rng.uniform(-0.05, 0.03)), (side * 0.1, y + 0.01)]
        canvas.stroke(smooth(crease, closed=False), 0.012, rgb * 0.84)
    canvas.soften(0.014)
    canvas.stroke(outline, 0.008, rgb * 0.68, closed=True)
    canvas.soften(0.006)
    # Bulged by nose and chin: bright in the middle, dark towards the cheeks and under the chin.
    across = np.array([0.6, 0.9, 1.05, 0.92, 0.64]) + rng.uniform(-0.14, 0.14) * np.linspace(-1, 1, 5)
    canvas.lit(across * np.array([1.0, 1.0, 1.02, 0.9, 0.7])[:, None])
    canvas.grained(0.045 if style in ("cloth", "pattern") else 0.02)


def _pleats(canvas: Canvas, wide: float, top: float) -> None:
    rgb = canvas.rgb
    canvas.stroke([(-0.09, top + 0.02), (0, top), (0.09, top + 0.02)], 0.014, rgb * 0.92 + 8)
    for y in (0.05, 0.12, 0.19):
        sag = y + canvas.rng.uniform(-0.01, 0.01)
        fold = smooth([(-wide + 0.03, sag - 0.015), (0, sag + 0.03), (wide - 0.03, sag - 0.015)], closed=False)
        canvas.stroke(fold, 0.016, rgb * 0.78)
        canvas.stroke(fold - (0, 0.014), 0.01, rgb * 1.06 + 4)


def _print(canvas: Canvas, wide: float, top: float, chin: float) -> None:
    ink, step = canvas.rng.uniform(10, 245, 3), canvas.rng.uniform(0.06, 0.1)
    if canvas.rng.random() < 0.5:
        for y in np.arange(top + 0.12, chin - 0.06, step):
            half = wide - 0.07 - max(0.0, y - 0.12) * 0.6
            canvas.stroke(smooth([(-half, y - 0.02), (0, y + 0.02), (half, y - 0.02)], closed=False), step * 0.35, ink)
        return
    for y in np.arange(top + 0.06, chin - 0.04, step):
        half = wide - 0.06 - max(0.0, y - 0.12) * 0.7 - max(0.0, 0.04 - y) * 1.1
        for x in np.arange(-half, half, step):
            canvas.fill(ellipse(x, y, step * 0.25, step * 0.25), ink)


def _lenses(rng: np.random.Generator) -> tuple[list[NDArray[np.float64]], float]:
    """Both outlines about the eyes' middle, and how far a lens's inner edge is from the middle."""
    half_w, half_h, power = rng.uniform(0.115, 0.145), rng.uniform(0.08, 0.12), rng.uniform(2.0, 5.0)
    outline = ellipse(0, 0, half_w, half_h, power=power)
    # Wider above than below, as most lenses are.
    outline[:, 0] *= 1 - rng.uniform(0, 1.5) * np.maximum(outline[:, 1], 0)
    apart = rng.uniform(0.165, 0.18)
    return [outline * (side, 1) + (side * apart, 0.012) for side in (-1, 1)], apart - half_w


def _frame(canvas: Canvas, lenses: list[NDArray[np.float64]], inner: float, width: float, rgb: Rgb) -> None:
    colour = np.asarray(rgb, np.float64)
    for lens, side in zip(lenses, (-1, 1), strict=True):
        outer = lens[int(np.argmax(lens[:, 0] * side))]
        canvas.stroke([outer - (0, 0.02), np.add(outer, (side * 0.13, -0.03))], width * 1.1, colour * 0.9)
        canvas.stroke(lens, width, colour, closed=True)
        canvas.stroke(lens[13:22] - (0.002, 0.004), width * 0.3, colour * 0.6 + 80)
    bridge = smooth([(-inner - 0.005, -0.005), (0, -0.025), (inner + 0.005, -0.005)], closed=False)
    canvas.stroke(bridge, width * 1.2, colour)
    canvas.soften(0.006)


def _frame_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    if rng.random() < 0.6:
        return np.full(3, rng.uniform(10, 45))
    return np.array([(150, 120, 70), (150, 150, 155), (90, 50, 30), (140, 30, 40), (215, 215, 220)][rng.integers(5)])


def paint_sunglasses(canvas: Canvas, style: str) -> None:
    """Dark lenses, darker above, with a reflection; the eyes are all but gone."""
    del style
    rng = canvas.rng
    lenses, inner = _lenses(rng)
    tint = rng.uniform(6, 30) + rng.uniform(0, 25, 3)
    through, glare = rng.uniform(0.86, 1.0), rng.uniform(10, 100)
    slant = np.array([(-0.07, 0.05), (-0.02, -0.06), (0.015, -0.06), (-0.04, 0.05)]) * rng.uniform(0.6, 1.1)
    aside = (rng.uniform(-0.03, 0.04), 0)
    for lens in lenses:
        canvas.fill(lens, tint, through)
        canvas.fill(lens.mean(axis=0) + slant + aside, tint + glare, through)
    canvas.soften(0.03)
    canvas.lit([[0.8, 0.8], [0.95, 0.95], [1.25, 1.25], [1.5, 1.5], [1.5, 1.5]])
    _frame(canvas, lenses, inner, rng.uniform(0.01, 0.026), _frame_colour(rng))


def paint_glasses(canvas: Canvas, style: str) -> None:
    """A thin frame, a trace of tint and the reflection of a lamp or a window."""
    del style
    rng = canvas.rng
    lenses, inner = _lenses(rng)
    strength, lamp = rng.uniform(0.1, 1.0), rng.random() < 0.5
    aside = (rng.uniform(-0.05, 0.05), rng.uniform(-0.04, 0.02))
    pane = (
        ellipse(0, 0, 0.035, 0.02, power=4) if lamp else [(-0.03, 0.04), (0.015, -0.045), (0.05, -0.045), (0.0, 0.04)]
    )
    for lens in lenses:
        canvas.fill(lens, (225, 232, 240), 0.08 * strength)
        canvas.fill(lens.mean(axis=0) + aside + pane, (252, 253, 255), (0.85 if lamp else 0.5) * strength)
    canvas.soften(0.02)
    _frame(canvas, lenses, inner, rng.uniform(0.006, 0.018), _frame_colour(rng))


def paint_hair(canvas: Canvas, style: str) -> None:
    """Strands that fall from above over brow, eye and cheek of one side; about the eyes' middle."""
    del style
    rng, rgb = canvas.rng, canvas.rgb
    drop, spread = rng.uniform(0.15, 0.65), rng.uniform(0.16, 0.32)
    start, end, bow = rng.uniform(-0.1, 0.1), rng.uniform(0.14, 0.36), rng.uniform(-0.05, 0.12)
    count, down = 110, np.linspace(0, 1, 7)
    roots, tips = np.sort(rng.uniform(-0.5, 0.5, count)), rng.normal(0, 0.12, count)
    for n in rng.permutation(count):
        across = roots[n] * spread
        x = start + across + (end - start + across * 0.4 + tips[n] * 0.4) * down**1.4 + bow * np.sin(np.pi * down)
        y = -0.6 + (0.6 + drop + tips[n] * 0.5) * down * (1.0 if n % 4 else 0.75)
        colour = rgb * rng.uniform(0.7, 1.2)
        line = np.stack([x, y], axis=1)
        for piece, width in ((line[:4], 0.018), (line[3:6], 0.012), (line[5:], 0.006)):
            canvas.stroke(piece, width, colour)
    canvas.soften(0.008)
    canvas.lit(1 + rng.normal(0, 0.14, (5, 3)))
    canvas.grained(0.05)


def paint_scarf(canvas: Canvas, style: str) -> None:
    """A scarf drawn up over chin and mouth, knitted, in folds, with or without stripes; about the nose's tip."""
    del style
    rng, rgb = canvas.rng, canvas.rgb
    top, tilt = rng.uniform(-0.06, 0.06), rng.uniform(-0.08, 0.08)
    knots = np.linspace(-0.85, 0.85, 7)
    rim = smooth(
        np.stack([knots, top + tilt * knots - 0.12 * np.abs(knots) + rng.normal(0, 0.012, 7)], 1), closed=False
    )
    canvas.fill([*rim, (0.9, 1.2), (-0.9, 1.2)], rgb)
    stripes = rng.uniform(20, 235, 3) if rng.random() < 0.5 else None
    for n in range(1, 7):
        # A fold starts at one end and runs out on the other.
        part = slice(None) if n % 3 else slice(int(rng.integers(0, 15)), int(rng.integers(18, len(rim))))
        fold = (rim * (1, 1 + 0.1 * n) + (0, 0.075 * n) + np.stack([knots[:1] * 0, rng.normal(0, 0.02, 1)], 1))[part]
        if stripes is not None and n % 2:
            canvas.stroke(rim * (1, 1 + 0.1 * n) + (0, 0.075 * n + 0.035), 0.04, stripes)
        canvas.stroke(fold, rng.uniform(0.015, 0.05), rgb * rng.uniform(0.55, 0.8))
        canvas.stroke(fold - (0, 0.026), 0.016, rgb * 1.1 + 6)
    canvas.stroke(np.add(rim, (0, 0.014)), 0.024, rgb * 1.1 + 5)
    canvas.soften(0.04)
    canvas.clip([*(rim - (0, 0.01)), (0.9, 1.2), (-0.9, 1.2)])
    canvas.lit([[0.65, 0.95, 1.05, 0.95, 0.65]])
    pitch = int(rng.integers(16, 40))
    canvas.lit(1 + 0.09 * np.outer((-1.0) ** np.arange(pitch), np.ones(2)))
    canvas.grained(0.08)


def paint_cap(canvas: Canvas, style: str) -> None:
    """A cap's brim over the brow, and the shade it throws over the eyes; about the eyes' middle."""
    del style
    rng, rgb = canvas.rng, canvas.rgb
    low, half, dark = rng.uniform(-0.13, -0.04), rng.uniform(0.4, 0.5), rng.uniform(0.25, 0.75)
    curve = np.array([(-1.0, 0.02), (-0.5, -0.05), (0, -0.075), (0.5, -0.05), (1.0, 0.02)])
    rim = smooth(curve * (half, 1) + (0, low), closed=False)
    seam = smooth(curve * (half * 0.98, 1) + (0, low - 0.1), closed=False)
    shade = rim * (0.92, 1) + (0, rng.uniform(0.1, 0.24))
    canvas.fill([*shade, (half, -0.3), (-half, -0.3)], (0, 0, 0), dark)
    canvas.soften(rng.uniform(0.03, 0.12))
    canvas.fill([*(seam * (0.86, 1)), (half * 0.8, -0.6), (-half * 0.8, -0.6)], rgb * 0.9)
    canvas.fill([*rim, *seam[::-1]], rgb)
    canvas.stroke(rim - (0, 0.006), 0.018, rgb * 0.6)
    canvas.stroke(np.add(seam, (0, 0.012)), 0.008, rgb * 0.7)
    canvas.stroke(rim * (0.9, 1) - (0, 0.035), 0.006, rgb * 0.82)
    canvas.soften(0.01)
    canvas.lit([[0.8, 1.05, 0.8]])
    canvas.grained(0.03)
