"""The last stage: sequences as the device would embed them, and the head that learns from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import numpy as np

from convert.augment.augmentation import Augmentation, render
from convert.faces.pictures import loose_square
from convert.predict.evaluation import embed_crop
from convert.progress import Progress
from convert.quantize.export import export_head
from convert.studio.acts import Act
from convert.studio.stage import Studio
from convert.studio.stills import Still, decode
from convert.train.curves import plot_history
from convert.train.examples import Example
from convert.train.material import Material
from convert.train.recipe import Recipe
from convert.train.run import Run, load_weights, save_weights
from convert.train.sequences import Scene, Sequences, change_faces, hold_face, make_sequences, take_in_store
from convert.train.stages import open_backbone
from edge.affect.backbone import Backbone
from edge.geometry import Square
from edge.values import Float32Array, UInt8Array


def train_head_stage(
    run: Run, recipe: Recipe, material: Material, studio: Studio | None = None, *, stop_after: int | None = None
) -> None:
    """Trains the head on what the int8 backbone makes of sequences, or goes on; writes weights, graph and curves."""
    from convert.train.backbone import readout
    from convert.train.head import train_head

    graph = run.read("backbone.tflite", "quantize")
    backbone = open_backbone(graph)
    size, steps = recipe.backbone.size, recipe.head.steps
    picked = pick_faces(material.examples, recipe, np.random.default_rng([recipe.seed, 2]))
    scenes = [held_scene(example, backbone, size, steps) for example in picked]
    held = {}
    if studio is not None and recipe.studio.sequences:
        scenes += changing_scenes(studio.stills()[0], recipe, backbone)
        scenes += [partial(act_scene, act, va) for act, va in studio.acts(recipe.head)] * recipe.studio.takes
        held_scenes = [partial(act_scene, act, va) for act, va in studio.acts(recipe.head, held=True)]
        held["studio"] = _embed(run, recipe, backbone, graph, held_scenes, "held", seed=recipe.seed + 1)
    if len(material.rated):
        held[""] = _still(material, backbone, 2 * recipe.head.warmup_steps)
    sequences = _embed(run, recipe, backbone, graph, scenes, "train", seed=recipe.seed)
    with Progress("head", recipe.head.epochs) as progress:
        weights, history = train_head(
            sequences,
            readout(load_weights(run.path("backbone.npz")), recipe.backbone),
            recipe.head,
            held=held,
            folder=run.path("head"),
            seed=recipe.seed,
            progress=progress,
            stop_after=stop_after,
        )
    if len(history) < recipe.head.epochs:
        return
    save_weights(run.path("head.npz"), weights)
    run.path("head.tflite").write_bytes(export_head(weights, recipe))
    plot_history(history, run.path("head.png"), "head")
    run.write_json("head.json", {"seconds": sum(r["seconds"] for r in history), "history": history})


def act_scene(act: Act, va: Float32Array) -> Scene:
    """An act of the studio with its truth, float32 (T, 2), as a scene."""
    return Scene(act.picture, loose_square(), va.astype(np.float32))


def changing_scenes(stills: Sequence[Still], recipe: Recipe, backbone: Backbone) -> list[Callable[[], Scene]]:
    """Portraits that change between the studio's stills of them, as many as the recipe says; labelled as `as_seen`."""
    portraits: dict[str, list[Still]] = {}
    for still in stills:
        portraits.setdefault(still.name, []).append(still)
    order = np.random.default_rng([recipe.seed, 4]).permutation(len(portraits))[: recipe.head.changing]
    chosen, size = [list(portraits.values())[int(n)] for n in order], recipe.backbone.size
    seen = [
        np.stack([as_seen(decode(still.jpeg), loose_square(), backbone, size) for still in portrait])
        for portrait in chosen
    ]

    def open_scene(number: int) -> Scene:
        pictures = [decode(still.jpeg) for still in chosen[number]]
        rng = np.random.default_rng([recipe.seed, 5, number])
        return change_faces(pictures, loose_square(), seen[number], recipe.head.steps, rng)

    return [partial(open_scene, number) for number in range(len(chosen))]


def pick_faces(examples: Sequence[Example], recipe: Recipe, rng: np.random.Generator) -> list[Example]:
    """Faces to hold, as many as the recipe's `stills`, lively ones more often."""
    weight = np.array([0.3 + float(np.abs(example.va).sum()) for example in examples])
    picks = rng.choice(len(examples), recipe.head.stills, p=weight / weight.sum())
    return [examples[int(pick)] for pick in picks]


def held_scene(example: Example, backbone: Backbone, size: int, steps: int) -> Callable[[], Scene]:
    """A face that keeps its expression, labelled as `as_seen`."""
    seen = as_seen(example.pixels, example.square, backbone, size)
    return partial(hold_face, example.pixels, example.square, seen, steps)


def as_seen(pixels: UInt8Array, square: Square, backbone: Backbone, size: int) -> Float32Array:
    """The backbone's answer to a face's undisturbed crop, as the label of a face that keeps its expression.

    The head is to add time, not a second opinion: asked for the raters' labels, it learns the training faces by heart
    and loses on others. So it learns to say, under every disturbance, what an undisturbed picture would have said.
    """
    return embed_crop(backbone, render(pixels, square, Augmentation(), size)).va


def _still(material: Material, backbone: Backbone, steps: int) -> Sequences:
    """The held-out faces, each held for some steps."""
    found = [embed_crop(backbone, image) for image in material.images]
    parts = (np.stack([each.vector for each in found]), np.stack([each.va for each in found]), material.rated)
    return Sequences(*(np.repeat(part[:, None], steps, axis=1).astype(np.float32) for part in parts))


def _embed(
    run: Run,
    recipe: Recipe,
    backbone: Backbone,
    graph: bytes,
    scenes: Sequence[Callable[[], Scene]],
    kind: str,
    *,
    seed: int,
) -> Sequences:
    """Made once for a graph and what the recipe says of scenes, then read back: the head need not wait for them."""
    head = recipe.head
    shown = (
        seed,
        recipe.studio,
        head.stills,
        head.changing,
        head.steps,
        head.step_s,
        recipe.backbone.size,
        len(scenes),
    )
    key = hashlib.sha256(graph + msgspec.json.encode(shown)).hexdigest()[:16]
    path = run.path(f"sequences-{kind}-{key}.npz")
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            return Sequences(**{name: file[name] for name in Sequences._fields})
    with Progress(f"sequences, {kind}", len(scenes), every=160) as progress:
        sequences = make_sequences(
            scenes,
            partial(embed_crop, backbone),
            take_in_store,
            size=recipe.backbone.size,
            seed=seed,
            advance=progress.advance,
        )
    for old in run.folder.glob(f"sequences-{kind}-*.npz"):
        old.unlink()
    np.savez(path, **sequences._asdict())
    return sequences
