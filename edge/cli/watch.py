"""`affect-edge watch`: aiming the camera without a picture: a grid of dots, and the numbers that decide on a face."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.affect.network import prepare_model
from edge.audit import audit_log
from edge.camera import open_camera
from edge.cli import app
from edge.cli.run import CONFIG, clock_of, stop_on_signal
from edge.config import FaceConfig, load_config
from edge.device import build_device
from edge.face.schedule import one_frame_a_step
from edge.face.search import farthest_m, smallest_found_px
from edge.model.store import Store
from edge.policy import policy_of
from edge.publish import Discard
from edge.values import Face, Look, Rejection, Tick

_DRAWN_PER_S = 8.0
_LINE_S = 1.0
_COLUMNS, _ROWS = 44, 11  # with the table under it, what a terminal of 80 by 24 holds
_LISTED = 5
_LENSES = (102, 66, 30)  # degrees across: wide, Raspberry Pi's standard, tele
_RECENT = 150  # frames that the counts look back on
_ADVICE: dict[Rejection, str] = {
    "small": "too small: nearer, or a longer lens",
    "turned": "turned away: hang it where people look",
    "dark": "too dark: light from in front of the faces",
    "blurred": "blurred: clean and focus the lens; more light",
}
_LEGEND = "●1 would be scored, ○2 not. No picture is shown, kept or sent. Ctrl-C ends it."


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
    audit_log(chosen).append("watch_opened", policy_of(chosen, model.bundle.sha256))
    screen = Screen(chosen.face, view.device if view.backend == "v4l2" else view.backend)
    console = Console(highlight=False)
    with ExitStack() as stack:
        camera = stack.enter_context(open_camera(chosen, clock, one_frame_a_step(model.bundle.manifest.step_s)))
        device = build_device(chosen, camera=camera, model=model, sink=Discard(), clock=clock)
        stop_on_signal(device)
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=False))
        every_s = 1 / _DRAWN_PER_S if console.is_terminal else _LINE_S
        begun_s = told_s = time.monotonic()
        for event in device.looks():
            if isinstance(event, Tick) or event.worked:
                screen.add(event)
            now_s = time.monotonic()
            if now_s - told_s >= every_s:
                told_s = now_s
                if console.is_terminal:
                    live.update(screen.draw(), refresh=True)
                else:
                    typer.echo(screen.line())
            if seconds and now_s - begun_s >= seconds:
                device.stop()


class Screen:
    """Draws the last look, with counts of the recent ones. `limits`: what a face has to reach; `title`: the camera."""

    def __init__(self, limits: FaceConfig, title: str) -> None:
        self._limits = limits
        self._title = title
        self._recent: deque[Look] = deque(maxlen=_RECENT)
        self._absent = ""  # why no frame comes

    def add(self, event: Look | Tick) -> None:
        """Takes the next look, or the reason for none."""
        if isinstance(event, Look):
            self._recent.append(event)
        self._absent = event.reason if isinstance(event, Tick) else ""

    def draw(self) -> RenderableType:
        """The last look as a grid of dots and a table, with counts of the recent ones."""
        faces = self._faces()
        title = f"{self._title}: no picture, {self._absent}" if self._absent else self._title
        return Group(
            Panel(_grid(self._recent[-1].size_px if faces else (1, 1), faces), title=title, expand=False, padding=0),
            self._table(faces),
            Text(self._counts(), no_wrap=True, overflow="ellipsis"),
            Text(self._reach(), no_wrap=True, overflow="ellipsis"),
            Text(_LEGEND, style="dim"),
        )

    def line(self) -> str:
        """The same in one line, for a pipe or a log."""
        if self._absent or not self._recent:
            return f"no picture: {self._absent}" if self._absent else "no picture yet"
        faces = self._faces()
        sizes = " ".join(f"{face.track.detection.size_px:.0f}" for face in faces) or "-"
        lights = " ".join(_number(face.quality.light if face.quality else None, 0) for face in faces) or "-"
        return f"faces {len(faces)}, px {sizes}, light {lights}; {self._counts()}"

    def _faces(self) -> list[Face]:
        """Those of the last look, largest first."""
        faces = () if self._absent or not self._recent else self._recent[-1].faces
        return sorted(faces, key=lambda face: -face.track.detection.size_px)

    def _table(self, faces: Sequence[Face]) -> Table:
        limits = self._limits
        table = Table(box=None, pad_edge=False)
        least = {"size, px": limits.min_face_px, "light": limits.min_light, "sharpness": limits.min_sharpness}
        for heading in ("face", *(f"{heading}\n≥ {limit:g}" for heading, limit in least.items())):
            table.add_column(heading, justify="right")
        table.add_column("would be scored")
        for number, face in enumerate(faces[:_LISTED], 1):
            quality, light, sharpness = face.quality, "-", "-"
            if quality is None:
                verdict = Text("more faces than this board has time for", "yellow")
            else:
                light, sharpness = _number(quality.light, 0), _number(quality.sharpness, 2)
                verdict = Text(_ADVICE[quality.rejection], "yellow") if quality.rejection else Text("yes", "green")
            table.add_row(str(number), f"{face.track.detection.size_px:.0f}", light, sharpness, verdict)
        if not faces:
            table.add_row("-", "-", "-", "-", Text("no face in view", "dim"))
        return table

    def _reach(self) -> str:
        """How far away a face is still scored; empty before the first picture."""
        if not self._recent:
            return ""
        size_px, limits = self._recent[-1].size_px, self._limits
        far = [f"{farthest_m(*size_px, limits, lens_deg=lens):.1f} m with a lens of {lens}°" for lens in _LENSES]
        return f"scored from {smallest_found_px(*size_px, limits):.0f} px: up to {', '.join(far)}"

    def _counts(self) -> str:
        judged = [face.quality for look in self._recent for face in look.faces if face.quality]
        reasons = Counter(quality.rejection for quality in judged if quality.rejection)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        most = max((len(look.faces) for look in self._recent), default=0)
        scored = len(judged) - sum(reasons.values())
        share = f"{100 * scored / len(judged):.0f} % good enough" if judged else "no face yet"
        return f"last {len(self._recent)} looks: at most {most} at once, {share}" + (f"; not: {told}" if told else "")


def _number(value: float | None, digits: int) -> str:
    """`-` for what was not measured, since the face was rejected before."""
    return "-" if value is None else f"{value:.{digits}f}"


def _grid(size_px: tuple[int, int], faces: Sequence[Face]) -> Text:
    """Dots, and at each face's middle its mark and its number in the table; a good one is laid over a bad one."""
    cells = np.full((_ROWS, _COLUMNS), " ")
    cells[::2, ::4] = "·"
    spans = []
    largest_last = reversed(list(enumerate(faces, 1)))
    for number, face in sorted(largest_last, key=lambda one: _is_good(one[1])):
        x, y = (place / side for place, side in zip(face.track.detection.center_px, size_px, strict=True))
        mark = ("●" if _is_good(face) else "○") + (str(number) if number <= _LISTED else "")
        row = min(max(int(y * _ROWS), 0), _ROWS - 1)
        column = min(max(int(x * _COLUMNS), 0), _COLUMNS - len(mark))
        cells[row, column : column + len(mark)] = list(mark)
        start = row * (_COLUMNS + 1) + column
        spans.append(("not dim bold green" if _is_good(face) else "not dim yellow", start, start + len(mark)))
    grid = Text("\n".join("".join(row) for row in cells), style="dim")
    for style, start, end in spans:
        grid.stylize(style, start, end)
    return grid


def _is_good(face: Face) -> bool:
    return face.quality is not None and face.quality.rejection is None
