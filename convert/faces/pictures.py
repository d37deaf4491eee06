"""The pictures of a face table, found once and kept loosely cut; read back without loading them.

```
found.jsonl   what was looked at, by the hash of its pixels, with its landmarks; faces not found as well
loose.u8      uint8 (M, 224, 224, 3), RGB
shapes.f32    for each the fields of `Pictures`: blendshapes, rotation, points, square, size
```
Kept by the hash of the pixels, so a moved or renamed picture is not looked at again, and an edited one is. Labels
are never kept. Whoever deletes the folder deletes these pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from convert.errors import DataError
from convert.faces.finder import FaceFinder, moved, read_picture
from convert.faces.videos import read_video
from convert.progress import Progress
from convert.teacher.landmarker import BLENDSHAPES, FaceLandmarker, FaceShape
from edge.face.crop import cut_square
from edge.geometry import CropRule, Square, face_square
from edge.values import Detection, Float32Array, UInt8Array

SIDE = 224
LOOSE = 1.7  # side of a loose picture in units of the crop's
POINTS = 478
NO_FACE, NO_FRAME = "no face found", "the video ends before the frame, or it is damaged"
_ROUGH = 1.4  # side of the landmarker's first square in units of the crop's
_AROUND = 0.6  # of a given box's longer side, on each side: room for the detector
_FIELDS = {"blendshapes": len(BLENDSHAPES), "rotation": 3, "points": (POINTS, 2), "square": 4, "size": 2}
_SHAPE = np.dtype([(name, np.float32, shape) for name, shape in _FIELDS.items()])


class Found(NamedTuple):
    """What `find_faces` gives.

    Attributes:
        faces: the rows in which a face was found, in the table's order, with `sha256` and `landmarks_px`.
        pictures: of these rows, in this order.
        left_out: rows left out, by reason.
    """

    faces: pd.DataFrame
    pictures: Pictures
    left_out: dict[str, int]


class LooseRows(Sequence[UInt8Array]):
    """Loose pictures by row of the table, read from disk as they are asked for: `rows[n]` and `rows[[…]]`."""

    def __init__(self, kept: UInt8Array, rows: NDArray[np.intp]) -> None:
        self._kept, self._rows = kept, rows
        self.shape = (len(rows), SIDE, SIDE, 3)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: Any) -> UInt8Array:  # type: ignore[override]
        return np.asarray(self._kept[self._rows[row]])


class Pictures:
    """The pictures of N rows, in the table's order.

    Args:
        folder: that `find_faces` filled.
        rows: places in it; by default all, in the order in which they were found.

    Attributes:
        loose: uint8 (N, 224, 224, 3), RGB, upright: the picture around the crop's square, 1.7 times its side, as the
            device would cut it (grey where it reaches outside); the crop's square is `loose_square()`.
        blendshapes: float32 (N, 52), 0..1, by `BLENDSHAPES`.
        rotation: float32 (N, 3), yaw, pitch, roll, radians.
        points: float32 (N, 478, 2), the landmarker's mesh in units of the crop's side, from its centre, upright.
        square: float32 (N, 4), the crop's square in the picture: centre x, y, side (pixels), roll (radians).
        size: float32 (N, 2), width and height of the picture, pixels.

    Raises:
        DataError: the folder is missing or damaged.
    """

    def __init__(self, folder: Path, rows: Sequence[int] | NDArray[np.intp] | None = None) -> None:
        try:
            shapes = _open(folder / "shapes.f32", _SHAPE)
            self._kept: UInt8Array = _open(folder / "loose.u8", np.uint8).reshape(-1, SIDE, SIDE, 3)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: no pictures there, or damaged ones ({error}); delete it") from error
        self.folder = folder
        self.rows = np.arange(len(self._kept)) if rows is None else np.asarray(rows, np.intp)
        self.loose = LooseRows(self._kept, self.rows)
        own = shapes[self.rows]
        self.blendshapes: Float32Array = own["blendshapes"]
        self.rotation: Float32Array = own["rotation"]
        self.points: Float32Array = own["points"]
        self.square: Float32Array = own["square"]
        self.size: Float32Array = own["size"]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Any) -> Pictures:
        """The pictures of some rows: numbers (M,), or bool (N,)."""
        taken = copy(self)
        taken.rows = self.rows[np.asarray(rows)]
        taken.loose = LooseRows(self._kept, taken.rows)
        for name in _FIELDS:
            setattr(taken, name, getattr(self, name)[np.asarray(rows)])
        return taken

    def inside(self, row: int) -> NDArray[np.bool_]:
        """Where a loose picture shows its picture and not the grey around it: bool (224, 224)."""
        x, y, side, roll = self.square[row].tolist()
        full = np.full((*self.size[row, ::-1].astype(int), 3), 255, np.uint8)
        return cut_square(full, Square(x, y, side * LOOSE, roll), SIDE)[..., 0] > 200


def loose_square(side: int = SIDE) -> Square:
    """The crop's square within a loose picture of that side."""
    return Square((side - 1) / 2, (side - 1) / 2, side / LOOSE, 0.0)


def find_faces(faces: pd.DataFrame, finder: FaceFinder, landmarker: FaceLandmarker | None, folder: Path) -> Found:
    """Finds the face of each row and keeps it in `folder`; goes on where it was interrupted.

    Args:
        faces: a face table; frames of one video together.
        finder: of the device's detector.
        landmarker: describes each face; None leaves blendshapes, rotation and points NaN.
        folder: of the pictures. What another detector or landmarker found there is found anew.

    Raises:
        DataError: a picture or video is missing or unreadable (names the label's line), or no face is found at all.
    """
    described = landmarker.sha256 if landmarker is not None else None
    store = _Store(folder, {"finder": finder.name, "landmarker": described, "side": SIDE, "loose": LOOSE})
    faces = faces.reset_index(drop=True).copy()
    kept, hashes = np.full(len(faces), -1), [""] * len(faces)
    marks: list[Float32Array | None] = [None] * len(faces)
    left_out: Counter[str] = Counter()
    with Progress("faces", len(faces), every=1000) as progress:
        for row, pixels in open_pictures(faces):
            progress.advance()
            if pixels is None:
                left_out[NO_FRAME] += 1
                continue
            face = faces.iloc[row]
            hashes[row] = hash_pixels(pixels)
            key = hashes[row] if face["box_px"] is None else f"{hashes[row]} {np.round(face['box_px']).tolist()}"
            key += " loose" * bool(face["loose"])
            if key not in store.rows:
                store.add(key, *_look(pixels, face, finder, landmarker))
            kept[row], marks[row] = store.rows[key]
            if kept[row] < 0:
                left_out[NO_FACE] += 1
    faces["sha256"] = hashes
    faces["landmarks_px"] = pd.Series(marks, dtype=object)
    good = np.flatnonzero(kept >= 0)
    if not good.size:
        raise DataError(f"no face was found in any of {len(faces)} pictures ({dict(left_out)})")
    return Found(faces.iloc[good].reset_index(drop=True), Pictures(folder, kept[good]), dict(left_out))


def open_pictures(faces: pd.DataFrame) -> Iterator[tuple[int, UInt8Array | None]]:
    """Each row's number with its picture uint8 (H, W, 3), RGB; a video is decoded once.

    None where a video ends before the frame or the frame is damaged. Rows of one video come in order of frames.

    Raises:
        DataError: a picture or video is missing or unreadable; names the label's file and line.
    """
    table = zip(range(len(faces)), faces["picture"], faces["frame"], faces["where"], strict=True)
    for video, together in groupby(table, lambda row: None if row[2] is pd.NA else row[1]):
        if video is None:
            for row, picture, _, where in together:
                yield row, read_picture(Path(picture), where)
            continue
        wanted = sorted((int(frame), row) for row, _, frame, _ in together)
        decoded = read_video(Path(video), sorted({frame for frame, _ in wanted}))
        now: tuple[int, UInt8Array] | None = next(decoded, None)
        for frame, row in wanted:
            while now is not None and now[0] < frame:
                now = next(decoded, None)
            yield row, now[1] if now is not None and now[0] == frame else None


def find_near(finder: FaceFinder, pixels: UInt8Array, box_px: Sequence[float] | None) -> Detection | None:
    """The face near a given box, or the picture's own without one; in pixels of the picture."""
    if box_px is None:
        return finder.find(pixels)
    x1, y1, x2, y2 = (float(each) for each in box_px)
    height, width = pixels.shape[:2]
    around = _AROUND * max(x2 - x1, y2 - y1, 1.0)
    left, top = max(int(x1 - around), 0), max(int(y1 - around), 0)
    right, bottom = min(int(x2 + around) + 1, width), min(int(y2 + around) + 1, height)
    if right - left < 2 or bottom - top < 2:
        return None
    face = finder.find(np.ascontiguousarray(pixels[top:bottom, left:right]))
    return None if face is None else moved(face, left, top)


def hash_pixels(pixels: UInt8Array) -> str:
    """SHA-256 of decoded pixels and their shape, hexadecimal."""
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


_UNKNOWN = FaceShape(*(np.full(shape, np.nan, np.float32) for shape in ((len(BLENDSHAPES),), (3,), (POINTS, 3))))
_Looked = tuple[Float32Array | None, UInt8Array | None, NDArray[Any] | None]


def _look(pixels: UInt8Array, face: pd.Series, finder: FaceFinder, landmarker: FaceLandmarker | None) -> _Looked:
    if face["loose"]:
        marks, square = None, loose_square(pixels.shape[0])
    else:
        found = find_near(finder, pixels, face["box_px"])
        if found is None:
            return None, None, None
        marks, square = found.landmarks_px.ravel(), face_square(found.landmarks_px, CropRule())
    shape = _UNKNOWN
    if landmarker is not None:
        shape = landmarker.describe_square(pixels, square._replace(side=square.side * _ROUGH))
    loose = cut_square(pixels, square._replace(side=square.side * LOOSE), SIDE)
    record = np.zeros((), _SHAPE)
    fields = (shape.blendshapes, shape.rotation, crop_points(shape, square), square, pixels.shape[1::-1])
    for name, values in zip(_FIELDS, fields, strict=True):
        record[name] = values
    return marks, loose, record


def crop_points(shape: FaceShape, square: Square) -> Float32Array:
    """The mesh in units of the crop's side, from its centre, upright: float32 (478, 2)."""
    off = (shape.mesh_px[:, :2] - np.array([square.center_x, square.center_y], np.float32)) / square.side
    cos, sin = np.cos(square.roll), np.sin(square.roll)
    return np.stack([cos * off[:, 0] + sin * off[:, 1], cos * off[:, 1] - sin * off[:, 0]], axis=1).astype(np.float32)


def _open(path: Path, dtype: Any) -> NDArray[Any]:
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


class _Store:
    """The folder's files, written face by face; the line in `found.jsonl` comes last and makes a face count."""

    def __init__(self, folder: Path, made_with: dict[str, Any]) -> None:
        self.rows: dict[str, tuple[int, Float32Array | None]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "found.jsonl"
        head = json.dumps(made_with | {"record": _SHAPE.itemsize})
        lines = self._journal.read_text().splitlines() if self._journal.is_file() else []
        self._files = {folder / "shapes.f32": _SHAPE.itemsize, folder / "loose.u8": SIDE * SIDE * 3}
        there = min(path.stat().st_size // size if path.is_file() else 0 for path, size in self._files.items())
        whole = [head]
        for line in lines[1:] if lines[:1] == [head] else []:
            try:
                record = json.loads(line)
            except ValueError:
                break
            if record["row"] >= there:
                break
            whole.append(line)
            marks = None if record["marks"] is None else np.array(record["marks"], np.float32)
            self.rows[record["key"]] = (record["row"], marks)
        self._journal.write_text("\n".join(whole) + "\n")
        self._count = sum(row >= 0 for row, _ in self.rows.values())
        for path, size in self._files.items():
            with path.open("ab") as file:
                file.truncate(self._count * size)

    def add(self, key: str, marks: Float32Array | None, loose: UInt8Array | None, shape: NDArray[Any] | None) -> None:
        row = -1
        if loose is not None and shape is not None:
            row, self._count = self._count, self._count + 1
            for path, array in zip(self._files, (shape, loose), strict=True):
                with path.open("ab") as file:
                    file.write(array.tobytes())
        self.rows[key] = (row, marks)
        with self._journal.open("a") as journal:
            line = {"key": key, "row": row, "marks": None if marks is None else marks.round(3).tolist()}
            journal.write(f"{json.dumps(line)}\n")
