"""The camera: there, in the mode asked for, giving fresh frames, bright and sharp enough; numbers, never a picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.camera import Camera, open_camera
from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.clock import NS, Clock
from edge.config import Config
from edge.errors import CameraError
from edge.values import Frame

_LOOK_S = 3.0
_WARM_UP = 5  # frames in which a camera's exposure settles
_OLD_S = 0.5
_SLOW = 0.8  # of the rate asked for
_DARK, _BRIGHT = 40.0, 220.0  # mean luma, 0-255
_SOFT = 8.0  # variance of the Laplacian of the luma at 640 px; a lens out of focus or behind dirty glass is below
_WIDTH = 640

Opener = Callable[[Config, Clock], Camera]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What some seconds of a camera came to.

    Attributes:
        size: width and height, pixels.
        frames, fps: seen, and a second.
        age_s: of the oldest frame when it was handed over.
        light: mean luma, 0-255.
        detail: variance of the Laplacian of the luma at a width of 640 pixels.
        moving: whether any two frames differed.
    """

    size: tuple[int, int]
    frames: int
    fps: float
    age_s: float
    light: float
    detail: float
    moving: bool


def check_camera(
    config: Config, clock: Clock, *, opener: Opener = open_camera, look_s: float = _LOOK_S
) -> list[Finding]:
    """Opens the configured camera, looks for `look_s` seconds, and lets go of it."""
    name = config.camera.device if config.camera.backend == "v4l2" else config.camera.backend
    try:
        with opener(config, clock) as camera:
            frames = _after(camera.frames(), _WARM_UP)
            view = look(frames, clock, look_s=look_s)
    except CameraError as error:
        return [failed_with("camera", error)]
    if view is None:
        return [failed("camera", f"{name} opens and gives no frame", "check its cable and its power, then try again")]
    return [passed("camera", f"{name}, {view.frames} frames looked at"), *_judge(view, config)]


def look(frames: Iterator[Frame], clock: Clock, *, look_s: float) -> View | None:
    """Looks at frames for a while; None when none comes."""
    first_ns = last_ns = None
    ages, lights, details, sums = [], [], [], set()
    shape = (0, 0)
    begun_s = time.monotonic()
    for frame in frames:
        ages.append((clock.monotonic_ns() - frame.captured_ns) / NS)
        luma = _luma(frame)
        lights.append(float(luma.mean()))
        details.append(float(cv2.Laplacian(luma, cv2.CV_32F).var()))
        sums.add(hash(frame.pixels.tobytes()))
        shape = (frame.pixels.shape[1], frame.pixels.shape[0])
        first_ns = frame.captured_ns if first_ns is None else first_ns
        last_ns = frame.captured_ns
        if time.monotonic() - begun_s >= look_s:
            break
    if first_ns is None or last_ns is None:
        return None
    seconds = (last_ns - first_ns) / NS
    return View(
        size=shape,
        frames=len(ages),
        fps=(len(ages) - 1) / seconds if seconds > 0 else 0.0,
        age_s=max(ages),
        light=float(np.median(lights)),
        detail=float(np.median(details)),
        moving=len(sums) > 1,
    )


def _judge(view: View, config: Config) -> list[Finding]:
    wanted = config.camera
    size = (wanted.height, wanted.width) if wanted.rotate in (90, 270) else (wanted.width, wanted.height)
    findings = []
    mode = f"{view.size[0]} x {view.size[1]} at {view.fps:.1f} frames a second"
    asked = f"{size[0]} x {size[1]} at {wanted.fps:g}"
    if view.size != size or view.fps < _SLOW * wanted.fps:
        fix = "set camera.width, height and fps to a mode it has (`v4l2-ctl --list-formats-ext`); a dark room slows it"
        findings.append(warned("camera mode", f"gives {mode}, asked for {asked}", fix))
    else:
        findings.append(passed("camera mode", mode))
    if not view.moving and view.frames > 1:
        fix = "unplug the camera and plug it in again; a frozen one repeats its last picture"
        findings.append(failed("fresh frames", f"{view.frames} frames, all the same to the bit", fix))
    elif view.age_s > _OLD_S:
        fix = "the machine does not keep up: lower camera.width or fps, or stop what else runs"
        findings.append(warned("fresh frames", f"up to {view.age_s:.2f} s old", fix))
    else:
        findings.append(passed("fresh frames", f"at most {view.age_s:.2f} s old"))
    light = f"mean brightness {view.light:.0f} of 255"
    if view.light < _DARK:
        findings.append(warned("light", light, "too dark to score faces well: more light, from in front of them"))
    elif view.light > _BRIGHT:
        findings.append(warned("light", light, "too bright: no window or lamp in the picture, or lower the exposure"))
    else:
        findings.append(passed("light", light))
    detail = f"detail {view.detail:.0f}"
    if view.light >= _DARK and view.detail < _SOFT:
        findings.append(warned("sharpness", detail, "take off the lens's foil, wipe it, and turn its focus"))
    else:
        findings.append(
            passed("sharpness", detail) if view.light >= _DARK else skipped("sharpness", "too dark to tell")
        )
    return findings


def _after(frames: Iterator[Frame], count: int) -> Iterator[Frame]:
    """The frames after the first few."""
    for index, frame in enumerate(frames):
        if index >= count:
            yield frame


def _luma(frame: Frame) -> np.ndarray:
    height, width = frame.pixels.shape[:2]
    small = cv2.resize(frame.pixels, (_WIDTH, max(height * _WIDTH // width, 1)), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
