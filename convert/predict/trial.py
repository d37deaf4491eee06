"""The trial that a head is judged by: what happens to a sequence, fixed here before a head is trained.

Held-out acts of the studio are photographed under accidents that follow on one another; one of them, the reflection of
a bright place in the glass before the camera, is in no training. Of the acts the first part serves to tune what the
head is compared with, the rest to compare; no portrait is in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from convert.augment.augmentation import Augmentation
from convert.augment.occluders import draw_occluder
from convert.train.sequences import Scene, photograph_step
from edge.values import UInt8Array

SEED = 7001
TUNING_SHARE = 0.4  # of the acts, the first ones
FAMILIES = ("clear", "dropped", "blur", "occlusion", "dark", "reflection")
UNSEEN = "reflection"  # never trained on
_CHANCES = (0.4, 0.12, 0.14, 0.16, 0.06, 0.12)
_LENGTH = (2, 16)  # steps that one accident lasts


def families(steps: int, rng: np.random.Generator) -> list[str]:
    """What happens at each step, in segments; it begins clear."""
    out: list[str] = []
    while len(out) < steps:
        family = FAMILIES[0] if not out else str(rng.choice(FAMILIES, p=_CHANCES))
        out += [family] * int(rng.integers(*_LENGTH))
    return out[:steps]


def take_in_trial(scene: Scene, rng: np.random.Generator, size: int) -> Iterator[UInt8Array | None]:
    """A take of the trial: see the module; arguments as of `Take`."""
    happening = families(len(scene.va), rng)
    camera = Augmentation(
        noise=float(rng.uniform(1, 5)),
        low_px=int(rng.uniform(40, 112)),
        jpeg=int(rng.uniform(50, 90)),
        gain=float(rng.uniform(0.7, 1.2)),
    )
    now, last = camera, ""
    for step, family in enumerate(happening):
        if family != last:
            now, last = _begin(family, camera, rng), family
        now = replace(
            now,
            seed=int(rng.integers(2**31)),
            shift=(float(rng.normal(0, 0.015)), float(rng.normal(0, 0.015))),
            roll=float(rng.normal(0, 0.02)),
        )
        crop = photograph_step(scene, step, None if family == "dropped" else now, size)
        yield _reflect(crop, now.seed, step) if crop is not None and family == UNSEEN else crop


def _begin(family: str, camera: Augmentation, rng: np.random.Generator) -> Augmentation:
    if family == "blur":
        return replace(camera, blur_px=float(rng.uniform(3, 10)), blur_angle=float(rng.uniform(0, np.pi)))
    if family == "occlusion":
        return replace(camera, occluder=draw_occluder(rng))
    if family == "dark":
        return replace(camera, gain=float(rng.uniform(0.07, 0.2)), noise=6.0)
    return camera


def _reflect(crop: UInt8Array, seed: int, step: int) -> UInt8Array:
    """A bright window with bars, mirrored in a pane before the camera, that slides across the face."""
    rng = np.random.default_rng([seed % 97, SEED])
    size = crop.shape[0]
    across = (np.arange(size) / size)[None, :] * rng.uniform(2, 4) + (np.arange(size) / size)[:, None] * rng.uniform(
        -1, 1
    )
    bars = (np.sin(2 * np.pi * (across + 0.05 * step)) > -0.2).astype(np.float32)
    mixed = crop * 0.55 + bars[..., None] * np.array([150, 160, 170], np.float32) * 0.7
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
