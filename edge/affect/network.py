"""A bundle made ready to run: its graphs loaded, its tensors checked, its golden vectors reproduced."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import Bundle
from edge.model.engines.choice import Offer, list_offers, open_engine
from edge.model.engines.delegate import find_delegate
from edge.model.engines.onnx import OnnxEngine
from edge.model.golden import compare
from edge.model.store import read_configured

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AffectModel:
    """The parts that turn crops into scores.

    Attributes:
        bundle: what they were loaded from.
        backbone: crop → embedding.
        stream: embedding and state → score and state.
        golden: largest difference met for each golden output, real units.
        runtime: what computes: `litert`, `tflite` or `onnx`.
        engine: the same more exactly, with the bundle's name for its graphs and ONNX Runtime's provider.
        accelerated: whether the configured delegate is in use; None where none is configured.
    """

    bundle: Bundle
    backbone: Backbone
    stream: Stream
    golden: dict[str, float]
    runtime: str
    engine: str
    accelerated: bool | None = None


def load_model(model: ModelConfig, engine: EngineConfig) -> AffectModel:
    """The configured bundle, or the shipped one, on the best engine that is here; what is installed is not asked.

    Raises:
        BundleError: it is incomplete, altered or not signed as asked, or computes something else here than where it
            was made.
        ConfigError: the public key cannot be used.
        EngineError: the runtime or delegate cannot be used.
    """
    return prepare_model(read_configured(model), engine)


def prepare_model(bundle: Bundle, engine: EngineConfig, *, cpu: bool = False) -> AffectModel:
    """Makes a bundle that was read already ready to run.

    Args:
        bundle: verified.
        engine: which runtime, how many threads, which delegate.
        cpu: True leaves ONNX Runtime's accelerators alone.

    Raises:
        BundleError: it computes something else here than where it was made, on every engine that may compute it.
        EngineError: none of these engines can be used.
    """
    *others, last = list_offers(bundle, engine)
    for offer in others:
        try:
            return prove_offer(bundle, offer, engine, cpu=cpu)
        except (BundleError, EngineError) as error:
            log.warning("the engine %s is passed over: %s", offer.name, error)
    return prove_offer(bundle, last, engine, cpu=cpu)


def prove_offer(bundle: Bundle, offer: Offer, config: EngineConfig | None = None, *, cpu: bool = False) -> AffectModel:
    """Makes a bundle ready on one engine; raises what `prepare_model` does."""
    config = config or EngineConfig()
    manifest, runtime = offer.bundle.manifest, offer.runtime
    delegate = None if runtime == "onnx" else find_delegate(config, runtime)
    graph = open_engine(
        offer.bundle, manifest.backbone.file, runtime=runtime, config=config, delegate=delegate, cpu=cpu
    )
    backbone = Backbone(graph, manifest.backbone, manifest.mirror_ns)
    stream = Stream(open_engine(offer.bundle, manifest.head.file, runtime=runtime, cpu=cpu), manifest)
    return AffectModel(
        bundle=bundle,
        backbone=backbone,
        stream=stream,
        golden=compare(offer.bundle, backbone.run, stream.run, runtime),
        runtime=runtime,
        engine=f"{offer.name}, {graph.provider}" if isinstance(graph, OnnxEngine) else offer.name,
        accelerated=delegate is not None if config.delegate else None,
    )
