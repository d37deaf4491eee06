"""AFEW-VA (Kossaifi et al., Image and Vision Computing 2017): clips of films, rated frame by frame.

```
…/001/001.json     {"actor": …, "video_id": "001", "frames": {"00000": {"landmarks": [[x, y], …], "valence": 3,
                   "arousal": -2}, …}}
…/001/00000.png    one picture a frame, named as the frame
```
Ratings are whole numbers in −10..10 and are divided by 10. Source: the loaders and a description of the set on GitHub
("AFEW-VA Dataset Preprocessing", "create_annotation_file"); clips also lie one folder deeper (`01/001`).
The actor is the subject, since one appears in several clips; a clip without one is its own. No split is declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.affwild import bounds
from convert.faces.text_files import parse_numbers, place
from convert.faces.videos import first_file, walk_folders

_SCALE = 10.0
_RATE = 25.0  # of films; the set does not say, and its clips are frames only


class _Frame(msgspec.Struct):
    valence: float
    arousal: float
    landmarks: list[tuple[float, float]] = []


class _Clip(msgspec.Struct):
    frames: dict[str, _Frame]
    actor: str | None = None


def read_afew_va(root: Path, _: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads every clip below `root`; see `convert.faces.layouts.Reader`."""
    files = [file for folder in walk_folders(root) if (file := folder / f"{folder.name}.json").is_file()]
    if not files:
        raise DataError(f"{root}: has no folder NNN with a file NNN.json; point it at the folder of AFEW-VA")
    for file in files:
        try:
            clip = msgspec.json.decode(file.read_bytes(), type=_Clip)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: {error}") from error
        names = sorted(clip.frames)
        for name in names:
            if not name.isdecimal():
                raise DataError(f"{place(file, f'frame {name!r}')}: is not named by a number")
        frames = [clip.frames[name] for name in names]
        entries = [f"frame {name!r}" for name in names]
        ratings = {
            name: parse_numbers(
                pd.Series([getattr(frame, name) for frame in frames], entries), file, name, low=-_SCALE, high=_SCALE
            ).to_numpy()
            / _SCALE
            for name in ("valence", "arousal")
        }
        stems = [file.parent / name for name in names]
        yield pd.DataFrame(
            {
                "picture": [first_file(s.with_suffix(end) for end in (".png", ".jpg")) for s in stems],
                "time_s": [int(name) / _RATE for name in names],
                **ratings,
                "subject": (clip.actor or "").strip() or file.stem,
                "clip": str(file.parent),
                "box_px": [bounds(np.array(f.landmarks, np.float32)) if f.landmarks else None for f in frames],
                "where": [place(file, entry) for entry in entries],
            }
        )
