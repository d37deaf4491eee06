"""`affect-edge demo`: the whole path on a drawn scene, with its own broker and a subscriber that shows what came."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import numpy as np
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
_LATE_S = 5.0  # for the last window to arrive
Arrived = queue.SimpleQueue[Window]


@app.command(epilog="Example: affect-edge demo --seconds 20")
def demo(seconds: Annotated[float, typer.Option(min=5, max=600, help="How long to run.")] = 35.0) -> None:
    """Show the main job on drawn faces: no camera, no network, an MQTT broker on loopback that ends with it.

    Needs the `demo` extra.
    """
    logging.getLogger().setLevel(logging.WARNING)
    console = Console(highlight=False, soft_wrap=True)
    with EmbeddedBroker() as broker, _subscribed(broker.port) as arrived:
        config = Config(
            device=DeviceConfig(site="demo", name="scene"),
            camera=CameraConfig(backend="scene"),
            window=WindowConfig(window_s=10, min_people=3),
            mqtt=MqttConfig(host="127.0.0.1", port=broker.port, protocol="3.1.1", bytes_per_minute=16_384),
            outbox=OutboxConfig(hold_unsynced_s=0),
        )
        console.print(f"MQTT broker on 127.0.0.1:{broker.port}, drawn scene, windows of 10 s, {seconds:g} s in all.")
        device, shown = _perform(config, seconds, arrived, console)
        sent, until_s = sum(device.health.windows.values()), time.monotonic() + _LATE_S
        while shown < sent and time.monotonic() < until_s:
            time.sleep(0.05)
            shown += _show_new(arrived, console)
        console.print(_summary(device, shown, seconds))
        if shown < sent:
            raise PublishError(f"{sent - shown} windows did not arrive at the demo's subscriber")


def _perform(config: Config, seconds: float, arrived: Arrived, console: Console) -> tuple[Device, int]:
    """Runs the device for a while, showing windows as they arrive; returns their number too."""
    clock, model, shown = SystemClock(), load_model(config.model, config.engine), 0
    camera = open_camera(config, clock, one_frame_a_step(model.bundle.manifest.step_s))
    origin = origin_of(config, model.bundle)
    outbox = Outbox(None, config.outbox, clock, origin)  # in memory: the demo leaves nothing behind
    publisher = MqttPublisher(config, origin, outbox, clock)
    device = build_device(config, camera=camera, model=model, sink=publisher, clock=clock)
    publisher.start()
    begun_s = time.monotonic()
    try:
        for _ in device.looks():
            shown += _show_new(arrived, console)
            if time.monotonic() - begun_s >= seconds:
                device.stop()
    finally:
        publisher.close()
    return device, shown


@contextmanager
def _subscribed(port: int) -> Iterator[Arrived]:
    """Subscribes to every window, as any client would, and decodes what comes."""
    arrived: Arrived = queue.SimpleQueue()
    ready = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="demo-subscriber")
    client.on_connect = lambda client, *_: client.subscribe("affect/v1/+/+/window", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: arrived.put(decode(bytes(message.payload), Window))
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not ready.wait(10):
            raise PublishError(f"127.0.0.1:{port}: the demo's own broker does not answer")
        yield arrived
    finally:
        client.disconnect()
        client.loop_stop()


def _show_new(arrived: Arrived, console: Console) -> int:
    """Shows the windows that arrived meanwhile; returns how many."""
    count = arrived.qsize()
    for _ in range(count):
        console.print("\n".join(window_lines(arrived.get())))
    return count


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
    right, up, middle = np.linspace(-1, 1, _WIDTH), np.linspace(1, -1, _HEIGHT)[:, None], _HEIGHT // 2
    cells = np.full((_HEIGHT, _WIDTH), " ")
    cells[middle], cells[:, _WIDTH // 2], cells[middle, _WIDTH // 2] = "─", "│", "┼"
    off_right, off_up = np.abs(right - valence.mean), np.abs(up - arousal.mean)
    cells[(off_right <= (valence.std or 0)) & (off_up <= (arousal.std or 0))] = "░"
    cells[off_up.argmin(), off_right.argmin()] = "●"
    labels = {0: "activated", middle: "unpleasant", _HEIGHT - 1: "calm"}
    lines = [f"  {labels.get(row, ''):<10} {''.join(line)}" for row, line in enumerate(cells)]
    lines[middle] += " pleasant"
    return lines


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
