"""What was installed: the bundle, the detector's file, and the words that a live camera needs."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from edge.affect.untrusted import prove
from edge.audit import audit_log
from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.config import Config, EngineConfig
from edge.deployment import faults
from edge.errors import AssetError, AuditError, BundleError, ConfigError, EngineError, NoticeError
from edge.face.detector import Detector
from edge.face.search import Search
from edge.model.bundle import Bundle
from edge.model.store import Store
from edge.policy import check_notice, policy_of


def check_model(config: Config) -> Generator[Finding, None, Bundle | None]:
    """Proves the bundle that runs, on the CPU: another check tells whether the delegate can be used. Returns it."""
    engine = EngineConfig(runtime=config.engine.runtime, threads=config.engine.threads)
    store = Store(config.model)
    try:
        (bundle, proof), state = store.first(lambda bundle: (bundle, prove(bundle, engine)))
    except (BundleError, ConfigError, EngineError) as error:
        yield failed_with("bundle", error)
        return None
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    said = f"{name}, golden vectors reproduced by {proof.runtime}; {bundle.signer}"
    try:
        if state == "fallback":
            prove(store.load("configured" if config.model.bundle else store.state().active), engine)
        yield passed("bundle", said)
    except (BundleError, ConfigError, EngineError) as error:
        yield warned("bundle", f"{error.message}; {name} runs instead", error.fix)
    return bundle


def check_store(config: Config) -> Finding:
    """Whether the bundles that may run are whole, and none was given up."""
    check, store = "bundle store", Store(config.model)
    if config.model.bundle:
        return skipped(check, "not used: model.bundle names what runs")
    try:
        state = store.state()
        for choice in (state.active, state.previous):
            store.load(choice)
    except (BundleError, ConfigError) as error:
        return warned(check, error.message, error.fix or "install it anew with `affect-edge bundle install`")
    if state.failed:
        fix = "`affect-edge bundle list` shows what runs; install a better one, or activate another"
        return warned(check, f"{state.failed[:12]} was given up, for its starts failed", fix)
    return passed(check, f"{state.active[:12]} is active, and whole, in {store.folder}")


def check_detector(config: Config) -> Generator[Finding, None, Detector | None]:
    """Whether the face detector runs. Returns it."""
    try:
        detector = Search(config.face, config.engine)
    except (AssetError, EngineError) as error:
        yield failed_with("detector", error)
        return None
    yield passed("detector", "yunet loads")
    return detector


def check_notice_and_log(config: Config, bundle: Bundle | None) -> Iterator[Finding]:
    """Whether the notice is of this policy, and the audit log whole."""
    if bundle is not None and config.deployment.notice_policy:
        try:
            check_notice(config, policy_of(config, bundle.sha256))
            yield passed("notice", f"of this policy, {config.deployment.notice_policy}")
        except NoticeError as error:
            yield failed_with("notice", error)
    log = audit_log(config)
    try:
        yield passed("audit log", f"{len(log.verify())} lines, whole")
    except AuditError as error:
        yield failed_with("audit log", error)


def check_deployment(config: Config) -> Iterator[Finding]:
    """Whether `[deployment]` says why, where and who: a finding for each fault."""
    given, wrong = config.deployment, list(faults(config.deployment))
    if not config.camera.live:
        yield passed("deployment", f"not needed for camera {config.camera.backend}")
    elif wrong:
        for key, fault in wrong:
            fix = "correct it under [deployment]; examples/config.toml explains each key"
            yield failed("deployment", f"{key}: {fault}", fix)
    else:
        said = f"{given.purpose}, {given.jurisdiction}, {given.legal_basis}; notice: {given.notice}"
        yield passed("deployment", said)
