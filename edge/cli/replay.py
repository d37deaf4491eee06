"""`affect-edge replay`: a video file through the whole path; windows on stdout, scores into a file, nothing sent."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from edge.affect.network import load_model
from edge.audit import audit_log
from edge.camera import open_camera
from edge.cli import app
from edge.clock import NS, FileClock
from edge.config import Config, WindowConfig, files_of, load_config
from edge.deployment import says_nothing
from edge.device import Device, build_device
from edge.errors import ConfigError, EdgeError
from edge.output_files import check_output, open_private
from edge.publish.jsonlines import JsonLines
from edge.values import AffectScore, Look

SCORES = "affect-edge scores 1"  # the first line of a file with scores says so


@app.command(epilog="Example: affect-edge replay visit.mp4 > windows.jsonl")
def replay(
    video: Annotated[Path, typer.Argument(help="A video file on this machine.", show_default=False)],
    scores: Annotated[
        Path | None, typer.Option(help="Also write one JSON line for each scored face and step; needs --consent.")
    ] = None,
    consent: Annotated[
        str, typer.Option(help="Who in the video agreed to that, e.g. 'all 12, forms in folder 7'.", show_default=False)
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="Configuration; its camera section and opening hours are not used.")
    ] = None,
) -> None:
    """Run a video through the whole path, as fast as it goes; print its windows as JSON lines.

    Time comes from the file and starts at 1970-01-01T00:00:00Z, so two runs give the same bytes. Without a
    configuration windows are a minute long. Windows of too few people, and what is left of a minute at the end, carry
    no scores; `--scores` is for material whose people have agreed: `--consent` says who, and stands in the first line
    of the file, which is its owner's alone. The scores describe expressions, not feelings.
    """
    # A file is mostly shorter than a live window, and what it cuts short has no scores.
    chosen = load_config(config) if config else Config(window=WindowConfig(window_s=60, min_people=5))
    check_output("--scores", scores, video, config, *files_of(chosen))
    if scores and says_nothing(consent):
        raise ConfigError(
            f"--consent: {consent!r} does not say who agreed, and --scores writes lines about single persons",
            fix="say who, and where that is recorded; windows need none",
        )
    if chosen.hours.open:
        typer.echo(f"{config}: [hours] is not used, since a video's times are not those of a day", err=True)
    camera = msgspec.structs.replace(chosen.camera, backend="replay", path=str(video), pace="fast", loop=False)
    chosen = msgspec.structs.replace(chosen, camera=camera)
    clock = FileClock()
    with ExitStack() as stack:
        source = open_camera(chosen, clock)
        model = load_model(chosen.model, chosen.engine)
        sink = JsonLines(sys.stdout, epoch=_epoch(video))
        lines = stack.enter_context(open_private("--scores", scores)) if scores else None

        def write(line: dict[str, Any]) -> None:
            if lines:
                lines.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")

        if scores and config:
            audit_log(chosen).append("scores_written", "", consent=consent)
        write({"schema": SCORES, "consent": consent, "video": video.name})
        device = build_device(chosen, camera=source, model=model, sink=sink, clock=clock)
        progress = stack.enter_context(_progress())
        task, begun = progress.add_task(video.name, total=source.length), time.perf_counter()
        try:
            for look in device.looks():
                if isinstance(look, Look):
                    for score in look.scores:
                        write(_score_line(look, score))
                    progress.update(task, completed=look.index + 1)
        except (EdgeError, BrokenPipeError):  # the latter, a reader who went away, ends quietly in typer
            raise
        except OSError as error:  # a full disk, for instance
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries again at its end
            raise EdgeError(f"the output cannot be written ({error.strerror}); what came before it is there") from error
    typer.echo(_summary(device, time.perf_counter() - begun), err=True)


def _epoch(video: Path) -> str:
    """Eight hexadecimal digits that belong to the file's content: one file gives the same window ids every time."""
    digest = hashlib.sha256()
    with video.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:8]


def _score_line(look: Look, score: AffectScore) -> dict[str, Any]:
    return {
        "frame": look.index,
        "t_s": round(look.captured_ns / NS, 3),
        "track": score.track_id,
        "valence": round(score.valence, 4),
        "arousal": round(score.arousal, 4),
        "warm": score.warm,
    }


def _progress() -> Progress:
    """A bar on the terminal, unless stdout may end there too and its lines would be glued to the bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console, to_file = Console(stderr=True), stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    return Progress(*columns, console=console, transient=True, disable=not (to_file and console.is_terminal))


def _summary(device: Device, elapsed_s: float) -> str:
    health, camera = device.health, device.camera
    seen, failed = health.seen + camera.skipped, health.failed + camera.failed
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(health.rejections.items()) if count)
    unusable = f", {failed} frames unusable" if failed else ""
    return (
        f"{seen} frames in {elapsed_s:.1f} s ({seen / max(elapsed_s, 1e-9):.0f} a second), {health.tracks} tracks, "
        f"{health.scored} scores, rejected: {rejected or 'none'}{unusable}\n"
        "Times are the video's own: its first frame is at 1970-01-01T00:00:00Z."
    )
