"""Bundles that a device keeps: which one runs, what a failed start means, and what a damaged store does not stop."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import ModelConfig
from edge.errors import BundleError, CameraError, EngineError
from edge.model import store as store_module
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.store import KEPT, MAX_STARTS, SHIPPED, State, Store

Tiny = Callable[[int], Bundle]
OWN = load_bundle(default_bundle()).sha256


def sha256(bundle: Bundle) -> str:
    return bundle.sha256


def install(model: ModelConfig, *bundles: Bundle) -> Store:
    """A store in which these bundles were activated one after the other."""
    store = Store(model)
    for bundle in bundles:
        store.add(bundle)
        store.activate(bundle.sha256)
    return store


def crash(model: ModelConfig) -> str:
    """A process that starts and is gone; the bundle that it took."""
    return Store(model).start(sha256)[0]


def run_well(model: ModelConfig) -> tuple[str, str]:
    """A run that ends in order; the bundle that it took and why."""
    with Store(model) as store:
        return store.start(sha256)


def test_a_store_that_is_not_there_holds_the_shipped_bundle(model: ModelConfig) -> None:
    store = Store(model)
    assert store.state() == State()
    assert [entry.choice for entry in store.entries()] == [SHIPPED]
    assert run_well(model) == (OWN, "shipped")
    assert run_well(ModelConfig()) == (OWN, "shipped")
    assert not store.folder.exists()


def test_an_activated_bundle_runs_and_comes_back_byte_for_byte(model: ModelConfig, tiny: Tiny) -> None:
    bundle = tiny(1)
    store = install(model, bundle)
    assert run_well(model) == (bundle.sha256, "active")
    assert store.load(bundle.sha256).contents == bundle.contents


def test_a_bundle_that_is_here_already_is_left_alone(model: ModelConfig, tiny: Tiny) -> None:
    bundle = tiny(1)
    store = install(model, bundle)
    before = (store.folder / bundle.sha256).stat().st_ino
    store.add(bundle)
    assert (store.folder / bundle.sha256).stat().st_ino == before


def test_after_three_failed_starts_the_previous_bundle_runs_and_then_the_shipped_one(
    model: ModelConfig, tiny: Tiny
) -> None:
    first, second = tiny(1), tiny(2)
    install(model, first)
    run_well(model)
    store = install(model, second)
    assert [crash(model) for _ in range(MAX_STARTS)] == [second.sha256] * MAX_STARTS
    assert Store(model).start(sha256) == (first.sha256, "rolled_back")
    assert store.state() == State(active=first.sha256, starts=1, failed=second.sha256)
    assert [crash(model) for _ in range(MAX_STARTS - 1)] == [first.sha256] * (MAX_STARTS - 1)
    assert Store(model).start(sha256) == (OWN, "rolled_back")
    assert run_well(model) == (OWN, "rolled_back")
    assert store.state() == State(failed=first.sha256)


def test_the_shipped_bundle_s_starts_are_not_counted(model: ModelConfig, tiny: Tiny) -> None:
    store = install(model, tiny(1))
    store.activate(SHIPPED)
    assert [crash(model) for _ in range(MAX_STARTS + 2)] == [OWN] * (MAX_STARTS + 2)
    assert store.state().starts == 0


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), CameraError("the camera is gone")])
def test_a_run_that_ends_for_another_reason_than_the_model_is_a_good_start(
    model: ModelConfig, tiny: Tiny, error: BaseException | None
) -> None:
    install(model, tiny(1))
    crash(model)
    try:
        with Store(model) as store:
            store.start(sha256)
            assert store.state().starts == 2
            if error:
                raise error
    except (KeyboardInterrupt, CameraError):
        pass
    assert Store(model).state().starts == 0


@pytest.mark.parametrize("error", [EngineError("invoke failed"), RuntimeError("a defect")])
def test_a_run_that_ends_by_the_model_or_a_defect_stays_counted(
    model: ModelConfig, tiny: Tiny, error: Exception
) -> None:
    install(model, tiny(1))
    store = Store(model)
    store.start(sha256)
    with pytest.raises(type(error)), store:
        raise error
    assert Store(model).state().starts == 1


def test_a_run_that_lasts_long_enough_is_a_good_start(
    model: ModelConfig, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(model, tiny(1))
    now_s = 100.0
    monkeypatch.setattr(store_module.time, "monotonic", lambda: now_s)
    store = Store(model)
    store.start(sha256)
    now_s += store_module.GOOD_S - 1
    store.alive()
    assert store.state().starts == 1
    now_s += 2
    store.alive()
    assert store.state().starts == 0


def test_a_bundle_that_cannot_be_used_gives_way_at_once_and_its_start_counts(
    model: ModelConfig, tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = tiny(1), tiny(2)
    install(model, good, bad)

    def use(bundle: Bundle) -> int:
        if bundle.sha256 == bad.sha256:
            raise BundleError("golden.npz: va differs by 0.5")
        return bundle.manifest.version

    for starts in range(1, MAX_STARTS + 1):
        with Store(model) as store:
            assert store.start(use) == (1, "fallback")
            store.alive()
        assert Store(model).state().starts == starts
    assert "va differs by 0.5" in caplog.text
    assert Store(model).start(use) == (1, "rolled_back")


def test_a_bundle_whose_starts_failed_is_no_way_back(model: ModelConfig, tiny: Tiny) -> None:
    good, bad, other = tiny(1), tiny(2), tiny(3)
    install(model, good)
    run_well(model)
    install(model, bad)
    crash(model)
    assert install(model, other).state() == State(active=other.sha256, previous=good.sha256)


def test_rollback_takes_the_previous_bundle_and_then_the_shipped_one(model: ModelConfig, tiny: Tiny) -> None:
    first, second = tiny(1), tiny(2)
    store = install(model, first, second)
    assert store.roll_back() == State(active=first.sha256)
    assert store.roll_back() == State()
    assert store.roll_back() == State()


def test_activating_what_is_active_forgets_its_failed_starts_and_keeps_the_way_back(
    model: ModelConfig, tiny: Tiny
) -> None:
    first, second = tiny(1), tiny(2)
    store = install(model, first, second)
    crash(model)
    store.activate(second.sha256)
    assert store.state() == State(active=second.sha256, previous=first.sha256)


@pytest.mark.parametrize("spoil", ["state", "bundle", "missing", "folder", "false name"])
def test_a_damaged_store_never_stops_the_device(
    model: ModelConfig, tiny: Tiny, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = tiny(1)
    folder = install(model, bundle).folder
    if spoil == "state":
        (folder / "state.json").write_bytes(b"\0" * 100)
    elif spoil == "bundle":
        (folder / bundle.sha256 / "backbone.tflite").write_bytes(b"")
    elif spoil == "missing":
        shutil.rmtree(folder / bundle.sha256)
    elif spoil == "folder":
        shutil.rmtree(folder)
        folder.write_text("a file")
    else:
        shutil.rmtree(folder / bundle.sha256)
        shutil.copytree(default_bundle(), folder / bundle.sha256)
    assert run_well(model) == (OWN, "fallback")
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert [record for record in caplog.records if record.levelno == logging.ERROR]


def test_unsigned_bundles_do_not_run_where_they_are_not_allowed(model: ModelConfig, tiny: Tiny) -> None:
    install(model, tiny(1))
    strict = msgspec.structs.replace(model, allow_unsigned=False)
    assert run_well(strict) == (OWN, "fallback")
    assert run_well(msgspec.structs.replace(strict, public_key="/nowhere.pem")) == (OWN, "fallback")


def test_a_configured_bundle_runs_whatever_is_active_and_is_not_counted(
    model: ModelConfig, tiny: Tiny, tmp_path: Path
) -> None:
    bundle = tiny(1)
    install(model, bundle)
    tiny(2)
    configured = msgspec.structs.replace(model, bundle=str(tmp_path / "tiny-2"))
    assert Store(configured).start(lambda b: b.manifest.version) == (2, "configured")
    assert Store(model).state().starts == 0
    broken = msgspec.structs.replace(model, bundle=str(tmp_path / "nowhere"))
    assert run_well(broken) == (OWN, "fallback")


def test_where_not_even_the_shipped_bundle_works_the_active_one_is_not_blamed(model: ModelConfig, tiny: Tiny) -> None:
    bundle = tiny(1)
    install(model, bundle)

    def refuse(tried: Bundle) -> None:
        raise EngineError(f"version {tried.manifest.version}: no runtime")

    for _ in range(MAX_STARTS + 1):
        with pytest.raises(EngineError, match="version 1: no runtime"):
            Store(model).start(refuse)
    assert Store(model).state() == State(active=bundle.sha256)


def test_a_start_that_cannot_be_counted_is_still_made(
    model: ModelConfig, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = tiny(1)
    install(model, bundle)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    assert run_well(model) == (bundle.sha256, "active")
    assert "cannot be changed (Read-only file system)" in caplog.text


def test_a_damaged_bundle_is_told_and_installed_anew(model: ModelConfig, tiny: Tiny) -> None:
    bundle = tiny(1)
    store = install(model, bundle)
    (store.folder / bundle.sha256 / "head.tflite").write_bytes(b"")
    assert "head.tflite is not the file" in store.entries()[1].damage
    store.add(bundle)
    assert store.entries()[1].damage == ""


def test_the_oldest_go_but_never_what_runs_or_the_way_back(model: ModelConfig, tiny: Tiny) -> None:
    bundles = [tiny(version) for version in range(1, KEPT + 5)]
    store = install(model, *bundles[:2])
    for age, bundle in enumerate(bundles[2:]):
        store.add(bundle)
        os.utime(store.folder / bundle.sha256, (age, age))
    kept = {entry.choice for entry in store.entries()} - {SHIPPED}
    assert kept == {bundle.sha256 for bundle in (*bundles[:2], *bundles[-KEPT:])}


def test_a_disk_that_fills_up_leaves_nothing_behind(
    model: ModelConfig, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny(1)

    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    store = Store(model)
    with pytest.raises(BundleError, match=r"cannot be changed \(No space left on device\)"):
        store.add(bundle)
    assert list(store.folder.iterdir()) == []


def test_what_an_interrupted_installation_left_is_swept(model: ModelConfig, tiny: Tiny) -> None:
    store = Store(model)
    (store.folder / ".half").mkdir(parents=True)
    (store.folder / ".half" / "head.tflite").touch()
    store.add(tiny(1))
    assert not (store.folder / ".half").exists()


NO_STATES = (b"", b"{", b"\xff", b"[]", b'{"active": "../../etc"}', b'{"speed": 1}', b"[" * 4000, b'{"starts": -1}')


@pytest.mark.parametrize("data", NO_STATES, ids=lambda data: repr(data[:20]))
def test_what_is_no_state_is_refused_with_the_way_out(model: ModelConfig, data: bytes) -> None:
    store = Store(model)
    store.folder.mkdir(parents=True)
    (store.folder / "state.json").write_bytes(data)
    with pytest.raises(BundleError, match=r"state.json: cannot be read .*bundle rollback` makes it anew"):
        store.state()
    with pytest.raises(BundleError, match="cannot be read"):
        store.activate(SHIPPED)
    assert store.roll_back() == State()
    assert store.state() == State()


def test_a_pipe_in_the_place_of_the_state_is_not_waited_for(model: ModelConfig) -> None:
    store = Store(model)
    store.folder.mkdir(parents=True)
    os.mkfifo(store.folder / "state.json")
    with pytest.raises(BundleError, match="cannot be read"):
        store.state()
    assert store.roll_back() == State()


@given(st.binary(max_size=200))
def test_whatever_lies_there_is_a_state_or_one_line_of_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = Store(ModelConfig(store=str(tmp_path_factory.mktemp("store"))))
    (store.folder / "state.json").write_bytes(data)
    refusal = ""
    try:
        store.state()
    except BundleError as error:
        refusal = str(error)
    assert refusal.isprintable()


CHOICES = ["a" * 64, "b" * 64, SHIPPED]
STEPS = st.one_of(st.sampled_from(CHOICES), st.sampled_from(["back", "crash", "well"]))


@given(st.lists(STEPS, max_size=20))
def test_any_order_of_steps_leaves_a_way_back(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    store = Store(ModelConfig(store=str(tmp_path_factory.mktemp("store"))))
    for step in steps:
        if step == "back":
            store.roll_back()
        elif step in ("crash", "well"):
            with Store(ModelConfig(store=str(store.folder))) as run:
                run.load = lambda choice: choice  # type: ignore[method-assign,assignment,return-value]
                run.start(lambda choice: choice)
                run._counted = run._counted and step == "well"
        else:
            store.activate(step)
        state = store.state()
        assert state.previous != state.active or state.active == SHIPPED
        assert state.starts <= MAX_STARTS
        assert state.failed != state.active


def test_links_in_the_store_are_refused_or_replaced_and_lead_nowhere(
    model: ModelConfig, tiny: Tiny, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    store = Store(model)
    store.folder.mkdir(parents=True)
    # What a change writes first: a link there must not be written through.
    (store.folder / ".state.json").symlink_to(target)
    (store.folder / f".{tiny(8).sha256}").symlink_to(tmp_path)
    install(model, tiny(8))
    assert target.read_text() == "mine"
    assert store.state().active == tiny(8).sha256
    # The state and the bundle themselves.
    elsewhere = shutil.move(store.folder / tiny(8).sha256, tmp_path / "bundle")
    (store.folder / tiny(8).sha256).symlink_to(elsewhere)
    with pytest.raises(BundleError, match="is a link"):
        store.load(tiny(8).sha256)
    assert run_well(model) == (OWN, "fallback")
    (store.folder / "state.json").rename(tmp_path / "state.json")
    (store.folder / "state.json").symlink_to(tmp_path / "state.json")
    with pytest.raises(BundleError, match="cannot be read"):
        store.state()
    assert run_well(model) == (OWN, "fallback")


def test_a_store_that_is_a_link_is_not_changed(model: ModelConfig, tiny: Tiny, tmp_path: Path) -> None:
    store = Store(model)
    store.folder.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    store.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="cannot be changed"):
        install(model, tiny(8))
    assert not (tmp_path / "elsewhere" / "state.json").exists()
