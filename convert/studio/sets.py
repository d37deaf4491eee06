"""The studio of a face table: what its portraits are made to show, part by part into a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.pictures import open_pictures
from convert.faces.table import make_faces
from convert.progress import Progress
from convert.studio.acts import Act, film_act
from convert.studio.archive import load_part, save_part
from convert.studio.jobs import Job, StudioFiles, run_jobs
from convert.studio.reenact import Sitter
from convert.studio.stills import Still, decode, film_still
from convert.teacher.landmarker import FaceLandmarker, FaceShape
from edge.values import Float32Array, UInt8Array

SOURCE = "made"
_STILLS, _ACTS = 1000, 40  # a file
_Made = TypeVar("_Made", Still, Act)


class MadePictures:
    """Pictures of N stills, as `convert.faces.pictures.Pictures` has them; decoded when they are asked for.

    Args:
        jpegs: N, uint8 (bytes,).
        blendshapes, rotation, points: float32 (N, 52), (N, 3) and (N, 478, 2).
    """

    def __init__(
        self, jpegs: Sequence[UInt8Array], blendshapes: Float32Array, rotation: Float32Array, points: Float32Array
    ) -> None:
        self.loose = _Decoded(jpegs)
        self.blendshapes, self.rotation, self.points = blendshapes, rotation, points

    def __len__(self) -> int:
        return len(self.loose)

    def take(self, rows: NDArray[Any]) -> MadePictures:
        """The pictures of some rows: numbers (M,), or bool (N,)."""
        jpegs = [self.loose.jpegs[row] for row in np.arange(len(self))[rows]]
        return MadePictures(jpegs, self.blendshapes[rows], self.rotation[rows], self.points[rows])


class _Decoded(Sequence[UInt8Array]):
    """Loose pictures uint8 (224, 224, 3), RGB, by row."""

    def __init__(self, jpegs: Sequence[UInt8Array]) -> None:
        self.jpegs = jpegs

    def __len__(self) -> int:
        return len(self.jpegs)

    def __getitem__(self, row: Any) -> Any:
        return decode(self.jpegs[int(row)])


class Stills(NamedTuple):
    """N made faces.

    Attributes:
        faces: a face table: loose, rated by nobody, subject and split of the portrait, `expression` the still's kind.
        pictures: of its rows.
        clean: the clean renders: what the stills express.
        asked: float32 (N, 52), the blendshapes that were asked for.
        speaks: bool (N,).
    """

    faces: pd.DataFrame
    pictures: MadePictures
    clean: MadePictures
    asked: Float32Array
    speaks: NDArray[np.bool_]


class Studio:
    """Makes stills and acts of a table's generated faces.

    Args:
        faces: a face table with splits; rows that show real people, videos and loose pictures are no portraits.
        files: the studio's models.
        seed: decides everything.
        folder: for what is made.

    Raises:
        DataError: a model's file or a picture is missing, or nothing is left to make portraits of.
    """

    def __init__(self, faces: pd.DataFrame, files: StudioFiles, *, seed: int, folder: Path) -> None:
        for path in files:
            if not path.is_file():
                raise DataError(f"{path}: no such file; the studio needs it (or use a recipe without a studio)")
        self._faces = faces[~faces["real"] & ~faces["loose"] & faces["frame"].isna()].reset_index(drop=True)
        if self._faces.empty:
            raise DataError("no generated face to make portraits of; nobody real is made to act")
        self._files, self._seed, self._folder = files, seed, folder
        self._read: dict[int, tuple[UInt8Array, FaceShape]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def stills(self, count: int, *, split: str = "train") -> Stills:
        """At most `count` faces of the portraits of a split: those that came out as asked."""
        made = self._obtain("stills", film_still, Still, split, count, _STILLS)
        if not made:
            raise DataError(f"no still of split {split!r} came out; has it faces?")
        subjects = dict(zip(self._faces["id"], self._faces["subject"], strict=True))
        faces = make_faces(
            {
                "id": [f"{SOURCE}/{split}-{self._seed}-{number:05d}" for number in range(len(made))],
                "picture": str(self._folder),
                "subject": [subjects[still.name] for still in made],
                "split": split,
                "source": SOURCE,
                "licence": "Apache-2.0",
                "real": False,
                "loose": True,
                "expression": [still.kind for still in made],
            }
        )

        def pictures(which: str) -> MadePictures:
            arrays = (np.stack([getattr(still, which + name) for still in made]) for name in _ARRAYS)
            return MadePictures([getattr(still, f"{which}jpeg") for still in made], *arrays)

        asked, speaks = np.stack([still.asked for still in made]), np.array([still.speaks for still in made])
        return Stills(faces, pictures(""), pictures("clean_"), asked, speaks)

    def acts(self, count: int, *, steps: int, step_s: float, split: str = "train") -> list[Act]:
        """At most `count` acts of `steps` steps, of the portraits of a split."""
        return self._obtain("acts", film_act, Act, split, count, _ACTS, steps=steps, step_s=step_s)

    def _seen(self) -> Float32Array:
        """What the landmarker read of the training portraits: float32 (N, 52)."""
        rows = np.flatnonzero(self._faces["split"] == "train")
        return np.stack([self._look()[row][1].blendshapes for row in rows.tolist() if row in self._look()])

    def _look(self) -> dict[int, tuple[UInt8Array, FaceShape]]:
        if not self._read:
            finder, landmarker = FaceFinder(), FaceLandmarker(self._files.landmarker)
            with Progress("portraits", len(self._faces), every=500) as progress:
                for row, pixels in open_pictures(self._faces):
                    progress.advance()
                    face = None if pixels is None else finder.find(pixels)
                    if pixels is not None and face is not None:
                        self._read[row] = pixels, landmarker.describe(pixels, face.landmarks_px)
        return self._read

    def _sitters(self, split: str, limit: int) -> list[Sitter]:
        looked = self._look()
        rows = [row for row in np.flatnonzero(self._faces["split"] == split).tolist() if row in looked]
        order = np.random.default_rng(self._seed).permutation(len(rows))[:limit]
        return [Sitter(self._faces["id"][rows[n]], *looked[rows[n]]) for n in order]

    def _obtain(
        self,
        name: str,
        film: Callable[[Job], _Made | None],
        kind: type[_Made],
        split: str,
        count: int,
        size: int,
        **grid: Any,
    ) -> list[_Made]:
        """What lies in files of `size` numbers, up to `count`; makes those that are not there yet."""
        parts = {}
        for start in range(0, count, size):
            stop = min(start + size, count)
            parts[range(start, stop)] = self._folder / f"{name}-{split}-{self._seed}-{start:05d}-{stop:05d}.npz"
        missing = [numbers for numbers, path in parts.items() if not path.is_file()]
        if missing and (sitters := self._sitters(split, count)):
            seen = self._seen()
            with Progress(f"studio, {name}", count, every=max(size // 2, 1)) as progress:
                progress.advance(done=missing[0].start)
                for numbers in missing:
                    jobs = (Job(sitters[n % len(sitters)], seen, self._files, self._seed, n, **grid) for n in numbers)
                    save_part(parts[numbers], run_jobs(film, jobs, progress.advance))
        return [each for path in parts.values() if path.is_file() for each in load_part(path, kind)]


_ARRAYS = ("blendshapes", "rotation", "points")
