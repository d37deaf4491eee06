"""A bundle made ready to run: its graphs loaded, its tensors checked, its golden vectors reproduced."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge.affect.backbone import Backbone
from edge.affect.golden import check_golden
from edge.affect.stream import Stream
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.engines.choice import Offer, list_offers, open_engine
from edge.model.engines.delegate import find_delegate
from edge.model.engines.installed import require_version
from edge.model.engines.onnx import OnnxEngine

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
    """Loads a bundle and proves it on the best engine that is here.

    Raises:
        BundleError: it is incomplete, altered, not signed as asked or too new, or computes something else here than
            where it was made.
        ConfigError: the public key cannot be used.
        EngineError: the runtime or delegate cannot be used.
    """
    bundle = load_bundle(
        Path(model.bundle) if model.bundle else default_bundle(),
        Path(model.public_key) if model.public_key else None,
    )
    return prepare_model(bundle, engine)


def prepare_model(bundle: Bundle, engine: EngineConfig) -> AffectModel:
    """Makes a bundle that was read already ready to run; raises what `load_model` does of the graphs."""
    *others, last = list_offers(bundle, engine)
    for offer in others:
        try:
            return prove_offer(bundle, offer, engine)
        except (BundleError, EngineError) as error:
            log.warning("the engine %s is passed over: %s", offer.name, error)
    return prove_offer(bundle, last, engine)


def prove_offer(bundle: Bundle, offer: Offer, config: EngineConfig) -> AffectModel:
    """Makes a bundle ready on one engine; raises what `load_model` does of the graphs."""
    manifest, runtime = offer.bundle.manifest, offer.runtime
    require_version(runtime, manifest)
    delegate = None if runtime == "onnx" else find_delegate(config, runtime)
    graph = open_engine(offer.bundle, manifest.backbone.file, runtime=runtime, config=config, delegate=delegate)
    backbone = Backbone(graph, manifest.backbone)
    stream = Stream(open_engine(offer.bundle, manifest.head.file, runtime=runtime), manifest)
    return AffectModel(
        bundle=bundle,
        backbone=backbone,
        stream=stream,
        golden=check_golden(offer.bundle, backbone, stream, runtime),
        runtime=runtime,
        engine=f"{offer.name}, {graph.provider}" if isinstance(graph, OnnxEngine) else offer.name,
        accelerated=delegate is not None if config.delegate else None,
    )
