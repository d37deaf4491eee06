"""OMG-Emotion (Barros et al., IJCNN 2018): spoken monologues cut into utterances, one rating an utterance.

```
omg_TrainVideos.csv        link,start,end,video,utterance,arousal,valence,EmotionMaxVote
omg_ValidationVideos.csv   omg_TestVideos_WithLabels.csv
…/5b44393ed/utterance_4.mp4    as the set's own prepare_data.py cuts them
```
Source: README, label files and prepare_data.py of knowledgetechnologyuhh/OMGEmotionChallenge.

Arousal is published in 0..1 (calm to excited) and is **kept as it is**, not stretched to −1..1: "calm" is the low end
of its scale, while −1 on ours is asleep; stretched, a neutral face would count as clearly passive, and figures could
not be compared with published ones. So arousal here is never negative; expect an offset against other sets
(docs/decisions/0010). A frame carries its utterance's rating, which says less of it than a rating of its own: it
weighs half. Links go dead: an utterance without a video is left out and counted. The video is the subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.text_files import parse_numbers, place, read_table
from convert.faces.videos import measure_video, walk_folders

_WEIGHT = 0.5
_COLUMNS = ("video", "utterance", "arousal", "valence")
_LISTS = {"omg_TrainVideos.csv": "train", "omg_ValidationVideos.csv": "dev", "omg_TestVideos_WithLabels.csv": "test"}


def read_omg_emotion(root: Path, left_out: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads the lists in `root` and the clips anywhere below it; see `convert.faces.layouts.Reader`."""
    lists = [(root / name, split) for name, split in _LISTS.items() if (root / name).is_file()]
    if not lists:
        raise DataError(f"{root}: has none of {', '.join(_LISTS)}; point it at the folder of OMG-Emotion")
    folders: dict[str, list[Path]] = {}
    for folder in walk_folders(root):
        folders.setdefault(folder.name, []).append(folder)
    for path, split in lists:
        table = read_table(path, _COLUMNS)
        empty = table[["video", "utterance"]].eq("").any(axis=1)
        if empty.any():
            raise DataError(f"{place(path, empty.idxmax())}: columns 'video' and 'utterance' must not be empty")
        valence = parse_numbers(table["valence"], path, "column 'valence'")
        arousal = parse_numbers(table["arousal"], path, "column 'arousal'", low=0.0)
        for line, video, utterance in zip(table.index, table["video"], table["utterance"], strict=True):
            clips = [folder / inner / utterance for folder in folders.get(video, []) for inner in ("", "video")]
            clip = next((each for each in clips if each.is_file()), None)
            rate, count = measure_video(clip) if clip else (1.0, 0)
            if not count:
                left_out["a video that does not say how long it is" if clip else "no video of the utterance"] += 1
                continue
            yield pd.DataFrame(
                {
                    "picture": str(clip),
                    "frame": np.arange(count),
                    "time_s": np.arange(count) / rate,
                    "valence": valence[line],
                    "arousal": arousal[line],
                    "subject": video,
                    "split": split,
                    "weight": _WEIGHT,
                    "clip": str(clip),
                    "where": place(path, int(line)),
                }
            )
