"""Opening hours: whether the eye is open at an instant, in the device's own time zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.config import HoursConfig
from edge.errors import ConfigError
from edge.hours import parse_hours

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class OpeningHours:
    """Tells open from closed by the clock on the wall, which summer time moves.

    Args:
        hours: the entries; none means always open.
        tz: IANA name of the zone; `UTC` is known even where the system has no zone database.

    Raises:
        ConfigError: the zone is unknown here.
    """

    def __init__(self, hours: HoursConfig, tz: str = "UTC") -> None:
        self._spans = [parse_hours(entry) for entry in hours.open]
        self._zone = _zone(tz)
        self._last: tuple[int, bool] = (-1, True)

    def open_at(self, utc_ns: int) -> bool:
        """Whether frames may be looked at.

        Args:
            utc_ns: UTC nanoseconds since 1970.
        """
        if not self._spans:
            return True
        minute = utc_ns // 60_000_000_000  # since 1972 every zone is off UTC by whole minutes
        if minute != self._last[0]:
            self._last = (minute, self._look_up(minute))
        return self._last[1]

    def _look_up(self, minute: int) -> bool:
        # From UTC to local is never ambiguous: the hour that summer time repeats is simply open, or closed, twice.
        local = (_EPOCH + timedelta(minutes=minute)).astimezone(self._zone)
        of_day = local.hour * 60 + local.minute
        return any(local.weekday() in days and start <= of_day < until for days, start, until in self._spans)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"device.tz: unknown time zone {name!r}; use an IANA name such as Europe/Berlin") from None
