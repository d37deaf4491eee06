"""The health message: counts by kind, times by stage, load and board.

Owns their names. Every kind is named here, so that no text but these can stand in a health message; what a later
release adds is ignored by this one.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import UNSET, Meta, UnsetType

from edge.config import Slug
from edge.publish.fields import Count, Instant, ModelPayload, Number, Payload, Share, Trust

MAX_MS = 999_999.99
MAX_DEMAND = 999.99
Milliseconds = Annotated[float, Meta(ge=0, le=MAX_MS)]
HealthSchema = Literal["affect/v1/health"]
Level = Literal["normal", "detector", "steps", "faces"]
BundleState = Literal["shipped", "configured", "confirmed", "probation", "rolled_back", "fallback"]
_Megahertz = Annotated[int, Meta(ge=0, le=99_999)]


class FrameCounts(TypedDict, total=False):
    """Frames by outcome."""

    seen: Annotated[Count, Meta(description="Came while the eye was open; not all have to be worked on.")]
    closed: Annotated[Count, Meta(description="Thrown away unseen, outside opening hours.")]
    dropped: Annotated[Count, Meta(description="Overtaken by a newer one before they were looked at.")]
    failed: Annotated[Count, Meta(description="Damaged, or not to be worked on.")]


class Rejections(TypedDict, total=False):
    """Looks at a face that gave no score, by reason."""

    small: Annotated[Count, Meta(description="The face was smaller than `face.min_face_px`.")]
    turned: Annotated[Count, Meta(description="It was turned further than `face.max_yaw_deg`.")]
    dark: Annotated[Count, Meta(description="It was darker than `face.min_light`.")]
    blurred: Annotated[Count, Meta(description="It was less sharp than `face.min_sharpness`.")]


class Stages(TypedDict, total=False):
    """Milliseconds by stage, rounded to 0.01. A stage that never ran is absent."""

    detect: Annotated[Milliseconds, Meta(description="Searching for faces.")]
    track: Annotated[Milliseconds, Meta(description="Following them.")]
    crop: Annotated[Milliseconds, Meta(description="Cutting out and judging those that are due.")]
    embed: Annotated[Milliseconds, Meta(description="The backbone.")]
    head: Annotated[Milliseconds, Meta(description="The streaming head.")]
    window: Annotated[Milliseconds, Meta(description="Adding up.")]
    publish: Annotated[Milliseconds, Meta(description="Closing windows and handing them to the outbox.")]


class CameraTroubles(TypedDict, total=False):
    """What a live camera went through, by kind."""

    gone: Annotated[Count, Meta(description="It vanished.")]
    stalled: Annotated[Count, Meta(description="No usable frame came for 10 s.")]
    frozen: Annotated[Count, Meta(description="The same bytes came for 10 s.")]
    resized: Annotated[Count, Meta(description="It gave another size than before.")]
    reopened: Annotated[Count, Meta(description="It was opened again.")]
    failed_opens: Annotated[Count, Meta(description="It could not be opened again, for now.")]


class WindowCounts(TypedDict, total=False):
    """Windows by what they say; the names of `suppressed`, and `scored`."""

    scored: Annotated[Count, Meta(description="With scores.")]
    min_visits: Annotated[Count, Meta(description="Without, because of too few visits.")]
    closed: Annotated[Count, Meta(description="Without, because it was outside opening hours.")]


class LatencyPayload(Payload, frozen=True, kw_only=True):
    """Milliseconds from a frame's capture to its scores."""

    p50: Annotated[Milliseconds, Meta(description="Median, rounded to 0.01.")]
    p95: Annotated[Milliseconds, Meta(description="95th percentile, rounded to 0.01.")]


class LoadPayload(Payload, frozen=True, kw_only=True):
    """How the device copes with the faces in view; see docs/overload.md."""

    level: Annotated[
        Level,
        Meta(
            description="What an overload costs now. `detector`: faces are searched for less often; `steps`: besides, "
            "faces take turns being scored; `faces`: besides, the newest are not scored."
        ),
    ]
    demand: Annotated[
        Annotated[float, Meta(ge=0, le=MAX_DEMAND)] | None,
        Meta(
            description="Share of the time that scoring every face at every step would take, rounded to 0.01; above 1 "
            "it cannot be done. Null in a replay."
        ),
    ]
    skipped: Annotated[
        Count,
        Meta(description="Face-steps that were due and found no time, since the run started. Not in `rejections`."),
    ]


class BoardPayload(Payload, frozen=True, kw_only=True):
    """What the board tells about itself; null where it does not."""

    temperature_c: Annotated[
        Annotated[float, Meta(ge=-99, le=999)] | None,
        Meta(description="Temperature of its hottest part, degrees Celsius, rounded to 0.1."),
    ]
    throttled: Annotated[
        bool | None, Meta(description="The processor is held below its full speed now: heat, power, or a set limit.")
    ]
    throttled_since_boot: Annotated[bool | None, Meta(description="It was at some time since the board started.")]
    under_voltage: Annotated[bool | None, Meta(description="The power supply is too weak now.")]
    cpu_mhz: Annotated[_Megahertz | None, Meta(description="Clock of the fastest core now, MHz.")]
    cpu_max_mhz: Annotated[_Megahertz | None, Meta(description="The most it can do, MHz.")]


class HealthPayload(Payload, frozen=True, kw_only=True):
    """How the machine is doing. Numbers about the device; none about expressions, none about people."""

    schema: Annotated[HealthSchema, Meta(description="Which message this is, and its version.")]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    at: Annotated[Instant, Meta(description="When the report was made, RFC 3339, UTC.")]
    clock: Annotated[Trust, Meta(description="Whether the clock behind `at` could be trusted.")]
    uptime_s: Annotated[Number, Meta(description="Seconds since the run started, rounded to 0.1.")]
    frames: Annotated[FrameCounts, Meta(description="Frames since the run started, by outcome.")]
    rejections: Annotated[
        Rejections, Meta(description="Faces not scored, by reason. Counts of looks, not of people. Absent ones are 0.")
    ]
    faces: Annotated[Count, Meta(description="Faces in view when the report was made. Not visits.")]
    stage_ms: Annotated[
        Stages, Meta(description="Mean milliseconds a frame spent in each stage since the run started.")
    ]
    outbox: Annotated[Count, Meta(description="Windows waiting for the broker.")]
    evicted: Annotated[
        Count, Meta(description="Windows lost because the outbox was full or they were too old, in this epoch.")
    ]
    refused: Annotated[Count, Meta(description="Windows that the broker refused, each counted once, in this epoch.")]
    reconnects: Annotated[Count, Meta(description="Times the broker session was made anew.")]
    interrupted: (
        Annotated[
            Count,
            Meta(description="Runs of this epoch that were killed or lost power, each with the window that was open."),
        ]
        | UnsetType
    ) = UNSET
    resets: (
        Annotated[
            Count,
            Meta(description="Broken outbox databases set aside in this run; what waited in them was not sent."),
        ]
        | UnsetType
    ) = UNSET
    camera: (
        Annotated[CameraTroubles, Meta(description="What a live camera went through, by kind. Absent kinds are 0.")]
        | UnsetType
    ) = UNSET
    stage_p50_ms: (
        Annotated[
            Stages, Meta(description="Median milliseconds a frame spent in each stage, of the last 2,048 frames.")
        ]
        | UnsetType
    ) = UNSET
    stage_p95_ms: (
        Annotated[Stages, Meta(description="95th percentile of the same: 5 frames in 100 took longer.")] | UnsetType
    ) = UNSET
    latency_ms: (
        Annotated[
            LatencyPayload | None,
            Meta(description="From a frame's capture to its scores, lately. Null in a replay, or with nothing scored."),
        ]
        | UnsetType
    ) = UNSET
    windows: (
        Annotated[WindowCounts, Meta(description="Windows closed since the run started, by what they say.")] | UnsetType
    ) = UNSET
    suppressed_share: (
        Annotated[
            Share | None,
            Meta(
                description="Of the windows in which the camera looked, the share without scores because of too few "
                "visits, 0 to 1, rounded to 0.01. Null before the first. High means that the place is quiet."
            ),
        ]
        | UnsetType
    ) = UNSET
    load: Annotated[LoadPayload, Meta(description="How the device copes with the faces in view.")] | UnsetType = UNSET
    board: (
        Annotated[BoardPayload, Meta(description="What the board tells about itself. Null: it does not.")] | UnsetType
    ) = UNSET
    accelerated: (
        Annotated[
            bool | None,
            Meta(
                description="Whether the configured accelerator computes; false: the CPU does instead, as the "
                "configuration allows. Null where none is configured."
            ),
        ]
        | UnsetType
    ) = UNSET
    version: Annotated[str, Meta(max_length=32, description="Release of affect-edge.")] | UnsetType = UNSET
    commit: Annotated[str, Meta(max_length=64, description="Commit the release was built from.")] | UnsetType = UNSET
    bundle: (
        Annotated[ModelPayload, Meta(description="The model bundle in use: `model` of the windows.")] | UnsetType
    ) = UNSET
    bundle_state: (
        Annotated[
            BundleState,
            Meta(
                description="Why this bundle runs: `shipped` with the software, `configured` in the device's file, "
                "`confirmed` after its probation, on `probation`, `rolled_back` to after another failed its probation, "
                "or a `fallback` because what should run cannot be used."
            ),
        ]
        | UnsetType
    ) = UNSET
