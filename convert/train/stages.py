"""The way from data to graphs, stage by stage; each leaves its result in the run's folder and starts from the last's.

teacher → backbone → quantize → head. TensorFlow is imported by the stages that train, not by this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.augment.augmentation import Augmentation, render
from convert.faces.collection import load_faces
from convert.faces.finder import FaceFinder
from convert.faces.imported import IMPORTED, read_records
from convert.faces.pictures import loose_square
from convert.metrics import TARGETS, ccc, rmse
from convert.package.packing import Label, assemble
from convert.predict.evaluation import ANSWERS, Device, Evaluation, answer_frames, compare, embed_crop
from convert.progress import Progress
from convert.quantize.export import export_backbone, export_head
from convert.quantize.recipes import DEFAULT, QuantizationRecipe, find_quantization
from convert.quantize.tensors import describe_backbone
from convert.studio.stage import Studio
from convert.studio.stills import decode
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.regressor import TeacherLabels, fit_teacher
from convert.train.curves import plot_history
from convert.train.examples import AUXILIARY, Example, make_studio_examples
from convert.train.material import Material, Pictures
from convert.train.recipe import BackboneRecipe, Recipe
from convert.train.run import Run, describe_machine, hash_folder, load_weights, save_weights
from convert.train.validation import Validation
from edge.affect.backbone import Backbone
from edge.model.bundle import Bundle, Metric
from edge.model.engines.litert import LiteRtEngine

TEACHER_LABELS = "labels.npz"


def check_network(recipe: BackboneRecipe) -> None:
    """Builds the network's model once, so that what is wrong with it is said before hours of work.

    Raises:
        DataError: the network is not there or not what `convert.networks.registry` asks of it.
    """
    from convert.networks.registry import build_features

    build_features(recipe.network, recipe.size, recipe.width)


def make_teacher(root: Path, task: Path, folder: Path, *, seed: int = 0, imported: Path | None = None) -> TeacherLabels:
    """Fits the teacher on a data folder, and on imported sets, and writes `labels.npz` and `report.json`."""
    faces = load_faces(root, FaceFinder(), imported)
    landmarker = FaceLandmarker(task)
    shapes = []
    with Progress("teacher", len(faces), every=400) as progress:
        for face in faces:
            shapes.append(landmarker.describe(face.pixels, face.landmarks_px))
            progress.advance()
    labels, report = fit_teacher(faces, shapes, seed=seed)
    labels.save(folder / TEACHER_LABELS)
    Run(folder).write_json(
        "report.json",
        {
            "machine": describe_machine(),
            "landmarker_sha256": hashlib.sha256(task.read_bytes()).hexdigest(),
            "faces": len(faces),
            "agreement": {
                part: {target: found._asdict() for target, found in targets.items()} for part, targets in report.items()
            },
        },
    )
    return labels


def train_backbone_stage(
    run: Run,
    recipe: Recipe,
    material: Material,
    studio: Studio | None = None,
    *,
    start: Path | None = None,
    stop_after: int | None = None,
) -> None:
    """Trains the backbone, from the weights in `start` if given, or goes on; writes its weights and curves."""
    from convert.train.backbone import fit_embedding, train_backbone

    validations = [
        Validation("", material.images, material.rated),
        Validation("covered", material.covered(recipe), material.rated),
        material.teacher_labelled(recipe),
    ]
    made: list[Example] = []
    if studio is not None:
        made = make_studio_examples(*studio.stills(), weight=recipe.backbone.made_weight)
        validations.append(studio_validation(studio, recipe.backbone.size))
    validations = [validation for validation in validations if len(validation.va)]
    weights = load_weights(start) if start is not None else None
    calibration = material.to_calibrate_on(recipe)
    history: list[dict[str, float]] = []
    for number, part in enumerate(_trainings(recipe.backbone)):
        name = f"backbone-{number + 1}" if number else "backbone"
        with Progress(name, part.epochs) as progress:
            averaged, records = train_backbone(
                material.examples,
                made,
                validations,
                part,
                folder=run.path(name),
                seed=recipe.seed + number,
                progress=progress,
                start=weights,
                stop_after=stop_after,
            )
        history += [record | {"epoch": len(history) + record["epoch"]} for record in records]
        if len(records) < part.epochs:
            return
        weights = fit_embedding(averaged, calibration, recipe.backbone)
    assert weights is not None  # there is at least one training
    save_weights(run.path("backbone.npz"), weights)
    plot_history(history, run.path("backbone.png"), "backbone")
    run.write_json("backbone.json", {"seconds": sum(r["seconds"] for r in history), "history": history})


def _trainings(recipe: BackboneRecipe) -> list[BackboneRecipe]:
    """One after the other, each a recipe with its own epochs and labels."""
    return [recipe, *(msgspec.structs.replace(recipe, **msgspec.structs.asdict(each)) for each in recipe.further)]


def quantize_stage(
    run: Run, recipe: Recipe, pictures: Pictures, way: QuantizationRecipe | None = None
) -> dict[str, Any]:
    """Makes the quantized graphs and says what the backbone's cost against the float one, on the held-out crops.

    The head's graph is made anew where the head is trained already; before that, `train` exports it as float32.
    """
    way = way or find_quantization(DEFAULT)
    images = pictures.to_calibrate_on(recipe)
    weights = load_weights(run.path("backbone.npz"))
    with Progress(f"{way.name}, some minutes", 1, every=1) as progress:
        made = export_backbone(weights, recipe, images, blendshapes=len(AUXILIARY), way=way)
        progress.advance()
    graphs = {way.backbone: made.backbone, "float32": made.float32}
    run.path("backbone.tflite").write_bytes(made.backbone)
    if run.path("head.npz").is_file():
        backbone = open_backbone(made.backbone)
        embeddings = np.stack([embed_crop(backbone, image).vector for image in images])
        head = export_head(load_weights(run.path("head.npz")), recipe, way=way, embeddings=embeddings)
        run.path("head.tflite").write_bytes(head)
    report: dict[str, Any] = {"recipe": way.name, "bytes": {kind: len(graph) for kind, graph in graphs.items()}}
    if len(pictures.rated):
        answers = {kind: answer_frames(open_backbone(graph), pictures.images) for kind, graph in graphs.items()}
        report["ccc"] = {
            kind: {target: round(ccc(pictures.rated[:, t], va[:, t]), 4) for t, target in enumerate(TARGETS)}
            for kind, va in answers.items()
        }
        report["rms"] = rmse(answers["float32"], answers[way.backbone])
        report["max"] = float(np.max(np.abs(answers[way.backbone] - answers["float32"])))
    run.write_json("quantization.json", report)
    return report


def evaluate_stage(run: Run, recipe: Recipe, material: Material) -> Evaluation | None:
    """The held-out part through the device's code; writes `evaluation.json`, whose records the manifest takes.

    The records are of each data set by itself, the answer of all together.
    """
    if not len(material.rated):
        run.write_json("evaluation.json", {"metrics": [], "counts": material.counts(recipe)})
        return None
    device = open_device(run, recipe)
    answers = np.stack([device.answer(image) for image in material.images])
    groups = [face.cluster for face in material.held]

    def compare_rows(rows: Sequence[int]) -> Evaluation:
        picked = list(rows)
        return compare(material.rated[picked], answers[picked], len(picked), groups=[groups[row] for row in picked])

    metrics = [
        msgspec.convert(
            {"data": data, "answer": answer, "target": target, **found.agreement[answer][target]._asdict()}, Metric
        )
        for data, rows in material.held_sets().items()
        for found in (compare_rows(rows),)
        for answer in ANSWERS
        for target in TARGETS
    ]
    run.write_json("evaluation.json", {"metrics": msgspec.to_builtins(metrics), "counts": material.counts(recipe)})
    return compare_rows(range(len(material.rated)))


def record_data(run: Run, root: Path, seed: int, start: Path | None = None) -> None:
    """Writes hashes of the data, and of the weights to start from, what was imported, the seed and the machine.

    A later stage that names no weights keeps the record of those that the run began with.

    Raises:
        TrainingError: there are no such weights.
    """
    sets = [folder for folder in sorted(root.iterdir()) if folder.name in ("diffusionfer", "sfhq", "ict_facekit")]
    hashes = {folder.name: hash_folder(folder) for folder in sets}
    imported = msgspec.to_builtins(read_records(run.path(IMPORTED)))
    if start is not None:
        load_weights(start)  # says what is wrong before hours of work
        hashes["start"] = hashlib.sha256(start.read_bytes()).hexdigest()
    elif run.path("data.json").is_file() and (began := run.read_json("data.json", "train")["sha256"].get("start")):
        hashes["start"] = began
    record = {"seed": seed, "sha256": hashes, "imported": imported, "machine": describe_machine()}
    run.write_json("data.json", record)


def open_backbone(graph: bytes) -> Backbone:
    """The device's backbone on a graph of this run."""
    return Backbone(LiteRtEngine(graph, name="backbone.tflite"), describe_backbone(graph))


def open_device(run: Run, recipe: Recipe) -> Device:
    """A run's graphs as a device runs them; raises as `bundle_of`."""
    return Device(bundle_of(run, recipe))


def bundle_of(run: Run, recipe: Recipe) -> Bundle:
    """A run's graphs as a bundle, not yet packed.

    Raises:
        TrainingError: a graph is not there yet.
    """
    label = Label(name="evaluation", version=1, created="-")
    graphs = run.read("backbone.tflite", "quantize"), run.read("head.tflite", "train")
    return assemble(*graphs, recipe, label, sources=[], metrics=[])


def studio_validation(studio: Studio, size: int) -> Validation:
    """The studio's frames of held-out portraits, with the teacher's labels of what they express."""
    stills, va = studio.stills(held=True)
    crops = [render(decode(still.jpeg), loose_square(), Augmentation(), size) for still in stills]
    return Validation("studio", np.stack(crops), va)
