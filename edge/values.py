"""The values that flow through the device, in the order in which they flow.

Frame → Detection → Track → FaceCrop → Embedding → AffectScore → WindowAggregate → Message.

All are frozen; arrays they hold are set read-only, so nothing downstream can alter what another stage saw.
`Frame` and `FaceCrop` hold pictures and refuse to be pickled: they cannot leave the process by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]


_FAR_PX = 1e6
MAX_SIDE_PX = 4096  # of a frame; the largest that a camera can be asked for


def check_picture(pixels: NDArray[np.generic]) -> None:
    """Refuses what is no picture: everything but uint8 (H, W, 3) with at least one pixel.

    Raises:
        FrameError: says what came instead.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise FrameError(f"a picture is uint8 (H, W, 3) and not empty, got {pixels.dtype} {pixels.shape}")


class _Unpicklable:
    """Refuses serialization: a picture must not leave the process."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a picture and is never serialized")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame(_Unpicklable):
    """One picture from a camera.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, at most `MAX_SIDE_PX` a side.
        captured_ns: monotonic nanoseconds at which the picture was taken (file time for a replay).
        index: running number of the frame in its source, from 0; dropped frames leave gaps.

    Raises:
        FrameError: `pixels` is something else.
    """

    pixels: UInt8Array
    captured_ns: int
    index: int

    def __post_init__(self) -> None:
        check_picture(self.pixels)
        if max(self.pixels.shape) > MAX_SIDE_PX:
            raise FrameError(f"a frame has at most {MAX_SIDE_PX} pixels a side, got {self.pixels.shape}")
        self.pixels.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A second in which a live camera gave no frame.

    Attributes:
        at_ns: monotonic nanoseconds, not before the last frame's or tick's.
        reason: `starting` (no first frame yet), `closed` (outside opening hours), `gone` (it vanished or gives nothing)
            or `frozen` (it repeats the same bytes).
    """

    at_ns: int
    reason: Literal["starting", "closed", "gone", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """One face as the detector sees it.

    Attributes:
        box_px: (x1, y1, x2, y2) in pixels of the frame; may reach outside of it.
        score: detector confidence, 0–1.
        landmarks_px: float32 (6, 2), pixels: the person's right eye, left eye, nose tip, mouth centre,
            right and left ear (tragion). Detectors that know no ears repeat the box's edges there.

    Raises:
        FrameError: a number that is none, or a place so far away that no frame reaches there.
    """

    box_px: tuple[float, float, float, float]
    score: float
    landmarks_px: Float32Array

    def __post_init__(self) -> None:
        numbers = (*self.box_px, *self.landmarks_px.ravel().tolist())
        if not all(-_FAR_PX < number < _FAR_PX for number in numbers):  # nor is what is not a number
            raise FrameError(f"a face nowhere near the frame: {self.box_px}")
        self.landmarks_px.setflags(write=False)

    @property
    def center_px(self) -> tuple[float, float]:
        """Centre of the box (x, y), pixels."""
        x1, y1, x2, y2 = self.box_px
        return (x1 + x2) / 2, (y1 + y2) / 2

    @property
    def size_px(self) -> float:
        """Side of the square with the box's area, pixels."""
        x1, y1, x2, y2 = self.box_px
        return float(max(x2 - x1, 0.0) * max(y2 - y1, 0.0)) ** 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One face followed over frames. The id is never used twice in a run and identifies no person.

    Attributes:
        id: from 1, ascending.
        detection: where the face is now, or was last seen when `missed` > 0.
        age: frames since the track was first seen, 1 in its first.
        missed: frames since it was last seen, 0 when seen in this one.
    """

    id: int
    detection: Detection
    age: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceCrop(_Unpicklable):
    """The aligned square that the network sees.

    Attributes:
        track_id: the track it was cut for.
        pixels: uint8 (S, S, 3), RGB.
        captured_ns: of the frame it was cut from.
    """

    track_id: int
    pixels: UInt8Array
    captured_ns: int

    def __post_init__(self) -> None:
        self.pixels.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """What the backbone makes of one crop.

    Attributes:
        track_id: the track it belongs to.
        captured_ns: of the frame.
        vector: float32 (D,).
        va: float32 (2,), valence and arousal of this picture alone, −1..1.
    """

    track_id: int
    captured_ns: int
    vector: Float32Array
    va: Float32Array

    def __post_init__(self) -> None:
        self.vector.setflags(write=False)
        self.va.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectScore:
    """The streamed answer for one face at one step of the time grid.

    Attributes:
        track_id: the track it belongs to.
        captured_ns: of the frame that was scored.
        valence: how pleasant the expression looks, −1..1.
        arousal: how activated it looks, −1..1.
        warm: False until the state has seen enough steps; such scores are not counted.
    """

    track_id: int
    captured_ns: int
    valence: float
    arousal: float
    warm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and population standard deviation over visits, each rounded to 0.01."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadrants:
    """Share of visits (0–1) by the signs of their mean valence (pos/neg) and arousal (high/low); 0 is positive."""

    pos_high: float
    pos_low: float
    neg_high: float
    neg_low: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAggregate:
    """What one interval of time says about all visits in it; never about one person.

    Attributes:
        start_ns, end_ns: UTC nanoseconds since 1970, a half-open interval aligned to the clock.
        synced: whether the clock could be trusted from the window's opening to its closing.
        partial: cut short by start, stop or restart.
        visits: visits with at least `min_observed_s` of warm scores in this window.
        peak_simultaneous: most faces seen in one frame.
        scored_s: face-seconds with warm scores, rounded to 0.1.
        unscored_visits: visits seen that gave too little to score.
        valence, arousal, quadrants: over visits, each visit weighing the same; None when suppressed.
        suppressed: None, `min_visits` (too few visits to hide one among them) or `closed` (outside opening hours).
        boot_ns: the same interval in monotonic nanoseconds, where the clock was not known to be right: the window can
            be stamped when it is. None where its stamps are final.
    """

    start_ns: int
    end_ns: int
    synced: bool
    partial: bool
    visits: int
    peak_simultaneous: int
    scored_s: float
    unscored_visits: int
    valence: Spread | None
    arousal: Spread | None
    quadrants: Quadrants | None
    suppressed: str | None
    boot_ns: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadState:
    """How the device copes with the faces in view.

    Attributes:
        level: `normal`, or what the overload has cost so far: `detector`, `steps` or `faces`.
        demand: share of the time that every face at every step would take, more than 1 when it cannot be; None where
            time stands still while frames are worked on.
        skipped: face-steps in which a face was in view and due but not looked at, for lack of time.
    """

    level: str = "normal"
    demand: float | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardState:
    """What the board tells about itself; each None where it does not.

    Attributes:
        temperature_c: of its hottest thermal zone, °C.
        throttled: the processor is held below its full speed now.
        throttled_since_boot: it was at some time since the board started.
        under_voltage: the supply is too weak now.
        cpu_mhz, cpu_max_mhz: clock of the fastest core now, and the most it can do.
    """

    temperature_c: float | None = None
    throttled: bool | None = None
    throttled_since_boot: bool | None = None
    under_voltage: bool | None = None
    cpu_mhz: int | None = None
    cpu_max_mhz: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """How the device itself is doing; numbers about the machine, none about people's expressions.

    Attributes:
        uptime_s: seconds since the pipeline started.
        frames: counts by outcome: `seen`, `closed` (outside opening hours), `dropped`, `failed`.
        rejections: faces not scored, counted by reason.
        faces: faces in view now.
        stage_ms: mean milliseconds a frame spent in each stage.
        camera: troubles of a live camera, counted by kind.
        stage_p50_ms, stage_p95_ms: median and 95th percentile of the same over the last frames; of stages that ran.
        latency_ms: median and 95th percentile of a frame's age when its scores were there; None where time stands still
            meanwhile, or nothing was scored.
        windows: closed windows by what they say: `scored`, or the reason why their scores are withheld.
        load: how the device copes.
        board: what the board tells.
        bundle_state: why this bundle runs; empty where nobody says.
        accelerated: whether the configured accelerator computes; None where none is configured.
    """

    uptime_s: float
    frames: Mapping[str, int]
    rejections: Mapping[str, int]
    faces: int
    stage_ms: Mapping[str, float]
    camera: Mapping[str, int] = field(default_factory=dict)
    stage_p50_ms: Mapping[str, float] = field(default_factory=dict)
    stage_p95_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: tuple[float, float] | None = None
    windows: Mapping[str, int] = field(default_factory=dict)
    load: LoadState = field(default_factory=LoadState)
    board: BoardState = field(default_factory=BoardState)
    bundle_state: str = ""
    accelerated: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is handed to the broker: a topic and a JSON payload, never anything else."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = field(default=False)

    @property
    def size(self) -> int:
        """Bytes of topic and payload."""
        return len(self.topic) + len(self.payload)
