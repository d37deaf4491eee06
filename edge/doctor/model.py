"""What was installed: the bundle, the detector's file, and the words that a live camera needs."""

from __future__ import annotations

from edge.affect.model import AffectModel, load_model
from edge.assets import BLAZEFACE, read_asset
from edge.config import Config, EngineConfig, require_deployment
from edge.doctor.finding import Finding, failed_with, passed
from edge.errors import AssetError, BundleError, DeploymentError, EngineError
from edge.face.detector import load_detector


def check_model(config: Config) -> tuple[list[Finding], AffectModel | None]:
    """Loads and proves the bundle; on the CPU where the delegate cannot be had, which is another check's business."""
    engine = EngineConfig(runtime=config.engine.runtime, threads=config.engine.threads)
    try:
        model = load_model(config.model, engine)
    except (BundleError, EngineError) as error:
        return [failed_with("bundle", error)], None
    manifest = model.bundle.manifest
    said = f"{manifest.name} {manifest.version}, its golden vectors reproduced by {engine.runtime}"
    return [passed("bundle", said)], model


def check_detector(config: Config) -> list[Finding]:
    """Whether the face detector's file is here, unaltered, and runs."""
    try:
        if config.face.detector == "blazeface":
            read_asset(BLAZEFACE)
        load_detector(config.face, config.engine)
    except (AssetError, EngineError) as error:
        return [failed_with("detector", error)]
    return [passed("detector", f"{config.face.detector} loads")]


def check_deployment(config: Config) -> list[Finding]:
    """Whether `[deployment]` says why, where and who."""
    try:
        require_deployment(config)
    except DeploymentError as error:
        return [failed_with("deployment", error)]
    given = config.deployment
    if given.purpose is None:
        return [passed("deployment", f"not needed for camera {config.camera.backend}")]
    return [passed("deployment", f"{given.purpose}; notice: {given.notice}")]
