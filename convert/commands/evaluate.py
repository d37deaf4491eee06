"""`evaluate`: a bundle against a label file, or against a published data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convert.commands.report import print_evaluation
from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.labels_csv import read_labels
from convert.faces.layouts import find_layout
from convert.faces.records import LabelledFrame, Reading, read_dataset
from convert.predict.evaluation import Device
from convert.predict.evaluation import evaluate as evaluate_rows
from convert.predict.sequence_evaluation import evaluate_frames
from convert.progress import Progress
from edge.model.bundle import default_bundle, load_bundle


class PartChoice(str, Enum):
    """A part of a data set's declared split."""

    ALL = "all"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Columns image, valence, arousal; paths relative to the file.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Kind of a data set, see `datasets`.")] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Its folder; the file of kind csv.")] = None,
    part: Annotated[
        PartChoice | None,
        typer.Option("--part", help="Of its declared split; default: its validation part, or all where it has none."),
    ] = None,
) -> None:
    """Finds the face in each picture with the device's detector and scores it with the bundle's int8 graphs.

    `frame` is the answer to the picture alone; `stream` the head's after the picture was held for twice the warm-up.
    Where no face is found, the whole picture is scored. Clips of a data set are watched as the device would: one
    frame a step of the time grid, the head following; a frame without a face keeps the last answer.

    Example: python -m convert evaluate --csv labels.csv --bundle out/bundle --json

    A data set: python -m convert evaluate --dataset affwild2 --root /data/Aff-Wild2
    """
    if (csv is None) == (dataset is None) or (dataset is None) != (root is None):
        raise DataError("evaluate: give either --csv FILE, or --dataset KIND with --root PATH")
    path = bundle or default_bundle()
    if dataset is not None and root is not None:
        _evaluate_set(dataset, root, part, path, as_json=as_json)
    elif csv is not None:
        rows = read_labels(csv)
        device = Device(load_bundle(path))
        with Progress("pictures", len(rows), every=500) as progress:
            found = evaluate_rows(rows, device, FaceFinder(), advance=progress.advance)
        if as_json:
            print(json.dumps(found.record()))
        else:
            print_evaluation(found, f"{path.name} on {csv.name}")


def _evaluate_set(kind: str, root: Path, choice: PartChoice | None, bundle: Path, *, as_json: bool) -> None:
    part = {"": None, "dev": "validation"}[find_layout(kind).part] if choice is None else choice.value
    device = Device(load_bundle(bundle))

    def wanted(reading: Reading) -> Iterator[LabelledFrame]:
        every = read_dataset(kind, root, reading)
        return (frame for frame in every if part in (None, PartChoice.ALL.value, frame.part))

    reading = Reading()
    count = sum(1 for _ in wanted(reading))  # labels only: a malformed line or a leak shows before hours of scoring
    if not count:
        raise DataError(f"{root}: has no part {part!r}; choose another --part")
    with Progress("frames", count, every=5000) as progress:
        result = evaluate_frames(wanted(Reading()), device, FaceFinder(), advance=progress.advance)
    if as_json:
        extra = {"dataset": kind, "part": part or "all", "groups": result.groups}
        left_out = {"left_out": dict(reading.dropped), "not_scored": result.not_scored}
        print(json.dumps({**extra, **result.found.record(), **left_out}))
        return
    print_evaluation(result.found, f"{bundle.name} on {kind}, {part or 'all'}, {result.groups} persons or videos")
    console = Console()
    for title, reasons in (("left out", reading.dropped), ("not scored", result.not_scored)):
        for reason, number in sorted(reasons.items()):
            console.print(f"{title}: {number} {reason}", highlight=False)
