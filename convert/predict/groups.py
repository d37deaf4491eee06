"""Whether answers err more, or to one side, for some groups of faces; always against ratings, never the teacher.

Apparent ages: `sfhq_ages.csv`, judged by a vision-language model from contact sheets (README.md beside it). Skin tone:
individual typology angle, arctan((L* − 50) / b*) (Chardon et al. 1991), in the bins of Del Bino & Bernerd 2013. It is
measured on the picture, so light and white balance count as skin: it orders pictures, not people. A picture without
the colour of skin (grey, graded blue) has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.pictures import Pictures, loose_square
from convert.metrics import TARGETS, bootstrap_means, ccc, interval
from convert.predict.agreement import FEWEST
from convert.predict.corruption import CLEAN
from edge.values import UInt8Array

AGES = ("child", "teen", "young", "middle", "old")
TONES = {"very light": 55.0, "light": 41.0, "intermediate": 28.0, "tan": 10.0, "brown": -30.0, "dark": -91.0}
UNKNOWN = "unknown"
AGES_FILE = Path(__file__).with_name("sfhq_ages.csv")
# Cheeks and forehead, and half the side of a patch, in units of the crop's side.
_PATCHES, _HALF = ((0.334, 0.5), (0.666, 0.5), (0.5, 0.067)), 0.04
_LEAST_YELLOW, _LEAST_CHROMA = 3.0, 5.0  # b* and chroma of Lab below which a patch has no colour of skin
_FEWEST_PATCHES, _APART = 2, 25.0  # degrees from the median at which a patch is hair or a highlight, not skin


def by_group(scored: pd.DataFrame, groups: Mapping[str, str], order: Sequence[str]) -> pd.DataFrame:
    """Errors of clean frame answers by group.

    Args:
        scored: joined faces.
        groups: name of the group by face id; faces without one are left out.
        order: of the groups in the table.

    Returns:
        By group and target: n, RMSE, `above` (its RMSE less that of all faces in the table) with an interval that draws
        subjects, the mean error (answer less rating), CCC. Too small groups are left out.
    """
    rows = scored[(scored["condition"] == CLEAN) & (scored["answer"] == "frame")]
    rows = rows.assign(group=rows["id"].map(groups)).dropna(subset=["group"])
    lines = []
    for group in order:
        inside = (rows["group"] == group).to_numpy()
        if inside.sum() < FEWEST:
            continue
        for target in TARGETS:
            error = (rows[f"said_{target}"] - rows[target]).to_numpy(float)
            columns = np.stack([error**2 * inside, inside, error**2], axis=1).astype(float)
            drawn = bootstrap_means(columns, rows["subject"])
            with np.errstate(divide="ignore", invalid="ignore"):
                spread = None if drawn is None else np.sqrt(drawn[:, 0] / drawn[:, 1]) - np.sqrt(drawn[:, 2])
            low, high = interval(None if spread is None else spread[np.isfinite(spread)])
            rmse = math.sqrt(float((error[inside] ** 2).mean()))
            line = {"group": group, "target": target, "n": int(inside.sum()), "rmse": rmse}
            line |= {"above": rmse - math.sqrt(float((error**2).mean())), "low": low, "high": high}
            own = rows[inside]
            lines.append(line | {"bias": float(error[inside].mean()), "ccc": ccc(own[target], own[f"said_{target}"])})
    return pd.DataFrame(lines, columns=["group", "target", "n", "rmse", "above", "low", "high", "bias", "ccc"])


def read_ages(path: Path = AGES_FILE) -> dict[str, str]:
    """Apparent age group by face id; `unclear` ones left out.

    Raises:
        DataError: the file is missing or names an unknown group.
    """
    try:
        table = pd.read_csv(path, dtype=str, comment="#")
        groups = dict(zip("sfhq/images/" + table["image"], table["age_group"], strict=True))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a table of image and age_group ({error})") from error
    for face, group in groups.items():
        if group not in (*AGES, "unclear"):
            raise DataError(f"{path}: {face} has the unknown group {group!r}; there are {', '.join(AGES)}")
    return {face: group for face, group in groups.items() if group != "unclear"}


def tones_of(faces: pd.DataFrame, pictures: Pictures) -> dict[str, str]:
    """The bin of each face's skin tone by id; faces whose picture has no colour of skin are left out."""
    named = {name: tone_bin(skin_tone(pictures.loose[n])) for n, name in enumerate(faces["id"])}
    return {name: tone for name, tone in named.items() if tone != UNKNOWN}


def skin_tone(loose: UInt8Array) -> float:
    """The typology angle of a loose picture in degrees, −90..90; NaN where fewer than two patches look like skin."""
    square = loose_square(loose.shape[0])
    corner = square.center_x - square.side / 2
    angles = []
    for x, y in _PATCHES:
        left, right = (round(corner + (x + off) * square.side) for off in (-_HALF, _HALF))
        top, bottom = (round(corner + (y + off) * square.side) for off in (-_HALF, _HALF))
        angles.append(_angle(loose[top:bottom, left:right]))
    known = np.array([angle for angle in angles if angle is not None])
    if known.size < _FEWEST_PATCHES:
        return math.nan
    near = known[np.abs(known - np.median(known)) <= _APART]
    return float(np.median(near if near.size else known))


def tone_bin(angle: float) -> str:
    """The bin of an angle in degrees; `unknown` where there is none."""
    return UNKNOWN if math.isnan(angle) else next(name for name, low in TONES.items() if angle > low)


def _angle(patch: UInt8Array) -> float | None:
    lab = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, red, yellow = (float(value) for value in np.median(lab.reshape(-1, 3), axis=0))
    if yellow < _LEAST_YELLOW or math.hypot(red, yellow) < _LEAST_CHROMA:
        return None
    return math.degrees(math.atan2(light - 50, yellow))
