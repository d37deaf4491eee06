"""Visits: which tracks are one stay before the camera, by place and time alone.

A track that begins where a visit ended less than `reentry_s` ago continues that visit, so that one person whose
face was lost for a moment is not counted twice. Two faces in one frame are never one visit. Nothing here knows
what a face looks like, and nothing links visits beyond that rule: they are visits, not unique visitors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.clock import NS
from edge.values import Detection, Track

_NEAR = 2.0  # how far from its end a visit may go on, in face sizes
_ALIKE = 2.0  # and the largest ratio of face sizes


@dataclass(slots=True, kw_only=True, eq=False)
class Visit:
    """One stay. `number` ascends; `track_id` is the track that carries it now."""

    number: int
    track_id: int
    place: Detection
    seen_ns: int


class Visits:
    """Maps tracks to visits. Keeps the visits of the last `reentry_s` and the tracks that have not ended.

    Args:
        reentry_s: how long after its end a visit may go on, seconds.
    """

    def __init__(self, *, reentry_s: float) -> None:
        self._reentry_ns = round(reentry_s * NS)
        self._recent: dict[int, Visit] = {}  # by number; those that are in view or may go on
        self._by_track: dict[int, Visit] = {}
        self.begun = 0

    def observe(self, tracks: Sequence[Track], captured_ns: int) -> dict[int, Visit]:
        """Takes the tracks seen in a frame; returns the visit of each by track id, no visit twice."""
        oldest_ns = captured_ns - self._reentry_ns
        for number in [number for number, visit in self._recent.items() if visit.seen_ns < oldest_ns]:
            del self._recent[number]
        in_view = {track.id for track in tracks}
        found = {}
        for track in tracks:
            visit = self._by_track.get(track.id)
            if visit is None:
                visit = self._continued(track, captured_ns) or self._begin(track, captured_ns)
            elif visit.track_id != track.id and visit.track_id in in_view:
                visit = self._begin(track, captured_ns)  # two at once: these were never one
            self._by_track[track.id] = visit
            visit.track_id, visit.place, visit.seen_ns = track.id, track.detection, captured_ns
            found[track.id] = visit
        return found

    def forget(self, track_id: int) -> None:
        """A track ended. Its visit may still go on with another."""
        self._by_track.pop(track_id, None)

    def _begin(self, track: Track, captured_ns: int) -> Visit:
        self.begun += 1
        visit = Visit(number=self.begun, track_id=track.id, place=track.detection, seen_ns=captured_ns)
        self._recent[visit.number] = visit
        return visit

    def _continued(self, track: Track, captured_ns: int) -> Visit | None:
        """The nearest visit, out of view now, that this new track can be the rest of."""
        nearest, shortest = None, _NEAR
        size, (x, y) = max(track.detection.size_px, 1.0), track.detection.center_px
        for visit in self._recent.values():
            if visit.seen_ns >= captured_ns:
                continue
            other = max(visit.place.size_px, 1.0)
            distance = float(np.hypot(visit.place.center_px[0] - x, visit.place.center_px[1] - y)) / max(size, other)
            if distance <= shortest and max(size, other) / min(size, other) <= _ALIKE:
                nearest, shortest = visit, distance
        return nearest
