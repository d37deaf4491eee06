"""The studio as a stage of a run: makes its faces part by part into the run's folder, and gives them as examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.progress import Progress
from convert.studio.acts import Act, film_act
from convert.studio.archive import load_part, save_part
from convert.studio.head import load_head
from convert.studio.jobs import Job, StudioFiles, run_jobs
from convert.studio.reenact import Sitter
from convert.studio.stills import Still, film_still
from convert.teacher.landmarker import FaceShape
from convert.teacher.regressor import TeacherLabels, fit_regressor
from convert.train.recipe import HeadRecipe, StudioRecipe
from edge.values import Float32Array

_PART, _ACTS = 1000, 40  # faces and acts a file


class Studio:
    """The portraits of a run's faces, and what is made of them.

    Args:
        faces: of the data.
        teacher: their labels and meshes.
        files: the studio's models.
        recipe: how much to make.
        seed: decides everything.
        folder: for what is made.

    Raises:
        DataError: a model's file is missing, or the teacher does not know the faces' meshes.
    """

    def __init__(
        self,
        faces: Sequence[LabelledFace],
        teacher: TeacherLabels,
        files: StudioFiles,
        recipe: StudioRecipe,
        *,
        seed: int,
        folder: Path,
    ) -> None:
        for path in files:
            if not path.is_file():
                raise DataError(f"{path}: no such file; the studio needs it (or use a recipe without a studio)")
        self.head = load_head(files.head)
        self._files, self._recipe, self._seed, self._folder = files, recipe, seed, folder
        self._shapes = teacher.shapes()
        self._faces = [face for face in faces if face.name in self._shapes]
        self.regressor = fit_regressor(self._faces, [self._shapes[face.name] for face in self._faces], seed=seed)
        trained = [face for face in self._faces if not face.validation]
        self.seen: Float32Array = np.stack([self._shapes[face.name].blendshapes for face in trained])
        folder.mkdir(parents=True, exist_ok=True)

    def portraits(self, limit: int, *, held: bool) -> list[Sitter]:
        """At most so many faces of the held-out part, or of all others, in an order that mixes the data sets."""
        chosen = [face for face in self._faces if face.validation == held]
        order = np.random.default_rng(self._seed).permutation(len(chosen))[:limit]
        return [Sitter(f.name, f.pixels, self._shapes[f.name]) for f in (chosen[n] for n in order)]

    def stills(self, *, held: bool = False) -> tuple[list[Still], Float32Array]:
        """The made faces and the teacher's labels of what they express, float32 (N, 2)."""
        count = self._recipe.held if held else self._recipe.stills
        kind = "held" if held else "stills"
        parts = self._obtain(kind, film_still, count, _PART, held=held, every=500)
        made = [still for path in parts for still in load_part(path, Still)]
        labels = (
            self.regressor.predict([_shape(still.clean_blendshapes, still.clean_rotation) for still in made])
            if made
            else np.zeros((0, 2), np.float32)
        )
        return made, labels

    def acts(self, head: HeadRecipe, *, held: bool = False) -> list[tuple[Act, Float32Array]]:
        """The acts, and valence and arousal at each of their steps, float32 (T, 2)."""
        count = self._recipe.held_sequences if held else self._recipe.sequences
        kind = "held-acts" if held else "acts"
        grid = {"steps": head.steps, "step_s": head.step_s}
        parts = self._obtain(kind, film_act, count, _ACTS, held=held, every=20, **grid)
        made = [act for path in parts for act in load_part(path, Act)]
        return [(act, act.mix @ self.regressor.predict([*map(_shape, act.blendshapes, act.rotation)])) for act in made]

    def _obtain(
        self, kind: str, film: Callable[[Job], Any], count: int, size: int, *, held: bool, every: int, **grid: Any
    ) -> list[Path]:
        """Files of `size` numbers each, up to `count`; makes those that are not there yet."""
        parts = [self._folder / f"{kind}-{number:03d}.npz" for number in range(-(-count // size))]
        missing = [number for number, path in enumerate(parts) if not path.is_file()]
        if missing:
            portraits = self.portraits(count, held=held)
            with Progress(f"studio, {kind}", count, every=every) as progress:
                progress.advance(done=(len(parts) - len(missing)) * size)
                for number in missing:
                    numbers = range(number * size, min((number + 1) * size, count))
                    seed = self._seed + (1 if held else 0)
                    jobs = (
                        Job(portraits[n % len(portraits)], self.seen, self._files, seed, n, **grid) for n in numbers
                    )
                    save_part(parts[number], run_jobs(film, jobs, progress.advance))
        return parts


def _shape(blendshapes: Float32Array, rotation: Float32Array) -> FaceShape:
    return FaceShape(blendshapes, rotation, np.zeros((0, 3), np.float32))
