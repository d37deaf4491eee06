"""`affect-edge watch`: aiming the camera without a picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from edge.camera import open_camera
from edge.cli import app
from edge.cli.run import clock_of
from edge.cli.watch.screen import Screen
from edge.cli.watch.sight import Aimer
from edge.config import load_config, require_deployment
from edge.face.detector import load_detector
from edge.face.quality import quality_gate
from edge.memory import seal_memory
from edge.model.store import Store

_DRAWN_PER_S = 8.0
_LINE_S = 1.0


@app.command(epilog="Example: affect-edge watch --config /etc/affect-edge/config.toml")
def watch(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.", show_default=False)],
    seconds: Annotated[float, typer.Option(min=0, help="End after so long; 0: until Ctrl-C.")] = 0.0,
) -> None:
    """Show where in the picture faces are, how large, and whether they would be scored; a grid of dots, no picture.

    For hanging the camera. Stop the service first, or its camera is busy. A live camera starts only when [deployment]
    is filled: the notice hangs before the camera looks. Without a terminal it prints a line a second.
    """
    seal_memory()
    chosen = load_config(config)
    require_deployment(chosen)
    shape, _ = Store(chosen.model).first(lambda bundle: bundle.manifest.crop)
    aimer = Aimer(load_detector(chosen.face, chosen.engine), quality_gate(chosen.face), shape)
    camera = chosen.camera
    screen = Screen(chosen.face, f"{camera.device if camera.backend == 'v4l2' else camera.backend}")
    console = Console(highlight=False)
    begun_s = told_s = time.monotonic()
    with (
        open_camera(chosen, clock_of(chosen)) as source,
        Live(console=console, auto_refresh=False, transient=False) as live,
    ):
        for frame in source.frames():
            screen.add(aimer.look(frame))
            now_s = time.monotonic()
            if console.is_terminal and now_s - told_s >= 1 / _DRAWN_PER_S:
                live.update(screen.draw(), refresh=True)
                told_s = now_s
            elif not console.is_terminal and now_s - told_s >= _LINE_S:
                typer.echo(screen.line())
                told_s = now_s
            if seconds and now_s - begun_s >= seconds:
                break
