"""The `Health` message: how the machine is doing.

A number is added here and where it is measured, nowhere else: schema, page of fields and Prometheus metrics follow
from the annotations. The names of all kinds stand here, so that no other text can appear in a health message.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from edge.contract.fields import (
    Commit,
    Count,
    Device,
    Instant,
    Model,
    Part,
    Release,
    Seconds,
    Share,
    Site,
    Total,
    Trust,
)

MAX_MS = 999_999.99
MAX_DEMAND = 999.99
Milliseconds = Annotated[float, Meta(ge=0, le=MAX_MS)]
Megahertz = Annotated[int, Meta(ge=0, le=99_999)]
Level = Literal["normal", "detector", "faces"]
ModelState = Literal["shipped", "configured", "active", "rolled_back", "fallback"]
Stage = Literal["detect", "track", "crop", "embed", "head", "window", "publish"]


class Frames(TypedDict):
    """Frames since the run started, by outcome."""

    seen: Annotated[Total, Meta(description="Came from the camera.")]
    worked: Annotated[Total, Meta(description="Were searched for faces or scored. The others needed no work.")]
    dropped: Annotated[Total, Meta(description="Overtaken by a newer one before they were looked at.")]
    failed: Annotated[Total, Meta(description="Damaged, or could not be worked on.")]


class Rejections(TypedDict):
    """Looks at a face that gave no score, by reason, in whole hundreds: fewer would tell of one person."""

    small: Annotated[Total, Meta(description="The face was smaller than `face.min_face_px`.")]
    turned: Annotated[Total, Meta(description="It was turned further than `face.max_yaw_deg`.")]
    dark: Annotated[Total, Meta(description="It was darker than `face.min_light`.")]
    blurred: Annotated[Total, Meta(description="It was less sharp than `face.min_sharpness`.")]


class CameraEvents(TypedDict):
    """Faults of a live camera since the run started, by kind."""

    gone: Annotated[Total, Meta(description="It vanished.")]
    stalled: Annotated[Total, Meta(description="No usable frame came for 10 s.")]
    frozen: Annotated[Total, Meta(description="The same bytes came for 10 s.")]
    resized: Annotated[Total, Meta(description="It came back with another picture size.")]
    reopened: Annotated[Total, Meta(description="It was opened again.")]
    failed_opens: Annotated[Total, Meta(description="It could not be opened again, for now.")]


class Windows(TypedDict):
    """Windows closed since the run started, by content: with scores, or why without."""

    scored: Annotated[Total, Meta(description="With scores.")]
    few_people: Annotated[Total, Meta(description="Without, because too few people are proven.")]
    closed: Annotated[Total, Meta(description="Without, because it was outside opening hours.")]
    camera: Annotated[Total, Meta(description="Without, because the camera gave no pictures.")]
    partial: Annotated[Total, Meta(description="Without, because it was cut short or seen for less than half of it.")]
    budget: Annotated[Total, Meta(description="Without, because of the privacy budget or an unsynchronized clock.")]
    notice: Annotated[Total, Meta(description="Without, because the notice is of another policy.")]


class StageTime(Part, frozen=True, kw_only=True):
    """Time of one stage of the loop."""

    mean_ms: Annotated[
        Milliseconds,
        Meta(description="Mean time of a stage over all worked frames, so that the means add up."),
    ]
    p50_ms: Annotated[
        Milliseconds | None,
        Meta(description="Median time of a stage over the last 2,048 frames in which it had something to do."),
    ]
    p95_ms: Annotated[Milliseconds | None, Meta(description="95th percentile of a stage's time over the same frames.")]


class Stages(TypedDict):
    """Time by stage of the loop."""

    detect: Annotated[StageTime, Meta(description="Searching for faces.")]
    track: Annotated[StageTime, Meta(description="Following them.")]
    crop: Annotated[StageTime, Meta(description="Cutting out and judging those that are due.")]
    embed: Annotated[StageTime, Meta(description="The backbone.")]
    head: Annotated[StageTime, Meta(description="The streaming head.")]
    window: Annotated[StageTime, Meta(description="Adding up.")]
    publish: Annotated[StageTime, Meta(description="Closing windows and handing them to the outbox.")]


class Latency(Part, frozen=True, kw_only=True):
    """Age of a frame when its scores were there. Null in a replay, or with nothing scored."""

    p50_ms: Annotated[
        Milliseconds | None,
        Meta(description="Median age of a frame when its scores were there, of the last 2,048 frames with scores."),
    ]
    p95_ms: Annotated[Milliseconds | None, Meta(description="95th percentile of the age of the same frames.")]


class Load(Part, frozen=True, kw_only=True):
    """How the device copes with the faces in view; see docs/overload.md."""

    level: Annotated[
        Level,
        Meta(
            description="What an overload costs now. `detector`: faces are searched for half as often; `faces`: "
            "besides, faces take turns being scored."
        ),
    ]
    demand: Annotated[
        Annotated[float, Meta(ge=0, le=MAX_DEMAND)] | None,
        Meta(
            description="Share of the time that scoring every face at every step would take, rounded to 0.01. More "
            "than 1 cannot be done. Null in a replay."
        ),
    ]
    skipped: Annotated[Total, Meta(description="Face-steps that were due and found no time. Not part of `rejections`.")]


class Board(Part, frozen=True, kw_only=True):
    """What the board tells about itself; null where it does not."""

    temperature_c: Annotated[
        Annotated[float, Meta(ge=-99, le=999)] | None,
        Meta(description="Temperature of the board's hottest part, degrees Celsius, rounded to 0.1."),
    ] = None
    throttled: Annotated[
        bool | None, Meta(description="The processor is held below its full speed now: heat, power, or a set limit.")
    ] = None
    throttled_since_boot: Annotated[
        bool | None, Meta(description="The processor was held below its full speed since the board started.")
    ] = None
    under_voltage: Annotated[bool | None, Meta(description="The power supply is too weak now.")] = None
    cpu_mhz: Annotated[Megahertz | None, Meta(description="Clock of the fastest core now.")] = None
    cpu_max_mhz: Annotated[Megahertz | None, Meta(description="The highest clock that the fastest core has.")] = None


class Delivery(Part, frozen=True, kw_only=True):
    """How messages reach the broker."""

    connected: Annotated[bool, Meta(description="The broker session is up.")] = False
    waiting: Annotated[Count, Meta(description="Windows waiting for the broker.")] = 0
    evicted: Annotated[
        Total,
        Meta(description="Windows lost: too old, too many, unreadable on the disk, or stopped by the privacy gate."),
    ] = 0
    refused: Annotated[Total, Meta(description="Windows that the broker refused, each counted once.")] = 0
    reconnects: Annotated[Total, Meta(description="Times the broker session was made anew.")] = 0
    interrupted: Annotated[
        Total, Meta(description="Runs that were killed or lost power, each with the window that was open.")
    ] = 0
    resets: Annotated[
        Total, Meta(description="Broken outbox files set aside in this run; what could be read was carried over.")
    ] = 0


class Health(Part, frozen=True, kw_only=True):
    """How the machine is doing. Numbers about the device; none about expressions, none about people."""

    schema: Annotated[Literal["affect/v1/health"], Meta(description="Which message this is, and its version.")]
    site: Site
    device: Device
    at: Annotated[Instant, Meta(description="When the report was made, RFC 3339, UTC.")]
    clock: Annotated[Trust, Meta(description="Whether the clock behind `at` could be trusted.")]
    uptime_s: Annotated[Seconds, Meta(description="Seconds since the run started, rounded to 0.1.")]
    version: Release
    commit: Commit
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
            description="The configured accelerator computes; false: the CPU does instead, as the configuration "
            "allows. Null where none is configured."
        ),
    ]
    frames: Annotated[Frames, Meta(description="Frames since the run started, by outcome.")]
    rejections: Annotated[Rejections, Meta(description="Faces not scored, by reason. Counts of looks, not of people.")]
    faces: Annotated[Count, Meta(description="Faces in view, as the least of 0, 1 to 4, 5 to 9, 10 to 19, ...")]
    staying: Annotated[
        Count,
        Meta(
            description="People at places where somebody stayed in at least four windows before, such as staff; no "
            "window speaks for them. As the least of 0, 1 to 4, 5 to 9, 10 to 19, ..."
        ),
    ] = 0
    covered: Annotated[
        Share, Meta(description="Share of the picture that zones cover and nobody looks at, 0 to 1, rounded to 0.01.")
    ] = 0.0
    moved: Annotated[
        bool | None,
        Meta(
            description="Faces appear at other places, or in other sizes, than after the start: the camera was moved, "
            "and its zones no longer lie where they were drawn. Null before enough faces were seen."
        ),
    ] = None
    camera_events: Annotated[CameraEvents, Meta(description="Faults of a live camera since the run started, by kind.")]
    stages: Annotated[Stages, Meta(description="Time by stage of the loop, milliseconds, rounded to 0.01.")]
    latency: Annotated[Latency, Meta(description="From a frame's capture to its scores, milliseconds.")]
    windows: Annotated[Windows, Meta(description="Windows closed since the run started, by content.")]
    load: Annotated[Load, Meta(description="How the device copes with the faces in view.")]
    board: Annotated[Board, Meta(description="What the board tells about itself.")]
    delivery: Annotated[Delivery, Meta(description="How messages reach the broker.")]
