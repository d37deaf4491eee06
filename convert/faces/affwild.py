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
A video is one person's, with few exceptions that the set does not mark, so the video is the subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.text_files import parse_numbers, place, read_lines
from convert.faces.videos import index_videos, measure_video, walk_folders
from edge.values import Float32Array

INVALID = (-5.0, -1000.0)
_SPLITS = ("train", "test")
_POINTS = ("bboxes", "bboxs", "bbox", "landmarks")
_LARGEST_PX = 1e5


def read_affwild(root: Path, _: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads the tree above, wherever it begins below `root`; see `convert.faces.layouts.Reader`."""
    home = next(
        (
            folder
            for folder in walk_folders(root, leave=("videos", *_POINTS))
            if (folder / "annotations" / "train" / "valence").is_dir()
        ),
        None,
    )
    if home is None:
        raise DataError(f"{root}: has no annotations/train/valence; point it at the folder of Aff-Wild")
    labelled = [split for split in _SPLITS if (home / "annotations" / split / "valence").is_dir()]
    for split in labelled:
        videos = index_videos(home / "videos" / split)
        for file in sorted((home / "annotations" / split / "valence").glob("*.txt")):
            other = home / "annotations" / split / "arousal" / file.name
            texts = [pd.Series(read_lines(path), dtype="str").rename(lambda n: n + 1) for path in (file, other)]
            if len(texts[0]) != len(texts[1]):
                raise DataError(f"{file}: has {len(texts[0])} lines, but {other} has {len(texts[1])}")
            valence = parse_numbers(texts[0], file, "valence", marks=INVALID)
            arousal = parse_numbers(texts[1], other, "arousal", marks=INVALID)
            video = videos.get(file.stem, home / "videos" / split / f"{file.stem}.mp4")
            frames = np.arange(len(valence))
            rate = measure_video(video)[0] if video.is_file() else 1.0
            points = _point_files(home, split, file.stem)
            yield pd.DataFrame(
                {
                    "picture": str(video),
                    "frame": frames,
                    "time_s": frames / rate,
                    "valence": valence.to_numpy(),
                    "arousal": arousal.to_numpy(),
                    "subject": file.stem,
                    "split": split if len(labelled) > 1 else "",
                    "clip": str(video),
                    "box_px": [bounds(read_pts(points[n])) if n in points else None for n in range(len(frames))],
                    "where": [place(file, int(n) + 1) for n in frames],
                }
            )


def read_pts(path: Path) -> Float32Array:
    """The points of a `.pts` file: float32 (N, 2), x and y in pixels.

    Raises:
        DataError: the file is malformed; names file and line.
    """
    lines = read_lines(path)
    if "{" not in lines or "}" not in lines:
        raise DataError(f"{path}: no points between braces")
    first, last = lines.index("{") + 1, lines.index("}")
    numbers = {first + n + 1: line.split() for n, line in enumerate(lines[first:last])}
    for number, line in numbers.items():
        if len(line) != 2:
            raise DataError(f"{path}:{number}: {lines[number - 1]!r} is not a point of two numbers")
    if not numbers:
        raise DataError(f"{path}: no points between braces")
    columns = (pd.Series({number: line[n] for number, line in numbers.items()}) for n in range(2))
    parsed = [parse_numbers(each, path, "a point", low=-_LARGEST_PX, high=_LARGEST_PX) for each in columns]
    return np.stack(parsed, axis=1).astype(np.float32)


def bounds(points: Float32Array) -> Float32Array:
    """The upright box around points (N, 2): float32 (4,), x1, y1, x2, y2."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _point_files(home: Path, split: str, video: str) -> dict[int, Path]:
    for folder in (home / name / split / video for name in _POINTS):
        found = {int(path.stem): path for path in folder.glob("*.pts") if path.stem.isdecimal()}
        if found:
            first = 0 if 0 in found else 1
            return {number - first: path for number, path in found.items()}
    return {}
