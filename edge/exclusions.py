"""What is never looked at: zones of the picture, and the time outside opening hours.

The configuration says so, and the device's page may add to it: its own file, the overlay, holds more zones and
narrower hours. So the page can only make the device see less than its configuration allows.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import msgspec

from edge.contract.fields import Share
from edge.hours import parse_hours
from edge.toml import read_toml

Corners = Annotated[list[tuple[Share, Share]], msgspec.Meta(min_length=3, max_length=32)]


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place that is never looked at: corners as fractions of the turned and flipped picture, (0, 0) top left."""

    name: str
    exclude: Corners


class HoursConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the camera is on, in the device's time zone; empty: always. Otherwise the device is closed, also while the
    clock is not known to be right. Files have no hours.

    Each entry is `mon-sat 09:00-20:00`, `daily 08:00-24:00` or, over midnight, `fri-sat 22:00-02:00`.
    """

    open: list[str] = []

    def __post_init__(self) -> None:
        for entry in self.open:
            parse_hours(entry)


class Overlay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was set on the page: zones beside those of the configuration, and hours within its hours."""

    zones: list[ZoneConfig] = []
    hours: HoursConfig = HoursConfig()


def read_overlay(path: Path) -> Overlay:
    """The overlay; an empty one where there is no file. Raises ConfigError for a file that cannot be meant."""
    return read_toml(path, Overlay) if os.path.lexists(path) else Overlay()


def write_overlay(path: Path, overlay: Overlay) -> None:
    """Replaces the file at once, also through a loss of power. Raises OSError where it cannot be written."""
    lines = ["# Written by the device's page: zones and hours that narrow those of the configuration."]
    lines += ["[hours]", f"open = {json.dumps(overlay.hours.open)}"] if overlay.hours.open else []
    for zone in overlay.zones:
        corners = [list(corner) for corner in zone.exclude]
        lines += ["[[zones]]", f"name = {json.dumps(zone.name, ensure_ascii=False)}", f"exclude = {corners}"]
    fresh = path.with_suffix(".new")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(number)
    fresh.replace(path)
