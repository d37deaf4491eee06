"""Fine-tuning from a bundle and labelled faces to a verdict; each part goes on where it was interrupted.

```
tuning.json                     what was asked for, of which bundle, weights and data
datasets/                       the new faces, loosely cut: whoever deletes the folder deletes them
backbone/  head/                checkpoints
candidate/  weights/            the new bundle and its float weights, for either verdict
finetune.json  finetune.md  finetune.png
```
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from convert.errors import DataError
from convert.faces.finder import FaceFinder, cut_faces
from convert.faces.imported import IMPORTED, DatasetPath, Imported, import_dataset, load_imported
from convert.finetune.baseline import check_same_network, ratings_of
from convert.finetune.candidate import (
    calibrate_on,
    head_graph,
    head_of,
    make_bundle,
    metrics_of,
    quantize,
    write_candidate,
    write_record,
)
from convert.finetune.heads import KEPT, MOVED, REFITTED, choose_head, move_readout, refit_head
from convert.finetune.old_data import make_example, old_validation, rehearse
from convert.finetune.parts import Parts, split_faces
from convert.finetune.recipe import FinetuneRecipe
from convert.finetune.report import describe_run, render_finetune
from convert.finetune.tuning import Tuned, tune_backbone
from convert.finetune.verdict import TOLERANCE, JudgedSet, Verdict, compare_on, decide
from convert.package.signing import Signer
from convert.package.sources import RESEARCH_ONLY, choose_licence, list_sources
from convert.package.trained import Trained
from convert.predict.evaluation import Device
from convert.progress import Progress
from convert.train.backbone import readout
from convert.train.curves import plot_history
from convert.train.examples import Example
from convert.train.material import Pictures
from convert.train.run import describe_machine, load_weights, save_weights
from convert.train.stages import open_backbone
from convert.train.validation import Validation
from edge.model.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for.

    Attributes:
        folder: of this fine-tuning.
        trained: the bundle and weights to begin with.
        datasets: the labelled faces.
        recipe: of the fine-tuning.
        old: root of the old data, to rehearse and to judge by; None where it is not at hand.
        tolerance: of CCC that may be lost on the old validation set.
        signer: signs the candidate.
        research_only: the user knows that a data set's terms forbid other use.
    """

    folder: Path
    trained: Trained
    datasets: Sequence[DatasetPath]
    recipe: FinetuneRecipe
    old: Path | None
    tolerance: float = TOLERANCE
    signer: Signer | None = None
    research_only: bool = False


class Finetuned(NamedTuple):
    """What a fine-tuning leaves: the verdict, the bundle it is about and where that lies."""

    verdict: Verdict
    bundle: Bundle
    place: Path


class _Heads(NamedTuple):
    """The head taken, its graph, and what each way of making one reached on the stopping part (mean CCC)."""

    way: str
    weights: list[Any]
    graph: bytes
    reached: dict[str, float]


def finetune_stage(order: Order, *, stop_after: int | None = None) -> Finetuned | None:
    """Runs or goes on; with `stop_after` it leaves after that epoch, as an interruption would, and returns None.

    Raises:
        DataError: the data is malformed or too little, the weights are not the bundle's, or the folder holds another
            fine-tuning.
        TrainingError: a set's terms forbid other use than research, or training or conversion failed.
    """
    folder, trained, recipe = order.folder, order.trained, order.recipe
    folder.mkdir(parents=True, exist_ok=True)
    finder = FaceFinder()
    records = [import_dataset(at, folder / IMPORTED, finder) for at in order.datasets]
    choose_licence(records, research_only=order.research_only)  # before an hour is spent
    kinds = {record.kind for record in records}
    parts = split_faces([face for face in load_imported(folder / IMPORTED) if face.source in kinds], recipe)
    _pin(order, records, parts)
    size = trained.recipe.backbone.size
    stop = Validation("", cut_faces(parts.stop, size), ratings_of(parts.stop))
    check_same_network(trained, stop.images)
    pictures = Pictures(order.old, trained.recipe) if order.old is not None else None
    learn = [make_example(face, label) for face, label in zip(parts.learn, ratings_of(parts.learn), strict=True)]
    rehearsal = rehearse(pictures, trained.backbone, trained.recipe) if pictures is not None else []
    with Progress("fine-tuning", recipe.epochs) as progress:
        tuned = tune_backbone(
            trained.backbone,
            learn,
            rehearsal,
            stop,
            trained.recipe.backbone,
            recipe,
            folder=folder / "backbone",
            progress=progress,
            stop_after=stop_after,
        )
    if not tuned.ended:
        return None
    plot_history(tuned.history, folder / "finetune.png", "fine-tuning")
    graph = _quantize(order, tuned, learn, rehearsal)
    heads = _choose(order, graph, tuned, [*learn, *rehearsal], stop)
    verdict = _judge(order, parts, pictures, tuned, make_bundle(graph, heads.graph, trained))
    about = describe_run(parts, tuned, heads.way, heads.reached, rehearsed=pictures is not None, recipe=recipe)
    page = render_finetune(verdict, about)
    bundle = make_bundle(
        graph,
        heads.graph,
        trained,
        sources=list_sources({record.kind: record.source.count for record in records}, records),
        metrics=metrics_of(verdict.comparisons),
        evidence=page,
        licence=RESEARCH_ONLY if order.research_only else None,
    )
    place = write_candidate(folder, bundle, tuned.weights, heads.weights, order.signer)
    record = {"verdict": verdict.record(), **about, "machine": describe_machine(), "history": tuned.history}
    write_record(folder, "finetune", record, page)
    return Finetuned(verdict, bundle, place)


def _pin(order: Order, records: Sequence[Imported], parts: Parts) -> None:
    """Refuses to mix two fine-tunings in one folder."""
    trained = order.trained
    weights = hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in trained.backbone + trained.head))
    who = [[face.name for face in part] for part in (parts.learn, parts.stop, parts.judge)]
    asked = {
        "recipe": msgspec.to_builtins(order.recipe),
        "bundle": trained.bundle.sha256,
        "weights": weights.hexdigest(),
        "data": [f"{record.kind}={record.path}" for record in records],
        "parts": hashlib.sha256(json.dumps(who).encode()).hexdigest(),  # a judge must never have been learned from
        "rehearsal": order.old is not None,
    }
    path = order.folder / "tuning.json"
    if path.is_file() and json.loads(path.read_text()) != asked:
        raise DataError(f"{order.folder}: holds a fine-tuning of other data, bundle or options; choose another --out")
    path.write_text(json.dumps(asked, indent=2) + "\n")


def _quantize(order: Order, tuned: Tuned, learn: Sequence[Example], rehearsal: Sequence[Example]) -> bytes:
    path = order.folder / "backbone.tflite"
    if not path.is_file():
        shown, old = ([(each.pixels, each.square) for each in part] for part in (learn, rehearsal))
        made = quantize(tuned.weights, calibrate_on(shown, old, order.trained), order.trained)
        partial = path.with_suffix(".partial")
        partial.write_bytes(made)
        partial.replace(path)
    return path.read_bytes()


def _choose(order: Order, graph: bytes, tuned: Tuned, examples: Sequence[Example], stop: Validation) -> _Heads:
    """Makes the three heads and takes the one that serves the stopping part best."""
    trained = order.trained
    before, after = (readout(weights, trained.recipe.backbone) for weights in (trained.backbone, tuned.weights))
    moved = move_readout(trained.head, before, after, trained.recipe)
    path = order.folder / "head.npz"
    if not path.is_file():
        backbone = open_backbone(graph)
        folder = order.folder / "head"
        save_weights(path, refit_head(moved, backbone, after, examples, trained.recipe, order.recipe, folder))
    heads = {KEPT: trained.head, MOVED: moved, REFITTED: load_weights(path)}
    graphs = {way: head_of(trained) if way == KEPT else head_graph(weights, trained) for way, weights in heads.items()}
    answers = {}
    for way, made in graphs.items():
        device = Device(make_bundle(graph, made, trained))
        answers[way] = np.stack([device.answer(image)[1] for image in stop.images])
    way, reached = choose_head(answers, stop.va)
    return _Heads(way, heads[way], graphs[way], reached)


def _judge(order: Order, parts: Parts, pictures: Pictures | None, tuned: Tuned, candidate: Bundle) -> Verdict:
    size = order.trained.recipe.backbone.size
    judged = JudgedSet(
        data="the new data, judges' part",
        images=cut_faces(parts.judge, size),
        rated=ratings_of(parts.judge),
        groups=[face.cluster for face in parts.judge],
    )
    ours, before = Device(candidate), Device(order.trained.bundle)
    old = compare_on(old_validation(pictures), ours, before) if pictures is not None else None
    against = [] if tuned.best else ["no epoch was better than the start on the stopping part: nothing was learned"]
    return decide(old, compare_on(judged, ours, before), order.tolerance, against=against)
