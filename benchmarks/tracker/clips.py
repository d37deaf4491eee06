"""Clips of which it is known who is who, and the drawn scene through the device's own detector.

`labels/CLIP.csv` holds numbers only: every face that YuNet found in the whole picture of a clip with a score of 0.5 or
more, and whose it is, decided by looking: frame, seconds, person (0: nobody), left, top, width, height, score.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.tracker.crowd import STEP_S, Seen
from benchmarks.tracker.judge import Box
from convert.errors import DataError
from edge.clock import NS, grid_step
from edge.face.detector import Detector

LABELS = Path(__file__).with_name("labels")
_LEAST_SCORE = 0.6  # of a face that the device's detector would give
_DRAWN_S = 60
_COLUMNS = "frame,at_s,person,x,y,w,h,score"


class Label(NamedTuple):
    """One labelled face."""

    at_s: float
    person: int
    box: Box
    score: float


def read_labels(path: Path) -> dict[int, list[Label]]:
    """The labels of a clip, by frame.

    Raises:
        DataError: the file cannot be read; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    found: dict[int, list[Label]] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            frame, at_s, person, x, y, width, height, score = (float(value) for value in line.split(","))
        except ValueError as error:
            raise DataError(f"{path}: line {number} is not `{_COLUMNS}`") from error
        label = Label(at_s, int(person), (x, y, x + width, y + height), score)
        found.setdefault(int(frame), []).append(label)
    return found


def label_frames(labels: dict[int, list[Label]]) -> list[Seen]:
    """The labels as detections, with the truth beside them: in one frame of each step of the device's time grid."""
    period_s = max(labels[max(labels)][0].at_s / max(max(labels), 1), 1e-3)
    frames, last = [], -1
    for number in range(max(labels) + 1):
        step = grid_step(round(number * period_s * NS), round(STEP_S * NS))
        if step == last:
            continue
        last = step
        here = [label for label in labels.get(number, []) if label.score >= _LEAST_SCORE]
        truth = {label.person: label.box for label in here if label.person}
        frames.append(Seen(number * period_s, truth, [label.box for label in here], [label.score for label in here]))
    return frames


def detect_drawn(detector: Detector) -> list[Seen]:
    """What it finds in the drawn scene of the demonstration, in which three people stay and one leaves and returns."""
    from edge.demo.scene import Scene

    scene, frames = Scene(640, 480), list[Seen]()
    for step in range(round(_DRAWN_S / STEP_S)):
        truth = {face.actor + 1: face.box_px for face in scene.truth(step * STEP_S) if face.visible}
        found = detector.detect(scene.draw(step * STEP_S))
        frames.append(Seen(step * STEP_S, truth, [face.box_px for face in found], [face.score for face in found]))
    return frames
