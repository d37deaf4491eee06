"""What the field used before it went deep: gradients or texture of the device's own crop, and a ridge regression.

HOG (Dalal & Triggs 2005) and LBP (Ojala, Pietikäinen & Mäenpää 2002; histograms by cell, Ahonen et al. 2006), of the
same crops, split and ratings as the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from edge.values import Float32Array, UInt8Array

_CELL_PX = 16  # side of a histogram's cell; the device's crop has 7 × 7
_ALPHAS = np.logspace(0, 6, 13)
_FOLDS = 5


def hog_features(crop: UInt8Array) -> Float32Array:
    """Histograms of gradients of a crop uint8 (S, S, 3) RGB: 9 orientations, cells of 8 px, blocks of 2 × 2 cells."""
    from skimage.feature import hog

    found = hog(_grey(crop), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2), feature_vector=True)
    return np.asarray(found, np.float32)


def lbp_features(crop: UInt8Array) -> Float32Array:
    """Histograms of uniform local binary patterns (8 neighbours, 1 px) in cells of a crop uint8 (S, S, 3) RGB."""
    from skimage.feature import local_binary_pattern

    patterns = local_binary_pattern(_grey(crop), 8, 1, method="nri_uniform").astype(int)
    cells = patterns.shape[0] // _CELL_PX
    patterns = patterns[: cells * _CELL_PX, : cells * _CELL_PX].reshape(cells, _CELL_PX, cells, _CELL_PX)
    flat = patterns.swapaxes(1, 2).reshape(cells * cells, -1)
    counts = [np.bincount(cell, minlength=59) for cell in flat]  # 58 uniform patterns and one bin for all others
    return np.asarray(np.stack(counts).ravel() / _CELL_PX**2, np.float32)


FEATURES: dict[str, Callable[[UInt8Array], Float32Array]] = {"HOG": hog_features, "LBP": lbp_features}


def fit_baseline(
    features: Callable[[UInt8Array], Float32Array],
    crops: UInt8Array,
    va: Float32Array,
    groups: Sequence[str],
    asked: UInt8Array,
) -> Float32Array:
    """A ridge's answers float32 (M, 2) to crops, learned from others and their mirror images.

    Args:
        features: of a crop.
        crops, va: uint8 (N, S, S, 3) RGB and float32 (N, 2), to learn from.
        groups: N names; those of one group are never on two sides of the folds that choose the ridge's strength.
        asked: uint8 (M, S, S, 3), never fitted.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    known = scaler.fit_transform(_stack(features, np.concatenate([crops, crops[:, :, ::-1]])))
    unknown, answers = scaler.transform(_stack(features, asked)), []
    for target in range(2):
        search: Any = GridSearchCV(Ridge(), {"alpha": _ALPHAS}, cv=GroupKFold(_FOLDS), scoring="neg_mean_squared_error")
        search.fit(known, np.tile(va[:, target], 2), groups=[*groups, *groups])
        answers.append(np.clip(search.predict(unknown), -1, 1))
    return np.stack(answers, axis=1).astype(np.float32)


def _stack(features: Callable[[UInt8Array], Float32Array], crops: UInt8Array) -> Float32Array:
    return np.stack([features(np.ascontiguousarray(crop)) for crop in crops])


def _grey(crop: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)
