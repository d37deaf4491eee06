"""`python play.py`, with a checkout as the current folder: its tracker and visits follow detections.

Reads a pickle from stdin: a list of scenes, each a list of (time in seconds, boxes, scores). Writes a pickle to stdout:
for each scene the tracks and the visits of each frame, boxes by id, and the microseconds that a frame took, as the
median. Imports nothing of `benchmarks`, since another checkout has its own.
"""

from __future__ import annotations

import inspect
import pickle
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

Box = tuple[float, float, float, float]
Frame = tuple[float, Sequence[Box], Sequence[float]]
REENTRY_S = 10.0


class Played(NamedTuple):
    """One scene: boxes by track and by visit, frame by frame, and microseconds a frame."""

    tracks: list[dict[int, Box]]
    visits: list[dict[int, Box]]
    spent_us: list[float]


def play(frames: Sequence[Frame], frame_px: tuple[int, int] = (640, 480)) -> Played:
    """Follows the detections of one scene."""
    from edge.affect.visits import Visits
    from edge.face.tracker import Tracker, seen
    from edge.values import Detection

    tracker, visits, living = Tracker(), Visits(reentry_s=REENTRY_S), set[int]()
    observe: Any = visits.observe
    if "frame_px" in inspect.signature(observe).parameters:  # not in an older checkout
        observe = partial(observe, frame_px=frame_px)
    nowhere = np.zeros((5, 2), np.float32)
    played = Played([], [], [])
    for at_s, boxes, scores in frames:
        found = [
            Detection(box_px=box, score=score, landmarks_px=nowhere) for box, score in zip(boxes, scores, strict=True)
        ]
        begun_ns = time.perf_counter_ns()
        tracks = tracker.update(found, round(at_s * 1e9))
        spent_ns = time.perf_counter_ns() - begun_ns
        ids = {track.id for track in tracks}
        for ended in living - ids:
            visits.forget(ended)
        living = ids
        here = seen(tracks)
        begun_ns = time.perf_counter_ns()
        numbers = observe(here, round(at_s * 1e9))
        spent_ns += time.perf_counter_ns() - begun_ns
        played.tracks.append({track.id: track.detection.box_px for track in here})
        played.visits.append({numbers[track.id].number: track.detection.box_px for track in here})
        played.spent_us.append(spent_ns / 1e3)
    return played


def main() -> None:
    """Plays what comes on stdin."""
    answer = [tuple(play(frames, frame_px)) for frames, frame_px in pickle.load(sys.stdin.buffer)]  # noqa: S301 - from our own parent
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    sys.path[0] = "."  # the checkout, not the folder of this file
    main()
