"""What the page is told: one struct, which passes the privacy gate as every message does.

It holds where faces are now and how large, so it is for the installer alone. It holds no picture, no score of a face,
and nothing by which a face of one view could be followed into the next.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.config import Config, FaceConfig
from edge.contract import Health, Origin, Window, encode
from edge.contract.fields import Part, Share, rounded
from edge.face.search import farthest_m, smallest_found_px
from edge.publish.gate import Gate, GateError, enumerated
from edge.values import Face, Look, Tick

MOST_DOTS = 64
MAX_BYTES = 24 * 1024
_LENSES = (102, 66, 30)  # degrees across: wide, Raspberry Pi's standard, tele
Name = Annotated[str, Meta(pattern=r'^[^\x00-\x1f\x7f"\\]{1,40}$')]
Judgement = Literal["scored", "waiting", "small", "turned", "dark", "blurred"]
Absent = Literal["no", "starting", "closed", "gone", "frozen"]


class Dot(Part, frozen=True, kw_only=True):
    """A face in view: its middle as fractions of the picture, its size, and whether it would be scored."""

    x: Share
    y: Share
    size_px: Annotated[int, Meta(ge=0, le=9999)]
    judgement: Judgement  # `waiting`: more faces than this board has time for
    light: Annotated[int, Meta(ge=0, le=255)] | None
    sharpness: Share | None


class Zone(Part, frozen=True, kw_only=True):
    """A place that is never looked at; `fixed`: by the configuration, so the page cannot take it away."""

    name: str
    corners: list[tuple[Share, Share]]
    fixed: bool


class Limits(Part, frozen=True, kw_only=True):
    """What a face has to reach, and how far away it still does with lenses of so many degrees across."""

    size_px: float
    light: float
    sharpness: float
    far_m: list[tuple[int, float]]


class State(Part, frozen=True, kw_only=True):
    """What changes seldom; told about once a second."""

    health: Health
    window: Window | None  # the last one, as it was handed to the outbox
    zones: list[Zone]
    hours: list[str]
    limits: Limits


class View(Part, frozen=True, kw_only=True):
    """What one frame showed."""

    at_ms: int  # when it was taken, UTC milliseconds since 1970
    size_px: tuple[int, int]
    absent: Absent  # why there is no picture
    dots: Annotated[list[Dot], Meta(max_length=MOST_DOTS)]
    state: State | None = None


def view_of(event: Look | Tick, utc_ns: int, state: State | None) -> View:
    """A look or a tick as the page shows it; the largest faces if there are too many."""
    if isinstance(event, Tick):
        return View(at_ms=utc_ns // 1_000_000, size_px=(0, 0), absent=event.reason, dots=[], state=state)
    faces = sorted(event.faces, key=lambda face: -face.track.detection.size_px)[:MOST_DOTS]
    dots = [_dot(face, event.size_px) for face in faces]
    return View(at_ms=utc_ns // 1_000_000, size_px=event.size_px, absent="no", dots=dots, state=state)


def _dot(face: Face, size_px: tuple[int, int]) -> Dot:
    quality, detection = face.quality, face.track.detection
    x, y = (rounded(min(max(at / side, 0.0), 1.0)) for at, side in zip(detection.center_px, size_px, strict=True))
    return Dot(
        x=x,
        y=y,
        size_px=min(round(detection.size_px), 9999),
        judgement="waiting" if quality is None else quality.rejection or "scored",
        light=None if quality is None or quality.light is None else round(quality.light),
        sharpness=None if quality is None or quality.sharpness is None else rounded(min(quality.sharpness, 1.0)),
    )


def state_of(
    config: Config, own: Collection[str], health: Health, window: Window | None, size_px: tuple[int, int]
) -> State:
    """The slow part; `config` is the one in force, `own` are the names of the zones that the page added."""
    zones = [
        Zone(name=zone.name, corners=[(rounded(x), rounded(y)) for x, y in zone.exclude], fixed=zone.name not in own)
        for zone in config.zones
    ]
    limits = _limits(config.face, size_px if all(size_px) else (config.camera.width, config.camera.height))
    return State(health=health, window=window, zones=zones, hours=config.hours.open, limits=limits)


def _limits(face: FaceConfig, size_px: tuple[int, int]) -> Limits:
    return Limits(
        size_px=rounded(smallest_found_px(*size_px, face), 1),
        light=rounded(face.min_light, 1),
        sharpness=rounded(face.min_sharpness),
        far_m=[(lens, rounded(farthest_m(*size_px, face, lens_deg=lens), 1)) for lens in _LENSES],
    )


class ViewGate:
    """Lets views of this device pass, and nothing else; the twin of the gate before MQTT.

    Args:
        origin: whose views.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._words = frozenset(enumerated(msgspec.json.schema(View)))

    def check(self, data: bytes, words: Collection[str]) -> View:
        """Returns the view decoded; `words` are the names of zones and the hours.

        Raises:
            GateError: form, a text or a number is none that this device tells its page.
        """
        if len(data) > MAX_BYTES:
            raise GateError(f"a view that is longer than {MAX_BYTES} bytes")
        try:
            view = msgspec.json.decode(data, type=View)
        except (msgspec.MsgspecError, RecursionError):
            raise GateError("not a view") from None
        if msgspec.json.encode(view) != data:
            raise GateError("something beside a view's fields")
        window = view.state.window if view.state else None
        own: set[Any] = {*self._words, *words}
        if window is not None:
            own |= {window.epoch, window.id}
            Gate(self._origin, own).check(self._origin.topic("window"), encode(window))
        Gate(self._origin, own).check_values(view)
        return view
