"""The gate: a planted slow-down fails it, the same machine's repeat does not, a busy one is not judged by the clock."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.compare.changes import Change, find_judged, find_regressions, list_changes, list_differences
from benchmarks.compare.slowed import slow_down
from benchmarks.device.result import STAGES
from benchmarks.reference.kept import find_kept, find_reference, retire_older
from convert.errors import DataError
from edge.cli.bench.quantiles import Percentile, percentile, summarize
from edge.cli.bench.result import Host, Load, LoadAverage, Measured, Result, write_result
from edge.model.engines.litert import LiteRtEngine


def make_load(faces: int, factor: float, seed: int, others: float = 1.0) -> Load:
    rng = np.random.default_rng([seed, faces])
    times = factor * (3 + 0.4 * faces) * rng.lognormal(0, 0.15, 1500)
    shares = np.sort(factor * others * 0.1 * rng.lognormal(0, 0.05, 50))
    stage = summarize(list(times / 9))
    return Load(
        faces=faces, fps=30, frame_ms=summarize(list(times)), stage_ms=dict.fromkeys(STAGES, stage),
        message_ms=summarize([1.0]), cpu_core=round(float(shares.mean()), 4), scores_per_face_s=10, outside=0.2,
        cpu_core_p50=percentile(shares, 0.5), work=percentile(100 * shares / others, 0.5),
    )  # fmt: skip


def make_result(
    factor: float = 1.0, seed: int = 0, *, busy: float = 1.0, others: float = 1.0, commit: str = "0123456789"
) -> Result:
    """`others`: how many times as long everything takes, since others work on the other hyperthread."""
    host = Host(
        device="shelf", model="Shelf 1", cores=4, kernel="6.1", governor=None, python="3.11", runtime="litert 2.3.0",
        threads=1, delegate=None,
    )  # fmt: skip
    return Result(
        commit=commit, date="2026-11-02", host=host, input="drawn", cold=None,
        bundle=Measured(name="default", version=1, sha256="5e" * 32, ccc={}, ccc_data=""),
        loads=[make_load(faces, factor, seed, others) for faces in (1, 4)], load=LoadAverage(start=busy, end=busy),
    )  # fmt: skip


def regressions(before: Result, now: Result, limit: float = 0.2) -> set[tuple[str, str]]:
    return {(change.load, change.figure) for change in find_regressions(list_changes(before, now), limit=limit)}


def test_slow_down_of_30_percent_is_a_regression_of_every_gated_figure() -> None:
    found = regressions(make_result(), make_result(1.3, seed=1))
    gated = ("frame_ms p50", "cpu_core", "work")
    assert found == {(load, figure) for load in ("1 face at 30", "4 faces at 30") for figure in gated}


@pytest.mark.parametrize("seed", range(1, 6))
def test_repeat_on_the_same_machine_is_none(seed: int) -> None:
    assert regressions(make_result(), make_result(seed=seed)) == set()


def test_getting_faster_is_none_and_neither_is_a_change_below_the_limit() -> None:
    assert regressions(make_result(), make_result(0.6, seed=1)) == set()
    assert regressions(make_result(), make_result(1.1, seed=1)) == set()
    assert regressions(make_result(), make_result(1.1, seed=1), limit=0.05) != set()


def test_ratio_beyond_the_limit_with_intervals_that_overlap_is_none() -> None:
    wide = Percentile(value=10, low=5, high=20), Percentile(value=15, low=9, high=22)
    apart = Percentile(value=10, low=9, high=11), Percentile(value=15, low=14, high=16)
    changes = [Change(load="1", figure="cpu_core", before=before, now=now) for before, now in (wide, apart)]
    assert find_regressions(changes) == changes[1:]


def test_older_result_without_an_interval_of_cpu_core_is_judged_by_the_mean() -> None:
    loads = [msgspec.structs.replace(load, cpu_core_p50=None, work=None) for load in make_result().loads]
    old = msgspec.structs.replace(make_result(), loads=loads)
    assert ("1 face at 30", "cpu_core") in regressions(old, make_result(1.3, seed=1))
    busy = make_result(1.3, seed=1, busy=9.0)
    assert find_judged(old, busy, ["frame_ms p50", "cpu_core", "work"]) == ["cpu_core"]


@pytest.mark.parametrize(("factor", "found"), [(1.0, False), (1.3, True)])
@pytest.mark.parametrize("others", [0.6, 1.0, 1.6])
def test_others_on_the_machine_hide_no_slow_down_and_make_none(factor: float, others: float, *, found: bool) -> None:
    quiet, busy = make_result(), make_result(factor, seed=1, busy=9.0, others=others)
    judged = find_judged(quiet, busy, ["frame_ms p50", "cpu_core", "work"])
    assert judged == ["work"]
    assert bool(find_regressions(list_changes(quiet, busy), figures=judged)) == found


def test_load_with_everything_in_every_frame_is_held_against_its_like_alone() -> None:
    loads = [msgspec.structs.replace(load, every_frame=True) for load in make_result(1.3, seed=1).loads]
    both = msgspec.structs.replace(make_result(seed=2), loads=[*make_result(seed=2).loads, *loads])
    assert regressions(make_result(), both) == set()
    assert "4 faces at 30, every frame: not measured now" in list_differences(both, make_result())
    step = msgspec.structs.replace(make_result(), detect_every="step")
    assert "searches: detect_every 1 then, detect_every step now" in list_differences(make_result(), step)


def test_engines_are_made_slower_by_running_some_runs_twice() -> None:
    calls: list[int] = []

    class Counted(LiteRtEngine):
        def __init__(self) -> None:
            pass

    plain = LiteRtEngine.invoke
    LiteRtEngine.invoke = lambda self, tensors: calls.append(1) or {}  # type: ignore[method-assign, assignment]
    try:
        undo = slow_down(30)
        for _ in range(100):
            assert Counted().invoke({}) == {}
        undo()
        assert len(calls) == pytest.approx(130, abs=1)
        Counted().invoke({})
        assert len(calls) == pytest.approx(131, abs=1)
    finally:
        LiteRtEngine.invoke = plain  # type: ignore[method-assign]


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 5), st.integers(0, 1000))
def test_swapping_the_runs_inverts_every_ratio(factor: float, seed: int) -> None:
    one, other = make_result(), make_result(factor, seed)
    there, back = list_changes(one, other), list_changes(other, one)
    assert [change.figure for change in there] == [change.figure for change in back]
    assert all(a.ratio * b.ratio == pytest.approx(1) for a, b in zip(there, back, strict=True))
    assert [a.apart for a in there] == [b.apart for b in back]


def test_clock_is_not_judged_where_others_worked() -> None:
    quiet, busy = make_result(), make_result(busy=9.0)
    figures = ["frame_ms p50", "cpu_core"]
    assert find_judged(quiet, quiet, figures) == figures
    assert find_judged(quiet, busy, figures) == find_judged(busy, quiet, figures) == ["cpu_core"]
    assert find_judged(quiet, busy, ["frame_ms p50"]) == []


def test_another_machine_bundle_or_missing_load_is_told() -> None:
    now = make_result()
    host = msgspec.structs.replace(now.host, model="Shelf 2")
    now = msgspec.structs.replace(now, host=host, loads=now.loads[:1], notes=["it was warm"])
    words = list_differences(make_result(), now)
    assert words == ["machine: Shelf 1 then, Shelf 2 now", "4 faces at 30: not measured now", "now: it was warm"]


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.3, 1)])
def test_command_fails_on_the_slow_down_alone(factor: float, code: int, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    write_result(make_result(), kept)
    now = write_result(make_result(factor, seed=2, commit="9876543210"), tmp_path)
    done = CliRunner().invoke(app, ["compare", str(now), "--reference", str(kept)])
    assert done.exit_code == code, done.output
    assert ("REGRESSION" in done.output) == bool(code)


def test_figure_that_nobody_measured_is_refused(tmp_path: Path) -> None:
    now = write_result(make_result(), tmp_path)
    done = CliRunner().invoke(app, ["compare", str(now), "--reference", str(now), "--figures", "charm"])
    assert isinstance(done.exception, DataError)
    assert "no charm" in str(done.exception)


def test_newest_other_result_of_the_device_is_the_reference(tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("2026-10-01-a-shelf.json", "2026-11-01-b-shelf.json", "floor-2026-12-01-c-shelf.json", "soak-2.json"):
        (folder / name).touch()
    now = folder / "2026-11-01-b-shelf.json"
    assert find_reference(None, "shelf", other_than=now, folder=tmp_path).name == "2026-10-01-a-shelf.json"
    assert find_reference(None, "shelf", other_than=tmp_path, folder=tmp_path) == now
    assert [path.name for path in find_kept(folder, "floor")] == ["floor-2026-12-01-c-shelf.json"]
    with pytest.raises(DataError, match=r"--device-name .*\(shelf\)"):
        find_reference(None, "other", other_than=now, folder=tmp_path)


def test_new_result_takes_the_place_of_the_older_one_of_its_bundle_alone(tmp_path: Path) -> None:
    other = msgspec.structs.replace(make_result().bundle, name="nano")
    nano = write_result(msgspec.structs.replace(make_result(commit="aaaaaaaaaa"), bundle=other), tmp_path)
    write_result(make_result(), tmp_path)
    before = find_kept(tmp_path, "bench")
    retire_older(tmp_path, "bench", before)
    assert find_kept(tmp_path, "bench") == before
    new = write_result(make_result(commit="bbbbbbbbbb"), tmp_path)
    retire_older(tmp_path, "bench", before)
    assert find_kept(tmp_path, "bench") == [nano, new]
