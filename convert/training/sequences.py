"""Faces in time, made from still pictures, on the bundle's time grid and with the device's embeddings.

A sequence shows one face after another fading over, under a nuisance that drifts, with the accidents of a store: a
hand before the face, motion, a lamp that goes on, steps without a picture. Its embeddings come from the int8 graph
through `edge.affect.backbone`, and a missing step holds the last one, as `edge.affect.stream` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from convert.recipe import HeadRecipe
from convert.training.examples import Example
from convert.training.nuisance import Nuisance, draw_nuisance, drift_nuisance, render
from edge.types import Float32Array, UInt8Array

_STILL_SHARE = 0.25  # of sequences that hold one picture: what evaluation does, and what a frozen camera gives


class Step(NamedTuple):
    """One step of the grid: the crop uint8 (S, S, 3) RGB, None where no picture came; the label float32 (2,)."""

    crop: UInt8Array | None
    va: Float32Array


class Sequences(NamedTuple):
    """`embeddings` float32 (N, T, D) as held on the device; `va` float32 (N, T, 2), what the face shows."""

    embeddings: Float32Array
    va: Float32Array


def make_sequences(
    examples: Sequence[Example],
    embed: Callable[[UInt8Array], Float32Array],
    recipe: HeadRecipe,
    *,
    size: int,
    seed: int,
    advance: Callable[[], None],
) -> Sequences:
    """Renders and embeds all sequences of a recipe.

    Args:
        examples: the faces.
        embed: crop uint8 (S, S, 3) RGB to embedding float32 (D,), the int8 backbone.
        recipe: how many sequences of how many steps.
        size: side of the crop, pixels.
        seed: decides everything.
        advance: called after each sequence.
    """

    def render_one(number: int) -> list[Step]:
        return list(show(examples, np.random.default_rng([seed, number]), recipe, size))

    embeddings, labels = [], []
    with ThreadPoolExecutor(1) as pool:  # one sequence ahead of the backbone
        ahead = pool.submit(render_one, 0)
        for number in range(recipe.sequences):
            steps = ahead.result()
            if number + 1 < recipe.sequences:
                ahead = pool.submit(render_one, number + 1)
            embeddings.append(_hold([None if step.crop is None else embed(step.crop) for step in steps]))
            labels.append(np.stack([step.va for step in steps]))
            advance()
    return Sequences(np.stack(embeddings).astype(np.float32), np.stack(labels).astype(np.float32))


def show(examples: Sequence[Example], rng: np.random.Generator, recipe: HeadRecipe, size: int) -> Iterator[Step]:
    """One sequence of `recipe.steps` steps; the first always has a picture."""
    weight = np.array([0.3 + float(np.abs(example.va).sum()) for example in examples])
    weight /= weight.sum()

    def pick() -> Example:
        return examples[int(rng.choice(len(examples), p=weight))]

    still = rng.random() < _STILL_SHARE
    nuisance = Nuisance() if still and rng.random() < 0.5 else draw_nuisance(rng)
    face, coming = pick(), pick()
    until = _duration(rng, recipe) if not still else recipe.steps + 1
    fade, gap, accident = 0, 0, nuisance
    trouble = 0
    for step in range(recipe.steps):
        if not still:
            nuisance = drift_nuisance(nuisance, rng, jitter=1.0)
            trouble -= 1
            if trouble <= 0:
                accident, trouble = _accident(nuisance, rng)
            gap = gap - 1 if gap > 0 else int(rng.integers(1, 7)) if rng.random() < 0.02 else 0
            if step == until:
                fade = int(rng.integers(2, 9))
        share = (step - until) / fade if fade else 0.0
        if fade and share >= 1:
            face, coming, share, fade = coming, pick(), 0.0, 0
            until = step + _duration(rng, recipe)
        seen = replace(
            nuisance, occlusion=accident.occlusion, occlusion_rgb=accident.occlusion_rgb, blur_px=accident.blur_px
        )
        va = (1 - share) * face.va + share * coming.va
        if gap and step:
            yield Step(None, va)
            continue
        crop = render(face.pixels, face.square, seen, size)
        if share > 0:
            other = render(coming.pixels, coming.square, seen, size)
            crop = np.asarray(cv2.addWeighted(crop, 1 - share, other, share, 0), np.uint8)
        yield Step(crop, va)


def _duration(rng: np.random.Generator, recipe: HeadRecipe) -> int:
    """Steps that an expression stays: 0.8 to 4 seconds."""
    return int(rng.uniform(0.8, 4.0) / recipe.step_s)


def _accident(nuisance: Nuisance, rng: np.random.Generator) -> tuple[Nuisance, int]:
    """What comes between face and camera now, and for how many steps; most of the time nothing does."""
    chance = rng.random()
    if chance < 0.7:
        return replace(nuisance, occlusion=None, blur_px=0.0), int(rng.integers(5, 25))
    if chance < 0.85:
        return replace(draw_nuisance(rng), blur_px=0.0), int(rng.integers(2, 9))
    return replace(nuisance, occlusion=None, blur_px=float(rng.uniform(2, 8))), int(rng.integers(1, 5))


def _hold(embeddings: Sequence[Float32Array | None]) -> Float32Array:
    held: list[Float32Array] = []
    for embedding in embeddings:
        held.append(held[-1] if embedding is None else embedding)
    return np.stack(held)
