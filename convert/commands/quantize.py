"""`quantize`: the device's graphs of a trained network, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convert.commands.options import DataOption, RunOption
from convert.faces.collection import data_root
from convert.faces.imported import IMPORTED
from convert.quantize.recipes import DEFAULT, QUANTIZATIONS, find_quantization
from convert.train.material import Pictures
from convert.train.run import Run
from convert.train.stages import quantize_stage


def quantize(
    data: DataOption = Path("../shared/data"),
    out: RunOption = Path("out/default"),
    recipe: Annotated[
        str, typer.Option("--recipe", help=f"How: {', '.join(QUANTIZATIONS)}; see convert/quantize/recipes.py.")
    ] = DEFAULT,
) -> None:
    """Quantizes a run after training, calibrated on device crops of training faces; `qat_int8` fine-tunes first.

    The head's graph is written anew where the run has a trained head: with `ptq_int8` in int8, else in float.

    Example: python -m convert quantize --recipe qat_int8 --data ../shared/data --out out/default
    """
    way = find_quantization(recipe)
    run = Run(out)
    trained = run.recipe()
    run.read("backbone.npz", "train")
    pictures = Pictures(data_root(data), trained, imported=run.path(IMPORTED))
    report = quantize_stage(run, trained, pictures, way)
    table = Table("graph", "bytes", "CCC valence", "CCC arousal", title=f"Backbone, {way.name}, held-out part, frame")
    for kind, size in report["bytes"].items():
        found = report.get("ccc", {}).get(kind, {})
        table.add_row(kind, str(size), *(f"{found[t]:.4f}" if t in found else "-" for t in ("valence", "arousal")))
    console = Console()
    console.print(table)
    if "rms" in report:
        console.print(f"difference to float32: RMS {report['rms']:.4f}, at most {report['max']:.4f}")
