"""Temperature, throttling, power supply and processor clock of the board, from /sys; None where it does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.contract import Board, rounded

_PLAUSIBLE_C = (-40.0, 130.0)  # a zone that is switched off or broken reads 0 K, or a number that no board survives
_FIXED = "PMIC-Die"  # Jetson Nano's reads 100 °C whatever happens (L4T R32, a constant of its driver)
# Bits of the Raspberry Pi's firmware (raspberrypi.com, documentation of `vcgencmd get_throttled`, read 2026-11).
_UNDER_VOLTAGE = 0x1
_HELD_BACK = 0x2 | 0x4 | 0x8  # frequency capped, throttled, soft temperature limit
_HELD_BACK_ONCE = 0x20000 | 0x40000 | 0x80000


def read_board(root: Path = Path("/sys")) -> Board:
    """The state of the board now; `root` is where sysfs is mounted."""
    firmware = _firmware(root)
    now, most, limit = (_cpu_khz(root, name) for name in ("scaling_cur_freq", "cpuinfo_max_freq", "scaling_max_freq"))
    throttled = limit < most if most and limit else None
    under_voltage = _alarm(root)
    if firmware is not None:
        throttled = bool(firmware & _HELD_BACK)
        under_voltage = bool(firmware & _UNDER_VOLTAGE) or bool(under_voltage)
    return Board(
        temperature_c=_temperature_c(root),
        throttled=throttled,
        throttled_since_boot=None if firmware is None else bool(firmware & _HELD_BACK_ONCE),
        under_voltage=under_voltage,
        cpu_mhz=now // 1000 if now else None,
        cpu_max_mhz=most // 1000 if most else None,
    )


def _temperature_c(root: Path) -> float | None:
    low, high = _PLAUSIBLE_C
    zones = root.glob("class/thermal/thermal_zone*")
    found = [value / 1000 for zone in zones if _text(zone / "type") != _FIXED for value in _numbers(zone / "temp")]
    return max((rounded(celsius, 1) for celsius in found if low < celsius < high and celsius != 0), default=None)


def _firmware(root: Path) -> int | None:
    """The throttling bits of the Raspberry Pi's firmware; the Pi 5 has another name for its bus."""
    paths = sorted(root.glob("devices/platform/soc*/*firmware/get_throttled"))
    return next((bits for path in paths for bits in _numbers(path, base=16)), None)


def _alarm(root: Path) -> bool | None:
    """Whether the Raspberry Pi's hwmon says that the supply is too weak."""
    chips = (chip for chip in root.glob("class/hwmon/hwmon*") if _text(chip / "name") == "rpi_volt")
    return next((alarm != 0 for chip in chips for alarm in _numbers(chip / "in0_lcrit_alarm")), None)


def _cpu_khz(root: Path, name: str) -> int:
    """The largest of all cores, 0 if none tells."""
    policies = root.glob(f"devices/system/cpu/cpufreq/policy*/{name}")
    return max((value for path in policies for value in _numbers(path)), default=0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):  # gone, forbidden, or a sensor that does not answer
        return ""


def _numbers(path: Path, base: int = 10) -> Iterator[int]:
    try:
        yield int(_text(path), base)
    except ValueError:
        return
