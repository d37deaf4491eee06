"""Label files: a CSV with the columns `image`, `valence` and `arousal`; `weight` if there; others are kept as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError
from convert.faces.text_files import column_numbers, parse_numbers, place, read_table

COLUMNS = ("image", "valence", "arousal")
WEIGHT = "weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One line of a label file.

    Attributes:
        image: path of the picture; relative ones were resolved against the CSV's folder.
        valence, arousal: −1..1.
        extra: the columns not named above, as text.
        where: file and line, for errors about what it names.
        weight: of the row in a loss, above 0; 1 where the file has no such column.
        group: what the picture belongs to: its `group`, else `subject`, else `video`; empty for a picture by itself.
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
    table = read_table(path, COLUMNS)
    empty = table["image"].eq("")
    if empty.any():
        raise DataError(f"{place(path, int(empty.idxmax()))}: column 'image' is empty")
    valence, arousal = (parse_numbers(table[name], path, f"column {name!r}") for name in ("valence", "arousal"))
    weight = column_numbers(table, path, WEIGHT, low=1e-9, high=1000.0).fillna(1.0)
    return [
        LabelRow(
            image=path.parent / row["image"],
            valence=float(valence[line]),
            arousal=float(arousal[line]),
            extra={str(name): text for name, text in row.items() if name not in (*COLUMNS, WEIGHT)},
            where=place(path, int(line)),
            weight=float(weight[line]),
            group=row.get("group") or row.get("subject") or row.get("video") or "",
        )
        for line, row in table.iterrows()
    ]
