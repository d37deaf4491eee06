"""What conditions leave of the agreement of clean pictures, and of the faces that the detector finds."""

from __future__ import annotations

import math

import pandas as pd

from convert.metrics import TARGETS, agreement, bootstrap_ccc, bootstrap_means, ccc, interval
from convert.predict.agreement import FEWEST
from convert.predict.corruption import CLEAN, CONDITIONS


def kept(scored: pd.DataFrame) -> pd.DataFrame:
    """CCC under each condition, and its share of the clean CCC of the same faces, with an interval.

    `frame` cuts the crop where the face truly is: what the network makes of it. `device` cuts where the detector says,
    and counts the faces found alone: a row with few found flatters. Pictures that came already cut, as the studio's,
    have blurred surroundings in which the detector finds less, so they count for the network alone.
    """
    scored = scored[~(scored["loose"] & (scored["answer"] == "device"))]
    found = scored[(scored["answer"] == "frame") & ~scored["loose"]].groupby("condition")["found"].mean()
    lines = []
    for condition, how in CONDITIONS.items():
        for answer in ("frame", "device"):
            rows = scored[scored["answer"] == answer]
            clean = rows[rows["condition"] == CLEAN][["id", *(f"said_{target}" for target in TARGETS)]]
            both = rows[rows["condition"] == condition].merge(clean, on="id", suffixes=("", "_clean"))
            if len(both) < FEWEST:
                continue
            for target in TARGETS:
                truth, said, plain = (both[name] for name in (target, f"said_{target}", f"said_{target}_clean"))
                own = agreement(truth, said, groups=both["subject"])
                drawn = [bootstrap_ccc(truth, each, both["subject"]) for each in (said, plain)]
                share = None if drawn[0] is None or drawn[1] is None else drawn[0] / drawn[1]
                low, high = interval(share)
                line = {
                    "axis": how.axis,
                    "condition": condition,
                    "found": float(found.get(condition, math.nan)),
                    "answer": answer,
                }
                line |= {"target": target, "n": own.n, "ccc": own.ccc, "rmse": own.rmse}
                lines.append(line | {"kept": own.ccc / ccc(truth, plain), "low": low, "high": high})
    columns = ["axis", "condition", "found", "answer", "target", "n", "ccc", "rmse", "kept", "low", "high"]
    return pd.DataFrame(lines, columns=columns)


def shifts(scored: pd.DataFrame, axis: str = "skin") -> pd.DataFrame:
    """By condition of an axis: the mean of the frame answer less that to the clean picture, with an interval.

    Groups of people differ in what they express; here nothing but the picture does, so a shift is the network's own.
    """
    rows = scored[scored["answer"] == "frame"]
    clean = rows[rows["condition"] == CLEAN][["id", *(f"said_{target}" for target in TARGETS)]]
    lines = []
    for condition in (name for name, how in CONDITIONS.items() if how.axis == axis):
        both = rows[rows["condition"] == condition].merge(clean, on="id", suffixes=("", "_clean"))
        for target in TARGETS if len(both) else ():
            off = (both[f"said_{target}"] - both[f"said_{target}_clean"]).to_numpy(float)
            drawn = bootstrap_means(off[:, None], both["subject"])
            low, high = interval(None if drawn is None else drawn[:, 0])
            line = {"condition": condition, "target": target, "n": len(off), "shift": float(off.mean())}
            lines.append(line | {"low": low, "high": high, "rms": float((off**2).mean() ** 0.5)})
    return pd.DataFrame(lines, columns=["condition", "target", "n", "shift", "low", "high", "rms"])
