"""The camera: there, in the mode asked for, giving fresh frames, bright and sharp enough; numbers, never a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.camera import Camera, open_camera
from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.clock import NS, Clock
from edge.config import Config
from edge.errors import CameraError, DeploymentError
from edge.face.detector import Detector
from edge.face.search import smallest_found_px
from edge.values import Detection, Frame, Tick, UInt8Array

_LOOK_S = 3.0
_PATIENCE_S = 10.0  # for the first frame
_WARM_UP = 5  # frames in which a camera's exposure settles
_KEEP_S = 0.5  # between two frames in which faces are looked for
_OLD_S = 0.5
_SLOW = 0.8  # of the rate asked for
_DARK, _BRIGHT = 40.0, 220.0  # mean luma, 0-255
_SOFT = 8.0  # variance of the Laplacian of the luma at 640 px; a lens out of focus or behind dirty glass is below
_WIDTH = 640
# (R - B) / (R + G + B) of the middle of a face. Of 1,100 pictures and clips of people 99.5 % are above 0, and with
# red and blue exchanged 97 % below -0.02 (November 2026; only coloured light makes faces blue).
_BLUE = -0.02
_ENOUGH_FACES = 3

Opener = Callable[[Config, Clock], Camera]


@dataclass(slots=True)
class _View:
    """Some seconds of a camera, a number each frame: age in seconds, mean luma, variance of the Laplacian, a hash."""

    reason: str = ""
    times_ns: list[int] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    lights: list[float] = field(default_factory=list)
    details: list[float] = field(default_factory=list)
    hashes: set[int] = field(default_factory=set)
    kept: list[UInt8Array] = field(default_factory=list)

    @property
    def fps(self) -> float:
        seconds = (self.times_ns[-1] - self.times_ns[0]) / NS
        return (len(self.times_ns) - 1) / seconds if seconds > 0 else 0.0

    def add(self, frame: Frame, clock: Clock) -> None:
        self.ages_s.append((clock.monotonic_ns() - frame.captured_ns) / NS)
        self.times_ns.append(frame.captured_ns)
        height, width = frame.pixels.shape[:2]
        small = cv2.resize(frame.pixels, (_WIDTH, max(height * _WIDTH // width, 1)), interpolation=cv2.INTER_AREA)
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self.lights.append(float(luma.mean()))
        self.details.append(float(cv2.Laplacian(luma, cv2.CV_32F).var()))
        self.hashes.add(hash(frame.pixels.tobytes()))
        if frame.captured_ns - self.times_ns[0] >= len(self.kept) * _KEEP_S * NS:
            self.kept.append(frame.pixels)


def check_camera(
    config: Config,
    clock: Clock,
    detector: Detector | None,
    *,
    opener: Opener = open_camera,
    look_s: float = _LOOK_S,
    patience_s: float = _PATIENCE_S,
) -> list[Finding]:
    """Opens the configured camera, looks for `look_s` seconds, and lets go of it."""
    name = config.camera.device if config.camera.backend == "v4l2" else config.camera.backend
    try:
        with opener(config, clock) as camera:
            view = _look(camera, clock, look_s, patience_s)
    except DeploymentError:
        return [skipped("camera", "not opened before [deployment] is filled")]
    except CameraError as error:
        return [failed_with("camera", error)]
    if view.reason == "closed":
        return [skipped("camera", "closed now by [hours]", "look again while it is open")]
    if not view.times_ns:
        return [failed("camera", f"{name} gives no frame", "check its cable and its power, then try again")]
    findings = [passed("camera", f"{name}, {len(view.times_ns)} frames looked at"), *_judge(view, config)]
    return findings + (_judge_faces(view.kept, config, detector) if detector is not None else [])


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
            view.add(event, clock)
        if view.reason == "closed" or time.monotonic() >= until_s:
            break
    return view


def _judge(view: _View, config: Config) -> list[Finding]:
    wanted = config.camera
    height, width = view.kept[0].shape[:2]
    asked = (wanted.height, wanted.width) if wanted.rotate in (90, 270) else (wanted.width, wanted.height)
    mode = passed("camera mode", f"{width} x {height} at {view.fps:.1f} frames a second")
    if (width, height) != asked or view.fps < _SLOW * wanted.fps:
        fix = "set camera.width, height and fps to a mode it has (`v4l2-ctl --list-formats-ext`); a dark room slows it"
        said = f"gives {mode.said}, asked for {asked[0]} x {asked[1]} at {wanted.fps:g}"
        mode = warned("camera mode", said, fix)
    count, age_s = len(view.times_ns), max(view.ages_s)
    if len(view.hashes) == 1 < count:
        fix = "unplug the camera and plug it in again; a frozen one repeats its last picture"
        fresh = failed("fresh frames", f"{count} frames, all the same to the bit", fix)
    elif age_s > _OLD_S:
        fix = "the machine does not keep up: lower camera.width or fps, or stop what else runs"
        fresh = warned("fresh frames", f"up to {age_s:.2f} s old", fix)
    else:
        fresh = passed("fresh frames", f"at most {age_s:.2f} s old")
    brightness, detail = float(np.median(view.lights)), float(np.median(view.details))
    light = passed("light", f"mean brightness {brightness:.0f} of 255")
    sharpness = passed("sharpness", f"detail {detail:.0f}")
    if brightness < _DARK:
        light = warned("light", light.said, "too dark to score faces well: more light, from in front of them")
        sharpness = skipped("sharpness", "too dark to tell")
    elif brightness > _BRIGHT:
        light = warned("light", light.said, "too bright: no window or lamp in the picture, or lower the exposure")
    if brightness >= _DARK and detail < _SOFT:
        sharpness = warned("sharpness", sharpness.said, "take off the lens's foil, wipe it, and turn its focus")
    return [mode, fresh, light, sharpness]


def _judge_faces(pictures: list[UInt8Array], config: Config, detector: Detector) -> list[Finding]:
    """Whether faces are large enough to be found, and whether their skin has its red and blue where they belong."""
    found = [(picture, face) for picture in pictures for face in detector.detect(picture)]
    if not found:
        return [skipped("faces", "nobody in view", "stand where people will, to see whether you are large enough")]
    height, width = pictures[0].shape[:2]
    needed = smallest_found_px(width, height, config.face)
    smallest, largest = (f(face.size_px for _, face in found) for f in (min, max))
    said = f"{smallest:.0f} to {largest:.0f} px; they are found from about {needed:.0f} px in this picture"
    size = passed("faces", said)
    if largest < needed:
        size = warned("faces", said, "hang the camera nearer, take a longer lens, or turn it to where people stand")
    blue = [_redness(picture, face) for picture, face in found]
    if len(blue) < _ENOUGH_FACES or abs(float(np.median(blue))) <= -_BLUE:
        return [size, skipped("colours", "too few faces, or too grey ones, to tell")]
    if np.median(blue) < 0:
        fix = "if the light is white, the driver gives BGR for RGB: try another camera mode or a newer driver"
        return [size, warned("colours", "faces are more blue than red, as with red and blue exchanged", fix)]
    return [size, passed("colours", "faces are more red than blue, as skin is")]


def _redness(picture: UInt8Array, face: Detection) -> float:
    """(R - B) / (R + G + B) of nose and cheeks, -1 to 1."""
    (x_right, y_right), (x_left, y_left), (x_nose, _), (_, y_one), (_, y_other) = face.landmarks_px.tolist()
    y_eyes, y_mouth, half = (y_right + y_left) / 2, (y_one + y_other) / 2, abs(x_left - x_right) / 2
    rows = slice(max(round(0.75 * y_eyes + 0.25 * y_mouth), 0), max(round(0.15 * y_eyes + 0.85 * y_mouth), 1))
    skin = picture[rows, max(round(x_nose - half), 0) : max(round(x_nose + half), 1)].reshape(-1, 3)
    red, green, blue = skin.mean(axis=0).tolist() if len(skin) else (0.0, 0.0, 0.0)
    return float((red - blue) / max(red + green + blue, 1.0))
