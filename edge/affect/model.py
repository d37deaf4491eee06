"""A bundle made ready to run: its graphs loaded, its tensors checked, its golden vectors reproduced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.affect.backbone import Backbone
from edge.affect.golden import check_golden
from edge.affect.stream import Stream
from edge.bundle import Bundle, default_bundle, load_bundle
from edge.config import EngineConfig, ModelConfig
from edge.engines.delegate import find_delegate
from edge.engines.litert import LiteRtEngine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AffectModel:
    """The parts that turn crops into scores.

    Attributes:
        bundle: what they were loaded from.
        backbone: crop → embedding.
        stream: embedding and state → score and state.
        golden: largest difference met for each golden output, real units.
        accelerated: whether the configured delegate is in use; None where none is configured.
    """

    bundle: Bundle
    backbone: Backbone
    stream: Stream
    golden: dict[str, float]
    accelerated: bool | None = None


def load_model(model: ModelConfig, engine: EngineConfig) -> AffectModel:
    """Loads and proves a bundle.

    Raises:
        BundleError: it is incomplete or altered, or computes something else here than where it was made.
        EngineError: the runtime or delegate cannot be used.
    """
    bundle = load_bundle(Path(model.bundle) if model.bundle else default_bundle())
    manifest, delegate = bundle.manifest, find_delegate(engine)
    backbone = Backbone(
        LiteRtEngine(
            bundle.files[manifest.backbone.file],
            name=manifest.backbone.file,
            runtime=engine.runtime,
            threads=engine.threads,
            delegate=delegate,
            delegate_options=engine.delegate_options,
        ),
        manifest.backbone,
    )
    stream = Stream(
        LiteRtEngine(bundle.files[manifest.head.file], name=manifest.head.file, runtime=engine.runtime), manifest
    )
    return AffectModel(
        bundle=bundle,
        backbone=backbone,
        stream=stream,
        golden=check_golden(bundle, backbone, stream, engine.runtime),
        accelerated=delegate is not None if engine.delegate else None,
    )
