"""Accelerators: a library that works, refuses, crashes or hangs, stood in for by one that a C compiler makes here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.affect.network import load_model
from edge.config import EngineConfig, ModelConfig
from edge.errors import EngineError
from edge.model.engines import delegate
from edge.model.engines.delegate import find_delegate, probe_delegate


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("delegate") / "libstandin.so.1"
    source = Path(__file__).with_name("standin.c")
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", path, source], check=True, capture_output=True)
    return path


def engine(library: Path, **settings: object) -> EngineConfig:
    options = {key: str(settings.pop(key)) for key in ("mode", "trace") if key in settings}
    return EngineConfig(delegate=str(library), delegate_options=options, **settings)


def test_working_delegate_is_used_with_its_options_and_the_scores_hold(library: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    model = load_model(ModelConfig(), engine(library, mode="work", trace=trace))
    assert model.accelerated is True
    assert max(model.golden.values()) < 0.05
    # Once in the probe, once in the device: both saw every option.
    assert sorted(trace.read_text().splitlines()) == sorted(2 * [f"trace={trace}", "mode=work"])


def test_refusal_is_told_in_the_library_s_own_words(library: Path) -> None:
    with pytest.raises(EngineError) as caught:
        find_delegate(engine(library, mode="refuse"), "litert")
    assert str(library) in str(caught.value)
    assert "no accelerator found" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_crash_ends_the_probe_and_not_the_device(library: Path) -> None:
    with pytest.raises(EngineError, match=r"crashes litert here \(SIGSEGV\).*which go together"):
        load_model(ModelConfig(), engine(library, mode="crash"))


def test_delegate_that_never_returns_is_given_up(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "_PROBE_S", 1.0)
    with pytest.raises(EngineError, match="did not load within 1 s"):
        probe_delegate(engine(library, mode="hang"), "litert")


def test_missing_library_and_one_that_is_no_delegate_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not there; install"):
        find_delegate(EngineConfig(delegate=str(tmp_path / "libedgetpu.so.1")), "litert")
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(EngineError, match="cannot be loaded"):
        find_delegate(EngineConfig(delegate=str(tmp_path / "text.so")), "litert")


@pytest.mark.parametrize("mode", ["refuse", "crash"])
def test_cpu_takes_over_only_where_the_configuration_allows_it(
    library: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_model(ModelConfig(), engine(library, mode=mode, delegate_fallback=True))
    assert model.accelerated is False
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "going on with the CPU" in caplog.text


def test_without_a_delegate_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "run_module", None)
    assert find_delegate(EngineConfig(), "litert") is None
    assert load_model(ModelConfig(), EngineConfig()).accelerated is None
