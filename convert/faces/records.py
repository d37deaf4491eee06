"""Rows of the face table one by one, for what does not read the table yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from convert.faces.layouts import read_set
from edge.values import Float32Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledFrame:
    """A row of the face table; None where the table has NA or nothing."""

    source: str
    name: str = ""
    path: Path
    frame: int | None = None
    time_s: float | None = None
    valence: float
    arousal: float
    group: str
    part: str | None = None
    weight: float = 1.0
    box_px: tuple[float, float, float, float] | None = None
    landmarks_px: Float32Array | None = None
    where: str = ""
    clip: str | None = None


class Reading:
    """Counts what was read and what was left out, and why."""

    def __init__(self) -> None:
        self.read = 0
        self.dropped: Counter[str] = Counter()

    def drop(self, reason: str, count: int = 1) -> None:
        """Leaves `count` labels out."""
        self.dropped[reason] += count


def read_dataset(kind: str, path: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """The rows of `read_set`, one by one."""
    faces, left_out = read_set(kind, path)
    reading.dropped.update(left_out)
    for row in faces.itertuples():
        reading.read += 1
        yield LabelledFrame(
            source=row.source,
            name=row.id,
            path=Path(row.picture),
            frame=None if pd.isna(row.frame) else int(row.frame),
            time_s=None if pd.isna(row.time_s) else float(row.time_s),
            valence=row.valence,
            arousal=row.arousal,
            group=row.subject.partition("/")[2],
            part={"dev": "validation", "": None}.get(row.split, row.split),
            weight=row.weight,
            box_px=None if row.box_px is None else tuple(row.box_px),
            where=row.where,
            clip=row.clip or None,
        )
