"""`test`: a run or a bundle on faces that took part in no choice; the standing tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.markdown import Markdown

from convert.commands.options import LandmarkerOption, PicturesOption, find_landmarker
from convert.errors import DataError, RefusedError
from convert.metrics import TARGETS
from convert.predict.corruption import CONDITIONS
from convert.predict.evaluation import Device, embed_crop
from convert.predict.measure import RECORD, make_record, measure, write_record
from convert.predict.render import render
from convert.predict.subjects import Measured, finder, gather, is_run
from convert.predict.table import hold
from convert.predict.verdict import judge
from convert.train.batches import cut_crops
from convert.train.run import Run


def run_test(
    subject: Annotated[Path, typer.Argument(help="A run's folder, or a bundle's folder or ZIP.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the kit's data sets: for a bundle, and for --real.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="Reason for this look at the test faces; it is logged.")] = "",
    dev: Annotated[
        bool, typer.Option("--dev", help="Only the faces that choices are made on; nothing is logged.")
    ] = False,
    real: Annotated[bool, typer.Option("--real", help="Rated clips of real people too.")] = False,
    most: Annotated[int, typer.Option("--most", min=0, help="Faces that are tried dark, blurred, covered…")] = 200,
    landmarker: LandmarkerOption = None,
    kept: PicturesOption = Path("out/pictures"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON and nothing else.")] = False,
) -> None:
    """Measures a run on its own test faces, or a bundle on the kit's, and prints the standing tables.

    Agreement by set and rater, within expression classes and within a face, groups, robustness, what int8 costs. Every
    look at test faces is written into docs/test-lookups.csv; choose with --dev. Of a run, the record is kept as
    RUN/model.json, from which `pack` takes the card's figures. Exit code 10: the run began with a bundle and is not
    shown to be better.

    Example: python -m convert test out/mine
    """
    if dev and real:
        raise DataError("--dev: rated clips of real people are for tests only", "leave out --dev or --real")
    task = find_landmarker(data, landmarker) if data is not None else landmarker
    why = why or f"convert test {subject}"
    on = gather(subject, why=why, data=data, find=finder(task, kept), real=real, dev=dev)
    conditions = tuple(CONDITIONS) if most else ()
    said, tables = measure(on.bundle, on.subjects, conditions=conditions, most=most, float_backbone=on.float_backbone)
    record = make_record(on.bundle, tables, on.subjects, trained_apart=on.trained_apart)
    if is_run(subject) and not dev:
        write_record(subject / RECORD, record)
        said.to_parquet(subject / "predictions.parquet")
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        Console(width=200, soft_wrap=True).print(Markdown(render("model.md.j2", record_path=RECORD, **record)))
    if is_run(subject) and not dev:
        _compare_with_start(subject, on, said)


def _compare_with_start(run: Path, on: Measured, said: pd.DataFrame) -> None:
    """Says whether a run is better than the bundle that it began with, on its own test faces.

    Raises:
        RefusedError: it is not shown to be.
    """
    from convert.train.fit import start_bundle

    began = start_bundle(Run(run))
    faces = on.subjects.stills.faces
    rows = np.flatnonzero((faces["split"].eq("test") & faces["valence"].notna()).to_numpy())
    if began is None or faces.iloc[rows]["subject"].nunique() < 2:
        return
    device, size = Device(began), began.manifest.crop.size
    crops = cut_crops(on.subjects.stills.pictures.take(rows).loose, size)
    vectors = np.stack([embed_crop(device.backbone, crop).vector for crop in crops])
    own = said[said["answer"] == "stream"].set_index("id").loc[faces["id"].iloc[rows]]
    test = faces.iloc[rows]
    rated, ours = (table[list(TARGETS)].to_numpy(np.float32) for table in (test, own))
    verdict = judge(rated, ours, hold(device.stream, device.manifest, vectors), test["subject"])
    print("\n".join(("Against the bundle that it began with:", *verdict.lines())), file=sys.stderr)
    if not verdict.helped:
        raise RefusedError(f"{run}: not shown to be better than the bundle that it began with: {verdict.reasons[0]}")
