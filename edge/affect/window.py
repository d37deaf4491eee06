"""Windows: intervals of the clock, and what all visits in one say together.

Owns the open window. What leaves it is a mean over visits, never a single one: below `min_visits` the scores are
withheld. Every interval gives a window, an empty one too, so that silence and absence can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.affect.timeline import Timeline
from edge.affect.visits import Visits
from edge.clock import NS, Clock
from edge.config import WindowConfig
from edge.values import AffectScore, Quadrants, Spread, Track, WindowAggregate

_MAX_GAP_S = 3600  # a longer silence is a stepped clock or a sleep: the intervals between are not made up


@dataclass(slots=True, kw_only=True)
class _Sums:
    """One visit's warm scores in this window, weighted by the time each stood."""

    seconds: float = 0.0
    valence: float = 0.0
    arousal: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Open:
    start_ns: int
    end_ns: int
    begun_ns: int  # monotonic, of `start_ns`
    synced: bool
    partial: bool
    looked: bool = False
    peak: int = 0
    visits: dict[int, _Sums] = field(default_factory=dict)


class Windower:
    """Collects tracks and scores into windows aligned to the clock.

    Args:
        config: length, thresholds.
        clock: for UTC and whether it can be trusted.
        step_s: the bundle's time grid; what the first score of a track stands for, seconds.
        reset_s: the longest that one score may stand, seconds.
    """

    def __init__(self, config: WindowConfig, clock: Clock, *, step_s: float, reset_s: float) -> None:
        self._config = config
        self._clock = clock
        self._timeline = Timeline(clock)
        self._length_ns = config.window_s * NS
        self._step_ns = round(step_s * NS)
        self._reset_ns = round(reset_s * NS)
        self._visits = Visits(reentry_s=config.reentry_s)
        self._scored_ns: dict[int, int] = {}
        self._open: _Open | None = None

    def advance(self, now_ns: int) -> list[WindowAggregate]:
        """Moves time on and closes the windows that ended, before anything of this instant is added.

        Args:
            now_ns: monotonic; not before the last call's.

        Returns:
            The closed windows in order, mostly none.
        """
        utc_ns = self._timeline.utc_ns(now_ns)
        if self._open is None:
            self._open = self._begin(utc_ns, now_ns)
        closed = []
        while utc_ns >= self._open.end_ns:
            last = self._open
            late_ns = utc_ns - last.end_ns
            stepped = self._timeline.resume(now_ns)
            closed.append(self._aggregate(last, now_ns - late_ns, trusted=not stepped and self._timeline.true()))
            utc_ns = self._timeline.utc_ns(now_ns)
            if stepped:  # the next begins where this one ended, wherever that is now; it lasts until the grid is met
                late_ns = min(late_ns, self._length_ns)
                self._open = self._begin(utc_ns - late_ns, now_ns - late_ns, exact=True)
            elif late_ns <= _MAX_GAP_S * NS:
                self._open = self._next(last, now_ns - late_ns)
            else:
                self._open = self._begin(utc_ns, now_ns)
        return closed

    def observe(self, tracks: Sequence[Track], scores: Sequence[AffectScore], captured_ns: int) -> None:
        """Adds what one frame showed, after `advance` for the same instant.

        Args:
            tracks: the faces seen in it.
            scores: of those that were due.
            captured_ns: of the frame.
        """
        window = self._open
        if window is None:
            raise RuntimeError("observe before advance")
        window.looked = True
        window.peak = max(window.peak, len(tracks))
        visits = self._visits.observe(tracks, captured_ns)
        for visit in visits.values():
            window.visits.setdefault(visit.number, _Sums())
        for score in scores:
            last_ns = self._scored_ns.get(score.track_id, captured_ns - self._step_ns)
            self._scored_ns[score.track_id] = captured_ns
            if score.warm:
                seconds = min(captured_ns - last_ns, self._reset_ns) / NS
                sums = window.visits[visits[score.track_id].number]
                sums.seconds += seconds
                sums.valence += seconds * score.valence
                sums.arousal += seconds * score.arousal

    def forget(self, track_id: int) -> None:
        """Drops what is remembered of a track that ended."""
        self._scored_ns.pop(track_id, None)

    def close(self, now_ns: int) -> list[WindowAggregate]:
        """Closes everything at the end of a run; the last window is `partial` unless it just ended."""
        closed = self.advance(now_ns)
        if self._open is not None and self._timeline.utc_ns(now_ns) > self._open.start_ns:
            self._open.partial = True
            closed.append(self._aggregate(self._open, now_ns, trusted=self._timeline.true()))
        self._open = None
        return closed

    def _begin(self, utc_ns: int, now_ns: int, *, exact: bool = False) -> _Open:
        """A window that holds an instant: the grid's, or with `exact` what is left of the grid's from then on."""
        late_ns = utc_ns % self._length_ns
        start_ns = utc_ns if exact else utc_ns - late_ns
        return _Open(
            start_ns=start_ns,
            end_ns=utc_ns - late_ns + self._length_ns,
            begun_ns=now_ns if exact else now_ns - late_ns,
            synced=self._clock.synced(),
            partial=late_ns != 0,
        )

    def _next(self, last: _Open, ended_ns: int) -> _Open:
        return _Open(
            start_ns=last.end_ns,
            end_ns=last.end_ns + self._length_ns,
            begun_ns=ended_ns,
            synced=self._clock.synced(),
            partial=False,
        )

    def _aggregate(self, window: _Open, ended_ns: int, *, trusted: bool) -> WindowAggregate:
        config = self._config
        counted = [sums for sums in window.visits.values() if sums.seconds >= config.min_observed_s - 1e-6]
        means = np.array([(s.valence / s.seconds, s.arousal / s.seconds) for s in counted]).reshape(-1, 2)
        enough = len(counted) >= config.min_visits
        return WindowAggregate(
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            synced=window.synced and self._clock.synced() and trusted,
            boot_ns=None if window.synced else (window.begun_ns, ended_ns),
            partial=window.partial,
            visits=len(counted),
            peak_simultaneous=window.peak,
            scored_s=round(sum(sums.seconds for sums in window.visits.values()), 1),
            unscored_visits=len(window.visits) - len(counted),
            valence=_spread(means[:, 0]) if enough else None,
            arousal=_spread(means[:, 1]) if enough else None,
            quadrants=_quadrants(means) if enough else None,
            suppressed=None if enough else ("min_visits" if window.looked else "closed"),
        )


def _spread(values: NDArray[np.float64]) -> Spread:
    return Spread(mean=round(float(values.mean()), 2), std=round(float(values.std()), 2))


def _quadrants(means: NDArray[np.float64]) -> Quadrants:
    pleasant, active = means[:, 0] >= 0, means[:, 1] >= 0

    def share(mask: NDArray[np.bool_]) -> float:
        return round(float(mask.mean()), 2)

    return Quadrants(
        pos_high=share(pleasant & active),
        pos_low=share(pleasant & ~active),
        neg_high=share(~pleasant & active),
        neg_low=share(~pleasant & ~active),
    )
