"""The face table: a pandas frame with one row a face, Parquet on disk. Every verb reads it.

| column | dtype | meaning |
|---|---|---|
| `id` | str | unique: `<source>/<path below the set>`, with `#<frame>` after it for a frame of a video |
| `picture` | str | path of the picture or video |
| `frame`, `time_s` | Int64, Float64 | of a frame of a video, from 0; NA for a picture by itself |
| `sha256` | str | of the decoded pixels; empty before they were decoded |
| `subject` | str | `<source>/<person, video or generator group>`: rows of one subject are in one split |
| `split` | str | `train`, `dev`, `test`; empty before `split_faces` where the set declares none |
| `source`, `licence` | str | short name of the set; SPDX name or a few words |
| `real` | bool | shows a real person |
| `valence`, `arousal` | float32 | −1..1; NaN without a label |
| `weight` | float32 | of the rating in a loss, above 0 |
| `rater` | str | `people`, `ai`, `teacher`; empty where there is no label |
| `expression` | str | class, where the set names one |
| `clip` | str | what the frames of one clip share; they are in order of time. Empty for a picture by itself |
| `box_px` | list of 4 float32, or None | x1, y1, x2, y2 of the face in the picture, where the set gives it |
| `landmarks_px` | list of float32, or None | x, y, x, y, … found by the device's detector; None before `find_faces` |
| `loose` | bool | the picture was already cut as `Pictures` keeps it: the crop's square is its middle |
| `where` | str | file and line of the label, for errors |
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.metrics import TARGETS

SPLITS = ("train", "dev", "test")
RATERS = ("people", "ai", "teacher", "")
TEST_LOG = Path(__file__).resolve().parents[2] / "docs" / "test-lookups.csv"

_COLUMNS: dict[str, tuple[str, Any]] = {  # dtype, and what says nothing
    "id": ("str", ""),
    "picture": ("str", ""),
    "frame": ("Int64", pd.NA),
    "time_s": ("Float64", pd.NA),
    "sha256": ("str", ""),
    "subject": ("str", ""),
    "split": ("str", ""),
    "source": ("str", ""),
    "licence": ("str", ""),
    "real": ("bool", True),
    "valence": ("float32", np.nan),
    "arousal": ("float32", np.nan),
    "weight": ("float32", 1.0),
    "rater": ("str", ""),
    "expression": ("str", ""),
    "clip": ("str", ""),
    "box_px": ("object", None),
    "landmarks_px": ("object", None),
    "loose": ("bool", False),
    "where": ("str", ""),
}
_FILLED = ("id", "picture", "subject", "source")


def make_faces(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A checked face table from some of its columns; the others get what says nothing: empty, NA, weight 1.

    Raises:
        DataError: as `check_faces`.
    """
    frame = pd.DataFrame(dict(columns))
    for name, (kind, nothing) in _COLUMNS.items():
        if name not in frame:
            frame[name] = pd.Series([nothing] * len(frame), index=frame.index, dtype=kind)
    return check_faces(frame)


def join_faces(*frames: pd.DataFrame) -> pd.DataFrame:
    """Several tables as one.

    Raises:
        DataError: two rows have one `id`.
    """
    return check_faces(pd.concat(frames, ignore_index=True))


def check_faces(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the table's columns, order and dtypes, and a plain index.

    Raises:
        DataError: a column is missing or of another type, a cell is empty or out of range, or an `id` comes twice;
            names row and column.
    """
    missing = [name for name in _COLUMNS if name not in frame]
    if missing:
        raise DataError(f"face table: has no column {missing[0]!r}, only {list(frame.columns)}")
    frame = frame[list(_COLUMNS)].reset_index(drop=True)
    for name, (kind, _) in _COLUMNS.items():
        try:
            frame[name] = frame[name].astype(kind)
        except (TypeError, ValueError) as error:
            raise DataError(f"face table: column {name!r} is not {kind} ({error})") from error
        if kind == "str":
            frame[name] = frame[name].fillna("")
    for name in _FILLED:
        _refuse(frame, frame[name] == "", name, "is empty")
    for name, allowed in (("split", (*SPLITS, "")), ("rater", RATERS)):
        _refuse(frame, ~frame[name].isin(allowed), name, f"is not one of {', '.join(filter(None, allowed))}")
    for name in TARGETS:
        _refuse(frame, frame[name].abs() > 1, name, "is outside of -1..1")
    _refuse(frame, frame["valence"].isna() != frame["arousal"].isna(), "arousal", "is there without the other rating")
    _refuse(frame, ~(frame["weight"] > 0), "weight", "is not above 0")
    _refuse(frame, frame["id"].duplicated(), "id", "comes twice")
    return frame


def read_faces(path: Path) -> pd.DataFrame:
    """Reads a face table.

    Raises:
        DataError: the file is missing, no Parquet, or not such a table.
    """
    try:
        return check_faces(pd.read_parquet(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such face table") from None
    except DataError as error:
        raise DataError(f"{path}: {error.message}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a face table ({error})") from error


def write_faces(path: Path, frame: pd.DataFrame) -> None:
    """Writes a checked face table, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    check_faces(frame).to_parquet(partial, index=False)
    partial.replace(path)


def without_test(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that choices may be made on: all but those of split `test`."""
    return frame[frame["split"] != "test"].reset_index(drop=True)


def open_test(frame: pd.DataFrame, why: str, *, bundle: str = "", log: Path = TEST_LOG) -> pd.DataFrame:
    """The rows of split `test`; writes down that they were looked at. There is no other way to them.

    Args:
        frame: a face table.
        why: what is to be learned from it.
        bundle: hash of what is tested.
        log: CSV to append to; by default the repository's.

    Raises:
        DataError: no reason was given, or the log cannot be written.
    """
    if not why.strip():
        raise DataError("a look at the test rows needs a reason")
    test = frame[frame["split"] == "test"].reset_index(drop=True)
    line = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(Path(word).name for word in sys.argv),
        "commit": _commit(),
        "bundle": bundle,
        "why": why,
        "faces": " ".join(f"{name}:{count}" for name, count in test["source"].value_counts().sort_index().items()),
    }
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame([line]).to_csv(log, mode="a", header=not log.is_file(), index=False)
    except OSError as error:
        raise DataError(f"{log}: cannot be written ({error.strerror})") from error
    return test


def _commit() -> str:
    try:
        asked = ["git", "-C", str(TEST_LOG.parent), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _refuse(frame: pd.DataFrame, wrong: pd.Series, column: str, said: str) -> None:
    wrong = wrong.fillna(True).astype(bool)
    if wrong.any():
        row = int(np.flatnonzero(wrong.to_numpy())[0])
        where = frame.at[row, "where"] or f"face table: row {row} ({frame.at[row, 'id']})"
        cell = frame[column].tolist()[row]
        raise DataError(f"{where}: column {column!r} {said}: {cell!r}")
