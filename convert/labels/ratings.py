"""Files of ratings, in two forms, and the ratings in them.

Long form, one file for any number of annotators: `annotator,item,valence,arousal` and, for traces, `time_s`.
Trace form, one file a trace: `time_s,valence,arousal`, named `ITEM.ANNOTATOR.csv`.
Ratings lie in −1..1; a cell may be empty where an annotator rated only the other target.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError
from convert.faces.text_files import parse_number, read_table
from convert.metrics import TARGETS

_LONGEST_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What one annotator said of one item, or of one moment of it.

    Attributes:
        annotator, item: names.
        values: valence and arousal in −1..1; NaN for one that was not rated, never for both.
        time_s: within the item; None for an item that is rated as a whole.
        where: file and line.
    """

    annotator: str
    item: str
    values: tuple[float, float]
    time_s: float | None
    where: str


def read_ratings(paths: Sequence[Path]) -> list[Rating]:
    """Reads files of either form and checks them together.

    Raises:
        DataError: a file is missing or malformed, an item was rated twice by one annotator, times do not rise, or only
            some ratings have a time; names file and line.
    """
    ratings = [rating for path in paths for rating in _read(path)]
    if not ratings:
        raise DataError(f"{', '.join(map(str, paths)) or 'no files'}: no ratings")
    _check(ratings)
    return ratings


def _read(path: Path) -> Iterable[Rating]:
    given: tuple[str, str] | None = None
    for line, row in read_table(path, ()):
        where = f"{path}:{line}"
        if "annotator" in row or "item" in row:
            annotator, item = row.get("annotator", "").strip(), row.get("item", "").strip()
            if not annotator or not item:
                raise DataError(f"{where}: columns 'annotator' and 'item' must not be empty")
        else:
            given = given or _names(path)
            item, annotator = given
            if not row.get("time_s"):
                raise DataError(f"{where}: column 'time_s' is missing or empty, and a trace needs it")
        time_s = None
        if row.get("time_s"):
            time_s = parse_number(row["time_s"], where, "column 'time_s'", low=0.0, high=_LONGEST_S)
        yield Rating(annotator=annotator, item=item, values=_values(row, where), time_s=time_s, where=where)


def _names(path: Path) -> tuple[str, str]:
    item, dot, annotator = path.name.removesuffix(".csv").rpartition(".")
    if not dot or not item or not annotator:
        raise DataError(
            f"{path}: has no columns 'annotator' and 'item', and is not named ITEM.ANNOTATOR.csv as one trace would be"
        )
    return item, annotator


def _values(row: Mapping[str, str], where: str) -> tuple[float, float]:
    valence, arousal = (
        parse_number(row[target], where, f"column {target!r}") if row.get(target) else math.nan for target in TARGETS
    )
    if math.isnan(valence) and math.isnan(arousal):
        raise DataError(f"{where}: neither valence nor arousal is rated")
    return valence, arousal


def _check(ratings: Sequence[Rating]) -> None:
    timed = ratings[0].time_s is not None
    last: dict[tuple[str, str], Rating] = {}
    for rating in ratings:
        if (rating.time_s is not None) != timed:
            raise DataError(
                f"{rating.where}: {'has no' if timed else 'has a'} time, but {ratings[0].where} "
                f"{'has one' if timed else 'has none'}; merge traces and whole items apart"
            )
        before = last.get((rating.annotator, rating.item))
        if before is not None and rating.time_s is None:
            raise DataError(f"{rating.where}: {rating.annotator!r} rated {rating.item!r} already at {before.where}")
        before_s = -1.0 if before is None or before.time_s is None else before.time_s
        if before is not None and rating.time_s is not None and rating.time_s <= before_s:
            raise DataError(
                f"{rating.where}: time {rating.time_s:g} s of {rating.annotator!r} on {rating.item!r} "
                f"does not come after {before_s:g} s at {before.where}"
            )
        last[rating.annotator, rating.item] = rating
