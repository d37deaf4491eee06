"""What the studio made, for a person to look at: a contact sheet, and an act as a clip with its truth beside it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from convert.errors import DataError
from convert.studio.acts import Act
from convert.studio.stills import LOOSE_PX
from edge.values import Float32Array, UInt8Array

_CELL, _COLUMNS = 150, 10


def write_sheet(path: Path, loose: Sequence[UInt8Array], va: Float32Array) -> None:
    """Writes loose pictures of made faces as a PNG, each with the valence and arousal (N, 2) it is labelled with."""
    cells = [_caption(face, f"{v:+.2f} {a:+.2f}") for face, (v, a) in zip(loose, va, strict=True)]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % _COLUMNS)
    rows = [np.concatenate(cells[at : at + _COLUMNS], axis=1) for at in range(0, len(cells), _COLUMNS)]
    if not cv2.imwrite(str(path), np.concatenate(rows)[:, :, ::-1]):
        raise DataError(f"{path}: cannot be written; is its folder there?")


def write_clip(path: Path, act: Act, va: Float32Array, step_s: float) -> None:
    """Writes an act as a video at the grid's rate, a bar for each truth, and `<path>.csv` with the truth by step."""
    size = (LOOSE_PX, LOOSE_PX + 24)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1 / step_s, size)
    if not video.isOpened():
        raise DataError(f"{path}: cannot be written; is its folder there?")
    for step, (valence, arousal) in enumerate(va):
        picture = act.picture(step)
        pixels = np.full((LOOSE_PX, LOOSE_PX, 3), 60, np.uint8) if picture is None else picture
        video.write(np.concatenate([pixels, _bars(float(valence), float(arousal))])[:, :, ::-1])
    video.release()
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", "valence", "arousal"])
        writer.writerows([f"{step * step_s:.1f}", f"{v:.3f}", f"{a:.3f}"] for step, (v, a) in enumerate(va))


def _caption(pixels: UInt8Array, text: str) -> UInt8Array:
    cell = np.asarray(cv2.resize(pixels, (_CELL, _CELL), interpolation=cv2.INTER_AREA), np.uint8)
    bar = np.full((18, _CELL, 3), 255, np.uint8)
    cv2.putText(bar, text, (6, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([cell, bar])


def _bars(valence: float, arousal: float) -> UInt8Array:
    strip = np.full((24, LOOSE_PX, 3), 255, np.uint8)
    middle = LOOSE_PX // 2
    for row, value, colour in ((0, valence, (40, 140, 60)), (12, arousal, (190, 90, 20))):
        end = middle + round(value * (middle - 2))
        cv2.rectangle(strip, (min(middle, end), row + 2), (max(middle, end), row + 9), colour, -1)
    cv2.line(strip, (middle, 0), (middle, 23), (0, 0, 0), 1)
    return strip
