"""`teacher`: labels and blendshapes for every face, with a report of how good they are."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from convert.commands.options import DataOption, LandmarkerOption, RunOption, find_landmarker
from convert.faces.collection import data_root
from convert.train.stages import make_teacher


def teacher(
    data: DataOption = Path("../shared"),
    out: RunOption = Path("out/teacher"),
    landmarker: LandmarkerOption = None,
    seed: int = 0,
) -> None:
    """Fits the teacher (blendshapes and head pose to valence and arousal) and labels every face.

    Example: python -m convert teacher --data ../shared --out out/teacher
    """
    make_teacher(data_root(data), find_landmarker(data, landmarker), out, seed=seed)
    report = json.loads((out / "report.json").read_text())
    table = Table("part", "target", "n", "CCC", "95% interval", "RMSE", title=f"Teacher, {report['faces']} faces")
    for part, targets in report["agreement"].items():
        for target, found in targets.items():
            table.add_row(
                part,
                target,
                str(found["n"]),
                f"{found['ccc']:.3f}",
                f"{found['ccc_low']:.3f} to {found['ccc_high']:.3f}",
                f"{found['rmse']:.3f}",
            )
    Console().print(table)
