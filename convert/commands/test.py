"""`test`: a run or a bundle on faces that took part in no choice; the standing tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from convert.commands.options import LandmarkerOption, PicturesOption, find_landmarker
from convert.errors import DataError
from convert.predict.corruption import CONDITIONS
from convert.predict.measure import RECORD, make_record, measure, write_record
from convert.predict.render import render
from convert.predict.subjects import gather, is_run


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
    RUN/model.json, from which `pack` takes the card's figures.

    Example: python -m convert test out/mine
    """
    if dev and real:
        raise DataError("--dev: rated clips of real people are for tests only", "leave out --dev or --real")
    task = find_landmarker(data, landmarker) if data is not None else landmarker
    on = gather(
        subject, why=why or f"convert test {subject}", data=data, landmarker=task, kept=kept, real=real, dev_only=dev
    )
    conditions = tuple(CONDITIONS) if most else ()
    _, tables = measure(on.bundle, on.subjects, conditions=conditions, most=most, float_backbone=on.float_backbone)
    record = make_record(on.bundle, tables, on.subjects, trained_apart=on.trained_apart)
    if is_run(subject) and not dev:
        write_record(subject / RECORD, record)
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        Console(width=200, soft_wrap=True).print(Markdown(render("model.md.j2", **record)))
