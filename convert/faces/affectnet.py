"""AffectNet (Mollahosseini, Hasani & Mahoor, IEEE TAFFC 2019), in both forms in which it was given out.

The full set:
```
…/training.csv, …/validation.csv      subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,
                                      expression,valence,arousal
…/Manually_Annotated_Images/103/x.jpg the pictures that subDirectory_filePath names
```
(`automatically_annotated.csv` is a network's opinion, not a rater's, and is not read.)
The reduced one of 2021: `train_set/images/0.jpg` with `train_set/annotations/0_val.npy`, `0_aro.npy`, `0_exp.npy` and
`0_lnd.npy`, and the same below `val_set`.

Valence and arousal lie in −1..1 and are −2 where the expression is 9 (uncertain) or 10 (no face); landmarks are
`x;y;x;y…`, 68 of them. Source: the set's own documentation, as its users quote it, and their loaders on GitHub
("hcai_affectnet", "mcnDatasets"). Each picture is another person as far as the set knows, so the picture is the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from convert.errors import DataError
from convert.faces.records import LabelledFrame, Part, Reading
from convert.faces.text_files import parse_number, parse_rating, read_table
from convert.faces.videos import walk_folders
from edge.values import Float32Array

SOURCE = "affectnet"
INVALID = (-2.0,)
_COLUMNS = ("subDirectory_filePath", "valence", "arousal")
_LISTS: dict[str, Part] = {"training.csv": "train", "validation.csv": "validation"}
_FOLDERS: dict[str, Part] = {"train_set": "train", "val_set": "validation"}
_IMAGES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated_compressed/Manually_Annotated_Images",
    "images",
    ".",
)
_NO_FACE = {"9": "uncertain", "10": "no face"}
_LARGEST_PX = 1e5


def read_affectnet(root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads either form, wherever it begins below `root`.

    Raises:
        DataError: there is neither, or a file is malformed.
    """
    found = False
    for folder in walk_folders(root, leave=("Manually_Annotated_Images", "images", "annotations")):
        for name, part in _LISTS.items():
            if (folder / name).is_file():
                found = True
                yield from _read_list(folder / name, part, root, reading)
        if folder.name in _FOLDERS and (folder / "annotations").is_dir():
            found = True
            yield from _read_arrays(folder, _FOLDERS[folder.name], reading)
    if not found:
        raise DataError(
            f"{root}: has neither training.csv or validation.csv nor train_set/annotations; "
            "point it at the folder of AffectNet"
        )


def _read_list(path: Path, part: Part, root: Path, reading: Reading) -> Iterator[LabelledFrame]:
    homes = [base / name for base in dict.fromkeys((path.parent, path.parent.parent, root)) for name in _IMAGES]
    for line, row in read_table(path, _COLUMNS):
        where = f"{path}:{line}"
        inner = row["subDirectory_filePath"]
        if not inner:
            raise DataError(f"{where}: column 'subDirectory_filePath' is empty")
        valence = parse_rating(row.get("valence"), where, "column 'valence'", marks=INVALID)
        arousal = parse_rating(row.get("arousal"), where, "column 'arousal'", marks=INVALID)
        if valence is None or arousal is None:
            reading.drop(f"marked -2: {_NO_FACE.get(row.get('expression', ''), 'not rated')}")
            continue
        picture = next((home / inner for home in homes if (home / inner).is_file()), None)
        if picture is None:
            reading.drop("no picture")
            continue
        yield LabelledFrame(
            source=SOURCE,
            path=picture,
            valence=valence,
            arousal=arousal,
            group=Path(inner).name,
            part=part,
            box_px=_box(row, where),
            landmarks_px=_landmarks(row.get("facial_landmarks", ""), where),
            file=path,
            entry=line,
        )


def _box(cells: Mapping[str, str], where: str) -> tuple[float, float, float, float] | None:
    names = ("face_x", "face_y", "face_width", "face_height")
    if not all(cells.get(name) for name in names):
        return None
    x, y, width, height = (
        parse_number(cells[name], where, f"column {name!r}", low=-_LARGEST_PX, high=_LARGEST_PX) for name in names
    )
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _landmarks(text: str, where: str) -> Float32Array | None:
    if not text:
        return None
    numbers = [
        parse_number(each, where, "column 'facial_landmarks'", low=-_LARGEST_PX, high=_LARGEST_PX)
        for each in text.split(";")
    ]
    if len(numbers) % 2:
        raise DataError(f"{where}: column 'facial_landmarks' holds {len(numbers)} numbers, not pairs")
    return np.array(numbers, np.float32).reshape(-1, 2)


def _read_arrays(folder: Path, part: Part, reading: Reading) -> Iterator[LabelledFrame]:
    for file in sorted((folder / "annotations").glob("*_val.npy")):
        name = file.name.removesuffix("_val.npy")
        valence = parse_rating(_scalar(file), str(file), "valence", marks=INVALID)
        other = file.with_name(f"{name}_aro.npy")
        arousal = parse_rating(_scalar(other), str(other), "arousal", marks=INVALID)
        picture = next(
            (path for path in (folder / "images" / f"{name}{end}" for end in (".jpg", ".png")) if path.is_file()), None
        )
        if valence is None or arousal is None:
            reading.drop("marked -2: not rated")
        elif picture is None:
            reading.drop("no picture")
        else:
            points = file.with_name(f"{name}_lnd.npy")
            yield LabelledFrame(
                source=SOURCE,
                path=picture,
                valence=valence,
                arousal=arousal,
                group=f"{folder.name}/{name}",  # both folders count from 0
                part=part,
                landmarks_px=_points(points) if points.is_file() else None,
                file=file,
                entry=name,
            )


def _load(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: not an array of numbers ({error})") from error


def _scalar(path: Path) -> str:
    array = _load(path)  # of numbers, or of text: both were given out
    if array.size != 1:
        raise DataError(f"{path}: holds {array.size} values, not one")
    return str(array.reshape(()).item())


def _points(path: Path) -> Float32Array:
    array = _load(path)
    try:
        points = array.astype(np.float32).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{path}: not pairs of numbers ({error})") from error
    if not np.isfinite(points).all():
        raise DataError(f"{path}: holds a number that is not finite")
    return points
