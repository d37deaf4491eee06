"""`finetune`: a bundle learns from a few labelled pictures of its own place, and is replaced only by what is better."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from convert.commands.options import BundleOption, FromRunOption, RecipeOption, SeedOption, WeightsOption
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
from convert.faces.imported import DatasetPath
from convert.faces.plain import SOURCE as CSV
from convert.finetune.recipe import FinetuneRecipe
from convert.finetune.verdict import TOLERANCE
from convert.package.signing import Signer

_SHOWN = FinetuneRecipe()


class Unfrozen(str, Enum):
    """What may move."""

    ALL = "all"
    LAST = "last"
    HEAD = "head"


ResearchOption = Annotated[
    bool, typer.Option("--research-only", help="Needed where a data set's terms forbid other use.")
]


def finetune(
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Columns image, valence, arousal; also group, split, weight.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="Or another layout as KIND=PATH, see `datasets`; repeatable.")
    ] = None,
    bundle: BundleOption = None,
    weights: WeightsOption = None,
    run: FromRunOption = None,
    recipe: RecipeOption = "default",
    out: OutOption = Path("out/mine"),
    data: OldDataOption = Path("../shared/data"),
    unfreeze: Annotated[
        Unfrozen, typer.Option("--unfreeze", help="What may move: last is the last block and the answer.")
    ] = Unfrozen.LAST,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="At most.")] = _SHOWN.epochs,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=1e-7, max=0.1)] = _SHOWN.learning_rate,
    pull: Annotated[
        float, typer.Option("--pull", min=0.0, help="Weight of the squared distance to the start.")
    ] = _SHOWN.pull,
    seed: SeedOption = None,
    tolerance: ToleranceOption = TOLERANCE,
    replace: ReplaceOption = False,
    sign: SignOption = None,
    research_only: ResearchOption = False,
) -> None:
    """Tunes a bundle's float weights on labelled pictures, quantizes, and compares both on old and new faces.

    At least 30 faces of 10 persons; beside labels.csv, labels.source.json says whose pictures they are. Most layers
    stay frozen and the rest is held to where it began. Half the faces are learned from, others say when to stop, and
    others judge; nobody is in two parts. A candidate that is not better for sure on the new judges, or that may have
    lost more than the tolerance on the old validation set, is refused: exit code 10. Either way it lies in
    OUT/candidate with finetune.md, finetune.json and finetune.png beside it. The faces are kept in OUT/datasets until
    you delete it.

    Example: python -m convert finetune --csv labels.csv --data ../shared/data --out out/mine
    """
    from convert.finetune.baseline import read_baseline
    from convert.finetune.old_data import find_old_data
    from convert.finetune.stage import Order, finetune_stage

    named = ([DatasetPath(CSV, csv)] if csv is not None else []) + [DatasetPath.parse(text) for text in dataset or []]
    if not named:
        raise DataError("finetune: give --csv FILE or --dataset KIND=PATH")
    signer = Signer(sign) if sign else None
    replacement = Replacement.plan(bundle, signer, replace=replace)
    trained = read_baseline(bundle, run, weights, recipe)
    replacement.check(trained.bundle)
    old = find_old_data(data)
    if old is None:
        warn(
            f"{data}: no old data here. Nothing is rehearsed, and the candidate will be refused, since nobody can say "
            "what it lost; give --data."
        )
    tuning = FinetuneRecipe(
        seed=_SHOWN.seed if seed is None else seed,
        unfreeze=unfreeze.value,
        epochs=epochs,
        learning_rate=learning_rate,
        pull=pull,
    )
    found = finetune_stage(
        Order(
            folder=out,
            trained=trained,
            datasets=named,
            recipe=tuning,
            old=old,
            tolerance=tolerance,
            signer=signer,
            research_only=research_only,
        )
    )
    if found is not None:  # only an interruption leaves without a verdict
        replacement.conclude(found.verdict, found.bundle, found.place, out / "finetune.md")
