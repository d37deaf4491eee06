"""Labels of your own: a CSV of pictures (`image,valence,arousal`) or of moments in videos (`video,time_s,…`).

Columns besides `valence` and `arousal` in −1..1: `image`, or `video` with `time_s` or `frame` (from 0); paths are
relative to the file. Optional: `group` (or `subject`): who it is; `split` (`train`, `dev` or `validation`, `test`);
`weight` in a loss; `expression`. `labels merge` writes such files. For training, a file beside it says what the data is
(`read_declaration`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.text_files import column_numbers, parse_numbers, place, read_table
from convert.faces.videos import frame_at, frame_times

SOURCE = "csv"
_LONGEST_S, _MOST_FRAMES, _LARGEST_WEIGHT = 1e6, 1e8, 1000.0


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of a label file says of it, for manifest and model card.

    Attributes:
        name: of the data.
        licence: SPDX name or a few words.
        origin: who the people are, who made it, with whose consent.
        research_only: the licence forbids other use.
    """

    name: str
    licence: str
    origin: str
    research_only: bool = False


def read_declaration(labels: Path) -> Declaration:
    """Reads `<labels>.source.json` beside `<labels>.csv`.

    Raises:
        DataError: it is missing or malformed; says what to write.
    """
    path = labels.with_suffix(".source.json")
    try:
        declared = msgspec.json.decode(path.read_bytes(), type=Declaration)
    except FileNotFoundError:
        raise DataError(
            f"{path}: not there; training needs it for the manifest, for instance "
            '{"name": "Our shop, 2026", "licence": "internal", "origin": "volunteers, written consent"}'
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    for field in ("name", "licence", "origin"):
        if not getattr(declared, field).strip():
            raise DataError(f"{path}: {field} is empty")
    return declared


def read_plain(path: Path, _: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads a label file; see `convert.faces.layouts.Reader`."""
    table = read_table(path, ("valence", "arousal"))
    texts = {
        name: table.get(name, pd.Series("", index=table.index, dtype="str"))
        for name in ("image", "video", "group", "subject", "split", "expression")
    }
    image, video = texts["image"], texts["video"]
    _refuse(path, image.eq("") & video.eq(""), "needs column 'image' or column 'video'")
    weight = column_numbers(table, path, "weight", low=0.0, high=_LARGEST_WEIGHT)
    _refuse(path, weight.eq(0), "column 'weight' is 0; leave the line out instead")
    frame, time_s = _moments(table, path, video.where(image.eq(""), ""))
    named = image.where(image.ne(""), video)
    subject = texts["group"]
    for name in (texts["subject"], video, named):
        subject = subject.where(subject.ne(""), name)
    picture = named.map(lambda name: str(path.parent / name))
    yield pd.DataFrame(
        {
            "picture": picture,
            "frame": frame,
            "time_s": time_s,
            "valence": parse_numbers(table["valence"], path, "column 'valence'"),
            "arousal": parse_numbers(table["arousal"], path, "column 'arousal'"),
            "weight": weight.fillna(1.0),
            "subject": subject,
            "split": texts["split"].replace("validation", "dev"),
            "expression": texts["expression"],
            "clip": [
                str(path.parent / name) if moving else "" for name, moving in zip(named, image.eq(""), strict=True)
            ],
            "where": [place(path, int(line)) for line in table.index],
        }
    )


def _moments(table: pd.DataFrame, path: Path, video: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Frame and time of videos' rows, NA for pictures; by the file's own stamps, since its rate may vary."""
    moving = video.ne("")
    frame = column_numbers(table, path, "frame", low=0, high=_MOST_FRAMES)
    part = frame.notna() & frame.ne(frame.round())
    _refuse(path, part, f"column 'frame' is {next(iter(frame[part]), 0):g}, not a whole number")
    asked = table.get("time_s", pd.Series("", index=table.index, dtype="str"))[moving & frame.isna()]
    time_s = parse_numbers(asked, path, "column 'time_s'", low=0, high=_LONGEST_S).reindex(table.index)
    numbers, seconds = frame.to_numpy(copy=True), time_s.to_numpy(copy=True)
    for name in video[moving].unique():
        file = path.parent / name
        shown_s = frame_times(file) if file.is_file() else np.zeros(1)  # a missing one is told by the caller
        for row in np.flatnonzero(video == name):
            if np.isnan(numbers[row]):
                numbers[row] = frame_at(shown_s, seconds[row])
            else:
                seconds[row] = shown_s[min(int(numbers[row]), len(shown_s) - 1)]
    columns = (pd.Series(each, table.index).where(moving) for each in (numbers, seconds))
    return next(columns).astype("Int64"), next(columns).astype("Float64")


def _refuse(path: Path, wrong: pd.Series, said: str) -> None:
    if wrong.any():
        raise DataError(f"{place(path, int(wrong.idxmax()))}: {said}")
