"""The main loop: camera → face → affect → window → publish, one frame at a time.

Owns the LSTM state of each track, and deletes it when the track ends. A frame that cannot be processed is counted,
logged at a limited rate and skipped. Too many such frames in a row end the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from edge.affect.network import AffectModel
from edge.affect.private import PrivateMode
from edge.affect.stream import StreamState
from edge.affect.window import Closed, Windower
from edge.board import read_board
from edge.camera import Camera
from edge.clock import NS, Clock
from edge.config import Config
from edge.contract import Health, Model, ModelState, Origin
from edge.errors import EngineError, FrameError
from edge.face.crop import align_face
from edge.face.quality import QualityGate
from edge.face.schedule import Plan, Schedule, Spent
from edge.face.search import Search
from edge.face.tracker import Tracker, seen
from edge.health import HealthMonitor
from edge.model.bundle import Bundle
from edge.policy import notice_holds, policy_of
from edge.publish import Sink
from edge.values import AffectScore, Face, FaceCrop, Frame, Look, Quality, Tick, Track

log = logging.getLogger(__name__)

_REPORT_S = 60
_MAX_FAILURES = 100  # failed frames in a row that end the run
_LOG_EVERY = 50


@dataclass(slots=True, kw_only=True, eq=False)
class Device:
    """All stages of the loop, in the order in which a frame passes them. They are not shared."""

    camera: Camera
    schedule: Schedule
    search: Search
    tracker: Tracker
    gate: QualityGate
    model: AffectModel
    windower: Windower
    sink: Sink
    clock: Clock
    health: HealthMonitor
    origin: Origin
    model_state: ModelState
    _living: set[int] = field(default_factory=set, init=False)  # ids of the current tracks
    _states: dict[int, StreamState] = field(default_factory=dict, init=False)
    _failures: int = field(default=0, init=False)  # in a row
    _now_ns: int | None = field(default=None, init=False)  # time of the last frame or tick
    _reported_ns: int | None = field(default=None, init=False)  # time of the last health report

    def looks(self) -> Iterator[Look | Tick]:
        """Runs until the camera ends or `stop` is called, then closes the open window.

        Yields:
            The result of each frame, or the tick.

        Raises:
            CameraError: the camera can no longer be used.
            EngineError: too many frames in a row failed.
            PublishError: windows can no longer be published.
        """
        try:
            with self.camera:
                for event in self.camera:
                    yield self.step(event)
        finally:
            if self._now_ns is not None:
                self._publish(self.windower.close(self._now_ns))

    def stop(self) -> None:
        """Ends the run after the current frame; safe to call from a signal handler."""
        self.camera.close()

    def adopt(self, config: Config) -> str:
        """Takes the policy of a configuration that was changed while the device runs; returns its hash.

        The open window ends without scores. If the notice that the configuration names is of another policy, no window
        has scores from now on, until the device is started with a notice that fits.
        """
        self.origin = origin_of(config, self.model.bundle)
        self.windower.adopt(self.origin, told=notice_holds(config, self.origin.policy))
        self.sink.adopt(self.origin)
        return self.origin.policy

    def step(self, event: Frame | Tick) -> Look | Tick:
        """Processes one frame or tick through all stages."""
        self._now_ns = now_ns = event.captured_ns if isinstance(event, Frame) else event.at_ns
        self._publish(self.windower.advance(now_ns))
        self._report(now_ns)
        if isinstance(event, Tick):
            self.health.faces = 0
            self.windower.tick(event)
            return event
        self.health.seen += 1
        plan = self.schedule.plan(now_ns)
        try:
            look = self.look(event, plan) if plan.work else Look.of(event)
        except (FrameError, EngineError, cv2.error) as error:
            self._skip(event, error)
            return Look.of(event)
        if look.worked:
            self._failures = 0
            with self.health.timing("window"):
                height, width = event.pixels.shape[:2]
                self.windower.observe([face.track for face in look.faces], look.scores, now_ns, (width, height))
        return look

    def look(self, frame: Frame, plan: Plan) -> Look:
        """Finds the faces in a frame, scores those that the plan selects, and records how long it took.

        Raises:
            FrameError, EngineError, cv2.error: the frame cannot be processed.
        """
        health, begun_ns = self.health, self.clock.monotonic_ns()
        tracks = self._find(frame, plan)
        searched_ns = self.clock.monotonic_ns()
        due = plan.due(tracks)
        qualities, crops = self._judge(frame, due)
        scores = self._score(crops)
        now_ns = self.clock.monotonic_ns()
        served = [track.id for track in due]
        spent = Spent(search_ns=searched_ns - begun_ns, total_ns=now_ns - begun_ns, faces=len(tracks), scored=served)
        self.schedule.done(plan, spent, now_ns)
        health.worked += 1
        health.faces = len(tracks)
        health.scored += len(scores)
        if scores and self.clock.live:
            health.latency.add(now_ns - frame.captured_ns)
        faces = [Face(track=track, quality=qualities.get(track.id), score=scores.get(track.id)) for track in tracks]
        return Look.of(frame, worked=True, faces=faces)

    def snapshot(self) -> Health:
        """The current health message; may be called from another thread."""
        return self.health.report(
            self.origin,
            self.clock,
            camera=self.camera,
            load=self.schedule.load,
            board=read_board(),
            delivery=self.sink.delivery(),
            model_state=self.model_state,
            accelerated=self.model.accelerated,
        )

    def _find(self, frame: Frame, plan: Plan) -> list[Track]:
        """The faces in view, from the search or, if the plan has none, extrapolated from their motion."""
        if plan.search:
            with self.health.timing("detect"):
                expected = self.tracker.expected(frame.captured_ns)
                found = self.search.find(frame.pixels, expected, wide=plan.wide)
            with self.health.timing("track"):
                tracks = self.tracker.update(found.detections, frame.captured_ns, found.looked_for)
        else:
            with self.health.timing("track"):
                tracks = self.tracker.coast(frame.captured_ns)
        living = {track.id for track in tracks}
        self.health.tracks = max(self.health.tracks, *living, 0)
        for track_id in self._living - living:
            self._states.pop(track_id, None)
            self.windower.forget(track_id)
        self._living = living
        return seen(tracks)

    def _judge(self, frame: Frame, due: Sequence[Track]) -> tuple[dict[int, Quality], list[FaceCrop]]:
        """The quality of each face, by track id, and the crops of the faces that are good enough to score."""
        shape = self.model.bundle.manifest.crop
        qualities, crops = {}, []
        with self.health.timing("crop", busy=bool(due)):
            for track in due:
                quality = self.gate.judge_pose(track.detection)
                if quality.rejection is None:
                    pixels = align_face(frame.pixels, track.detection.landmarks_px, shape.size, shape.rule)
                    quality = self.gate.judge_crop(quality, pixels)
                if quality.rejection is None:
                    crops.append(FaceCrop(track_id=track.id, pixels=pixels, captured_ns=frame.captured_ns))
                else:
                    self.health.rejections[quality.rejection] += 1
                qualities[track.id] = quality
        return qualities, crops

    def _score(self, crops: Sequence[FaceCrop]) -> dict[int, AffectScore]:
        """The scores of all crops, by track id; runs them as one batch and stores the new LSTM states."""
        if not crops:
            return {}
        with self.health.timing("embed"):
            embeddings = self.model.backbone.embed_all(crops)
        with self.health.timing("head"):
            scores, after = self.model.stream.step(embeddings, [self._states.get(crop.track_id) for crop in crops])
        self._states.update((score.track_id, state) for score, state in zip(scores, after, strict=True))
        return {score.track_id: score for score in scores}

    def _skip(self, frame: Frame, error: Exception) -> None:
        self.health.failed += 1
        self._failures += 1
        if self.health.failed % _LOG_EVERY == 1:
            log.warning("frame %d skipped; %d frames failed so far: %s", frame.index, self.health.failed, error)
        if self._failures >= _MAX_FAILURES:
            raise EngineError(f"{self._failures} frames in a row failed, the last with: {error}") from error

    def _publish(self, closed: Iterable[Closed]) -> None:
        for window, boot_ns in closed:
            with self.health.timing("publish"):
                self.sink.publish(window, boot_ns)
            self.health.closed_window(window)
            self.health.staying, self.health.moved = self.windower.staying, self.windower.moved

    def _report(self, now_ns: int) -> None:
        if self._reported_ns is None:
            self._reported_ns = now_ns
        if now_ns - self._reported_ns >= _REPORT_S * NS:
            self._reported_ns = now_ns
            self.sink.report(self.snapshot())


def origin_of(config: Config, bundle: Bundle) -> Origin:
    """Site, device, model and policy, as every message names them."""
    manifest, device = bundle.manifest, config.device
    model = Model(name=manifest.name, version=manifest.version, sha256=bundle.sha256)
    policy = policy_of(config, bundle.sha256)
    return Origin(site=device.site, device=device.name, tz=device.tz, tags=device.tags, model=model, policy=policy)


def build_device(
    config: Config,
    *,
    camera: Camera,
    model: AffectModel,
    sink: Sink,
    clock: Clock,
    model_state: ModelState = "shipped",
    health: HealthMonitor | None = None,
) -> Device:
    """Builds a device from the configuration.

    Raises:
        AssetError: the face detector's graph is missing or altered.
        EngineError: the runtime cannot load the face detector.
    """
    step_s, reset_s = model.bundle.manifest.step_s, model.bundle.manifest.reset_s
    origin = origin_of(config, model.bundle)
    private = None
    if config.privacy.mode == "dp":
        ledger = Path(config.outbox.path).with_name("privacy.db")
        private = PrivateMode(config.privacy.epsilon_per_day, ledger, clock, config.device.tz)
    return Device(
        camera=camera,
        schedule=Schedule(
            step_s=step_s,
            reset_s=reset_s,
            frame_s=1 / config.camera.fps,
            search_every=config.face.search_every,
            live=clock.live,
        ),
        search=Search(config.face, config.engine),
        tracker=Tracker(),
        gate=QualityGate(config.face),
        model=model,
        windower=Windower(config.window, clock, origin, sink.number, step_s=step_s, reset_s=reset_s, private=private),
        sink=sink,
        clock=clock,
        health=health or HealthMonitor(),
        origin=origin,
        model_state=model_state,
    )
