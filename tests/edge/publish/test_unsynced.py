"""Windows from before the clock was known to be right: kept, stamped when it is, never changed once sent."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from edge.affect.window import Windower
from edge.clock import NS
from edge.config import OutboxConfig, WindowConfig
from edge.publish.durable import DurableOutbox
from edge.publish.example import ORIGIN
from edge.publish.message import nanoseconds
from edge.publish.payload import WindowPayload

NOON_NS = 1_793_620_800 * NS  # a minute's start
MINUTE_NS = 60 * NS
DAY_NS = 86_400 * NS


@dataclass(kw_only=True)
class MachineClock:
    """A machine's clocks in the hand of a test: what the system believes is measured by `refresh` alone."""

    now_ns: int = 0
    system_offset_ns: int = 0
    system_synced: bool = False
    boot_id: str | None = "boot-1"

    def __post_init__(self) -> None:
        self.refresh()

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self, monotonic_ns: int) -> int:
        return monotonic_ns + self._offset_ns

    def synced(self) -> bool:
        return self._synced

    def refresh(self) -> None:
        self._offset_ns, self._synced = self.system_offset_ns, self.system_synced


_OUTBOXES: list[DurableOutbox] = []


@pytest.fixture(autouse=True)
def closed_outboxes() -> Iterator[None]:
    yield
    while _OUTBOXES:
        _OUTBOXES.pop().close()


class Device:
    """A clock, the windows on it and the outbox they go to; nobody is ever in view."""

    def __init__(self, clock: MachineClock, path=None, window_s: int = 60, **limits) -> None:
        self.clock = clock
        self.outbox = DurableOutbox(path, OutboxConfig(**limits), clock)
        _OUTBOXES.append(self.outbox)
        self.start(window_s)

    def start(self, window_s: int = 60) -> None:
        self.windower = Windower(WindowConfig(window_s=window_s), self.clock, step_s=0.1, reset_s=1.0)

    def run(self, seconds: float, every_s: float = 10.0) -> None:
        end_ns = self.clock.now_ns + round(seconds * NS)
        while self.clock.now_ns < end_ns:
            self.clock.now_ns += round(every_s * NS)
            for aggregate in self.windower.advance(self.clock.now_ns):
                self.outbox.insert(aggregate, ORIGIN)

    def windows(self) -> list[WindowPayload]:
        """What could be sent now, in order of its making."""
        return self.outbox.pending(10**6, ())[::-1]


def _do_not_overlap(windows: list[WindowPayload]) -> bool:
    return all(a.end <= b.start for a, b in pairwise(windows))


def _set_right(clock: MachineClock, utc_ns: int = NOON_NS) -> None:
    clock.system_offset_ns, clock.system_synced = utc_ns - clock.now_ns, True


def test_windows_of_a_boot_in_1970_wait_and_get_the_right_time():
    device = Device(MachineClock(now_ns=7 * NS))
    device.run(200)
    assert device.windows() == []
    assert device.outbox.counts().waiting == 3
    _set_right(device.clock, NOON_NS + 20 * NS)
    device.run(200)
    windows = device.windows()
    assert [window.clock for window in windows[:4]] == ["synced"] * 4
    right_ns = device.clock.utc_ns(0)
    assert [nanoseconds(window.start) - right_ns for window in windows[:4]] == [
        0,
        MINUTE_NS,
        2 * MINUTE_NS,
        3 * MINUTE_NS,
    ]
    assert windows[4].start == windows[3].end
    assert nanoseconds(windows[4].end) % MINUTE_NS == 0
    assert windows[4].partial
    assert not windows[5].partial
    assert _do_not_overlap(windows)


def test_a_clock_that_was_right_but_unsure_only_changes_the_word():
    clock = MachineClock(system_offset_ns=NOON_NS)
    device = Device(clock)
    device.run(60)
    assert device.windows() == []
    clock.system_synced = True
    device.run(60)
    first, second = device.windows()
    assert (first.clock, nanoseconds(first.start)) == ("synced", NOON_NS)
    assert second.start == first.end


def test_an_unsure_clock_that_was_hours_ahead_is_followed_back():
    clock = MachineClock(system_offset_ns=NOON_NS + 5 * 3600 * NS)
    device = Device(clock)
    device.run(150)
    _set_right(clock, NOON_NS)
    device.run(300)
    assert _do_not_overlap(device.windows())
    assert nanoseconds(device.windows()[-1].end) <= clock.utc_ns(clock.now_ns)


def test_after_a_while_windows_go_as_they_are_and_never_change_again():
    device = Device(MachineClock(), hold_unsynced_s=300)
    device.run(420)
    early = device.windows()
    assert [(window.seq, window.clock) for window in early] == [(1, "unsynced")]
    _set_right(device.clock)
    device.run(120)
    assert device.windows()[0] == early[0]
    assert device.windows()[1].clock == "synced"


def test_windows_of_a_run_of_the_machine_that_is_over_can_no_longer_be_stamped(tmp_path):
    device = Device(MachineClock(), tmp_path / "outbox.db")
    device.run(120)
    device.outbox.close()
    after = Device(MachineClock(boot_id="boot-2"), tmp_path / "outbox.db")
    assert [window.clock for window in after.windows()] == ["unsynced"] * 2
    after.outbox.close()


def test_windows_of_an_earlier_process_of_the_same_run_are_stamped(tmp_path):
    device = Device(MachineClock(), tmp_path / "outbox.db")
    device.run(120)
    device.outbox.close()
    clock = device.clock
    _set_right(clock)
    clock.refresh()
    after = Device(clock, tmp_path / "outbox.db")
    assert [window.clock for window in after.windows()] == ["synced"] * 2
    assert nanoseconds(after.windows()[-1].end) == NOON_NS
    after.outbox.close()


@pytest.mark.parametrize("step_s", [-7200, -30, -1, 1, 30, 1800, 7200, 400 * 86_400])
def test_a_step_of_a_clock_that_was_held_to_be_right_gives_no_two_windows_of_one_interval(step_s):
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    device = Device(clock, max_age_days=1000)
    device.run(300)
    clock.system_offset_ns += step_s * NS
    device.run(1200)
    windows = device.windows()
    assert _do_not_overlap(windows)
    assert len(windows) >= 20  # none is made up for a time that never was, none is missing
    assert len(windows) <= 26
    assert windows[4].clock == "synced"
    assert windows[5].clock == "unsynced"  # the clock was moved while it was open
    assert [window.clock for window in windows[6:8]] == ["unsynced" if step_s < -25 else "synced"] * 2


def test_a_clock_that_was_set_back_is_met_again_and_trusted_again():
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    device = Device(clock)
    device.run(300)
    clock.system_offset_ns -= 120 * NS
    device.run(1600)
    windows = device.windows()
    assert windows[-1].clock == "synced"
    assert abs(nanoseconds(windows[-1].end) - clock.utc_ns(clock.now_ns)) < MINUTE_NS
    assert _do_not_overlap(windows)


@pytest.mark.parametrize("step_s", [-7200, -150, -120, -90, -45, -30])
def test_a_step_back_before_a_restart_gives_no_two_windows_of_one_interval(step_s, tmp_path):
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    device = Device(clock, tmp_path / "outbox.db")
    device.run(300)
    device.outbox.close()
    clock.system_offset_ns += step_s * NS
    clock.refresh()
    after = Device(clock, tmp_path / "outbox.db")
    after.run(-step_s + 300)
    windows = after.windows()
    after.outbox.close()
    doubted = [window for window in windows if window.clock == "unsynced"]
    trusted = [window for window in windows if window.clock == "synced"]
    # Those that lie where others were before, and those of the ten minutes ahead of that.
    assert math.ceil(min(-step_s, 300) / 60) <= len(doubted) <= math.ceil(min(-step_s, 900) / 60)
    assert trusted[-1] == windows[-1]
    assert _do_not_overlap(sorted(trusted, key=lambda window: window.start))


def test_the_two_parts_of_an_interval_around_a_restart_are_both_trusted(tmp_path):
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    device = Device(clock, tmp_path / "outbox.db")
    device.run(90)
    for aggregate in device.windower.close(clock.now_ns):
        device.outbox.insert(aggregate, ORIGIN)
    device.outbox.close()
    after = Device(clock, tmp_path / "outbox.db")
    after.run(90)
    windows = after.windows()
    after.outbox.close()
    assert [(window.clock, window.partial) for window in windows[1:]] == [
        ("synced", True),
        ("synced", True),
        ("synced", False),
    ]
    assert windows[1].end == windows[2].end


def test_a_clock_that_was_a_year_ahead_for_a_while_claims_that_while_and_not_the_year(tmp_path):
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    for ahead_s in (0, 365 * 86_400, 0):
        clock.system_offset_ns = NOON_NS + ahead_s * NS
        clock.refresh()
        device = Device(clock, tmp_path / "outbox.db", max_age_days=1000)
        device.run(300)
        device.outbox.close()
    after = Device(clock, tmp_path / "outbox.db")
    windows = after.windows()
    after.outbox.close()
    assert len(windows) >= 14
    assert {window.clock for window in windows} == {"synced"}
    assert _do_not_overlap(sorted(windows, key=lambda window: window.start))


def test_a_claim_that_can_no_longer_be_read_stops_no_device(tmp_path):
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    for broken in (b"", b"[[1", b"\xff", 7, "x", b"[[1,2,3]]"):
        outbox = DurableOutbox(tmp_path / "outbox.db", OutboxConfig(), clock)
        outbox.close()
        with sqlite3.connect(tmp_path / "outbox.db") as database:
            database.execute("UPDATE state SET reach = ?", (broken,))
        database.close()
        device = Device(clock, tmp_path / "outbox.db")
        device.run(120)
        assert device.outbox.counts().resets == 0
        device.outbox.close()


def test_a_line_that_runs_ahead_is_left_when_the_clock_is_found_right_and_windows_go_on():
    clock = MachineClock(system_offset_ns=NOON_NS + 7200 * NS, system_synced=True)
    device = Device(clock, max_age_days=1000)
    device.run(300)
    clock.system_offset_ns -= 3600 * NS  # set back: the line runs ahead of it by an hour
    device.run(300)
    clock.system_synced = False
    device.run(180)
    clock.system_synced = True
    device.run(1200)
    windows = device.windows()
    assert len(windows) >= 30
    assert windows[-1].clock == "synced"
    assert abs(nanoseconds(windows[-1].end) - clock.utc_ns(clock.now_ns)) <= MINUTE_NS
    trusted = [window for window in windows if window.clock == "synced"]
    assert _do_not_overlap(sorted(trusted, key=lambda window: window.start))


def test_a_held_window_that_a_late_correction_puts_on_others_says_unsynced():
    clock = MachineClock(system_offset_ns=NOON_NS, system_synced=True)
    device = Device(clock)
    device.run(180)
    clock.system_synced = False
    device.run(120)
    clock.system_offset_ns -= 100 * NS
    clock.system_synced = True
    device.run(300)
    windows = device.windows()
    trusted = [window for window in windows if window.clock == "synced"]
    assert _do_not_overlap(trusted)
    assert [window.seq for window in windows if window.clock == "unsynced"] == [4, 5]
    assert windows == device.windows()  # for good


@pytest.mark.slow
def test_ninety_days_of_boots_steps_and_leaps():
    clock = MachineClock()
    device = Device(clock, window_s=300, max_mb=1000, max_age_days=365)
    true_ns = NOON_NS
    for day in range(90):
        if day % 15 == 0:  # a boot without a battery clock
            true_ns += 20 * NS
            clock.now_ns, clock.system_offset_ns, clock.system_synced = 5 * NS, 0, False
            clock.boot_id = f"boot-{day}"
            clock.refresh()
            device.start(300)
            device.run(600, 60)
            clock.system_offset_ns, clock.system_synced = true_ns + 600 * NS - clock.now_ns, True
            device.run(DAY_NS / NS - 600, 60)
        else:
            clock.system_offset_ns += {4: 3 * 3600 * NS, 5: NS, 9: -NS, 20: -1800 * NS}.get(day, 0)
            device.run(DAY_NS / NS, 60)
        true_ns += DAY_NS
    windows = device.windows()
    stamped = [window for window in windows if window.clock == "synced"]
    assert len({window.id for window in windows}) == len(windows) == device.outbox.counts().waiting
    assert [window.seq for window in windows] == list(range(1, len(windows) + 1))
    assert len(windows) > 90 * 286
    assert len(stamped) > 0.9 * len(windows)
