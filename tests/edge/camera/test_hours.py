from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.hours import OpeningHours
from edge.config import HoursConfig
from edge.errors import ConfigError


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp()) * 1_000_000_000  # type: ignore[misc]


def hours(*entries: str, tz: str = "UTC") -> OpeningHours:
    return OpeningHours(HoursConfig(open=list(entries)), tz)


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


def test_the_night_when_the_clock_goes_back_has_its_hour_twice():
    night = hours("daily 02:00-03:00", tz="Europe/Berlin")
    before = utc(2026, 10, 24, 23, 59)
    assert not night.open_at(before)
    assert night.open_at(utc(2026, 10, 25, 0, 30))  # 02:30 CEST
    assert night.open_at(utc(2026, 10, 25, 1, 30))  # 02:30 CET
    assert not night.open_at(utc(2026, 10, 25, 2))


def test_the_night_when_the_clock_goes_forward_skips_its_hour():
    night = hours("daily 02:00-03:00", tz="Europe/Berlin")
    assert not any(night.open_at(utc(2026, 3, 29, hour, minute)) for hour in range(3) for minute in range(0, 60, 10))


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
    with pytest.raises(ConfigError, match="Mars/Olympus"):
        hours(tz="Mars/Olympus")


def test_utc_needs_no_zone_database():
    program = (
        "import sys, zoneinfo; zoneinfo.reset_tzpath(to=()); sys.modules['tzdata'] = None\n"
        "from edge.camera.hours import OpeningHours; from edge.config import HoursConfig\n"
        "print(OpeningHours(HoursConfig(open=['daily 00:00-24:00']), 'UTC').open_at(0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "True\n"
