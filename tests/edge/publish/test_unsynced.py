"""Windows from before the clock was known to be right: held, stamped when it is, never changed once sent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.clock import NS
from edge.config import OutboxConfig
from edge.contract import Window, decode, instant, nanoseconds
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import BUSY, ORIGIN

NOON_NS = 1_793_620_800 * NS
MINUTE_NS = 60 * NS
YEAR_S = 365 * 86_400


@dataclass(kw_only=True)
class MachineClock:
    """A machine's clocks in the hand of a test."""

    now_ns: int = 0
    offset_ns: int = 0
    trusted: bool = False
    boot_id: str | None = "boot-1"

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self, monotonic_ns: int) -> int:
        return monotonic_ns + self.offset_ns

    def synced(self) -> bool:
        return self.trusted

    def refresh(self) -> None:
        pass


class Device:
    """A clock, an outbox, and a window a minute of the machine's own time."""

    def __init__(self, clock: MachineClock, put, path: Path | None = None, **limits) -> None:
        self.clock, self._put = clock, put
        self.outbox = Outbox(path, OutboxConfig(**limits), clock, ORIGIN)

    def run(self, minutes: int = 1, *, partial: bool = False, length_ns: int = MINUTE_NS) -> None:
        for _ in range(minutes):
            begun_ns = self.clock.now_ns
            self.clock.now_ns += length_ns
            times = (self.clock.utc_ns(begun_ns), self.clock.utc_ns(self.clock.now_ns))
            window = replace(
                BUSY,
                start=instant(times[0]),
                end=instant(times[1]),
                clock="synced" if self.clock.trusted else "unsynced",
                partial=partial,
            )
            self._put(self.outbox, window, None if self.clock.trusted else (begun_ns, self.clock.now_ns))

    def windows(self) -> list[Window]:
        """What could be sent now, in order of its making."""
        return [decode(row.message, Window) for row in self.outbox.owed(10**6)][::-1]

    def clocks(self) -> list[str]:
        return [window.clock for window in self.windows()]


def do_not_overlap(windows: list[Window]) -> bool:
    trusted = sorted((window for window in windows if window.clock == "synced"), key=lambda window: window.start)
    return all(a.end <= b.start for a, b in pairwise(trusted))


def set_right(clock: MachineClock, utc_ns: int = NOON_NS) -> None:
    clock.offset_ns, clock.trusted = utc_ns - clock.now_ns, True


def test_windows_of_a_boot_in_1970_wait_and_get_the_right_time(put):
    device = Device(MachineClock(now_ns=7 * NS), put)
    device.run(3)
    assert device.windows() == []
    assert (device.outbox.held(), device.outbox.delivery().waiting) == (3, 3)
    set_right(device.clock)
    device.run(2)
    assert device.clocks() == ["synced"] * 5
    assert [nanoseconds(window.end) - NOON_NS for window in device.windows()] == [
        minute * MINUTE_NS for minute in (-2, -1, 0, 1, 2)
    ]


def test_a_clock_that_was_right_but_unsure_only_changes_the_word(put):
    clock = MachineClock(offset_ns=NOON_NS)
    device = Device(clock, put)
    device.run()
    clock.offset_ns += NS // 2
    clock.trusted = True
    (window,) = device.windows()
    assert (window.clock, nanoseconds(window.start)) == ("synced", NOON_NS)


def test_after_a_while_windows_go_as_they_are_and_never_change_again(put):
    device = Device(MachineClock(), put, hold_unsynced_s=300)
    device.run(7)
    early = device.windows()
    assert [(window.seq, window.clock) for window in early] == [(1, "unsynced")]
    set_right(device.clock)
    device.run(2)
    assert device.windows()[0] == early[0]
    assert device.clocks()[1:] == ["synced"] * 8


@pytest.mark.parametrize(("boot", "clocks"), [("boot-1", ["synced"] * 2), ("boot-2", ["unsynced"] * 2)])
def test_windows_of_an_earlier_process_are_stamped_if_the_machine_still_runs(tmp_path, put, boot, clocks):
    device = Device(MachineClock(), put, tmp_path / "outbox.db")
    device.run(2)
    device.outbox.close()
    device.clock.boot_id = boot
    set_right(device.clock)
    after = Device(device.clock, put, tmp_path / "outbox.db")
    assert after.clocks() == clocks
    assert boot == "boot-2" or nanoseconds(after.windows()[-1].end) == NOON_NS
    after.outbox.close()


def test_without_a_hold_windows_go_at_once(put):
    device = Device(MachineClock(), put, hold_unsynced_s=0)
    device.run()
    assert device.clocks() == ["unsynced"]


@pytest.mark.parametrize("step_s", [-7200, -150, -90, -30])
@pytest.mark.parametrize("restart", [True, False])
def test_a_step_back_gives_no_two_windows_of_one_interval(step_s, restart, tmp_path, put):
    clock = MachineClock(offset_ns=NOON_NS, trusted=True)
    device = Device(clock, put, tmp_path / "outbox.db")
    device.run(5)
    clock.offset_ns += step_s * NS
    if restart:
        device.outbox.close()
        device = Device(clock, put, tmp_path / "outbox.db")
    device.run(8 - step_s // 60)
    assert do_not_overlap(device.windows())
    assert "unsynced" in device.clocks()
    assert device.clocks()[-1] == "synced"
    device.outbox.close()


def test_the_two_parts_of_an_interval_around_a_restart_are_both_trusted(tmp_path, put):
    clock = MachineClock(offset_ns=NOON_NS, trusted=True)
    for _ in range(2):
        device = Device(clock, put, tmp_path / "outbox.db")
        device.run(partial=True)
        windows, clocks = device.windows(), device.clocks()
        device.outbox.close()
        clock.now_ns -= MINUTE_NS  # the second part says the same interval
    assert clocks == ["synced", "synced"]
    assert windows[0].end == windows[1].end


def test_a_clock_that_was_a_year_ahead_for_a_while_does_not_claim_the_year(put):
    clock = MachineClock(offset_ns=NOON_NS, trusted=True)
    device = Device(clock, put, max_age_days=1000)
    for ahead_s in (0, YEAR_S, 0):
        clock.offset_ns = NOON_NS + ahead_s * NS
        device.run(5)
    assert device.clocks() == ["synced"] * 15
    assert do_not_overlap(device.windows())


def test_a_held_window_that_a_late_correction_puts_on_others_says_unsynced(put):
    clock = MachineClock(offset_ns=NOON_NS, trusted=True)
    device = Device(clock, put)
    device.run(3)
    clock.trusted = False
    device.run(2)
    clock.offset_ns -= 100 * NS
    clock.trusted = True
    device.run(5)
    windows = device.windows()
    assert do_not_overlap(windows)
    assert [window.seq for window in windows if window.clock == "unsynced"] == [4, 5]
    assert windows == device.windows()  # for good
