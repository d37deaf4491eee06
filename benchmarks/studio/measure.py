"""How fast the studio makes faces: frames a second and core, by step, with their share of the time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from convert.faces.finder import read_picture
from convert.faces.kit import data_root
from convert.studio.expressions import draw_moment
from convert.studio.jobs import StudioFiles, load_models
from convert.studio.reenact import Portrait, Sitter, make_portrait, reenact
from convert.studio.stills import draw_light, draw_turn, encode_loose
from edge.geometry import CropRule, face_square
from edge.values import Float32Array

STEPS = ("find", "describe", "fit", "render", "keep")


def measure_studio(data: Path, landmarker: Path, *, frames: int = 200, portraits: int = 10) -> dict[str, float]:
    """CPU seconds a frame on one core, by step; a portrait is fitted once for all its frames.

    Args:
        data: folder of the data sets.
        landmarker: `face_landmarker.task`.
        frames: to render.
        portraits: to render them from.
    """
    root = data_root(data)
    head, teacher, finder = load_models(StudioFiles(root / "ict_facekit" / "ict_facekit.npz", landmarker))
    spent = dict.fromkeys(STEPS, 0.0)

    def timed(step: str, began: float) -> None:
        spent[step] += time.process_time() - began

    made: list[Portrait] = []
    read: list[Float32Array] = []
    for path in sorted((root / "sfhq" / "images").glob("*.jpg"))[: portraits + 1]:
        pixels = read_picture(path)
        face = finder.find(pixels)
        if face is None:
            continue
        shape = teacher.describe(pixels, face.landmarks_px)
        if not made:
            make_portrait(head, Sitter(path.name, pixels, shape))  # compiles
        began = time.process_time()
        made.append(make_portrait(head, Sitter(path.name, pixels, shape)))
        timed("fit", began)
        read.append(shape.blendshapes)
    reenact(head, made[0], made[0].fitted.coefficients)  # compiles
    seen = np.stack(read)
    for number in range(frames):
        rng = np.random.default_rng(number)
        portrait = made[number % len(made)]
        coefficients = portrait.fitted.act(head, draw_moment(rng, seen).shown)
        began = time.process_time()
        pixels = reenact(head, portrait, coefficients, turn=draw_turn(rng), light=draw_light(rng)).pixels
        timed("render", began)
        began = time.process_time()
        face = finder.find(pixels)
        timed("find", began)
        if face is None:
            continue
        began = time.process_time()
        teacher.describe(pixels, face.landmarks_px)
        timed("describe", began)
        began = time.process_time()
        encode_loose(pixels, face_square(face.landmarks_px, CropRule()))
        timed("keep", began)
    return {step: seconds / (len(made) if step == "fit" else frames) for step, seconds in spent.items()}
