"""Accelerator, clock and disk, each with its faults planted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.cli.doctor import machine
from edge.cli.doctor.finding import EXIT_CODES, Level, passed, skipped, warned, worst
from edge.cli.doctor.machine import check_accelerator, check_clock, check_heat_and_power, check_memory, check_storage
from edge.clock import FileClock
from edge.config import CameraConfig, Config, EngineConfig, HoursConfig, OutboxConfig
from edge.contract import Board
from edge.errors import EngineError


def plug_coral(root: Path, speed: str) -> None:
    device = root / "sys/bus/usb/devices/2-1"
    device.mkdir(parents=True)
    for name, text in (("idVendor", "18d1"), ("idProduct", "9302"), ("speed", speed)):
        (device / name).write_text(text + "\n")


@pytest.fixture
def coral(tmp_path: Path) -> EngineConfig:
    return EngineConfig(delegate=str(tmp_path / "libedgetpu.so.1"), delegate_options={"device": "usb"})


def test_no_accelerator_is_no_fault(found) -> None:
    assert found(check_accelerator(EngineConfig()), "accelerator").level is Level.SKIP


def test_missing_coral_and_missing_library_both_fail(tmp_path: Path, coral: EngineConfig) -> None:
    findings = list(check_accelerator(coral, root=tmp_path))
    assert [finding.level for finding in findings] == [Level.FAIL, Level.FAIL]
    assert "1a6e:089a" in findings[0].fix
    assert "install" in findings[1].fix


def test_coral_on_usb_2_is_warned_about_with_its_speed(tmp_path: Path, coral: EngineConfig, found) -> None:
    plug_coral(tmp_path, "480")
    finding = found(check_accelerator(coral, root=tmp_path), "accelerator bus")
    assert finding.level is Level.WARN
    assert "480 Mbit/s" in finding.said
    assert "USB 3" in finding.fix


def test_coral_on_usb_3_passes(tmp_path: Path, coral: EngineConfig, found, monkeypatch) -> None:
    plug_coral(tmp_path, "5000")
    monkeypatch.setattr(machine, "probe_delegate", lambda *_: None)
    findings = list(check_accelerator(coral, root=tmp_path))
    assert {finding.level for finding in findings} == {Level.PASS}


def test_crashing_library_is_a_line_and_only_a_warning_where_the_cpu_may_take_over(tmp_path, coral, found, monkeypatch):
    def crash(*_: object) -> None:
        raise EngineError(
            "engine.delegate: libedgetpu.so.1 crashes litert here (SIGSEGV)", "see which go together; or go without"
        )

    plug_coral(tmp_path, "5000")
    monkeypatch.setattr(machine, "probe_delegate", crash)
    assert found(check_accelerator(coral, root=tmp_path), "accelerator").level is Level.FAIL
    allowed = EngineConfig(delegate=coral.delegate, delegate_options=coral.delegate_options, delegate_fallback=True)
    finding = found(check_accelerator(allowed, root=tmp_path), "accelerator")
    assert finding.level is Level.WARN
    assert "SIGSEGV" in finding.said
    assert finding.fix == "see which go together; or go without"


@pytest.mark.parametrize(
    ("state", "check", "level", "said"),
    [
        (Board(), "temperature", Level.SKIP, "does not tell"),
        (Board(), "power", Level.SKIP, "does not tell"),
        (Board(temperature_c=51.2, throttled=False, under_voltage=False), "temperature", Level.PASS, "51 °C"),
        (Board(temperature_c=51.2, throttled=False, under_voltage=False), "power", Level.PASS, "enough"),
        (Board(temperature_c=82.0), "temperature", Level.WARN, "82 °C"),
        (Board(throttled=True), "power", Level.WARN, "below its full speed now"),
        (Board(throttled=False, throttled_since_boot=True), "power", Level.WARN, "since it was started"),
        (Board(under_voltage=True, throttled=True), "power", Level.FAIL, "too weak"),
    ],
)
def test_heat_and_power_are_told_as_far_as_the_board_does(state, check, level, said, found) -> None:
    finding = found(check_heat_and_power(state), check)
    assert finding.level is level
    assert said in finding.said
    assert bool(finding.fix) is (level in (Level.WARN, Level.FAIL))


@pytest.mark.parametrize(
    ("config", "level", "said", "fix"),
    [
        (Config(), Level.WARN, "each window waits for it, up to 900 s", "outbox.hold_unsynced_s = 0"),
        (Config(outbox=OutboxConfig(hold_unsynced_s=0)), Level.WARN, "windows say so", "timedatectl"),
        (Config(hours=HoursConfig(open=["daily 08:00-20:00"])), Level.FAIL, "the camera stays closed", "timedatectl"),
    ],
)
def test_clock_that_is_not_synchronized_is_told_with_what_it_holds_up(config, level, said, fix, found) -> None:
    finding = check_clock(FileClock(), config)
    assert finding.level is level
    assert said in finding.said
    assert fix in finding.fix


def test_synchronized_clock_passes(found, monkeypatch) -> None:
    monkeypatch.setattr(FileClock, "synced", lambda self: True)
    assert check_clock(FileClock(), Config()).level is Level.PASS


def test_folder_that_cannot_be_written_fails(tmp_path: Path, found, monkeypatch) -> None:
    assert found(check_storage(tmp_path / "new" / "outbox.db", Config()), "outbox").level is Level.PASS
    monkeypatch.setattr(machine.os, "access", lambda *_: False)  # root may write everywhere
    finding = found(check_storage(tmp_path / "outbox.db", Config()), "outbox")
    assert finding.level is Level.FAIL
    assert "outbox.path" in finding.fix


def test_full_disk_is_warned_about(tmp_path: Path, found, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000_000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    finding = found(check_storage(tmp_path / "outbox.db", Config(outbox=OutboxConfig(max_mb=64))), "disk")
    assert finding.level is Level.WARN
    assert finding.said == "50 MB free"


def test_worst_finding_decides_the_exit_code() -> None:
    assert EXIT_CODES[worst([])] == 0
    assert EXIT_CODES[worst([passed("a", ""), skipped("b", "")])] == 0
    assert EXIT_CODES[worst([passed("a", ""), warned("b", "", "c"), skipped("d", "")])] == 10


def test_swap_with_memory_that_cannot_be_locked_fails_a_live_camera(found, monkeypatch) -> None:
    monkeypatch.setattr(machine, "seal_memory", lambda: False)
    finding = check_memory(Config())
    assert finding.level is Level.FAIL
    assert "LimitMEMLOCK=infinity" in finding.fix
    monkeypatch.setattr(machine, "seal_memory", lambda: True)
    assert check_memory(Config()).level is Level.PASS


def test_memory_of_a_drawn_scene_is_not_judged_and_not_sealed(found, monkeypatch) -> None:
    monkeypatch.setattr(machine, "seal_memory", lambda: pytest.fail("sealed"))
    config = Config(camera=CameraConfig(backend="scene"))
    assert check_memory(config).level is Level.SKIP
