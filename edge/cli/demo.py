"""`affect-edge demo`: the whole path on a drawn scene, with its own broker and a subscriber that shows what came."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Annotated

import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from edge.affect.network import load_model
from edge.camera import open_camera
from edge.cli import app
from edge.clock import SystemClock
from edge.config import CameraConfig, Config, DeviceConfig, MqttConfig, OutboxConfig, WindowConfig
from edge.contract import Spread, Window, decode
from edge.demo.broker import EmbeddedBroker
from edge.device import Device, build_device, origin_of
from edge.errors import PublishError
from edge.face.schedule import one_frame_a_step
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import Outbox

_WIDTH, _HEIGHT = 41, 11  # of the valence/arousal picture, characters


@app.command(epilog="Example: affect-edge demo --seconds 20")
def demo(seconds: Annotated[float, typer.Option(min=5, max=600, help="How long to run.")] = 35.0) -> None:
    """Show the main job on drawn faces: no camera, no network, an MQTT broker on loopback that ends with it.

    Needs the `demo` extra.
    """
    logging.getLogger().setLevel(logging.WARNING)
    console = Console(highlight=False)
    with EmbeddedBroker() as broker, _Subscriber(broker.port) as subscriber:
        config = Config(
            device=DeviceConfig(site="demo", name="scene"),
            camera=CameraConfig(backend="scene"),
            window=WindowConfig(window_s=10, min_people=3),
            mqtt=MqttConfig(host="127.0.0.1", port=broker.port, protocol="3.1.1", bytes_per_minute=16_384),
            outbox=OutboxConfig(hold_unsynced_s=0),
        )
        console.print(f"MQTT broker on 127.0.0.1:{broker.port}, drawn scene, windows of 10 s, {seconds:g} s in all.")
        device = _perform(config, seconds, subscriber, console)
        windows = sum(device.health.windows.values())
        subscriber.wait_for(windows)
        _show_new(subscriber, console)
        console.print(_summary(device, subscriber.windows, seconds), soft_wrap=True)
        if subscriber.windows < windows:
            raise PublishError(f"{windows - subscriber.windows} windows did not arrive at the demo's subscriber")


def _perform(config: Config, seconds: float, subscriber: _Subscriber, console: Console) -> Device:
    """Runs the device for a while, showing windows as they arrive."""
    clock, model = SystemClock(), load_model(config.model, config.engine)
    camera = open_camera(config, clock, one_frame_a_step(model.bundle.manifest.step_s))
    origin = origin_of(config.device, model.bundle)
    outbox = Outbox(None, config.outbox, clock, origin)  # in memory: the demo leaves nothing behind
    publisher = MqttPublisher(config, origin, outbox, clock)
    device = build_device(config, camera=camera, model=model, sink=publisher, clock=clock)
    publisher.start()
    begun_s = time.monotonic()
    try:
        for _ in device.looks():
            _show_new(subscriber, console)
            if time.monotonic() - begun_s >= seconds:
                device.stop()
    finally:
        publisher.close()
    return device


class _Subscriber:
    """A client as anyone would write one: subscribes to every window and decodes it."""

    def __init__(self, port: int) -> None:
        self.arrived: queue.SimpleQueue[Window] = queue.SimpleQueue()
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
        self.arrived.put(decode(bytes(message.payload), Window))
        self.windows += 1


def _show_new(subscriber: _Subscriber, console: Console) -> None:
    while not subscriber.arrived.empty():
        for line in window_lines(subscriber.arrived.get()):
            console.print(line, soft_wrap=True)


def window_lines(window: Window) -> list[str]:
    """A window as a few lines of text, with a small picture of the valence/arousal plane when it has scores."""
    kind = " (partial)" if window.partial else ""
    head = f"\n{window.id}  {window.start:%H:%M:%S}–{window.end:%H:%M:%S} UTC{kind}:"
    seen = f"{window.visits} visits, {window.peak_simultaneous} at once"
    if window.valence is None or window.arousal is None:
        return [f"{head} at least {seen}", f"  scores withheld: {window.suppressed}"]
    lines = [f"{head} {seen}, {window.people} people, {window.scored_s:g} face-seconds scored"]
    lines.append(f"  valence {_numbers(window.valence)}   arousal {_numbers(window.arousal)}")
    return lines + plane(window.valence, window.arousal)


def plane(valence: Spread, arousal: Spread) -> list[str]:
    """The plane as text: valence from −1 to 1 to the right, arousal upwards, ● the mean, ░ one deviation around."""
    rows, wide, high = [], valence.std or 0.0, arousal.std or 0.0
    center = (round((valence.mean + 1) / 2 * (_WIDTH - 1)), round((1 - arousal.mean) / 2 * (_HEIGHT - 1)))
    for row in range(_HEIGHT):
        up = 1 - 2 * row / (_HEIGHT - 1)
        cells = []
        for column in range(_WIDTH):
            right = 2 * column / (_WIDTH - 1) - 1
            within = abs(right - valence.mean) <= wide and abs(up - arousal.mean) <= high
            axis = "┼" if (column, row) == (_WIDTH // 2, _HEIGHT // 2) else None
            axis = axis or ("│" if column == _WIDTH // 2 else "─" if row == _HEIGHT // 2 else " ")
            cells.append("●" if (column, row) == center else "░" if within else axis)
        label = {0: "activated ", _HEIGHT // 2: "unpleasant", _HEIGHT - 1: "calm      "}.get(row, " " * 10)
        rows.append(f"  {label} {''.join(cells)}{' pleasant' if row == _HEIGHT // 2 else ''}")
    return rows


def _numbers(spread: Spread) -> str:
    return f"{spread.mean:+.2f}" + ("" if spread.std is None else f" ± {spread.std:.2f}")


def _summary(device: Device, arrived: int, seconds: float) -> str:
    health, due = device.health, max(device.health.worked, 1)
    spent_ms = {stage: times.total_ns / 1e6 / due for stage, times in health.stages.items()}
    told = ", ".join(f"{stage} {ms:.2f}" for stage, ms in spent_ms.items())
    frames = (health.seen + device.camera.skipped) / seconds
    return (
        f"\n{health.tracks} faces followed, {frames:.0f} frames a second, {health.scored} scores.\n"
        f"{due / seconds:.0f} frames a second were due, {sum(spent_ms.values()):.1f} ms each: {told}.\n"
        f"{arrived} of {sum(health.windows.values())} windows delivered over MQTT. No picture left the process.\n"
        "Drawn faces, this time. On real ones: an expression is not a feeling, visits are not unique visitors."
    )
