"""Types of fields that several messages share, and how numbers get into them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Slug = Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")]
TagKey = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
TagValue = Annotated[str, Meta(min_length=1, max_length=64)]
Trust = Literal["synced", "unsynced"]
Count = Annotated[int, Meta(ge=0, le=10**12)]  # how many there are now
Total = Annotated[int, Meta(ge=0, le=10**12, extra={"metric": "counter"})]  # how many there have been; only grows
Seconds = Annotated[float, Meta(ge=0, le=10**12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Instant = Annotated[datetime, Meta(tz=True)]
Site = Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
Policy = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{32}$",
        description="Hash of zones, opening hours, window, floor, privacy mode, purpose and model, as on the notice.",
    ),
]
Device = Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
Release = Annotated[str, Meta(max_length=32, description="Release of affect-edge.")]
Commit = Annotated[str, Meta(max_length=64, description="Commit the release was built from.")]

_BUCKETS = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def bucket(count: int) -> int:
    """The least count of a count's bucket: 0, 1 to 4, 5 to 9, 10 to 19, ... are told as 0, 1, 5, 10, ..."""
    return max(least for least in _BUCKETS if least <= count)


def zeros(kinds: type) -> dict[str, int]:
    """A count of 0 for every kind that a section such as `Rejections` or `CameraEvents` names."""
    return dict.fromkeys(kinds.__annotations__, 0)


def rounded(value: float, digits: int = 2) -> float:
    """A finite number, rounded; never minus zero.

    Raises:
        ValueError: not a finite number.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return round(float(value), digits) + 0.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a part of one."""


class Model(Part, frozen=True, kw_only=True):
    """The model that made the scores. Scores of different models are not comparable without a check."""

    name: Annotated[Slug, Meta(description="Name of the model bundle.")]
    version: Annotated[int, Meta(ge=1, le=10**9, description="Version of the bundle; it only rises.")]
    sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bundle's manifest, which lists all its files.")
    ]
