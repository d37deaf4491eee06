"""Aff-Wild2 (Kollias & Zafeiriou, and the ABAW challenges): one text file a person in a video, one line a frame.

```
…/VA_Estimation_Challenge/Train_Set/video.txt        `valence,arousal`, then two numbers a line in −1..1
…/VA_Estimation_Challenge/Validation_Set/video_left.txt
cropped_aligned/video_left/00001.jpg                 the face of line 2, where its detector found one
…/video.mp4                                          or .avi, with or without folders between
```
Described at ibug.doc.ic.ac.uk/resources/aff-wild2: a file is named after its video, its first line is
`valence,arousal`, and frames that nobody could rate carry −5 (also seen: −1000). `_left` and `_right` name two persons
of one video. Earlier releases call the folder `VA_Set`. Participants' code reads `cropped_aligned` with five digits
from 00001, for instance "frames_to_label_cat" on GitHub.

The cropped pictures are taken where they are there: they show the person who was rated. A video with two rated persons
needs them. A person is the subject; the challenge's own split is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.affwild import INVALID
from convert.faces.text_files import parse_numbers, place, read_lines
from convert.faces.videos import index_videos, measure_video, walk_folders

_SPLITS = {"train_set": "train", "validation_set": "dev", "test_set": "test"}
_OTHER_TASKS = ("au", "expr", "mtl")
_CROPPED = ("cropped_aligned", "cropped_aligned_images")
_SIDES = ("_left", "_right")
_RATE_OF_PICTURES = 30.0  # of most of the videos; used where the video itself is not there


def read_affwild2(root: Path, left_out: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads the tree above, wherever its parts lie below `root`; see `convert.faces.layouts.Reader`."""
    folders = [
        (folder, _SPLITS[folder.name.lower()])
        for folder in walk_folders(root, leave=_CROPPED)
        if folder.name.lower() in _SPLITS
        and not any(name.lower().startswith(_OTHER_TASKS) for name in folder.relative_to(root).parts)
    ]
    files = [(file, split) for folder, split in folders for file in sorted(folder.glob("*.txt"))]
    if not files:
        raise DataError(f"{root}: has no Train_Set/*.txt or Validation_Set/*.txt; point it at the folder of Aff-Wild2")
    videos = index_videos(root, leave=_CROPPED)
    cropped = [folder / name for folder in walk_folders(root, leave=_CROPPED) for name in _CROPPED]
    for file, split in files:
        lines = read_lines(file)
        if not lines or [cell.strip().lower() for cell in lines[0].split(",")] != ["valence", "arousal"]:
            raise DataError(f"{file}:1: is {lines[0] if lines else ''!r}, not the header `valence,arousal`")
        cells = pd.Series({n + 2: line for n, line in enumerate(lines[1:])}, dtype="str").str.split(",")
        short = cells[cells.str.len() != 2]
        if len(short):
            line = int(short.index[0])
            raise DataError(f"{file}:{line}: {lines[line - 1]!r} is not two numbers with a comma between them")
        ratings = {
            name: parse_numbers(cells.str[n], file, name, marks=INVALID).to_numpy()
            for n, name in enumerate(("valence", "arousal"))
        }
        person, frames = file.stem, np.arange(len(cells))
        base = next((person.removesuffix(side) for side in _SIDES if person.endswith(side)), person)
        video = videos.get(base)
        folder = next((each / person for each in cropped if (each / person).is_dir()), None)
        if folder is None and base != person:
            left_out["two persons in the video and no cropped pictures to tell them apart"] += len(frames)
            continue
        if folder is None:
            video = video or root / f"{base}.mp4"
        pictures = [str(folder / f"{n + 1:05d}.jpg") if folder else str(video) for n in frames]
        rate = measure_video(video)[0] if video and video.is_file() else _RATE_OF_PICTURES
        part = pd.DataFrame(
            {
                "picture": pictures,
                "frame": pd.NA if folder else frames,
                "time_s": frames / rate,
                **ratings,
                "subject": person,
                "split": split,
                "clip": str(folder or video),
                "where": [place(file, int(n) + 2) for n in frames],
            }
        )
        if folder is not None:  # the set has no picture where its detector found no face
            there = part["picture"].isin({str(path) for path in folder.iterdir()})
            left_out["no cropped picture of the frame"] += int((~there & part["valence"].notna()).sum())
            part = part[there | part["valence"].isna()]
        yield part
