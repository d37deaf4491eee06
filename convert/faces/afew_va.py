"""AFEW-VA (Kossaifi et al., Image and Vision Computing 2017): clips of films, rated frame by frame.

```
…/001/001.json     {"actor": …, "video_id": "001", "frames": {"00000": {"landmarks": [[x, y], …], "valence": 3,
                   "arousal": -2}, …}}
…/001/00000.png    one picture a frame, named as the frame
```
Ratings are whole numbers in −10..10 and are divided by 10. Source: the loaders and a description of the set on GitHub
("AFEW-VA Dataset Preprocessing", "create_annotation_file"); clips also lie one folder deeper (`01/001`).
The actor is the group, since one appears in several clips; a clip without one is its own group. No split is declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from convert.errors import DataError
from convert.faces.records import LabelledFrame, Reading
from convert.faces.text_files import parse_rating
from convert.faces.videos import walk_folders

SOURCE = "afew-va"
_SCALE = 10.0
_RATE = 25.0  # of films; the set does not say, and its clips are frames only


class _Frame(msgspec.Struct):
    valence: float
    arousal: float
    landmarks: list[tuple[float, float]] = []


class _Clip(msgspec.Struct):
    frames: dict[str, _Frame]
    actor: str | None = None


def read_afew_va(root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads every clip below `root`.

    Raises:
        DataError: there is none, or a file is malformed; names the entry.
    """
    found = False
    for folder in walk_folders(root):
        file = folder / f"{folder.name}.json"
        if file.is_file():
            found = True
            yield from _read_clip(file, reading)
    if not found:
        raise DataError(f"{root}: has no folder NNN with a file NNN.json; point it at the folder of AFEW-VA")


def _read_clip(file: Path, reading: Reading) -> Iterator[LabelledFrame]:
    try:
        clip = msgspec.json.decode(file.read_bytes(), type=_Clip)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: {error}") from error
    for name, frame in sorted(clip.frames.items()):
        where = f"{file}: frame {name!r}"
        if not name.isdecimal():
            raise DataError(f"{where}: is not named by a number")
        valence = parse_rating(str(frame.valence), where, "valence", scale=_SCALE)
        arousal = parse_rating(str(frame.arousal), where, "arousal", scale=_SCALE)
        picture = next((path for end in (".png", ".jpg") if (path := file.parent / f"{name}{end}").is_file()), None)
        if picture is None:
            reading.drop("no picture of the frame")
        elif valence is not None and arousal is not None:
            yield LabelledFrame(
                source=SOURCE,
                path=picture,
                time_s=int(name) / _RATE,
                valence=valence,
                arousal=arousal,
                group=(clip.actor or "").strip() or file.stem,
                landmarks_px=np.array(frame.landmarks, np.float32) if frame.landmarks else None,
                file=file,
                entry=f"frame {name!r}",
            )
