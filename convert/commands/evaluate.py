"""`evaluate`: a bundle against a label file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from convert.commands.report import print_evaluation
from convert.datasets.faces import FaceFinder
from convert.datasets.labels_csv import read_labels
from convert.evaluation import Device
from convert.evaluation import evaluate as evaluate_rows
from convert.progress import Progress
from edge.bundle import default_bundle, load_bundle


def evaluate(
    csv: Annotated[Path, typer.Option("--csv", help="Columns image, valence, arousal; paths relative to the file.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Finds the face in each picture with the device's detector and scores it with the bundle's int8 graphs.

    `frame` is the answer to the picture alone; `stream` the head's after the picture was held for twice the warm-up.
    Where no face is found, the whole picture is scored.

    Example: python -m convert evaluate --csv labels.csv --bundle out/bundle --json
    """
    rows = read_labels(csv)
    path = bundle or default_bundle()
    device = Device(load_bundle(path))
    with Progress("pictures", len(rows), every=500) as progress:
        found = evaluate_rows(rows, device, FaceFinder(), advance=progress.advance)
    if as_json:
        print(json.dumps(found.record()))
    else:
        print_evaluation(found, f"{path.name} on {csv.name}")
