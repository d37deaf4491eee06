"""Labels of your own: a CSV of pictures (`image,valence,arousal`) or of moments in videos (`video,time_s,…`).

Columns besides `valence` and `arousal` in −1..1: `image`, or `video` with `time_s` or `frame` (from 0); paths are
relative to the file. Optional: `weight` in a loss, `group` (or `subject`), `split` (`train`, `validation`, `test`).
`labels merge` writes such files. For training, a file beside it says what the data is (`read_declaration`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from convert.faces.labels_csv import parse_group, parse_weight
from convert.faces.records import LabelledFrame, Part, Reading
from convert.faces.text_files import parse_number, read_table
from convert.faces.videos import frame_at, frame_times

SOURCE = "csv"
_LONGEST_S = 1e6
_MOST_FRAMES = 1e8


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


def read_plain(path: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads a label file; pictures and videos that are not there are left out and counted.

    Raises:
        DataError: the file is malformed; names the line.
    """
    times: dict[Path, NDArray[np.float64] | None] = {}
    for line, row in read_table(path, ("valence", "arousal")):
        where = f"{path}:{line}"
        valence = parse_number(row.get("valence"), where, "column 'valence'")
        arousal = parse_number(row.get("arousal"), where, "column 'arousal'")
        place = _place(path, row, where, times)
        if place is None:
            reading.drop("no picture or video")
            continue
        target, frame, time_s = place
        yield LabelledFrame(
            source=SOURCE,
            path=target,
            frame=frame,
            time_s=time_s,
            valence=valence,
            arousal=arousal,
            group=parse_group(row) or target.name,
            part=_part(row.get("split", ""), where),
            weight=parse_weight(row, where),
            file=path,
            entry=line,
        )


def _place(
    path: Path, row: Mapping[str, str], where: str, times: dict[Path, NDArray[np.float64] | None]
) -> tuple[Path, int | None, float | None] | None:
    if row.get("image"):
        picture = path.parent / row["image"]
        return (picture, None, None) if picture.is_file() else None
    if not row.get("video"):
        raise DataError(f"{where}: needs column 'image' or column 'video'")
    video = path.parent / row["video"]
    if video not in times:
        times[video] = frame_times(video) if video.is_file() else None
    shown_s = times[video]
    if shown_s is None:
        return None
    if row.get("frame"):
        number = parse_number(row["frame"], where, "column 'frame'", low=0, high=_MOST_FRAMES)
        if number != int(number):
            raise DataError(f"{where}: column 'frame' is {number:g}, not a whole number")
        return video, int(number), float(shown_s[min(int(number), len(shown_s) - 1)])
    time_s = parse_number(row.get("time_s"), where, "column 'time_s'", low=0, high=_LONGEST_S)
    return video, frame_at(shown_s, time_s), time_s


def _part(text: str, where: str) -> Part | None:
    if not text:
        return None
    for part in get_args(Part):
        if text == part:
            return part
    raise DataError(f"{where}: column 'split' is {text!r}, not one of {', '.join(get_args(Part))}")
