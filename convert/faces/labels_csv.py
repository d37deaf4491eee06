"""Label files: a CSV with the columns `image`, `valence` and `arousal`; `weight` if there; others are kept as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError
from convert.faces.text_files import parse_number, read_table

COLUMNS = ("image", "valence", "arousal")
WEIGHT = "weight"
_LARGEST_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One line of a label file.

    Attributes:
        image: path of the picture; relative ones were resolved against the CSV's folder.
        valence, arousal: −1..1.
        extra: the columns not named above, as text.
        where: file and line, for errors about what it names.
        weight: of the row in a loss, above 0; 1 where the file has no such column.
        group: what the picture belongs to, see `parse_group`; empty for a picture by itself.
    """

    image: Path
    valence: float
    arousal: float
    extra: Mapping[str, str]
    where: str
    weight: float = 1.0
    group: str = ""


def read_labels(path: Path) -> list[LabelRow]:
    """Reads a whole label file.

    Raises:
        DataError: the file is missing, lacks a column, is empty, or a line has no number in −1..1; names file and line.
    """
    rows = [_row(path, line, cells) for line, cells in read_table(path, COLUMNS)]
    if not rows:
        raise DataError(f"{path}: has no line below its header")
    return rows


def parse_weight(cells: Mapping[str, str], where: str) -> float:
    """The row's weight in a loss: above 0, and 1 where there is no such column or its cell is empty.

    Raises:
        DataError: it is no number or not above 0.
    """
    text = cells.get(WEIGHT)
    if not text:
        return 1.0
    weight = parse_number(text, where, f"column {WEIGHT!r}", low=0.0, high=_LARGEST_WEIGHT)
    if weight == 0:
        raise DataError(f"{where}: column {WEIGHT!r} is 0; leave the line out instead")
    return weight


def parse_group(cells: Mapping[str, str]) -> str:
    """What a row belongs to: its `group`, else its `subject`, else its `video`; empty where it names none.

    All of one group fall on one side of a split, and bootstrap intervals draw them together.
    """
    return cells.get("group") or cells.get("subject") or cells.get("video") or ""


def _row(path: Path, line: int, cells: Mapping[str, str]) -> LabelRow:
    where = f"{path}:{line}"
    image = cells.get("image")
    if not image:
        raise DataError(f"{where}: column 'image' is empty")
    return LabelRow(
        image=path.parent / image,
        valence=parse_number(cells.get("valence"), where, "column 'valence'"),
        arousal=parse_number(cells.get("arousal"), where, "column 'arousal'"),
        extra={name: text for name, text in cells.items() if name not in (*COLUMNS, WEIGHT)},
        where=where,
        weight=parse_weight(cells, where),
        group=parse_group(cells),
    )
