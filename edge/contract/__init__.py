"""What leaves the device: `Window`, `Status` and `Health`, version 1 of the contract.

Each message is one struct. The loop fills it, the outbox keeps its bytes, the broker gets those bytes. Schemas, the
page of fields, the AsyncAPI document and the Prometheus metrics are derived from the annotations. Limits and
descriptions are part of the contract. Within version 1 fields are only ever added.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.contract.fields import Commit, Count, Device, Instant, Part, Policy, Release, Seconds, Share, Site
from edge.contract.fields import Model as Model
from edge.contract.fields import Slug as Slug
from edge.contract.fields import TagKey as TagKey
from edge.contract.fields import TagValue as TagValue
from edge.contract.fields import Trust as Trust
from edge.contract.fields import rounded as rounded
from edge.contract.fields import zeros as zeros
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
from edge.errors import ConfigError

VERSION = 1
MAX_BYTES = 2048
_WINDOW_BYTES = 800  # of a window without the configuration's words; some 700 are the most that were seen
MAX_TAG_BYTES = 1024  # of all tags together as JSON, so that the largest window stays below `MAX_BYTES`
Suppressed = Literal["few_people", "closed", "camera", "partial", "budget", "notice"]
_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)


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
    policy: str

    def __post_init__(self) -> None:
        size = len(msgspec.json.encode(self.tags))
        if size > MAX_TAG_BYTES:
            raise ConfigError(f"device.tags: {size} bytes of JSON, at most {MAX_TAG_BYTES} together", "shorten them")

    def topic(self, kind: str) -> str:
        """The topic of `window`, `status` or `health`."""
        return f"affect/v1/{self.site}/{self.device}/{kind}"


class Spread(Part, frozen=True, kw_only=True):
    """Mean and standard deviation over people, every one weighing the same; nothing about one of them."""

    mean: Annotated[
        float,
        Meta(
            ge=-1,
            le=1,
            description="Mean of each person's time-weighted mean, -1 to 1, rounded to about half of one person's share"
            ": 0.05 from 10 people, 0.02 from 25, 0.01 from 50. So nobody who came or went can be computed.",
        ),
    ]
    std: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="Population standard deviation of the same, rounded to twice as much; null below 10 people. "
            "How far people differ; not the error of the mean and not the model's own error."
        ),
    ]


class Quadrants(Part, frozen=True, kw_only=True):
    """Share of people by the signs of their means; 0 counts as positive and as high. Not emotion categories."""

    pos_high: Annotated[Share, Meta(description="Valence >= 0 and arousal >= 0, share of people, 0 to 1.")]
    pos_low: Annotated[Share, Meta(description="Valence >= 0 and arousal < 0, share of people, 0 to 1.")]
    neg_high: Annotated[Share, Meta(description="Valence < 0 and arousal >= 0, share of people, 0 to 1.")]
    neg_low: Annotated[Share, Meta(description="Valence < 0 and arousal < 0, share of people, 0 to 1.")]


class Window(Part, frozen=True, kw_only=True):
    """One interval of time and what all visits in it say together; never about one person."""

    schema: Annotated[Literal["affect/v1/window"], Meta(description="Which message this is, and its version.")]
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
            description="Running number within the epoch, from 1. A gap that stays is a lost window; time can be "
            "missing without a gap. Not the order of arrival: after an outage the newest window comes first.",
        ),
    ]
    epoch: Annotated[
        str,
        Meta(pattern="^[0-9a-f]{8}$", description="Random, made with the device's outbox. It identifies no person."),
    ]
    site: Site
    device: Device
    tags: Annotated[
        dict[TagKey, TagValue],
        Meta(max_length=4, description="Up to four configured keys, to join windows to sales and experiments."),
    ]
    start: Annotated[Instant, Meta(description="Start of the interval, RFC 3339, UTC, inclusive.")]
    end: Annotated[Instant, Meta(description="End of the interval, RFC 3339, UTC, exclusive.")]
    tz: Annotated[
        str, Meta(min_length=1, max_length=64, description="IANA time zone of the device, for `start` in local time.")
    ]
    clock: Annotated[
        Trust, Meta(description="Whether the device's clock could be trusted. `unsynced`: do not join on `start`.")
    ]
    partial: Annotated[bool, Meta(description="Cut short by start, stop or restart; without scores.")]
    observed_s: Annotated[
        Seconds,
        Meta(
            description="Seconds of the interval in which the camera gave pictures, rounded to 0.1. For the rest it "
            "was closed, or camera or device were down. 0: nothing was looked at."
        ),
    ]
    visits: Annotated[
        Count | None,
        Meta(
            description="Visits seen long enough to be scored. Not unique visitors; do not sum. When suppressed, each "
            "count is the least of its bucket: 0, 1 to 4, 5 to 9, 10 to 19, ... Null in mode `dp`."
        ),
    ]
    visits_begun: Annotated[
        Count | None, Meta(description="Visits that began in this interval, scored or not. Not unique visitors.")
    ]
    peak_simultaneous: Annotated[
        Count | None, Meta(description="Most faces in one frame. Not the people present: who looks away is not seen.")
    ]
    scored_s: Annotated[
        Seconds | None, Meta(description="Face-seconds scored, rounded to 0.1. Not dwell time. Null when suppressed.")
    ]
    unscored_visits: Annotated[
        Count | None, Meta(description="Visits too small, turned, blurred, dark or brief to score.")
    ]
    people: Annotated[
        Count | None,
        Meta(description="Possible people that the scores speak for; weigh windows by it. Null when suppressed."),
    ]
    valence: Annotated[
        Spread | None,
        Meta(
            description="How pleasant the expressions look. An expression is not a feeling: a smile may be "
            "politeness. Null when suppressed."
        ),
    ]
    arousal: Annotated[
        Spread | None,
        Meta(
            description="How activated the expressions look. An expression is not a feeling: wide eyes may be "
            "bright light. Null when suppressed."
        ),
    ]
    quadrants: Annotated[
        Quadrants | None,
        Meta(
            description="Share of people by the signs of their mean valence and arousal; each rounded to 0.1, or 0.05 "
            "from 40 people, so the sum may miss 1. Null when suppressed, and below 20 people."
        ),
    ]
    suppressed: Annotated[
        Suppressed | None,
        Meta(
            description="Why the scores are null, which does not mean that nobody was there: `few_people`, too few are "
            "proven to hide one among them; `closed`, outside opening hours; `camera`, it gave no pictures; `partial`, "
            "cut short, or less than half was seen; `budget`, in mode `dp`, spent, or the clock is not synchronized; "
            "`notice`, the policy was changed and the notice is of another."
        ),
    ]
    epsilon: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="With scores in mode `dp`: one person's privacy loss by all that leaves of a day. Else null."),
    ]
    model: Annotated[Model, Meta(description="The model that made the scores.")]
    policy: Policy

    def __post_init__(self) -> None:
        suppressed = self.suppressed is not None
        if any((score is None) != suppressed for score in (self.valence, self.arousal, self.people)):
            raise ValueError("`suppressed` says why scores are null: all of them are, or none and it is null")
        spare = suppressed and (self.quadrants is not None or self.epsilon is not None)
        if spare or (self.scored_s is None) != (suppressed or self.epsilon is not None):
            raise ValueError("`scored_s`, `quadrants`, `epsilon` are null with the scores, the first also in mode dp")
        if self.start >= self.end:
            raise ValueError("`start` is before `end`")


class Status(Part, frozen=True, kw_only=True):
    """Whether the device is connected. Retained; `offline` is also the last will. Not whether its camera sees."""

    schema: Annotated[Literal["affect/v1/status"], Meta(description="Which message this is, and its version.")]
    site: Site
    device: Device
    state: Annotated[
        Literal["online", "offline"],
        Meta(description="`offline` is sent by the device when it stops, else by the broker as its last will."),
    ]
    since: Annotated[
        Instant | UnsetType,
        Meta(description="Start of this broker session, or when the device stopped, UTC. Absent in a last will."),
    ] = UNSET
    clock: Annotated[Trust | UnsetType, Meta(description="Whether the clock behind `since` could be trusted.")] = UNSET
    version: Release | UnsetType = UNSET
    commit: Commit | UnsetType = UNSET
    model: Annotated[Model, Meta(description="The model in use.")] | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET


KINDS: dict[str, type[Window] | type[Status] | type[Health]] = {"window": Window, "status": Status, "health": Health}
Message = TypeVar("Message", Window, Status, Health)


def encode(message: Window | Status | Health) -> bytes:
    """A message as JSON: UTF-8, fields in the order of the contract. Does not check limits: `decode` does.

    Spaces at the end of a window give all windows of one configuration the same length: TLS hides what a window says,
    but not how long it is.

    Raises:
        ValueError: the message is larger than `MAX_BYTES`.
    """
    data = msgspec.json.encode(message)
    if isinstance(message, Window):
        words = (message.site, message.device, message.device, message.tz, message.model.name)
        configured = len(msgspec.json.encode(message.tags)) + sum(map(len, words))
        data = data.ljust(min(MAX_BYTES, -(-(configured + _WINDOW_BYTES) // 256) * 256))
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
