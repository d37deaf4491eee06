"""Aff-Wild (Kollias et al., IJCV 2019): videos with one valence and one arousal a frame, in text files of their own.

```
annotations/train/valence/105.txt    one number a line, −1..1, line 1 for the first frame
annotations/train/arousal/105.txt
videos/train/105.mp4                 or .avi
bboxes/train/105/12.pts              where given: corners of the face's box (also `bboxs`)
landmarks/train/105/12.pts           where given: 68 points
```
The tree is as the challenge's participants read it, for instance the loaders "FrameCapture" (annotations/train/…,
aff_wild_annotations_bboxes_landmarks_new) and "AffWild1" (bboxs, landmarks, videos) on GitHub; the labels' range is the
paper's. The test labels were never published. Whether `.pts` files count frames from 0 or from 1 is not written down
anywhere we found: they are taken to count from 0 where there is a `0.pts`, and from 1 otherwise.
A video is one person's, with few exceptions that the set does not mark, so the video is the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convert.errors import DataError
from convert.faces.records import LabelledFrame, Part, Reading
from convert.faces.text_files import parse_number, parse_rating, read_lines
from convert.faces.videos import frame_rate, index_videos, walk_folders
from edge.values import Float32Array

SOURCE = "affwild"
INVALID = (-5.0, -1000.0)
_PARTS: tuple[Part, ...] = ("train", "test")
_POINTS = {"box": ("bboxes", "bboxs", "bbox"), "landmarks": ("landmarks",)}
_LARGEST_PX = 1e5


def read_affwild(root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads the tree above, wherever it begins below `root`.

    Raises:
        DataError: there is no such tree, a file is malformed, or the two files of a video differ in length.
    """
    home = _home(root)
    labelled = [part for part in _PARTS if (home / "annotations" / part / "valence").is_dir()]
    for part in labelled:
        videos = index_videos(home / "videos" / part)
        for file in sorted((home / "annotations" / part / "valence").glob("*.txt")):
            declared = part if len(labelled) > 1 else None
            yield from _read_video(home, file, part, declared, videos.get(file.stem), reading)


def read_pts(path: Path) -> Float32Array:
    """The points of a `.pts` file: float32 (N, 2), x and y in pixels.

    Raises:
        DataError: the file is malformed; names file and line.
    """
    lines = read_lines(path)
    if "{" not in lines or "}" not in lines:
        raise DataError(f"{path}: no points between braces")
    first, last = lines.index("{") + 1, lines.index("}")
    points = []
    for number, line in enumerate(lines[first:last], start=first + 1):
        numbers = line.split()
        if len(numbers) != 2:
            raise DataError(f"{path}:{number}: {line!r} is not a point of two numbers")
        points.append(
            [parse_number(each, f"{path}:{number}", "a point", low=-_LARGEST_PX, high=_LARGEST_PX) for each in numbers]
        )
    if not points:
        raise DataError(f"{path}: no points between braces")
    return np.array(points, np.float32)


def _home(root: Path) -> Path:
    for folder in walk_folders(root, leave=("videos", "landmarks", "bboxes", "bboxs")):
        if (folder / "annotations" / "train" / "valence").is_dir():
            return folder
    raise DataError(f"{root}: has no annotations/train/valence; point it at the folder of Aff-Wild")


def _read_video(
    home: Path, file: Path, part: Part, declared: Part | None, video: Path | None, reading: Reading
) -> Iterator[LabelledFrame]:
    other = home / "annotations" / part / "arousal" / file.name
    valences, arousals = read_lines(file), read_lines(other)
    if len(valences) != len(arousals):
        raise DataError(f"{file}: has {len(valences)} lines, but {other} has {len(arousals)}")
    if video is None:
        reading.drop("no video", len(valences))
        return
    rate = frame_rate(video)
    points = {kind: _point_files(home, names, part, file.stem) for kind, names in _POINTS.items()}
    for frame, (valence_text, arousal_text) in enumerate(zip(valences, arousals, strict=True)):
        valence = parse_rating(valence_text, f"{file}:{frame + 1}", "valence", marks=INVALID)
        arousal = parse_rating(arousal_text, f"{other}:{frame + 1}", "arousal", marks=INVALID)
        if valence is None or arousal is None:
            reading.drop("marked as invalid")
            continue
        box, landmarks = (read_pts(found[frame]) if frame in found else None for found in points.values())
        yield LabelledFrame(
            source=SOURCE,
            path=video,
            frame=frame,
            time_s=frame / rate,
            valence=valence,
            arousal=arousal,
            group=file.stem,
            part=declared,
            box_px=None if box is None else bounds(box),
            landmarks_px=landmarks,
            file=file,
            entry=frame + 1,
        )


def bounds(points: Float32Array) -> tuple[float, float, float, float]:
    """The upright box around points (N, 2): (x1, y1, x2, y2)."""
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def _point_files(home: Path, names: tuple[str, ...], part: Part, video: str) -> dict[int, Path]:
    for name in names:
        folder = home / name / part / video
        if folder.is_dir():
            found = {int(path.stem): path for path in folder.glob("*.pts") if path.stem.isdecimal()}
            first = 0 if 0 in found else 1
            return {number - first: path for number, path in found.items()}
    return {}
