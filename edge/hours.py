"""Opening hours as a configuration writes them: `mon-fri 09:00-18:00`."""

from __future__ import annotations

import re

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"^(daily|[a-z]{3}(?:-[a-z]{3})?) (\d\d):(\d\d)-(\d\d):(\d\d)$")


def parse_hours(entry: str) -> tuple[frozenset[int], int, int]:
    """Reads `mon-fri 09:00-18:00`: the weekdays (0 is Monday) and the minutes of the day, from and until.

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
    if max(from_minute, to_minute) > 59 or not 0 <= start < until <= 24 * 60:
        raise ValueError(f"{entry!r}: hours run from earlier to later within one day, at most 24:00")
    return weekdays, start, until
