"""What the board tells about itself, from planted files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.board import read_board
from edge.contract import Board


def plant(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def zone(number: int, milli: str, kind: str = "cpu-thermal") -> dict[str, str]:
    folder = f"class/thermal/thermal_zone{number}"
    return {f"{folder}/temp": f"{milli}\n", f"{folder}/type": f"{kind}\n"}


def core(number: int, now: int, most: int, limit: int) -> dict[str, str]:
    folder = f"devices/system/cpu/cpufreq/policy{number}"
    files = {"scaling_cur_freq": now, "cpuinfo_max_freq": most, "scaling_max_freq": limit}
    return {f"{folder}/{name}": f"{khz}\n" for name, khz in files.items()}


FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


def test_a_board_that_tells_nothing_gives_nothing(tmp_path: Path) -> None:
    assert read_board(tmp_path) == Board()


def test_the_hottest_zone_that_makes_sense_counts(tmp_path: Path) -> None:
    plant(tmp_path, **zone(0, "48312"), **zone(1, "61850", "gpu-thermal"), **zone(2, "-273000"), **zone(3, "0"))
    plant(tmp_path, **zone(4, "100000", "PMIC-Die"), **zone(5, "not a number"), **zone(6, "999000"))
    assert read_board(tmp_path).temperature_c == 61.9


def test_a_zone_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, **zone(0, "40000"))
    (tmp_path / "class/thermal/thermal_zone1/temp").mkdir(parents=True)  # reading it is an OSError
    assert read_board(tmp_path).temperature_c == 40.0


@pytest.mark.parametrize(
    ("bits", "throttled", "since_boot", "under_voltage"),
    [
        ("0", False, False, False),
        ("50005", True, True, True),
        ("50000", False, True, False),
        ("1", False, False, True),
        ("8", True, False, False),
        ("0xe0000", False, True, False),
    ],
)
def test_the_raspberry_pis_firmware_is_believed(
    tmp_path: Path, bits: str, throttled: bool, since_boot: bool, under_voltage: bool
) -> None:
    plant(tmp_path, **{FIRMWARE: f"{bits}\n"}, **core(0, 600_000, 1_800_000, 1_800_000))
    state = read_board(tmp_path)
    assert (state.throttled, state.throttled_since_boot, state.under_voltage) == (throttled, since_boot, under_voltage)


@pytest.mark.parametrize(("alarm", "told"), [("1", True), ("0", False)])
def test_a_weak_supply_is_heard_from_hwmon(tmp_path: Path, alarm: str, told: bool) -> None:
    plant(tmp_path, **{"class/hwmon/hwmon0/name": "cpu_thermal\n", "class/hwmon/hwmon0/in0_lcrit_alarm": "1\n"})
    assert read_board(tmp_path).under_voltage is None
    plant(tmp_path, **{"class/hwmon/hwmon1/name": "rpi_volt\n", "class/hwmon/hwmon1/in0_lcrit_alarm": f"{alarm}\n"})
    assert read_board(tmp_path).under_voltage is told


@pytest.mark.parametrize(("limit", "told"), [(2_400_000, False), (1_500_000, True)])
def test_without_a_firmware_the_frequency_limit_says_whether_the_processor_is_held_back(
    tmp_path: Path, limit: int, told: bool
) -> None:
    plant(tmp_path, **core(0, 1_000_000, 1_800_000, min(limit, 1_800_000)), **core(4, 1_500_000, 2_400_000, limit))
    state = read_board(tmp_path)
    assert (state.throttled, state.throttled_since_boot) == (told, None)
    assert (state.cpu_mhz, state.cpu_max_mhz) == (1500, 2400)


def test_this_machine_can_be_asked() -> None:
    state = read_board()
    assert state.temperature_c is None or -40 < state.temperature_c < 130
