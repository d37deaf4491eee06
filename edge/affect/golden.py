"""Golden vectors: proof, before it is trusted, that a bundle computes here what it computed where it was made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.errors import BundleError
from edge.model.bundle import Bundle
from edge.values import FaceCrop

# image uint8 (K, S, S, 3) → embedding float32 (K, D), va float32 (K, 2);
# head_embedding float32 (T, N, D), stepped from a zero state → head_va float32 (T, N, 2).
_FORMS = {
    "image": (np.uint8, 4),
    "embedding": (np.float32, 2),
    "va": (np.float32, 2),
    "head_embedding": (np.float32, 3),
    "head_va": (np.float32, 3),
}
NAMES = tuple(_FORMS)


def check_golden(bundle: Bundle, backbone: Backbone, stream: Stream, runtime: str) -> dict[str, float]:
    """Runs the golden inputs and compares.

    Returns:
        The largest difference met for `embedding`, `va` and `head_va`, real units.

    Raises:
        BundleError: the golden file is incomplete, or a difference is above the bundle's tolerance.
    """
    golden = bundle.golden()
    file = bundle.manifest.golden.file
    missing = [name for name in NAMES if name not in golden]
    if missing:
        raise BundleError(f"{file}: has no {missing[0]}")
    for name, (dtype, dimensions) in _FORMS.items():
        array = golden[name]
        if array.dtype != dtype or array.ndim != dimensions or not array.size:
            wanted = f"{np.dtype(dtype)} with {dimensions} axes"
            raise BundleError(f"{file}: {name} is {array.dtype} {array.shape}, not {wanted} and something in it")
    tolerance = bundle.manifest.golden.tolerance.get(runtime)
    if tolerance is None:
        raise BundleError(f"{file}: names no tolerance for {runtime}; this bundle does not support it")
    crops = [FaceCrop(track_id=0, pixels=pixels, captured_ns=0) for pixels in golden["image"]]
    embeddings = [backbone.embed(crop) for crop in crops]
    found = {
        "embedding": np.stack([e.vector for e in embeddings]),
        "va": np.stack([e.va for e in embeddings]),
        "head_va": step_through(stream, golden["head_embedding"], bundle.manifest.head.h.shape[-1]),
    }
    worst = {}
    for name, values in found.items():
        if values.shape != golden[name].shape:
            raise BundleError(f"{file}: {name} is {golden[name].shape}, the graph gives {values.shape}")
        worst[name] = float(np.max(np.abs(values - golden[name])))
        if not worst[name] <= tolerance:
            raise BundleError(
                f"{file}: {name} differs by {worst[name]:.4f} on {runtime}, allowed is {tolerance:.4f}; "
                "this runtime or delegate computes the model wrongly"
            )
    return worst


def step_through(stream: Stream, embeddings: NDArray[Any], units: int) -> NDArray[Any]:
    """The head's answers float32 (T, N, 2) to embeddings float32 (T, N, D), from a zero state of `units`."""
    h = np.zeros((embeddings.shape[1], units), np.float32)
    c = np.zeros_like(h)
    answers = []
    for embedding in embeddings:
        va, h, c = stream.run(embedding, h, c)
        answers.append(va)
    return np.stack(answers)
