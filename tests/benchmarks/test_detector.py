"""The measurement of the search: what it counts, on drawn faces and a reference that is told what to say."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detector.measure import measure
from benchmarks.detector.record import gather
from edge.cli.bench.crowd import draw_crowd
from edge.config import FaceConfig
from edge.face.search import Search


class Told:
    """A reference that sees what the search sees in the first picture, and one face elsewhere."""

    def __init__(self, picture: np.ndarray, more: bool) -> None:
        rows = [
            [*face.box_px[:2], face.size_px, face.size_px, *(face.landmarks_px + 0.5).ravel(), 0.9]
            for face in Search().find(picture).detections
        ]
        elsewhere = [[5, 5, 40, 40, *np.tile([25, 25], 5), 0.9]] if more else []
        self._rows = np.array(rows + elsewhere, np.float32)

    def find(self, pixels: np.ndarray) -> np.ndarray:
        return self._rows


def test_faces_found_missed_and_false_are_counted() -> None:
    picture = draw_crowd(2)[0]
    reference: Any = Told(picture, more=True)
    found = measure([picture] * 6, reference, FaceConfig())
    assert (found.steps, found.clear, found.detected, found.false) == (6, 18, 12, 0)
    assert found.tracked == 10  # a new face waits for its second sighting
    nothing: Any = Told(np.full((480, 640, 3), 90, np.uint8), more=True)
    assert measure([picture] * 6, nothing, FaceConfig()).false == 10
    (scene, clips, hall) = gather({"a": found}, found, load_before=0.0, device_name="x").scenes
    assert (scene.name, clips.name, hall.name) == ("a", "clips", "hall")
    assert scene.found == 12 / 18
    assert scene.crop_off[0] < 0.1
