"""`python -m benchmarks egress`: runs the proof and writes its report."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from convert.errors import DataError
from convert.progress import Progress

_SCENE_S = 70  # so that the health is reported too


def egress(
    video: Annotated[Path | None, typer.Argument(help="A video file; left out: the drawn scene.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="FILE.md: the page, with its record beside it as FILE.json.")
    ] = None,
) -> None:
    """Prove that no picture leaves: run the device under strace and account for every byte that it writes.

    Needs root, strace, mosquitto and the face detector's file; talks to nobody but its own broker on loopback.
    Exit codes: 0 all accounted for, 1 something found or nothing proven, 2 no such video or no mosquitto,
    3 no detector file, 5 strace is missing or may not look.

    Example: python -m benchmarks egress store.mp4 --report egress-report.md
    """
    from benchmarks.egress.audit import Audit
    from benchmarks.egress.laboratory import SCENE, record
    from benchmarks.egress.report import make_report, render
    from benchmarks.egress.trace import require_trace
    from edge.output_files import check_output

    if video is not None and not video.is_file():
        raise DataError(f"{video}: no such file; give a video, or leave it out for the drawn scene")
    check_output("--report", report, video)
    require_trace()
    with tempfile.TemporaryDirectory(prefix="egress-") as folder, Progress("egress proof", 2, every=1) as progress:
        camera = {"backend": "replay", "path": str(video.resolve()), "pace": "fast"} if video else SCENE
        recording = record(camera, Path(folder), run_s=None if video else _SCENE_S)
        progress.advance()
        audit = Audit(recording)
        result = make_report(recording, audit, source=f"`{video.name}`" if video else "the drawn scene, nobody filmed")
        progress.advance()
    if report is None:
        print(render(result))
    else:
        report.with_suffix(".md").write_text(render(result), encoding="utf-8")
        record_json = msgspec.json.format(msgspec.json.encode(result), indent=2)
        report.with_suffix(".json").write_bytes(record_json + b"\n")
        print(f"{result.verdict}\n{report}")
    if not audit.clean:
        raise typer.Exit(1)
