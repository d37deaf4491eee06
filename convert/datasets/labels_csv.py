"""Label files: a CSV with the columns `image`, `valence` and `arousal`; further columns are kept, not interpreted."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError

COLUMNS = ("image", "valence", "arousal")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One line of a label file.

    Attributes:
        image: path of the picture; relative ones were resolved against the CSV's folder.
        valence, arousal: −1..1.
        extra: the columns not named above, as text.
        where: file and line, for errors about what it names.
    """

    image: Path
    valence: float
    arousal: float
    extra: Mapping[str, str]
    where: str


def read_labels(path: Path) -> list[LabelRow]:
    """Reads a whole label file.

    Raises:
        DataError: the file is missing, lacks a column, is empty, or a line has no number in −1..1; names file and line.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such label file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or []]
            for column in COLUMNS:
                if column not in names:
                    raise DataError(f"{path}:1: has no column {column!r}, only {names}")
            reader.fieldnames = names
            rows = [_row(path, reader.line_num, cells) for cells in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from error
    if not rows:
        raise DataError(f"{path}: has no line below its header")
    return rows


def _row(path: Path, line: int, cells: Mapping[str | None, str | None]) -> LabelRow:
    image = cells["image"]
    if not image:
        raise DataError(f"{path}:{line}: column 'image' is empty")
    known = {name: text for name, text in cells.items() if isinstance(name, str) and isinstance(text, str)}
    return LabelRow(
        image=path.parent / image,
        valence=_number(path, line, "valence", known.get("valence")),
        arousal=_number(path, line, "arousal", known.get("arousal")),
        extra={name: text for name, text in known.items() if name not in COLUMNS},
        where=f"{path}:{line}",
    )


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise DataError(f"{path}:{line}: column {column!r} is {text!r}, not a number") from None
    if not -1 <= value <= 1:  # also refuses NaN
        raise DataError(f"{path}:{line}: column {column!r} is {value:g}, outside of -1..1")
    return value
