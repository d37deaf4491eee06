"""The payloads of contract version 1 and their bytes.

Owns the field names, their limits and their words; the schemas in `docs/mqtt/` are generated from here. Within
version 1 fields are only ever added, so `decode_window` and its siblings ignore fields they do not know.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.config import Slug, TagKey, TagValue
from edge.publish.fields import Count, Instant, Number, Share, Trust
from edge.publish.fields import ModelPayload as ModelPayload
from edge.publish.fields import Payload as _Payload
from edge.publish.machine import HealthPayload as HealthPayload

VERSION = 1
MAX_BYTES = 2048
WindowSchema = Literal["affect/v1/window"]
StatusSchema = Literal["affect/v1/status"]
Suppressed = Literal["min_visits", "closed"]


class SpreadPayload(_Payload, frozen=True, kw_only=True):
    """Mean and population standard deviation over visits, every visit weighing the same."""

    mean: Annotated[
        float,
        Meta(
            ge=-1,
            le=1,
            description="Mean over visits of each visit's time-weighted mean, -1 to 1, rounded to 0.01. "
            "A mean over people: it says nothing about one of them.",
        ),
    ]
    std: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Population standard deviation of the visits' means, rounded to 0.01. "
            "How far visits differ; not the error of the mean and not the model's own error.",
        ),
    ]


class QuadrantsPayload(_Payload, frozen=True, kw_only=True):
    """Share of visits by the signs of their means; 0 counts as positive and as high. Not emotion categories."""

    pos_high: Annotated[Share, Meta(description="Valence >= 0 and arousal >= 0, share of visits, 0 to 1.")]
    pos_low: Annotated[Share, Meta(description="Valence >= 0 and arousal < 0, share of visits, 0 to 1.")]
    neg_high: Annotated[Share, Meta(description="Valence < 0 and arousal >= 0, share of visits, 0 to 1.")]
    neg_low: Annotated[Share, Meta(description="Valence < 0 and arousal < 0, share of visits, 0 to 1.")]


class WindowPayload(_Payload, frozen=True, kw_only=True):
    """One interval of time and what all visits in it say together; never about one person."""

    schema: Annotated[WindowSchema, Meta(description="Which message this is, and its version.")]
    id: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9-]{1,32}/[0-9a-f]{8}/[0-9]{1,15}$",
            description="`<device>/<epoch>/<seq>`. Store by it: a message that comes twice then changes nothing.",
        ),
    ]
    seq: Annotated[
        int,
        Meta(
            ge=1,
            le=10**15 - 1,
            description="Running number within the epoch, from 1. A gap that stays means a lost window. "
            "Not the order of arrival: after an outage the newest window comes first.",
        ),
    ]
    epoch: Annotated[
        str,
        Meta(pattern="^[0-9a-f]{8}$", description="Random, made with the device's outbox. It identifies no person."),
    ]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    tags: Annotated[
        dict[TagKey, TagValue],
        Meta(max_length=4, description="Up to four configured keys, to join windows to sales and tests."),
    ]
    start: Annotated[Instant, Meta(description="Start of the interval, RFC 3339, UTC, inclusive.")]
    end: Annotated[Instant, Meta(description="End of the interval, RFC 3339, UTC, exclusive.")]
    tz: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="IANA time zone of the device, to turn `start` into local time. `start` itself stays UTC.",
        ),
    ]
    clock: Annotated[
        Trust,
        Meta(description="Whether the device's clock could be trusted. `unsynced`: do not join on `start`."),
    ]
    partial: Annotated[
        bool,
        Meta(description="Cut short by start, stop or restart: the counts cover less than the interval."),
    ]
    historical: Annotated[
        bool,
        Meta(
            description="Sent more than one window after its end, for example after an outage. About this delivery, "
            "not about the interval; two deliveries of one id differ in nothing else."
        ),
    ]
    visits: Annotated[
        Count,
        Meta(
            description="Visits seen long enough to be scored in this interval. Not unique visitors: who returns "
            "counts again. Do not sum over windows: a visit that spans two windows counts in both."
        ),
    ]
    peak_simultaneous: Annotated[
        Count,
        Meta(description="Most faces in one frame. Not the number of people present: who looks away is not seen."),
    ]
    scored_s: Annotated[
        Number,
        Meta(description="Face-seconds scored, rounded to 0.1. Not attention and not dwell time."),
    ]
    unscored_visits: Annotated[
        Count,
        Meta(description="Visits seen, but too small, turned, blurred, dark or brief to score. Not part of `visits`."),
    ]
    valence: Annotated[
        SpreadPayload | None,
        Meta(
            description="How pleasant the expressions look. An expression is not a feeling: a smile may be "
            "politeness. Null when suppressed."
        ),
    ]
    arousal: Annotated[
        SpreadPayload | None,
        Meta(
            description="How activated the expressions look. An expression is not a feeling: wide eyes may be "
            "bright light. Null when suppressed."
        ),
    ]
    quadrants: Annotated[
        QuadrantsPayload | None,
        Meta(
            description="Share of visits by the signs of their mean valence and arousal; each rounded to 0.01, so "
            "the sum may miss 1. The share of visits, not of people. Null when suppressed."
        ),
    ]
    suppressed: Annotated[
        Suppressed | None,
        Meta(
            description="Why the scores are null: `min_visits`, too few visits to hide one among them; `closed`, "
            "outside opening hours, nothing was looked at. Null: they are not. It does not mean that nobody was there."
        ),
    ]
    model: Annotated[ModelPayload, Meta(description="The model that made the scores.")]

    def __post_init__(self) -> None:
        scores = (self.valence, self.arousal, self.quadrants)
        if any((score is None) != (self.suppressed is not None) for score in scores):
            raise ValueError("`suppressed` says why scores are null: all of them are, or none and it is null")
        if self.start >= self.end:
            raise ValueError("`start` is before `end`")


class StatusPayload(_Payload, frozen=True, kw_only=True):
    """Whether the device is connected. Retained; `offline` is also the last will. Not whether its camera sees."""

    schema: Annotated[StatusSchema, Meta(description="Which message this is, and its version.")]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    state: Annotated[
        Literal["online", "offline"],
        Meta(description="`offline` is said by the device when it stops, else by the broker: it carries no time."),
    ]
    since: Annotated[Instant, Meta(description="Start of this broker session, UTC. Not of the device's run.")] | (
        UnsetType
    ) = UNSET
    clock: Annotated[Trust, Meta(description="Whether the clock behind `since` could be trusted.")] | UnsetType = UNSET
    version: Annotated[str, Meta(max_length=32, description="Release of affect-edge.")] | UnsetType = UNSET
    commit: Annotated[str, Meta(max_length=64, description="Commit the release was built from.")] | UnsetType = UNSET
    model: Annotated[ModelPayload, Meta(description="The model in use.")] | UnsetType = UNSET


Payload = TypeVar("Payload", WindowPayload, StatusPayload, HealthPayload)


def encode(payload: Payload) -> bytes:
    """A payload as JSON: UTF-8, no spaces, fields in the order of the contract.

    Raises:
        ValueError: a value breaks the contract, or the message is larger than `MAX_BYTES`.
    """
    data = msgspec.json.encode(payload)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{payload.schema}: {len(data)} bytes, more than {MAX_BYTES}")
    # msgspec checks limits when it decodes, not when it encodes, and writes NaN and infinity as null: what comes
    # back is what a subscriber will get.
    if _decode(data, type(payload)) != payload:
        raise ValueError(f"{payload.schema}: does not survive its own encoding")
    return data


def decode_window(data: bytes) -> WindowPayload:
    """Reads a window; fields that a later release added are ignored.

    Raises:
        ValueError: not a window of contract version 1; says which field.
    """
    return _decode(data, WindowPayload)


def decode_status(data: bytes) -> StatusPayload:
    """Reads a status; fields that a later release added are ignored.

    Raises:
        ValueError: not a status of contract version 1; says which field.
    """
    return _decode(data, StatusPayload)


def decode_health(data: bytes) -> HealthPayload:
    """Reads a health report; fields that a later release added are ignored.

    Raises:
        ValueError: not a health report of contract version 1; says which field.
    """
    return _decode(data, HealthPayload)


def _decode(data: bytes, kind: type[Payload]) -> Payload:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:  # already a ValueError where it is a ValidationError, but not for bad JSON
        raise ValueError(f"{kind.__name__}: {error}") from error
    except RecursionError:
        raise ValueError(f"{kind.__name__}: nested too deeply") from None
