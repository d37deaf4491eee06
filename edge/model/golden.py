"""Golden vectors: before a bundle is trusted, it has to compute here what it computed where it was made."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError, one_line
from edge.model.bundle import Bundle
from edge.model.bundle_files import MAX_BYTES
from edge.values import Float32Array, UInt8Array

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
_MAX_ARRAYS = 32

# uint8 (K, S, S, 3), RGB → embeddings (K, D), valence and arousal (K, 2).
RunBackbone = Callable[[UInt8Array], tuple[Float32Array, Float32Array]]
# embeddings (N, D), h and c (N, units) → valence and arousal (N, 2), h, c.
RunHead = Callable[[Float32Array, Float32Array, Float32Array], tuple[Float32Array, Float32Array, Float32Array]]


def compare(bundle: Bundle, run_backbone: RunBackbone, run_head: RunHead, runtime: str) -> dict[str, float]:
    """Runs a bundle's golden inputs and compares with its golden outputs.

    Args:
        bundle: holds the vectors, and the largest difference allowed by runtime.
        run_backbone, run_head: the graphs, loaded.
        runtime: what computes: `litert`, `tflite` or `onnx`.

    Returns:
        The largest difference met for `embedding`, `va` and `head_va`, real units.

    Raises:
        BundleError: the vectors are incomplete, or a difference is above the bundle's tolerance.
        EngineError: the graphs do not take the inputs.
    """
    golden, file = read_golden(bundle), bundle.manifest.golden.file
    tolerance = bundle.manifest.golden.tolerance.get(runtime)
    if tolerance is None:
        raise BundleError(f"{file}: names no tolerance for {runtime}", fix="this bundle does not support it")
    embedding, va = run_backbone(golden["image"])
    head_va = step_through(run_head, golden["head_embedding"], bundle.manifest.head.h.shape[-1])
    worst = {}
    for name, values in (("embedding", embedding), ("va", va), ("head_va", head_va)):
        if values.shape != golden[name].shape:
            raise BundleError(f"{file}: {name} is {golden[name].shape}, the graph gives {values.shape}")
        worst[name] = float(np.max(np.abs(values - golden[name])))
        if not worst[name] <= tolerance:  # neither is what is not a number
            raise BundleError(
                f"{file}: {name} differs by {worst[name]:.4f} on {runtime}, allowed is {tolerance:.4f}",
                fix="this runtime or delegate computes the model wrongly",
            )
    return worst


def step_through(run_head: RunHead, embeddings: Float32Array, units: int) -> Float32Array:
    """The head's answers float32 (T, N, 2) to embeddings float32 (T, N, D), from a zero state of `units`."""
    h = np.zeros((embeddings.shape[1], units), np.float32)
    c = np.zeros_like(h)
    answers = []
    for embedding in embeddings:
        va, h, c = run_head(embedding, h, c)
        answers.append(va)
    return np.stack(answers)


def read_golden(bundle: Bundle) -> dict[str, NDArray[Any]]:
    """The golden arrays by name, each of the type and number of axes that it has to have, and not empty.

    Raises:
        BundleError: one is missing or another, or the file is no plain NumPy archive.
    """
    file = bundle.manifest.golden.file
    arrays = {}
    try:
        _check_size(bundle.files[file])
        # A header that NumPy can read only by repairing it comes with a warning.
        with warnings.catch_warnings(), np.load(io.BytesIO(bundle.files[file]), allow_pickle=False) as archive:
            warnings.simplefilter("ignore")
            for name in NAMES:
                if name not in archive.files:
                    raise BundleError(f"{file}: has no {name}")
                arrays[name] = np.asarray(archive[name])
    except BundleError:
        raise
    except Exception as error:  # NumPy and zipfile raise almost anything for a damaged file
        raise BundleError(f"{file}: not a NumPy archive of plain arrays ({one_line(error)})") from error
    for name, (dtype, dimensions) in _FORMS.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != dimensions or not array.size:
            wanted = f"{np.dtype(dtype)} with {dimensions} axes"
            raise BundleError(f"{file}: {name} is {array.dtype} {array.shape}, not {wanted} and something in it")
    return arrays


def _check_size(data: bytes) -> None:
    """Refuses more than the memory of a board, before anything is unpacked. A reader stops where an entry says."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
    if len(entries) > _MAX_ARRAYS or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise ValueError(f"more than {_MAX_ARRAYS} arrays or {MAX_BYTES} bytes")
