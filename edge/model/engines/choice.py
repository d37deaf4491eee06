"""Which engine computes a bundle on this device, and opening it.

`engine.runtime = "auto"` takes, of what is installed and what the bundle has graphs for: ONNX Runtime with TensorRT or
CUDA, then LiteRT, then tflite-runtime, then ONNX Runtime on the CPU. A configured delegate rules ONNX Runtime out. What
cannot be loaded, or does not reproduce the golden vectors, is passed over with a warning.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.config import EngineConfig
from edge.errors import BundleError
from edge.model.bundle import Alternative, Bundle, Golden
from edge.model.engines import Engine
from edge.model.engines.litert import LiteRtEngine, installed_runtimes
from edge.model.engines.onnx import ACCELERATORS, OnnxEngine, available_providers


class Offer(NamedTuple):
    """One engine that may compute a bundle.

    Attributes:
        name: of the engine: `litert`, `tflite`, or as the bundle calls its alternative.
        runtime: what opens its graphs.
        bundle: as this engine sees it: its graphs, their tensors and its tolerance.
    """

    name: str
    runtime: str
    bundle: Bundle


def list_offers(bundle: Bundle, config: EngineConfig) -> list[Offer]:
    """The engines to try, best first; never empty.

    Raises:
        BundleError: the runtime is `onnx` and the bundle has no graphs for it.
        EngineError: the runtime is `onnx` and ONNX Runtime is not installed.
    """
    others = [Offer(engine.name, engine.runtime, see_as(bundle, engine)) for engine in bundle.manifest.engines]
    if config.runtime == "onnx":
        if not others:
            named = f"{bundle.manifest.name} {bundle.manifest.version}"
            raise BundleError(f"{named}: has no graphs for onnx", fix="`python -m convert onnx` adds them to a bundle")
        available_providers()
        return others
    if config.runtime != "auto":
        return [Offer(config.runtime, config.runtime, bundle)]
    own = [Offer(runtime, runtime, bundle) for runtime in installed_runtimes()]
    if not others or config.delegate or find_spec("onnxruntime") is None:
        return own
    return [*others, *own] if set(ACCELERATORS) & set(available_providers()) else [*own, *others]


def see_as(bundle: Bundle, engine: Alternative) -> Bundle:
    """The bundle with an alternative's graphs and tolerance in place of its first ones; files and hash stay."""
    manifest = msgspec.structs.replace(
        bundle.manifest,
        backbone=engine.backbone,
        head=engine.head,
        runtimes={engine.runtime: engine.needs},
        golden=Golden(file=bundle.manifest.golden.file, tolerance={engine.runtime: engine.tolerance}),
    )
    return Bundle(manifest=manifest, files=bundle.files, sha256=bundle.sha256)


def open_engine(
    bundle: Bundle,
    file: str,
    *,
    runtime: str,
    config: EngineConfig | None = None,
    delegate: Path | None = None,
    cpu: bool = False,
) -> Engine:
    """Opens one of a bundle's files.

    Args:
        runtime: `litert`, `tflite` or `onnx`.
        config: threads and the delegate's options; None for one thread.
        delegate: the library that computes this graph; None for the CPU.
        cpu: True leaves ONNX Runtime's accelerators alone.

    Raises:
        EngineError: the runtime is not installed or cannot load the graph.
    """
    config = config or EngineConfig()
    if runtime == "onnx":
        return OnnxEngine(bundle.files[file], name=file, threads=config.threads, cpu=cpu)
    return LiteRtEngine(
        bundle.files[file],
        name=file,
        runtime=runtime,
        threads=config.threads,
        delegate=delegate,
        delegate_options=config.delegate_options,
    )
