"""Faces in time, on the bundle's time grid and with the device's embeddings.

A sequence is a take of one of the studio's acts, or of a still face that keeps its expression, under an augmentation
that drifts, with a hand before the face, motion, a lamp that fails, and steps without a picture. Its embeddings come
from the int8 graph through `edge.affect.backbone`, and a missing step holds the last one, as `edge.affect.stream` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from convert.augment.augmentation import Augmentation, draw_augmentation, drift_augmentation, render
from convert.augment.occluders import draw_occluder
from convert.faces.pictures import loose_square
from convert.predict.evaluation import NS, embed_crop
from convert.studio.acts import Act
from convert.train.batches import cut_crop
from convert.train.recipe import HeadRecipe, Recipe
from edge.affect.backbone import Backbone
from edge.geometry import Square
from edge.values import Embedding, Float32Array, UInt8Array

_DROPS, _DROPPED = 0.025, (1, 7)  # chance a step that pictures stop coming, and for how many steps
Held = TypeVar("Held")
_SHOWN = (6, 45)  # steps that a still picture stays
_STEADY = 0.3  # of takes: a good camera in good light


class Scene(NamedTuple):
    """T steps before any disturbance.

    Attributes:
        picture: by step, uint8 (H, W, 3) RGB, or None where there is no face.
        square: of the face in each picture.
        va: float32 (T, 2), what the face expresses.
    """

    picture: Callable[[int], UInt8Array | None]
    square: Square
    va: Float32Array


class Sequences(NamedTuple):
    """N sequences of T steps, as held on the device where no picture came.

    Attributes:
        embeddings: float32 (N, T, D).
        frame: float32 (N, T, 2), the backbone's own answers.
        va: float32 (N, T, 2), what the face expresses.
    """

    embeddings: Float32Array
    frame: Float32Array
    va: Float32Array


Take = Callable[[Scene, np.random.Generator, int], Iterator[UInt8Array | None]]
"""Photographs a scene: the crops of all its steps, None where no picture came."""
Embed = Callable[[UInt8Array, int], Embedding]


def embed_step(backbone: Backbone, recipe: HeadRecipe) -> Embed:
    """Embeds a crop at a step of the time grid, as the device does."""
    step_ns = round(recipe.step_s * NS)
    return lambda crop, step: embed_crop(backbone, crop, captured_ns=step * step_ns)


def make_sequences(
    scenes: Sequence[Callable[[], Scene]],
    embed: Embed,
    take: Take,
    *,
    size: int,
    seed: int,
    advance: Callable[[], None],
) -> Sequences:
    """Photographs and embeds scenes of one length.

    Args:
        scenes: opened one at a time.
        embed: crop uint8 (S, S, 3) RGB and number of its step to the int8 backbone's embedding.
        take: photographs.
        size: side of the crop, pixels.
        seed: with a scene's number decides its take.
        advance: called after each scene.
    """

    def shoot(number: int) -> tuple[list[UInt8Array | None], Float32Array]:
        scene = scenes[number]()
        return list(take(scene, np.random.default_rng([seed, number]), size)), scene.va

    embeddings, frames, labels = [], [], []
    with ThreadPoolExecutor(1) as pool:  # one scene ahead of the backbone
        ahead = pool.submit(shoot, 0)
        for number in range(len(scenes)):
            crops, va = ahead.result()
            if number + 1 < len(scenes):
                ahead = pool.submit(shoot, number + 1)
            held = hold_missing([None if crop is None else embed(crop, step) for step, crop in enumerate(crops)])
            embeddings.append(np.stack([each.vector for each in held]))
            frames.append(np.stack([each.va for each in held]))
            labels.append(va)
            advance()
    return Sequences(*(np.stack(part).astype(np.float32) for part in (embeddings, frames, labels)))


def take_in_store(scene: Scene, rng: np.random.Generator, size: int) -> Iterator[UInt8Array | None]:
    """A take under everything that training knows."""
    steady = rng.random() < _STEADY
    augmentation = replace(draw_augmentation(rng), occluder=None, blur_px=0.0)
    if steady:
        augmentation = Augmentation(seed=augmentation.seed)
    accident, trouble, gap = augmentation, 0, 0
    for step in range(len(scene.va)):
        augmentation = drift_augmentation(augmentation, rng, jitter=0.5 if steady else 1.0)
        trouble -= 1
        if trouble <= 0:
            accident, trouble = _accident(augmentation, rng)
        gap = gap - 1 if gap > 0 else int(rng.integers(*_DROPPED)) if rng.random() < _DROPS else 0
        seen = replace(
            augmentation,
            occluder=accident.occluder,
            blur_px=accident.blur_px,
            gain=accident.gain if accident.gain < 0.5 else augmentation.gain,
        )
        yield photograph_step(scene, step, None if gap and step else seen, size)


def photograph_step(scene: Scene, step: int, augmentation: Augmentation | None, size: int) -> UInt8Array | None:
    """The crop of one step under an augmentation, or None where there is no face or, with None, no picture."""
    pixels = None if augmentation is None else scene.picture(step)
    return None if pixels is None or augmentation is None else render(pixels, scene.square, augmentation, size)


def change_faces(
    pictures: Sequence[UInt8Array], square: Square, va: Float32Array, steps: int, rng: np.random.Generator
) -> Scene:
    """A face that changes from one still picture to another of the same portrait: as quick as nothing else changes.

    Args:
        pictures: K, uint8 (H, W, 3) RGB, of one portrait.
        square: of the face in each.
        va: float32 (K, 2), what each expresses.
        steps: T.
        rng: decides which is shown when.
    """
    shown: list[int] = []
    while len(shown) < steps:
        others = [n for n in range(len(pictures)) if not shown or n != shown[-1]] or [0]
        shown += [int(rng.choice(others))] * int(rng.integers(*_SHOWN))
    return Scene(lambda step: pictures[shown[step]], square, va[shown[:steps]].astype(np.float32))


def hold_face(pixels: UInt8Array, square: Square, va: Float32Array, steps: int) -> Scene:
    """A face that keeps its expression: what evaluation on still pictures does, and what a frozen camera gives."""
    return Scene(lambda _: pixels, square, np.repeat(va[None], steps, axis=0).astype(np.float32))


def act_scene(act: Act, va: Float32Array) -> Scene:
    """An act of the studio with its truth, float32 (T, 2), as a scene."""
    return Scene(act.picture, loose_square(), va.astype(np.float32))


def changing_scenes(
    loose: Sequence[UInt8Array], subjects: Sequence[str], backbone: Backbone, recipe: Recipe, seed: int
) -> list[Callable[[], Scene]]:
    """Portraits that change between stills of them, as many as the recipe says; labelled as `held_scenes` are.

    Args:
        loose: N stills as in `TrainingFaces`.
        subjects: N names of who is in each.
        backbone, recipe, seed: as of `held_scenes`.
    """
    by_subject: dict[str, list[int]] = {}
    for row, subject in enumerate(subjects):
        by_subject.setdefault(subject, []).append(row)
    order = np.random.default_rng([seed, 4]).permutation(len(by_subject))[: recipe.head.changing]
    chosen = [list(by_subject.values())[int(number)] for number in order]
    seen = [np.stack([_as_seen(loose[row], backbone, recipe) for row in rows]) for rows in chosen]

    def open_scene(number: int) -> Scene:
        pictures = [loose[row] for row in chosen[number]]
        rng = np.random.default_rng([seed, 5, number])
        return change_faces(pictures, loose_square(len(pictures[0])), seen[number], recipe.head.steps, rng)

    return [partial(open_scene, number) for number in range(len(chosen))]


def _as_seen(picture: UInt8Array, backbone: Backbone, recipe: Recipe) -> Float32Array:
    """The backbone's answers to the undisturbed crop of two steps, averaged: float32 (2,)."""
    embed, crop = embed_step(backbone, recipe.head), cut_crop(picture, recipe.backbone.size)
    return np.mean([embed(crop, step).va for step in (0, 1)], axis=0, dtype=np.float32)


def held_scenes(
    loose: Sequence[UInt8Array], va: Float32Array, backbone: Backbone, recipe: Recipe, seed: int
) -> list[Callable[[], Scene]]:
    """Faces that keep their expression, lively ones more often, as many as the recipe's `stills`.

    The label is the backbone's answer to the undisturbed crop: the head is to add time, not a second opinion. Asked for
    the raters' labels, it learns the training faces by heart and loses on others.

    Args:
        loose, va: N pictures as in `TrainingFaces`, and their labels.
        backbone: the int8 one.
        recipe: how many, how long.
        seed: picks.
    """
    weight = 0.3 + np.abs(va).sum(axis=1)
    count = recipe.head.stills
    picks = np.random.default_rng([seed, 2]).choice(len(va), count, p=weight / weight.sum(), replace=count > len(va))

    # Answered now: the engine cannot be shared with the thread that opens scenes.
    seen = [_as_seen(loose[int(row)], backbone, recipe) for row in picks]

    def open_scene(number: int) -> Scene:
        picture = loose[int(picks[number])]
        return hold_face(picture, loose_square(len(picture)), seen[number], recipe.head.steps)

    return [partial(open_scene, number) for number in range(count)]


def still_sequences(crops: UInt8Array, va: Float32Array, backbone: Backbone, recipe: HeadRecipe) -> Sequences:
    """N crops, each held for twice the warm-up without augmentation."""
    embed = embed_step(backbone, recipe)
    found = [[embed(crop, step) for step in (0, 1)] for crop in crops]
    vectors, frames = (np.array([[getattr(each, name) for each in two] for two in found]) for name in ("vector", "va"))
    parts = (np.tile(part, (1, recipe.warmup_steps, 1)) for part in (vectors, frames, np.stack([va, va], axis=1)))
    return Sequences(*(part.astype(np.float32) for part in parts))


def _accident(augmentation: Augmentation, rng: np.random.Generator) -> tuple[Augmentation, int]:
    """What comes between face and camera now, and for how many steps; most of the time nothing does."""
    chance = rng.random()
    clear = replace(augmentation, occluder=None, blur_px=0.0)
    if chance < 0.6:
        return clear, int(rng.integers(5, 25))
    if chance < 0.8:
        return replace(clear, occluder=draw_occluder(rng)), int(rng.integers(2, 16))
    if chance < 0.95:
        return replace(clear, blur_px=float(rng.uniform(2, 9))), int(rng.integers(1, 6))
    return replace(clear, gain=float(rng.uniform(0.06, 0.4))), int(rng.integers(3, 15))


def hold_missing(steps: Sequence[Held | None]) -> list[Held]:
    """Embeddings or crops of all steps: missing ones repeat the last.

    Those before the first repeat the first, as a track begins with a picture.
    """
    first = next(each for each in steps if each is not None)
    held: list[Held] = []
    for each in steps:
        held.append(each if each is not None else held[-1] if held else first)
    return held
