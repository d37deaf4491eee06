"""Who of the new faces is learned from, who says when to stop, and who judges: no person is in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.faces.split import held_out
from convert.finetune.recipe import FinetuneRecipe

FEWEST_FACES = 30
FEWEST_GROUPS = 10


class Parts(NamedTuple):
    """The new faces.

    Attributes:
        learn: learned from.
        stop: say when to stop, and which head to take.
        judge: seen by nothing before the verdict.
        declared: the data set named its judges itself.
        persons: groups in all; as many as faces where the labels name none.
    """

    learn: list[LabelledFace]
    stop: list[LabelledFace]
    judge: list[LabelledFace]
    declared: bool
    persons: int


def split_faces(faces: Sequence[LabelledFace], recipe: FinetuneRecipe) -> Parts:
    """Splits by a fixed hash of each group, or, for the judges, as the data set declares.

    Raises:
        DataError: there are too few faces or groups to learn from some and judge by others; or labels that do not vary.
    """
    if len(faces) < FEWEST_FACES:
        raise DataError(
            f"{len(faces)} labelled faces are too few: with fewer than {FEWEST_FACES}, about "
            f"{round(recipe.judge_share * FEWEST_FACES)} would be left to judge by, and no verdict could be trusted"
        )
    groups = Counter(face.cluster for face in faces)
    if len(groups) < FEWEST_GROUPS:
        raise DataError(
            f"{len(faces)} faces of {len(groups)} persons: at least {FEWEST_GROUPS} persons are needed, since nobody "
            "may be both learned from and judged by"
        )
    # A set without a split of its own comes with the hash's, which holds back too few to judge by.
    declared = any(face.validation and not held_out(face.group) for face in faces)
    judges = {face.cluster for face in faces if face.validation} if declared else set[str]()
    order = sorted(groups.keys() - judges, key=_rank)
    if not declared:
        judges = _take(order, groups, recipe.judge_share * len(faces))
    rest = [group for group in order if group not in judges]
    stoppers = _take(rest, groups, recipe.stop_share * len(faces))
    parts = Parts(
        learn=[face for face in faces if face.cluster not in judges | stoppers],
        stop=[face for face in faces if face.cluster in stoppers],
        judge=[face for face in faces if face.cluster in judges],
        declared=declared,
        persons=len(groups),
    )
    for name, part in zip(("learn", "stop", "judge"), parts[:3], strict=True):
        _check(name, part)
    return parts


def _rank(group: str) -> bytes:
    return hashlib.sha256(f"affect-edge fine-tuning {group}".encode()).digest()


def _take(order: Sequence[str], groups: Counter[str], wanted: float) -> set[str]:
    taken, count = set[str](), 0
    for group in order:
        if count + groups[group] / 2 >= wanted and len(taken) >= 2:
            break
        taken.add(group)
        count += groups[group]
    return taken


def _check(name: str, part: Sequence[LabelledFace]) -> None:
    if len({face.cluster for face in part}) < 2:
        raise DataError(f"the part to {name} by has faces of fewer than two persons; label more persons")
    rated = np.array([face.rated for face in part], np.float32)
    for column, target in enumerate(("valence", "arousal")):
        if np.ptp(rated[:, column]) == 0:
            raise DataError(
                f"all {len(part)} faces of the part to {name} by have the same {target}, {rated[0, column]:g}; "
                "agreement cannot be measured on labels that do not vary"
            )
