"""`quantize`: the int8 graph of a trained backbone, and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from convert.commands.options import DataOption, LandmarkerOption, RunOption, TeacherOption, obtain_teacher
from convert.datasets.collection import data_root
from convert.run import Run
from convert.stages import IMPORTED, Material, quantize_stage


def quantize(
    data: DataOption = Path("../shared/data"),
    out: RunOption = Path("out/default"),
    teacher: TeacherOption = None,
    landmarker: LandmarkerOption = None,
) -> None:
    """Quantizes the backbone of a run after training, calibrated on device crops of training faces.

    Example: python -m convert quantize --data ../shared/data --out out/default
    """
    run = Run(out)
    recipe = run.recipe()
    run.read("backbone.npz", "train")
    imported = run.path(IMPORTED)
    labels = obtain_teacher(data, run.path("teacher"), teacher, landmarker, recipe.seed, imported=imported)
    material = Material(data_root(data), labels, recipe, imported=imported)
    report: dict[str, Any] = quantize_stage(run, recipe, material)
    table = Table("graph", "bytes", "CCC valence", "CCC arousal", title="Backbone, held-out part, frame answer")
    for kind, size in report["bytes"].items():
        found = report.get("ccc", {}).get(kind, {})
        table.add_row(kind, str(size), *(f"{found[t]:.4f}" if t in found else "-" for t in ("valence", "arousal")))
    Console().print(table)
