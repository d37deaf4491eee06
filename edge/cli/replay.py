"""`affect-edge replay`: a video file through the whole path; windows on stdout, scores into a file, nothing sent."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from edge.affect.model import load_model
from edge.camera import open_camera
from edge.cli import app
from edge.clock import NS, FileClock
from edge.config import Config, load_config
from edge.device import Pipeline, build_pipeline
from edge.errors import ConfigError, EdgeError
from edge.publish.jsonlines import JsonLines
from edge.publish.message import origin_of
from edge.values import AffectScore, Frame


@app.command(
    epilog="Example: affect-edge replay visit.mp4 --scores scores.jsonl > windows.jsonl",
)
def replay(
    video: Annotated[Path, typer.Argument(help="A video file on this machine.", show_default=False)],
    scores: Annotated[
        Path | None, typer.Option(help="Also write one JSON line for each scored face and step; numbers only.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration; its camera section is not used.")] = None,
) -> None:
    """Run a video through the whole path, as fast as it goes; print its windows as JSON lines.

    Time comes from the file and starts at 1970-01-01T00:00:00Z, so two runs give the same bytes. Windows with fewer
    than three visits carry no scores; `--scores` is for material whose people have agreed. The scores describe
    expressions, not feelings.
    """
    chosen = load_config(config) if config else Config()
    camera = msgspec.structs.replace(chosen.camera, backend="replay", path=str(video), pace="fast", loop=False)
    chosen = msgspec.structs.replace(chosen, camera=camera)
    clock = FileClock()
    with ExitStack() as stack:
        source = open_camera(chosen, clock)
        model = load_model(chosen.model, chosen.engine)
        sink = JsonLines(sys.stdout, origin_of(chosen.device, model.bundle), epoch=_epoch(video))
        stack.callback(sink.close)
        lines = stack.enter_context(_open_scores(scores)) if scores else None
        pipeline = build_pipeline(chosen, camera=source, model=model, sink=sink, clock=clock)
        progress = stack.enter_context(_progress())
        task = progress.add_task(video.name, total=source.length)

        def look_on(frame: Frame, found: Sequence[AffectScore]) -> None:
            if lines:
                _write_scores(lines, frame, found)
            progress.update(task, completed=frame.index + 1)

        pipeline.on_scores = look_on
        begun = time.perf_counter()
        try:
            pipeline.run()
        except (EdgeError, BrokenPipeError):  # the latter, a reader who went away, ends quietly in typer
            raise
        except OSError as error:  # a full disk, for instance
            _abandon_stdout()
            raise EdgeError(f"the output cannot be written ({error.strerror}); what came before it is there") from error
        elapsed = time.perf_counter() - begun
    _summarize(pipeline, elapsed)


def _abandon_stdout() -> None:
    """Keeps the interpreter from trying, at its end, to flush what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _epoch(video: Path) -> str:
    """Eight hexadecimal digits that belong to the file's content: one file gives the same window ids every time."""
    digest = hashlib.sha256()
    with video.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:8]


def _open_scores(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--scores {path}: cannot be written ({error.strerror})") from error


def _write_scores(lines: TextIO, frame: Frame, found: Sequence[AffectScore]) -> None:
    for score in found:
        line = {
            "frame": frame.index,
            "t_s": round(frame.captured_ns / NS, 3),
            "track": score.track_id,
            "valence": round(score.valence, 4),
            "arousal": round(score.arousal, 4),
            "warm": score.warm,
        }
        lines.write(json.dumps(line, separators=(",", ":")) + "\n")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _summarize(pipeline: Pipeline, elapsed_s: float) -> None:
    health = pipeline.health
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(health.rejections.items())) or "none"
    typer.echo(
        f"{health.seen} frames in {elapsed_s:.1f} s ({health.seen / max(elapsed_s, 1e-9):.0f} a second), "
        f"{health.tracks} tracks, {health.scored} scores, rejected: {rejected}"
        + (f", {failed} frames unusable" if (failed := health.failed + pipeline.camera.failed) else ""),
        err=True,
    )
