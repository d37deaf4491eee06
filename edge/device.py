"""The loop: frames in, windows out.

Owns the map from track to LSTM state, dropped with its track, and asks the schedule who is due. A frame that cannot
be worked on is counted, logged at a limited rate and skipped; only an unbroken row of them ends the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2

from edge.affect.model import AffectModel
from edge.affect.stream import StreamState
from edge.affect.window import Windower
from edge.board import Board
from edge.camera import Camera
from edge.camera.hours import OpeningHours
from edge.clock import NS, Clock, FileClock
from edge.config import Config
from edge.errors import EngineError, FrameError
from edge.face.crop import align_face
from edge.face.detector import Detector, load_detector
from edge.face.quality import QualityGate, quality_gate
from edge.face.search import Schedule
from edge.face.tracker import Tracker, seen
from edge.health import Health
from edge.publish import Sink
from edge.values import AffectScore, Embedding, FaceCrop, Frame, HealthReport, Track, WindowAggregate

log = logging.getLogger(__name__)

_REPORT_S = 60
_MAX_FAILURES = 100  # frames in a row that may fail before the run is given up
_LOG_EVERY = 50

OnScores = Callable[[Frame, Sequence[AffectScore]], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Pipeline:
    """Everything that a frame passes, in order. Each part is owned by this pipeline alone.

    Attributes:
        on_scores: called with each frame and its new scores, for someone who looks on; numbers only.
        on_frame: called after each frame, whatever became of it: the sign of life.
    """

    camera: Camera
    hours: OpeningHours
    detector: Detector
    tracker: Tracker
    gate: QualityGate
    model: AffectModel
    windower: Windower
    sink: Sink
    clock: Clock
    health: Health
    schedule: Schedule
    board: Board = field(default_factory=Board)
    on_scores: OnScores | None = None
    on_frame: Callable[[], None] | None = None
    stopping: bool = False
    _states: dict[int, StreamState] = field(default_factory=dict, init=False)
    _failures: int = field(default=0, init=False)  # in a row
    _reported_ns: int | None = field(default=None, init=False)
    _done_slot: int | None = field(default=None, init=False)  # the grid step of which no further frame is needed

    def run(self) -> None:
        """Works until the camera ends or `stop` is called, then closes the open window.

        Raises:
            CameraError: the camera vanished.
            EngineError: frame after frame cannot be worked on.
        """
        last_ns = None
        try:
            with self.camera:
                for frame in self.camera.frames():
                    last_ns = frame.captured_ns
                    self._attempt(frame)
                    if self.on_frame is not None:
                        self.on_frame()
                    if self.stopping:
                        break
        finally:
            if last_ns is not None:
                self._publish(self.windower.close(last_ns))

    def stop(self) -> None:
        """Ends the run after the frame at hand; safe to call from a signal handler."""
        self.stopping = True

    def wait(self) -> None:
        """Moves time on while the camera gives nothing: windows close, health is told, and a stop is heard."""
        if self.stopping:
            self.camera.close()
            return
        # A second behind, so that a frame that is under way is not older than what was closed.
        now_ns = self.clock.monotonic_ns() - NS
        self._publish(self.windower.advance(now_ns))
        self._report(now_ns)

    def wants(self, captured_ns: int) -> bool:
        """Whether a frame taken then would be worked on; one that would not counts as seen.

        May be called from the camera's thread. In doubt, and while a frame of the same step is worked on, it would.
        """
        if self.model.stream.slot(captured_ns) != self._done_slot:
            return True
        self.health.spared += 1
        return False

    def step(self, frame: Frame) -> list[AffectScore]:
        """Takes one frame through every stage; returns the scores of the faces that were due."""
        timing, schedule, now_ns = self.health.timing, self.schedule, frame.captured_ns
        with timing("publish"):
            self._publish(self.windower.advance(now_ns))
            self._report(now_ns)
        if not self.hours.open_at(self.clock.utc_ns(now_ns)):
            self.health.closed += 1
            return []
        self.health.seen += 1
        slot = self.model.stream.slot(now_ns)
        schedule.begin(now_ns, slot)
        search = schedule.searches(now_ns, unsettled=self.tracker.unsettled(now_ns))
        if schedule.rests:
            return []
        in_view = seen(self._search(frame) if search else self._coast(frame))
        due = schedule.choose(in_view)
        with timing("crop"):
            crops = self._cut(frame, due)
        with timing("embed"):
            embeddings = self.model.backbone.embed_all(crops)
        with timing("head"):
            scores = self._score(embeddings)
        schedule.scored(len(due))
        with timing("window"):
            self.windower.observe(in_view, scores, now_ns)
        schedule.end()
        self._done_slot = slot if schedule.done and self.tracker.calm else None
        self.health.scored += len(scores)
        self.health.faces = len(in_view)
        if scores and not isinstance(self.clock, FileClock):  # whose time stands still meanwhile
            self.health.latency.add(self.clock.monotonic_ns() - now_ns)
        return scores

    def snapshot(self) -> HealthReport:
        """How the device is doing now; may be called from another thread."""
        return self.health.report(
            dropped=self.camera.dropped,
            failed=self.camera.failed,
            load=self.schedule.load,
            board=self.board.read(),
            accelerated=self.model.accelerated,
        )

    def _attempt(self, frame: Frame) -> None:
        try:
            scores = self.step(frame)
        except (FrameError, EngineError, cv2.error) as error:
            self.health.failed += 1
            self._failures += 1
            if self._failures % _LOG_EVERY == 1:
                log.warning("frame %d skipped, %d failed so far: %s", frame.index, self.health.failed, error)
            if self._failures >= _MAX_FAILURES:
                raise EngineError(f"{self._failures} frames in a row failed, the last with: {error}") from error
            return
        self._failures = 0
        if self.on_scores is not None:
            self.on_scores(frame, scores)

    def _search(self, frame: Frame) -> list[Track]:
        """The tracks in this frame, by a search for faces."""
        timing, now_ns = self.health.timing, frame.captured_ns
        with timing("detect"):
            detections = self.detector.detect(frame.pixels)
        self.schedule.searched(now_ns)
        with timing("track"):
            tracks = self.tracker.update(detections, now_ns)
            self._forget(tracks)
        return tracks

    def _coast(self, frame: Frame) -> list[Track]:
        """The tracks in this frame, by their motion."""
        with self.health.timing("track"):
            tracks = self.tracker.coast(frame.captured_ns)
            self._forget(tracks)
        return tracks

    def _cut(self, frame: Frame, tracks: Sequence[Track]) -> list[FaceCrop]:
        """The crops of those faces that are good enough to score."""
        shape = self.model.bundle.manifest.crop
        crops = []
        for track in tracks:
            rejection = self.gate.judge_pose(track.detection)
            if rejection is None:
                pixels = align_face(frame.pixels, track.detection.landmarks_px, shape.size, shape.rule)
                rejection = self.gate.judge_crop(pixels)
            if rejection is None:
                crops.append(FaceCrop(track_id=track.id, pixels=pixels, captured_ns=frame.captured_ns))
            else:
                self.health.rejections[rejection.value] += 1
        return crops

    def _score(self, embeddings: Sequence[Embedding]) -> list[AffectScore]:
        """Steps the streams of all faces due, together, and keeps their new states."""
        if not embeddings:
            return []
        states = [self._states.get(embedding.track_id) for embedding in embeddings]
        scores, after = self.model.stream.step(embeddings, states)
        self._states.update((score.track_id, state) for score, state in zip(scores, after, strict=True))
        return scores

    def _forget(self, tracks: Sequence[Track]) -> None:
        living = {track.id for track in tracks}
        self.health.tracks = max(self.health.tracks, *living, 0)
        for track_id in self.schedule.forget(living):
            self._states.pop(track_id, None)
            self.windower.forget(track_id)

    def _publish(self, closed: Sequence[WindowAggregate]) -> None:
        for aggregate in closed:
            self.sink.publish(aggregate)
            self.health.closed_window(aggregate.suppressed)

    def _report(self, now_ns: int) -> None:
        if self._reported_ns is None:
            self._reported_ns = now_ns
        if now_ns - self._reported_ns >= _REPORT_S * NS:
            self._reported_ns = now_ns
            self.sink.report(self.snapshot())


def build_pipeline(
    config: Config,
    *,
    camera: Camera,
    model: AffectModel,
    sink: Sink,
    clock: Clock,
    on_scores: OnScores | None = None,
    health: Health | None = None,
) -> Pipeline:
    """Puts a pipeline together as the configuration says.

    Raises:
        AssetError: the face detector's file is missing or altered.
        EngineError: the runtime cannot load it.
    """
    face, manifest = config.face, model.bundle.manifest
    return Pipeline(
        camera=camera,
        hours=OpeningHours(config.hours, config.device.tz),
        detector=load_detector(face, config.engine),
        tracker=Tracker(),
        gate=quality_gate(face),
        model=model,
        windower=Windower(config.window, clock, step_s=manifest.step_s, reset_s=manifest.reset_s),
        sink=sink,
        clock=clock,
        health=health or Health(),
        schedule=Schedule(
            step_s=manifest.step_s,
            reset_s=manifest.reset_s,
            frame_s=1 / config.camera.fps,
            detect_every=face.detect_every,
            now_ns=None if isinstance(clock, FileClock) else clock.monotonic_ns,
        ),
        on_scores=on_scores,
    )
