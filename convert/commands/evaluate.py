"""`evaluate`: a bundle against a label file, or against a published data set."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.layouts import find_layout, read_set
from convert.predict.evaluation import ANSWERS, Device, Evaluation, compare
from convert.predict.evaluation import evaluate as evaluate_faces
from convert.progress import Progress
from edge.model.bundle import default_bundle, load_bundle


class SplitChoice(str, Enum):
    """A part of a data set's split."""

    ALL = "all"
    TRAIN = "train"
    DEV = "dev"
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
        SplitChoice | None,
        typer.Option(
            "--part",
            help="Of its split, the declared one or else that of training; validation is dev. "
            "Default: its declared validation part, or all.",
        ),
    ] = None,
) -> None:
    """Finds the face in each picture with the device's detector and scores it with the bundle's int8 graphs.

    `frame` is the answer to the picture alone; `stream` the head's after the picture was held for twice the warm-up.
    Where no face is found, the whole picture is scored. Clips of a data set are watched as the device would: every
    step of the time grid, the head following; a frame without a face keeps the last answer.

    Of faces that a bundle was trained on, give --part test; `convert test RUN` does so by itself.

    Example: python -m convert evaluate --csv labels.csv --bundle out/bundle --json

    A data set: python -m convert evaluate --dataset affwild2 --root /data/Aff-Wild2
    """
    if (csv is None) == (dataset is None) or (dataset is None) != (root is None):
        raise DataError("evaluate: give either --csv FILE, or --dataset KIND with --root PATH")
    path = bundle or default_bundle()
    if dataset is not None and root is not None:
        _evaluate_set(dataset, root, part, path, as_json=as_json)
    elif csv is not None:
        device = Device(load_bundle(path))
        faces = read_set("csv", csv, splits=False).faces
        if faces["frame"].notna().any():
            raise DataError(f"{csv}: labels moments of videos", f"give it as --dataset csv --root {csv}")
        with Progress("pictures", len(faces), every=500) as progress:
            found = evaluate_faces(faces, device, FaceFinder(), advance=progress.advance)
        if as_json:
            print(json.dumps(found.record()))
        else:
            print_evaluation(found, f"{path.name} on {csv.name}")


def _evaluate_set(kind: str, root: Path, choice: SplitChoice | None, path: Path, *, as_json: bool) -> None:
    import numpy as np

    from convert.faces.groups import split_faces
    from convert.metrics import TARGETS
    from convert.predict.clips import predict_set
    from convert.predict.table import join

    faces, left_out = read_set(kind, root)
    part = (choice.value if choice else find_layout(kind).part).replace("validation", "dev")
    if part not in ("", "all"):
        faces = split_faces(faces)
        faces = faces[faces["split"] == part].reset_index(drop=True)
    if faces.empty:
        raise DataError(f"{root}: has no part {part!r}; choose another --part")
    units = int(faces["clip"].eq("").sum() + faces["clip"].nunique() - faces["clip"].eq("").any())
    with Progress("pictures and clips", units, every=500) as progress:
        said = predict_set(load_bundle(path), faces, FaceFinder(), advance=progress.advance)
    scored = join(faces, said)
    both = scored[scored["answer"].isin(ANSWERS)]
    both = both[both.groupby("id")["answer"].transform("nunique") == len(ANSWERS)]  # the same labels for both
    rows = both[both["answer"] == ANSWERS[0]]
    late = said[said["answer"] == ANSWERS[0]]["id"].nunique() - len(rows)
    not_scored = {
        "before the first face, or before the head was warm": late,
        "between two steps of the time grid, or after the end of the video": len(faces) - len(rows) - late,
    }
    not_scored = {reason: count for reason, count in not_scored.items() if count}
    if rows.empty:
        raise DataError(f"nothing could be scored: {', '.join(f'{n} {why}' for why, n in not_scored.items())}")
    names = [f"said_{target}" for target in TARGETS]
    answers = np.stack([both[both["answer"] == answer][names].to_numpy(np.float32) for answer in ANSWERS], axis=1)
    rated = rows[list(TARGETS)].to_numpy(np.float32)
    found = compare(rated, answers, int(rows["found"].sum()), groups=rows["subject"].to_list())
    groups = rows["subject"].nunique()
    if as_json:
        extra = {"dataset": kind, "part": part or "all", "groups": groups}
        print(json.dumps({**extra, **found.record(), "left_out": left_out, "not_scored": not_scored}))
        return
    print_evaluation(found, f"{path.name} on {kind}, {part or 'all'}, {groups} persons or videos")
    for title, reasons in (("left out", left_out), ("not scored", not_scored)):
        for reason, number in sorted(reasons.items()):
            Console().print(f"{title}: {number} {reason}", highlight=False)


def print_evaluation(found: Evaluation, title: str) -> None:
    """An evaluation as a table on standard output."""
    table = Table("answer", "target", "CCC", "95% interval", "CC", "RMSE", "SAGR")
    table.title = f"{title}: {found.n} pictures, {found.faces_found} faces found"
    for answer, targets in found.agreement.items():
        for target, a in targets.items():
            told = "one person: none" if a.ccc_low is None else f"{a.ccc_low:.3f} to {a.ccc_high:.3f}"
            table.add_row(answer, target, f"{a.ccc:.3f}", told, f"{a.cc:.3f}", f"{a.rmse:.3f}", f"{a.sagr:.3f}")
    Console().print(table)
