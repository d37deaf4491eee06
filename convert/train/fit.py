"""Training on one's own faces: from the shipped weights, from another run's, or from random ones."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.groups import DEV_SHARE, TEST_SHARE, merge_subjects, split_faces
from convert.faces.layouts import thin_clips
from convert.faces.pictures import find_faces
from convert.faces.table import SPLITS, join_faces, read_faces, without_test
from convert.metrics import TARGETS, ccc
from convert.predict.evaluation import Device
from convert.predict.verdict import FEWEST_SUBJECTS as FEWEST_JUDGES
from convert.progress import Progress
from convert.teacher.landmarker import FaceLandmarker
from convert.train.batches import cut_crops
from convert.train.data import Part, dev_sets, label, ratings
from convert.train.graphs import calibrate_on, open_backbone, quantize_run, write_head
from convert.train.phases import BACKBONE, HEAD, train_backbone, train_head
from convert.train.recipe import Labels, Recipe, find_recipe
from convert.train.run import FACES, PICTURES, WEIGHTS, Run, bundle_of, describe_machine, load_weights
from convert.train.sequences import embed_step, held_scenes, make_sequences, still_sequences, take_in_store
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.values import Float32Array

SHIPPED, RANDOM = "shipped", "random"
FEWEST_FACES, FEWEST_SUBJECTS = 30, 10


class Fitted(NamedTuple):
    """What `fit` leaves in the run's folder besides files.

    Attributes:
        faces: how many of each split.
        learned: whether an epoch was better on dev than the start.
        before, after: CCC of valence and arousal on dev, int8, streamed; `before` None from random weights.
        left_out: faces left out, by reason.
    """

    faces: dict[str, int]
    learned: bool
    before: tuple[float, float] | None
    after: tuple[float, float]
    left_out: dict[str, int]


def begin(start: str, recipe: str | None, seed: int | None) -> Recipe:
    """The recipe of a fit: its numbers, and the network of what it begins with.

    Args:
        start: `shipped`, `random`, or the folder of a run.
        recipe: name; None for `fit`, or from random weights `fit-random`.
        seed: instead of the recipe's.

    Raises:
        DataError: there is no such recipe or run.
    """
    found = find_recipe(recipe or ("fit-random" if start == RANDOM else "fit"))
    if start != RANDOM:
        known = find_recipe("default") if start == SHIPPED else Run(Path(start)).recipe()
        shown = {name: getattr(found.head, name) for name in ("stills", "changing", "takes", "correction")}
        head = msgspec.structs.replace(known.head, **shown)
        found = msgspec.structs.replace(found, backbone=known.backbone, head=head)
    found = msgspec.structs.replace(found, start=RANDOM if start == RANDOM else SHIPPED)
    return found if seed is None else msgspec.structs.replace(found, seed=seed)


def start_bundle(run: Run) -> Bundle | None:
    """The bundle that a fit began with; None from random weights."""
    start = run.notes().get("start", RANDOM)
    if start == RANDOM:
        return None
    return load_bundle(default_bundle()) if start == SHIPPED else bundle_of(Run(Path(start)))


def fit(
    run: Run,
    recipe: Recipe,
    own: pd.DataFrame,
    *,
    start: str,
    kit: pd.DataFrame | None = None,
    landmarker: FaceLandmarker | None = None,
    stop_after: int | None = None,
) -> Fitted | None:
    """Finds the faces, trains on split `train`, stops on `dev`, quantizes; never opens `test`. Goes on where it was.

    Args:
        run: its folder.
        recipe: as of `begin`.
        own: a face table; `split` may be empty.
        start: as of `begin`.
        kit: the kit's face table, to learn from besides.
        landmarker: adds blendshapes and landmarks as targets; None leaves them out.
        stop_after: leave the backbone's training after this epoch, as an interruption would, and return None.

    Raises:
        DataError: too few faces or subjects, ratings that do not vary, or the folder holds another run.
    """
    run.start(recipe)
    run.note(start=start, machine=describe_machine())
    table = thin_clips(own) if kit is None else join_faces(thin_clips(own), without_test(kit))
    found = find_faces(table, FaceFinder(), landmarker, run.path(PICTURES))
    run.keep_faces(split_own(found.faces, own, start, recipe.seed), found.pictures.rows)
    mine, *others = parts = run.parts()
    _check(mine)
    trained = {split: int((mine.faces["split"] == split).sum()) for split in SPLITS}
    phases = tuple(
        msgspec.structs.replace(phase, batch=min(phase.batch, trained["train"])) if phase.name != "head" else phase
        for phase in recipe.phases
    )
    recipe = msgspec.structs.replace(recipe, phases=phases)
    home = {SHIPPED: WEIGHTS, RANDOM: None}.get(start, Path(start))
    began = load_weights(home / BACKBONE) if home is not None else None
    if not run.path(BACKBONE).is_file():
        calibration = calibrate_on(parts, recipe)
        sets = dev_sets([mine], recipe.backbone.size)[:1]  # says when to stop
        sets += [("kit", images, va) for _, images, va in dev_sets(others, recipe.backbone.size)[:1]]
        if not train_backbone(run, recipe, parts, sets, calibration, start=began, stop_after=stop_after):
            return None
    if not run.path("backbone.tflite").is_file():
        quantize_run(run, recipe, parts)
    if not run.path(HEAD).is_file():
        head = load_weights(home / HEAD) if home is not None else None
        fit_head(run, recipe, parts, mine, start=began, head=head)
    write_head(run, recipe, calibrate_on(parts, recipe))
    before = start_bundle(run)
    return Fitted(
        faces=trained,
        learned=bool(run.notes()["learned"]),
        before=_agreement(before, mine) if before is not None else None,
        after=_agreement(bundle_of(run), mine),
        left_out=found.left_out,
    )


def fit_head(
    run: Run,
    recipe: Recipe,
    parts: Sequence[Part],
    mine: Part,
    *,
    start: Sequence[Float32Array] | None,
    head: Sequence[Float32Array] | None,
) -> None:
    """Trains the head on faces that keep their expression, from the old head with its readout moved where there is one.

    Args:
        run, recipe: of the fit.
        parts: to learn from.
        mine: whose dev part says when to stop.
        start: backbone weights that the fit began with.
        head: the head's, likewise.
    """
    from convert.train.backbone import readout
    from convert.train.head import move_readout

    backbone = open_backbone(run.read("backbone.tflite", "quantize"), recipe)
    size, embed = recipe.backbone.size, embed_step(backbone, recipe.head)
    learn = [part.of("train") for part in parts]
    va = np.concatenate([label(part, Labels())[0] for part in learn])
    loose = [picture for part in learn for picture in part.pictures.loose]
    scenes = held_scenes(loose, va, backbone, recipe, recipe.seed)
    with Progress("sequences", len(scenes), every=48) as progress:
        sequences = make_sequences(scenes, embed, take_in_store, size=size, seed=recipe.seed, advance=progress.advance)
    dev = mine.of("dev")
    held = {"": still_sequences(cut_crops(dev.pictures.loose, size), ratings(dev.faces), backbone, recipe.head)}
    if start is not None and head is not None:
        now = readout(load_weights(run.path(BACKBONE)), recipe.backbone)
        head = move_readout(head, readout(start, recipe.backbone), now, recipe)
    train_head(run, recipe, sequences, held, start=head)


def _agreement(bundle: Bundle, mine: Part) -> tuple[float, float]:
    device, dev = Device(bundle), mine.of("dev")
    crops = cut_crops(dev.pictures.loose, bundle.manifest.crop.size)
    answers = np.stack([device.answer(crop)[1] for crop in crops])
    rated = ratings(dev.faces)
    valence, arousal = (ccc(rated[:, t], answers[:, t]) for t in range(len(TARGETS)))
    return valence, arousal


def split_own(faces: pd.DataFrame, own: pd.DataFrame, start: str, seed: int) -> pd.DataFrame:
    """Fills `split`. Who was learned from in the run to start with is never judged by here.

    Raises:
        DataError: a picture that the run to start with learned from is in split `test` now.
    """
    before = None if start in (SHIPPED, RANDOM) else read_faces(Run(Path(start)).path(FACES))
    if before is not None:
        known = faces["subject"].map(dict(zip(before["subject"], before["split"], strict=True)))
        faces = faces.assign(split=faces["split"].where(faces["split"].ne(""), known.fillna("")))
    faces = merge_subjects(faces)
    free = faces["source"].isin(own["source"].unique()) & faces["split"].eq("")
    subjects = sorted(faces.loc[free, "subject"].unique(), key=lambda name: sha256(f"{seed} {name}".encode()).digest())
    count = len(subjects)
    # Of few persons more are kept back, or nothing could be told by them.
    test = max(round(TEST_SHARE * count), min(FEWEST_JUDGES, count // 3))
    dev = max(round(DEV_SHARE * count), min(FEWEST_JUDGES // 2, count // 5))
    drawn = dict(zip(subjects, ["test"] * test + ["dev"] * dev + ["train"] * (count - test - dev), strict=True))
    done = split_faces(faces.assign(split=faces["split"].mask(free, faces["subject"].map(drawn))), seed)
    if before is not None:
        learned = set(before.loc[before["split"] != "test", "sha256"])
        leaked = done[(done["split"] == "test") & done["sha256"].isin(learned)]
        if len(leaked):
            raise DataError(
                f"{leaked['where'].iloc[0]}: is in split test, and {start} learned from this picture",
                "name its split train in the labels, or start from other weights",
            )
    return done


def _check(mine: Part) -> None:
    """Refuses what nothing can be learned from or told about."""
    faces = mine.faces
    if not np.isfinite(ratings(faces)).all():
        raise DataError(f"{faces['where'].iloc[0]}: a face without valence and arousal cannot be fitted on")
    subjects = faces["subject"].nunique()
    if len(faces) < FEWEST_FACES or subjects < FEWEST_SUBJECTS:
        raise DataError(
            f"{len(faces)} faces of {subjects} persons are too few: {FEWEST_FACES} of {FEWEST_SUBJECTS} are needed, "
            "since nobody may be both learned from and judged by",
            "label more persons",
        )
    for split in SPLITS:
        part = faces[faces["split"] == split]
        if part["subject"].nunique() < 2:
            raise DataError(
                f"split {split} has faces of fewer than two persons", "label more persons, or name splits in the labels"
            )
        for target in TARGETS:
            if split != "test" and part[target].nunique() == 1:
                raise DataError(
                    f"all {len(part)} faces of split {split} have the same {target}, {part[target].iloc[0]:g}; "
                    "agreement cannot be measured on labels that do not vary",
                    "label faces that differ",
                )
