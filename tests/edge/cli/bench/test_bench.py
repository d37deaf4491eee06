"""Measuring a board: what the figures mean, and what a sample cannot say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.affect.network import AffectModel, load_model
from edge.cli.bench import face_counts, name_faces
from edge.cli.bench.crowd import Crowd, draw_crowd
from edge.cli.bench.measure import STAGES, WARM_UP, measure_load, measure_sustained
from edge.cli.bench.quantiles import percentile, summarize
from edge.cli.bench.result import LoadAverage, Result, describe_bundle, describe_host, describe_load, write_result
from edge.clock import FileClock
from edge.config import Config, EngineConfig, ModelConfig
from edge.errors import ConfigError
from edge.face.search import Search


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
def test_detector_finds_the_faces_that_a_crowd_has(faces: int) -> None:
    detector = Search()
    assert [len(detector.detect(picture)) for picture in draw_crowd(faces, count=4)] == 4 * [faces]


def test_crowd_keeps_its_rate_and_ends() -> None:
    clock = FileClock(now_ns=5)
    frames = list(Crowd(2, clock, fps=25, frames=60))
    assert len(frames) == 60
    assert np.allclose(np.diff([frame.captured_ns for frame in frames]), 40_000_000, atol=1)
    assert not np.array_equal(frames[0].pixels, frames[5].pixels)
    with pytest.raises(ValueError, match="1 to 25"):
        draw_crowd(26)


def crowd(faces: int, frames: int):
    return partial(Crowd, faces, fps=30, frames=frames + WARM_UP)


def test_load_counts_faces_scores_and_every_stage(model: AffectModel) -> None:
    load = measure_load(Config(), model, crowd(2, 330))
    assert load.faces == pytest.approx(2, abs=0.1)
    assert load.fps == pytest.approx(30, abs=0.1)
    assert load.scores_per_face_s == pytest.approx(10, abs=0.4)
    assert tuple(load.stage_ms) == STAGES
    assert load.frame_ms.n == load.stage_ms["detect"].n == pytest.approx(110, abs=2)  # the others are left alone
    assert load.stage_ms["capture"].n == 330
    assert load.stage_ms["embed"].n == pytest.approx(110, abs=2)
    assert load.message_ms.n == 1  # 330 frames at 30 a second close one window of 10 s
    assert load.cpu_core > 0
    parts = sum(load.stage_ms[stage].mean or 0 for stage in ("detect", "track", "crop", "embed", "head", "window"))
    assert load.frame_ms.mean is not None
    assert parts < load.frame_ms.mean


def test_work_of_others_is_noted_and_the_measurement_s_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (5.5, 1.0, 1.0))
    load, (note,) = describe_load(0.4, threads=1)
    assert load == LoadAverage(start=0.4, end=5.5)
    assert "load average 0.4 at the start, 5.5 at the end" in note
    assert describe_load(0.4, threads=5)[1] == []


def test_sustained_work_is_told_by_the_minute_with_what_the_board_says(model: AffectModel, tmp_path: Path) -> None:
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("61500\n")
    told = []
    minutes = measure_sustained(
        Config(), model, faces=1, fps=20, minutes=2, minute_s=0.5, root=tmp_path, tell=told.append, joules=lambda: 5.0
    )
    assert told == minutes
    assert [minute.minute for minute in minutes] == [1, 2]
    assert [minute.temperature_c for minute in minutes] == [61.5, 61.5]
    assert [minute.joules_per_frame for minute in minutes] == [0.5, 0.5]
    assert 5 <= minutes[0].frame_ms.n <= 7  # of ten frames at 20 a second, those in which something was due


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
        bundle=describe_bundle(model), loads=[],
    )  # fmt: skip


def test_result_is_written_under_its_name(model: AffectModel, tmp_path: Path) -> None:
    written = write_result(result(model), tmp_path)
    assert written.name == "2026-11-02-0123456789-shelf-pi.json"
    assert msgspec.json.decode(written.read_bytes(), type=Result) == result(model)
    assert set(result(model).bundle.ccc) == {"valence", "arousal"}
    with pytest.raises(ConfigError, match="--out"):
        write_result(result(model), tmp_path / "no" / "folder.json")


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "bench", *options],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_command_prints_and_writes_one_result(tmp_path: Path) -> None:
    done = bench("--faces", "1", "--frames", "60", "--json", "--out", str(tmp_path), "--device-name", "t")
    assert done.returncode == 0, done.stderr
    printed = msgspec.json.decode(done.stdout, type=Result)
    (written,) = tmp_path.glob("*-t.json")
    assert json.loads(written.read_text()) == json.loads(done.stdout)
    assert [round(load.fps) for load in printed.loads] == [30, 15]


def test_tables_say_one_face_and_frames_a_second() -> None:
    done = bench("--faces", "1", "--frames", "60")
    assert "measuring 1 face at 15 frames a second" in done.stdout
    assert "1 faces" not in done.stdout
    assert "48 px of 640" in done.stdout
    assert [name_faces(count) for count in (1, 2)] == ["1 face", "2 faces"]


@pytest.mark.parametrize("faces", ["0", "26", "a", "", "1,", "-1"])
def test_impossible_number_of_faces_is_refused(faces: str) -> None:
    with pytest.raises(ConfigError, match="--faces"):
        face_counts(faces)
