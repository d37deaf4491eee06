"""`affect-edge run`: the device itself, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from edge.affect.model import prepare_model
from edge.camera import open_camera
from edge.camera.reopening import CameraWatch
from edge.cli import app
from edge.clock import Clock, FileClock, SystemClock
from edge.config import Config, load_config, require_deployment
from edge.device import Pipeline, build_pipeline
from edge.health import Health
from edge.memory import seal_memory
from edge.model.store import Store
from edge.publish.durable import DurableOutbox
from edge.publish.mqtt import make_publisher
from edge.publish.prometheus import MetricsServer
from edge.watchdog import Watchdog

log = logging.getLogger(__name__)


@app.command(epilog="Example: affect-edge run --config /etc/affect-edge/config.toml")
def run(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.", show_default=False)],
) -> None:
    """Watch the configured camera and publish a window of aggregated scores every minute over MQTT.

    A live camera starts only when [deployment] says why, where the notice hangs, who answers for it and under whose
    law. The broker may come and go; windows wait for it. SIGTERM or Ctrl-C ends the run and sends what is open.
    """
    seal_memory()
    chosen = load_config(config)
    require_deployment(chosen)
    clock = clock_of(chosen)
    with ExitStack() as stack:
        health, watchdog = Health(), Watchdog(os.environ.get("NOTIFY_SOCKET", ""))
        store = stack.enter_context(Store(chosen.model))
        model, health.bundle_state = store.start(lambda bundle: prepare_model(bundle, chosen.engine))
        stack.callback(watchdog.close)
        watch = CameraWatch(troubles=health.camera, attempted=watchdog.alive)
        camera = open_camera(chosen, clock, watch)
        outbox = stack.enter_context(open_outbox(chosen, clock))
        publisher = make_publisher(chosen, model.bundle, clock, outbox)
        pipeline = build_pipeline(chosen, camera=camera, model=model, sink=publisher, clock=clock, health=health)
        watch.waiting, watch.wanted = pipeline.wait, pipeline.wants

        def looked() -> None:
            watchdog.alive()
            store.alive()

        pipeline.on_frame = looked
        if chosen.metrics.port:
            stack.enter_context(MetricsServer(chosen.metrics.port, lambda: publisher.describe(pipeline.snapshot())))
        publisher.start()
        stack.callback(publisher.close)
        stop_on_signal(pipeline)
        manifest = model.bundle.manifest
        log.info(
            "watching %s with model %s %d, publishing to %s:%d",
            chosen.camera.backend,
            manifest.name,
            manifest.version,
            chosen.mqtt.host,
            chosen.mqtt.port,
        )
        watchdog.ready()
        pipeline.run()
        watchdog.stopping()
        log.info("stopped after %d frames", pipeline.health.seen)


def clock_of(config: Config) -> Clock:
    """The file's own time for a replay, the machine's for everything else."""
    return FileClock() if config.camera.backend == "replay" else SystemClock()


def open_outbox(config: Config, clock: Clock) -> DurableOutbox:
    """The outbox on disk, where the configuration or the service manager wants it.

    Raises:
        PublishError: the file cannot be made, or another process uses it.
    """
    return DurableOutbox(Path(config.outbox.path), config.outbox, clock)


def stop_on_signal(pipeline: Pipeline) -> None:
    """Lets SIGTERM and SIGINT end the run after the frame at hand; a second one ends it at once."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        pipeline.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
