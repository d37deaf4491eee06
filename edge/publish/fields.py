"""Types of fields that several messages share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Trust = Literal["synced", "unsynced"]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Number = Annotated[float, Meta(ge=0, le=10**12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Instant = Annotated[datetime, Meta(tz=True)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a part of one."""


class ModelPayload(Payload, frozen=True, kw_only=True):
    """The model that made the scores. Scores of different models are not comparable without a check."""

    name: Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$", description="Name of the model bundle.")]
    version: Annotated[int, Meta(ge=1, le=10**9, description="Version of the bundle; it only ever rises.")]
    sha256: Annotated[Sha256, Meta(description="SHA-256 of the bundle's manifest, and through it of all its files.")]
