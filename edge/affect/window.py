"""Collects faces and scores into windows: intervals of fixed length, aligned to the clock.

Owns the open window and builds its message. `release` decides whether the scores may be sent. An interval in which
nobody was seen also gives a window, so that a receiver can tell an empty room from a silent device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge.affect.content import floor_content
from edge.affect.moved import Moved
from edge.affect.presence import Presence
from edge.affect.private import PrivateMode
from edge.affect.release import Rule, judge
from edge.affect.residents import MANY_WINDOWS, Resident
from edge.affect.timeline import Timeline
from edge.affect.visits import Visits
from edge.clock import NS, Clock
from edge.config import WindowConfig
from edge.contract import Origin, Suppressed, Window, instant, rounded
from edge.values import AffectScore, Tick, Track

_MIN_OBSERVED = 0.5  # share of a window; with less camera time it carries no scores
_MAX_GAP_S = 3600  # after a longer gap (clock step, suspended machine) the missed intervals get no windows

Closed = tuple[Window, tuple[int, int] | None]


@dataclass(slots=True, kw_only=True)
class _Open:
    start_ns: int
    end_ns: int
    begun_ns: int  # `start_ns` in monotonic time
    synced: bool
    partial: bool
    had_frame: bool = False
    observed_ns: int = 0
    idle: set[str] = field(default_factory=set)  # why there were no frames, from the ticks
    peak: int = 0  # most faces in one frame
    begun: int = 0  # visits
    frame_px: tuple[int, int] = (0, 0)  # width and height of the frames


class Windower:
    """Collects tracks and scores into windows aligned to the clock.

    Args:
        config: length and thresholds.
        clock: gives UTC, and whether it is synchronized.
        origin: site, device and model; the same in every window.
        number: epoch and sequence number of the next window; see `Sink.number`.
        step_s: the model's time step, seconds; each step in which a face was scored counts as this much observed time.
        reset_s: seconds; a gap between two frames counts as observed time up to twice this length.
        private: in mode `dp`, releases hours and days with noise; None in mode `floor`.
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
        self._max_gap_ns = round(2 * reset_s * NS)
        self._visits = Visits(reentry_s=config.reentry_s)
        self._presence = Presence(step_s=step_s)
        self._residents: tuple[Resident, ...] = ()
        self._moved = Moved()
        self._told = True  # visitors, by a notice of this policy
        self._open: _Open | None = None
        self._seen_ns: int | None = None  # `observed_ns` is counted up to here

    def advance(self, now_ns: int) -> Iterator[Closed]:
        """Closes the windows that ended by `now_ns`. Call it before `observe` or `tick` for the same time.

        This is a generator: nothing happens until it is iterated. Publish each window before taking the next one, since
        a window gets its number just before it is yielded.

        Args:
            now_ns: monotonic; never earlier than in the last call.

        Yields:
            The closed windows in order, usually none. While the clock is not synchronized, each comes with its interval
            in monotonic nanoseconds, so that its UTC times can be corrected later.
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
            if stepped:  # the next window begins where this one ended, in the new time, and ends on the grid
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
        """Adds the faces and scores of one frame. Call `advance` for the same time first.

        Args:
            tracks: the faces seen in it.
            scores: of the faces that were scored in this frame.
            captured_ns: when the frame was taken, monotonic.
            frame_px: width and height of the frame.
        """
        if (window := self._open) is None:
            raise RuntimeError("observe was called before advance")
        self._count_seen(window, captured_ns, captured_ns)
        self._seen_ns = captured_ns
        window.had_frame, window.frame_px = True, frame_px
        window.peak = max(window.peak, len(tracks))
        begun = self._visits.begun
        visits = self._visits.observe(tracks, captured_ns, frame_px)
        window.begun += self._visits.begun - begun
        self._presence.observe(visits, tracks, captured_ns, frame_px)
        for score in scores:
            if score.warm:
                self._presence.score(visits[score.track_id].number, score.valence, score.arousal)

    def tick(self, tick: Tick) -> None:
        """Records why there was no frame. Call `advance` for the same time first."""
        if self._open is not None:
            self._open.idle.add(tick.reason)

    def forget(self, track_id: int) -> None:
        """Deletes the data of a track that ended."""
        self._visits.forget(track_id)

    def adopt(self, origin: Origin, *, told: bool) -> None:
        """Takes another policy: the open window ends without scores, so that no window mixes two.

        Args:
            origin: with the new policy.
            told: whether the notice is of it; if not, no window has scores.
        """
        self._origin, self._told = origin, told
        if self._open is not None:
            self._open.partial = True

    def close(self, now_ns: int) -> Iterator[Closed]:
        """Closes all windows at the end of a run; the last one is `partial`, unless its interval has just ended."""
        yield from self.advance(now_ns)
        if self._open is not None and self._timeline.utc_ns(now_ns) > self._open.start_ns:
            self._open.partial = True
            yield from self._close(self._open, now_ns, trusted=self._timeline.true())
        self._open = None

    @property
    def staying(self) -> int:
        """People of the last closed window who take part in none, since they stay for many windows."""
        return sum(known.windows >= MANY_WINDOWS and not known.absent for known in self._residents)

    @property
    def moved(self) -> bool | None:
        """Whether the camera seems to have been moved; None before there are visits enough."""
        return self._moved.alarm

    def _count_seen(self, window: _Open, until_ns: int, now_ns: int) -> None:
        """Adds the time since the last frame to the observed time of a window, unless the gap was too long."""
        if self._seen_ns is None or now_ns - self._seen_ns > self._max_gap_ns:
            return
        window.observed_ns += max(until_ns - max(self._seen_ns, window.begun_ns), 0)
        self._seen_ns = max(self._seen_ns, until_ns)

    def _begin(self, utc_ns: int, now_ns: int, *, exact: bool = False) -> _Open:
        """Opens the grid's window that contains `utc_ns`. With `exact` it begins at `utc_ns` and ends on the grid."""
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
        """Yields the message of a window; in mode `dp`, before the first one of a day, that of the day before."""
        records = self._presence.close()
        decision = judge(
            records, self._rule, width_px=window.frame_px[0], began_ns=window.begun_ns, residents=self._residents
        )
        self._residents = decision.residents
        if window.had_frame:
            self._moved.add(records, window.frame_px)
        reason = self._reason(window)
        if self._private is None:
            content = floor_content(records, decision, self._rule, begun=window.begun, peak=window.peak, reason=reason)
        else:
            day = self._private.finished_day(window.start_ns, ended_ns)
            if day is not None and self._told:
                day_content, start_ns, end_ns, observed_ns = day
                whole = replace(window, start_ns=start_ns, end_ns=end_ns, observed_ns=observed_ns, partial=False)
                yield self._message(whole, day_content, trusted=trusted), None
            content = self._private.hour(
                (*decision.people, *decision.alone), window.start_ns, window.end_ns, window.observed_ns, ended_ns,
                window.frame_px[0], reason=reason,
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
            policy=origin.policy,
            **content,
        )

    def _reason(self, window: _Open) -> Suppressed | None:
        """Why the window has no scores, however many people there were; None if it may have some."""
        if not self._told:
            return "notice"
        if window.had_frame:
            mostly_unseen = window.observed_ns < _MIN_OBSERVED * (window.end_ns - window.start_ns)
            return "partial" if window.partial or mostly_unseen else None
        # `closed` needs a tick that says so: a process that was suspended has no ticks.
        return "closed" if "closed" in window.idle and not window.idle & {"gone", "frozen"} else "camera"
