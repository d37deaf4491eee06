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
from edge.values import Track

_WALKS = 2.0  # face sizes a second; slower ones stand
_NEAR, _WANDER = 1.0, 0.2  # how far from the expected place a visit may go on, face sizes; and more each second
_UNEVEN, _SWERVE = 0.3, 0.2  # and more along and across the way, shares of it
_ALIKE, _GROW = 0.25, 0.05  # the largest difference of the logarithm of face sizes; and more each second
_LEAVES_S = 0.6  # who would be out of the picture after so long has left


@dataclass(slots=True, kw_only=True, eq=False)
class Visit:
    """One stay. `number` ascends; `track` is the one that carries it now, as it was seen last."""

    number: int
    track: Track
    seen_ns: int

    def fit(self, track: Track, now_ns: int) -> float | None:
        """How well a new track is the rest of this visit: 0 is as expected, None that it cannot be."""
        elapsed_s = (now_ns - self.seen_ns) / NS
        place, other = self.track.detection, track.detection
        size = max(place.size_px, 1.0)
        growth = abs(math.log(max(other.size_px, 1.0) / size)) / (_ALIKE + _GROW * elapsed_s)
        (x, y), (old_x, old_y), (vx, vy) = other.center_px, place.center_px, self.track.speed
        off_x, off_y = (x - old_x) / size, (y - old_y) / size
        near, speed = _NEAR + _WANDER * elapsed_s, math.hypot(vx, vy) / size
        if speed < _WALKS:
            shift = math.hypot(off_x, off_y) / near
            return max(shift, growth) if max(shift, growth) <= 1 else None
        ahead_x, ahead_y = vx / size / speed, vy / size / speed
        along, across = off_x * ahead_x + off_y * ahead_y, off_y * ahead_x - off_x * ahead_y
        way = speed * elapsed_s
        late, aside = (along - way) / (near + _UNEVEN * way), across / (near + _SWERVE * way)
        turned = track.speed[0] * ahead_x + track.speed[1] * ahead_y < -_WALKS * size
        if turned or late > 1 or along < -near / 2 or max(abs(aside), growth) > 1:
            return None
        return math.hypot(late, aside)

    def left(self, frame_px: tuple[int, int]) -> bool:
        """Whether this visit went out of the picture."""
        (x, y), (vx, vy), size = self.track.detection.center_px, self.track.speed, self.track.detection.size_px
        if math.hypot(vx, vy) < _WALKS * size:
            return False
        x, y = x + _LEAVES_S * vx, y + _LEAVES_S * vy
        return not (0 < x < frame_px[0] and 0 < y < frame_px[1])


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

    def observe(
        self, tracks: Sequence[Track], captured_ns: int, frame_px: tuple[int, int] = (640, 480)
    ) -> dict[int, Visit]:
        """Takes the tracks seen in a frame; returns the visit of each by track id, no visit twice."""
        oldest_ns = captured_ns - self._reentry_ns
        for number in [number for number, visit in self._recent.items() if visit.seen_ns < oldest_ns]:
            del self._recent[number]
        in_view = {track.id for track in tracks}
        found: dict[int, Visit] = {}
        new = []
        for track in tracks:
            visit = self._by_track.get(track.id)
            if visit is None or (
                visit.track.id != track.id and visit.track.id in in_view
            ):  # two at once were never one
                new.append(track)
            else:
                visit.track, visit.seen_ns, found[track.id] = track, captured_ns, visit
        if new:
            for track, visit in self._continued(new, captured_ns, frame_px):
                visit.track, visit.seen_ns, found[track.id] = track, captured_ns, visit
            for track in new:
                if track.id not in found:
                    self.begun += 1
                    visit = Visit(number=self.begun, track=track, seen_ns=captured_ns)
                    self._recent[self.begun] = found[track.id] = visit
            self._by_track.update(found)
        return found

    def forget(self, track_id: int) -> None:
        """A track ended. Its visit may still go on with another."""
        self._by_track.pop(track_id, None)

    def _continued(self, tracks: Sequence[Track], now_ns: int, frame_px: tuple[int, int]) -> list[tuple[Track, Visit]]:
        """The new tracks that are the rest of a visit out of view, with it; best fit first, no visit twice."""
        able = [
            (fit, row, visit.number)
            for visit in self._recent.values()
            if visit.seen_ns < now_ns and not visit.left(frame_px)
            for row, track in enumerate(tracks)
            if (fit := visit.fit(track, now_ns)) is not None
        ]
        pairs: dict[int, int] = {}
        for _, row, number in sorted(able):
            if row not in pairs and number not in pairs.values():
                pairs[row] = number
        return [(tracks[row], self._recent[number]) for row, number in pairs.items()]
