"""`affect-edge run`: the device itself, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from edge.affect.network import prepare_model
from edge.audit import audit_log
from edge.audit.running import RunRecord
from edge.camera import Exclusions, open_camera
from edge.cli import app
from edge.clock import Clock, FileClock, SystemClock
from edge.config import Config, load_config, read_config
from edge.device import Device, build_device, origin_of
from edge.errors import ConfigError
from edge.face.schedule import one_frame_a_step
from edge.memory import seal_memory
from edge.model.store import Store
from edge.paths import CONFIGS
from edge.policy import check_notice, policy_of
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import Outbox
from edge.publish.prometheus import MetricsServer
from edge.watchdog import Watchdog

if TYPE_CHECKING:
    from edge.web.server import Page

log = logging.getLogger(__name__)

CONFIG = CONFIGS / "config.toml"


@app.command(epilog="Example: affect-edge run --config /etc/affect-edge/config.toml")
def run(config: Annotated[Path, typer.Option(help="The device's configuration, TOML.")] = CONFIG) -> None:
    """Watch the configured camera and publish windows of aggregated scores over MQTT, every 15 minutes by default.

    A live camera starts only when [deployment] says why, where the notice hangs, who answers for it and under whose
    law. The broker may come and go; windows wait for it. SIGTERM or Ctrl-C ends the run and sends what is open.
    """
    seal_memory()
    chosen = load_config(config)
    clock = clock_of(chosen)
    with ExitStack() as stack:
        record = stack.enter_context(RunRecord(audit_log(chosen), clock, config))
        watchdog = stack.enter_context(Watchdog(os.environ.get("NOTIFY_SOCKET", "")))
        store = stack.enter_context(Store(chosen.model))
        model, model_state = store.start(lambda bundle: prepare_model(bundle, chosen.engine))
        manifest, policy = model.bundle.manifest, policy_of(chosen, model.bundle.sha256)
        record.prepare(chosen, policy, model.bundle.sha256, model_state)
        check_notice(chosen, policy)
        exclusions = Exclusions(chosen)
        camera = stack.enter_context(open_camera(chosen, clock, one_frame_a_step(manifest.step_s), exclusions))
        origin = origin_of(chosen, model.bundle)
        outbox = Outbox(Path(chosen.outbox.path), chosen.outbox, clock, origin)
        publisher = MqttPublisher(chosen, origin, outbox, clock)
        stack.callback(publisher.close)
        device = build_device(chosen, camera=camera, model=model, sink=publisher, clock=clock, model_state=model_state)
        port = chosen.metrics.port
        metrics = stack.enter_context(MetricsServer(port, device.snapshot)) if port else None
        page = stack.enter_context(_page(config, device, exclusions, record)) if chosen.web.port else None
        device.health.covered = exclusions.transform.covered
        publisher.start()
        stop_on_signal(device)
        log.info(
            "watching %s with model %s %d, publishing to %s:%d",
            chosen.camera.backend, manifest.name, manifest.version, chosen.mqtt.host, chosen.mqtt.port,
        )  # fmt: skip
        record.started(chosen)
        watchdog.ready()
        for event in device.looks():
            record.see(event, time.monotonic())
            record.see_moved(device.health.moved)
            watchdog.alive()
            store.alive()
            if metrics is not None:
                metrics.check()
            if page is not None:
                page.turn(event)
                record.policy = device.origin.policy
        watchdog.stopping()
        log.info("stopped after %d frames", device.health.seen + camera.skipped)


def _page(path: Path, device: Device, exclusions: Exclusions, record: RunRecord) -> Page:
    """The page for setting up; its package is the extra `web`, imported only here."""
    try:
        from edge.web.server import Page
    except ImportError as error:
        fix = "run: pip install 'affect-edge[web]'"
        raise ConfigError("web.port: needs a package that is not installed", fix=fix) from error

    return Page(path, read_config(path), device, exclusions, record.note)


def clock_of(config: Config) -> Clock:
    """The file's own time for a replay, the machine's for everything else."""
    return FileClock() if config.camera.backend == "replay" else SystemClock()


def stop_on_signal(device: Device) -> None:
    """Lets SIGTERM and SIGINT end the run after the frame at hand; a second one ends it at once."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        device.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
