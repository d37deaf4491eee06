"""One clip through the device's own pipeline, and who was where and how they were scored in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edge.affect.model import AffectModel
from edge.camera import open_camera
from edge.cli.bench.nobody import NoSink
from edge.clock import FileClock
from edge.config import CameraConfig, Config
from edge.device import build_pipeline
from edge.face.detector import Detector
from edge.values import AffectScore, Detection, Frame, UInt8Array


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


def play_clip(clip: Path, model: AffectModel, known: KnownFaces, *, detect_every: int | str, keep: int) -> Played:
    """Runs a clip.

    Args:
        clip: a video file.
        model: that scores.
        known: the clip's faces, kept from run to run.
        detect_every: `face.detect_every`.
        keep: every how manieth frame there is, as of a slower camera.

    Raises:
        CameraError: the clip cannot be read.
    """
    config = Config(camera=CameraConfig(backend="replay", path=str(clip), pace="fast"))
    config = msgspec.structs.replace(config, face=msgspec.structs.replace(config.face, detect_every=detect_every))
    clock, played = FileClock(), Played()
    camera = open_camera(config, clock)
    pipeline = build_pipeline(config, camera=camera, model=model, sink=NoSink(), clock=clock)
    pipeline.detector, known.searches = known, 0
    with camera:
        for frame in _every(camera.frames(), keep):
            known.index = frame.index
            scores = pipeline.step(frame)
            # The tracks as of this very frame: asking for them changes nothing.
            boxes = {track.id: track.detection.box_px for track in pipeline.tracker.tracks(frame.captured_ns)}
            slot = model.stream.slot(frame.captured_ns)
            played.sightings += [Sighting(slot, score.track_id, boxes[score.track_id], score) for score in scores]
    played.seconds, played.searches = clock.now_ns / 1e9, known.searches
    return played


def _every(frames: Iterator[Frame], keep: int) -> Iterator[Frame]:
    return (frame for frame in frames if frame.index % keep == 0)


def mean_by_interval(played: Played, steps: int) -> dict[int, np.ndarray]:
    """Mean valence and arousal (2,) of the warm scores of each `steps` grid steps, by number of the interval."""
    found: dict[int, list[tuple[float, float]]] = {}
    for sighting in played.sightings:
        if sighting.score.warm:
            found.setdefault(sighting.slot // steps, []).append((sighting.score.valence, sighting.score.arousal))
    return {number: np.mean(values, axis=0) for number, values in found.items()}
