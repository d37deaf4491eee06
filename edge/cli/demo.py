"""`affect-edge demo`: the whole path on a drawn scene, with its own broker and a subscriber that shows what came."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Annotated

import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edge.affect.model import load_model
from edge.camera import open_camera
from edge.cli import app
from edge.clock import NS, SystemClock
from edge.config import CameraConfig, Config, DeviceConfig, MqttConfig, OutboxConfig, WindowConfig
from edge.demo.broker import EmbeddedBroker
from edge.device import Pipeline, build_pipeline
from edge.errors import PublishError
from edge.publish.durable import DurableOutbox
from edge.publish.mqtt import make_publisher
from edge.publish.payload import SpreadPayload, WindowPayload, decode_window
from edge.values import AffectScore, Frame

_WIDTH, _HEIGHT = 41, 11  # of the valence/arousal picture, characters


@app.command(epilog="Example: affect-edge demo --seconds 20")
def demo(
    seconds: Annotated[float, typer.Option(min=5, max=600, help="How long to run.")] = 35.0,
) -> None:
    """Show the main job on drawn faces: no camera, no network, an MQTT broker on loopback that ends with it.

    Needs the `demo` extra and the face detector (`affect-edge fetch`).
    """
    logging.getLogger().setLevel(logging.WARNING)
    console = Console(highlight=False)
    with EmbeddedBroker() as broker:
        config = Config(
            device=DeviceConfig(site="demo", name="scene"),
            camera=CameraConfig(backend="scene"),
            window=WindowConfig(window_s=10),
            mqtt=MqttConfig(host="127.0.0.1", port=broker.port, protocol="3.1.1", bytes_per_minute=16_384),
            outbox=OutboxConfig(hold_unsynced_s=0),
        )
        console.print(f"MQTT broker on 127.0.0.1:{broker.port}, drawn scene, windows of 10 s, {seconds:g} s in all.")
        with _Subscriber(broker.port) as subscriber:
            pipeline = _perform(config, seconds, subscriber, console)
            subscriber.wait_for(pipeline.health.windows)
            _show_new(subscriber, console)
            _summarize(pipeline, subscriber, seconds, console)


def _perform(config: Config, seconds: float, subscriber: _Subscriber, console: Console) -> Pipeline:
    """Runs the pipeline for a while, showing windows as they arrive."""
    clock = SystemClock()
    model = load_model(config.model, config.engine)
    outbox = DurableOutbox(None, config.outbox, clock)  # in memory: the demo leaves nothing behind
    publisher = make_publisher(config, model.bundle, clock, outbox)
    pipeline = build_pipeline(config, camera=open_camera(config, clock), model=model, sink=publisher, clock=clock)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("watching the scene", total=seconds)
        begun_ns = clock.monotonic_ns()

        def look_on(_frame: Frame, _scores: Sequence[AffectScore]) -> None:
            elapsed_s = (clock.monotonic_ns() - begun_ns) / NS
            progress.update(task, completed=elapsed_s)
            _show_new(subscriber, progress.console)
            if elapsed_s >= seconds:
                pipeline.stop()

        pipeline.on_scores = look_on
        publisher.start()
        try:
            pipeline.run()
        finally:
            publisher.close()
            outbox.close()
    return pipeline


class _Subscriber:
    """A client as anyone would write one: subscribes to every window and decodes it."""

    def __init__(self, port: int) -> None:
        self.arrived: queue.SimpleQueue[WindowPayload] = queue.SimpleQueue()
        self.windows = 0
        self._subscribed = threading.Event()
        self._port = port
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="demo-subscriber")
        self._client.on_connect = lambda client, *_: client.subscribe("affect/v1/+/+/window", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._receive

    def __enter__(self) -> _Subscriber:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise PublishError(f"127.0.0.1:{self._port}: the demo's own broker does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, windows: int, timeout_s: float = 5.0) -> None:
        """Waits until so many windows have come, at most `timeout_s` seconds."""
        until_s = time.monotonic() + timeout_s
        while self.windows < windows and time.monotonic() < until_s:
            time.sleep(0.05)

    def _receive(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self.arrived.put(decode_window(bytes(message.payload)))
        self.windows += 1


def _show_new(subscriber: _Subscriber, console: Console) -> None:
    while not subscriber.arrived.empty():
        for line in window_lines(subscriber.arrived.get()):
            console.print(line, soft_wrap=True)


def window_lines(window: WindowPayload) -> list[str]:
    """A window as a few lines of text, with a small picture of the valence/arousal plane when it has scores."""
    kind = " (partial)" if window.partial else ""
    head = f"\n{window.id}  {window.start:%H:%M:%S}–{window.end:%H:%M:%S} UTC{kind}: {window.visits} visits"
    lines = [f"{head}, {window.peak_simultaneous} at once, {window.scored_s:g} face-seconds scored"]
    if window.valence is None or window.arousal is None:
        return [*lines, f"  scores withheld: {window.suppressed}"]
    lines.append(f"  valence {_numbers(window.valence)}   arousal {_numbers(window.arousal)}")
    return lines + plane(window.valence, window.arousal)


def plane(valence: SpreadPayload, arousal: SpreadPayload) -> list[str]:
    """The plane as text: valence from −1 to 1 to the right, arousal upwards, ● the mean, ░ one deviation around."""
    rows = []
    center = (round((valence.mean + 1) / 2 * (_WIDTH - 1)), round((1 - arousal.mean) / 2 * (_HEIGHT - 1)))
    for row in range(_HEIGHT):
        up = 1 - 2 * row / (_HEIGHT - 1)
        cells = []
        for column in range(_WIDTH):
            right = 2 * column / (_WIDTH - 1) - 1
            within = abs(right - valence.mean) <= valence.std and abs(up - arousal.mean) <= arousal.std
            axis = "┼" if (column, row) == (_WIDTH // 2, _HEIGHT // 2) else None
            axis = axis or ("│" if column == _WIDTH // 2 else "─" if row == _HEIGHT // 2 else " ")
            cells.append("●" if (column, row) == center else "░" if within else axis)
        label = {0: "activated ", _HEIGHT // 2: "unpleasant", _HEIGHT - 1: "calm      "}.get(row, " " * 10)
        rows.append(f"  {label} {''.join(cells)}{' pleasant' if row == _HEIGHT // 2 else ''}")
    return rows


def _numbers(spread: SpreadPayload) -> str:
    return f"{spread.mean:+.2f} ± {spread.std:.2f}"


def _summarize(pipeline: Pipeline, subscriber: _Subscriber, seconds: float, console: Console) -> None:
    health = pipeline.health
    stages = ", ".join(f"{name} {time.mean_ms:.2f}" for name, time in health.stages.items() if time.frames)
    total = sum(time.mean_ms for time in health.stages.values())
    console.print(
        f"\n{health.tracks} faces followed, {health.seen / seconds:.0f} frames a second, {health.scored} scores.\n"
        f"{total:.1f} ms a frame: {stages}.\n"
        f"{subscriber.windows} of {health.windows} windows delivered over MQTT. No picture left the process.\n"
        "Drawn faces, this time. On real ones: an expression is not a feeling, visits are not unique visitors.",
        soft_wrap=True,
    )
    if subscriber.windows < health.windows:
        raise PublishError(f"{health.windows - subscriber.windows} windows did not arrive at the demo's subscriber")
