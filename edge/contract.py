"""What leaves the device: `Window`, `Status` and `Health`, version 1 of the contract.

Each message is one struct. The loop fills it, the outbox keeps its bytes, the broker gets those bytes. Schemas, the
page of fields, the AsyncAPI document and the Prometheus metrics are derived from the annotations here. Limits and
descriptions are part of the contract.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal, TypedDict, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

VERSION = 1
MAX_BYTES = 2048
_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)

Slug = Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")]
TagKey = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
TagValue = Annotated[str, Meta(min_length=1, max_length=64)]
Trust = Literal["synced", "unsynced"]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Seconds = Annotated[float, Meta(ge=0, le=10**12)]
Milliseconds = Annotated[float, Meta(ge=0, le=999_999.99)]
Share = Annotated[float, Meta(ge=0, le=1)]
Megahertz = Annotated[int, Meta(ge=0, le=99_999)]
Instant = Annotated[datetime, Meta(tz=True)]

Suppressed = Literal["min_visits", "closed", "camera"]
Level = Literal["normal", "detector", "faces"]
ModelState = Literal["shipped", "configured", "active", "rolled_back", "fallback"]
Stage = Literal["detect", "track", "crop", "embed", "head", "window", "publish"]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Model(_Part, frozen=True, kw_only=True):
    """The model that made the scores. Scores of different models are not comparable without a check."""

    name: Annotated[Slug, Meta(description="Name of the model bundle.")]
    version: Annotated[int, Meta(ge=1, le=10**9, description="Version of the bundle; it only ever rises.")]
    sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bundle's manifest, which lists all its files.")
    ]


class Origin(_Part, frozen=True, kw_only=True):
    """Who sends, and with which model: what stays the same in every message of a run. Not a message itself."""

    site: Slug
    device: Slug
    tz: str
    tags: dict[TagKey, TagValue]
    model: Model

    def topic(self, kind: str) -> str:
        """The topic of `window`, `status` or `health`."""
        return f"affect/v1/{self.site}/{self.device}/{kind}"


class Spread(_Part, frozen=True, kw_only=True):
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


class Quadrants(_Part, frozen=True, kw_only=True):
    """Share of visits by the signs of their means; 0 counts as positive and as high. Not emotion categories."""

    pos_high: Annotated[Share, Meta(description="Valence >= 0 and arousal >= 0, share of visits, 0 to 1.")]
    pos_low: Annotated[Share, Meta(description="Valence >= 0 and arousal < 0, share of visits, 0 to 1.")]
    neg_high: Annotated[Share, Meta(description="Valence < 0 and arousal >= 0, share of visits, 0 to 1.")]
    neg_low: Annotated[Share, Meta(description="Valence < 0 and arousal < 0, share of visits, 0 to 1.")]


class Window(_Part, frozen=True, kw_only=True):
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
        Trust, Meta(description="Whether the device's clock could be trusted. `unsynced`: do not join on `start`.")
    ]
    partial: Annotated[
        bool, Meta(description="Cut short by start, stop or restart: the counts cover less than the interval.")
    ]
    observed_s: Annotated[
        Seconds,
        Meta(
            description="Seconds of the interval in which the camera gave pictures that were looked at, rounded to 0.1."
            " Less than the interval: it was closed, or the camera or the device was down for the rest."
        ),
    ]
    visits: Annotated[
        Count,
        Meta(
            description="Visits seen long enough to be scored in this interval. Not unique visitors: who returns "
            "counts again. Do not sum over windows: a visit that spans two windows counts in both."
        ),
    ]
    visits_begun: Annotated[
        Count,
        Meta(
            description="Visits that began in this interval, scored or not. May be summed over windows. "
            "Not unique visitors: who returns counts again."
        ),
    ]
    peak_simultaneous: Annotated[
        Count,
        Meta(description="Most faces in one frame. Not the number of people present: who looks away is not seen."),
    ]
    scored_s: Annotated[
        Seconds, Meta(description="Face-seconds scored, rounded to 0.1. Not attention and not dwell time.")
    ]
    unscored_visits: Annotated[
        Count,
        Meta(description="Visits seen, but too small, turned, blurred, dark or brief to score. Not part of `visits`."),
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
            description="Share of visits by the signs of their mean valence and arousal; each rounded to 0.01, so "
            "the sum may miss 1. The share of visits, not of people. Null when suppressed."
        ),
    ]
    suppressed: Annotated[
        Suppressed | None,
        Meta(
            description="Why the scores are null: `min_visits`, too few visits to hide one among them; `closed`, "
            "outside opening hours; `camera`, the camera gave no pictures. Null: the scores are there. It does not "
            "mean that nobody was there."
        ),
    ]
    model: Annotated[Model, Meta(description="The model that made the scores.")]

    def __post_init__(self) -> None:
        scores = (self.valence, self.arousal, self.quadrants)
        if any((score is None) != (self.suppressed is not None) for score in scores):
            raise ValueError("`suppressed` says why scores are null: all of them are, or none and it is null")
        if self.start >= self.end:
            raise ValueError("`start` is before `end`")


class Status(_Part, frozen=True, kw_only=True):
    """Whether the device is connected. Retained; `offline` is also the last will. Not whether its camera sees."""

    schema: Annotated[Literal["affect/v1/status"], Meta(description="Which message this is, and its version.")]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    state: Annotated[
        Literal["online", "offline"],
        Meta(description="`offline` is sent by the device when it stops, else by the broker as its last will."),
    ]
    since: (
        Annotated[Instant, Meta(description="Start of this broker session, UTC. Absent in a last will.")] | UnsetType
    ) = UNSET
    clock: Annotated[Trust, Meta(description="Whether the clock behind `since` could be trusted.")] | UnsetType = UNSET
    version: Annotated[str, Meta(max_length=32, description="Release of affect-edge.")] | UnsetType = UNSET
    commit: Annotated[str, Meta(max_length=64, description="Commit the release was built from.")] | UnsetType = UNSET
    model: Annotated[Model, Meta(description="The model in use.")] | UnsetType = UNSET


class Frames(TypedDict):
    """Frames since the run started, by outcome."""

    seen: Annotated[Count, Meta(description="Came from the camera.")]
    worked: Annotated[Count, Meta(description="Were searched for faces or scored. The others needed no work.")]
    dropped: Annotated[Count, Meta(description="Overtaken by a newer one before they were looked at.")]
    failed: Annotated[Count, Meta(description="Damaged, or could not be worked on.")]


class Rejections(TypedDict):
    """Looks at a face that gave no score, by reason."""

    small: Annotated[Count, Meta(description="The face was smaller than `face.min_face_px`.")]
    turned: Annotated[Count, Meta(description="It was turned further than `face.max_yaw_deg`.")]
    dark: Annotated[Count, Meta(description="It was darker than `face.min_light`.")]
    blurred: Annotated[Count, Meta(description="It was less sharp than `face.min_sharpness`.")]


class CameraEvents(TypedDict):
    """Faults of a live camera since the run started, by kind."""

    gone: Annotated[Count, Meta(description="It vanished.")]
    stalled: Annotated[Count, Meta(description="No usable frame came for 10 s.")]
    frozen: Annotated[Count, Meta(description="The same bytes came for 10 s.")]
    resized: Annotated[Count, Meta(description="It came back with another picture size.")]
    reopened: Annotated[Count, Meta(description="It was opened again.")]
    failed_opens: Annotated[Count, Meta(description="It could not be opened again, for now.")]


class Windows(TypedDict):
    """Windows closed since the run started, by content: with scores, or why without."""

    scored: Annotated[Count, Meta(description="With scores.")]
    min_visits: Annotated[Count, Meta(description="Without, because of too few visits.")]
    closed: Annotated[Count, Meta(description="Without, because it was outside opening hours.")]
    camera: Annotated[Count, Meta(description="Without, because the camera gave no pictures.")]


class StageTime(_Part, frozen=True, kw_only=True):
    """Time of one stage of the loop."""

    mean_ms: Annotated[
        Milliseconds,
        Meta(description="Total time divided by all worked frames, so that the means of all stages add up."),
    ]
    p50_ms: Annotated[
        Milliseconds | None, Meta(description="Median of the last 2,048 frames in which the stage ran; null before.")
    ]
    p95_ms: Annotated[Milliseconds | None, Meta(description="95th percentile of the same frames.")]


class Stages(TypedDict):
    """Times by stage of the loop."""

    detect: Annotated[StageTime, Meta(description="Searching for faces.")]
    track: Annotated[StageTime, Meta(description="Following them.")]
    crop: Annotated[StageTime, Meta(description="Cutting out and judging those that are due.")]
    embed: Annotated[StageTime, Meta(description="The backbone.")]
    head: Annotated[StageTime, Meta(description="The streaming head.")]
    window: Annotated[StageTime, Meta(description="Adding up.")]
    publish: Annotated[StageTime, Meta(description="Closing windows and handing them to the outbox.")]


class Latency(_Part, frozen=True, kw_only=True):
    """From a frame's capture to its scores, of the last 2,048 frames with scores."""

    p50_ms: Annotated[Milliseconds, Meta(description="Median.")]
    p95_ms: Annotated[Milliseconds, Meta(description="95th percentile.")]


class Load(_Part, frozen=True, kw_only=True):
    """How the device copes with the faces in view; see docs/overload.md."""

    level: Annotated[
        Level,
        Meta(
            description="What an overload costs now. `detector`: faces are searched for half as often; `faces`: "
            "besides, faces take turns being scored."
        ),
    ]
    demand: Annotated[
        Annotated[float, Meta(ge=0, le=999.99)] | None,
        Meta(
            description="Share of the time that scoring every face at every step would take, rounded to 0.01; above 1 "
            "it cannot be done. Null in a replay."
        ),
    ]
    skipped: Annotated[
        Count,
        Meta(description="Face-steps that were due and found no time, since the run started. Not in `rejections`."),
    ]


class Board(_Part, frozen=True, kw_only=True):
    """What the board tells about itself; null where it does not."""

    temperature_c: Annotated[
        Annotated[float, Meta(ge=-99, le=999)] | None,
        Meta(description="Temperature of its hottest part, degrees Celsius, rounded to 0.1."),
    ] = None
    throttled: Annotated[
        bool | None, Meta(description="The processor is held below its full speed now: heat, power, or a set limit.")
    ] = None
    throttled_since_boot: Annotated[bool | None, Meta(description="It was at some time since the board started.")] = (
        None
    )
    under_voltage: Annotated[bool | None, Meta(description="The power supply is too weak now.")] = None
    cpu_mhz: Annotated[Megahertz | None, Meta(description="Clock of the fastest core now, MHz.")] = None
    cpu_max_mhz: Annotated[Megahertz | None, Meta(description="The most it can do, MHz.")] = None


class Delivery(_Part, frozen=True, kw_only=True):
    """How messages reach the broker."""

    connected: Annotated[bool, Meta(description="The broker session is up.")]
    waiting: Annotated[Count, Meta(description="Windows waiting for the broker.")]
    evicted: Annotated[
        Count, Meta(description="Windows lost because the outbox or the disk was full or they were too old.")
    ]
    refused: Annotated[Count, Meta(description="Windows that the broker refused, each counted once.")]
    reconnects: Annotated[Count, Meta(description="Times the broker session was made anew.")]
    interrupted: Annotated[
        Count,
        Meta(description="Runs that were killed or lost power, each with the window that was open."),
    ]
    resets: Annotated[
        Count, Meta(description="Broken outbox databases set aside in this run; what waited in them was not sent.")
    ]


class Health(_Part, frozen=True, kw_only=True):
    """How the machine is doing. Numbers about the device; none about expressions, none about people."""

    schema: Annotated[Literal["affect/v1/health"], Meta(description="Which message this is, and its version.")]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    at: Annotated[Instant, Meta(description="When the report was made, RFC 3339, UTC.")]
    clock: Annotated[Trust, Meta(description="Whether the clock behind `at` could be trusted.")]
    uptime_s: Annotated[Seconds, Meta(description="Seconds since the run started, rounded to 0.1.")]
    version: Annotated[str, Meta(max_length=32, description="Release of affect-edge.")]
    commit: Annotated[str, Meta(max_length=64, description="Commit the release was built from.")]
    model: Annotated[Model, Meta(description="The model bundle in use: `model` of the windows.")]
    model_state: Annotated[
        ModelState,
        Meta(
            description="Why this bundle runs: `shipped` with the software, `configured` in the device's file, "
            "`active` because it was installed, `rolled_back` to after another failed to start, or a `fallback` "
            "because what should run cannot be used."
        ),
    ]
    accelerated: Annotated[
        bool | None,
        Meta(
            description="Whether the configured accelerator computes; false: the CPU does instead, as the "
            "configuration allows. Null where none is configured."
        ),
    ]
    frames: Annotated[Frames, Meta(description="Frames since the run started, by outcome.")]
    rejections: Annotated[Rejections, Meta(description="Faces not scored, by reason. Counts of looks, not of people.")]
    faces: Annotated[Count, Meta(description="Faces in view when the report was made. Not visits.")]
    camera: Annotated[CameraEvents, Meta(description="Faults of a live camera, by kind.")]
    stages: Annotated[Stages, Meta(description="Times by stage of the loop, milliseconds, rounded to 0.01.")]
    latency: Annotated[
        Latency | None,
        Meta(description="From a frame's capture to its scores, lately. Null in a replay, or with nothing scored."),
    ]
    windows: Annotated[Windows, Meta(description="Windows closed since the run started, by content.")]
    load: Annotated[Load, Meta(description="How the device copes with the faces in view.")]
    board: Annotated[Board, Meta(description="What the board tells about itself.")]
    delivery: Annotated[Delivery, Meta(description="How messages reach the broker.")]


Message = TypeVar("Message", Window, Status, Health)


def encode(message: Window | Status | Health) -> bytes:
    """A message as JSON: UTF-8, no spaces, fields in the order of the contract.

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
