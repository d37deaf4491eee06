"""`python -m benchmarks.soak.device FOLDER`: `affect-edge run` with a camera and a clock that can be made to fail.

Everything else is the product: its verb, its loop, model, publisher, watchdog and signals. Replaced are three names of
the verb: the clock, the camera by a live one over a staged source, and the outbox by one that also keeps a journal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.soak.journal import JournalingOutbox
from benchmarks.soak.resources import Sampler
from benchmarks.soak.stage import Stage, StagedClock, StagedSource
from edge.camera import Exclusions, Wanted
from edge.camera.live import LiveCamera
from edge.cli import main
from edge.cli import run as verb
from edge.clock import Clock
from edge.config import Config
from edge.demo.scene import Scene
from edge.values import Frame, Tick


class ClockedCamera(LiveCamera):
    """A live camera that measures how long the loop works on each frame."""

    def __init__(self, sampler: Sampler, *parts: Any) -> None:
        super().__init__(*parts)
        self._sampler = sampler

    def __iter__(self) -> Iterator[Frame | Tick]:
        for event in super().__iter__():
            begun_ns, begun_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            yield event
            if isinstance(event, Frame):
                self._sampler.add(time.perf_counter_ns() - begun_ns, time.thread_time_ns() - begun_cpu_ns)


def stage_device(folder: Path) -> None:
    """Gives the verb `run` the staged clock and camera, and the outbox with a journal."""
    stage, sampler = Stage(folder), Sampler(folder / "samples.jsonl")

    def open_camera(config: Config, clock: Clock, wanted: Wanted, _: Exclusions) -> ClockedCamera:
        scene = Scene(config.camera.width, config.camera.height)
        opener = partial(StagedSource, scene, stage, clock, config.camera.fps)
        return ClockedCamera(sampler, "staged camera", opener, clock, wanted)

    def clock_of(_config: Config) -> Clock:
        return StagedClock(stage)

    outbox = partial(JournalingOutbox, journal=folder / "journal.jsonl")
    vars(verb).update(open_camera=open_camera, clock_of=clock_of, Outbox=outbox)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    stage_device(home)
    sys.argv[1:] = ["run", "--config", str(home / "config.toml")]
    main()
