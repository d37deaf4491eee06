"""The stage of the LSTM network: backbone and head from short sequences, trained together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from convert.progress import Progress
from convert.quantize.export import export_head
from convert.studio.acts import Act
from convert.studio.stage import Studio
from convert.train.curves import plot_history
from convert.train.head_stage import act_scene, pick_faces
from convert.train.material import Material
from convert.train.recipe import Recipe
from convert.train.run import Run, save_weights
from convert.train.sequences import Scene, hold_face
from convert.train.validation import Validation
from edge.values import Float32Array


def train_end_to_end_stage(
    run: Run, recipe: Recipe, material: Material, studio: Studio | None = None, *, stop_after: int | None = None
) -> None:
    """Trains both, or goes on; writes their weights, the head's graph and the curves. `quantize` makes the other."""
    from convert.train.end_to_end import train_end_to_end

    steps = recipe.head.truncate
    acts = list(studio.acts(recipe.head)) if studio is not None and recipe.studio.sequences else []

    def draw_scenes(epoch: int) -> list[Callable[[], Scene]]:
        rng = np.random.default_rng([recipe.seed, 3, epoch])
        scenes: list[Callable[[], Scene]] = [
            partial(hold_face, example.pixels, example.square, example.va, steps)
            for example in pick_faces(material.examples, recipe, rng)
        ]
        for act, va in acts * recipe.studio.takes:
            start = int(rng.integers(0, len(va) - steps + 1))
            scenes.append(partial(_cut_act, act, va, start, steps))
        return scenes

    held = [Validation("", material.images, material.rated), material.teacher_labelled(recipe)]
    with Progress("end to end", recipe.backbone.epochs) as progress:
        trained = train_end_to_end(
            draw_scenes,
            [validation for validation in held if len(validation.va)],
            recipe,
            calibration=material.to_calibrate_on(recipe),
            folder=run.path("end_to_end"),
            seed=recipe.seed,
            progress=progress,
            stop_after=stop_after,
        )
    if len(trained.history) < recipe.backbone.epochs:
        return
    save_weights(run.path("backbone.npz"), trained.backbone)
    save_weights(run.path("head.npz"), trained.head)
    run.path("head.tflite").write_bytes(export_head(trained.head, recipe))
    plot_history(trained.history, run.path("end_to_end.png"), "end to end")
    seconds = sum(record["seconds"] for record in trained.history)
    run.write_json("end_to_end.json", {"seconds": seconds, "history": trained.history})


def _cut_act(act: Act, va: Float32Array, start: int, steps: int) -> Scene:
    """Some steps of an act."""
    whole = act_scene(act, va)
    return Scene(lambda step: whole.picture(start + step), whole.square, whole.va[start : start + steps])
