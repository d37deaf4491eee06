"""Following faces from frame to frame by where they are and how large, never by who they are.

Owns the tracks in view. A track is known by position and size alone; when a face is lost for longer than
`max_missed_s` its track ends, and the same person returning is a new track.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.clock import NS
from edge.geometry import roll_radians
from edge.values import Detection, Track

_MAX_SHIFT = 0.9  # farthest jump from the predicted place, in face sizes
_MAX_GROWTH = 0.6  # largest change of size between sightings, as |ln ratio|
_MIN_HITS = 2
_VELOCITY_GAIN = 0.5  # weight of the newest shift in the velocity
_VELOCITY_DECAY_S = 0.3  # an unseen face is expected to slow down


class Expected(NamedTuple):
    """Where a face should be by now.

    Attributes:
        x, y: its middle, pixels of the frame.
        size_px: its size.
        roll: its tilt, radians.
        steady: its motion is known, and it is not lost.
    """

    x: float
    y: float
    size_px: float
    roll: float
    steady: bool


@dataclass(slots=True, kw_only=True)
class _Follow:
    """A track in the making or in being; the tracker's own mutable record."""

    id: int
    detection: Detection
    begun_ns: int
    seen_ns: int
    velocity: tuple[float, float]
    hits: int
    missed: int

    def predict(self, now_ns: int) -> tuple[float, float]:
        """Where the centre is expected now, pixels."""
        elapsed = (now_ns - self.seen_ns) / NS
        travel = _VELOCITY_DECAY_S * (1 - math.exp(-elapsed / _VELOCITY_DECAY_S))
        x, y = self.detection.center_px
        return x + self.velocity[0] * travel, y + self.velocity[1] * travel


class Tracker:
    """Predicts, associates, spawns and prunes.

    Args:
        confirm_s: how long a face is seen, twice at least, before it becomes a track, seconds; a flicker of the
            detector so gets no id. Less than two searches in a row are apart.
        max_missed_s: how long a face may be out of sight before its track ends, seconds.
        birth_score: a face that is not known yet is followed from this score on, 0–1.
    """

    def __init__(self, *, confirm_s: float = 0.045, max_missed_s: float = 0.8, birth_score: float = 0.7) -> None:
        self._birth_score = birth_score
        self._confirm_ns = round(confirm_s * NS)
        self._max_missed_ns = round(max_missed_s * NS)
        self._follows: list[_Follow] = []
        self._last_id = 0

    def expected(self, now_ns: int) -> list[Expected]:
        """Where each face is expected now, those in the making included."""
        return [
            Expected(
                *follow.predict(now_ns),
                follow.detection.size_px,
                roll_radians(follow.detection.landmarks_px),
                follow.hits > 1 and not follow.missed,
            )
            for follow in self._follows
        ]

    def update(
        self, detections: Sequence[Detection], captured_ns: int, looked_for: Collection[int] | None = None
    ) -> list[Track]:
        """Takes the detections of the next frame.

        Args:
            detections: in pixels of the frame.
            captured_ns: of the frame, not before the last one's.
            looked_for: which of the faces of `expected` would have been found, by index; None for all. The others are
                taken to move on as before.

        Returns:
            Every confirmed track, those not found where they were looked for with `missed` > 0; ordered by id.
        """
        pairs = self._associate(detections, captured_ns)
        for index, follow in enumerate(self._follows):
            if index in pairs:
                self._sight(follow, detections[pairs[index]], captured_ns)
            elif looked_for is None or index in looked_for:
                follow.missed += 1
        self._follows = [follow for follow in self._follows if self._alive(follow, captured_ns)]
        taken = set(pairs.values())
        for index, detection in enumerate(detections):
            if index not in taken and detection.score >= self._birth_score:
                self._follows.append(
                    _Follow(
                        id=0,
                        detection=detection,
                        begun_ns=captured_ns,
                        seen_ns=captured_ns,
                        velocity=(0.0, 0.0),
                        hits=1,
                        missed=0,
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
        return self.tracks(captured_ns)

    def tracks(self, now_ns: int) -> list[Track]:
        """The confirmed ones, by id: where their motion has carried them since, or where they were when lost."""
        tracks = [
            Track(
                id=follow.id,
                detection=follow.detection
                if follow.missed or follow.seen_ns == now_ns
                else _shifted(follow.detection, follow.predict(now_ns)),
                missed=follow.missed,
            )
            for follow in self._follows
            if follow.id
        ]
        return sorted(tracks, key=lambda track: track.id)

    def _associate(self, detections: Sequence[Detection], now_ns: int) -> dict[int, int]:
        """Pairs follows with detections, nearest first; index of follow → index of detection."""
        costs = []
        places = [(*detection.center_px, max(detection.size_px, 1.0)) for detection in detections]
        for row, follow in enumerate(self._follows):
            expected_x, expected_y = follow.predict(now_ns)
            size = max(follow.detection.size_px, 1.0)
            for column, (x, y, other) in enumerate(places):
                reach = _MAX_SHIFT * max(size, other)
                # Most pairs are far apart: said first, since it is asked of every face and every other one.
                if abs(x - expected_x) > reach or abs(y - expected_y) > reach:
                    continue
                growth = abs(math.log(other / size))
                shift = math.hypot(x - expected_x, y - expected_y) / max(size, other)
                if shift <= _MAX_SHIFT and growth <= _MAX_GROWTH:
                    # A confirmed track goes before one in the making that claims the same face.
                    costs.append((shift + growth + (0.0 if follow.id else 0.5), row, column))
        pairs: dict[int, int] = {}
        taken: set[int] = set()
        for _, row, column in sorted(costs):
            if row not in pairs and column not in taken:
                pairs[row] = column
                taken.add(column)
        return pairs

    def _sight(self, follow: _Follow, detection: Detection, now_ns: int) -> None:
        elapsed = max((now_ns - follow.seen_ns) / NS, 1e-3)
        before, after = follow.detection.center_px, detection.center_px
        vx, vy = ((after[axis] - before[axis]) / elapsed for axis in (0, 1))
        if follow.hits > 1:
            vx = _VELOCITY_GAIN * vx + (1 - _VELOCITY_GAIN) * follow.velocity[0]
            vy = _VELOCITY_GAIN * vy + (1 - _VELOCITY_GAIN) * follow.velocity[1]
        follow.detection, follow.seen_ns, follow.velocity = detection, now_ns, (vx, vy)
        follow.hits += 1
        follow.missed = 0

    def _alive(self, follow: _Follow, now_ns: int) -> bool:
        if not follow.id:
            return follow.missed <= 1
        return now_ns - follow.seen_ns <= self._max_missed_ns

    def _confirm(self) -> None:
        for follow in self._follows:
            if not follow.id and follow.hits >= _MIN_HITS and follow.seen_ns - follow.begun_ns >= self._confirm_ns:
                self._last_id += 1
                follow.id = self._last_id


def _shifted(detection: Detection, center_px: tuple[float, float]) -> Detection:
    """The same face around another centre."""
    (x, y), (old_x, old_y) = center_px, detection.center_px
    dx, dy = x - old_x, y - old_y
    x1, y1, x2, y2 = detection.box_px
    return Detection(
        box_px=(x1 + dx, y1 + dy, x2 + dx, y2 + dy),
        score=detection.score,
        landmarks_px=detection.landmarks_px + np.array([dx, dy], np.float32),
    )


def seen(tracks: Sequence[Track]) -> list[Track]:
    """The tracks whose face is in this very frame."""
    return [track for track in tracks if not track.missed]
