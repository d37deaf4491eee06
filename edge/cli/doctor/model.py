"""What was installed: the bundle, the detector's file, and the words that a live camera needs."""

from __future__ import annotations

from pathlib import Path

from edge.affect.model import AffectModel
from edge.cli.doctor.finding import Finding, failed_with, passed, skipped, warned
from edge.config import Config, EngineConfig, require_deployment
from edge.errors import AssetError, BundleError, DeploymentError, EngineError
from edge.face.detector import load_detector
from edge.model.assets import BLAZEFACE, read_asset
from edge.model.store.choice import look, open_store


def check_model(config: Config, store: Path) -> tuple[list[Finding], AffectModel | None]:
    """Loads and proves the bundle that runs; on the CPU where the delegate cannot be had, which another check tells."""
    engine = EngineConfig(runtime=config.engine.runtime, threads=config.engine.threads)
    try:
        model, _ = look(config, store, engine)
    except (BundleError, EngineError) as error:
        return [failed_with("bundle", error)], None
    manifest = model.bundle.manifest
    said = f"{manifest.name} {manifest.version}, its golden vectors reproduced by {model.runtime}"
    return [passed("bundle", said)], model


def check_store(config: Config, store: Path) -> list[Finding]:
    """Whether what should run is what runs, and the bundles that are kept are whole. `store` is their folder."""
    check = "bundle store"
    if config.model.bundle:
        return [skipped(check, "not used: model.bundle names what runs")]
    try:
        opened = open_store(config, store)
        state, entries = opened.state(), opened.entries()
    except BundleError as error:
        finding = failed_with(check, error)
        return [warned(check, f"{finding.said}; the shipped bundle runs instead", finding.fix)]
    damaged = [entry for entry in entries if entry.damage and entry.choice in (state.active, state.fallback)]
    if damaged:
        said, _, fix = damaged[0].damage.partition("; ")
        return [warned(check, said, fix or "install it anew with `affect-edge bundle install`")]
    if state.failure:
        said = f"{state.failure.bundle[:12]} failed its probation: {state.failure.reason}".replace("; ", ", ")
        return [
            warned(check, said, "`affect-edge bundle list` shows what runs; install a better one, or activate another")
        ]
    word = "on probation" if state.probation else "active"
    return [passed(check, f"{state.active[:12]} is {word}, {len(entries) - 1} installed in {store}")]


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
