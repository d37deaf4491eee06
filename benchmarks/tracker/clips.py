"""Clips of which it is known who is who, and the drawn scene through the device's own detector.

`labels/CLIP.csv` holds numbers only: every face that YuNet found in the whole picture of a clip with a score of 0.5 or
more, and whose it is, decided by looking: frame, seconds, person (0: nobody), left, top, width, height, score.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.tracker.crowd import STEP_S, Seen
from benchmarks.tracker.judge import Box
from convert.errors import DataError
from edge.clock import NS, grid_step
from edge.face.detector import Detector
from edge.values import Frame

LABELS = Path(__file__).with_name("labels")
_LEAST_SCORE = 0.6  # of a face that the device's detector would give
_DRAWN_S = 60


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
    found: dict[int, list[Label]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), 2):
                x, y, width, height = (float(row[name]) for name in ("x", "y", "w", "h"))
                label = Label(
                    float(row["at_s"]), int(row["person"]), (x, y, x + width, y + height), float(row["score"])
                )
                found.setdefault(int(row["frame"]), []).append(label)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: line {line} is no label ({error}); see benchmarks/tracker/clips.py") from error
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


def detect_clip(clip: Path, labels: dict[int, list[Label]], detector: Detector) -> list[Seen]:
    """What the device's detector finds in a clip, in one frame of each step, with the labels as the truth.

    Raises:
        CameraError: the clip cannot be read.
    """
    frames = []
    for frame in _play(clip):
        truth = {label.person: label.box for label in labels.get(frame.index, []) if label.person}
        frames.append(_seen(frame.captured_ns / NS, truth, frame.pixels, detector))
    return frames


def detect_drawn(detector: Detector) -> list[Seen]:
    """What it finds in the drawn scene of the demonstration, in which three people come and go."""
    from edge.demo.scene import Scene

    scene, frames = Scene(640, 480), []
    for step in range(round(_DRAWN_S / STEP_S)):
        truth = {face.actor + 1: face.box_px for face in scene.truth(step * STEP_S) if face.visible}
        frames.append(_seen(step * STEP_S, truth, scene.draw(step * STEP_S), detector))
    return frames


def _seen(at_s: float, truth: dict[int, Box], pixels: np.ndarray, detector: Detector) -> Seen:
    found = detector.detect(pixels)
    return Seen(at_s, truth, [face.box_px for face in found], [face.score for face in found])


def _play(clip: Path) -> Iterator[Frame]:
    from edge.camera import open_camera
    from edge.clock import FileClock
    from edge.config import CameraConfig, Config

    config = Config(camera=CameraConfig(backend="replay", path=str(clip), pace="fast"))
    last = -1
    with open_camera(config, FileClock()) as camera:
        for frame in camera:
            if isinstance(frame, Frame) and (step := grid_step(frame.captured_ns, round(STEP_S * NS))) != last:
                last = step
                yield frame
