"""`adapt`: a bundle is fitted to a place's light and camera by its own unlabelled faces, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.commands.options import (
    BundleOption,
    FromRunOption,
    LandmarkerOption,
    RecipeOption,
    TeacherOption,
    WeightsOption,
)
from convert.commands.replacement import (
    OldDataOption,
    OutOption,
    Replacement,
    ReplaceOption,
    SignOption,
    ToleranceOption,
    warn,
)
from convert.errors import DataError
from convert.finetune.verdict import TOLERANCE
from convert.package.signing import Signer


def adapt(
    consent: Annotated[
        str,
        typer.Option("--consent", help="How the people shown agreed, in a few words; for the manifest."),
    ],
    crops: Annotated[Path | None, typer.Option("--crops", help="Folder of pictures of faces.")] = None,
    video: Annotated[list[Path] | None, typer.Option("--video", help="A clip; repeatable.")] = None,
    bundle: BundleOption = None,
    weights: WeightsOption = None,
    run: FromRunOption = None,
    recipe: RecipeOption = "default",
    out: OutOption = Path("out/adapted"),
    data: OldDataOption = Path("../shared/data"),
    teacher: TeacherOption = None,
    landmarker: LandmarkerOption = None,
    prior: Annotated[
        list[float] | None,
        typer.Option("--prior", min=1, help="Pictures that the old statistics count for; default: three are tried."),
    ] = None,
    tolerance: ToleranceOption = TOLERANCE,
    replace: ReplaceOption = False,
    sign: SignOption = None,
) -> None:
    """Measures normalization's statistics and int8's ranges anew on a place's faces. Needs 32 faces and no labels.

    The pictures are held in memory; nothing of them is written, only statistics of whole layers go into the weights.
    Refused, exit code 10, unless the old validation set shows no loss above the tolerance and the network agrees better
    with itself on the place's faces (or with the teacher, given --teacher). docs/finetuning.md says what that gained
    where labels are known: little, so measure before you use it, and prefer `finetune` where you can label 100 faces.

    Example: python -m convert adapt --video shop.mp4 --consent "volunteers, written, 2026-11" --out out/adapted
    """
    from convert.commands.options import find_landmarker
    from convert.finetune.adapt_stage import AdaptOrder, Teacher, adapt_stage
    from convert.finetune.adaptation import PRIORS
    from convert.finetune.baseline import read_baseline
    from convert.finetune.old_data import find_old_data
    from convert.finetune.target import read_target
    from convert.teacher.landmarker import FaceLandmarker
    from convert.teacher.regressor import TeacherLabels
    from convert.train.stages import TEACHER_LABELS

    if not crops and not video:
        raise DataError("adapt: give --crops FOLDER or --video CLIP")
    if not consent.strip():
        raise DataError("--consent is empty; say how the people shown agreed, or do not use their pictures")
    signer = Signer(sign) if sign else None
    replacement = Replacement.plan(bundle, signer, replace=replace)
    trained = read_baseline(bundle, run, weights, recipe)
    replacement.check(trained.bundle)
    old = find_old_data(data)
    if old is None:
        warn(f"{data}: no old data here, so the candidate will be refused; give --data.")
    asked = None
    if teacher is not None and old is not None:
        graphs = FaceLandmarker(find_landmarker(data, landmarker))
        asked = Teacher(landmarker=graphs, labels=TeacherLabels.load(teacher / TEACHER_LABELS))
    found = adapt_stage(
        AdaptOrder(
            folder=out,
            trained=trained,
            target=read_target(crops, video or [], seed=trained.recipe.seed),
            consent=consent.strip(),
            old=old,
            teacher=asked,
            priors=sorted(prior, reverse=True) if prior else PRIORS,
            tolerance=tolerance,
            signer=signer,
        )
    )
    replacement.conclude(found.verdict, found.bundle, found.place, out / "adapt.md")
