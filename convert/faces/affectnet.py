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
("hcai_affectnet", "mcnDatasets"). Each picture is another person as far as the set knows: it is its own subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.affwild import bounds
from convert.faces.text_files import column_numbers, parse_numbers, place, read_table
from convert.faces.videos import first_file, walk_folders
from edge.values import Float32Array

INVALID = (-2.0,)
EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
_COLUMNS = ("subDirectory_filePath", "valence", "arousal")
_BOX = ("face_x", "face_y", "face_width", "face_height")
_LISTS = {"training.csv": "train", "validation.csv": "dev"}
_FOLDERS = {"train_set": "train", "val_set": "dev"}
_IMAGES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated_compressed/Manually_Annotated_Images",
    "images",
    ".",
)
_LARGEST_PX = 1e5


def read_affectnet(root: Path, _: Counter[str]) -> Iterator[pd.DataFrame]:
    """Reads either form, wherever it begins below `root`; see `convert.faces.layouts.Reader`."""
    found = False
    for folder in walk_folders(root, leave=("Manually_Annotated_Images", "images", "annotations")):
        for name, split in _LISTS.items():
            if (folder / name).is_file():
                found = True
                yield _read_list(folder / name, root).assign(split=split)
        if folder.name in _FOLDERS and (folder / "annotations").is_dir():
            found = True
            yield _read_arrays(folder).assign(split=_FOLDERS[folder.name])
    if not found:
        raise DataError(
            f"{root}: has neither training.csv or validation.csv nor train_set/annotations; "
            "point it at the folder of AffectNet"
        )


def _read_list(path: Path, root: Path) -> pd.DataFrame:
    homes = [base / name for base in dict.fromkeys((path.parent, path.parent.parent, root)) for name in _IMAGES]
    table = read_table(path, _COLUMNS)
    inner = table["subDirectory_filePath"]
    if inner.eq("").any():
        raise DataError(f"{place(path, inner.eq('').idxmax())}: column 'subDirectory_filePath' is empty")
    numbers = {
        name: parse_numbers(table[name], path, f"column {name!r}", marks=INVALID) for name in ("valence", "arousal")
    }
    box = pd.DataFrame({name: column_numbers(table, path, name, low=-_LARGEST_PX, high=_LARGEST_PX) for name in _BOX})
    marks = table.get("facial_landmarks", pd.Series("", index=table.index))
    number = pd.to_numeric(table.get("expression", pd.Series("", index=table.index)), errors="coerce")
    return pd.DataFrame(
        {
            "picture": [first_file(home / each for home in homes) for each in inner],
            **numbers,
            "subject": inner,
            "expression": [EXPRESSIONS[int(n)] if 0 <= n < len(EXPRESSIONS) else "" for n in number],
            "box_px": [
                np.array([x, y, x + w, y + h], np.float32) if w > 0 and h > 0 else _bounds(text, path, int(line))
                for line, text, (x, y, w, h) in zip(table.index, marks, box.to_numpy(), strict=True)
            ],
            "where": [place(path, int(line)) for line in table.index],
        }
    )


def _bounds(text: str, path: Path, line: int) -> Float32Array | None:
    if not text:
        return None
    numbers = parse_numbers(
        pd.Series(text.split(";")), path, "column 'facial_landmarks'", low=-_LARGEST_PX, high=_LARGEST_PX
    )
    if len(numbers) % 2:
        raise DataError(f"{place(path, line)}: column 'facial_landmarks' holds {len(numbers)} numbers, not pairs")
    return bounds(numbers.to_numpy(np.float32).reshape(-1, 2))


def _read_arrays(folder: Path) -> pd.DataFrame:
    files = sorted((folder / "annotations").glob("*_val.npy"))
    names = [file.name.removesuffix("_val.npy") for file in files]
    numbers = {}
    for column, end in (("valence", "_val"), ("arousal", "_aro")):
        paths = [file.with_name(f"{name}{end}.npy") for file, name in zip(files, names, strict=True)]
        texts = pd.Series([_scalar(path) for path in paths], [path.name for path in paths], dtype="str")
        numbers[column] = parse_numbers(texts, folder / "annotations", column, marks=INVALID).to_numpy()
    stems = [folder / "images" / name for name in names]
    return pd.DataFrame(
        {
            "picture": [first_file(s.with_suffix(end) for end in (".jpg", ".png")) for s in stems],
            **numbers,
            "subject": [f"{folder.name}/{name}" for name in names],  # both folders count from 0
            "box_px": [_points(file.with_name(f"{name}_lnd.npy")) for file, name in zip(files, names, strict=True)],
            "where": [place(file, name) for file, name in zip(files, names, strict=True)],
        }
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


def _points(path: Path) -> Float32Array | None:
    if not path.is_file():
        return None
    try:
        points = _load(path).astype(np.float32).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{path}: not pairs of numbers ({error})") from error
    if not np.isfinite(points).all():
        raise DataError(f"{path}: holds a number that is not finite")
    return bounds(points)
