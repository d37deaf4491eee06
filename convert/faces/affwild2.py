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
needs them. A person is the group; the challenge's own split is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convert.errors import DataError
from convert.faces.records import LabelledFrame, Part, Reading
from convert.faces.text_files import parse_rating, read_lines
from convert.faces.videos import frame_rate, index_videos, walk_folders

SOURCE = "affwild2"
INVALID = (-5.0, -1000.0)
_PARTS: dict[str, Part] = {"train_set": "train", "validation_set": "validation", "test_set": "test"}
_OTHER_TASKS = ("au", "expr", "mtl")
_CROPPED = ("cropped_aligned", "cropped_aligned_images")
_SIDES = ("_left", "_right")
_RATE_OF_PICTURES = 30.0  # of most of the videos; used where the video itself is not there


def read_affwild2(root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads the tree above, wherever its parts lie below `root`.

    Raises:
        DataError: there are no such annotations, or a file is malformed.
    """
    folders = [
        (folder, _PARTS[folder.name.lower()])
        for folder in walk_folders(root, leave=_CROPPED)
        if folder.name.lower() in _PARTS and not _is_other_task(folder.relative_to(root))
    ]
    files = [(file, part) for folder, part in folders for file in sorted(folder.glob("*.txt"))]
    if not files:
        raise DataError(f"{root}: has no Train_Set/*.txt or Validation_Set/*.txt; point it at the folder of Aff-Wild2")
    videos = index_videos(root, leave=_CROPPED)
    cropped = [folder / name for folder in walk_folders(root, leave=_CROPPED) for name in _CROPPED]
    pictures = [folder for folder in cropped if folder.is_dir()]
    for file, part in files:
        yield from _read_person(file, part, videos, pictures, reading)


def _is_other_task(below: Path) -> bool:
    return any(name.lower().startswith(_OTHER_TASKS) for name in below.parts)


def _read_person(
    file: Path, part: Part, videos: dict[str, Path], pictures: list[Path], reading: Reading
) -> Iterator[LabelledFrame]:
    lines = read_lines(file)
    if not lines or [cell.strip().lower() for cell in lines[0].split(",")] != ["valence", "arousal"]:
        raise DataError(f"{file}:1: is {lines[0] if lines else ''!r}, not the header `valence,arousal`")
    person = file.stem
    base = next((person.removesuffix(side) for side in _SIDES if person.endswith(side)), person)
    video = videos.get(base)
    folder = next((each / person for each in pictures if (each / person).is_dir()), None)
    if folder is None and base != person:
        reading.drop("two persons in the video and no cropped pictures to tell them apart", len(lines) - 1)
        return
    if folder is None and video is None:
        reading.drop("neither video nor cropped pictures", len(lines) - 1)
        return
    there = {path.name for path in folder.iterdir()} if folder is not None else set()
    rate = frame_rate(video) if video is not None else _RATE_OF_PICTURES
    for frame, line in enumerate(lines[1:]):
        number = frame + 2
        cells = line.split(",")
        if len(cells) != 2:
            raise DataError(f"{file}:{number}: {line!r} is not two numbers with a comma between them")
        valence = parse_rating(cells[0], f"{file}:{number}", "valence", marks=INVALID)
        arousal = parse_rating(cells[1], f"{file}:{number}", "arousal", marks=INVALID)
        picture = f"{frame + 1:05d}.jpg"
        if valence is None or arousal is None:
            reading.drop("marked as invalid")
        elif folder is not None and picture not in there:
            reading.drop("no cropped picture of the frame")
        else:
            yield LabelledFrame(
                source=SOURCE,
                path=folder / picture if folder is not None else video or file,
                frame=None if folder is not None else frame,
                time_s=frame / rate,
                valence=valence,
                arousal=arousal,
                group=person,
                part=part,
                file=file,
                entry=number,
            )
