"""The ladder's record, gate and table on made-up figures; what a board measured is merged or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from convert.errors import DataError, GateError
from convert.ladder.gate import check, check_sequence, find_excesses
from convert.ladder.record import (
    Ladder,
    Measurement,
    Result,
    Score,
    SequenceCheck,
    measure_gaps,
    merge,
    name_answers,
    name_graphs,
    read_measurement,
    score,
    write_ladder,
)
from convert.ladder.rungs import FIRST, RUNGS
from convert.ladder.table import render_page, render_table
from edge.model.bundle import default_bundle, load_bundle

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"diffusionfer/{n}.jpg" for n in range(20)]
RATED = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
RATINGS = {name: (float(v), float(a)) for name, (v, a) in zip(NAMES, RATED, strict=True)}
STEADY = SequenceCheck(
    steps=10_000, rms=1e-7, largest=1e-6, first_rms=1e-7, last_rms=1e-7, float_rms=0.006, drift=1e-6, cell=4.0
)


def at(rung: str, ccc: float, **more: Any) -> Result:
    """A result whose CCC is the same for both answers and targets."""
    one = Score(ccc=ccc, cc=ccc, rmse=0.2, sagr=0.7)
    both = {"valence": one, "arousal": one}
    return Result(rung=rung, host="here", ms=1.5, agreement={"frame": both, "stream": both}, **more)


def ladder(*results: Result, sequence: SequenceCheck | None = STEADY) -> Ladder:
    return Ladder(
        bundle="default 2",
        graphs={"backbone.tflite": "ab" * 32, "head.tflite": "ef" * 32},
        data="made-up faces",
        count=20,
        quantization="ptq_int8_head_f32",
        budget_ccc=0.01,
        measured="2026-11-25 on a table",
        results=list(results),
        sequence=sequence,
    )


def test_a_ladder_within_its_budget_passes() -> None:
    check(ladder(at(FIRST, 0.9), at("tflite-float", 0.9), at("int8-builtin", 0.895), at("int8-xnnpack", 0.893)))


def test_a_loss_above_the_budget_names_the_rung_and_by_how_much() -> None:
    with pytest.raises(
        GateError, match=r"int8-builtin on here: valence CCC .* is 0\.0200 below tflite-float"
    ) as caught:
        check(ladder(at(FIRST, 0.9), at("tflite-float", 0.9), at("int8-builtin", 0.88)))
    assert caught.value.exit_code == 9


def test_small_losses_that_add_up_are_noticed() -> None:
    steps = [at(rung.name, 0.9 - 0.006 * n) for n, rung in enumerate(RUNGS[:4])]
    found = find_excesses(ladder(*steps))
    assert {(excess.rung, excess.against) for excess in found} == {("int8-builtin", FIRST), ("int8-xnnpack", FIRST)}


def test_a_gain_and_what_is_only_for_the_record_break_nothing() -> None:
    check(ladder(at(FIRST, 0.9), at("tflite-float", 0.95), at("int8-builtin", 0.945), at("lstm-int8", 0.2)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rms": 0.0021}, "0.0021 RMS from the whole sequence"),
        ({"rms": float("nan")}, "RMS from the whole sequence"),
        ({"first_rms": 1e-4, "last_rms": 3e-4}, "grows"),
    ],
)
def test_streaming_that_is_not_the_whole_sequence_fails(changes: dict[str, float], said: str) -> None:
    check_sequence(STEADY)
    with pytest.raises(GateError, match=said):
        check_sequence(msgspec.structs.replace(STEADY, **changes))


def test_the_difference_is_over_shared_pictures_and_both_targets() -> None:
    ours = name_answers(["a", "b"], np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    theirs = name_answers(["b", "c"], np.array([[0.3, 0.0], [0.9, 0.9]], np.float32))
    gap = measure_gaps({"stream": ours}, {"stream": theirs})["stream"]
    assert gap.largest == pytest.approx(0.4)
    assert gap.rms == pytest.approx(0.4 / np.sqrt(2), abs=1e-5)
    assert measure_gaps({"frame": ours}, {"stream": theirs}) == {}


def measured(**more: Any) -> Measurement:
    return Measurement(format=1, rung="device", host="Pi 5", ms=2.5, **more)


def test_a_board_s_answers_are_scored_and_compared_with_the_step_before() -> None:
    answers = np.clip(RATED + 0.1, -1, 1)
    streamed = at("streamed", 0.9, answers={"stream": name_answers(NAMES, answers)})
    given = name_answers(NAMES, np.clip(answers + 0.01, -1, 1))
    found = merge(ladder(at(FIRST, 0.9), streamed), measured(stream=given), RATINGS, "pi5.json")
    added = found.results[-1]
    assert (added.rung, added.host, added.ms) == ("device", "Pi 5", 2.5)
    assert added.gap["stream"].largest == pytest.approx(0.01, abs=1e-4)
    assert added.agreement["stream"] == score(RATED, np.array([given[name] for name in NAMES], np.float32))


def test_a_board_that_measured_the_ladder_s_graphs_is_taken_whatever_else_its_bundle_holds() -> None:
    found = ladder(at(FIRST, 0.9))
    assert merge(found, measured(graphs=found.graphs), RATINGS, "x.json").results[-1].host == "Pi 5"


def test_papers_in_a_manifest_leave_its_ladder_valid_and_another_graph_does_not() -> None:
    manifest = load_bundle(default_bundle()).manifest
    papers = msgspec.structs.replace(manifest, licence="other", files={**manifest.files, "NOTICE": "00" * 32})
    other = msgspec.structs.replace(manifest, files={**manifest.files, manifest.head.file: "00" * 32})
    assert name_graphs(papers) == name_graphs(manifest) != name_graphs(other)


def test_a_host_s_second_file_replaces_its_first_and_another_host_gets_a_row() -> None:
    found = ladder(at(FIRST, 0.9))
    for host, ms in (("Pi 5", 2.5), ("Pi 4", 7.0), ("Pi 5", 2.0)):
        found = merge(found, msgspec.structs.replace(measured(), host=host, ms=ms), RATINGS, "x.json")
    rows = [line for line in render_table(found).splitlines() if "on the device" in line]
    assert [("2.00" in row, "7.00" in row) for row in rows] == [(False, True), (True, False)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rung": "moon"}, "moon: no such rung"),
        ({"graphs": {"head.tflite": "cd" * 32}}, "x.json: measured a head.tflite cdcdcdcdcdcd, the ladder's is efefef"),
        ({"graphs": {"tail.tflite": "cd" * 32}}, "x.json: measured a tail.tflite cdcdcdcdcdcd, the ladder's is none"),
        ({"stream": {"elsewhere.jpg": (0.0, 0.0)}}, "x.json: elsewhere.jpg is no picture"),
    ],
)
def test_a_board_s_file_that_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        merge(ladder(at(FIRST, 0.9)), msgspec.structs.replace(measured(), **changes), RATINGS, "x.json")


def test_the_documented_measurement_can_be_read(tmp_path: Path) -> None:
    import convert.ladder.record as module

    text = str(module.__doc__).split("```json\n")[1].split("```")[0]
    (tmp_path / "pi5.json").write_text(text, encoding="utf-8")
    assert read_measurement(tmp_path / "pi5.json").rung == "device"


def test_the_table_has_every_step_and_leaves_blank_what_nobody_measured() -> None:
    lines = render_table(ladder(at(FIRST, 0.9), at("streamed", 0.89))).splitlines()[2:]
    assert len(lines) == len(RUNGS)
    assert sum("not measured" in line for line in lines) == len(RUNGS) - 2
    assert len({line.count("|") for line in lines}) == 1


HOLDS = ["ladder", "--render", "--write", "{folder}/holds/ladder.md"]
LOSES = ["ladder", "--render", "--write", "{folder}/loses/ladder.md"]
MISTAKES = [
    (["ladder", "--render", "--write", "{folder}/none.md"], "none.json: cannot be read"),
    (["ladder", "--weights", "{folder}"], "backbone.npz: no weights"),
    (["ladder", "--recipe", "nano"], "the bundle (112, 128, 32)"),
    (["ladder", "--quantization", "magic"], "magic: no such quantization recipe"),
    (["onnx", "--bundle", "{folder}/none"], "none: no such bundle"),
    (["quantize", "--recipe", "magic"], "magic: no such quantization recipe"),
]


class Said(NamedTuple):
    """What the commands said where importing TensorFlow fails, since merging and rendering do without."""

    folder: Path
    found: Ladder  # that holds
    told: dict[str, Any]  # by the arguments


@pytest.fixture(scope="module")
def said_by(verbs_without: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = tmp_path_factory.mktemp("ladders")
    found = ladder(at(FIRST, 0.9), at("streamed", 0.895))
    for name, each in (("holds", found), ("loses", ladder(at(FIRST, 0.9), at("tflite-float", 0.8)))):
        (folder / name).mkdir()
        write_ladder(folder / name / "ladder.json", each)
    asked = [HOLDS, LOSES, *(arguments for arguments, _ in MISTAKES)]
    formatted = [[argument.format(folder=folder) for argument in arguments] for arguments in asked]
    answers = verbs_without(("tensorflow", "tf_keras", "keras"), formatted)
    return Said(folder, found, dict(zip(map(str, asked), answers, strict=True)))


def test_the_page_is_written_anew_from_its_record(said_by: Said) -> None:
    done = said_by.told[str(HOLDS)]
    assert done.returncode == 0, done.stderr
    page = (said_by.folder / "holds" / "ladder.md").read_text("utf-8")
    assert page == render_page(said_by.found, "ladder.md")
    assert "All hold." in page


def test_a_ladder_that_lost_too_much_ends_with_its_own_exit_code(said_by: Said) -> None:
    done = said_by.told[str(LOSES)]
    assert done.returncode == 9
    (line,) = done.stderr.splitlines()
    assert "tflite-float" in line
    assert "0.1000 below keras" in line
    assert "**tflite-float loses 0.1000" in (said_by.folder / "loses" / "ladder.md").read_text("utf-8")


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_a_mistake_is_one_line(said_by: Said, arguments: list[str], said: str) -> None:
    done = said_by.told[str(arguments)]
    (line,) = done.stderr.splitlines()
    assert done.returncode != 0
    assert said in line
    assert "Traceback" not in line


def test_the_shipped_ladder_is_the_shipped_bundle_s_and_holds() -> None:
    from convert.ladder.record import read_ladder

    found = read_ladder(ROOT / "docs" / "ladder.json")
    check(found)
    assert found.sequence is not None
    assert found.sequence.steps == 10_000
    assert found.graphs == name_graphs(load_bundle(default_bundle()).manifest)
    assert (ROOT / "docs" / "ladder.md").read_text("utf-8") == render_page(found, "docs/ladder.md")
    assert json.loads((ROOT / "docs" / "ladder.json").read_text())["count"] == 150
