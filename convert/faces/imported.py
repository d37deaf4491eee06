"""Faces of other data sets, found once and kept in a run's folder: cut loosely, and read back without loading them.

```
<kind>/faces.u8      uint8 (N, P, P, 3), RGB: the surroundings of each face, upright as it was filmed
<kind>/faces.npz     landmarks, ratings, weights, names, groups, and who is held out
<kind>/source.json   what it is, its terms, and what was left out: for manifest, card and record
```
A video gives one picture a second at most. Whoever deletes the run's folder deletes these pictures too.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from convert.errors import DataError
from convert.faces.finder import FaceFinder, LabelledFace
from convert.faces.layouts import describe_source
from convert.faces.pixels import find_labelled, open_frames
from convert.faces.records import LabelledFrame, Reading, read_dataset
from convert.faces.split import is_held_out
from convert.progress import Progress
from edge.geometry import CropRule, face_square
from edge.model.bundle import Source
from edge.values import Float32Array, UInt8Array

IMPORTED = "datasets"  # in the run's folder
FRAME_GAP_S = 1.0  # frames of one clip are kept at least this far apart: neighbours say the same
_SIDE_PX = 192
_COLUMNS = ("names", "landmarks_px", "rated", "weight", "group", "validation")
_LOOSE = 2.0  # side of what is kept, of the crop's square: room for shift, scale and turn in training


class Imported(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record of an imported data set.

    Attributes:
        kind, path: as it was given.
        source: for the manifest; `count` is how many faces were kept.
        research_only: its terms forbid other use of what is trained on it.
        labels: read.
        left_out: labels and pictures left out, by reason.
    """

    kind: str
    path: str
    source: Source
    research_only: bool
    labels: int
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class DatasetPath:
    """A data set as named on the command line: `KIND=PATH`."""

    kind: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> DatasetPath:
        """Takes `KIND=PATH` apart.

        Raises:
            DataError: it is not of that form.
        """
        kind, equals, path = text.partition("=")
        if not equals or not kind or not path:
            raise DataError(f"--dataset {text}: must be KIND=PATH, for instance affwild2=/data/Aff-Wild2")
        return cls(kind, Path(path))


def import_dataset(at: DatasetPath, folder: Path, finder: FaceFinder) -> Imported:
    """Finds the faces of a data set and keeps them below `folder`; does nothing where that was done already.

    Raises:
        DataError: the data is malformed, or the run already holds another set of this kind.
    """
    home = folder / at.kind
    if (home / "source.json").is_file():
        record = read_record(home)
        if record.path != str(at.path.resolve()):
            raise DataError(f"{home}: holds {record.path}; a run takes one data set of a kind, choose another --out")
        return record
    source, research_only = describe_source(at.kind, at.path)
    reading = Reading()
    wanted = list(_thin(read_dataset(at.kind, at.path, reading), reading))
    partial = folder / f"{at.kind}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    left_out: Counter[str] = Counter(reading.dropped)
    kept = []
    with (partial / "faces.u8").open("wb") as file, Progress(at.kind, len(wanted), every=1000) as progress:
        for frame, landmarks, pixels in _find(wanted, finder, left_out, progress):
            file.write(pixels.tobytes())
            kept.append((frame, landmarks))
    if not kept:
        raise DataError(f"{at.path}: no face was found in any of {len(wanted)} pictures")
    frames = [frame for frame, _ in kept]
    np.savez_compressed(
        partial / "faces.npz",
        names=np.array([frame.name for frame in frames]),
        landmarks_px=np.stack([landmarks for _, landmarks in kept]),
        rated=np.array([(frame.valence, frame.arousal) for frame in frames], np.float32),
        weight=np.array([frame.weight for frame in frames], np.float32),
        group=np.array([frame.group for frame in frames]),
        validation=np.array([is_held_out(frame) for frame in frames]),
    )
    record = Imported(
        kind=at.kind,
        path=str(at.path.resolve()),
        source=msgspec.structs.replace(source, count=len(kept)),
        research_only=research_only,
        labels=reading.read,
        left_out=dict(left_out),
    )
    (partial / "source.json").write_text(json.dumps(msgspec.to_builtins(record), indent=2) + "\n")
    partial.rename(home)
    return record


def load_imported(folder: Path) -> list[LabelledFace]:
    """The faces of every data set kept below `folder`, none where there is none; pixels stay in their file."""
    faces = []
    for record in read_records(folder):
        home = folder / record.kind
        shape = (record.source.count, _SIDE_PX, _SIDE_PX, 3)
        try:
            pixels = np.memmap(home / "faces.u8", np.uint8, "r", shape=shape)
            with np.load(home / "faces.npz", allow_pickle=False) as file:
                columns = {name: file[name] for name in _COLUMNS}
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{home}: damaged ({error}); delete it and train again with --dataset") from error
        faces += [
            LabelledFace(
                name=str(columns["names"][n]),
                source=record.kind,
                validation=bool(columns["validation"][n]),
                pixels=pixels[n],
                landmarks_px=columns["landmarks_px"][n],
                rated=(float(columns["rated"][n, 0]), float(columns["rated"][n, 1])),
                weight=float(columns["weight"][n]),
                group=str(columns["group"][n]),
            )
            for n in range(record.source.count)
        ]
    return faces


def read_records(folder: Path) -> list[Imported]:
    """The records of the data sets kept below `folder`, by kind."""
    return [read_record(path.parent) for path in sorted(folder.glob("*/source.json"))]


def read_record(home: Path) -> Imported:
    """The record of one kept data set.

    Raises:
        DataError: it is malformed.
    """
    path = home / "source.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Imported)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: {error}") from error


def _thin(frames: Iterable[LabelledFrame], reading: Reading) -> Iterator[LabelledFrame]:
    clip, last_s = None, 0.0
    for frame in frames:
        if frame.time_s is not None and frame.clip == clip and 0 <= frame.time_s - last_s < FRAME_GAP_S - 1e-6:
            reading.drop(f"nearer than {FRAME_GAP_S:g} s to the frame before")
            continue
        clip, last_s = frame.clip, frame.time_s or 0.0
        yield frame


def _find(
    frames: list[LabelledFrame], finder: FaceFinder, left_out: Counter[str], progress: Progress
) -> Iterator[tuple[LabelledFrame, Float32Array, UInt8Array]]:
    for frame, pixels in open_frames(frames):
        progress.advance()
        face = None if pixels is None else find_labelled(finder, frame, pixels)
        if pixels is None:
            left_out["the video ends before the frame"] += 1
        elif face is None:
            left_out["no face found"] += 1
        else:
            yield (frame, *_surroundings(pixels, face.landmarks_px))


def _surroundings(pixels: UInt8Array, landmarks_px: Float32Array) -> tuple[Float32Array, UInt8Array]:
    """Landmarks in, and pixels of, the kept picture around a face."""
    square = face_square(landmarks_px, CropRule())
    scale = _SIDE_PX / (square.side * _LOOSE)
    shift = (_SIDE_PX - 1) / 2 - scale * np.array([square.center_x, square.center_y])
    to_kept = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    kept = cv2.warpAffine(pixels, to_kept, (_SIDE_PX, _SIDE_PX), flags=method, borderMode=cv2.BORDER_REPLICATE)
    return (landmarks_px * scale + shift).astype(np.float32), np.asarray(kept, np.uint8)
