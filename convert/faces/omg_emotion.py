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
weighs half. Links go dead: an utterance without a video is left out and counted. The video is the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convert.errors import DataError
from convert.faces.records import LabelledFrame, Part, Reading
from convert.faces.text_files import parse_number, read_table
from convert.faces.videos import measure_video, walk_folders

SOURCE = "omg-emotion"
_WEIGHT = 0.5
_COLUMNS = ("video", "utterance", "arousal", "valence")
_LISTS: dict[str, Part] = {
    "omg_TrainVideos.csv": "train",
    "omg_ValidationVideos.csv": "validation",
    "omg_TestVideos_WithLabels.csv": "test",
}


def read_omg_emotion(root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads the lists in `root` and the clips anywhere below it.

    Raises:
        DataError: there is no list, or a line is malformed.
    """
    lists = [(root / name, part) for name, part in _LISTS.items() if (root / name).is_file()]
    if not lists:
        raise DataError(f"{root}: has none of {', '.join(_LISTS)}; point it at the folder of OMG-Emotion")
    folders: dict[str, list[Path]] = {}
    for folder in walk_folders(root):
        folders.setdefault(folder.name, []).append(folder)
    for path, part in lists:
        for line, row in read_table(path, _COLUMNS):
            where = f"{path}:{line}"
            video, utterance = row.get("video", ""), row.get("utterance", "")
            if not video or not utterance:
                raise DataError(f"{where}: columns 'video' and 'utterance' must not be empty")
            valence = parse_number(row.get("valence"), where, "column 'valence'")
            arousal = parse_number(row.get("arousal"), where, "column 'arousal'", low=0.0)
            clips = [folder / inner / utterance for folder in folders.get(video, []) for inner in ("", "video")]
            clip = next((each for each in clips if each.is_file()), None)
            if clip is None:
                reading.drop("no video of the utterance")
                continue
            rate, count = measure_video(clip)
            if not count:
                reading.drop("a video that does not say how long it is")
            for frame in range(count):
                yield LabelledFrame(
                    source=SOURCE,
                    path=clip,
                    frame=frame,
                    time_s=frame / rate,
                    valence=valence,
                    arousal=arousal,
                    group=video,
                    part=part,
                    weight=_WEIGHT,
                    file=path,
                    entry=line,
                )
