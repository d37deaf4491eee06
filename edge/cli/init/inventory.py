"""Which board this is, and what an installer would have to look up: cameras and time zone. Reads, opens nothing."""

from __future__ import annotations

import platform
from pathlib import Path

# Words in /proc/device-tree/model, as the boards' own kernels write it.
_MODELS = {
    "Raspberry Pi 5": "rpi5",
    "Raspberry Pi Compute Module 5": "rpi5",
    "Raspberry Pi 4": "rpi4",
    "Raspberry Pi Compute Module 4": "rpi4",
    "Raspberry Pi Zero 2": "rpi-zero2w",
    "Orin Nano": "jetson-orin-nano",
    "Phanbell": "coral-dev-board",
}
_CORAL_USB = {("1a6e", "089a"), ("18d1", "9302")}  # before and after its firmware is loaded


def find_profile(root: Path = Path("/")) -> str | None:
    """The profile of the board this runs on; None when there is none for it."""
    model = _read(root / "proc/device-tree/model")
    if not model:
        return "x86-kiosk" if platform.machine() == "x86_64" and root == Path("/") else None
    found = next((profile for words, profile in _MODELS.items() if words in model), None)
    return "rpi5-coral-usb" if found == "rpi5" and coral_speed(root) is not None else found


def coral_speed(root: Path = Path("/")) -> float | None:
    """Megabits a second of the USB port that a Coral accelerator sits in; None when none is plugged in."""
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        if (_read(device / "idVendor"), _read(device / "idProduct")) in _CORAL_USB:
            try:
                return float(_read(device / "speed"))
            except ValueError:
                return 0.0
    return None


def list_cameras(root: Path = Path("/")) -> dict[str, str]:
    """The names of V4L2 nodes that give pictures, by path: the first node of each device."""
    nodes = sorted((root / "sys/class/video4linux").glob("video*"), key=lambda path: int(path.name[5:] or 0))
    return {f"/dev/{node.name}": _read(node / "name") for node in nodes if _read(node / "index") in ("", "0")}


def time_zone(root: Path = Path("/")) -> str:
    """The system's time zone, an IANA name; UTC when it does not say."""
    if named := _read(root / "etc/timezone"):
        return named
    try:
        target = str((root / "etc/localtime").readlink())
    except OSError:
        return "UTC"
    return target.partition("zoneinfo/")[2] or "UTC"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
