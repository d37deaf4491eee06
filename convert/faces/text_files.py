"""Text files of labels, read so that every complaint names file and line. Knows no data set."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

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


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV file with a header, in any order of columns; each with its line number.

    A cell that a short line lacks is not in the row's mapping.

    Args:
        path: the file.
        columns: must be in the header; further ones are passed on.

    Raises:
        DataError: the file is missing, is no CSV text, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such label file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or []]
            for column in columns:
                if column not in names:
                    raise DataError(f"{path}:1: has no column {column!r}, only {names}")
            if len(set(names)) != len(names):
                raise DataError(f"{path}:1: names a column twice: {names}")
            reader.fieldnames = names
            for cells in reader:
                row = {name: text for name, text in cells.items() if isinstance(name, str) and isinstance(text, str)}
                yield reader.line_num, row
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from error


def parse_number(text: str | None, where: str, name: str, *, low: float = -1.0, high: float = 1.0) -> float:
    """A finite number within its range.

    Args:
        text: as it stands in the file; None for a cell that is not there.
        where: file and line.
        name: what the number is, as `column 'valence'`.
        low, high: the range, ends included.

    Raises:
        DataError: it is no number or out of range; names `where` and `name`.
    """
    try:
        value = float(text or "")
    except ValueError:
        raise DataError(f"{where}: {name} is {text!r}, not a number") from None
    if not low <= value <= high:  # also refuses NaN
        raise DataError(f"{where}: {name} is {value:g}, outside of {low:g}..{high:g}")
    return value


def parse_rating(
    text: str | None, where: str, name: str, *, marks: Collection[float] = (), scale: float = 1.0
) -> float | None:
    """A rating on −1..1, or None where the file marks it as not given.

    Args:
        text, where, name: as of `parse_number`.
        marks: numbers that a data set writes where nobody could rate, as −5.
        scale: the file's own range is ± this.

    Raises:
        DataError: as `parse_number`.
    """
    try:
        if float(text or "") in marks:
            return None
    except ValueError:
        pass  # told by parse_number
    return parse_number(text, where, name, low=-scale, high=scale) / scale
