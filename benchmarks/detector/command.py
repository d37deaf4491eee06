"""`python -m benchmarks detector`: what the search finds of what is there, and where it puts the crop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress


def detector(
    onnx: Annotated[Path, typer.Option("--onnx", help="face_detection_yunet_2023mar.onnx, the reference.")] = Path(
        "../shared/models/face_detection_yunet_2023mar.onnx"
    ),
    clips: Annotated[Path, typer.Argument(help="Folder of video files; folders in it are searched too.")] = Path(
        "../shared/clips"
    ),
    out: Annotated[Path | None, typer.Option("--out", help="A JSON file of the figures, or a folder for it.")] = None,
    name: Annotated[str, typer.Option("--name", help="Of the machine, in the file.")] = "",
) -> None:
    """Holds search and tracker against YuNet in float32 on whole pictures: faces found, false ones, crops apart.

    Each clip is played at ten steps a second as it is, then all of them side by side in a hall of 1920 × 1080. A clear
    face has a score of 0.8 and 24 pixels for the reference. Nothing of a clip is kept. How long a search takes beside
    another version's: `python -m benchmarks turns --search`.

    Example: python -m benchmarks detector ../shared/clips --out detector.json
    """
    import cv2
    import numpy as np
    from rich.table import Table

    from benchmarks.detector.measure import Reference, measure
    from benchmarks.detector.record import gather
    from benchmarks.detector.scenes import make_hall, read_steps
    from benchmarks.record import read_load, write_record
    from benchmarks.screen import open_screen
    from convert.errors import DataError
    from edge.config import FaceConfig

    files = sorted(path for path in clips.rglob("*") if path.suffix.lower() in _VIDEOS)
    if not files or not onnx.is_file():
        raise DataError(f"{clips if not files else onnx}: {'holds no video' if not files else 'is not there'}")
    cv2.setNumThreads(1)
    load, reference, face, found = read_load(), Reference(onnx), FaceConfig(), {}
    with Progress("detector", len(files) + 1, every=1) as progress:
        for path in files:
            found[path.name] = measure(read_steps(path), reference, face)
            progress.advance()
        sizes = [float(np.median(one.sizes_px)) if one.sizes_px else 0.0 for one in found.values()]
        hall = measure(make_hall(files, sizes), reference, face)
        progress.advance()
    record = gather(found, hall, load_before=load, device_name=name)
    table = Table(
        "pictures", "steps", "clear faces", "found", "in view", "false a step", "ms a step", "reference",
        "crop off, median, 95 %", "side", "roll, 5 to 95 %",
    )  # fmt: skip
    for scene in record.scenes:
        table.add_row(
            scene.name, str(scene.steps), str(scene.clear), _share(scene.found), _share(scene.in_view),
            f"{scene.false_a_step:.2f}", f"{scene.search_ms:.2f}", f"{scene.reference_ms:.1f}",
            "" if not scene.crop_off else "{:.3f}, {:.3f}".format(*scene.crop_off),
            "" if scene.crop_side is None else f"{scene.crop_side:.3f}",
            "" if not scene.roll_deg else "{:.1f} to {:.1f}".format(*scene.roll_deg),
        )  # fmt: skip
    open_screen().print(table)
    if out is not None:
        print(write_record(record, out))


_VIDEOS = {".avi", ".mkv", ".mov", ".mp4", ".webm"}


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
