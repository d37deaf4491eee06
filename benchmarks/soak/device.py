"""`python -m benchmarks.soak.device FOLDER`: `affect-edge run` with a camera and a clock that can be spoilt.

Everything else is the product: its verb, its pipeline, model, publisher, watchdog and signals. Replaced are three names
of the verb: the clock, the source below `ReopeningSource`, and the outbox by one that also keeps a journal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak.journal import JournalingOutbox
from benchmarks.soak.resources import Sampler
from benchmarks.soak.stage import Stage, StagedClock, StagedSource
from edge.camera import Camera
from edge.camera.around import CameraAround
from edge.camera.live import LiveCamera
from edge.camera.reopening import CameraWatch, ReopeningSource
from edge.cli import main
from edge.cli import run as verb
from edge.clock import Clock
from edge.config import Config
from edge.demo.scene import Scene
from edge.publish.database import outbox_path
from edge.values import Frame


class ClockedCamera(CameraAround):
    """A `Camera` around another, which measures how long its reader works on each frame."""

    def __init__(self, camera: Camera, sampler: Sampler) -> None:
        super().__init__(camera)
        self._sampler = sampler

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        for frame in super().frames():
            begun_ns, begun_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            yield frame
            self._sampler.add(time.perf_counter_ns() - begun_ns, time.thread_time_ns() - begun_cpu_ns)


def stage_device(folder: Path) -> None:
    """Gives the verb `run` the staged clock and camera, and the outbox with a journal."""
    stage, sampler = Stage(folder), Sampler(folder / "samples.jsonl")

    def open_camera(config: Config, clock: Clock, watch: CameraWatch) -> Camera:
        scene = Scene(config.camera, clock)

        def opener() -> StagedSource:
            return StagedSource(scene, stage, clock, config.camera.fps)

        source = ReopeningSource(opener(), opener, watch)
        return ClockedCamera(LiveCamera(source, stall_s=None, waiting=watch.wait), sampler)

    def open_outbox(config: Config, clock: Clock) -> JournalingOutbox:
        device = config.device
        path = outbox_path(config.outbox, device.site, device.name, "", folder)
        return JournalingOutbox(path, config.outbox, clock, journal=folder / "journal.jsonl")

    def clock_of(_config: Config) -> Clock:
        return StagedClock(stage)

    vars(verb).update(open_camera=open_camera, open_outbox=open_outbox, clock_of=clock_of)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    stage_device(home)
    sys.argv[1:] = ["run", "--config", str(home / "config.toml")]
    main()
