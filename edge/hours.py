"""Opening hours: how a configuration writes them, and whether it is open now in local time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"^(daily|[a-z]{3}(?:-[a-z]{3})?) (\d\d):(\d\d)-(\d\d):(\d\d)$")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_MINUTE = timedelta(minutes=1)
_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)
Span = tuple[frozenset[int], int, int]


def parse_hours(entry: str) -> Span:
    """Reads `mon-fri 09:00-18:00`.

    Returns:
        Weekdays on which it begins (0 is Monday), and from and until in minutes of that day; after midnight, until is
        more than 24 × 60.

    Raises:
        ValueError: the entry is not of that form.
    """
    match = _HOURS.match(entry)
    if match is None:
        raise ValueError(f"{entry!r} is not like 'mon-fri 09:00-18:00'")
    days, *numbers = match.groups()
    from_hour, from_minute, to_hour, to_minute = (int(number) for number in numbers)
    first, _, last = ("mon-sun" if days == "daily" else days).partition("-")
    if first not in _DAYS or (last or first) not in _DAYS:
        raise ValueError(f"{entry!r}: days are {', '.join(_DAYS)} or daily")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    weekdays = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    start, until = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) > 59 or start >= _DAY or until > _DAY or start == until:
        raise ValueError(f"{entry!r}: hours run from 00:00 to 24:00, and over midnight as in 22:00-02:00")
    return weekdays, start, until if until > start else until + _DAY


class OpeningHours:
    """Opens and closes once a day each, when local time first reaches the hour, or passes one that is left out.

    Args:
        entries: as `parse_hours` reads them; none means always open.
        tz: as `find_zone` takes it.
    """

    def __init__(self, entries: Sequence[str] = (), tz: str = "UTC") -> None:
        self._zone = find_zone(tz)
        self.change(entries)

    def change(self, entries: Sequence[str]) -> None:
        """Takes other hours from now on; may be called from another thread."""
        self._spans = [parse_hours(entry) for entry in entries]
        self._last: tuple[object, int, bool] = (self._spans, -1, True)

    def open_now(self, known_utc_ns: Callable[[], int | None]) -> bool:
        """Whether it is open by `Clock.known_utc_ns`: closed while that is None, unless it never closes."""
        if not self._spans:
            return True
        utc_ns = known_utc_ns()
        return utc_ns is not None and self.open_at(utc_ns)

    def open_at(self, utc_ns: int) -> bool:
        """Whether it is open at an instant, UTC nanoseconds since 1970."""
        minute = utc_ns // 60_000_000_000  # since 1972 every zone is off UTC by whole minutes
        spans, last = self._spans, self._last
        if spans is not last[0] or minute != last[1]:
            last = self._last = (spans, minute, self._look_up(spans, _1970 + minute * _MINUTE))
        return last[2]

    def _look_up(self, spans: Sequence[Span], now: datetime) -> bool:
        today = now.astimezone(self._zone).date()
        return not spans or any(
            self._instant(day, start) <= now < self._instant(day, until)
            for day in (today, today - timedelta(days=1))
            for days, start, until in spans
            if day.weekday() in days
        )

    def _instant(self, day: date, minutes: int) -> datetime:
        """When local time first reaches a minute of a day; UTC."""
        wall = datetime.combine(day + timedelta(days=minutes // _DAY), time(minutes % _DAY // 60, minutes % 60))
        found = min(wall.replace(tzinfo=self._zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1))
        while found.astimezone(self._zone).replace(tzinfo=None) < wall:  # a time that the clock leaves out
            found += _MINUTE
        return found


def common_hours(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Entries for the minutes of a week in both; where one of them is empty, which means always, the other.

    Raises:
        ValueError: no minute is in both.
    """
    if not one or not other:
        return [*one, *other]
    minutes = sorted(_minutes(one) & _minutes(other))
    if not minutes:
        raise ValueError("these hours and those of the configuration have no minute in common")
    begins = [at for before, at in zip([-2, *minutes], minutes, strict=False) if at != before + 1 or at % _DAY == 0]
    entries, within = [], set(minutes)
    for begin in begins:
        end = next(at for at in range(begin + 1, begin + _DAY + 1) if at % _DAY == 0 or at not in within)
        day, start, until = begin // _DAY, begin % _DAY, end - begin // _DAY * _DAY
        entries.append(f"{_DAYS[day]} {start // 60:02}:{start % 60:02}-{until // 60:02}:{until % 60:02}")
    return entries


def _minutes(entries: Sequence[str]) -> set[int]:
    """The minutes of a week, from 0 on Monday."""
    spans = [parse_hours(entry) for entry in entries]
    return {(day * _DAY + at) % _WEEK for days, start, until in spans for day in days for at in range(start, until)}


def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; `UTC` needs no zone database. Raises ValueError for an unknown one."""
    try:
        return timezone.utc if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin") from None
