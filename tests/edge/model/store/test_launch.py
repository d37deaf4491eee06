"""Which bundle a run takes, and what its end means for a bundle on probation."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.clock import NS
from edge.config import Config
from edge.errors import BundleError, CameraError, EngineError
from edge.health import Health
from edge.model.bundle import default_bundle, load_bundle
from edge.model.store import launch as launching
from edge.model.store import state as steps
from edge.model.store.launch import Launch
from edge.model.store.probation import Probation
from edge.model.store.state import MAX_STARTS, SHIPPED
from edge.model.store.store import Store

MakeBundle = Callable[..., Path]
OWN = load_bundle(default_bundle()).sha256
LATER = 103  # than the shipped version


@pytest.fixture
def trial(folder: Path, real: MakeBundle) -> str:
    """A bundle that was installed and activated; its hash."""
    bundle = load_bundle(real(LATER))
    Store(folder).add(bundle)
    Store(folder).change(lambda s: steps.activate(s, bundle.sha256))
    return bundle.sha256


def begin(config: Config, folder: Path) -> tuple[Launch, Health]:
    health = Health()
    return Launch(config, folder, health), health


def test_a_device_without_a_store_runs_the_shipped_bundle_and_writes_nothing(config: Config, folder: Path) -> None:
    with begin(config, folder)[0] as launch:
        assert launch.model.bundle.sha256 == OWN
    assert launch._health.bundle_state == "shipped"
    assert not folder.exists()


def test_a_configured_bundle_runs_whatever_is_installed(
    config: Config, folder: Path, trial: str, real: MakeBundle
) -> None:
    model = msgspec.structs.replace(config.model, bundle=str(real(LATER + 1)))
    launch, health = begin(msgspec.structs.replace(config, model=model), folder)
    assert launch.model.bundle.manifest.version == LATER + 1
    assert health.bundle_state == "configured"


def test_a_run_on_probation_that_ends_in_order_costs_no_start(config: Config, folder: Path, trial: str) -> None:
    launch, health = begin(config, folder)
    with launch:
        assert launch.model.bundle.sha256 == trial
        assert health.bundle_state == "probation"
        assert Store(folder).state().probation == steps.Probation(starts=1)
    assert Store(folder).state().probation == steps.Probation(starts=0)


@pytest.mark.parametrize("error", [CameraError("unplugged"), KeyboardInterrupt()])
def test_what_is_not_the_model_s_fault_costs_no_start(
    config: Config, folder: Path, trial: str, error: BaseException
) -> None:
    launch, _ = begin(config, folder)
    with pytest.raises(type(error)), launch:
        raise error
    assert Store(folder).state().probation == steps.Probation(starts=0)


def test_an_engine_that_gives_up_rolls_back(config: Config, folder: Path, trial: str) -> None:
    launch, _ = begin(config, folder)
    with pytest.raises(EngineError), launch:
        raise EngineError("100 frames in a row failed")
    state = Store(folder).state()
    assert (state.active, state.failure) == (SHIPPED, steps.Failure(bundle=trial, reason="100 frames in a row failed"))
    launch, health = begin(config, folder)
    assert launch.model.bundle.sha256 == OWN
    assert health.bundle_state == "rolled_back"


def test_a_bundle_that_kills_its_process_is_rolled_back_at_the_fourth_start(
    config: Config, folder: Path, trial: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(MAX_STARTS):
        assert begin(config, folder)[0].model.bundle.sha256 == trial  # and never comes to its end
    launch, health = begin(config, folder)
    assert launch.model.bundle.sha256 == OWN
    assert health.bundle_state == "rolled_back"
    assert "3 runs ended without order" in caplog.text


def test_a_start_is_counted_before_the_model_is_loaded(
    config: Config, folder: Path, trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(launching, "load_first", crash)
    with pytest.raises(MemoryError):
        begin(config, folder)
    assert Store(folder).state().probation == steps.Probation(starts=1)


def test_golden_vectors_that_fail_at_the_start_roll_back(
    config: Config, folder: Path, trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(bundle, *rest):
        if bundle.manifest.version == LATER:
            raise BundleError("golden.npz: va differs by 0.7")
        return real_check(bundle, *rest)

    from edge.affect import model

    real_check = model.check_golden
    monkeypatch.setattr(model, "check_golden", wrong)
    launch, health = begin(config, folder)
    assert launch.model.bundle.sha256 == OWN
    assert health.bundle_state == "rolled_back"
    failure = Store(folder).state().failure
    assert failure
    assert "va differs" in failure.reason


class Clock:
    """Frames that take no time, 30 a second, with four faces."""

    def __init__(self, launch: Launch, health: Health, reference_ms: float | None = None) -> None:
        self.ns, self.launch, self.health = 0, launch, health
        launch._watch = Probation(health, seconds=5, reference_ms=reference_ms, now_ns=lambda: self.ns)

    def frames(self, count: int, fails: bool = False) -> None:
        for _ in range(count):
            self.ns += NS // 30
            self.health.seen += 1
            if fails:
                self.health.failed += 1
            else:
                self.health.scored += 4
                self.health.stages["embed"].add(4_000_000)
            self.launch.observe()


def test_probation_ends_in_confidence_and_the_pace_is_noted(config: Config, folder: Path, trial: str) -> None:
    launch, health = begin(config, folder)
    with launch:
        Clock(launch, health).frames(30 * 6)
        assert health.bundle_state == "confirmed"
    state = Store(folder).state()
    assert (state.active, state.probation, state.embed_p10_ms) == (trial, None, {trial: 1.0})
    launch, health = begin(config, folder)
    assert health.bundle_state == "confirmed"
    assert launch._watch is None


@pytest.mark.parametrize(("fails", "reference_ms"), [(True, None), (False, 0.2)], ids=["failing frames", "slow"])
def test_a_bundle_that_does_not_do_its_work_ends_the_run_and_is_rolled_back(
    config: Config, folder: Path, trial: str, fails: bool, reference_ms: float | None
) -> None:
    launch, health = begin(config, folder)
    with pytest.raises(BundleError, match=f"default {LATER} has failed its probation") as caught, launch:
        Clock(launch, health, reference_ms).frames(30 * 6, fails=fails)
    assert caught.value.exit_code == 4
    assert Store(folder).state().active == SHIPPED


def test_the_shipped_bundle_s_pace_is_noted_and_is_the_measure_of_the_next(
    config: Config, folder: Path, real: MakeBundle
) -> None:
    launch, health = begin(config, folder)
    with launch:
        Clock(launch, health).frames(30 * 6)
    assert Store(folder).state().embed_p10_ms == {SHIPPED: 1.0}
    assert health.bundle_state == "shipped"
    bundle = load_bundle(real(LATER))
    Store(folder).add(bundle)
    Store(folder).change(lambda s: steps.activate(s, bundle.sha256))
    watch = begin(config, folder)[0]._watch
    assert watch
    assert watch._reference_ms == 1.0


def test_a_trusted_bundle_whose_frames_fail_is_not_rolled_back_by_probation(config: Config, folder: Path) -> None:
    launch, health = begin(config, folder)
    with launch:
        Clock(launch, health).frames(100, fails=True)
    assert not folder.exists()


def test_a_run_has_no_say_over_a_bundle_that_was_activated_meanwhile(
    config: Config, folder: Path, trial: str, real: MakeBundle
) -> None:
    launch, health = begin(config, folder)
    other = load_bundle(real(LATER + 1))
    Store(folder).add(other)
    Store(folder).change(lambda s: steps.activate(s, other.sha256), steps.begin)
    Clock(launch, health).frames(30 * 6)
    assert health.bundle_state == "probation"
    with pytest.raises(EngineError), launch:
        raise EngineError("gave up")
    state = Store(folder).state()
    assert (state.active, state.probation) == (other.sha256, steps.Probation(starts=1))


@pytest.mark.parametrize("spoil", ["state", "bundle", "folder"])
def test_a_damaged_store_never_stops_the_device(
    config: Config, folder: Path, trial: str, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    Store(folder).change(lambda s: steps.confirm(s, None))
    if spoil == "state":
        (folder / "state.json").write_bytes(b"\0" * 100)
    elif spoil == "bundle":
        (folder / trial / "backbone.tflite").write_bytes(b"")
    else:
        shutil.rmtree(folder)
        folder.write_text("a file")
    launch, health = begin(config, folder)
    assert launch.model.bundle.sha256 == OWN
    assert health.bundle_state == "fallback"
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "\n" not in line.getMessage()


def test_a_trial_whose_starts_cannot_be_counted_is_not_tried(
    config: Config, folder: Path, trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    from edge.model.store import files

    monkeypatch.setattr(files, "replace_file", read_only)
    launch, health = begin(config, folder)
    assert launch.model.bundle.sha256 == OWN
    assert health.bundle_state == "fallback"


def test_nothing_left_to_run_tells_why_the_first_one_cannot(config: Config, folder: Path, trial: str) -> None:
    engine = msgspec.structs.replace(config.engine, delegate="/none.so")
    with pytest.raises(EngineError, match=r"/none.so is not there"):
        begin(msgspec.structs.replace(config, engine=engine), folder)
