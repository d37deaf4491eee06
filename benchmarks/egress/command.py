"""`python -m benchmarks egress`: runs the proof and writes its report."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from convert.errors import DataError
from convert.progress import Progress


def egress(
    video: Annotated[Path | None, typer.Argument(help="A video file; left out: the drawn scene.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where to write it, .md or .json; left out: Markdown to stdout.")
    ] = None,
    pace: Annotated[
        Literal["fast", "file"], typer.Option("--pace", help="`file` plays the video at its own pace.")
    ] = "fast",
) -> None:
    """Prove that no picture leaves: run the device under strace and account for every byte that it writes.

    Needs root, strace, mosquitto and the face detector's file; talks to nobody but its own broker on loopback.
    Exit codes: 0 all accounted for, 1 something found or nothing proven, 2 no such video, 3 no detector file,
    5 strace is missing or may not look, 7 mosquitto is missing.

    Example: python -m benchmarks egress store.mp4 --report egress-report.md
    """
    from benchmarks.egress.audit import Audit
    from benchmarks.egress.clip import draw_clip
    from benchmarks.egress.laboratory import find_mosquitto, record
    from benchmarks.egress.report import as_json, as_markdown, make_report
    from benchmarks.egress.tracing import require_trace
    from edge.output_files import check_output

    if report is not None and report.suffix not in (".md", ".json"):
        raise DataError(f"{report}: a report is written as .md or .json")
    if video is not None and not video.is_file():
        raise DataError(f"{video}: no such file; give a video, or leave it out for the drawn scene")
    check_output("--report", report, video)
    find_mosquitto()
    require_trace()
    with tempfile.TemporaryDirectory(prefix="egress-") as scratch, Progress("egress proof", 3, every=1) as progress:
        source = f"`{video.name}`" if video else "the drawn scene, nobody was filmed"
        video = video or draw_clip(Path(scratch) / "scene.avi")
        progress.advance()
        folder = Path(scratch) / "run"
        folder.mkdir()
        recording = record(video, folder, pace=pace)
        progress.advance()
        audit = Audit(recording)
        result = make_report(recording, audit, source=source)
        progress.advance()
    text = as_json(result) if report is not None and report.suffix == ".json" else as_markdown(result)
    if report is None:
        print(text)
    else:
        report.write_text(text, encoding="utf-8")
        print(f"{result.verdict}\n{report}")
    if not result.clean:
        raise typer.Exit(1)
