"""Who sends: `Origin`, `Model` and the `Status` message, and the types of fields that several messages share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.errors import ConfigError

MAX_TAG_BYTES = 1024  # of all tags together as JSON, so that the largest window stays below `MAX_BYTES`

Slug = Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")]
TagKey = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
TagValue = Annotated[str, Meta(min_length=1, max_length=64)]
Trust = Literal["synced", "unsynced"]
Count = Annotated[int, Meta(ge=0, le=10**12)]  # how many there are now
Total = Annotated[int, Meta(ge=0, le=10**12, extra={"metric": "counter"})]  # how many there have been; only grows
Seconds = Annotated[float, Meta(ge=0, le=10**12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Instant = Annotated[datetime, Meta(tz=True)]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a part of one."""


class Model(Part, frozen=True, kw_only=True):
    """The model that made the scores. Scores of different models are not comparable without a check."""

    name: Annotated[Slug, Meta(description="Name of the model bundle.")]
    version: Annotated[int, Meta(ge=1, le=10**9, description="Version of the bundle; it only rises.")]
    sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bundle's manifest, which lists all its files.")
    ]


class Origin(Part, frozen=True, kw_only=True):
    """Who sends, and with which model: what stays the same in every message of a run. Not a message itself.

    Raises:
        ConfigError: the tags are longer than `MAX_TAG_BYTES` as JSON.
    """

    site: Slug
    device: Slug
    tz: str
    tags: dict[TagKey, TagValue]
    model: Model

    def __post_init__(self) -> None:
        size = len(msgspec.json.encode(self.tags))
        if size > MAX_TAG_BYTES:
            raise ConfigError(
                f"device.tags: {size} bytes of JSON, at most {MAX_TAG_BYTES} together", fix="shorten them"
            )

    def topic(self, kind: str) -> str:
        """The topic of `window`, `status` or `health`."""
        return f"affect/v1/{self.site}/{self.device}/{kind}"


class Status(Part, frozen=True, kw_only=True):
    """Whether the device is connected. Retained; `offline` is also the last will. Not whether its camera sees."""

    schema: Annotated[Literal["affect/v1/status"], Meta(description="Which message this is, and its version.")]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    state: Annotated[
        Literal["online", "offline"],
        Meta(description="`offline` is sent by the device when it stops, else by the broker as its last will."),
    ]
    since: (
        Annotated[
            Instant,
            Meta(description="Start of this broker session, UTC, not of the device's run. Absent when offline."),
        ]
        | UnsetType
    ) = UNSET
    clock: Annotated[Trust, Meta(description="Whether the clock behind `since` could be trusted.")] | UnsetType = UNSET
    version: Annotated[str, Meta(max_length=32, description="Release of affect-edge.")] | UnsetType = UNSET
    commit: Annotated[str, Meta(max_length=64, description="Commit the release was built from.")] | UnsetType = UNSET
    model: Annotated[Model, Meta(description="The model in use.")] | UnsetType = UNSET
