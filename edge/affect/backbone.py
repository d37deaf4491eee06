"""The backbone: one aligned crop in, one embedding and the picture's own valence and arousal out.

Owns the conversion between pixels and the graph's integers. Refuses a graph that differs from its manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.clock import grid_step
from edge.errors import BundleError
from edge.model.bundle import BackboneGraph, Tensor
from edge.model.engines import Engine, TensorSpec, dequantize, quantize
from edge.values import Embedding, FaceCrop, Float32Array, UInt8Array

PIXEL_SCALE = 1 / 127.5
_TOP_BIT = np.uint8(0x80)
PIXEL_ZERO = 127  # real = (pixel − 127) / 127.5, which int8 with zero point −1 holds without loss


class Backbone:
    """Runs the backbone graph, one face at a time (batching gains nothing on the CPUs measured).

    Args:
        engine: the graph.
        graph: its tensors, as the manifest names them.
        mirror_ns: length of a step of the time grid, of which every second sees the face mirrored: what errs to one
            side then errs to both, and the head averages. 0: no crop is mirrored.

    Raises:
        BundleError: the graph's tensors are not those the manifest names.
    """

    def __init__(self, engine: Engine, graph: BackboneGraph, mirror_ns: int = 0) -> None:
        self.engine = engine
        self._mirror_ns = mirror_ns
        self._graph = graph
        image = check_tensor(engine.inputs, graph.image, graph.file)
        self._embedding = check_tensor(engine.outputs, graph.embedding, graph.file)
        self._va = check_tensor(engine.outputs, graph.va, graph.file)
        self._convert = pixel_converter(image)

    def embed(self, crop: FaceCrop) -> Embedding:
        """Embeds one crop; raises what `embed_all` does."""
        return self.embed_all([crop])[0]

    def embed_all(self, crops: Sequence[FaceCrop]) -> list[Embedding]:
        """Embeds the crops of a frame, in their order; those of an odd step mirrored, if the bundle says so.

        Raises:
            EngineError: a crop's size is not the graph's, or the runtime failed.
        """
        if not crops:
            return []
        vectors, vas = self.run([self._turn(crop) for crop in crops])
        return [
            Embedding(track_id=crop.track_id, captured_ns=crop.captured_ns, vector=vector, va=va)
            for crop, vector, va in zip(crops, vectors, vas, strict=True)
        ]

    def _turn(self, crop: FaceCrop) -> UInt8Array:
        odd = self._mirror_ns and grid_step(crop.captured_ns, self._mirror_ns) % 2
        return crop.pixels[:, ::-1] if odd else crop.pixels

    def run(self, images: Sequence[UInt8Array] | UInt8Array) -> tuple[Float32Array, Float32Array]:
        """Runs the graph once for each picture.

        Args:
            images: K of them, at least one, uint8 (S, S, 3), RGB.

        Returns:
            Embeddings (K, D), and valence and arousal (K, 2), −1 to 1.

        Raises:
            EngineError: a picture's size is not the graph's, or the runtime failed.
        """
        graph = self._graph
        # The runs come first and all answers are made real together: each run of the graph leaves the caches to itself,
        # and what follows it starts from cold.
        outs = [self.engine.invoke({graph.image.name: self._convert(pixels)[None]}) for pixels in images]
        vectors = dequantize(np.concatenate([out[graph.embedding.name] for out in outs]), self._embedding)
        vas = dequantize(np.concatenate([out[graph.va.name] for out in outs]), self._va)
        return vectors, np.minimum(np.maximum(vas, -1, out=vas), 1, out=vas)


def pixel_converter(image: TensorSpec) -> Callable[[UInt8Array], NDArray[Any]]:
    """The function from uint8 (S, S, 3) RGB to the graph's input, without the batch axis.

    Where the input's scale is 1/127.5 and its zero point −1, quantizing is flipping each pixel's top bit. That is
    written into one and the same array: it holds until the next call.
    """
    if not image.quantized:
        return lambda pixels: ((pixels.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE)).astype(np.float32)
    if image.dtype == np.int8 and abs(image.scale - PIXEL_SCALE) < 1e-7 and image.zero_point == -1:
        flipped = np.empty(image.shape[1:], np.uint8)

        def flip(pixels: UInt8Array) -> NDArray[Any]:
            # A crop of another size is the engine's to refuse.
            out = flipped if pixels.shape == flipped.shape else None
            return np.bitwise_xor(pixels, _TOP_BIT, out=out).view(np.int8)

        return flip
    return lambda pixels: quantize((pixels.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE), image)


def check_tensor(specs: Any, tensor: Tensor, file: str) -> TensorSpec:
    """The graph's spec of a tensor, if it is what the manifest says; −1 in the manifest's shape fits any size.

    Raises:
        BundleError: it is missing or differs.
    """
    spec: TensorSpec | None = specs.get(tensor.name)
    if spec is None:
        raise BundleError(f"{file}: has no tensor {tensor.name}, only {sorted(specs)}")
    fits = len(spec.shape) == len(tensor.shape) and all(
        want in (-1, have) for want, have in zip(tensor.shape, spec.shape, strict=True)
    )
    same_grid = (
        abs(spec.scale - tensor.scale) <= 1e-6 * max(tensor.scale, 1e-9) and spec.zero_point == tensor.zero_point
    )
    if not fits or spec.dtype != np.dtype(tensor.dtype) or not same_grid:
        raise BundleError(
            f"{file}: tensor {tensor.name} is {spec.dtype} {spec.shape} scale {spec.scale:.6g} zero {spec.zero_point}, "
            f"the manifest says {tensor.dtype} {tensor.shape} scale {tensor.scale:.6g} zero {tensor.zero_point}"
        )
    return spec
