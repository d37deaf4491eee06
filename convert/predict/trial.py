"""Acts of the studio under accidents that follow on one another, fixed here before a head is trained.

One of the accidents, the reflection of a bright place in the glass before the camera, is in no training. Change nothing
here once a model was measured with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from convert.augment.augmentation import Augmentation, render
from convert.augment.occluders import draw_occluder
from convert.faces.pictures import loose_square
from convert.faces.table import make_faces
from convert.predict.clips import follow, tabulate
from convert.predict.evaluation import Device
from convert.predict.table import hash_graphs
from edge.model.bundle import Bundle
from edge.values import Float32Array, UInt8Array

SOURCE = "studio acts under accidents"
SEED = 7001
FAMILIES = ("clear", "dropped", "blur", "occlusion", "dark", "reflection")
UNSEEN = "reflection"  # never trained on
_CHANCES = (0.4, 0.12, 0.14, 0.16, 0.06, 0.12)
_LENGTH = (2, 16)  # steps that one accident lasts
Act = tuple[str, Sequence[UInt8Array | None], Float32Array]
"""Portrait; loose pictures of T steps, None where there is no face; float32 (T, 2), what the face expresses."""


def predict_trial(
    bundle: Bundle, acts: Sequence[Act], *, split: str = "test", advance: Callable[[], None] = lambda: None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The acts under the accidents as faces (`expression` names the accident), and what a bundle answers to them."""
    device, size = Device(bundle), Device(bundle).manifest.crop.size
    series, rows, first = [], [], 0
    for number, (portrait, pictures, va) in enumerate(acts):
        happening = families(len(va), np.random.default_rng([SEED, number]))
        crops = take(pictures, happening, np.random.default_rng([SEED, number, 1]), size)
        series.append(list(follow(device, ((step, first + step, crop) for step, crop in enumerate(crops)))))
        rows += [
            {"id": f"act/{number}#{step}", "subject": f"act/{portrait}", "clip": f"act/{number}", "picture": portrait}
            | {"valence": va[step, 0], "arousal": va[step, 1], "expression": happening[step]}
            for step in range(len(va))
        ]
        first += len(va)
        advance()
    columns = pd.DataFrame(rows).assign(source=SOURCE, split=split, rater="ai", real=False)
    faces = make_faces({name: columns[name] for name in columns})
    return faces, tabulate(faces, series, hash_graphs(bundle.manifest))


def families(steps: int, rng: np.random.Generator) -> list[str]:
    """What happens at each step, in segments; it begins clear."""
    out: list[str] = []
    while len(out) < steps:
        family = FAMILIES[0] if not out else str(rng.choice(FAMILIES, p=_CHANCES))
        out += [family] * int(rng.integers(*_LENGTH))
    return out[:steps]


def take(
    pictures: Sequence[UInt8Array | None], happening: Sequence[str], rng: np.random.Generator, size: int
) -> Iterator[UInt8Array | None]:
    """The crops uint8 (size, size, 3) of an act under these accidents; None where no picture came."""
    camera = Augmentation(
        noise=float(rng.uniform(1, 5)),
        low_px=int(rng.uniform(40, 112)),
        jpeg=int(rng.uniform(50, 90)),
        gain=float(rng.uniform(0.7, 1.2)),
    )
    now, last = camera, ""
    for step, (pixels, family) in enumerate(zip(pictures, happening, strict=True)):
        if family != last:
            now, last = _begin(family, camera, rng), family
        now = replace(
            now,
            seed=int(rng.integers(2**31)),
            shift=(float(rng.normal(0, 0.015)), float(rng.normal(0, 0.015))),
            roll=float(rng.normal(0, 0.02)),
        )
        if pixels is None or family == "dropped":
            yield None
            continue
        crop = render(pixels, loose_square(pixels.shape[0]), now, size)
        yield _reflect(crop, now.seed, step) if family == UNSEEN else crop


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
    at = np.arange(crop.shape[0]) / crop.shape[0]
    across = at[None, :] * rng.uniform(2, 4) + at[:, None] * rng.uniform(-1, 1)
    bars = (np.sin(2 * np.pi * (across + 0.05 * step)) > -0.2).astype(np.float32)
    mixed = crop * 0.55 + bars[..., None] * np.array([150, 160, 170], np.float32) * 0.7
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
