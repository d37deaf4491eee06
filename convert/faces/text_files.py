"""Text files of labels as pandas tables, read so that every complaint names file and line. Knows no data set."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from convert.errors import DataError


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, stripped, empty ones at its end left out.

    Raises:
        DataError: the file is missing, unreadable or no UTF-8 text.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file with a header, its columns in any order: text, stripped; the index is the line in the file.

    Args:
        path: the file.
        columns: must be in the header; further ones are passed on. A cell that a short line lacks is empty.

    Raises:
        DataError: the file is missing, no CSV text, empty, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such label file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = [name.strip() for name in next(reader, [])]
            for column in columns:
                if column not in names:
                    raise DataError(f"{path}:1: has no column {column!r}, only {names}")
            if len(set(names)) != len(names):
                raise DataError(f"{path}:1: names a column twice: {names}")
            blank = [""] * len(names)
            rows = {}
            for cells in reader:
                if any(cells):
                    rows[reader.line_num] = (cells + blank)[: len(names)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from error
    if not rows:
        raise DataError(f"{path}: has no line below its header")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names, dtype="str")
    return table.apply(lambda column: column.str.strip())


def parse_numbers(
    texts: pd.Series, path: Path, name: str, *, low: float = -1.0, high: float = 1.0, marks: Collection[float] = ()
) -> pd.Series:
    """Finite numbers within their range: float64, NaN where the file marks one as not given.

    Args:
        texts: as they stand in the file; the index is the line, or the name of the entry.
        path: the file.
        name: what the numbers are, as `column 'valence'`.
        low, high: the range, ends included.
        marks: numbers that a data set writes where nobody could rate, as −5.

    Raises:
        DataError: one is no number or out of range; names its line.
    """
    values = pd.to_numeric(texts, errors="coerce").astype(float)
    marked = values.isin(list(marks))
    wrong = ~marked & ~values.between(low, high)
    if wrong.any():
        entry = wrong.idxmax()
        said = f"{texts[entry]!r}, not a number"
        if pd.notna(values[entry]):
            said = f"{values[entry]:g}, outside of {low:g}..{high:g}"
        raise DataError(f"{place(path, entry)}: {name} is {said}")
    return values.mask(marked)


def column_numbers(table: pd.DataFrame, path: Path, name: str, *, low: float = -1.0, high: float = 1.0) -> pd.Series:
    """A column of `read_table` as numbers, as `parse_numbers` reads them; NaN where the cell is empty."""
    texts = table[name] if name in table else pd.Series("", index=table.index, dtype="str")
    given = texts.ne("")
    return parse_numbers(texts[given], path, f"column {name!r}", low=low, high=high).reindex(table.index)


def place(path: Path, entry: int | str) -> str:
    """A file and its line or entry, for errors."""
    return f"{path}:{entry}" if not isinstance(entry, str) else f"{path}: {entry}"
