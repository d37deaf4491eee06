"""The device on a workstation: what is measured beside `affect-edge bench`, and the files of both."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.device import cold
from benchmarks.device.baseline import Baseline
from benchmarks.device.energy import EnergyMeter
from benchmarks.device.measure import ask_most, measure_load
from benchmarks.device.result import STAGES, read_result
from edge.affect.network import AffectModel, load_model
from edge.cli.bench.crowd import Crowd
from edge.cli.bench.measure import WARM_UP
from edge.cli.bench.result import Result, describe_bundle, describe_host, write_result
from edge.config import Config, EngineConfig, ModelConfig
from edge.errors import CameraError, ConfigError, EdgeError


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return load_model(ModelConfig(), EngineConfig())


def crowd(faces: int, frames: int):
    return partial(Crowd, faces, fps=30, frames=frames + WARM_UP)


def test_load_tells_the_graph_from_its_conversion_and_has_its_work(model: AffectModel) -> None:
    load = measure_load(Config(), model, crowd(2, 330))
    assert tuple(load.stage_ms) == tuple(stage for stage in STAGES if stage != "embed")
    assert load.stage_ms["invoke"].n == pytest.approx(2 * 110, abs=4)
    assert load.stage_ms["quantize"].mean is not None
    assert not load.every_frame
    assert load.work is not None
    assert load.work.low <= load.work.value <= load.work.high
    assert load.outside is not None
    assert 0 < load.outside < 1
    assert load.cpu_core_p50 is not None  # of 10 whole seconds
    assert 0 < load.cpu_core_p50.low <= load.cpu_core_p50.value <= load.cpu_core_p50.high


def test_most_that_can_be_asked_is_a_search_and_a_score_of_each_face_in_every_frame(model: AffectModel) -> None:
    load = measure_load(Config(), ask_most(model, 30), crowd(2, 60), every_frame=True)
    assert load.every_frame
    assert load.frame_ms.n == load.stage_ms["detect"].n == 60
    assert load.scores_per_face_s == pytest.approx(30, abs=0.6)
    assert model.bundle.manifest.step_s == 0.1  # the model that was given is as it was


def test_baseline_is_about_the_same_every_time_and_keeps_account_of_itself() -> None:
    baseline = Baseline()
    times = [baseline.measure() for _ in range(5)]
    assert min(times) > 0
    assert sum(times) < baseline.spent_s < 30 * sum(times)


def test_joules_are_told_where_they_are_counted_and_a_counter_that_wraps_is_followed(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path).joules() is None
    zone = tmp_path / "class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "max_energy_range_uj").write_text("1000000")
    (zone / "energy_uj").write_text("900000")
    meter = EnergyMeter(tmp_path)
    (zone / "energy_uj").write_text("400000")
    assert meter.joules() == pytest.approx(0.5)
    assert meter.joules() == 0
    (zone / "energy_uj").unlink()
    assert meter.joules() is None


def result(model: AffectModel) -> Result:
    return Result(
        commit="0123456789", date="2026-11-02", host=describe_host(EngineConfig(), "litert", "Shelf Pi"), input="drawn",
        bundle=describe_bundle(model), loads=[],
    )  # fmt: skip


def test_result_of_an_earlier_version_is_read_without_load_and_notes(model: AffectModel, tmp_path: Path) -> None:
    older = json.loads(msgspec.json.encode(result(model)))
    del older["load"], older["notes"], older["detect_every"]
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert read_result(tmp_path / "older.json") == result(model)


def test_result_of_a_board_is_read_with_nothing_where_it_does_not_measure(model: AffectModel, tmp_path: Path) -> None:
    written = write_result(result(model), tmp_path)
    assert read_result(written) == result(model)
    assert read_result(written).cold is None


def test_unreadable_foreign_and_later_results_are_refused_by_name(model: AffectModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_result(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a result"):
        read_result(tmp_path / "a.json")
    later = json.loads(msgspec.json.encode(result(model))) | {"format": 99}
    (tmp_path / "b.json").write_text(json.dumps(later))
    with pytest.raises(ConfigError, match=r"b\.json: of format 99"):
        read_result(tmp_path / "b.json")


def test_memory_told_is_the_device_s_own_and_not_its_parent_s(monkeypatch) -> None:
    monkeypatch.setattr(cold, "_TRIES", 1)
    ballast = np.ones(400_000_000, np.uint8)
    assert 40 < cold.measure_cold(None, faces=1).rss_mb < 300
    assert ballast[-1]


def test_cold_start_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "_TRIES", 1)
    (tmp_path / "config.toml").write_text("speed = 1")
    with pytest.raises(EdgeError, match="speed: unknown key"):
        cold.measure_cold(tmp_path / "config.toml", faces=1)


def test_input_that_ends_within_the_warm_up_says_so(model: AffectModel) -> None:
    with pytest.raises(CameraError, match="too short"):
        measure_load(Config(), model, partial(Crowd, 1, fps=30, frames=WARM_UP))
