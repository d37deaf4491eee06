"""The values that flow through the device, in the order in which they flow.

Frame → Detection → Track → Quality → FaceCrop → Embedding → AffectScore → Look. What leaves is in `edge.contract`.

All are frozen; arrays they hold are set read-only, so nothing downstream can alter what another stage saw.
`Frame` and `FaceCrop` hold pictures and refuse to be pickled or copied, so that none is passed on by accident. Their
`pixels` are plain NumPy arrays without that protection: what keeps a picture in the process is that nothing writes or
sends one, which tests/contract/test_egress_proof.py watches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Rejection = Literal["small", "turned", "dark", "blurred"]

_FAR_PX = 1e6
MAX_SIDE_PX = 4096  # of a frame; the largest that a camera can be asked for


def check_picture(pixels: NDArray[np.generic]) -> None:
    """Raises FrameError, which says what came, for everything but uint8 (H, W, 3) with at least one pixel."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise FrameError(f"a picture is uint8 (H, W, 3) and not empty, got {pixels.dtype} {pixels.shape}")


class _Unpicklable:
    """Refuses to be pickled and copied."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a picture and is never serialized")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame(_Unpicklable):
    """One picture from a camera; raises FrameError where `pixels` is none."""

    pixels: UInt8Array  # (H, W, 3), RGB, at most `MAX_SIDE_PX` a side
    captured_ns: int  # monotonic nanoseconds at which it was taken; file time for a replay
    index: int  # running number in its source, from 0; dropped frames leave gaps

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
        box_px: (x1, y1, x2, y2) in pixels of the frame; may reach outside of it. The detector lays a square by the
            landmarks, about as large as the face from brow to chin.
        score: detector confidence, 0–1.
        landmarks_px: float32 (5, 2), pixels: the person's right eye, left eye, nose tip, and right and left corner of
            the mouth.

    Raises:
        FrameError: a number that is none, or a place so far away that no frame reaches there.
    """

    box_px: tuple[float, float, float, float]
    score: float
    landmarks_px: Float32Array

    def __post_init__(self) -> None:
        numbers = (*self.box_px, *self.landmarks_px.ravel().tolist())
        # The sum is no number if one of them is none.
        if not (min(numbers) > -_FAR_PX and max(numbers) < _FAR_PX and math.isfinite(sum(numbers))):
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
    """One face followed over frames. The id is never used twice in a run and identifies no person."""

    id: int  # from 1, ascending
    detection: Detection  # where the face is now, or was last seen when `missed` > 0
    missed: int  # searches since it was last found, 0 when the last one found it
    speed: tuple[float, float] = (0.0, 0.0)  # how its centre moved when it was last found, pixels a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the quality gate measured of one face. A face that it rejected before it was cut out has no light."""

    size_px: float  # side of the face's box, pixels
    yaw_deg: float  # estimated turn to either side, degrees
    light: float | None = None  # mean luma of the crop's middle, 0–255
    sharpness: float | None = None  # share of the crop's contrast that lies in fine detail, 0–1
    rejection: Rejection | None = None  # None: good enough to be scored


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceCrop(_Unpicklable):
    """The aligned square that the network sees."""

    track_id: int
    pixels: UInt8Array  # (S, S, 3), RGB
    captured_ns: int

    def __post_init__(self) -> None:
        self.pixels.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """What the backbone makes of one crop."""

    track_id: int
    captured_ns: int
    vector: Float32Array  # (D,)
    va: Float32Array  # (2,), valence and arousal of this picture alone, −1..1

    def __post_init__(self) -> None:
        self.vector.setflags(write=False)
        self.va.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectScore:
    """The streamed answer for one face at one step of the time grid."""

    track_id: int
    captured_ns: int
    valence: float  # how pleasant the expression looks, −1..1
    arousal: float  # how activated it looks, −1..1
    warm: bool  # False until the face was seen in enough steps; such scores are not counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One face in view in one frame."""

    track: Track
    quality: Quality | None = None  # None: it was not looked at, for lack of time
    score: AffectScore | None = None  # None: it was not looked at, or rejected


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What one frame showed, as numbers. It holds no picture."""

    index: int
    captured_ns: int
    size_px: tuple[int, int]  # width and height of the frame
    worked: bool  # False: nothing was done; the grid step had its frame already, or the frame could not be used
    faces: Sequence[Face]  # in view, by ascending track id

    @classmethod
    def of(cls, frame: Frame, *, worked: bool = False, faces: Sequence[Face] = ()) -> Look:
        """A look at a frame; without anything else, one in which nothing was done."""
        height, width = frame.pixels.shape[:2]
        size_px = (width, height)
        return cls(index=frame.index, captured_ns=frame.captured_ns, size_px=size_px, worked=worked, faces=faces)

    @property
    def scores(self) -> list[AffectScore]:
        """Those of the faces that have one, in order."""
        return [face.score for face in self.faces if face.score is not None]
