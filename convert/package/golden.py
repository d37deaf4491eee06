"""Golden vectors: drawn pictures, no photograph, and what the graphs answer to them where the bundle is made."""

from __future__ import annotations

import io

import cv2
import numpy as np

from convert.predict.evaluation import embed_crop
from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.model.bundle import HeadGraph, Manifest
from edge.model.golden import step_through
from edge.values import UInt8Array

GOLDEN_FILE = "golden.npz"
IMAGES = 6
_STEPS, _FACES = 30, 3
# In steps of the int8 grid, measured on x86-64 with headroom: kernels of different libraries round differently by
# 1–3 steps. A wrong delegate or a broken kernel is off by tens.
_TOLERANCE_STEPS = {"litert": 4, "tflite": 4}
_LEAST_TOLERANCE = 0.002  # a graph in floating point has no grid


def draw_images(size: int, *, count: int = IMAGES, seed: int = 7) -> UInt8Array:
    """Gradients with ellipses as a face has them, and one of plain noise: uint8 (K, S, S, 3), RGB."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        across = np.linspace(0, 1, size, dtype=np.float32)
        first, second = rng.uniform(0, 255, (2, 3)).astype(np.float32)
        plane = across[None, :, None] * first + across[:, None, None] * second
        image = np.ascontiguousarray(np.clip(plane, 0, 255).astype(np.uint8))
        _draw_face(image, rng)
        if number == count - 1:
            image = rng.integers(0, 256, image.shape, dtype=np.uint8)
        images.append(image)
    return np.stack(images)


def _draw_face(image: UInt8Array, rng: np.random.Generator) -> None:
    size = image.shape[0]

    def ellipse(x: float, y: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        center, axes = (round(x * size), round(y * size)), (round(width * size), max(round(height * size), 1))
        cv2.ellipse(image, center, axes, 0.0, 0.0, 360.0, colour, -1)

    skin = tuple(int(v) for v in rng.integers(90, 230, 3))
    ellipse(0.5, 0.5, 0.36, 0.46, (skin[0], skin[1], skin[2]))
    for side in (-1, 1):
        ellipse(0.5 + side * 0.15, 0.4, 0.06, 0.03, (240, 240, 240))
        ellipse(0.5 + side * 0.15, 0.4, 0.025, 0.025, (30, 20, 20))
    ellipse(0.5, 0.7, float(rng.uniform(0.08, 0.16)), float(rng.uniform(0.01, 0.08)), (120, 30, 40))


def make_golden(backbone: Backbone, stream: Stream, head: HeadGraph, size: int, *, seed: int = 7) -> bytes:
    """The golden file's bytes.

    Args:
        backbone, stream: the graphs, on the runtime that the expected values are from.
        head: names the length of the state.
        size: side of the crop, pixels.
        seed: of pictures and of the head's inputs.
    """
    images = draw_images(size, seed=seed)
    found = [embed_crop(backbone, image) for image in images]
    embedding = np.stack([one.vector for one in found])
    rng = np.random.default_rng(seed)
    order = rng.integers(0, len(images), (_STEPS, _FACES))
    head_embedding = (embedding[order] + rng.normal(0, 0.1, (_STEPS, _FACES, embedding.shape[1]))).astype(np.float32)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        image=images,
        embedding=embedding,
        va=np.stack([one.va for one in found]),
        head_embedding=head_embedding,
        head_va=step_through(stream.run, head_embedding, head.h.shape[-1]),
    )
    return file.getvalue()


def tolerances(manifest: Manifest) -> dict[str, float]:
    """The largest difference allowed by runtime, in real units."""
    step = max(manifest.backbone.embedding.scale, manifest.backbone.va.scale)
    return {
        runtime: round(max(steps * step + 1e-4, _LEAST_TOLERANCE), 5) for runtime, steps in _TOLERANCE_STEPS.items()
    }
