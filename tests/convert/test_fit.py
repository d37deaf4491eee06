"""`fit` on one's own faces: nobody is learned from and judged by, it stops on dev, and it never opens test."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from convert.errors import DataError
from convert.faces.layouts import read_own
from convert.faces.table import read_faces
from convert.train.fit import begin, fit, start_bundle
from convert.train.recipe import find_recipe
from convert.train.run import Run

pytestmark = pytest.mark.usefixtures("eagerly")


def _labels(drawn_data: Path, folder: Path, change: Callable[[dict[str, str]], None] = lambda _: None) -> Path:
    """A copy of the drawn faces' label file, each row changed; its pictures stay where they are."""
    path = folder / "labels.csv"
    with (drawn_data / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["image"] = str(drawn_data / row["image"])
        change(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    shutil.copy(drawn_data / "labels.source.json", folder)
    return path


def _fit(labels: Path, out: Path, *, start: str = "random", recipe: str = "tiny", **options: Any) -> Any:
    return fit(Run(out), begin(start, recipe, None), read_own(labels), start=start, **options)


@pytest.mark.slow
def test_a_run_on_own_faces_holds_graphs_weights_and_a_table_in_which_nobody_is_in_two_splits(tiny_run: Path) -> None:
    faces = read_faces(tiny_run / "faces.parquet")
    assert len(faces) == 40
    assert faces.groupby("subject")["split"].nunique().max() == 1
    assert faces.groupby("split")["subject"].nunique().min() >= 2
    assert faces["real"].all()
    for name in ("backbone.tflite", "float32.tflite", "head.tflite", "backbone.npz", "head.npz", "history.png"):
        assert (tiny_run / name).is_file()
    history = json.loads((tiny_run / "history.json").read_text())
    assert [record["epoch"] for record in history["backbone"]] == [0, 1]
    assert json.loads((tiny_run / "run.json").read_text())["start"] == "random"
    assert start_bundle(Run(tiny_run)) is None
    assert Run(tiny_run).recipe() == find_recipe("tiny")


@pytest.mark.slow
def test_the_auxiliary_readouts_are_kept_beside_the_network_and_not_exported(tiny_run: Path) -> None:
    from convert.train.targets import AUXILIARY, POINTS
    from edge.model.engines.litert import LiteRtEngine

    with np.load(tiny_run / "auxiliary.npz") as file:
        assert file["blendshapes_kernel"].shape == (8, len(AUXILIARY))
        assert file["landmarks_kernel"].shape == (8, 2 * len(POINTS))
    engine = LiteRtEngine((tiny_run / "backbone.tflite").read_bytes(), name="backbone")
    assert set(engine.outputs) == {"embedding", "va"}


@pytest.mark.slow
def test_labels_and_pictures_of_test_faces_change_nothing_that_is_learned(
    drawn_data: Path, tiny_run: Path, tmp_path: Path
) -> None:
    faces = read_faces(tiny_run / "faces.parquet")
    split = dict(zip(faces["picture"], faces["split"], strict=True))

    def turn_around(row: dict[str, str]) -> None:
        row["split"] = split[row["image"]].replace("dev", "validation")
        if row["split"] == "test":
            row["valence"] = str(-float(row["valence"]))

    _fit(_labels(drawn_data, tmp_path, turn_around), tmp_path / "run")
    for name in ("backbone.npz", "head.npz"):
        with np.load(tiny_run / name) as one, np.load(tmp_path / "run" / name) as other:
            assert all(np.array_equal(one[key], other[key]) for key in one.files)


@pytest.mark.slow
def test_a_fit_from_a_run_begins_with_its_weights_and_keeps_who_was_learned_from_out_of_test(
    drawn_data: Path, tiny_run: Path, tmp_path: Path
) -> None:
    before = read_faces(tiny_run / "faces.parquet")
    found = _fit(drawn_data / "labels.csv", tmp_path / "again", start=str(tiny_run))
    now = read_faces(tmp_path / "again" / "faces.parquet")
    assert dict(zip(now["id"], now["split"], strict=True)) == dict(zip(before["id"], before["split"], strict=True))
    assert found is not None
    assert found.before is not None
    assert start_bundle(Run(tmp_path / "again")) is not None
    learned = before.loc[before["split"] == "train", "picture"].iloc[0]

    def into_test(row: dict[str, str]) -> None:
        row["split"] = "test" if row["image"] == learned else ""
        row["group"] = f"other {row['image']}"

    labels = _labels(drawn_data, tmp_path, into_test)
    with pytest.raises(DataError, match=r"is in split test, and .* learned from this picture"):
        _fit(labels, tmp_path / "leak", start=str(tiny_run))


def _constant(row: dict[str, str]) -> None:
    row["arousal"] = "0.2"


def _nine_persons(row: dict[str, str]) -> None:
    row["group"] = str(int(row["group"]) % 9)


def _one_judge(row: dict[str, str]) -> None:
    row["split"] = "test" if row["group"] == "3" else "train"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_constant, "have the same arousal, 0.2; agreement cannot be measured"),
        (_nine_persons, "40 faces of 9 persons are too few"),
        (_one_judge, "split test has faces of fewer than two persons"),
    ],
)
def test_labels_that_cannot_be_learned_from_or_judged_by_are_refused(
    change: Callable[[dict[str, str]], None], said: str, drawn_data: Path, finder: object, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        _fit(_labels(drawn_data, tmp_path, change), tmp_path / "run")
    assert not (tmp_path / "run" / "backbone.npz").exists()


@pytest.mark.slow
def test_changed_labels_in_the_folder_of_another_fit_are_refused(
    drawn_data: Path, tiny_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")

    def change(row: dict[str, str]) -> None:
        row["valence"] = "0.1" if row["group"] == "7" else row["valence"]

    with pytest.raises(DataError, match="holds other faces, labels or splits than now; choose another --out"):
        _fit(_labels(drawn_data, tmp_path, change), run)


def test_a_fit_from_the_shipped_weights_has_their_network_and_the_fits_own_numbers() -> None:
    chosen, default = begin("shipped", None, 5), find_recipe("default")
    assert chosen.backbone == default.backbone
    assert (chosen.seed, chosen.head.units, chosen.head.step_s) == (5, default.head.units, default.head.step_s)
    assert [phase.name for phase in chosen.phases] == ["fit", "head"]
    assert begin("random", None, None).start == "random"
    with pytest.raises(DataError, match="holds no run"):
        begin("nowhere", None, None)


@pytest.mark.slow
def test_the_verb_ends_with_10_where_no_epoch_was_better_than_the_start(
    drawn_data: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convert_verb: Callable[..., Any]
) -> None:
    from convert.train import recipe

    tiny = find_recipe("tiny")
    first = msgspec.structs.replace(tiny.phases[0], patience=1, learning_rate=1e-9, average=1.0)
    still = msgspec.structs.replace(tiny, phases=(first, *tiny.phases[1:]))
    monkeypatch.setitem(recipe.RECIPES, "tiny", still)
    told = convert_verb(
        "fit", drawn_data / "labels.csv", "--start", tiny_run, "--recipe", "tiny", "--out", tmp_path / "run"
    )
    assert told.returncode == 10
    assert "no epoch was better on dev than the start" in told.stderr
    assert "dev, start:" in told.stdout
    assert (tmp_path / "run" / "head.tflite").is_file()


@pytest.mark.parametrize(("persons", "wanted"), [(10, (5, 2, 3)), (30, (15, 5, 10)), (200, (140, 30, 30))])
def test_of_few_persons_enough_are_kept_back_to_judge_by(persons: int, wanted: tuple[int, ...]) -> None:
    from convert.faces.table import make_faces
    from convert.train.fit import split_own

    names = [f"own/{number % persons}" for number in range(3 * persons)]
    rows = {"id": [f"own/{n}.png" for n in range(len(names))], "picture": "x.png", "subject": names, "source": "own"}
    faces = make_faces(rows)
    done = split_own(faces, faces, "random", 0)
    assert done.groupby("subject")["split"].nunique().max() == 1
    counts = done.groupby("split")["subject"].nunique()
    assert tuple(counts[split] for split in ("train", "dev", "test")) == wanted
