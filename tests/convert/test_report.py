"""`test`, `pack` and `report`: one record of one bundle, and every page, card and figure is that record's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pandas as pd
import pytest

from convert.commands.report import EVIDENCE, PAGE, parse_beside, write_page
from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.pictures import find_faces
from convert.faces.table import make_faces
from convert.package.packing import write_card
from convert.package.sources import list_sources
from convert.predict import subjects
from convert.predict.measure import RECORD, metrics_of, read_record
from convert.predict.render import render
from convert.predict.table import hash_graphs
from convert.train.recipe import find_recipe
from convert.train.run import Run
from edge.model.bundle import default_bundle, load_bundle

REPO = Path(__file__).resolve().parents[2]
BUNDLE = load_bundle(default_bundle())
PEOPLE = 10  # of each split
Verb = Callable[..., Any]


@pytest.fixture(scope="module")
def mine(finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one's own drawn faces, with the shipped graphs: two faces each of 30 people."""
    folder = tmp_path_factory.mktemp("mine")
    rng, rows = np.random.default_rng(4), []
    while len(rows) < 6 * PEOPLE:
        smile, mouth = rng.uniform(-0.8, 0.8), rng.uniform(0, 0.8)
        pixels = draw_face(rng, smile, mouth)
        if finder.find(pixels) is None:
            continue
        path = folder / "pictures of mine" / f"{len(rows)}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), pixels[:, :, ::-1])
        split = ("train", "dev", "test")[len(rows) // (2 * PEOPLE)]
        row = {"id": f"shop/{len(rows)}", "picture": str(path), "subject": f"shop/{len(rows) // 2}", "split": split}
        rows.append(row | {"valence": round(smile, 1), "arousal": round(mouth, 1)})
    columns = pd.DataFrame(rows).assign(source="shop", licence="internal", rater="people", real=True)
    run = Run(folder / "run")
    run.start(find_recipe("default"))
    table = make_faces({name: columns[name] for name in columns})
    found = find_faces(table, finder, None, run.path("pictures"))
    run.keep_faces(found.faces, found.pictures.rows)
    for name in ("backbone.tflite", "head.tflite"):
        run.path(name).write_bytes(BUNDLE.files[name])
    return run.folder


@pytest.fixture(scope="module")
def tested(mine: Path, verbs_without: Callable[..., list[Any]]) -> Any:
    (done,) = verbs_without(["tensorflow"], [["test", mine, "--why", "to see", "--most", "0"]])
    return done


def test_a_run_is_tested_on_its_own_test_faces_alone_and_the_look_is_logged(mine: Path, tested: Any) -> None:
    assert tested.returncode == 0, tested.stderr
    record = read_record(mine / RECORD)
    assert record["faces"] == {"dev": 2 * PEOPLE, "test": 2 * PEOPLE}
    assert record["trained_apart"] is True
    sets = [(row["split"], row["n"], row["subjects"]) for row in record["tables"]["sets"] if row["answer"] == "frame"]
    assert set(sets) == {("dev", 2 * PEOPLE, PEOPLE), ("test", 2 * PEOPLE, PEOPLE)}
    log = pd.read_csv(mine / subjects.TEST_LOG.name)
    assert log["why"].tolist() == ["to see"]
    assert log["bundle"].iloc[0] == hash_graphs(BUNDLE.manifest)
    assert "shop" in tested.stdout


def test_choosing_on_dev_looks_nothing_up(mine: Path, convert_verb: Verb) -> None:
    before = (mine / subjects.TEST_LOG.name).read_text()
    done = convert_verb("test", mine, "--dev", "--most", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faces"] == {"dev": 2 * PEOPLE}
    assert (mine / subjects.TEST_LOG.name).read_text() == before


def test_a_run_that_has_one_person_in_two_splits_is_refused(mine: Path, tmp_path: Path, convert_verb: Verb) -> None:
    shutil.copytree(mine, tmp_path / "run")
    faces = pd.read_parquet(tmp_path / "run" / "faces.parquet")
    faces["subject"] = "shop/anna"
    faces.to_parquet(tmp_path / "run" / "faces.parquet", index=False)
    done = convert_verb("test", tmp_path / "run")
    assert done.returncode == 2
    assert "shop/anna is in 3 splits" in done.stderr


def test_a_fit_that_is_not_shown_to_be_better_than_its_start_ends_with_ten(
    mine: Path, tmp_path: Path, convert_verb: Verb
) -> None:
    shutil.copytree(mine, tmp_path / "run")
    Run(tmp_path / "run").note(start="shipped")  # and its graphs are the shipped ones
    done = convert_verb("test", tmp_path / "run", "--most", "0")
    assert done.returncode == 10
    assert "not shown to be better than the bundle that it began with" in done.stderr
    assert (tmp_path / "run" / RECORD).is_file()


@pytest.mark.usefixtures("tested")
def test_a_packed_run_s_card_has_the_record_s_figures_and_says_whose_faces_it_learned_from(
    mine: Path, tmp_path: Path, convert_verb: Verb
) -> None:
    done = convert_verb("pack", "--run", mine, "--out", tmp_path / "bundle", "--name", "mine")
    assert done.returncode == 0, done.stderr
    bundle, record = load_bundle(tmp_path / "bundle"), read_record(mine / RECORD)
    assert bundle.manifest.metrics == metrics_of(record)
    assert {metric.answer for metric in bundle.manifest.metrics} == {"frame", "stream"}
    card = bundle.files["MODEL_CARD.md"].decode()
    assert "**Pictures of real people may be in the training set**, from shop (internal" in card
    assert render("evidence.md.j2", **record).strip() in card
    (source,) = bundle.manifest.sources
    assert source.count == 4 * PEOPLE  # test faces are no source
    assert "40 rated by people" in source.use


@pytest.mark.usefixtures("tested")
def test_a_record_of_other_graphs_is_not_packed(mine: Path, tmp_path: Path, convert_verb: Verb) -> None:
    shutil.copytree(mine, tmp_path / "run")
    record = read_record(mine / RECORD)
    (tmp_path / "run" / RECORD).write_text(json.dumps(record | {"graphs": "0" * 64}))
    done = convert_verb("pack", "--run", tmp_path / "run", "--out", tmp_path / "bundle")
    assert done.returncode == 2
    assert "was measured on other graphs" in done.stderr
    (tmp_path / "run" / RECORD).unlink()
    assert convert_verb("pack", "--run", tmp_path / "run", "--out", tmp_path / "bundle").returncode == 0
    assert "packed without an evaluation" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()


def faces_of(**columns: Any) -> pd.DataFrame:
    base = {"id": ["a", "b"], "picture": "x", "subject": ["a", "b"], "source": "mine", "licence": "internal"}
    return make_faces(pd.DataFrame(base | columns))


def test_the_card_says_first_who_rated() -> None:
    kit = list_sources(faces_of(source=["diffusionfer", "studio2"], rater=["people", "ai"], real=False))
    manifest = msgspec.structs.replace(BUNDLE.manifest, sources=kit)
    first = write_card(manifest).partition("## ")[0]
    assert "Most labels that it learned from were given by AI models" in first
    assert "People rated DiffusionFER-S only" in first
    assert "No photograph of a real person is in the training set" in write_card(manifest)
    own = msgspec.structs.replace(BUNDLE.manifest, sources=list_sources(faces_of()))
    assert "AI models" not in write_card(own).partition("## ")[0]


def test_beside_takes_names_and_paths_apart() -> None:
    assert parse_beside(["nano=out/nano", "a=b=c"]) == {"nano": Path("out/nano"), "a": Path("b=c")}
    for wrong, said in ((["nano"], "must be NAME=PATH"), (["a=b", "a=c"], "called a already")):
        with pytest.raises(DataError, match=said):
            parse_beside(wrong)


def test_the_page_is_the_record_s_and_both_are_the_shipped_bundle_s() -> None:
    path = REPO / EVIDENCE / hash_graphs(BUNDLE.manifest)[:16] / RECORD
    record = read_record(path)  # fails where the evidence is of another bundle
    assert record["graphs"] == hash_graphs(BUNDLE.manifest)
    assert (record["bundle"]["name"], record["bundle"]["version"]) == (BUNDLE.manifest.name, BUNDLE.manifest.version)
    assert (REPO / PAGE).read_text("utf-8") == write_page(record, path, REPO / PAGE)
    assert len(list((REPO / EVIDENCE).glob(f"*/{RECORD}"))) == 1


def test_a_page_that_says_another_figure_is_noticed() -> None:
    path = REPO / EVIDENCE / hash_graphs(BUNDLE.manifest)[:16] / RECORD
    record = read_record(path)
    record["tables"]["real"][0]["ccc"] += 0.01
    assert (REPO / PAGE).read_text("utf-8") != write_page(record, path, REPO / PAGE)


def test_the_readme_s_first_figure_is_the_one_on_real_faces() -> None:
    record = read_record(REPO / EVIDENCE / hash_graphs(BUNDLE.manifest)[:16] / RECORD)
    readme = (REPO / "README.md").read_text("utf-8")
    model = readme.partition("## The model")[2]
    first = next(line for line in model.splitlines() if re.search(r"\d\.\d\d \[", line))
    found = {row["target"]: row for row in record["tables"]["real"] if row["answer"] == "stream"}
    for target in ("valence", "arousal"):
        row = found[target]
        assert f"{row['ccc']:.2f} [{row['ccc_low']:.2f}, {row['ccc_high']:.2f}]" in first
    assert f"{found['valence']['n']}" in first
    assert "real people" in first


def test_a_missing_figure_is_an_error_and_an_unmeasured_table_is_left_out() -> None:
    record = {"bundle": {"name": "x", "version": 1, "network": "n"}, "graphs": "0" * 64, "measured": "today"}
    text = render("model.md.j2", **record, record_path="x", trained_apart=True, people=0, tables={})
    assert "None were measured." in text
    with pytest.raises(Exception, match="'people' is undefined"):
        render("model.md.j2", **record, record_path="x", trained_apart=True, tables={"real": [{"n": 1}]})
