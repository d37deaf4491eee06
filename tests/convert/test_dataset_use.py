"""Published data sets in use: measured on, learned from, and named in every bundle that learned from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from convert.__main__ import app
from convert.commands import options
from convert.commands.pack import pack
from convert.errors import DataError, TrainingError
from convert.faces.finder import FaceFinder
from convert.faces.imported import DatasetPath, Imported, import_dataset, load_imported, read_records
from convert.faces.pictures import find_near
from convert.faces.records import Reading, read_dataset
from convert.package.model_card import write_card
from convert.package.sources import RESEARCH_ONLY, choose_licence, list_sources
from convert.predict.evaluation import Device
from convert.predict.sequence_evaluation import evaluate_frames
from convert.teacher.regressor import TeacherLabels
from convert.train.examples import make_examples
from convert.train.material import Material
from convert.train.recipe import RECIPES, StudioRecipe
from convert.train.run import Run
from edge.errors import EdgeError
from edge.geometry import CropRule
from edge.model.bundle import Source, default_bundle, load_bundle

RATE = 20.0
LENGTH = 50  # frames of a clip


def find_drawn(finder: FaceFinder, draw_face: Callable[..., np.ndarray], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        pixels = draw_face(rng, 0.4, 0.3)
        if finder.find(pixels) is not None:
            return pixels
    pytest.fail("no drawn face was found")


def write_clip(path: Path, pictures: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    for pixels in pictures:
        writer.write(np.ascontiguousarray(pixels[:, :, ::-1]))
    writer.release()


@pytest.fixture(scope="module")
def affwild2(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two persons to learn from and one held out; frames 10 to 19 of each clip show no face."""
    root = tmp_path_factory.mktemp("affwild2")
    for number, part in ((1, "Train_Set"), (2, "Train_Set"), (3, "Validation_Set")):
        face = find_drawn(finder, draw_face, number)
        empty = np.full_like(face, 127)
        write_clip(root / f"video{number}.mp4", [empty if 10 <= n < 20 else face for n in range(LENGTH)])
        labels = root / "VA_Estimation_Challenge" / part / f"video{number}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{0.1 * number:.1f},{n / LENGTH:.2f}" if n else "-5,-5" for n in range(LENGTH)]
        labels.write_text("\n".join(["valence,arousal", *lines]) + "\n")
    return root


@pytest.fixture(scope="module")
def imported(affwild2: Path, finder: FaceFinder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "datasets"
    import_dataset(DatasetPath("affwild2", affwild2), folder, finder)
    return folder


def teach(data: Path, folder: Path) -> TeacherLabels:
    """The drawn faces' labels, and some for every imported face."""
    own = TeacherLabels.load(data / "teacher" / "labels.npz")
    faces = load_imported(folder)
    count = len(faces)
    return TeacherLabels(
        names=(*own.names, *(face.name for face in faces)),
        va=np.concatenate([own.va, np.zeros((count, 2), np.float32)]),
        blendshapes=np.concatenate([own.blendshapes, np.zeros((count, 52), np.float32)]),
        rotation=np.concatenate([own.rotation, np.zeros((count, 3), np.float32)]),
        mesh_px=np.concatenate([own.mesh_px, np.zeros((count, 478, 3), np.float32)]),
    )


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_clip_is_watched_on_the_time_grid_and_held_where_no_face_is(affwild2: Path, finder: FaceFinder) -> None:
    device = Device(load_bundle(default_bundle()))
    frames = [f for f in read_dataset("affwild2", affwild2, Reading()) if f.part == "validation"]
    seen = []
    result = evaluate_frames(frames, device, finder, advance=lambda: seen.append(1))
    step = round(device.manifest.step_s * RATE)
    looked = len(frames[::step])
    warm_up = device.manifest.warmup_steps - 1
    assert len(seen) == len(frames) == LENGTH - 1
    assert result.not_scored["between two steps of the time grid"] == LENGTH - 1 - looked
    assert result.not_scored["before the head was warm"] >= warm_up
    assert result.found.n == looked - result.not_scored["before the head was warm"]
    assert result.found.faces_found <= result.found.n - 4  # of the five steps without a face
    assert result.groups == 1


def test_pictures_of_a_set_are_answered_as_those_of_a_label_file(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), find_drawn(finder, draw_face, number)[:, :, ::-1])
    path = tmp_path / "labels.csv"
    path.write_text("image,valence,arousal\n0.png,0,0\n1.png,0.5,0.1\n2.png,-0.5,0.2\n")
    by_file = run("evaluate", "--csv", path, "--json")
    by_set = run("evaluate", "--dataset", "csv", "--root", path, "--json")
    assert by_set.exit_code == 0, by_set.output
    one, other = json.loads(by_file.stdout), json.loads(by_set.stdout)
    assert {key: other[key] for key in one} == one  # every picture is a group, so even the intervals are the same
    assert (other["dataset"], other["part"], other["groups"]) == ("csv", "all", 3)


def test_evaluate_measures_on_the_declared_validation_part(affwild2: Path) -> None:
    done = run("evaluate", "--dataset", "affwild2", "--root", affwild2)
    assert done.exit_code == 0, done.output
    assert "default on affwild2, validation, 1 persons or videos" in " ".join(done.stdout.split())
    assert "left out: 3 marked as not rated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate"], "give either --csv FILE, or --dataset KIND with --root PATH"),
        (["evaluate", "--dataset", "affwild2"], "give either --csv FILE"),
        (["evaluate", "--dataset", "mnist", "--root", "{root}"], "mnist: no such kind of data set"),
        (["evaluate", "--dataset", "affwild2", "--root", "{root}", "--part", "test"], "has no part 'test'"),
        (["datasets", "check", "afew-va", "{root}"], "has no folder NNN"),
        (["train", "--dataset", "affwild2", "--out", "{out}"], "--dataset affwild2: must be KIND=PATH"),
    ],
)
def test_a_wrong_use_is_named_in_one_line(
    affwild2: Path, drawn_data: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    more = ["--data", drawn_data, "--recipe", "tiny"] if arguments[0] == "train" else []
    done = run(*(each.format(root=affwild2, out=tmp_path / "run") for each in arguments), *more)
    assert isinstance(done.exception, EdgeError)
    assert done.exception.exit_code == 2
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.parametrize(
    "verb", ["datasets", "datasets check", "labels merge", "labels report", "evaluate", "train", "pack"]
)
def test_every_verb_shows_an_example(verb: str) -> None:
    shown = run(*verb.split(), "--help")
    assert shown.exit_code == 0
    assert f"python -m convert {verb}" in " ".join(shown.output.split())


def test_no_imported_face_is_made_to_act(
    imported: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(options, "Studio", lambda faces, *_, **__: given.extend(face.source for face in faces))
    recipe = msgspec.structs.replace(RECIPES["tiny"], studio=StudioRecipe(stills=1))
    material = Material(drawn_data, teach(drawn_data, imported), recipe, imported=imported)
    assert {face.source for face in material.faces} == {"diffusionfer", "affwild2"}
    options.open_studio(Run(tmp_path), recipe, material, drawn_data, None)
    assert set(given) == {"diffusionfer"}


def test_datasets_lists_terms_and_check_counts(affwild2: Path) -> None:
    listed = run("datasets")
    assert listed.exit_code == 0, listed.output
    for kind in ("affwild", "affwild2", "affectnet", "afew-va", "omg-emotion", "csv"):
        assert f"{kind}: " in listed.stdout
    assert "licence: non-commercial research only" in listed.stdout
    checked = run("datasets", "check", "affwild2", affwild2, "--pictures")
    assert checked.exit_code == 0, checked.output
    words = " ".join(checked.stdout.replace("│", " ").split())
    assert "train 98 2" in words
    assert "dev 49 1" in words
    assert "marked as not rated 3" in words
    assert "+0.0 to +0.2" in checked.stdout


def test_the_box_says_whose_face_it_is(finder: FaceFinder, draw_face: Callable[..., np.ndarray]) -> None:
    face = find_drawn(finder, draw_face, 1)
    size = face.shape[0]
    wide = np.full((size, 3 * size, 3), 120, np.uint8)
    wide[:, :size] = wide[:, 2 * size :] = face
    for left in (0, 2 * size):
        box = (left + 0.2 * size, 0.1 * size, left + 0.8 * size, 0.9 * size)
        found = find_near(finder, wide, box)
        assert found is not None
        assert left < found.center_px[0] < left + size


def test_imported_faces_keep_their_split_label_and_place(imported: Path, affwild2: Path, finder: FaceFinder) -> None:
    faces = load_imported(imported)
    assert {face.source for face in faces} == {"affwild2"}
    # A picture a second at most: frames 1 and 21 and 41 of each clip.
    assert [face.name.rsplit("#", 1)[1] for face in faces] == ["1", "21", "41"] * 3
    assert [face.group for face in faces] == [f"video{n}" for n in (1, 2, 3) for _ in range(3)]
    assert [face.validation for face in faces] == [False] * 6 + [True] * 3
    assert faces[1].rated == pytest.approx((0.1, 0.42))
    found = finder.find(np.asarray(faces[0].pixels))
    assert found is not None
    np.testing.assert_allclose(found.landmarks_px[:4], faces[0].landmarks_px[:4], atol=12)
    (record,) = read_records(imported)
    assert record.research_only
    assert record.left_out["marked as not rated"] == 3
    again = import_dataset(DatasetPath("affwild2", affwild2), imported, finder)
    assert again == record
    with pytest.raises(DataError, match="a run takes one data set of a kind"):
        import_dataset(DatasetPath("affwild2", affwild2.parent), imported, finder)


def test_a_damaged_import_is_named(imported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(imported, tmp_path / "datasets")
    (folder / "affwild2" / "faces.u8").write_bytes(b"short")
    with pytest.raises(DataError, match="affwild2: damaged"):
        load_imported(folder)


@pytest.mark.usefixtures("finder")
def test_a_run_learns_from_imported_faces_and_counts_them(imported: Path, drawn_data: Path) -> None:
    recipe = RECIPES["tiny"]
    material = Material(drawn_data, teach(drawn_data, imported), recipe, imported=imported)
    added = [example for example in material.examples if example.name.startswith("affwild2/")]
    assert len(added) == 6
    share = recipe.backbone.rater_share
    np.testing.assert_allclose(added[0].va, [share * 0.1, share * 0.02], atol=1e-6)
    assert material.counts(recipe)["affwild2"] == 9
    sets = material.held_sets()
    assert list(sets) == ["DiffusionFER-S, held-out part", "Aff-Wild2, held-out part"]
    assert {material.held[row].source for row in sets["Aff-Wild2, held-out part"]} == {"affwild2"}
    assert len(sets["Aff-Wild2, held-out part"]) == 3
    with pytest.raises(DataError, match="the teacher has no label for 9 imported faces"):
        Material(drawn_data, TeacherLabels.load(drawn_data / "teacher" / "labels.npz"), recipe, imported=imported)


def test_a_raters_doubt_is_the_examples_weight(imported: Path, drawn_data: Path) -> None:
    import dataclasses

    face = dataclasses.replace(load_imported(imported)[0], weight=0.3)
    teacher = teach(drawn_data, imported)
    (example,) = make_examples([face], teacher, recipe=RECIPES["tiny"].backbone, rule=CropRule())
    assert example.weight == 0.3


def record(*, research_only: bool, name: str = "Faces of Elsewhere") -> Imported:
    source = Source(name=name, licence="theirs", origin="people", use="training", count=3)
    return Imported(kind="csv", path="x", source=source, research_only=research_only, labels=3, left_out={})


def test_what_a_run_learned_from_is_never_packed_without_its_source() -> None:
    with pytest.raises(TrainingError, match="csv: the run learned from it, but has no record of its source"):
        list_sources({"csv": 3})
    with pytest.raises(TrainingError, match="x: calls itself SFHQ samples, which is the kit's own"):
        list_sources({"csv": 3}, [record(research_only=False, name="SFHQ samples")])
    (source,) = list_sources({"csv": 3}, [record(research_only=False)])
    assert (source.name, source.licence, source.count) == ("Faces of Elsewhere", "theirs", 3)


def test_research_data_binds_the_weights() -> None:
    assert choose_licence([record(research_only=False)], research_only=False) == "Apache-2.0"
    with pytest.raises(TrainingError, match=r"learned from Faces of Elsewhere: theirs\. Pack with --research-only"):
        choose_licence([record(research_only=True)], research_only=False)
    assert choose_licence([record(research_only=True)], research_only=True) == RESEARCH_ONLY


def test_the_card_says_whether_real_people_are_in_the_training_set() -> None:
    manifest = load_bundle(default_bundle()).manifest
    assert "No photograph of a real person is in the training set" in write_card(manifest)
    added = [*manifest.sources, record(research_only=True).source]
    card = write_card(msgspec.structs.replace(manifest, sources=added))
    assert "No photograph of a real person" not in card
    assert "may be in the training set**, from Faces of Elsewhere (theirs; people)" in card


@pytest.mark.slow
def test_a_bundle_of_research_data_says_so(tiny_run: Path, imported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.copytree(imported, folder / "datasets")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    evaluation["counts"]["affwild2"] = 9
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    with pytest.raises(TrainingError, match=r"Aff-Wild2: .*--research-only"):
        pack(folder, tmp_path / "bundle", "tiny", 1, "2026-01-02", None)
    pack(folder, tmp_path / "bundle", "tiny", 1, "2026-01-02", None, research_only=True)
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.manifest.licence == RESEARCH_ONLY
    assert "Aff-Wild2" in {source.name for source in bundle.manifest.sources}
    shutil.rmtree(folder / "datasets")
    with pytest.raises(TrainingError, match="affwild2: the run learned from it, but has no record"):
        pack(folder, tmp_path / "again", "tiny", 1, "2026-01-02", None, research_only=True)
