"""`python -m benchmarks cadence`: how often faces have to be searched for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress


def cadence(
    clips: Annotated[Path, typer.Argument(help="Folder of video files; folders in it are searched too.")] = Path(
        "../shared/clips"
    ),
    steps: Annotated[
        str, typer.Option("--steps", help="Grid steps between two searches, with commas; 1: as shipped, 2: under load.")
    ] = "1,2,4",
    keep: Annotated[str, typer.Option("--keep", help="Slower cameras: every n-th frame, with commas.")] = "1,2",
) -> None:
    """Compares searches in every grid step, or in every n-th, with one in every frame: faces, ids and means.

    No truth is needed and nothing of a clip is kept: the device's own answer with a search in every frame is the
    reference. Needs the detector's file (`affect-edge fetch`).

    Example: python -m benchmarks cadence ../shared/clips --steps 1,2
    """
    import numpy as np
    from rich.table import Table

    from benchmarks.cadence.against import Against, hold_against
    from benchmarks.cadence.play import KnownFaces, play_clip
    from benchmarks.screen import open_screen
    from convert.errors import DataError
    from edge.affect.network import load_model
    from edge.config import Config
    from edge.face.detector import load_detector

    files = sorted(path for path in clips.rglob("*") if path.suffix.lower() in _VIDEOS)
    if not files:
        raise DataError(f"{clips}: holds no video ({', '.join(sorted(_VIDEOS))})")
    asked = [int(word) for word in steps.split(",")]
    config = Config()
    model = load_model(config.model, config.engine)
    rates = [int(word) for word in keep.split(",")]
    found: dict[tuple[int, int], list[Against]] = {}
    with Progress("cadence", len(files), every=1) as progress:
        for path in files:
            known = KnownFaces(load_detector(config.face, config.engine))
            for rate in rates:
                reference = play_clip(path, model, known, every=0, keep=rate)
                for every in asked:
                    run = play_clip(path, model, known, every=every, keep=rate)
                    found.setdefault((rate, every), []).append(hold_against(run, reference))
            progress.advance()
    table = Table(
        "frames", "steps", "searches", "face-steps met", "extra", "ids more, less", "id switches",
        "means apart, most: valence, arousal", "mean",
        title=f"{len(files)} clips, against a search in every frame",
    )  # fmt: skip
    for (rate, every), runs in found.items():
        scored = sum(run.steps for run in runs)
        means = np.array([pair for run in runs for pair in run.means]).reshape(-1, 2)
        table.add_row(
            "every one" if rate == 1 else f"1 in {rate}",
            str(every),
            f"{sum(run.searches[0] for run in runs) / sum(run.searches[1] for run in runs):.0%}",
            f"{sum(run.met for run in runs) / max(scored, 1):.1%} of {scored}",
            str(sum(run.extra for run in runs)),
            f"{sum(max(run.tracks, 0) for run in runs)}, {sum(max(-run.tracks, 0) for run in runs)}",
            str(sum(run.switches for run in runs)),
            "" if not len(means) else "{:.3f}, {:.3f}".format(*means.max(axis=0)),
            "" if not len(means) else "{:.3f}, {:.3f}".format(*means.mean(axis=0)),
        )
    open_screen().print(table)


_VIDEOS = {".avi", ".mkv", ".mov", ".mp4", ".webm"}
