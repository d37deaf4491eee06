"""Measuring the device: what the figures mean, and what a sample cannot say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.affect.model import AffectModel, load_model
from edge.cli.bench import cold, sustained
from edge.cli.bench.busy import LoadAverage, measure_since, note_load
from edge.cli.bench.crowd import Crowd, draw_crowd
from edge.cli.bench.energy import EnergyMeter
from edge.cli.bench.measure import STAGES, ask_most, crowd_of, measure_load
from edge.cli.bench.quantiles import percentile, summarize
from edge.cli.bench.result import Result, describe_bundle, describe_host, read_result, write_result
from edge.cli.bench.sustained import measure_sustained
from edge.cli.bench.yardstick import Yardstick
from edge.clock import FileClock
from edge.config import Config, EngineConfig, FaceConfig, ModelConfig
from edge.errors import ConfigError, EdgeError
from edge.face.detector import load_detector


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return load_model(ModelConfig(), EngineConfig())


@pytest.mark.parametrize(("q", "enough"), [(0.5, 6), (0.9, 36), (0.99, 368)])
def test_percentile_is_blank_just_below_the_sample_that_supports_it(q: float, enough: int) -> None:
    assert percentile(np.arange(enough - 1.0), q) is None
    assert percentile(np.arange(float(enough)), q) is not None


def test_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        found = percentile(np.sort(rng.exponential(1.0, 60)), 0.5)
        assert found is not None
        covered += found.low <= np.log(2) <= found.high
    assert 0.92 <= covered / 400 <= 0.995


@given(st.lists(st.floats(0, 1e3), min_size=6, max_size=80))
def test_interval_holds_its_value_and_lies_in_the_sample(values: list[float]) -> None:
    found = summarize(values).p50
    assert found is not None
    assert found.low <= found.value + 1e-4
    assert found.value <= found.high + 1e-4
    assert min(values) - 1e-4 <= found.low <= found.high <= max(values) + 1e-4


def test_nothing_measured_is_said_to_be_nothing() -> None:
    assert summarize([]).n == 0
    assert summarize([]).mean is None


@pytest.mark.parametrize("faces", [1, 4, 8])
def test_detector_finds_the_faces_that_a_crowd_has(faces: int, detector_asset: Path) -> None:
    detector = load_detector(FaceConfig(), EngineConfig())
    assert [len(detector.detect(picture)) for picture in draw_crowd(faces, count=4)] == 4 * [faces]


def test_crowd_keeps_its_pace_and_ends() -> None:
    clock = FileClock(now_ns=5)
    camera = Crowd(2, fps=25, frames=60, clock=clock)
    stamps = [frame.captured_ns for frame in camera.frames()]
    assert len(stamps) == 60
    assert np.allclose(np.diff(stamps), 40_000_000, atol=1)
    with pytest.raises(ValueError, match="1 to 25"):
        draw_crowd(26)


def test_load_counts_faces_scores_and_every_stage(model: AffectModel, detector_asset: Path) -> None:
    load = measure_load(Config(), model, crowd_of(2, fps=30, frames=330))
    assert load.faces == pytest.approx(2, abs=0.1)
    assert load.fps == pytest.approx(30, abs=0.1)
    assert load.scores_per_face_s == pytest.approx(10, abs=0.4)
    assert tuple(load.stage_ms) == STAGES
    assert load.frame_ms.n == load.stage_ms["detect"].n == pytest.approx(110, abs=2)  # the others are left alone
    assert load.stage_ms["capture"].n == 330
    assert load.stage_ms["invoke"].n == pytest.approx(2 * 110, abs=4)
    assert load.message_ms.n == 1  # 330 frames at 30 a second close one window of 10 s
    assert not load.every_frame
    assert load.work is not None
    assert load.work.low <= load.work.value <= load.work.high
    parts = sum(load.stage_ms[stage].mean or 0 for stage in ("detect", "track", "crop", "window", "publish"))
    assert load.frame_ms.mean is not None
    assert parts < load.frame_ms.mean
    assert 0 < load.outside < 1
    assert load.cpu_core_p50 is not None  # of 10 whole seconds
    assert 0 < load.cpu_core_p50.low <= load.cpu_core_p50.value <= load.cpu_core_p50.high


def test_most_that_can_be_asked_is_a_search_and_a_score_of_each_face_in_every_frame(
    model: AffectModel, detector_asset: Path
) -> None:
    asked, asked_model = ask_most(Config(), model, 30)
    load = measure_load(asked, asked_model, crowd_of(2, fps=30, frames=60), every_frame=True)
    assert load.every_frame
    assert load.frame_ms.n == load.stage_ms["detect"].n == 60
    assert load.scores_per_face_s == pytest.approx(30, abs=0.6)
    assert model.stream.slot(40_000_000) == 0  # the model that was given is as it was
    assert asked_model.stream.slot(40_000_000) == 1


def test_yardstick_is_about_the_same_every_time_and_keeps_account_of_itself() -> None:
    yardstick = Yardstick()
    times = [yardstick.measure() for _ in range(5)]
    assert min(times) > 0
    assert sum(times) < yardstick.spent_s < 10 * sum(times)


def test_work_of_others_is_noted_and_the_measurement_s_own_is_not() -> None:
    alone, disturbed = LoadAverage(start=0.4, end=1.1), LoadAverage(start=0.4, end=5.5)
    assert note_load(None, threads=1) == note_load(alone, threads=1) == note_load(disturbed, threads=5) == []
    (note,) = note_load(disturbed, threads=1)
    assert "load average 0.4 at the start, 5.5 at the end" in note
    assert measure_since(None) is None


def test_result_of_an_earlier_version_is_read_without_load_and_notes(model: AffectModel, tmp_path: Path) -> None:
    older = json.loads(msgspec.json.encode(result(model)))
    del older["load"], older["notes"], older["detect_every"]
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert read_result(tmp_path / "older.json") == result(model)


def test_sustained_work_is_told_by_the_minute_with_what_the_board_says(model: AffectModel, tmp_path: Path) -> None:
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("61500\n")
    told = []
    minutes = measure_sustained(
        Config(), model, faces=1, fps=20, minutes=2, minute_s=0.5, board=sustained.Board(tmp_path),
        energy=EnergyMeter(tmp_path), tell=told.append,
    )  # fmt: skip
    assert told == minutes
    assert [minute.minute for minute in minutes] == [1, 2]
    assert [minute.temperature_c for minute in minutes] == [61.5, 61.5]
    assert 5 <= minutes[0].frame_ms.n <= 7  # of ten frames at 20 a second, those in which something was due
    assert minutes[0].joules_per_frame is None


def test_energy_counter_that_wraps_is_followed(tmp_path: Path) -> None:
    zone = tmp_path / "class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "max_energy_range_uj").write_text("1000000")
    (zone / "energy_uj").write_text("900000")
    meter = EnergyMeter(tmp_path)
    before = meter.read()
    (zone / "energy_uj").write_text("400000")
    assert meter.joules_since(before) == pytest.approx(0.5)
    assert EnergyMeter(tmp_path / "none").joules_since(None) is None


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_host_gets_a_name_that_a_file_may_have(name: str) -> None:
    assert all(
        letter.isascii() and (letter.isalnum() or letter == "-")
        for letter in describe_host(EngineConfig(), "litert", name).device
    )


def result(model: AffectModel) -> Result:
    return Result(
        commit="0123456789", date="2026-11-02", host=describe_host(EngineConfig(), "litert", "Shelf Pi"), input="drawn",
        bundle=describe_bundle(model), cold=None, loads=[],
    )  # fmt: skip


def test_result_is_written_under_its_name_and_read_back(model: AffectModel, tmp_path: Path) -> None:
    written = write_result(result(model), tmp_path)
    assert written.name == "2026-11-02-0123456789-shelf-pi.json"
    assert read_result(written) == result(model)
    assert set(result(model).bundle.ccc) == {"valence", "arousal"}


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
    with pytest.raises(ConfigError, match="--out"):
        write_result(result(model), tmp_path / "no" / "folder.json")


def test_memory_told_is_the_device_s_own_and_not_its_parent_s(monkeypatch, detector_asset: Path) -> None:
    monkeypatch.setattr(cold, "_TRIES", 1)
    ballast = np.ones(400_000_000, np.uint8)
    assert 40 < cold.measure_cold(None, faces=1).rss_mb < 300
    assert ballast[-1]


def test_cold_start_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "_TRIES", 1)
    (tmp_path / "config.toml").write_text("speed = 1")
    with pytest.raises(EdgeError, match="speed: unknown key"):
        cold.measure_cold(tmp_path / "config.toml", faces=1)


def test_command_prints_and_writes_one_result(tmp_path: Path, detector_asset: Path) -> None:
    command = [
        "bench",
        "--faces",
        "1",
        "--frames",
        "60",
        "--no-cold",
        "--every-frame",
        "--json",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "edge", *command, "--device-name", "t"],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = msgspec.json.decode(done.stdout, type=Result)
    (written,) = tmp_path.glob("*-t.json")
    assert read_result(written) == printed
    assert [(round(load.fps), load.every_frame) for load in printed.loads] == [(30, False), (15, False), (30, True)]
    assert printed.detect_every == "step"


@pytest.mark.parametrize("faces", ["0", "26", "a", ""])
def test_impossible_number_of_faces_is_refused(faces: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "bench", "--faces", faces],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--faces" in done.stderr
