r"""Files of ratings, in two forms, and the ratings as tables.

Long form, one file for any number of annotators: `annotator,item,valence,arousal` and, for traces, `time_s`.
Trace form, one file a trace: `time_s,valence,arousal`, named `ITEM.ANNOTATOR.csv`.
Ratings lie in −1..1; a cell may be empty where an annotator rated only the other target. An item's path may be written
with `\` or with `/`: both name the same item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.text_files import column_numbers, place, read_table
from convert.metrics import TARGETS

_LONGEST_S = 1e6
_LONGEST_GAP_S = 2.0  # between two samples of a trace, over which a line is drawn


def read_ratings(paths: Sequence[Path]) -> pd.DataFrame:
    """Reads files of either form and checks them together.

    Returns:
        Columns `annotator`, `item`, `time_s` (NaN for an item rated as a whole), `valence`, `arousal` (NaN for one that
        was not rated) and `where`, file and line.

    Raises:
        DataError: a file is missing or malformed, an item was rated twice by one annotator, times do not rise, or only
            some ratings have a time; names file and line.
    """
    ratings = pd.concat([_read(path) for path in paths], ignore_index=True)
    timed = ratings["time_s"].notna()
    odd = timed != timed.iloc[0]
    if odd.any():
        had = ("has no", "has one") if timed.iloc[0] else ("has a", "has none")
        raise DataError(
            f"{ratings.at[odd.idxmax(), 'where']}: {had[0]} time, but {ratings.at[0, 'where']} {had[1]}; "
            "merge traces and whole items apart"
        )
    before = ratings.groupby(["annotator", "item"]).shift()
    again = before["where"].notna() & ~(ratings["time_s"] > before["time_s"])
    if again.any():
        row, last = ratings.loc[again.idxmax()], before.loc[again.idxmax()]
        if not timed.iloc[0]:
            raise DataError(f"{row['where']}: {row['annotator']!r} rated {row['item']!r} already at {last['where']}")
        raise DataError(
            f"{row['where']}: time {row['time_s']:g} s of {row['annotator']!r} on {row['item']!r} "
            f"does not come after {last['time_s']:g} s at {last['where']}"
        )
    return ratings


def read_known(path: Path, *, tolerance: float) -> pd.DataFrame:
    """Reads a file of known answers: `item,valence,arousal`, one of the two may be empty; optional `tolerance`.

    Returns:
        `valence`, `arousal` (NaN without an answer) and `tolerance` by item.

    Raises:
        DataError: the file is missing or malformed, or names an item twice; names the line.
    """
    table = read_table(path, ("item",))
    known = pd.DataFrame({name: column_numbers(table, path, name) for name in TARGETS})
    known["tolerance"] = column_numbers(table, path, "tolerance", low=0.0, high=2.0).fillna(tolerance)
    item = _plain(table["item"])
    for wrong, said in (
        (item.eq(""), "is empty"),
        (item.duplicated(), "is named twice"),
        (known[list(TARGETS)].isna().all(axis=1), "has no answer"),
    ):
        if wrong.any():
            raise DataError(f"{place(path, int(wrong.idxmax()))}: item {item[wrong.idxmax()]!r} {said}")
    return known.set_index(item)


def make_matrix(
    ratings: pd.DataFrame, *, step_s: float = 0.1, lags_s: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Lays ratings out; traces are drawn onto a time grid by straight lines between their samples.

    Args:
        ratings: as `read_ratings` gives them.
        step_s: of the grid, for traces.
        lags_s: by annotator, subtracted from the times of their traces.

    Returns:
        A row an item and moment, by (`item`, `time_s`; 0 for items rated as a whole), a column a target and annotator;
        NaN where there is no rating.

    Raises:
        DataError: nothing is left of an item's traces: they are shorter than their lags, or than a step of the grid.
    """
    if ratings["time_s"].isna().all():
        wide = ratings.pivot(index="item", columns="annotator", values=list(TARGETS)).loc[ratings["item"].unique()]
        return wide.set_index(pd.MultiIndex.from_product([wide.index, [0.0]], names=["item", "time_s"]))
    blocks = {}
    for item, traces in ratings.groupby("item", sort=False):
        grid = np.arange(int(np.floor(traces["time_s"].max() / step_s + 1e-9)) + 1) * step_s
        drawn = {
            (target, name): _draw(trace["time_s"] - (lags_s or {}).get(str(name), 0.0), trace[target], grid)
            for target in TARGETS
            for name, trace in traces.groupby("annotator")
        }
        blocks[item] = pd.DataFrame(drawn, index=pd.Index(grid, name="time_s")).dropna(how="all")
        if blocks[item].empty:
            raise DataError(
                f"{traces['where'].iloc[0]}: nothing is left of the traces of {item!r}: they are shorter than their "
                f"lags, or than {step_s:g} s, a step of the grid"
            )
    return pd.concat(blocks, names=["item"]).sort_index(axis=1)


def _read(path: Path) -> pd.DataFrame:
    table = read_table(path, ())
    if "annotator" in table or "item" in table:
        names = table.reindex(columns=["annotator", "item"], fill_value="")
        empty = names.eq("").any(axis=1)
        if empty.any():
            raise DataError(f"{place(path, int(empty.idxmax()))}: columns 'annotator' and 'item' must not be empty")
    else:
        item, dot, annotator = path.name.removesuffix(".csv").rpartition(".")
        if not dot or not item or not annotator:
            raise DataError(
                f"{path}: has no columns 'annotator' and 'item', and is not named ITEM.ANNOTATOR.csv as one trace is"
            )
        names = pd.DataFrame({"annotator": annotator, "item": item}, index=table.index)
    time_s = column_numbers(table, path, "time_s", low=0.0, high=_LONGEST_S)
    if "annotator" not in table and time_s.isna().any():
        raise DataError(f"{place(path, int(time_s.isna().idxmax()))}: column 'time_s' is empty, and a trace needs it")
    values = {name: column_numbers(table, path, name) for name in TARGETS}
    none = values["valence"].isna() & values["arousal"].isna()
    if none.any():
        raise DataError(f"{place(path, int(none.idxmax()))}: neither valence nor arousal is rated")
    where = [place(path, int(line)) for line in table.index]
    return pd.DataFrame({**names, "item": _plain(names["item"]), "time_s": time_s, **values, "where": where})


def _plain(item: pd.Series) -> pd.Series:
    return item.str.replace("\\", "/").str.removeprefix("./")


def _draw(times: pd.Series, values: pd.Series, grid: np.ndarray) -> np.ndarray:
    rated = values.notna().to_numpy()
    at, value = times.to_numpy()[rated], values.to_numpy()[rated]
    if not len(at):
        return np.full(len(grid), np.nan)
    after = np.searchsorted(at, grid + 1e-9, side="right")
    inside = (grid >= at[0] - 1e-9) & (grid <= at[-1] + 1e-9)
    gap = np.diff(at, prepend=at[0], append=at[-1])[after]
    return np.where(inside & (gap <= _LONGEST_GAP_S), np.interp(grid, at, value), np.nan)
