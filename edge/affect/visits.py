"""Visits: which tracks are one stay before the camera, by place, size, motion and time alone.

A track that begins where a visit that ended less than `reentry_s` ago is expected now continues that visit, so that one
person whose face was lost for a moment is not counted twice: who stood is expected in the same place, who walked
farther on. Two faces in one frame are never one visit. Nothing here knows what a face looks like, and nothing links
visits beyond that rule: they are visits, not unique visitors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.clock import NS
from edge.values import Detection, Track

_SPEED_S = 0.5  # over which a face's speed is measured
_WALKS = 1.5  # face sizes a second; slower ones stand
_NEAR, _WANDER = 1.0, 0.1  # how far from the expected place a visit may go on, face sizes; and more each second
_UNEVEN = 0.35  # and more along the way, share of the way
_ALIKE, _GROW = 0.3, 0.05  # the largest difference of the logarithm of face sizes; and more each second


@dataclass(slots=True, kw_only=True, eq=False)
class Visit:
    """One stay. `number` ascends; `track_id` is the track that carries it now."""

    number: int
    track_id: int
    place: Detection
    seen_ns: int
    speed: tuple[float, float] = (0.0, 0.0)  # smoothed, pixels a second

    def go(self, track: Track, now_ns: int) -> None:
        """Takes the next sighting."""
        elapsed_s = (now_ns - self.seen_ns) / NS
        if track.id == self.track_id and elapsed_s > 0:
            gain = 1 - math.exp(-elapsed_s / _SPEED_S)
            (x, y), (old_x, old_y), (vx, vy) = track.detection.center_px, self.place.center_px, self.speed
            self.speed = vx + gain * ((x - old_x) / elapsed_s - vx), vy + gain * ((y - old_y) / elapsed_s - vy)
        self.track_id, self.place, self.seen_ns = track.id, track.detection, now_ns

    def distance(self, place: Detection, now_ns: int) -> float:
        """How far a place is from where this visit may go on, 1 at the border of that."""
        elapsed_s = (now_ns - self.seen_ns) / NS
        size, other = max(self.place.size_px, 1.0), max(place.size_px, 1.0)
        if abs(math.log(other / size)) > _ALIKE + _GROW * elapsed_s:
            return math.inf
        (x, y), (old_x, old_y), (vx, vy) = place.center_px, self.place.center_px, self.speed
        off_x, off_y = x - old_x, y - old_y
        near, speed = (_NEAR + _WANDER * elapsed_s) * max(size, other), math.hypot(vx, vy)
        if speed < _WALKS * size:
            return math.hypot(off_x, off_y) / near
        along, across = (off_x * vx + off_y * vy) / speed, (off_y * vx - off_x * vy) / speed
        way = speed * elapsed_s
        return math.hypot((along - way) / (near + _UNEVEN * way), across / near)


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
            if visit is not None and (visit.track_id == track.id or visit.track_id not in in_view):
                visit.go(track, captured_ns)
                found[track.id] = visit
        new = [track for track in tracks if track.id not in found]
        for track, visit in self._continued(new, captured_ns):
            visit.go(track, captured_ns)
            found[track.id] = visit
        for track in new:
            if track.id not in found:
                found[track.id] = self._begin(track, captured_ns)
        self._by_track.update(found)
        return found

    def forget(self, track_id: int) -> None:
        """A track ended. Its visit may still go on with another."""
        self._by_track.pop(track_id, None)

    def _begin(self, track: Track, captured_ns: int) -> Visit:
        self.begun += 1
        visit = Visit(number=self.begun, track_id=track.id, place=track.detection, seen_ns=captured_ns)
        self._recent[visit.number] = visit
        return visit

    def _continued(self, tracks: Sequence[Track], captured_ns: int) -> list[tuple[Track, Visit]]:
        """The new tracks that are the rest of a visit, with it, nearest first; no visit twice."""
        able = sorted(
            (distance, row, visit.number)
            for row, track in enumerate(tracks)
            for visit in self._recent.values()
            if visit.seen_ns < captured_ns and (distance := visit.distance(track.detection, captured_ns)) <= 1
        )
        pairs = dict[int, int]()
        for _, row, number in able:
            if row not in pairs and number not in pairs.values():
                pairs[row] = number
        return [(tracks[row], self._recent[number]) for row, number in pairs.items()]
