"""Mode `dp`: sums of the hour and the day in memory, and their release when the ledger has paid for it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.affect.content import private_content
from edge.affect.dp import Budget, Kind, Private, Tally, limit_stays, release_tally, spend
from edge.affect.release import Person
from edge.clock import NS, Clock
from edge.contract import Suppressed, instant
from edge.hours import find_zone

log = logging.getLogger(__name__)

_CELLS = 8  # across the picture


class PrivateMode:
    """Owns the day's sums and the ledger.

    Args:
        epsilon_per_day: as configured.
        ledger: file of the ledger.
        clock: whether the time can be trusted, and which run of the machine this is.
        tz: zone whose days count.
    """

    def __init__(self, epsilon_per_day: float, ledger: Path, clock: Clock, tz: str) -> None:
        self._budget = Budget(epsilon_per_day=Fraction(str(epsilon_per_day)))
        self._ledger, self._clock, self._tz = ledger, clock, tz
        self._day: int | None = None
        self._begun_ns = self._ended_ns = self._observed_ns = 0  # of the day: UTC, and what was observed
        self._tally = Tally()
        self._stays: dict[tuple[int, int], int] = {}

    def hour(
        self, people: Sequence[Person], start_ns: int, end_ns: int, observed_ns: int, now_ns: int, width_px: int,
        *, reason: Suppressed | None,
    ) -> dict[str, Any]:  # fmt: skip
        """What an hour says; call `finished_day` with its start first.

        Args:
            people: possible people of the hour.
            start_ns, end_ns: UTC.
            observed_ns: time in which the camera gave pictures.
            now_ns: monotonic.
            width_px: of the frame.
            reason: why there are no scores in any case.
        """
        day = self._local(start_ns).toordinal()
        if day != self._day:
            self._day, self._begun_ns, self._observed_ns, self._tally, self._stays = day, start_ns, 0, Tally(), {}
        self._ended_ns = end_ns
        self._observed_ns += observed_ns
        taken = limit_stays(people, self._stays, self._budget, max(width_px, 1) / _CELLS)
        self._tally = self._tally.add(taken)
        if reason is None and not self._clock.synced():
            reason = "budget"
        said = None if reason else self._release(Tally().add(taken), "hour", start_ns // (3600 * NS), now_ns)
        return private_content(said, self._budget, reason=reason or ("budget" if said is None else None))

    def finished_day(self, start_ns: int, now_ns: int) -> tuple[dict[str, Any], int, int, int] | None:
        """What the day before says: fields, start and end in UTC, nanoseconds observed.

        None unless a window that starts at `start_ns` is of another day.
        """
        if self._day is None or self._local(start_ns).toordinal() == self._day:
            return None
        said = self._release(self._tally, "day", self._day, now_ns) if self._clock.synced() else None
        content = private_content(said, self._budget, reason="budget" if said is None else None)
        self._day = None
        return content, self._begun_ns, self._ended_ns, self._observed_ns

    def _release(self, tally: Tally, kind: Kind, number: int, now_ns: int) -> Private | None:
        day = self._day
        if day is None:
            return None
        slot = "day" if kind == "day" else f"hour-{number}"
        try:
            if self._ledger.is_symlink():
                raise sqlite3.OperationalError(f"{self._ledger} is a link, and no link is followed there")
            connection = sqlite3.connect(self._ledger, isolation_level=None)
            try:
                paid = spend(connection, self._budget, day=day, slot=slot, boot=self._clock.boot_id, now_s=now_ns / NS)
            finally:
                connection.close()
        except sqlite3.Error as error:
            log.warning("privacy ledger: %s; nothing is released", error)
            return None
        return release_tally(tally, self._budget, kind) if paid else None

    def _local(self, utc_ns: int) -> datetime:
        return instant(utc_ns).astimezone(find_zone(self._tz))
