"""The ladder's record, gate and page on made-up figures; what a board measured is added or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from convert.commands.ladder import render_page
from convert.errors import DataError, GateError
from convert.ladder.record import (
    FIRST,
    STEPS,
    Ladder,
    Measurement,
    Result,
    SequenceCheck,
    add_board,
    check,
    read,
    score,
)
from edge.model.bundle import default_bundle, load_bundle

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"diffusionfer/images/{n}.jpg" for n in range(20)]
RATED = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
RATINGS = {name: (float(v), float(a)) for name, (v, a) in zip(NAMES, RATED, strict=True)}
STEADY = SequenceCheck(steps=10_000, rms=1e-7, largest=1e-6, first_rms=1e-7, last_rms=1e-7)
GRAPHS = {"backbone.tflite": "ab" * 32, "head.tflite": "ef" * 32}
BOARD = {"format": 1, "step": "device", "host": "Pi 5", "ms": 2.5, "graphs": GRAPHS, "stream": RATINGS}


def at(step: str, ccc: float) -> Result:
    """A result whose CCC is the same for both answers and targets."""
    both = {target: {"ccc": ccc, "cc": ccc, "rmse": 0.2, "sagr": 0.7} for target in ("valence", "arousal")}
    return Result(step=step, host="here", ms=1.5, scores={"frame": both, "stream": both})


def ladder(*results: Result, sequence: SequenceCheck = STEADY) -> Ladder:
    return Ladder(
        bundle="default 2",
        graphs=GRAPHS,
        data="made-up faces",
        count=20,
        quantization="ptq_int8_head_f32",
        budget_ccc=0.01,
        measured="2026-11-25 on a table",
        results=list(results),
        sequence=sequence,
    )


HOLDS = ladder(at(FIRST, 0.9), at("tflite-float", 0.9), at("int8-builtin", 0.895), at("streamed", 0.92))
LOSES = ladder(at(FIRST, 0.9), at("tflite-float", 0.8))


def board(**changes: Any) -> Measurement:
    return msgspec.convert({**BOARD, **changes}, Measurement)


def test_a_ladder_within_its_budget_passes_and_a_gain_breaks_nothing() -> None:
    check(HOLDS)


def test_a_loss_above_the_budget_names_the_step_and_by_how_much() -> None:
    with pytest.raises(GateError, match=r"tflite-float on here loses 0\.1000 of valence \(frame\) to keras.*3 more"):
        check(LOSES)


def test_small_losses_that_add_up_are_noticed() -> None:
    with pytest.raises(GateError, match=r"int8-builtin on here loses 0\.0160 of valence \(frame\) to keras"):
        check(ladder(at(FIRST, 0.9), at("tflite-float", 0.892), at("int8-builtin", 0.884)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rms": 0.003}, r"0\.0030 RMS from the whole sequence"),
        ({"rms": float("nan")}, "nan RMS from the whole sequence"),
        ({"first_rms": 1e-5, "last_rms": 1e-4}, "the difference to the whole sequence grows"),
    ],
)
def test_streaming_that_is_not_the_whole_sequence_fails(changes: dict[str, float], said: str) -> None:
    with pytest.raises(GateError, match=said):
        check(ladder(at(FIRST, 0.9), sequence=msgspec.structs.replace(STEADY, **changes)))


def test_a_board_s_answers_are_scored_and_take_the_place_of_the_same_host_s() -> None:
    once = add_board(HOLDS, board(), RATINGS, "pi5.json")
    assert once.results[-1].scores["stream"] == score(RATED, RATED)
    again = add_board(once, board(ms=3.5), RATINGS, "pi5.json")
    assert [result.ms for result in again.results if result.step == "device"] == [3.5]
    assert len(add_board(again, board(host="Pi 4"), RATINGS, "pi4.json").results) == len(again.results) + 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": "moon"}, "pi5.json: moon is no step; there are keras"),
        ({"graphs": {**GRAPHS, "head.tflite": "00" * 32}}, "measured the graphs"),
        ({"stream": {"else.jpg": (0, 0)}}, "else.jpg is no face that this ladder's data rates"),
    ],
)
def test_a_board_s_file_that_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        add_board(HOLDS, board(**changes), RATINGS, "pi5.json")


def test_the_documented_measurement_can_be_read(tmp_path: Path) -> None:
    import convert.ladder.record as module

    text = (module.__doc__ or "").partition("```json\n")[2].partition("```")[0]
    (tmp_path / "pi5.json").write_text(text)
    assert read(tmp_path / "pi5.json", Measurement).step == "device"
    (tmp_path / "bad.json").write_text('{"format": 1}')
    with pytest.raises(DataError, match=r"bad\.json: .*missing required field"):
        read(tmp_path / "bad.json", Measurement)


def test_the_page_has_every_step_and_leaves_blank_what_nobody_measured() -> None:
    text = render_page(HOLDS, Path("ladder.md"))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == len(STEPS) + 1
    assert sum("not measured" in line for line in rows) == len(STEPS) - len(HOLDS.results)
    assert "0.900 / 0.900" in text
    assert "All hold." in text
    assert "tflite-float on here loses 0.1000" in render_page(LOSES, Path("ladder.md"))


def test_a_ladder_is_rendered_from_its_record_and_fails_where_it_lost_too_much(
    tmp_path: Path, convert_verb: Callable[..., Any]
) -> None:
    for name, found, code in (("holds", HOLDS, 0), ("loses", LOSES, 9)):
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(found))
        done = convert_verb("ladder", "--render", "--write", tmp_path / f"{name}.md")
        assert done.returncode == code, done.stderr
        assert (tmp_path / f"{name}.md").read_text() == render_page(found, tmp_path / f"{name}.md")
    assert done.stderr.count("\n") == 1
    assert "loses 0.1000" in done.stderr


def test_the_shipped_ladder_is_the_shipped_bundle_s_and_holds() -> None:
    found = read(ROOT / "docs" / "ladder.json", Ladder)
    manifest = load_bundle(default_bundle()).manifest
    assert found.graphs == {name: manifest.files[name] for name in (manifest.backbone.file, manifest.head.file)}
    check(found)
    assert (ROOT / "docs" / "ladder.md").read_text("utf-8") == render_page(found, Path("docs/ladder.md"))
    assert json.loads((ROOT / "docs" / "ladder.json").read_text())["count"] >= 100
