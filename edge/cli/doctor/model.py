"""What was installed: the bundle, the detector's file, and the words that a live camera needs."""

from __future__ import annotations

from edge.affect.proof import prove
from edge.cli.doctor.finding import Finding, failed_with, passed, skipped, warned
from edge.config import Config, EngineConfig, require_deployment
from edge.errors import AssetError, BundleError, DeploymentError, EngineError
from edge.face.detector import load_detector
from edge.model.assets import BLAZEFACE, read_asset
from edge.model.bundle import Bundle
from edge.model.store import Store


def check_model(config: Config) -> tuple[list[Finding], Bundle | None]:
    """Proves the bundle that runs, on the CPU: another check tells whether the delegate can be used."""
    engine = EngineConfig(runtime=config.engine.runtime, threads=config.engine.threads)
    try:
        (bundle, proof), state = Store(config.model).first(lambda bundle: (bundle, prove(bundle, engine)))
    except (BundleError, EngineError) as error:
        return [failed_with("bundle", error)], None
    manifest = bundle.manifest
    said = f"{manifest.name} {manifest.version}, its golden vectors reproduced by {proof.runtime}"
    if state == "fallback":
        fix = "the lines above say what is wrong with the one that should run"
        return [warned("bundle", f"{said}; it runs because another cannot be used", fix)], bundle
    return [passed("bundle", said)], bundle


def check_store(config: Config) -> list[Finding]:
    """Whether the bundles that are kept are whole, and none was given up."""
    check = "bundle store"
    if config.model.bundle:
        return [skipped(check, "not used: model.bundle names what runs")]
    try:
        store = Store(config.model)
        state, entries = store.state(), store.entries()
    except BundleError as error:
        finding = failed_with(check, error)
        return [warned(check, f"{finding.said}; the shipped bundle runs instead", finding.fix)]
    damaged = [entry for entry in entries if entry.damage and entry.choice in (state.active, state.previous)]
    if damaged:
        said, _, fix = damaged[0].damage.partition("; ")
        return [warned(check, said, fix or "install it anew with `affect-edge bundle install`")]
    if state.failed:
        said = f"{state.failed[:12]} was given up, for its starts failed"
        return [
            warned(check, said, "`affect-edge bundle list` shows what runs; install a better one, or activate another")
        ]
    return [passed(check, f"{state.active[:12]} is active, {len(entries) - 1} installed in {store.folder}")]


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
