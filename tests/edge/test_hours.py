from __future__ import annotations

import itertools
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.hours import OpeningHours, parse_hours


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp()) * 1_000_000_000  # type: ignore[misc]


def hours(*entries: str, tz: str = "UTC") -> OpeningHours:
    return OpeningHours(entries, tz)


@pytest.mark.parametrize(
    ("entry", "days", "start", "until"),
    [
        ("mon-fri 09:00-18:00", {0, 1, 2, 3, 4}, 540, 1080),
        ("sun 00:00-24:00", {6}, 0, 1440),
        ("sat-mon 10:30-11:00", {5, 6, 0}, 630, 660),
        ("daily 08:00-20:00", set(range(7)), 480, 1200),
        ("fri 22:00-02:00", {4}, 1320, 1560),
        ("fri 22:00-00:00", {4}, 1320, 1440),
    ],
)
def test_opening_hours_are_read(entry: str, days: set[int], start: int, until: int) -> None:
    assert parse_hours(entry) == (days, start, until)


@pytest.mark.parametrize(
    "entry", ["mon 09:00-09:00", "mon 24:00-09:00", "fro 09:00-10:00", "mon 09:61-10:00", "mon 09:00-24:01", ""]
)
def test_impossible_opening_hours_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"day|like|hours"):
        parse_hours(entry)


def test_no_entry_means_always_open():
    assert hours().open_at(0)
    assert hours(tz="Europe/Berlin").open_at(utc(2026, 7, 1, 3))


def test_hours_include_their_first_instant_and_exclude_their_last():
    shop = hours("mon-fri 09:00-18:00")
    assert not shop.open_at(utc(2026, 11, 23, 9) - 1)  # a Monday
    assert shop.open_at(utc(2026, 11, 23, 9))
    assert shop.open_at(utc(2026, 11, 23, 18) - 1)
    assert not shop.open_at(utc(2026, 11, 23, 18))


def test_days_that_are_not_named_are_closed():
    shop = hours("mon-sat 09:00-20:00", "sun 11:00-17:00")
    assert not shop.open_at(utc(2026, 11, 22, 10))  # a Sunday
    assert shop.open_at(utc(2026, 11, 22, 12))
    assert shop.open_at(utc(2026, 11, 21, 10))


def test_days_may_run_over_the_end_of_the_week():
    bar = hours("fri-mon 12:00-24:00")
    assert bar.open_at(utc(2026, 11, 22, 23, 59))
    assert not bar.open_at(utc(2026, 11, 24, 13))  # a Tuesday


def test_several_spans_of_one_day_leave_the_pause_closed():
    shop = hours("daily 08:00-12:00", "daily 14:00-24:00")
    assert [shop.open_at(utc(2026, 1, 1, hour)) for hour in (7, 8, 12, 13, 14, 23)] == [
        False, True, False, False, True, True,
    ]  # fmt: skip


def test_the_clock_on_the_wall_counts_in_summer_and_winter():
    shop = hours("daily 09:00-18:00", tz="Europe/Berlin")
    assert not shop.open_at(utc(2026, 1, 15, 7, 59))
    assert shop.open_at(utc(2026, 1, 15, 8))  # 09:00 CET
    assert shop.open_at(utc(2026, 7, 15, 7))  # 09:00 CEST
    assert not shop.open_at(utc(2026, 7, 15, 16))


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin():
    bar = hours("fri-sat 22:00-02:00", tz="Europe/Berlin")
    friday = utc(2026, 11, 20, 21)  # 22:00 CET
    assert not bar.open_at(friday - 1)
    assert bar.open_at(friday)
    assert bar.open_at(utc(2026, 11, 21, 0, 59))  # Saturday 01:59
    assert not bar.open_at(utc(2026, 11, 21, 1))
    assert bar.open_at(utc(2026, 11, 22, 0, 59))  # Sunday 01:59, of Saturday
    assert not bar.open_at(utc(2026, 11, 20, 0, 30))  # Friday 01:30, of Thursday


def flips(shop: OpeningHours, begin: int, end: int) -> list[tuple[int, int]]:
    """When it opened and closed, as hour and minute of UTC."""
    minute_ns = 60_000_000_000
    states = [(at, shop.open_at(at)) for at in range(begin, end, minute_ns)]
    changes = [at for (_, before), (at, now) in itertools.pairwise(states) if before != now]
    return [(at // (60 * minute_ns) % 24, at // minute_ns % 60) for at in changes]


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        ("daily 20:00-02:30", [(18, 0), (0, 30)]),  # closes at the first 02:30 and stays closed at the second
        ("daily 00:00-02:30", [(22, 0), (0, 30)]),
        ("daily 02:30-05:00", [(0, 30), (4, 0)]),
        ("daily 02:00-03:00", [(0, 0), (2, 0)]),
        ("daily 20:00-03:30", [(18, 0), (2, 30)]),
    ],
)
def test_it_opens_and_closes_once_in_the_night_when_the_clock_goes_back(entry, changes):
    # 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET.
    night = hours(entry, tz="Europe/Berlin")
    assert flips(night, utc(2026, 10, 24, 16), utc(2026, 10, 25, 16)) == changes


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        ("daily 20:00-02:30", [(19, 0), (1, 0)]),  # 02:30 is left out: closed when the clock has passed it
        ("daily 02:30-05:00", [(1, 0), (3, 0)]),
        ("daily 02:00-03:00", []),
        ("daily 20:00-03:30", [(19, 0), (1, 30)]),
    ],
)
def test_it_opens_and_closes_once_in_the_night_when_the_clock_goes_forward(entry, changes):
    # 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST.
    night = hours(entry, tz="Europe/Berlin")
    assert flips(night, utc(2026, 3, 28, 18), utc(2026, 3, 29, 18)) == changes


def test_a_zone_beyond_the_date_line_has_its_own_weekday():
    shop = hours("mon 09:00-10:00", tz="Pacific/Auckland")
    assert shop.open_at(utc(2026, 11, 22, 20, 30))  # Monday 09:30 there, Sunday in UTC


@given(
    st.integers(100_000_000, 4_000_000_000),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_an_instant_is_open_as_the_local_calendar_says(second, tz):
    local = datetime.fromtimestamp(second, ZoneInfo(tz))
    expected = local.weekday() < 5 and 8 <= local.hour < 17
    assert hours("mon-fri 08:00-17:00", tz=tz).open_at(second * 1_000_000_000 + 7) is expected


def test_an_unknown_zone_is_named():
    with pytest.raises(ValueError, match="Mars/Olympus"):
        hours(tz="Mars/Olympus")


def test_utc_needs_no_zone_database():
    program = (
        "import sys, zoneinfo; zoneinfo.reset_tzpath(to=()); sys.modules['tzdata'] = None\n"
        "from edge.hours import OpeningHours\n"
        "print(OpeningHours(['daily 00:00-24:00'], 'UTC').open_at(0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "True\n"
