"""Labels of one's own as a face table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from convert.errors import DataError
from convert.faces.plain import read_declaration, read_plain
from convert.faces.records import Reading
from convert.faces.table import make_faces

_SPLITS = {"train": "train", "validation": "dev", "test": "test", None: ""}


def read_labels(labels: Path) -> pd.DataFrame:
    """The face table of a label file; `labels.source.json` beside it says whose pictures they are.

    Raises:
        DataError: a file is missing or malformed, or no picture of it is there.
    """
    declared = read_declaration(labels)
    frames = list(read_plain(labels, Reading()))
    if not frames:
        raise DataError(f"{labels}: none of its pictures is there; their paths are relative to the file")
    licence = f"{declared.licence} (research only)" if declared.research_only else declared.licence
    return make_faces(
        {
            "id": [f"own/{frame.path}" + ("" if frame.frame is None else f"#{frame.frame}") for frame in frames],
            "picture": [str(frame.path) for frame in frames],
            "frame": pd.array([frame.frame for frame in frames], dtype="Int64"),
            "time_s": pd.array([frame.time_s for frame in frames], dtype="Float64"),
            "subject": [f"own/{frame.group}" for frame in frames],
            "split": [_SPLITS[frame.part] for frame in frames],
            "source": declared.name,
            "licence": licence,
            "valence": [frame.valence for frame in frames],
            "arousal": [frame.arousal for frame in frames],
            "weight": [frame.weight for frame in frames],
            "rater": "people",
            "clip": ["" if frame.clip is None else str(frame.clip) for frame in frames],
            "where": [frame.where for frame in frames],
        }
    )
