"""What leaves the device: `Window`, `Status` and `Health`, version 1 of the contract.

Each message is one struct. The loop fills it, the outbox keeps its bytes, the broker gets those bytes. Schemas, the
page of fields, the AsyncAPI document and the Prometheus metrics are derived from the annotations. Limits and
descriptions are part of the contract. Within version 1 fields are only ever added.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TypeVar

import msgspec

from edge.contract.health import MAX_DEMAND as MAX_DEMAND
from edge.contract.health import MAX_MS as MAX_MS
from edge.contract.health import Board as Board
from edge.contract.health import CameraEvents as CameraEvents
from edge.contract.health import Delivery as Delivery
from edge.contract.health import Frames as Frames
from edge.contract.health import Health as Health
from edge.contract.health import Latency as Latency
from edge.contract.health import Level as Level
from edge.contract.health import Load as Load
from edge.contract.health import ModelState as ModelState
from edge.contract.health import Rejections as Rejections
from edge.contract.health import Stage as Stage
from edge.contract.health import Stages as Stages
from edge.contract.health import StageTime as StageTime
from edge.contract.health import Windows as Windows
from edge.contract.origin import Count as Count
from edge.contract.origin import Instant as Instant
from edge.contract.origin import Model as Model
from edge.contract.origin import Origin as Origin
from edge.contract.origin import Part as Part
from edge.contract.origin import Seconds as Seconds
from edge.contract.origin import Share as Share
from edge.contract.origin import Slug as Slug
from edge.contract.origin import Status as Status
from edge.contract.origin import TagKey as TagKey
from edge.contract.origin import TagValue as TagValue
from edge.contract.origin import Total as Total
from edge.contract.origin import Trust as Trust
from edge.contract.window import Quadrants as Quadrants
from edge.contract.window import Spread as Spread
from edge.contract.window import Suppressed as Suppressed
from edge.contract.window import Window as Window

VERSION = 1
MAX_BYTES = 2048
KINDS: dict[str, type[Window] | type[Status] | type[Health]] = {"window": Window, "status": Status, "health": Health}
_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)

Message = TypeVar("Message", Window, Status, Health)


def encode(message: Window | Status | Health) -> bytes:
    """A message as JSON: UTF-8, no spaces, fields in the order of the contract. Does not check limits: `decode` does.

    Raises:
        ValueError: the message is larger than `MAX_BYTES`.
    """
    data = msgspec.json.encode(message)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{message.schema}: {len(data)} bytes, more than {MAX_BYTES}")
    return data


def decode(data: bytes, kind: type[Message]) -> Message:
    """Reads a message and checks every limit of the contract; fields that a later release added are ignored.

    Raises:
        ValueError: not such a message of version 1; says which field.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def zeros(kinds: type) -> dict[str, int]:
    """A count of 0 for every kind that a section such as `Rejections` or `CameraEvents` names."""
    return dict.fromkeys(kinds.__annotations__, 0)


def instant(utc_ns: int) -> datetime:
    """UTC nanoseconds since 1970 as a time, cut to milliseconds.

    Raises:
        ValueError: before 1970 or after the year 9999.
    """
    try:
        if utc_ns < 0:
            raise OverflowError
        return _1970 + timedelta(milliseconds=utc_ns // 1_000_000)
    except OverflowError:
        raise ValueError(f"{utc_ns} ns is no time between 1970 and 9999") from None


def nanoseconds(time: datetime) -> int:
    """The inverse of `instant`: UTC nanoseconds since 1970, exact to the millisecond."""
    return (time - _1970) // timedelta(milliseconds=1) * 1_000_000


def rounded(value: float, digits: int = 2) -> float:
    """A finite number, rounded; never minus zero.

    Raises:
        ValueError: not a finite number.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return round(float(value), digits) + 0.0
