"""A bundle made ready to run: its graphs loaded, its tensors checked, its golden vectors reproduced."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge.affect.backbone import Backbone
from edge.affect.golden import check_golden
from edge.affect.stream import Stream
from edge.bundle import Bundle, default_bundle, load_bundle
from edge.config import EngineConfig, ModelConfig
from edge.engines.choice import Offer, list_offers, open_engine
from edge.engines.onnx import OnnxEngine
from edge.errors import BundleError, EngineError

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
    """

    bundle: Bundle
    backbone: Backbone
    stream: Stream
    golden: dict[str, float]
    runtime: str
    engine: str


def load_model(model: ModelConfig, engine: EngineConfig) -> AffectModel:
    """Loads a bundle and proves it on the best engine that is here.

    Raises:
        BundleError: it is incomplete or altered, or computes something else here than where it was made.
        EngineError: the runtime or delegate cannot be used.
    """
    bundle = load_bundle(Path(model.bundle) if model.bundle else default_bundle())
    *others, last = list_offers(bundle, engine)
    for offer in others:
        try:
            return _prove(bundle, offer, engine)
        except (BundleError, EngineError) as error:
            log.warning("the engine %s is passed over: %s", offer.name, error)
    return _prove(bundle, last, engine)


def _prove(bundle: Bundle, offer: Offer, config: EngineConfig) -> AffectModel:
    manifest, runtime = offer.bundle.manifest, offer.runtime
    graph = open_engine(offer.bundle, manifest.backbone.file, runtime=runtime, config=config, delegate=True)
    backbone = Backbone(graph, manifest.backbone)
    stream = Stream(open_engine(offer.bundle, manifest.head.file, runtime=runtime), manifest)
    return AffectModel(
        bundle=bundle,
        backbone=backbone,
        stream=stream,
        golden=check_golden(offer.bundle, backbone, stream, runtime),
        runtime=runtime,
        engine=f"{offer.name}, {graph.provider}" if isinstance(graph, OnnxEngine) else offer.name,
    )
