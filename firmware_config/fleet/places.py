"""Tags and excluded places of one device, as a table's cells write them."""

from __future__ import annotations

import re

import msgspec

from edge.config import ZoneConfig
from edge.errors import ConfigError

TAGS = "KEY=VALUE, up to four, separated by spaces"
ZONES = "places never looked at, NAME: x,y x,y x,y in fractions of the picture from its top left; several with |"
_TAG = re.compile(r"([^=\s]+)=(\S+)")
_ZONE = re.compile(r"\s*([^:|]*[^:|\s])\s*:\s*((?:[\d.]+,[\d.]+\s*)+)")


def read_tags(cell: str) -> dict[str, str]:
    """The tags in a cell, `zone=entrance variant=b`.

    Raises:
        ConfigError: it is no such text, or says a key twice.
    """
    words = cell.split()
    pairs = [(found[1], found[2]) for word in words if (found := _TAG.fullmatch(word)) is not None]
    if len(pairs) != len(words):
        raise ConfigError(f"tags: {cell!r} is not {TAGS}")
    if len(dict(pairs)) != len(pairs):
        raise ConfigError(f"tags: {cell!r} says a key twice")
    return dict(pairs)


def read_zones(cell: str) -> list[ZoneConfig]:
    """The zones in a cell, `till: 0,0.4 0.3,0.4 0.3,1 0,1`.

    Raises:
        ConfigError: it is no such text, or no area: fewer than three corners, or a corner outside of the picture.
    """
    zones = []
    for part in cell.split("|") if cell else ():
        found = _ZONE.fullmatch(part)
        if found is None:
            raise ConfigError(f"zones: {part.strip()!r} is not {ZONES}")
        try:
            corners = [tuple(float(number) for number in corner.split(",")) for corner in found[2].split()]
            zones.append(msgspec.convert({"name": found[1], "exclude": corners}, ZoneConfig))
        except ValueError as error:  # msgspec's ValidationError is one
            raise ConfigError(f"zones: {found[1]}: {str(error).partition(' - at')[0]}") from error
    return zones
