"""Windows: intervals of the clock, and what all visits in one say together.

Owns the open window and fills the message. Whether its scores may leave is decided by `release`. Every interval gives
a window, an empty one too, so that silence and absence can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge.affect.content import floor_content
from edge.affect.presence import Presence
from edge.affect.private import PrivateMode
from edge.affect.release import Rule, judge
from edge.affect.residents import Resident
from edge.affect.timeline import Timeline
from edge.affect.visits import Visits
from edge.clock import NS, Clock
from edge.config import WindowConfig
from edge.contract import Origin, Suppressed, Window, instant, rounded
from edge.values import AffectScore, Tick, Track

_LEAST_SEEN = 0.5  # of a window; less seen, and it carries no scores
_MAX_GAP_S = 3600  # a longer silence is a stepped clock or a sleep: the intervals between are not made up

Closed = tuple[Window, tuple[int, int] | None]


@dataclass(slots=True, kw_only=True)
class _Open:
    start_ns: int
    end_ns: int
    begun_ns: int  # monotonic, of `start_ns`
    synced: bool
    partial: bool
    looked: bool = False
    observed_ns: int = 0
    idle: set[str] = field(default_factory=set)  # reasons of ticks
    peak: int = 0
    begun: int = 0
    width_px: int = 0  # of the frames


class Windower:
    """Collects tracks and scores into windows aligned to the clock.

    Args:
        config: length, thresholds.
        clock: for UTC and whether it can be trusted.
        origin: who sends; the same in every window.
        number: epoch and sequence number of the next window; see `Sink.number`.
        step_s: the bundle's time grid, seconds; each step in which a face was scored counts so long.
        reset_s: two frames at most twice as far apart have no pause between them, seconds.
        private: releases hours and days with noise instead; None in mode `floor`.
    """

    def __init__(
        self,
        config: WindowConfig,
        clock: Clock,
        origin: Origin,
        number: Callable[[], tuple[str, int]],
        *,
        step_s: float,
        reset_s: float,
        private: PrivateMode | None = None,
    ) -> None:
        self._rule = Rule(min_people=config.min_people, min_observed_s=config.min_observed_s)
        self._private = private
        self._clock = clock
        self._origin = origin
        self._number = number
        self._timeline = Timeline(clock)
        self._length_ns = config.window_s * NS
        self._pause_ns = round(2 * reset_s * NS)
        self._visits = Visits(reentry_s=config.reentry_s)
        self._presence = Presence(step_s=step_s)
        self._residents: tuple[Resident, ...] = ()
        self._open: _Open | None = None
        self._seen_ns: int | None = None  # up to here `observed_ns` was counted

    def advance(self, now_ns: int) -> Iterator[Closed]:
        """Moves time on and closes the windows that ended, before anything of this instant is added.

        Nothing happens before the result is iterated. Publish each window before the next: it takes its number then.

        Args:
            now_ns: monotonic; not before the last call's.

        Yields:
            The closed windows in order, mostly none; each with its interval in monotonic nanoseconds while the clock is
            not known to be right, so that it can be stamped again when it is.
        """
        utc_ns = self._timeline.utc_ns(now_ns)
        if self._open is None:
            self._open = self._begin(utc_ns, now_ns)
        while utc_ns >= self._open.end_ns:
            last = self._open
            late_ns = utc_ns - last.end_ns
            self._count_seen(last, now_ns - late_ns, now_ns)
            stepped = self._timeline.resume(now_ns)
            trusted = not stepped and self._timeline.true()
            yield from self._close(last, now_ns - late_ns, trusted=trusted)
            utc_ns = self._timeline.utc_ns(now_ns)
            if stepped:  # the next begins where this one ended, wherever that is now; it lasts until the grid is met
                late_ns = min(late_ns, self._length_ns)
                self._open = self._begin(utc_ns - late_ns, now_ns - late_ns, exact=True)
            elif late_ns <= _MAX_GAP_S * NS:
                self._open = self._begin(last.end_ns, now_ns - late_ns)
            else:
                self._open = self._begin(utc_ns, now_ns)

    def observe(
        self,
        tracks: Sequence[Track],
        scores: Sequence[AffectScore],
        captured_ns: int,
        frame_px: tuple[int, int] = (640, 480),
    ) -> None:
        """Adds what one frame showed, after `advance` for the same instant.

        Args:
            tracks: the faces seen in it.
            scores: of those that were due.
            captured_ns: of the frame.
            frame_px: its width and height.
        """
        if (window := self._open) is None:
            raise RuntimeError("observe before advance")
        self._count_seen(window, captured_ns, captured_ns)
        self._seen_ns = captured_ns
        window.looked, window.width_px = True, frame_px[0]
        window.peak = max(window.peak, len(tracks))
        begun = self._visits.begun
        visits = self._visits.observe(tracks, captured_ns)
        window.begun += self._visits.begun - begun
        self._presence.observe(visits, tracks, captured_ns, frame_px)
        for score in scores:
            if score.warm:
                self._presence.score(visits[score.track_id].number, score.valence, score.arousal)

    def tick(self, tick: Tick) -> None:
        """Notes why no frame came, after `advance` for the same instant."""
        if self._open is not None:
            self._open.idle.add(tick.reason)

    def forget(self, track_id: int) -> None:
        """Drops what is remembered of a track that ended."""
        self._visits.forget(track_id)

    def close(self, now_ns: int) -> Iterator[Closed]:
        """As `advance`, at the end of a run: closes everything; the last window is `partial` unless it just ended."""
        yield from self.advance(now_ns)
        if self._open is not None and self._timeline.utc_ns(now_ns) > self._open.start_ns:
            self._open.partial = True
            yield from self._close(self._open, now_ns, trusted=self._timeline.true())
        self._open = None

    def _count_seen(self, window: _Open, until_ns: int, now_ns: int) -> None:
        """Adds the time since the last frame to a window, unless there was a pause."""
        if self._seen_ns is None or now_ns - self._seen_ns > self._pause_ns:
            return
        window.observed_ns += max(until_ns - max(self._seen_ns, window.begun_ns), 0)
        self._seen_ns = max(self._seen_ns, until_ns)

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

    def _close(self, window: _Open, ended_ns: int, *, trusted: bool) -> Iterator[Closed]:
        """What a window says; in mode `dp`, before the first one of a day, what the day before says."""
        records = self._presence.close()
        decision = judge(
            records, self._rule, width_px=window.width_px, began_ns=window.begun_ns, residents=self._residents
        )
        self._residents = decision.residents
        reason = self._reason(window)
        if self._private is None:
            content = floor_content(records, decision, self._rule, begun=window.begun, peak=window.peak, reason=reason)
        else:
            day = self._private.finished_day(window.start_ns, ended_ns)
            if day is not None:
                said, start_ns, end_ns, observed_ns = day
                whole = replace(window, start_ns=start_ns, end_ns=end_ns, observed_ns=observed_ns, partial=False)
                yield self._message(whole, said, trusted=trusted), None
            content = self._private.hour(
                (*decision.people, *decision.alone), window.start_ns, window.end_ns, window.observed_ns, ended_ns,
                window.width_px, reason=reason,
            )  # fmt: skip
        boot_ns = None if window.synced else (window.begun_ns, ended_ns)
        yield self._message(window, content, trusted=trusted), boot_ns

    def _message(self, window: _Open, content: dict[str, Any], *, trusted: bool) -> Window:
        origin, (epoch, seq) = self._origin, self._number()
        return Window(
            schema="affect/v1/window",
            id=f"{origin.device}/{epoch}/{seq}",
            seq=seq,
            epoch=epoch,
            site=origin.site,
            device=origin.device,
            tags=origin.tags,
            start=instant(window.start_ns),
            end=instant(window.end_ns),
            tz=origin.tz,
            clock="synced" if window.synced and self._clock.synced() and trusted else "unsynced",
            partial=window.partial,
            observed_s=rounded(window.observed_ns / NS, 1),
            model=origin.model,
            **content,
        )

    def _reason(self, window: _Open) -> Suppressed | None:
        """Why there are no scores whoever was there."""
        if window.looked:
            half_seen = window.observed_ns < _LEAST_SEEN * (window.end_ns - window.start_ns)
            return "partial" if window.partial or half_seen else None
        # Only the camera's own word makes it `closed`: a process that stood still has no ticks.
        return "closed" if "closed" in window.idle and not window.idle & {"gone", "frozen"} else "camera"
