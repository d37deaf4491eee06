"""`affect-edge watch`: aiming the camera without a picture."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from edge.affect.network import prepare_model
from edge.camera import open_camera
from edge.cli import app
from edge.cli.run import CONFIG, clock_of, stop_on_signal
from edge.cli.watch.screen import Screen
from edge.config import load_config
from edge.device import build_device
from edge.face.schedule import one_frame_a_step
from edge.model.store import Store
from edge.publish import Discard
from edge.values import Look

_DRAWN_PER_S = 8.0
_LINE_S = 1.0


@app.command(epilog="Example: affect-edge watch --config /etc/affect-edge/config.toml")
def watch(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.")] = CONFIG,
    seconds: Annotated[float, typer.Option(min=0, help="End after so long; 0: until Ctrl-C.")] = 0.0,
) -> None:
    """Show where in the picture faces are, how large, and whether they would be scored; a grid of dots, no picture.

    For hanging the camera. Stop the service first, or its camera is busy. A live camera starts only when [deployment]
    is filled: the notice hangs before the camera looks. Without a terminal it prints a line a second.
    """
    chosen = load_config(config)
    view, clock = chosen.camera, clock_of(chosen)
    model, _ = Store(chosen.model).first(lambda bundle: prepare_model(bundle, chosen.engine))
    screen = Screen(chosen.face, view.device if view.backend == "v4l2" else view.backend)
    console = Console(highlight=False)
    with ExitStack() as stack:
        camera = stack.enter_context(open_camera(chosen, clock, one_frame_a_step(model.bundle.manifest.step_s)))
        device = build_device(chosen, camera=camera, model=model, sink=Discard(), clock=clock)
        stop_on_signal(device)
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=False))
        begun_s = told_s = time.monotonic()
        for event in device.looks():
            if not isinstance(event, Look) or event.worked:
                screen.add(event)
            now_s = time.monotonic()
            if console.is_terminal and now_s - told_s >= 1 / _DRAWN_PER_S:
                live.update(screen.draw(), refresh=True)
                told_s = now_s
            elif not console.is_terminal and now_s - told_s >= _LINE_S:
                typer.echo(screen.line())
                told_s = now_s
            if seconds and now_s - begun_s >= seconds:
                device.stop()
