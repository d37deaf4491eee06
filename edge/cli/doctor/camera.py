"""The camera: there, in the mode asked for, giving fresh frames, bright and sharp enough; numbers, never a picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.camera import Camera, open_camera
from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned, warned_if
from edge.clock import NS, Clock
from edge.config import Config
from edge.errors import CameraError, DeploymentError
from edge.face.detector import Detector
from edge.face.search import smallest_found_px
from edge.values import Detection, Tick, UInt8Array

_LOOK_S = 3.0
_PATIENCE_S = 10.0  # for the first frame
_WARM_UP = 5  # frames in which a camera's exposure settles
_KEEP_S = 0.5  # between two frames whose light, sharpness and faces are looked at
_OLD_S = 0.5
_SLOW = 0.8  # of the rate asked for
_DARK, _BRIGHT = 40.0, 220.0  # mean luma, 0-255
_SOFT = 8.0  # variance of the Laplacian of the luma at 640 px; a lens out of focus or behind dirty glass is below
_WIDTH = 640
# (R - B) / (R + G + B) of the middle of a face. Of 1,100 pictures and clips of people 99.5 % are above 0, and with
# red and blue exchanged 97 % below -0.02 (November 2026; only coloured light makes faces blue).
_BLUE = -0.02
_ENOUGH_FACES = 3


@dataclass(slots=True)
class _View:
    """Some seconds of a camera."""

    reason: str = ""  # why there was no frame
    times_ns: list[int] = field(default_factory=list)  # of each frame
    ages_s: list[float] = field(default_factory=list)
    hashes: set[int] = field(default_factory=set)
    kept: list[UInt8Array] = field(default_factory=list)  # a picture each `_KEEP_S`


def check_camera(
    config: Config,
    clock: Clock,
    detector: Detector | None,
    *,
    opener: Callable[[Config, Clock], Camera] = open_camera,
    look_s: float = _LOOK_S,
    patience_s: float = _PATIENCE_S,
) -> Iterator[Finding]:
    """Opens the configured camera, looks for `look_s` seconds, and lets go of it."""
    name = config.camera.device if config.camera.backend == "v4l2" else config.camera.backend
    try:
        with opener(config, clock) as camera:
            view = _look(camera, clock, look_s, patience_s)
    except DeploymentError:
        yield skipped("camera", "not opened before [deployment] is filled")
    except CameraError as error:
        yield failed_with("camera", error)
    else:
        if view.reason == "closed":
            yield skipped("camera", "closed now by [hours]", "look again while it is open")
        elif not view.times_ns:
            yield failed("camera", f"{name} gives no frame", "check its cable and its power, then try again")
        else:
            yield passed("camera", f"{name}, {len(view.times_ns)} frames looked at")
            yield _judge_mode(view, config)
            yield _judge_freshness(view)
            yield from _judge_light(view.kept)
            if detector is not None:
                yield from _judge_faces(view.kept, config, detector)


def _look(camera: Camera, clock: Clock, look_s: float, patience_s: float) -> _View:
    view, left = _View(), _WARM_UP
    until_s = time.monotonic() + patience_s
    for event in camera:
        if isinstance(event, Tick):
            view.reason = event.reason
        elif left:
            left -= 1
            until_s = time.monotonic() + look_s
        else:
            view.ages_s.append((clock.monotonic_ns() - event.captured_ns) / NS)
            view.times_ns.append(event.captured_ns)
            view.hashes.add(hash(event.pixels.tobytes()))
            if event.captured_ns - view.times_ns[0] >= len(view.kept) * _KEEP_S * NS:
                view.kept.append(event.pixels)
        if view.reason == "closed" or time.monotonic() >= until_s:
            break
    return view


def _judge_mode(view: _View, config: Config) -> Finding:
    wanted, seconds = config.camera, (view.times_ns[-1] - view.times_ns[0]) / NS
    fps = (len(view.times_ns) - 1) / seconds if seconds > 0 else 0.0
    height, width = view.kept[0].shape[:2]
    asked = (wanted.height, wanted.width) if wanted.rotate in (90, 270) else (wanted.width, wanted.height)
    said = f"{width} x {height} at {fps:.1f} frames a second"
    if (width, height) == asked and fps >= _SLOW * wanted.fps:
        return passed("camera mode", said)
    fix = "set camera.width, height and fps to a mode it has (`v4l2-ctl --list-formats-ext`); a dark room slows it"
    return warned("camera mode", f"gives {said}, asked for {asked[0]} x {asked[1]} at {wanted.fps:g}", fix)


def _judge_freshness(view: _View) -> Finding:
    count, age_s = len(view.times_ns), max(view.ages_s)
    if len(view.hashes) == 1 < count:
        fix = "unplug the camera and plug it in again; a frozen one repeats its last picture"
        return failed("fresh frames", f"{count} frames, all the same to the bit", fix)
    fix = "the machine does not keep up: lower camera.width or fps, or stop what else runs"
    return warned_if(age_s > _OLD_S, "fresh frames", f"at most {age_s:.2f} s old", fix)


def _judge_light(pictures: list[UInt8Array]) -> Iterator[Finding]:
    """Brightness, and sharpness where there is light enough to tell."""
    height, width = pictures[0].shape[:2]
    size = (_WIDTH, max(height * _WIDTH // width, 1))
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    lumas = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in small]
    light = float(np.median([luma.mean() for luma in lumas]))
    detail = float(np.median([cv2.Laplacian(luma, cv2.CV_32F).var() for luma in lumas]))
    said = f"mean brightness {light:.0f} of 255"
    if light < _DARK:
        yield warned("light", said, "too dark to score faces well: more light, from in front of them")
        yield skipped("sharpness", "too dark to tell")
        return
    yield warned_if(
        light > _BRIGHT, "light", said, "too bright: no window or lamp in the picture, or lower the exposure"
    )
    fix = "take off the lens's foil, wipe it, and turn its focus"
    yield warned_if(detail < _SOFT, "sharpness", f"detail {detail:.0f}", fix)


def _judge_faces(pictures: list[UInt8Array], config: Config, detector: Detector) -> Iterator[Finding]:
    """Whether faces are large enough to be found, and whether their skin has its red and blue where they belong."""
    found = [(picture, face) for picture in pictures for face in detector.detect(picture)]
    if not found:
        yield skipped("faces", "nobody in view", "stand where people will, to see whether you are large enough")
        return
    height, width = pictures[0].shape[:2]
    needed = smallest_found_px(width, height, config.face)
    smallest, largest = (f(face.size_px for _, face in found) for f in (min, max))
    said = f"{smallest:.0f} to {largest:.0f} px; they are found from about {needed:.0f} px in this picture"
    fix = "hang the camera nearer, take a longer lens, or turn it to where people stand"
    yield warned_if(largest < needed, "faces", said, fix)
    redness = float(np.median([_redness(picture, face) for picture, face in found]))
    if len(found) < _ENOUGH_FACES or abs(redness) <= -_BLUE:
        yield skipped("colours", "too few faces, or too grey ones, to tell")
    elif redness < 0:
        fix = "if the light is white, the driver gives BGR for RGB: try another camera mode or a newer driver"
        yield warned("colours", "faces are more blue than red, as with red and blue exchanged", fix)
    else:
        yield passed("colours", "faces are more red than blue, as skin is")


def _redness(picture: UInt8Array, face: Detection) -> float:
    """(R - B) / (R + G + B) of nose and cheeks, -1 to 1."""
    (x_right, y_right), (x_left, y_left), (x_nose, _), (_, y_one), (_, y_other) = face.landmarks_px.tolist()
    y_eyes, y_mouth, half = (y_right + y_left) / 2, (y_one + y_other) / 2, abs(x_left - x_right) / 2
    rows = slice(max(round(0.75 * y_eyes + 0.25 * y_mouth), 0), max(round(0.15 * y_eyes + 0.85 * y_mouth), 1))
    skin = picture[rows, max(round(x_nose - half), 0) : max(round(x_nose + half), 1)].reshape(-1, 3)
    red, green, blue = skin.mean(axis=0).tolist() if len(skin) else (0.0, 0.0, 0.0)
    return float((red - blue) / max(red + green + blue, 1.0))
