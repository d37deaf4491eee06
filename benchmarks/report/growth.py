"""How cost grows with the faces in view: the straight line, and whether the largest load lies above it.

Cost is the processor's time a frame: a wait for other programs does not lengthen it, and all threads are in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.cli.bench.result import Load

_TOLERANCE = 1.05  # a load this little above the line is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A least-squares line through the processor times of all loads but the one with the most faces.

    Attributes:
        base_ms, face_ms: of the line: with nobody in view, and one face more.
        most: faces of the largest load.
        expected_ms, measured_ms: of it, by the line and as measured.
        steps: faces before, faces after, milliseconds a frame that one face more cost in between.
    """

    base_ms: float
    face_ms: float
    most: float
    expected_ms: float
    measured_ms: float
    steps: tuple[tuple[float, float, float], ...]

    @property
    def linear(self) -> bool:
        """Whether the largest load costs no more than the others lead one to expect."""
        return self.measured_ms <= _TOLERANCE * self.expected_ms


def processor_ms(load: Load) -> float:
    """Processor time a frame, milliseconds; capture is in it."""
    return 1000 * load.cpu_core / load.fps


def measure_growth(loads: Sequence[Load]) -> Growth | None:
    """The line; None of fewer than three loads with different numbers of faces.

    Args:
        loads: at one pace, by number of faces.
    """
    points = [(load.faces, processor_ms(load)) for load in loads if load.fps > 0]
    if len(points) < 3 or len({faces for faces, _ in points}) < len(points):
        return None
    faces, times = np.array(points).T
    face_ms, base_ms = np.polyfit(faces[:-1], times[:-1], 1)
    steps = zip(faces, faces[1:], np.diff(times) / np.diff(faces), strict=False)
    return Growth(
        base_ms=float(base_ms),
        face_ms=float(face_ms),
        most=float(faces[-1]),
        expected_ms=float(base_ms + face_ms * faces[-1]),
        measured_ms=float(times[-1]),
        steps=tuple((float(one), float(other), float(cost)) for one, other, cost in steps),
    )
