"""The board's own measurement, with a timed graph and a fixed calculation beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.device.baseline import Baseline
from benchmarks.device.result import STAGES
from edge.affect.backbone import Backbone
from edge.affect.network import AffectModel
from edge.affect.stream import Stream
from edge.camera import open_camera
from edge.cli.bench import measure
from edge.cli.bench.measure import WARM_UP, MakeCamera
from edge.cli.bench.quantiles import Quantiles, percentile, summarize
from edge.cli.bench.result import Load
from edge.clock import NS
from edge.config import Config
from edge.model.engines import Engine, TensorSpec
from edge.values import Look


@dataclass(slots=True, eq=False)
class TimedEngine:
    """An engine that keeps the milliseconds of each run in `samples`."""

    engine: Engine
    samples: list[float]

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """What the graph takes."""
        return self.engine.inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """What the graph gives."""
        return self.engine.outputs

    def invoke(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Runs the graph."""
        begun_ns = time.perf_counter_ns()
        try:
            return self.engine.invoke(tensors)
        finally:
            self.samples.append((time.perf_counter_ns() - begun_ns) / 1e6)


def clip_of(config: Config, path: Path) -> MakeCamera:
    """A video file, decoded as it is measured."""
    camera = msgspec.structs.replace(config.camera, backend="replay", path=str(path), pace="fast", loop=False)
    return partial(open_camera, msgspec.structs.replace(config, camera=camera))


def ask_most(model: AffectModel, fps: float) -> AffectModel:
    """The same model on a time grid as fine as the frames: a search and a score of each face in every frame."""
    manifest = msgspec.structs.replace(model.bundle.manifest, step_s=1 / fps)
    return replace(model, bundle=replace(model.bundle, manifest=manifest), stream=Stream(model.stream.engine, manifest))


def measure_load(
    config: Config,
    model: AffectModel,
    make_camera: MakeCamera,
    *,
    every_frame: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Load:
    """Runs one input through the device and says what it took.

    Args:
        config: of the device.
        model: loaded.
        make_camera: the input, on the clock that it is given.
        every_frame: whether the model is of `ask_most`; it is noted in the result.
        advance: called after each frame.

    Raises:
        CameraError: a clip cannot be opened or decoded.
    """
    baseline, runs = Baseline(), [0.0][:0]
    marks: list[tuple[float, float, float]] = []  # seconds of the input, of the processor, and of the baseline
    frames = 0

    def note(look: Look) -> None:
        nonlocal frames
        frames += 1
        if frames == WARM_UP:
            runs.clear()
        input_s = look.captured_ns / NS
        if frames >= WARM_UP and (not marks or input_s >= marks[-1][0] + 1):
            marks.append((input_s, time.process_time() - baseline.spent_s, baseline.measure()))
        advance()

    engine = TimedEngine(model.backbone.engine, runs)
    timed = replace(model, backbone=Backbone(engine, model.bundle.manifest.backbone))
    load = measure.measure_load(config, timed, make_camera, each_frame=note)
    marked = np.array(marks).reshape(-1, 3)
    shares = np.diff(marked[:, 1]) / np.diff(marked[:, 0])
    # What the baseline took before and after a second, since what else the machine did may have changed within it.
    beside = (marked[1:, 2] + marked[:-1, 2]) / 2
    return msgspec.structs.replace(
        load,
        stage_ms=_split_embedding(load.stage_ms, summarize(runs)),
        outside=_outside(load, runs),
        cpu_core_p50=percentile(np.sort(shares), 0.5),
        work=percentile(np.sort(shares / beside), 0.5),
        every_frame=every_frame,
    )


def _split_embedding(stages: Mapping[str, Quantiles], invoke: Quantiles) -> dict[str, Quantiles]:
    """The stages with `embed` divided: the graph's runs, and what embedding takes beside them, of which only a mean."""
    embed = stages["embed"]
    spent = (embed.mean or 0.0) * embed.n - (invoke.mean or 0.0) * invoke.n
    mean = round(spent / invoke.n, 4) if invoke.n else None
    parts = {**stages, "quantize": Quantiles(n=invoke.n, mean=mean), "invoke": invoke}
    return {stage: parts[stage] for stage in STAGES if stage != "embed"}


def _outside(load: Load, runs: list[float]) -> float:
    """Share of the time of frames in which something was due that is neither detector nor graph."""
    detect = load.stage_ms["detect"]
    whole = (load.frame_ms.mean or 0.0) * load.frame_ms.n
    return round(1 - ((detect.mean or 0.0) * detect.n + sum(runs)) / whole, 4) if whole else 0.0
