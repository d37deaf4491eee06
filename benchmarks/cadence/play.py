"""One clip through the device's own loop, and who was where and how they were scored in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.affect.network import AffectModel
from edge.camera import open_camera
from edge.clock import NS, FileClock, grid_step
from edge.config import CameraConfig, Config
from edge.device import build_device
from edge.face.detector import Detector
from edge.face.schedule import Plan, Schedule
from edge.publish import Discard
from edge.values import AffectScore, Detection, Frame, Look, UInt8Array


class Sighting(NamedTuple):
    """One scored face.

    Attributes:
        slot: grid step.
        track_id: of the run.
        box_px: where it was cut.
        score: the streamed one.
    """

    slot: int
    track_id: int
    box_px: tuple[float, float, float, float]
    score: AffectScore


@dataclass(slots=True, kw_only=True)
class Played:
    """What a run left.

    Attributes:
        seconds: of the clip.
        searches: for faces.
        sightings: every scored face, in order.
    """

    seconds: float = 0.0
    searches: int = 0
    sightings: list[Sighting] = field(default_factory=list)

    @property
    def tracks(self) -> int:
        """How many different ids were scored."""
        return len({sighting.track_id for sighting in self.sightings})


class KnownFaces:
    """A `Detector` that works on each frame once, however many runs ask for it.

    Args:
        detector: that works.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[int, list[Detection]] = {}
        self.index = 0  # of the frame that is asked for next
        self.searches = 0

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """See `Detector.detect`."""
        self.searches += 1
        if self.index not in self._found:
            self._found[self.index] = self._detector.detect(pixels)
        return self._found[self.index]


class Spaced(Schedule):
    """Searches for faces in every n-th grid step and follows them in between; 0: in every frame.

    Each face is scored in the first frame of a step in which it is found.
    """

    def __init__(self, every: int, *, step_s: float, reset_s: float) -> None:
        super().__init__(step_s=step_s, reset_s=reset_s)
        self._every = every
        self._grid_ns = round(step_s * NS)

    def plan(self, now_ns: int) -> Plan:
        step = grid_step(now_ns, self._grid_ns)
        if not self._every:
            return Plan(step=step, scored=self._scored)
        plan = super().plan(now_ns)
        search = self._searched is None or step - self._searched >= self._every
        return Plan(step=step, work=plan.work, search=plan.work and search, scored=self._scored)


def play_clip(clip: Path, model: AffectModel, known: KnownFaces, *, every: int, keep: int) -> Played:
    """Runs a clip.

    Args:
        clip: a video file.
        model: that scores.
        known: the clip's faces, kept from run to run.
        every: faces are searched for in every n-th step of the grid; 0: in every frame.
        keep: every n-th frame is there, as of a slower camera.

    Raises:
        CameraError: the clip cannot be read.
    """
    config = Config(camera=CameraConfig(backend="replay", path=str(clip), pace="fast"))
    clock, played = FileClock(), Played()
    camera = open_camera(config, clock)
    device = build_device(config, camera=camera, model=model, sink=Discard(), clock=clock)
    manifest = model.bundle.manifest
    device.schedule = Spaced(every, step_s=manifest.step_s, reset_s=manifest.reset_s)
    device.detector, known.searches = known, 0
    with camera:
        for frame in camera:
            if not isinstance(frame, Frame) or frame.index % keep:
                continue
            known.index = frame.index
            look = device.step(frame)
            slot = model.stream.slot(frame.captured_ns)
            faces = look.faces if isinstance(look, Look) else ()
            played.sightings += [
                Sighting(slot, face.track.id, face.track.detection.box_px, face.score) for face in faces if face.score
            ]
    played.seconds, played.searches = clock.now_ns / 1e9, known.searches
    return played


def mean_by_interval(played: Played, steps: int) -> dict[int, np.ndarray]:
    """Mean valence and arousal (2,) of the warm scores of each `steps` grid steps, by number of the interval."""
    found: dict[int, list[tuple[float, float]]] = {}
    for sighting in played.sightings:
        if sighting.score.warm:
            found.setdefault(sighting.slot // steps, []).append((sighting.score.valence, sighting.score.arousal))
    return {number: np.mean(values, axis=0) for number, values in found.items()}
