"""What the network sees of single muscles, and what of arousal: ridge regressions from its embedding.

The reference is the landmarker's blendshapes, which are an estimate themselves. A ridge shows what is in the features,
whether or not the network's own answer uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from convert.metrics import TARGETS, agreement, cc
from convert.predict.agreement import FEWEST, score
from convert.predict.corruption import CLEAN
from convert.teacher.landmarker import BLENDSHAPES
from edge.values import Float32Array

SHOWN = (
    *("jawOpen", "eyeBlinkLeft", "eyeWideLeft", "eyeSquintLeft", "browInnerUp", "browDownLeft", "browOuterUpLeft"),
    *("mouthSmileLeft", "mouthFrownLeft", "mouthUpperUpLeft", "mouthLowerDownLeft", "mouthStretchLeft"),
    *("mouthPucker", "mouthFunnel", "mouthPressLeft", "noseSneerLeft"),
)
TALKING = "talking"
_ALPHAS = np.logspace(-1, 5, 13)
_FOLDS = 10
_LEAST_SPREAD = 0.01  # standard deviation of a blendshape below which nothing is to be seen of it


def muscles(
    fit: tuple[Float32Array, Float32Array], sets: Mapping[str, tuple[Float32Array, Float32Array]]
) -> pd.DataFrame:
    """Correlation of each blendshape with a ridge from the embedding, by set.

    Args:
        fit: embeddings (N, D) and blendshapes (N, 52) that the ridge learns from.
        sets: the same of faces that it did not, by name.
    """
    ridge = _ridge().fit(*fit)
    said = {name: ridge.predict(embeddings) for name, (embeddings, _) in sets.items()}
    lines = []
    for shape in SHOWN:
        column = BLENDSHAPES.index(shape)
        for name, (_, truth) in sets.items():
            spread = float(truth[:, column].std())
            r = cc(truth[:, column], said[name][:, column]) if spread > _LEAST_SPREAD else None
            lines.append({"blendshape": shape, "set": name, "n": len(truth), "sd": spread, "r": r})
    return pd.DataFrame(lines, columns=["blendshape", "set", "n", "sd", "r"])


def read_out(features: Mapping[str, Float32Array], va: Float32Array, groups: pd.Series) -> pd.DataFrame:
    """How well valence and arousal can be read from features by a ridge, persons cross-validated.

    Args:
        features: (N, K) by name, of the same faces.
        va: float32 (N, 2), their ratings.
        groups: N persons; those of one are never on two sides of a fold.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    lines = []
    persons = int(groups.nunique())
    for name, values in features.items():
        if len(va) < FEWEST or persons < 3:
            continue
        folds = GroupKFold(min(_FOLDS, persons))
        for target, rated in zip(TARGETS, va.T, strict=True):
            said = cross_val_predict(_ridge(), values, rated, groups=groups, cv=folds)
            found = agreement(rated, said, groups=groups)
            lines.append({"features": name, "target": target, "subjects": persons} | found._asdict())
    columns = ["features", "target", "subjects", "n", "ccc", "ccc_low", "ccc_high", "cc", "rmse", "sagr"]
    return pd.DataFrame(lines, columns=columns)


def speech(scored: pd.DataFrame, blendshapes: Float32Array, ids: pd.Series) -> pd.DataFrame:
    """Clean frame answers to faces that talk against the others of a set: bias, RMSE and CCC.

    Sets with a class that is called `talking` say themselves who talks; of others a mouth that is open or rounded
    without a smile or raised brows is told apart, as `mouth open`.
    """
    rows = scored[(scored["condition"] == CLEAN) & (scored["answer"] == "frame")]
    moves = rows["id"].map(dict(zip(ids, _mouth_moves(blendshapes), strict=True)))
    talks = rows["expression"].str.contains(TALKING)
    told = rows["source"].map(talks.groupby(rows["source"]).any())
    named = moves.map({True: "mouth open", False: "other"}).where(~told, talks.map({True: TALKING, False: "silent"}))
    return score(rows.assign(speech=named), ["source", "speech"])


def _mouth_moves(blendshapes: Float32Array) -> list[bool]:
    def of(*names: str) -> Float32Array:
        return np.asarray(np.max(blendshapes[:, [BLENDSHAPES.index(name) for name in names]], axis=1), np.float32)

    moves = (of("jawOpen", "mouthFunnel") > 0.12) | (of("mouthPucker") > 0.4)
    quiet = (of("mouthSmileLeft", "mouthSmileRight") < 0.2) & (of("eyeWideLeft", "browInnerUp") < 0.3)
    return [bool(each) for each in moves & quiet]


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(_ALPHAS, alpha_per_target=False))
