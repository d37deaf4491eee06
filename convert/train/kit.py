"""The kit's recipe from its data to graphs: faces, teacher, studio, backbone, int8 graph, head."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from convert.faces.finder import FaceFinder
from convert.faces.kit import data_root, kit_faces
from convert.faces.pictures import find_faces
from convert.progress import Progress
from convert.studio.jobs import StudioFiles
from convert.studio.sets import Studio
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.trees import Teacher, crossfit, fit_teacher
from convert.train.batches import cut_crops
from convert.train.data import Part, dev_sets, is_rated, label, ratings
from convert.train.graphs import calibrate_on, open_backbone, quantize_run, write_head
from convert.train.phases import BACKBONE, DevSet, train_backbone, train_head
from convert.train.recipe import Labels, Recipe
from convert.train.run import PICTURES, WEIGHTS, Run, describe_machine, load_weights
from convert.train.sequences import (
    Scene,
    Sequences,
    act_scene,
    changing_scenes,
    embed_step,
    held_scenes,
    make_sequences,
    still_sequences,
    take_in_store,
)


class Kit:
    """The data that a run of the kit's recipe works on.

    Args:
        run: its folder.
        recipe: of the run.
        data: folder of the data sets, or the one above it.
        landmarker: MediaPipe's `face_landmarker.task`.

    Raises:
        DataError: a file is missing, or the folder holds another run.
    """

    def __init__(self, run: Run, recipe: Recipe, data: Path, landmarker: Path) -> None:
        root = data_root(data)
        run.start(recipe)
        if "machine" not in run.notes():
            task = hashlib.sha256(landmarker.read_bytes()).hexdigest() if landmarker.is_file() else ""
            run.note(start=recipe.start, machine=describe_machine(), landmarker=task)
        found = find_faces(kit_faces(root), FaceFinder(), FaceLandmarker(landmarker), run.path(PICTURES))
        run.keep_faces(found.faces, found.pictures.rows)
        self._run, self._recipe = run, recipe
        self.teacher: Teacher = fit_teacher(found.faces, found.pictures, seed=recipe.seed)
        mixes = any(phase.labels.rating_share < 1 for phase in recipe.backbone_phases)
        answers = (
            crossfit(found.faces, found.pictures, seed=recipe.seed)
            if mixes
            else self.teacher.predict(found.pictures.blendshapes, found.pictures.rotation)
        )
        self.part = Part(found.faces, found.pictures, answers)
        wanted = recipe.studio
        files = StudioFiles(root / "ict_facekit" / "ict_facekit.npz", landmarker)
        makes = wanted.stills or wanted.held or wanted.sequences or wanted.held_sequences
        self._studio = Studio(found.faces, files, seed=recipe.seed, folder=run.path("studio")) if makes else None
        self.stills = self._stills(wanted.stills, "train")
        self.held = self._stills(wanted.held, "dev")

    def _stills(self, count: int, split: str) -> Part | None:
        """Stills that only the teacher labelled: by the clean render, which shows the expression alone."""
        if self._studio is None or not count:
            return None
        made = self._studio.stills(count, split=split)
        said = self.teacher.predict(made.clean.blendshapes, made.clean.rotation)
        return Part(made.faces, made.pictures, said, extra=True)

    @property
    def parts(self) -> list[Part]:
        """Everything to learn from."""
        return [self.part, *([self.stills] if self.stills is not None else [])]

    def dev_sets(self) -> list[DevSet]:
        """Rated faces of split `dev`, together and by source, and the studio's with the teacher's labels."""
        sets = dev_sets([self.part], self._recipe.backbone.size)
        if self.held is not None and self.held.teacher is not None:
            crops = cut_crops(self.held.pictures.loose, self._recipe.backbone.size)
            sets.append(("made", crops, self.held.teacher))
        return sets

    def acts(self, split: str) -> list[Callable[[], Scene]]:
        """The studio's acts of a split."""
        wanted = self._recipe.studio
        count = wanted.sequences if split == "train" else wanted.held_sequences
        if self._studio is None or not count:
            return []
        head = self._recipe.head
        acts = self._studio.acts(count, steps=head.steps, step_s=head.step_s, split=split)
        truth = [act.mix @ self.teacher.predict(act.blendshapes, act.rotation) for act in acts]
        return [partial(act_scene, act, va) for act, va in zip(acts, truth, strict=True)]


def train_kit(kit: Kit, run: Run, recipe: Recipe, *, start: Path | None = None, stop_after: int | None = None) -> bool:
    """Trains the backbone, quantizes, trains the head. Goes on where an interrupted run stopped.

    Args:
        kit: the data.
        run, recipe: of the run.
        start: weights of a backbone instead of the recipe's start.
        stop_after: leave the backbone's first training after this epoch, as an interruption would.

    Returns:
        Whether it ended.
    """
    if start is None and recipe.start == "shipped":
        start = WEIGHTS / BACKBONE
    if not run.path(BACKBONE).is_file():
        began = load_weights(start) if start is not None else None
        images = calibrate_on([kit.part], recipe)
        if not train_backbone(run, recipe, kit.parts, kit.dev_sets(), images, start=began, stop_after=stop_after):
            return False
    if not run.path("backbone.tflite").is_file():
        quantize_run(run, recipe, [kit.part])
    graph = run.read("backbone.tflite", "quantize")
    backbone = open_backbone(graph, recipe)
    learn, dev = kit.part.of("train"), kit.part.of("dev")
    labels = recipe.backbone_phases[-1].labels if recipe.backbone_phases else Labels()
    scenes = held_scenes(learn.pictures.loose, label(learn, labels)[0], backbone, recipe, recipe.seed)
    if kit.stills is not None and recipe.head.changing:
        subjects = kit.stills.faces["subject"].to_list()
        scenes += changing_scenes(kit.stills.pictures.loose, subjects, backbone, recipe, recipe.seed)
    scenes += kit.acts("train") * recipe.head.takes
    rated = dev.take(is_rated(dev.faces))
    crops = cut_crops(rated.pictures.loose, recipe.backbone.size)
    held = {"": still_sequences(crops, ratings(rated.faces), backbone, recipe.head)}
    if acts := kit.acts("dev"):
        held["acts"] = embed_scenes(run, recipe, graph, acts, "dev", recipe.seed + 1)
    sequences = embed_scenes(run, recipe, graph, scenes, "train", recipe.seed)
    if not train_head(run, recipe, sequences, held):
        return False
    write_head(run, recipe, calibrate_on([kit.part], recipe))
    return True


def embed_scenes(
    run: Run, recipe: Recipe, graph: bytes, scenes: Sequence[Callable[[], Scene]], kind: str, seed: int
) -> Sequences:
    """Made once for a graph and what the recipe says of scenes, then read back."""
    shown = (seed, recipe.studio, recipe.head, recipe.backbone.size, len(scenes))
    key = hashlib.sha256(graph + msgspec.json.encode(shown)).hexdigest()[:16]
    path = run.path(f"sequences-{kind}-{key}.npz")
    if not path.is_file():
        with Progress(f"sequences, {kind}", len(scenes), every=160) as progress:
            made = make_sequences(
                scenes,
                embed_step(open_backbone(graph, recipe), recipe.head),
                take_in_store,
                size=recipe.backbone.size,
                seed=seed,
                advance=progress.advance,
            )
        for old in run.folder.glob(f"sequences-{kind}-*.npz"):
            old.unlink()
        np.savez(path, **made._asdict())
    with np.load(path, allow_pickle=False) as file:
        return Sequences(**{name: file[name] for name in Sequences._fields})
