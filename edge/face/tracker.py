"""Following faces from frame to frame by where they are and how large, never by who they are.

Owns the tracks in view. A Kalman filter predicts the place and size of each face. A face in a new frame belongs to the
track that it fits best, if it lies where that one can have got to. When a face is lost for longer than `max_missed_s`
its track ends, and the same person returning is a new track.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.clock import NS
from edge.values import Detection, Track

# Standard deviations, in face sizes and seconds. The errors were measured on clips, the rest was chosen on drawn crowds
# (docs/tracker.md).
_PLACE_ERROR = 0.05  # of the detector's centre
_SIZE_ERROR = 0.065  # of the logarithm of its size
_FIRST_SPEED = 2.5  # of a face that was seen once
_PUSH = 1.8  # change of velocity within a second
_GROWTH = 0.25  # change of the logarithm of the size within a second
_COAST_S = 1.5  # an unseen face is expected to slow down in this time
_GATE = 4.0  # farthest from the expected place and size, in standard deviations of the difference
_MAX_SHIFT, _MAX_GROWTH = 1.2, 0.6  # and in face sizes and |ln ratio|
_YOUNG = 2.5  # how much worse a face in the making has to fit
_WEAK = 2.0
_SURE = 0.6
_MAKING_S = 0.45  # a face in the making may be unseen so long
_SAME_SHIFT = 0.6  # face sizes between two boxes of one face
_CLEAR = 0.7
_DOUBT = 0.55


class _Expected(NamedTuple):
    """Where a face is expected at a time: pixels, and variances in face sizes."""

    x: float
    y: float
    pp: float  # of the place
    pv: float  # of place with velocity
    vv: float  # of the velocity
    ss: float  # of the logarithm of the size


@dataclass(slots=True, kw_only=True)
class _Follow:
    """A track in the making or in being; the tracker's own mutable record."""

    id: int
    detection: Detection
    begun_ns: int
    seen_ns: int
    x: float  # smoothed place and size, pixels
    y: float
    size: float
    vx: float = 0.0  # pixels a second
    vy: float = 0.0
    pp: float = _PLACE_ERROR**2  # variances, as `_Expected` has them
    pv: float = 0.0
    vv: float = _FIRST_SPEED**2
    ss: float = _SIZE_ERROR**2
    hits: int = 1
    sure: float = 0.0
    missed: int = 0

    def expect(self, now_ns: int) -> _Expected:
        elapsed = (now_ns - self.seen_ns) / NS
        go = _COAST_S * (1 - math.exp(-elapsed / _COAST_S))
        push = _PUSH * _PUSH * elapsed
        return _Expected(
            self.x + self.vx * go,
            self.y + self.vy * go,
            self.pp + go * (2 * self.pv + go * self.vv) + push * elapsed * elapsed / 3,
            self.pv + go * self.vv + push * elapsed / 2,
            self.vv + push,
            self.ss + _GROWTH * _GROWTH * elapsed,
        )

    def sight(self, detection: Detection, expected: _Expected, now_ns: int) -> None:
        """Moves on to a new sighting."""
        (x, y), size = detection.center_px, max(detection.size_px, 1.0)
        total = expected.pp + _PLACE_ERROR * _PLACE_ERROR
        place_gain, speed_gain = expected.pp / total, expected.pv / total
        off_x, off_y = x - expected.x, y - expected.y
        self.x, self.y = expected.x + place_gain * off_x, expected.y + place_gain * off_y
        self.vx, self.vy = self.vx + speed_gain * off_x, self.vy + speed_gain * off_y
        self.pp = expected.pp * (1 - place_gain)
        self.pv = expected.pv * (1 - place_gain)
        self.vv = expected.vv - speed_gain * expected.pv
        size_gain = expected.ss / (expected.ss + _SIZE_ERROR * _SIZE_ERROR)
        self.size *= (size / self.size) ** size_gain
        self.ss = expected.ss * (1 - size_gain)
        self.detection, self.seen_ns, self.missed = detection, now_ns, 0
        self.hits += 1
        self.sure += detection.score - _DOUBT


class Tracker:
    """Predicts, associates, spawns and prunes.

    Args:
        confirm_s: how long a face is seen, `_HITS` times at least, before it becomes a track, seconds; a flicker of the
            detector so gets no id. Less than two searches in a row are apart.
        max_missed_s: how long a face may be out of sight before its track ends, seconds.
    """

    def __init__(self, *, confirm_s: float = 0.045, max_missed_s: float = 1.5) -> None:
        self._confirm_ns = round(confirm_s * NS)
        self._max_missed_ns = round(max_missed_s * NS)
        self._follows: list[_Follow] = []
        self._last_id = 0

    def update(self, detections: Sequence[Detection], captured_ns: int) -> list[Track]:
        """Takes the detections of the next frame.

        Args:
            detections: in pixels of the frame.
            captured_ns: of the frame, not before the last one's.

        Returns:
            Every confirmed track, those not seen in this frame with `missed` > 0; ordered by id.
        """
        expected = [follow.expect(captured_ns) for follow in self._follows]
        pairs = self._associate(detections, expected)
        for row, follow in enumerate(self._follows):
            if row in pairs:
                follow.sight(detections[pairs[row]], expected[row], captured_ns)
            else:
                follow.missed += 1
        self._follows = [follow for follow in self._follows if self._alive(follow, captured_ns)]
        taken = set(pairs.values())
        for column, detection in enumerate(detections):
            if column not in taken and not self._double(detection):
                x, y = detection.center_px
                self._follows.append(
                    _Follow(
                        id=0,
                        detection=detection,
                        begun_ns=captured_ns,
                        seen_ns=captured_ns,
                        x=x,
                        y=y,
                        size=max(detection.size_px, 1.0),
                        sure=detection.score - _DOUBT,
                    )
                )
        self._confirm()
        return self.tracks(captured_ns)

    def coast(self, captured_ns: int) -> list[Track]:
        """Takes a frame in which faces were not searched for: each is taken to move on as before.

        Args:
            captured_ns: of the frame, not before the last one's.

        Returns:
            As `update`; a face that the last search found has `missed` 0 and is where its motion carried it.
        """
        self._follows = [follow for follow in self._follows if self._alive(follow, captured_ns)]
        return self.tracks(captured_ns, moved=True)

    def tracks(self, now_ns: int, *, moved: bool = False) -> list[Track]:
        """The confirmed ones, by id: where they were seen last or, `moved`, where their motion has carried them."""
        tracks = [
            Track(
                id=follow.id,
                detection=_shifted(follow, now_ns) if moved else follow.detection,
                missed=follow.missed,
                speed=(follow.vx, follow.vy),
            )
            for follow in self._follows
            if follow.id
        ]
        return sorted(tracks, key=lambda track: track.id)

    def _associate(self, detections: Sequence[Detection], expected: Sequence[_Expected]) -> dict[int, int]:
        """Pairs follows with detections, best fit first; index of follow → index of detection."""
        costs = []
        places = [(*found.center_px, max(found.size_px, 1.0), found.score) for found in detections]
        for row, (follow, there) in enumerate(zip(self._follows, expected, strict=True)):
            size = follow.size
            place_var = there.pp + _PLACE_ERROR * _PLACE_ERROR
            size_var = there.ss + _SIZE_ERROR * _SIZE_ERROR
            reach = size * min(_GATE * math.sqrt(place_var), _MAX_SHIFT)
            for column, (x, y, other, score) in enumerate(places):
                # Most pairs are far apart: said first, since it is asked of every face and every other one.
                off_x, off_y = x - there.x, y - there.y
                if abs(off_x) > reach or abs(off_y) > reach:
                    continue
                growth = math.log(other / size)
                shift = (off_x * off_x + off_y * off_y) / (size * size)
                fit = shift / place_var + growth * growth / size_var
                if fit <= _GATE * _GATE and abs(growth) <= _MAX_GROWTH:
                    cost = fit + 2 * math.log(place_var) + math.log(size_var)
                    costs.append((cost + (0.0 if follow.id else _YOUNG) + (_WEAK if score < _CLEAR else 0.0), row, column))
        pairs: dict[int, int] = {}
        taken: set[int] = set()
        for _, row, column in sorted(costs):
            if row not in pairs and column not in taken:
                pairs[row] = column
                taken.add(column)
        return pairs

    def _double(self, detection: Detection) -> bool:
        """Whether it is a face that is followed already, found twice."""
        (x, y), size = detection.center_px, max(detection.size_px, 1.0)
        return any(
            math.hypot(follow.x - x, follow.y - y) < _SAME_SHIFT * max(follow.size, size)
            for follow in self._follows
            if follow.id and not follow.missed
        )

    def _alive(self, follow: _Follow, now_ns: int) -> bool:
        if not follow.id:
            return now_ns - follow.seen_ns <= _MAKING_S * NS
        return now_ns - follow.seen_ns <= self._max_missed_ns

    def _confirm(self) -> None:
        for follow in self._follows:
            if not follow.id and follow.hits >= 2 and follow.sure >= _SURE and follow.seen_ns - follow.begun_ns >= self._confirm_ns:
                self._last_id += 1
                follow.id = self._last_id


def _shifted(follow: _Follow, now_ns: int) -> Detection:
    """The face as it was seen last, moved on."""
    detection, there = follow.detection, follow.expect(now_ns)
    x, y = detection.center_px
    dx, dy = there.x - x, there.y - y
    x1, y1, x2, y2 = detection.box_px
    return Detection(
        box_px=(x1 + dx, y1 + dy, x2 + dx, y2 + dy),
        score=detection.score,
        landmarks_px=detection.landmarks_px + np.array([dx, dy], np.float32),
    )


def seen(tracks: Sequence[Track]) -> list[Track]:
    """The tracks whose face is in this very frame."""
    return [track for track in tracks if not track.missed]
