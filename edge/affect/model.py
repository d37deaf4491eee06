"""A bundle made ready to run: its graphs loaded, its tensors checked, its golden vectors reproduced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.affect.backbone import Backbone
from edge.affect.golden import check_golden
from edge.affect.stream import Stream
from edge.bundle import Bundle, default_bundle, load_bundle
from edge.config import EngineConfig, ModelConfig
from edge.engines.installed import require_version
from edge.engines.litert import LiteRtEngine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AffectModel:
    """The parts that turn crops into scores.

    Attributes:
        bundle: what they were loaded from.
        backbone: crop → embedding.
        stream: embedding and state → score and state.
        golden: largest difference met for each golden output, real units.
    """

    bundle: Bundle
    backbone: Backbone
    stream: Stream
    golden: dict[str, float]


def load_model(model: ModelConfig, engine: EngineConfig) -> AffectModel:
    """Loads and proves a bundle.

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
    manifest = bundle.manifest
    require_version(engine.runtime, manifest)
    backbone = Backbone(
        LiteRtEngine(
            bundle.files[manifest.backbone.file],
            name=manifest.backbone.file,
            runtime=engine.runtime,
            threads=engine.threads,
            delegate=Path(engine.delegate) if engine.delegate else None,
            delegate_options=engine.delegate_options,
        ),
        manifest.backbone,
    )
    stream = Stream(
        LiteRtEngine(bundle.files[manifest.head.file], name=manifest.head.file, runtime=engine.runtime), manifest
    )
    return AffectModel(
        bundle=bundle, backbone=backbone, stream=stream, golden=check_golden(bundle, backbone, stream, engine.runtime)
    )
