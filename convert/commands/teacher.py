"""`teacher`: fits the teacher on all rated faces of the kit, and says how far it agrees with who rated them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from convert.commands.options import DataOption, LandmarkerOption, RunOption, find_landmarker
from convert.faces.finder import FaceFinder
from convert.faces.kit import kit_faces
from convert.faces.pictures import find_faces
from convert.metrics import TARGETS
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.trees import crossfit, measure_teacher


def teacher(
    data: DataOption = Path("../shared"),
    out: RunOption = Path("out/teacher"),
    landmarker: LandmarkerOption = None,
    seed: int = 0,
) -> None:
    """Fits trees from blendshapes and head pose to valence and arousal, cross-fitted by subject.

    Writes `teacher.parquet`, what they say of each face (id, valence, arousal), and `report.json`, their agreement by
    split, source and target. The test split is left out of the report.

    Example: python -m convert teacher --data ../shared --out out/teacher
    """
    faces, pictures, left_out = find_faces(
        kit_faces(data), FaceFinder(), FaceLandmarker(find_landmarker(data, landmarker)), out / "pictures"
    )
    said = crossfit(faces, pictures, seed=seed)
    pd.DataFrame({"id": faces["id"], **dict(zip(TARGETS, said.T, strict=True))}).to_parquet(out / "teacher.parquet")
    found = measure_teacher(faces, said)
    report = {"faces": len(faces), "left_out": left_out, "agreement": found.to_dict("records")}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    table = Table("split", "source", "rated by", "target", "n", "CCC", "95% interval", "RMSE", title="Teacher")
    for row in found.itertuples():
        interval = f"{row.ccc_low:.3f} to {row.ccc_high:.3f}"
        table.add_row(
            row.split, row.source, row.rater, row.target, str(row.n), f"{row.ccc:.3f}", interval, f"{row.rmse:.3f}"
        )
    Console().print(table)
